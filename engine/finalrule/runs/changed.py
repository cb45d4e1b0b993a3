"""What differs between a run's policy and the same with other settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from finalrule.core import ir
from finalrule.core.walk import nodes
from finalrule.population.schedule import closure
from finalrule.runs.rules import rules_of

# What is said of a rule beside what it computes.
_SAID = ("place", "force_place", "force_cite", "cite", "cites", "because")


@dataclass(frozen=True, slots=True)
class Changed:
    """What is another one between two programs: `figures`; rules that are `written` otherwise; and
    all `rules` of a run whose outcomes may be others: these, those that read such a figure, and
    what reads one of them."""

    figures: frozenset[str]
    written: frozenset[str]
    rules: tuple[str, ...]

    def touches(self, part: object) -> bool:
        """Whether a part of a rule reads such a figure or such an outcome."""
        return any(
            (isinstance(node, ir.Param) and node.name in self.figures)
            or (isinstance(node, ir.Outcome) and node.rule in self.rules)
            for node in nodes(part)
        )


def changed_rules(was: ir.Program, now: ir.Program) -> Changed:
    """What a what-if changes."""
    rules = {rule.name: rule for rule in was.rules}
    values = {one.name: one.value for one in was.parameters}
    figures = {one.name for one in now.parameters if values.get(one.name) != one.value}
    written = {
        rule.name for rule in now.rules
        if rules.get(rule.name) != rule and _content(rules.get(rule.name)) != _content(rule)
    }  # fmt: skip
    reading = [
        rule.name
        for rule in now.rules
        if any(isinstance(node, ir.Param) and node.name in figures for node in nodes(rule))
    ]
    kept = set(rules_of(now))
    found = [name for name in closure(now, [*written, *reading]) if name in kept]
    return Changed(frozenset(figures), frozenset(written), tuple(found))


def _content(rule: ir.AnyRule | None) -> bytes:
    """What a rule says, without where it stands."""
    return msgspec.json.encode(_without_places(msgspec.to_builtins(rule, enc_hook=str)))


def _without_places(data: Any) -> Any:
    if isinstance(data, dict):
        return {
            key: _without_places(value) for key, value in data.items()
            if key not in _SAID
        }  # fmt: skip
    if isinstance(data, list | tuple):
        return [_without_places(one) for one in data]
    return data
