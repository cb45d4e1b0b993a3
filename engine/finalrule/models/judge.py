"""Payment models judged under a policy: what each is, what it fails on and by how much, and which
facts are missing where that is open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from finalrule.core import ir
from finalrule.core.expressions import Frame, Known, Unknown
from finalrule.diagnostics import Report
from finalrule.evaluate.outcomes import OutcomeName, output_types
from finalrule.evaluate.scalar import Evaluation, Evaluator, with_assumed
from finalrule.evaluate.trace import trace
from finalrule.models.read import Model, ModelFile
from finalrule.policy.tree import Entry, Listing, Mapping
from finalrule.scenarios.build import CaseBuilder
from finalrule.scenarios.read import Scenario
from finalrule.values import YES_NO, show

ENTITY = "payment_model"

# What a model is.
KINDS = ("is_apm", "medical_home_model", "advanced_apm", "mips_apm")

# What an outcome rests on: others, and rules that say by how much a figure is missed.
RESTS_ON: dict[str, tuple[str, ...]] = {
    "advanced_apm": (
        "is_apm", "cehrt_criterion", "quality_criterion", "outcome_measure_criterion",
        "financial_risk_criterion",
    ),
    "cehrt_criterion": ("cehrt_shortfall",),
    "nominal_amount_standard": (
        "marginal_risk_shortfall", "minimum_loss_rate_excess", "expenditures_shortfall",
        "revenue_shortfall",
    ),
    "medical_home_nominal_amount_standard": ("medical_home_shortfall",),
}  # fmt: skip

# The standards that the risk criterion rests on, by whether those for medical homes apply.
APPLIES = "medical_home_standard_applies"
STANDARDS: dict[bool | None, tuple[str, ...]] = {
    False: ("financial_risk_standard", "nominal_amount_standard"),
    True: ("medical_home_financial_risk_standard", "medical_home_nominal_amount_standard"),
    None: (APPLIES, "financial_risk_standard", "nominal_amount_standard"),
}


@dataclass(frozen=True, slots=True)
class Miss:
    """A figure that is missed, and by how much, as people write it."""

    rule: str
    title: str
    by: str
    cites: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Yes, no or None (undetermined). `because` and `cites` are those of the clause that decided;
    `needs` are the missing facts of what is undetermined."""

    rule: str
    title: str
    value: bool | None
    because: str
    cites: tuple[str, ...]
    needs: tuple[str, ...]
    misses: tuple[Miss, ...]
    below: tuple[Outcome, ...]

    def walk(self) -> Iterator[Outcome]:
        """This one and all that it rests on, from above."""
        yield self
        for outcome in self.below:
            yield from outcome.walk()


@dataclass(frozen=True, slots=True)
class Found:
    """What CMS found, and whether it came out (None: it is undetermined here)."""

    kind: str
    value: bool
    cite: str
    agrees: bool | None


@dataclass(frozen=True, slots=True)
class Judged:
    """A model under a policy."""

    model: Model
    policy: str
    kinds: dict[str, Outcome]
    found: tuple[Found, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """An outcome of one model that two policies give otherwise."""

    model: Model
    a: Outcome
    b: Outcome


def judge(file: ModelFile, evaluator: Evaluator) -> list[Judged]:
    """Every model of a file under a policy. Raises Failure with all names and values of facts that
    the policy's rules do not have."""
    program = evaluator.program
    report = Report()
    case = with_assumed(CaseBuilder(program, report).case(_scenario(file)), program)
    report.stop_if_errors()
    rules = {rule.name for rule in program.rules if rule.entity == ENTITY}
    judging = _Judging(evaluator, evaluator.evaluate(case, rules))
    frames = judging.evaluation.frames_of(ENTITY)
    return [judging.judged(one, frame) for one, frame in zip(file.models, frames, strict=True)]


def differences(a: Sequence[Judged], b: Sequence[Judged]) -> list[Difference]:
    """The outcomes of the same models that differ between two policies, without those that one that
    differs rests on."""
    return [
        Difference(one.model, *pair)
        for one, other in zip(a, b, strict=True)
        for kind in KINDS
        for pair in _differing(one.kinds[kind], other.kinds[kind])
    ]


def _differing(a: Outcome, b: Outcome) -> Iterator[tuple[Outcome, Outcome]]:
    """The two outcomes where they differ, else those that they rest on."""
    if a.value != b.value:
        yield a, b
        return
    after = {one.rule: one for one in b.below}
    for one in a.below:
        if one.rule in after:
            yield from _differing(one, after[one.rule])


def _scenario(file: ModelFile) -> Scenario:
    """The models of a file as the records of a scenario."""
    records = []
    for model in file.models:
        key = Entry("model", model.key.span, model.key)
        facts = {fact.entry.key: fact.entry for fact in model.facts}
        records.append(Mapping({"model": key, **facts}, model.span))
    span = file.models[0].span
    given = Mapping({ENTITY: Entry(ENTITY, span, Listing(tuple(records), span))}, span)
    return Scenario(file.about, (), None, given, None, (), span)


class _Judging:
    def __init__(self, evaluator: Evaluator, evaluation: Evaluation) -> None:
        self.evaluator, self.evaluation = evaluator, evaluation
        self.rules, self.policy = evaluator.rules, evaluator.program.policy

    def judged(self, model: Model, frame: Frame) -> Judged:
        kinds = {kind: self._outcome(kind, frame) for kind in KINDS}
        found = tuple(
            Found(kind, value == "yes", finding.cite.text, _agrees(kinds[kind].value, value))
            for finding in model.found
            if finding.policy == self.policy
            for kind, value in finding.outcomes.items()
        )
        return Judged(model, self.policy, kinds, found)

    def _outcome(self, name: str, frame: Frame) -> Outcome:
        rule, decision = self.rules[name], self.evaluation.decision(name, frame)
        assert isinstance(rule, ir.Choice)
        value = decision.values[""]
        clause = next((one for one in rule.clauses if one.name == decision.winner), None)
        below = [one for one in self._rests_on(name, frame) if one in self.rules]
        misses = [self._miss(one, frame) for one in below]
        return Outcome(
            name,
            rule.title,
            _settled(value),
            clause.because if clause else "",
            (clause.cites if clause else ()) or rule.cites,
            _facts(value) if isinstance(value, Unknown) else (),
            tuple(miss for miss in misses if miss),
            tuple(self._outcome(one, frame) for one in below if self._is_yes_no(one)),
        )

    def _rests_on(self, name: str, frame: Frame) -> tuple[str, ...]:
        if name == "financial_risk_criterion":
            applies = self.evaluation.decision(APPLIES, frame)
            standards = STANDARDS[_settled(applies.values[""])]
            return (APPLIES, *standards) if applies.winner == "too_large" else standards
        return RESTS_ON.get(name, ())

    def _is_yes_no(self, name: str) -> bool:
        return output_types(self.rules[name])[""] == YES_NO

    def _miss(self, name: str, frame: Frame) -> Miss | None:
        value = self.evaluation.value(name, frame)
        if not isinstance(value, Fraction) or value == 0:
            return None
        rule = self.rules[name]
        cites = self._figures(name, frame) or rule.cites
        return Miss(name, rule.title, show(value, output_types(rule)[""]), cites)

    def _figures(self, name: str, frame: Frame) -> tuple[str, ...]:
        """The citations of the figures that a rule reads."""
        traced = trace(self.evaluator, self.evaluation, OutcomeName(name, frame.path))
        entry = next(one for one in traced["outcomes"] if one["outcome"].startswith(f"{name}["))
        return tuple(figure["cite"] for figure in entry.get("parameters", ()))


def _settled(value: Known) -> bool | None:
    return None if isinstance(value, Unknown) else bool(value)


def _facts(value: Unknown) -> tuple[str, ...]:
    """The facts of the model that are missing, by their names alone."""
    return tuple(sorted(need.rpartition(".")[2] for need in value.needs))


def _agrees(value: bool | None, found: str) -> bool | None:
    return None if value is None else value == (found == "yes")
