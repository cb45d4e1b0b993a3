"""Whether a rule's clauses exclude each other and leave no gap, whatever the facts are: what can be
proven so needs no check as the query runs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from fractions import Fraction

from finalrule.core import ir
from finalrule.evaluate.lets import inline, inlined_lets

_MAXIMUM = 20_000
# What a comparison says for an order of its two sides: less, equal, greater.
_ORDERS = {
    "<": (True, False, False), "<=": (True, True, False), ">": (False, False, True),
    ">=": (False, True, True), "==": (False, True, False), "!=": (True, False, True),
}  # fmt: skip
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


def proven(rule: ir.Choice, parameters: Mapping[str, ir.Parameter]) -> bool:
    """Whether exactly one clause holds for all truths that the parts of the conditions could have,
    were they independent but for tests of one thing."""
    whens = [clause.when for clause in rule.clauses if clause.when is not None]
    if not whens:
        return True
    complete = len(whens) < len(rule.clauses)
    if complete and len(whens) == 1:
        return True
    found = _Things(parameters)
    lets = inlined_lets(rule)
    conditions = [inline(when, lets) for when in whens]
    for condition in conditions:
        found.collect(condition)
    sizes = found.sizes()
    if math.prod(sizes) > _MAXIMUM:
        return False
    for world in itertools.product(*(range(size) for size in sizes)):
        held = sum(found.truth(condition, world) for condition in conditions)
        if held > 1 or (held == 0 and not complete):
            return False
    return True


class _Things:
    """What conditions test, each thing with its possibilities."""

    def __init__(self, parameters: Mapping[str, ir.Parameter]) -> None:
        self.parameters = parameters
        self._places: dict[object, int] = {}
        self._members: dict[object, list[str]] = {}
        self._cuts: dict[object, set[Fraction]] = {}

    def collect(self, expr: ir.Expr) -> None:
        match expr:
            case ir.Logic(items=items):
                for item in items:
                    self.collect(item)
            case ir.Bool():
                pass
            case ir.In(item=item):
                listed = self._listed(expr)
                known = self._members.setdefault(item, [])
                known += [one for one in listed if one not in known]
                self._place(item)
            case ir.Compare():
                thing, cut, _ = self._against(expr)
                if cut is not None:
                    self._cuts.setdefault(thing, set()).add(cut)
                self._place(thing)
            case _:
                self._place(expr)

    def _place(self, thing: object) -> int:
        return self._places.setdefault(thing, len(self._places))

    def sizes(self) -> list[int]:
        found = []
        for thing in self._places:
            if thing in self._members:
                found.append(len(self._members[thing]) + 1)
            elif thing in self._cuts:
                found.append(2 * len(self._cuts[thing]) + 1)
            elif isinstance(thing, tuple):
                found.append(3)
            else:
                found.append(2)
        return found

    def _listed(self, expr: ir.In) -> tuple[str, ...]:
        values: object = expr.values
        if isinstance(values, ir.Param):
            values = self.parameters[values.name].value
        assert isinstance(values, ir.CodeSet)
        return values.values

    def _number(self, expr: ir.Expr) -> Fraction | None:
        if isinstance(expr, ir.Convert):
            return self._number(expr.item)
        if isinstance(expr, ir.Param):
            value = self.parameters[expr.name].value
            return self._number(value) if isinstance(value, ir.Num) else None
        return expr.value if isinstance(expr, ir.Num) else None

    def _against(self, expr: ir.Compare) -> tuple[object, Fraction | None, str]:
        """The thing that a comparison tests: one side against a figure, or two sides."""
        left, right = self._number(expr.left), self._number(expr.right)
        if right is not None and left is None:
            return expr.left, right, expr.op
        if left is not None and right is None:
            return expr.right, left, _MIRRORED[expr.op]
        one, other = repr(expr.left), repr(expr.right)
        if one <= other:
            return ("sides", one, other), None, expr.op
        return ("sides", other, one), None, _MIRRORED[expr.op]

    def truth(self, expr: ir.Expr, world: tuple[int, ...]) -> bool:
        match expr:
            case ir.Bool(value=value):
                return value
            case ir.Logic(op=op, items=items):
                truths = (self.truth(item, world) for item in items)
                match op:
                    case "all":
                        return all(truths)
                    case "any":
                        return any(truths)
                    case "none":
                        return not any(truths)
                    case "at_least":
                        return sum(truths) >= expr.least
            case ir.In(item=item):
                at = world[self._places[item]]
                members = self._members[item]
                return at < len(members) and members[at] in self._listed(expr)
            case ir.Compare():
                thing, cut, said = self._against(expr)
                at = world[self._places[thing]]
                if cut is None:
                    return _ORDERS[said][at]
                # The places between and at the cuts, in their order.
                own = 2 * sorted(self._cuts[thing]).index(cut) + 1
                return _ORDERS[said][(at > own) - (at < own) + 1]
        return world[self._places[expr]] == 1
