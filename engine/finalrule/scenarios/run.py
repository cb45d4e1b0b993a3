"""Scenarios run: each expected outcome against what the exact evaluator gives."""

from __future__ import annotations

from dataclasses import dataclass

from finalrule.core.expressions import Frame, Known, Unknown
from finalrule.diagnostics import Diagnostic, Failure, Label, Report
from finalrule.evaluate.outcomes import OutcomeName, output_types
from finalrule.evaluate.scalar import Evaluation, Evaluator, with_assumed
from finalrule.scenarios.build import CaseBuilder, typed
from finalrule.scenarios.read import Expected, Scenario
from finalrule.values import Type, show


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
        )


@dataclass(frozen=True, slots=True)
class Result:
    """One scenario under one policy."""

    scenario: Scenario
    policy: str
    mismatches: tuple[Mismatch, ...]
    evaluation: Evaluation | None
    asserted: tuple[OutcomeName, ...]
    failure: Failure | None = None

    @property
    def passed(self) -> bool:
        return not self.mismatches and self.failure is None


def run_scenario(scenario: Scenario, evaluator: Evaluator) -> Result:
    """Run a scenario under a program. A scenario that cannot be read, or a rule that breaks its
    promise, is a failure of the result."""
    program, report = evaluator.program, Report()
    builder = CaseBuilder(program, report)
    case = with_assumed(builder.case(scenario), program)
    assume = builder.assumed(scenario)
    named = [
        (expected, found)
        for expected in scenario.expect
        if (found := builder.outcome(expected.outcome, expected.span))
    ]
    try:
        report.stop_if_errors()
        only = {rule.name for _, (_, rule) in named}
        evaluation = evaluator.evaluate(case, only, assume)
    except Failure as failure:
        return Result(scenario, program.policy, (), None, (), failure)
    mismatches: list[Mismatch] = []
    for expected, (name, rule) in named:
        type_ = output_types(rule).get(name.output)
        mismatch = _compare(expected, name, type_, evaluation, report)
        if mismatch:
            mismatches.append(mismatch)
    failure_ = Failure(report.diagnostics) if report.has_errors else None
    asserted = tuple(name for _, (name, _) in named)
    return Result(scenario, program.policy, tuple(mismatches), evaluation, asserted, failure_)


def frame_of(name: OutcomeName, evaluation: Evaluation) -> Frame | None:
    """The frame that an outcome's name points to."""
    for rule, frame in evaluation.decisions:
        if rule == name.rule and frame.path == name.path:
            return frame
    return None


def shown(value: Known, type_: Type | None) -> str:
    """A value, or `undetermined` with the facts that it needs."""
    if isinstance(value, Unknown):
        return "undetermined (needs " + ", ".join(sorted(value.needs)) + ")"
    return show(value, type_) if type_ is not None else str(value)


def _compare(
    expected: Expected, name: OutcomeName, type_: Type | None, evaluation: Evaluation, report: Report
) -> Mismatch | None:
    frame = frame_of(name, evaluation)
    if frame is None:
        paths = sorted({",".join(f.path) for rule, f in evaluation.decisions if rule == name.rule})
        report.error(
            "missing-record", f"the scenario has no record for `{name}`", expected.span,
            help=f"its records are {', '.join(f'[{path}]' for path in paths)}"
            if any(paths) else "give the record",
        )  # fmt: skip
        return None
    decision = evaluation.decisions[name.rule, frame]
    wrong: list[tuple[str, str]] = []
    if expected.value is not None and type_ is not None:
        value = decision.values[name.output]
        if expected.value.text == "undetermined":
            if not isinstance(value, Unknown):
                wrong.append(("undetermined", shown(value, type_)))
        else:
            wanted = typed(expected.value, type_, report)
            if wanted is not None and value != wanted:
                wrong.append((show(wanted, type_), shown(value, type_)))
    if expected.clause is not None and decision.winner != expected.clause.text:
        wrong.append((f"clause {expected.clause.text}", f"clause {decision.winner or 'none'}"))
    if not wrong:
        return None
    return Mismatch(
        expected, name, " by ".join(want for want, _ in wrong), " by ".join(got for _, got in wrong)
    )
