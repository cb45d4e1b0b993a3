"""Scenarios run: each expected outcome against what the exact evaluator gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from finalrule.core.expressions import Frame, Known, Unknown
from finalrule.diagnostics import Diagnostic, Failure, Label, Report, suggest
from finalrule.evaluate.catalogues import TypedCatalogue
from finalrule.evaluate.outcomes import OutcomeName, output_types, winners
from finalrule.evaluate.scalar import Evaluation, Evaluator, with_assumed
from finalrule.facts.case import Case
from finalrule.scenarios.build import CaseBuilder, Paths, typed
from finalrule.scenarios.read import Expected, Scenario
from finalrule.scenarios.records import made_up
from finalrule.values import Type, Value, show

UNDETERMINED = "undetermined"


@dataclass(frozen=True, slots=True)
class Check:
    """An expected outcome, typed. `wanted` is None for no value and for `undetermined`."""

    expected: Expected
    name: OutcomeName
    type: Type
    wanted: Value | None

    @property
    def undetermined(self) -> bool:
        return self.expected.value is not None and self.expected.value.text == UNDETERMINED


@dataclass(frozen=True, slots=True)
class Prepared:
    """A scenario as a case of one policy: what is given, taken as given, and expected. `catalogues`
    are those that the scenario changes."""

    scenario: Scenario
    policy: str
    catalogues: Mapping[str, TypedCatalogue]
    case: Case
    assume: Mapping[tuple[str, tuple[str, ...]], Mapping[str, Value]]
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """An expected outcome that did not come out."""

    expected: Expected
    name: OutcomeName
    wanted: str
    got: str

    def diagnostic(self) -> Diagnostic:
        """As an error at the scenario's line."""
        return Diagnostic(
            "wrong-outcome",
            f"`{self.expected.outcome}` is {self.got}, expected {self.wanted}",
            (Label(self.expected.span, f"got {self.got}"),),
            "correct the scenario, or the rule or figure that decided",
        )


@dataclass(frozen=True, slots=True)
class Result:
    """One scenario under one policy. `evaluator` is the policy's, with the scenario's records in
    its catalogues; `asserted` are the outcomes that came out as expected; `evaluation` is None
    when the scenario could not be evaluated (`failure` says why)."""

    scenario: Scenario
    policy: str
    evaluator: Evaluator
    mismatches: tuple[Mismatch, ...]
    evaluation: Evaluation | None
    asserted: tuple[OutcomeName, ...]
    failure: Failure | None = None

    @property
    def passed(self) -> bool:
        return not self.mismatches and self.failure is None


def prepare_scenario(scenario: Scenario, evaluator: Evaluator) -> Prepared:
    """A scenario typed by a program. Raises Failure with everything that is wrong in it."""
    program, report = evaluator.program, Report()
    catalogues = made_up(scenario, evaluator.catalogues, report)
    builder = CaseBuilder(program, report)
    case = with_assumed(builder.case(scenario), program)
    paths = builder.paths(case)
    assume = builder.assumed(scenario, paths)
    checks = tuple(
        check
        for expected in scenario.expect
        if (check := _check(expected, builder, paths, report)) is not None
    )
    report.stop_if_errors()
    return Prepared(scenario, program.policy, catalogues, case, assume, checks)


def _check(
    expected: Expected,
    builder: CaseBuilder,
    paths: Paths,
    report: Report,
) -> Check | None:
    named = builder.outcome(expected.outcome, expected.span, paths, expected.value is None)
    if named is None:
        return None
    name, rule = named
    outputs = output_types(rule)
    type_ = outputs.get(name.output, next(iter(outputs.values())))
    wanted = None
    if expected.value is not None and expected.value.text != UNDETERMINED:
        wanted = typed(expected.value, type_, report)
    if expected.clause is not None and expected.clause.text not in winners(rule):
        report.error(
            "scenario-clause",
            f"`{rule.name}` has no clause, row or piece `{expected.clause.text}`",
            expected.clause.span,
            help=suggest(expected.clause.text, winners(rule))
            or f"what decides it is one of {', '.join(winners(rule))}",
        )
    return Check(expected, name, type_, wanted)


def run_scenario(scenario: Scenario, evaluator: Evaluator) -> Result:
    """Run a scenario under a program. A scenario that cannot be read, or a rule that breaks its
    promise, is a failure of the result."""
    try:
        prepared = prepare_scenario(scenario, evaluator)
    except Failure as failure:
        return Result(scenario, evaluator.program.policy, evaluator, (), None, (), failure)
    return run_prepared(prepared, evaluator)


def run_prepared(prepared: Prepared, evaluator: Evaluator) -> Result:
    """Run a scenario that is typed already. A rule that breaks its promise is a failure of the
    result."""
    scenario, policy = prepared.scenario, prepared.policy
    if prepared.catalogues:
        catalogues = {**evaluator.catalogues, **prepared.catalogues}
        evaluator = Evaluator(evaluator.program, catalogues)
    try:
        only = {check.name.rule for check in prepared.checks}
        evaluation = evaluator.evaluate(prepared.case, only, prepared.assume)
    except Failure as failure:
        return Result(scenario, policy, evaluator, (), None, (), failure)
    mismatches: list[Mismatch] = []
    asserted: list[OutcomeName] = []
    for check in prepared.checks:
        mismatch = _compare(check, evaluation)
        if mismatch:
            mismatches.append(mismatch)
        else:
            asserted.append(check.name)
    return Result(scenario, policy, evaluator, tuple(mismatches), evaluation, tuple(asserted))


def frame_of(name: OutcomeName, evaluation: Evaluation) -> Frame:
    """The frame that an outcome's name points to. Raises KeyError when there is none."""
    entity = next(rule.entity for rule in evaluation.program.rules if rule.name == name.rule)
    for frame in evaluation.frames:
        if frame.entity == entity and frame.path == name.path:
            return frame
    raise KeyError(name)


def shown(value: Known, type_: Type) -> str:
    """A value, or `undetermined` with the facts that it needs."""
    if isinstance(value, Unknown):
        return f"{UNDETERMINED} (needs {', '.join(sorted(value.needs))})"
    return show(value, type_)


def _compare(check: Check, evaluation: Evaluation) -> Mismatch | None:
    expected, name = check.expected, check.name
    decision = evaluation.decisions[name.rule, frame_of(name, evaluation)]
    wrong: list[tuple[str, str]] = []
    if check.undetermined:
        value = decision.values[name.output]
        if not isinstance(value, Unknown):
            wrong.append((UNDETERMINED, shown(value, check.type)))
    elif check.wanted is not None:
        value = decision.values[name.output]
        if value != check.wanted:
            wrong.append((show(check.wanted, check.type), shown(value, check.type)))
    if expected.clause is not None and decision.winner != expected.clause.text:
        wrong.append((f"clause {expected.clause.text}", f"clause {decision.winner or 'none'}"))
    if not wrong:
        return None
    return Mismatch(
        expected, name, " by ".join(want for want, _ in wrong), " by ".join(got for _, got in wrong)
    )
