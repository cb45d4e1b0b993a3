"""The conclusions of durable-rules held against the exact evaluator: value and deciding clause.

Two programs that share no evaluation code come to the same outcome, or there is an error that names
the rule. The exact evaluator's outcome is the one that is given; this only says whether it stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from finalrule.core import ir
from finalrule.core.expressions import Context, Known, Unknown
from finalrule.diagnostics import Diagnostic, Failure, Label, Pointer
from finalrule.evaluate.outcomes import OutcomeName, output_types
from finalrule.evaluate.scalar import Evaluation
from finalrule.runtime.compile import Rulesets, compile_rulesets
from finalrule.runtime.determine import Determiner, Firing, Run
from finalrule.runtime.durable import unavailable
from finalrule.runtime.worker import Worker
from finalrule.values import Type, show

DIFFERENCE = "evaluators-differ"

State = Literal["agree", "differ", "failed", "unavailable"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A determination that came out otherwise. `exact` and `durable` say clause and value."""

    rule: ir.AnyRule
    path: tuple[str, ...]
    exact: str
    durable: str

    def diagnostic(self) -> Diagnostic:
        """As an error at the rule."""
        name = OutcomeName(self.rule.name, self.path)
        return Diagnostic(
            DIFFERENCE,
            f"two evaluators differ on `{name}`: {self.exact}, but by durable-rules {self.durable}",
            (Label(Pointer(str(self.rule.place), ""), f"rule {self.rule.name}"),),
            "do not use this outcome: one of the two evaluators is wrong; report the rule",
        )


@dataclass(frozen=True, slots=True)
class Crosscheck:
    """What holding the two against each other came to, `line` in one line for people. `failures`
    are errors that name a subject on whom durable-rules failed; `firings` has the trace events of
    each evaluation; `refused` says which determinations durable-rules does not decide, and why."""

    state: State
    line: str
    differences: tuple[Difference, ...] = ()
    failures: tuple[Diagnostic, ...] = ()
    firings: tuple[tuple[Firing, ...], ...] = ()
    refused: tuple[Diagnostic, ...] = ()


class Comparer:
    """Holds determinations against the exact evaluator's decisions."""

    def __init__(self, rulesets: Rulesets) -> None:
        self.rulesets = rulesets
        self._rules = {rule.name: rule for rule in rulesets.program.rules}
        self._outputs = {rule.name: output_types(rule) for rule in rulesets.program.rules}

    def differences(self, evaluation: Evaluation, runs: Sequence[Run]) -> list[Difference]:
        """Each determination of each record that came out otherwise."""
        found = []
        for run in runs:
            for rule in self.rulesets.rulesets[run.ruleset].determinations:
                decision = evaluation.decisions[rule, run.frame]
                numbers = run.concluded.results.get(rule, ())
                if numbers != (self.rulesets.number(rule, decision),):
                    exact = self._said(rule, decision.winner, decision.values)
                    durable = self._concluded(rule, numbers)
                    found.append(Difference(self._rules[rule], run.frame.path, exact, durable))
        return found

    def _said(self, rule: str, winner: str, values: Mapping[str, Known]) -> str:
        if not winner:
            return "undetermined"
        types = self._outputs[rule]
        shown = ", ".join(_text(value, types[name]) for name, value in values.items())
        return f"{shown} by {winner}"

    def _concluded(self, rule: str, numbers: Sequence[int]) -> str:
        if not numbers:
            return "nothing was concluded"
        said = []
        for number in numbers:
            result = self.rulesets.results[rule][number - 1] if number else None
            said.append(self._said(rule, result.winner if result else "",
                                   result.values if result else {}))  # fmt: skip
        return " and also ".join(said)


def _text(value: Known, type_: Type) -> str:
    return "undetermined" if isinstance(value, Unknown) else show(value, type_)


def crosscheck(context: Context, evaluations: Sequence[Evaluation]) -> Crosscheck:
    """Determine every evaluated case again by durable-rules, in a process of its own. All
    evaluations are of one program, whole, with nothing assumed; `context` has its catalogues.

    Raises Failure when the rulesets leave the part of durable-rules that is exact.
    """
    why_not = unavailable()
    if why_not:
        return Crosscheck("unavailable", f"determinations are not checked a second time: {why_not}")
    if not evaluations:
        return Crosscheck("agree", "there is no determination to check")
    rulesets = compile_rulesets(evaluations[0].program)
    determiner, comparer = Determiner(rulesets, context), Comparer(rulesets)
    differences: list[Difference] = []
    failures: list[Diagnostic] = []
    firings: list[tuple[Firing, ...]] = []
    with Worker(rulesets.rulesets) as worker:
        for evaluation in evaluations:
            worker.subject = evaluation.case.subject
            try:
                runs = determiner.determine(evaluation, worker.fire)
            except Failure as failure:
                failures.extend(failure.diagnostics)
                firings.append(())
                continue
            differences += comparer.differences(evaluation, runs)
            firings.append(tuple(event for run in runs for event in determiner.firings(run)))
    checked, refused = len(rulesets.results), len(rulesets.refused)
    state: State
    if differences:
        state, line = "differ", f"two evaluators differ on {_counted(len(differences))}"
    elif failures:
        state, line = "failed", f"durable-rules failed on {len(failures)} of {len(evaluations)}"
    else:
        state, line = "agree", f"durable-rules agrees on {_counted(checked)}"
    if refused:
        line += f"; {_counted(refused)} outside what it can decide"
    return Crosscheck(
        state, line, tuple(differences), tuple(failures), tuple(firings), rulesets.refused
    )


def _counted(number: int) -> str:
    return f"{number} determination" + ("" if number == 1 else "s")
