"""Names of outcomes: `rule`, `table.output`, `rule[keys]`, and the types of what they name."""

from __future__ import annotations

import re
from dataclasses import dataclass

from finalrule.core import ir
from finalrule.values import YES_NO, Type

_NAME = re.compile(
    r"^(?P<rule>[a-z][a-z0-9_]*)(\.(?P<output>[a-z0-9_]+))?(\[(?P<keys>[^\]]*)\])?(\.(?P<last>\w+))?$"
)


@dataclass(frozen=True, slots=True)
class OutcomeName:
    """A rule's outcome at a record. `path` holds the keys of the record and of those above it."""

    rule: str
    path: tuple[str, ...]
    output: str = ""

    def __str__(self) -> str:
        output = f".{self.output}" if self.output else ""
        keys = f"[{','.join(self.path)}]" if self.path else ""
        return f"{self.rule}{output}{keys}"


def parse_outcome(text: str) -> OutcomeName | None:
    """`category_weights.quality`, `measure_points[236,ecqm]`; None when it is no such name."""
    match = _NAME.match(text.strip())
    if match is None or (match["output"] and match["last"]):
        return None
    keys = tuple(key.strip() for key in match["keys"].split(",")) if match["keys"] else ()
    return OutcomeName(match["rule"], keys, match["output"] or match["last"] or "")


def output_types(rule: ir.AnyRule) -> dict[str, Type]:
    """The types of a rule's outputs by name; one entry named '' but for a table."""
    match rule:
        case ir.Table():
            return {key.name: key.type for key in rule.gives}
        case ir.Select():
            return {"": YES_NO}
        case _:
            return {"": rule.type}


def winners(rule: ir.AnyRule) -> tuple[str, ...]:
    """What can decide a rule: its clauses, rows, pieces or deciles, by name."""
    match rule:
        case ir.Choice():
            return tuple(clause.name for clause in rule.clauses)
        case ir.Table():
            outside = ("outside",) if rule.outside is not None else ()
            return (*(row.name for row in rule.rows), *outside)
        case ir.Curve():
            return tuple(piece.name for piece in rule.pieces)
        case ir.Deciles():
            return (*(f"decile_{n}" for n in range(1, 11)), "below", "none")
        case ir.Select():
            return ("selected", "passed_over", "not_considered")
