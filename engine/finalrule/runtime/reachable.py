"""Which clauses no facts can make win, as far as the conditions themselves say."""

from __future__ import annotations

from collections.abc import Iterator

from finalrule.core import ir
from finalrule.core.walk import nodes
from finalrule.evaluate.lets import inline, inlined_lets
from finalrule.evaluate.outcomes import winners
from finalrule.runtime.boxes import TooManyBoxes
from finalrule.runtime.coding import OutsideSubset
from finalrule.runtime.compile import is_determination, results_of
from finalrule.runtime.conditions import Conditions


def unreachable(program: ir.Program) -> dict[str, tuple[str, ...]]:
    """Winners by rule whose condition contradicts itself, or needs an outcome that no clause gives,
    of its own record or of any below: such as what a rule adds that the policy does not have in
    force."""
    conditions = Conditions(program)
    of_records = Conditions(program, results=conditions.results, unmet=conditions.unmet)
    found: dict[str, tuple[str, ...]] = {}
    for rule in program.rules:
        of_records.begin(rule)
        conditions.unmet.update(_unmet(rule, of_records))
        never = _never(rule, conditions)
        if never:
            found[rule.name] = never
    return found


def _unmet(rule: ir.AnyRule, conditions: Conditions) -> Iterator[ir.Expr]:
    """Every `any` of a rule over records of which none can meet it."""
    lets = inlined_lets(rule)
    for node in nodes(rule):
        if isinstance(node, ir.Aggregate) and node.op == "any" and node.where is not None:
            try:
                if not conditions.surely(node.where):
                    yield inline(node, lets)
            except (OutsideSubset, TooManyBoxes):
                continue


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
