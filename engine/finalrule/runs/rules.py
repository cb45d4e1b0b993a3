"""Which of a program's rules a run computes, and which of them it states."""

from __future__ import annotations

from finalrule.core import ir
from finalrule.core.walk import nodes, reads
from finalrule.evaluate.outcomes import output_types
from finalrule.population.plan import Plan
from finalrule.values import Number


def rules_of(program: ir.Program) -> list[str]:
    """The rules that a run computes: those of the trees that its tables have."""
    roots = {one.name: one.parent for one in program.entities}

    def root(entity: str) -> str:
        while roots[entity]:
            entity = roots[entity]
        return entity

    return [rule.name for rule in program.rules if root(rule.entity) == "program"]


def program_rules(plan: Plan) -> list[str]:
    """The rules of the program itself that a plan has outcomes of, and that give a number which
    follows from everybody's records."""
    found = dict.fromkeys(
        rule.name for rule in plan.program.rules
        if rule.entity == "program" and any(isinstance(one, ir.Aggregate) for one in nodes(rule))
    )  # fmt: skip
    for rule in plan.program.rules:
        if rule.entity == "program" and not found.keys().isdisjoint(reads(rule)):
            found[rule.name] = None
    return [
        rule.name for rule in plan.program.rules
        if rule.name in found and rule.name in plan.packed
        and isinstance(output_types(rule).get(""), Number)
    ]  # fmt: skip
