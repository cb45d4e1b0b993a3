"""What a what-if computes again, as a plan, and what that reads of a finished run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from finalrule.core import ir
from finalrule.core.walk import nodes
from finalrule.evaluate.scalar import Evaluator
from finalrule.population.dimensions import Rows, catalogue_rows
from finalrule.population.plan import Plan, compile_population
from finalrule.runs.changed import Changed
from finalrule.runs.late import ALIKE, regrouped
from finalrule.runs.results import CHOSEN, COLUMNS, SCORE, TIN_NPI
from finalrule.runs.rules import program_rules
from finalrule.runs.shortened import Before, not_considered, shortened


@dataclass(frozen=True, slots=True)
class Again:
    """`plan` computes the changed rules; `stored` is what is kept together with that; `before` and
    `without`, by entity, are what is read of what was before."""

    plan: Plan
    stored: Plan
    catalogues: Mapping[str, Rows]
    before: tuple[Before, ...]
    without: Mapping[str, Before]

    @property
    def entities(self) -> list[str]:
        """The entities whose facts, or kept outcomes, are read."""
        return sorted(self.plan.reads(self.plan.passes) & set(self.plan.scopes))


def compile_again(now: Evaluator, stored: Plan, change: Changed, *, alike: bool = False) -> Again:
    """What computes the changed rules; `alike` for TIN/NPIs that are alike, where all that is late
    is changed. The last tables of scores and of TIN/NPIs have what results are made of beside."""
    short = shortened(now.program, stored, change)
    program = regrouped(short.program, change.rules) if alike else short.program
    read = {
        node.catalogue for rule in now.program.rules if rule.name in change.rules
        for node in (rule, *nodes(rule))
        if isinstance(node, ir.Lookup | ir.Listed | ir.Deciles)
    }  # fmt: skip
    catalogues = catalogue_rows({name: now.catalogues[name] for name in sorted(read)})
    decided = program_rules(stored)
    carried = []
    if CHOSEN in change.rules:
        of = f"{ALIKE if alike else TIN_NPI}_id"
        carried = [(SCORE, name) for name in (of, "scoring_unit_id", "kind")]
    if alike:
        carried += [(TIN_NPI, name) for name in (f"{ALIKE}_id", "covered_charges")]
    plan = compile_population(
        program, {name: one.dimension for name, one in catalogues.items()},
        only=change.rules, stored=short.stored, results=_wanted(stored), decided=decided,
        carried=carried,
    )  # fmt: skip
    without = not_needed(now.program, stored, change)
    return Again(plan, _overlaid(short.stored, plan), catalogues, short.columns, without)


def not_needed(program: ir.Program, stored: Plan, change: Changed) -> dict[str, Before]:
    """By entity, for which records nothing need be computed again."""
    return not_considered(program, stored, change, _wanted(stored))


def _wanted(stored: Plan) -> set[str]:
    """The rules whose outcomes make what a run states of everybody, and of the program."""
    return {*(one.rule for one in COLUMNS if one.rule), CHOSEN, *program_rules(stored)}


def _overlaid(stored: Plan, changed: Plan) -> Plan:
    """One plan of what is stored and what was computed again."""
    packed = {rule: one for rule, one in stored.packed.items() if rule not in changed.tables}
    return Plan(
        changed.program, changed.passes, {**stored.shapes, **changed.shapes},
        {**packed, **changed.packed}, {**stored.results, **changed.results},
        {**stored.tables, **changed.tables}, stored.scopes,
    )  # fmt: skip
