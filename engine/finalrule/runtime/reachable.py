"""Which clauses no facts can make win, as far as the conditions themselves say."""

from __future__ import annotations

from finalrule.core import ir
from finalrule.evaluate.outcomes import winners
from finalrule.runtime.boxes import TooManyBoxes
from finalrule.runtime.coding import OutsideSubset
from finalrule.runtime.compile import is_determination, results_of
from finalrule.runtime.conditions import Conditions


def unreachable(program: ir.Program) -> dict[str, tuple[str, ...]]:
    """Winners by rule whose condition contradicts itself, or needs an outcome that no clause gives:
    such as what a rule adds that the policy does not have in force."""
    conditions = Conditions(program)
    found: dict[str, tuple[str, ...]] = {}
    for rule in program.rules:
        never = _never(rule, conditions)
        if never:
            found[rule.name] = never
    return found


def _never(rule: ir.AnyRule, conditions: Conditions) -> tuple[str, ...]:
    if isinstance(rule, ir.Select):
        without = {"not_considered": rule.where is None, "passed_over": rule.best is None}
        return tuple(winner for winner, never in without.items() if never)
    conditions.begin(rule)
    try:
        if is_determination(rule):
            possible = results_of(rule, conditions)
            conditions.results[rule.name] = tuple(result for result, _ in possible)
            won = {result.winner for result, _ in possible}
            return tuple(winner for winner in winners(rule) if winner not in won)
        if isinstance(rule, ir.Choice):
            return tuple(
                clause.name
                for clause in rule.clauses
                if clause.when is not None and not conditions.surely(clause.when)
            )
    except (OutsideSubset, TooManyBoxes):
        pass
    return ()
