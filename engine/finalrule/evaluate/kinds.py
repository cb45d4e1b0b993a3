"""How each kind of rule decides: by its conditions in order, a table's rows, a curve's pieces or
deciles, and which records a select takes."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import assert_never

from finalrule.core import ir
from finalrule.core.expressions import (
    Context,
    DecileBounds,
    Frame,
    Known,
    Run,
    Unknown,
    constant_value,
    needs_of,
    places_of,
    prepare,
)
from finalrule.core.table_match import cell_holds
from finalrule.diagnostics import Diagnostic, Failure, Label, Pointer
from finalrule.values import Type, decimal_text, round_to, show, type_name, within


@dataclass(frozen=True, slots=True)
class Decision:
    """How an outcome came about. `winner` names the clause, row, piece or decile; empty when the
    outcome is undetermined. `values` has one entry named '' but for a table. `origin` says where
    what is assumed was taken from."""

    winner: str
    values: Mapping[str, Known]
    assumed: bool = False
    origin: str = ""


Decide = Callable[[Frame], Decision]

_IDENTIFIER = re.compile("[0-9]{9,}")


def prepare_rule(rule: ir.AnyRule, context: Context) -> Decide:
    """A rule as a function of a frame. Raises TypeError for a select (see Select)."""
    match rule:
        case ir.Choice():
            return _choice(rule, context)
        case ir.Table():
            return _table(rule, context)
        case ir.Curve():
            return _curve(rule, context)
        case ir.Deciles():
            return _deciles(rule, context)
        case ir.Select():
            raise TypeError("a select is decided for all records together")
    assert_never(rule)


def prepare_lets(rule: ir.AnyRule, context: Context) -> dict[str, Run]:
    """A rule's lets as functions of a frame, each reading the earlier ones."""
    lets: dict[str, Run] = {}
    for let in rule.lets:
        lets[let.name] = prepare(let.value, context, lets)
    return lets


def _wrong(rule: ir.AnyRule, frame: Frame, code: str, message: str, help: str) -> Failure:
    """A rule that does not hold what it promises, for these facts. An NPI or a TIN among the keys
    is not shown."""
    shown = [_IDENTIFIER.sub("#", key) for key in frame.path]
    keys = f"[{','.join(shown)}]" if shown else ""
    label = Label(Pointer(str(rule.place), ""), f"rule {rule.name}{keys}")
    return Failure([Diagnostic(code, message, (label,), help)])


def _bounded(rule: ir.AnyRule, value: Known, type_: Type, frame: Frame) -> Known:
    if isinstance(value, Unknown) or within(value, type_):
        return value
    raise _wrong(
        rule, frame, "outcome-out-of-bounds",
        f"rule `{rule.name}` gave {show(value, type_)}, outside {type_name(type_)}",
        "correct the rule or its declared bounds",
    )  # fmt: skip


def _choice(rule: ir.Choice, context: Context) -> Decide:
    lets = prepare_lets(rule, context)
    values = {clause.name: prepare(clause.value, context, lets) for clause in rule.clauses}
    whens = [
        (clause.name, prepare(clause.when, context, lets))
        for clause in rule.clauses
        if clause.when is not None
    ]
    rest = next((clause.name for clause in rule.clauses if clause.when is None), "")

    def decide(frame: Frame) -> Decision:
        frame.lets = {}
        held, needs = [], []
        for name, when in whens:
            truth = when(frame)
            if truth is True:
                held.append(name)
            elif isinstance(truth, Unknown):
                needs.append(truth)
        if len(held) > 1:
            raise _wrong(
                rule, frame, "clauses-overlap",
                f"clauses {' and '.join(held)} of `{rule.name}` hold together",
                "make the conditions exclude each other",
            )  # fmt: skip
        if not held and needs:
            return Decision("", {"": Unknown(needs_of(needs))})
        winner = held[0] if held else rest
        if not winner:
            raise _wrong(
                rule, frame, "clauses-gap", f"no clause of `{rule.name}` holds",
                "add an `otherwise` clause",
            )  # fmt: skip
        value = _bounded(rule, values[winner](frame), rule.type, frame)
        return Decision("" if isinstance(value, Unknown) else winner, {"": value})

    return decide


def _table(rule: ir.Table, context: Context) -> Decide:
    lets = prepare_lets(rule, context)
    columns = [lets[key.name] for key in rule.given]
    where = prepare(rule.where, context, lets) if rule.where is not None else None

    def give(winner: str, constants: Sequence[ir.Constant]) -> Decision:
        values: dict[str, Known] = {
            key.name: constant_value(value)
            for key, value in zip(rule.gives, constants, strict=True)
        }
        return Decision(winner, values)

    outside = give("outside", rule.outside) if rule.outside is not None else None
    rows = [(row, give(row.name, row.values)) for row in rule.rows]

    def undetermined(needs: frozenset[str]) -> Decision:
        return Decision("", {key.name: Unknown(needs) for key in rule.gives})

    def decide(frame: Frame) -> Decision:
        frame.lets = {}
        if where is not None:
            inside = where(frame)
            if isinstance(inside, Unknown):
                return undetermined(inside.needs)
            if not inside:
                assert outside is not None
                return outside
        values = [column(frame) for column in columns]
        possible = [
            (row, decision)
            for row, decision in rows
            if all(
                isinstance(value, Unknown) or cell_holds(cell, value)
                for cell, value in zip(row.cells, values, strict=True)
            )
        ]
        if len(possible) == 1:
            return possible[0][1]
        if possible and (unknown := needs_of(values)):
            return undetermined(unknown)
        held = " and ".join(row.name for row, _ in possible)
        raise _wrong(
            rule, frame, "table-overlap" if possible else "table-gap",
            f"rows {held} of `{rule.name}` hold together" if possible
            else f"no row of `{rule.name}` holds",
            "correct the table's rows",
        )  # fmt: skip

    return decide


def _curve(rule: ir.Curve, context: Context) -> Decide:
    lets = prepare_lets(rule, context)

    def run(expr: ir.Expr | None) -> Run | None:
        return None if expr is None else prepare(expr, context, lets)

    of = prepare(rule.of, context, lets)
    pieces = [
        (piece, prepare(piece.low, context, lets), prepare(piece.high, context, lets),
         run(piece.x1), prepare(piece.y1, context, lets), run(piece.x2), run(piece.y2))
        for piece in rule.pieces
    ]  # fmt: skip

    def decide(frame: Frame) -> Decision:
        frame.lets = {}
        x = of(frame)
        if isinstance(x, Unknown):
            return Decision("", {"": x})
        assert isinstance(x, Fraction)
        for piece, low_run, high_run, x1, y1, x2, y2 in pieces:
            low, high = low_run(frame), high_run(frame)
            if isinstance(low, Unknown) or isinstance(high, Unknown):
                return Decision("", {"": Unknown(needs_of((low, high)))})
            assert isinstance(low, Fraction) and isinstance(high, Fraction)
            above = x > low or (piece.low_included and x == low)
            below = x < high or (piece.high_included and x == high)
            if above and below:
                corners = [corner(frame) for corner in (x1, y1, x2, y2) if corner is not None]
                if unknown := needs_of(corners):
                    return Decision("", {"": Unknown(unknown)})
                value = _on_piece(corners, x)
                return Decision(piece.name, {"": _bounded(rule, value, rule.type, frame)})
        raise _wrong(
            rule, frame, "curve-gap", f"no piece of `{rule.name}` holds at {decimal_text(x)}",
            "extend the pieces over the whole domain",
        )  # fmt: skip

    return decide


def _on_piece(corners: list[Known], x: Fraction) -> Fraction:
    numbers = [corner for corner in corners if isinstance(corner, Fraction)]
    if len(numbers) == 1:
        return numbers[0]
    x1, y1, x2, y2 = numbers
    return y1 + (y2 - y1) * (x - x1) / (x2 - x1)


def best_decile(value: Fraction, bounds: DecileBounds) -> tuple[int, Fraction | None]:
    """The best decile whose lower bound the value meets (0: none), and how far into it the value
    is, from 0 to below 1; None in decile 10."""
    best = 0
    for number, bound in enumerate(bounds.lower, start=1):
        if bound is not None and (value <= bound if bounds.inverse else value >= bound):
            best = number
    if best in (0, 10):
        return best, None
    low, high = bounds.lower[best - 1], bounds.lower[best]
    assert low is not None and high is not None
    return best, (value - low) / (high - low)


def _deciles(rule: ir.Deciles, context: Context) -> Decide:
    lets = prepare_lets(rule, context)
    of = prepare(rule.of, context, lets)
    keys = [prepare(key, context, lets) for key in rule.keys]
    below, none = prepare(rule.below, context, lets), prepare(rule.none, context, lets)
    rounding = context.roundings[rule.rounding]
    places = places_of(rounding.places, rounding.unit)
    catalogue = context.catalogues[rule.catalogue]

    def decided(winner: str, value: Known, frame: Frame) -> Decision:
        found = _bounded(rule, value, rule.type, frame)
        return Decision("" if isinstance(found, Unknown) else winner, {"": found})

    def decide(frame: Frame) -> Decision:
        frame.lets = {}
        key_values = [key(frame) for key in keys]
        if unknown := needs_of(key_values):
            return Decision("", {"": Unknown(unknown)})
        wanted = tuple(str(value) for value in key_values)
        bounds = catalogue.bounds(wanted)
        if bounds is None:
            return decided("none", none(frame), frame)
        value = of(frame)
        if isinstance(value, Unknown):
            return Decision("", {"": value})
        assert isinstance(value, Fraction)
        decile, part = best_decile(value, bounds)
        if decile == 0:
            return decided("below", below(frame), frame)
        points = Fraction(decile)
        if part is not None:
            points += round_to(part, places, rounding.mode)
        return decided(f"decile_{decile}", points, frame)

    return decide


class Select:
    """A select made ready: it is decided for all records of an entity together."""

    def __init__(self, rule: ir.Select, context: Context) -> None:
        self.rule = rule
        lets = prepare_lets(rule, context)
        self.where = prepare(rule.where, context, lets) if rule.where is not None else None
        self.per = [prepare(key, context, lets) for key in rule.per]
        self.best = prepare(rule.best, context) if rule.best is not None else None
        self.by = [(prepare(order.by, context, lets), order.descending) for order in rule.by]

    def decide(self, frames: list[Frame]) -> dict[Frame, Decision]:
        """The decision of every record of an entity; those below one parent compete."""
        decisions: dict[Frame, Decision] = {}
        groups: dict[int, list[Frame]] = {}
        for frame in frames:
            groups.setdefault(id(frame.parent), []).append(frame)
        for group in groups.values():
            self._decide_parent(group, decisions)
        return decisions

    def _decide_parent(self, frames: list[Frame], decisions: dict[Frame, Decision]) -> None:
        possible: list[tuple[Frame, Known]] = []
        for frame in frames:
            frame.lets = {}
            met = self.where(frame) if self.where is not None else True
            if met is False:
                decisions[frame] = Decision("not_considered", {"": False})
            else:
                possible.append((frame, met))
        if not possible:
            return
        best = self.best(frames[0].parent or frames[0]) if self.best is not None else None
        if self._takes(best, possible, decisions):
            return
        groups: dict[tuple[Known, ...], list[tuple[Frame, Known]]] = {}
        unplaced: list[Known] = []
        for frame, met in possible:
            group = tuple(key(frame) for key in self.per)
            unplaced.extend(value for value in group if isinstance(value, Unknown))
            groups.setdefault(group, []).append((frame, met))
        if unplaced:
            self._undetermined([frame for frame, _ in possible], unplaced, decisions)
            return
        for members in groups.values():
            if not self._takes(best, members, decisions):
                self._rank(best, members, decisions)

    def _takes(
        self,
        best: Known | None,
        members: list[tuple[Frame, Known]],
        decisions: dict[Frame, Decision],
    ) -> bool:
        """Whether there is a place for everybody; then who is considered is selected."""
        if best is not None and not (isinstance(best, Fraction) and best >= len(members)):
            return False
        for frame, met in members:
            decisions[frame] = Decision("" if isinstance(met, Unknown) else "selected", {"": met})
        return True

    def _undetermined(
        self, frames: Iterable[Frame], needs: Iterable[Known], decisions: dict[Frame, Decision]
    ) -> None:
        unknown = Unknown(needs_of(needs))
        for frame in frames:
            decisions[frame] = Decision("", {"": unknown})

    def _rank(
        self,
        best: Known | None,
        members: list[tuple[Frame, Known]],
        decisions: dict[Frame, Decision],
    ) -> None:
        frames = [frame for frame, _ in members]
        keys = {frame: [key(frame) for key, _ in self.by] for frame in frames}
        values = [*(met for _, met in members), *(v for row in keys.values() for v in row)]
        assert best is not None
        if unknown := needs_of([best, *values]):
            self._undetermined(frames, [Unknown(unknown)], decisions)
            return
        assert isinstance(best, Fraction)
        for position, frame in enumerate(ranked(self.rule, frames, keys)):
            chosen = position < best
            decisions[frame] = Decision("selected" if chosen else "passed_over", {"": chosen})


def ranked(
    rule: ir.Select, frames: Iterable[Frame], keys: Mapping[Frame, Sequence[Known]]
) -> list[Frame]:
    """Records in the order of a select: by their keys, all of them known, then by its ties."""
    found = sorted(frames, key=lambda frame: [_sortable(frame.facts[name]) for name in rule.ties])
    for index, order in reversed(list(enumerate(rule.by))):
        values = {frame: _sortable(keys[frame][index]) for frame in found}
        found.sort(key=values.__getitem__, reverse=order.descending)
    return found


def _sortable(value: Known) -> Fraction | int | str:
    if isinstance(value, Fraction | str):
        return value
    if isinstance(value, datetime.date):
        return value.toordinal()
    assert isinstance(value, bool)
    return int(value)
