"""What each rule reads, by name, and who reads what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from finalrule.core import ir
from finalrule.core.lower import Lowered
from finalrule.core.walk import nodes

Sort = Literal["rule", "fact", "parameter", "rounding", "catalogue"]


@dataclass(frozen=True, slots=True)
class Read:
    """One thing that a rule reads: its sort and name (a fact's is `entity.fact`)."""

    sort: Sort
    name: str


def read_by(one: Lowered) -> tuple[Read, ...]:
    """What a rule reads, the checks of its table or curve included, each once, in the order in
    which it stands."""
    rule = one.rule
    parts: list[object] = [rule, *(expr for _, expr in (*one.checks, *one.jumps))]
    found = [read for part in parts for node in nodes(part) if (read := _read(node))]
    if isinstance(rule, ir.Deciles):
        found += [Read("catalogue", rule.catalogue), Read("rounding", rule.rounding)]
    if rule.prints:
        found.append(Read("rounding", rule.prints))
    return tuple(dict.fromkeys(found))


def readers(rules: Iterable[Lowered]) -> dict[Read, tuple[str, ...]]:
    """The rules that read each thing that is read."""
    found: dict[Read, list[str]] = {}
    for one in rules:
        for read in read_by(one):
            found.setdefault(read, []).append(one.rule.name)
    return {read: tuple(names) for read, names in found.items()}


def _read(node: ir.Node) -> Read | None:
    match node:
        case ir.Outcome(rule=name):
            return Read("rule", name)
        case ir.Fact(entity=entity, name=name):
            return Read("fact", f"{entity}.{name}")
        case ir.Param(name=name):
            return Read("parameter", name)
        case ir.Round(rounding=name):
            return Read("rounding", name)
        case ir.Lookup(catalogue=name) | ir.Listed(catalogue=name):
            return Read("catalogue", name)
    return None
