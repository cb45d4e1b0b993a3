"""One subject determined afresh from its facts: numbers by the exact evaluator, statuses by
durable-rules, and both held against each other. Nothing is kept of the subject before."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fractions import Fraction

import msgspec

from finalrule.core.expressions import Frame, Unknown
from finalrule.diagnostics import Diagnostic, Failure
from finalrule.evaluate.catalogues import open_catalogues
from finalrule.evaluate.kinds import Decision
from finalrule.evaluate.outcomes import output_types
from finalrule.evaluate.scalar import Evaluation, Evaluator
from finalrule.facts.case import Case, Given, Record
from finalrule.places import policies_root
from finalrule.runtime.compare import Comparer
from finalrule.runtime.compile import compile_rulesets
from finalrule.runtime.determine import Determiner
from finalrule.runtime.durable import Engine, EngineError, unavailable
from finalrule.values import show
from finalrule.watch.case import Cases, SubjectCase, View
from finalrule.watch.event import store
from finalrule.watch.model import Model, SubjectKind


class Outcome(msgspec.Struct, array_like=True):
    """An outcome of the subject: `winner` is the clause or row, empty where it is undetermined;
    `values` has one text for each output, `needs` the facts that an undetermined one needs."""

    rule: str
    path: list[str]
    winner: str
    values: list[str | None]
    needs: list[str]


class Derived(msgspec.Struct, array_like=True):
    """What a subject comes to. `near`: what is missing to a threshold, as `n/d`. `problem` says why
    nothing was determined, `code` which error it is; then there is no more."""

    outcomes: list[Outcome] = []
    view: View | None = None
    near: str | None = None
    problem: str = ""
    code: str = ""


class Deriver:
    """A policy made ready to determine subjects."""

    def __init__(self, model: Model) -> None:
        self.model, program = model, model.program
        self.evaluator = Evaluator(program, open_catalogues(program, policies_root()))
        self.cases = Cases(model)
        self.types = {rule.name: output_types(rule) for rule in program.rules}
        self.suppose({})
        self.engine: Engine | None = None
        if not unavailable():
            self.rulesets = compile_rulesets(program)
            self.determiner = Determiner(self.rulesets, self.evaluator.context)
            self.comparer = Comparer(self.rulesets)
            self.engine = Engine(self.rulesets.rulesets)

    def suppose(self, facts: Mapping[str, Given]) -> None:
        """From here on determine with these facts of the program as a whole, which no event says;
        for those that are not there stands what their absence means. Raises Failure where a rule
        breaks its promise on them."""
        self.cases.supposed = facts
        case = Case(self.cases.root(), {}, "")
        fixed = self.evaluator.decide(case, self.model.fixed, {})
        self.fixed = {rule: decision for (rule, _), decision in fixed.decisions.items()}

    def derive(self, data: bytes) -> Derived:
        """What the subject of a message comes to."""
        made = self.cases.case(data)
        given = {made.case.root: self.fixed, **made.given}
        kind = self.model.subjects[self.model.kind_of[made.node.entity]]
        try:
            evaluation = self.evaluator.decide(made.case, kind.rules, given)
            if self.engine is not None:
                self._check(evaluation, given, self.engine)
        except Failure as failure:
            said = "; ".join(one.message for one in failure.diagnostics)
            return Derived(problem=said, code=failure.diagnostics[0].code)
        outcomes = [
            self._outcome(rule, frame, decision)
            for (rule, frame), decision in evaluation.decisions.items()
            if rule in self.model.shown and evaluation.records[frame] not in given
        ]
        subject = next(f for f, one in evaluation.records.items() if one is made.subject)
        missing = subject.outcomes.get((kind.near, ""))
        near = str(missing) if isinstance(missing, Fraction) else None
        view = self._view(kind, made, subject, evaluation) if kind.referred else None
        return Derived(outcomes, view, near)

    def _check(self, evaluation: Evaluation, given: Collection[Record], engine: Engine) -> None:
        """Raise Failure where durable-rules comes to something else."""
        others = {frame for frame, record in evaluation.records.items() if record in given}
        try:
            runs = self.determiner.determine(evaluation, engine.fire, others)
        except EngineError as error:
            raise Failure([Diagnostic("runtime-died", f"durable-rules failed: {error}")]) from error
        differences = self.comparer.differences(evaluation, runs)
        if differences:
            raise Failure([one.diagnostic() for one in differences])

    def _outcome(self, rule: str, frame: Frame, decision: Decision) -> Outcome:
        types, values = self.types[rule], decision.values
        unknown = [value.needs for value in values.values() if isinstance(value, Unknown)]
        shown = [
            None if isinstance(value, Unknown) else show(value, types[name])
            for name, value in values.items()
        ]
        needs = sorted(frozenset().union(*unknown))
        return Outcome(rule, list(frame.path), decision.winner, shown, needs)

    def _view(
        self, kind: SubjectKind, made: SubjectCase, frame: Frame, evaluation: Evaluation
    ) -> View:
        """The subject as others read it."""
        facts = {name: store(frame.facts[name]) for name in kind.facts if name in frame.facts}
        decisions = {rule: evaluation.decisions[rule, frame] for rule in kind.outcomes}
        outcomes = {
            rule: (
                decision.winner,
                [None if isinstance(value, Unknown) else store(value)
                 for value in decision.values.values()],
            )
            for rule, decision in decisions.items()
        }  # fmt: skip
        return View(made.node.entity, made.node.keys, facts, outcomes, made.node.refers)
