"""The last rules of a run, from final scores on: what of them is the same for TIN/NPIs that are
alike, which have scores alike, whatever their charges are."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from finalrule.core import ir
from finalrule.core.walk import nodes
from finalrule.facts.declared import UNIT
from finalrule.population.schedule import closure
from finalrule.runs.results import AMOUNTS, COLUMNS, FINAL_SCORE, SCORE, TIN_NPI, USED
from finalrule.runs.rules import rules_of
from finalrule.tables.internal import PROGRAM

# The entity that stands for TIN/NPIs that are alike: these are below it, and so are its scores.
ALIKE = "alike"


def late_rules(program: ir.Program) -> tuple[str, ...]:
    """The rules that depend on final scores, and the final score's own; none where one of them
    reads what TIN/NPIs that are alike do not have alike, or where these differ in other results
    than amounts, which can be added up."""
    of_run = set(rules_of(program))
    found = {name for name in closure(program, [FINAL_SCORE]) if name in of_run}
    own = own_rules(program, found)
    for rule in program.rules:
        if rule.name in found and not _can_be(rule, own):
            return ()
    changing = [column for column in COLUMNS if column.rule in found]
    if any(column.of not in (USED, TIN_NPI) for column in changing):
        return ()
    if {column.name for column in changing if column.rule in own} != set(AMOUNTS):
        return ()
    return tuple(rule.name for rule in program.rules if rule.name in found)


def own_rules(program: ir.Program, late: Collection[str]) -> set[str]:
    """The rules of TIN/NPIs that depend on a TIN/NPI's own facts, or that are not late."""
    found: set[str] = set()
    for rule in program.rules:
        if rule.entity == TIN_NPI and (rule.name not in late or _reads_own(rule, found)):
            found.add(rule.name)
    return found


def regrouped(program: ir.Program, late: Collection[str]) -> ir.Program:
    """The program with late rules of TIN/NPIs that are alike computed once for these, from the
    scores of one of them."""
    own = own_rules(program, late)
    place = next(one.place for one in program.entities if one.name == TIN_NPI)
    entities = [ir.Entity(ALIKE, PROGRAM, (), "TIN/NPIs that are alike", place)]
    entities += [
        msgspec.structs.replace(one, parent=ALIKE) if one.name in (SCORE, TIN_NPI) else one
        for one in program.entities
    ]
    rules = [
        msgspec.structs.replace(rule, entity=ALIKE)
        if rule.entity == TIN_NPI and rule.name not in own
        else rule
        for rule in program.rules
    ]
    return msgspec.structs.replace(program, entities=tuple(entities), rules=tuple(rules))


def _reads_own(part: object, own: Collection[str]) -> bool:
    return any(
        (isinstance(node, ir.Fact) and node.entity == TIN_NPI)
        or (isinstance(node, ir.Outcome) and node.rule in own)
        for node in nodes(part)
    )


def _can_be(rule: ir.AnyRule, own: Collection[str]) -> bool:
    """Whether a late rule is right where scores are those of one TIN/NPI for all that are alike."""
    over = {node.entity for node in nodes(rule) if isinstance(node, ir.Aggregate)}
    if rule.entity == PROGRAM:
        return over <= {TIN_NPI}
    if rule.entity == SCORE:
        return not over and not _reads_own(rule, own)
    if rule.entity == TIN_NPI and rule.name not in own:
        return over <= {SCORE}
    return rule.entity in (UNIT, TIN_NPI) and not over
