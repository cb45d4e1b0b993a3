"""Mutants of a policy: its program with one figure or one part of a rule changed.

A scenario that fails under a mutant notices the change. One that no scenario notices is a figure or
a condition on which nothing that is asserted depends.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeVar

import msgspec

from finalrule.core import ir
from finalrule.core.walk import nodes
from finalrule.scenarios.edits import Speaker, edits, step
from finalrule.scenarios.suite import in_module
from finalrule.source import Place
from finalrule.values import Number, show, within

Kind = Literal["figure", "clause"]
R = TypeVar("R", bound=ir.AnyRule)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A program with one change. `name` says where and what, and is the same from run to run;
    `readers` are the rules that the change may touch first."""

    name: str
    kind: Kind
    place: Place
    program: ir.Program
    readers: tuple[str, ...]


def mutants(program: ir.Program, module: str = "") -> list[Mutant]:
    """Every mutant of a program; of the figures and rules of one module, where it is named.

    A changed figure stays within the bounds that are declared for it: the compiler refuses others.
    """
    found = [*_figures(program, module), *_rules(program, module)]
    named: dict[str, int] = {}
    result = []
    for one in found:
        count = named[one.name] = named.get(one.name, 0) + 1
        name = f"{one.name} ({count})" if count > 1 else one.name
        result.append(Mutant(name, one.kind, one.place, one.program, one.readers))
    return result


def unread(program: ir.Program) -> list[ir.Parameter]:
    """The figures that no rule in force reads: no change of them can be noticed."""
    read = {
        node.name for rule in program.rules for node in nodes(rule) if isinstance(node, ir.Param)
    }
    return [p for p in program.parameters if p.name not in read and p.value is not None]


# --- figures -----------------------------------------------------------------------------------


def _figures(program: ir.Program, module: str) -> Iterator[Mutant]:
    rules = [rule for rule in program.rules if in_module(rule, module)]
    for parameter in program.parameters:
        readers = tuple(rule.name for rule in rules if _reads(rule, parameter.name))
        for said, value in _changed_figure(parameter) if readers else ():
            changed = msgspec.structs.replace(parameter, value=value)
            parameters = tuple(changed if p is parameter else p for p in program.parameters)
            yield Mutant(
                f"{parameter.name}: {said}", "figure", parameter.place,
                msgspec.structs.replace(program, parameters=parameters), readers,
            )  # fmt: skip
    for rounding in program.roundings:
        readers = tuple(rule.name for rule in rules if _rounds(rule, rounding.name))
        for said, other in _changed_rounding(rounding) if readers else ():
            roundings = tuple(other if r is rounding else r for r in program.roundings)
            yield Mutant(
                f"rounding {rounding.name}: {said}", "figure", rounding.place,
                msgspec.structs.replace(program, roundings=roundings), readers,
            )  # fmt: skip
    yield from _rows(program, [rule for rule in rules if isinstance(rule, ir.Table)])


def _reads(rule: ir.AnyRule, parameter: str) -> bool:
    return any(isinstance(node, ir.Param) and node.name == parameter for node in nodes(rule))


def _rounds(rule: ir.AnyRule, rounding: str) -> bool:
    if isinstance(rule, ir.Deciles) and rule.rounding == rounding:
        return True
    return any(isinstance(node, ir.Round) and node.rounding == rounding for node in nodes(rule))


def _changed_figure(parameter: ir.Parameter) -> Iterator[tuple[str, ir.Constant]]:
    match parameter.value:
        case ir.CodeSet(values=values):
            for gone in values:
                yield f"without {gone}", ir.CodeSet(tuple(v for v in values if v != gone))
        case ir.Day(value=day):
            for days in (-1, 1):
                other = day + datetime.timedelta(days=days)
                yield f"{other} for {day}", ir.Day(other)
        case ir.Bool(value=flag):
            yield f"{_yes(not flag)} for {_yes(flag)}", ir.Bool(not flag)
        case ir.Num() if isinstance(parameter.type, Number):
            yield from _changed_number(parameter.value, parameter.type)


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"


def _changed_number(number: ir.Num, type_: Number) -> Iterator[tuple[str, ir.Num]]:
    for sign in (-1, 1):
        value = number.value + sign * step(number)
        if within(value, type_):
            said = f"{show(value, type_)} for {show(number.value, type_)}"
            yield said, ir.Num(value, number.unit)


def _changed_rounding(rounding: ir.Rounding) -> Iterator[tuple[str, ir.Rounding]]:
    for places in (rounding.places - 1, rounding.places + 1):
        if places >= 0:
            said = f"{places} places for {rounding.places}"
            yield said, msgspec.structs.replace(rounding, places=places)
    mode: Literal["half_even", "half_up"] = "half_even" if rounding.mode == "half_up" else "half_up"
    yield f"{mode} for {rounding.mode}", msgspec.structs.replace(rounding, mode=mode)


def _rows(program: ir.Program, tables: list[ir.Table]) -> Iterator[Mutant]:
    """The cells of rows. Tables that share rows change together: the year file has them once."""
    done: set[Place] = set()
    for table in tables:
        for row in table.rows:
            if row.place in done:
                continue
            done.add(row.place)
            for said, changed in _changed_row(table, row):
                rules = {
                    t.name: msgspec.structs.replace(
                        t, rows=tuple(changed if r.place == row.place else r for r in t.rows)
                    )
                    for t in program.rules
                    if isinstance(t, ir.Table) and any(r.place == row.place for r in t.rows)
                }
                name = f"{table.name}.{row.name}.{said}"
                yield Mutant(name, "figure", row.place, _with(program, rules), tuple(rules))


def _changed_row(table: ir.Table, row: ir.Row) -> Iterator[tuple[str, ir.Row]]:
    for i, (key, cell) in enumerate(zip(table.given, row.cells, strict=True)):
        for said, other in _changed_cell(cell, key):
            cells = (*row.cells[:i], other, *row.cells[i + 1 :])
            yield f"{key.name}: {said}", msgspec.structs.replace(row, cells=cells)
    for i, (key, value) in enumerate(zip(table.gives, row.values, strict=True)):
        for said, constant in _changed_constant(value, key):
            values = (*row.values[:i], constant, *row.values[i + 1 :])
            yield f"{key.name}: {said}", msgspec.structs.replace(row, values=values)


def _changed_constant(value: ir.Constant, key: ir.Key) -> Iterator[tuple[str, ir.Constant]]:
    if isinstance(value, ir.Num) and isinstance(key.type, Number):
        yield from _changed_number(value, key.type)
    elif isinstance(value, ir.Bool):
        yield f"{_yes(not value.value)} for {_yes(value.value)}", ir.Bool(not value.value)


def _changed_cell(cell: ir.Cell, key: ir.Key) -> Iterator[tuple[str, ir.Cell]]:
    if cell.equals in ("yes", "no"):
        other = "no" if cell.equals == "yes" else "yes"
        yield f"{other} for {cell.equals}", ir.Cell(equals=other)
    elif isinstance(key.type, Number):
        unit = key.type.unit
        for sign in (-1, 1):
            if cell.low is not None:
                low = cell.low + sign * step(ir.Num(cell.low, unit))
                said = f"begins at {show(low, key.type)} for {show(cell.low, key.type)}"
                yield said, msgspec.structs.replace(cell, low=low)
            if cell.high is not None:
                high = cell.high + sign * step(ir.Num(cell.high, unit))
                said = f"ends at {show(high, key.type)} for {show(cell.high, key.type)}"
                yield said, msgspec.structs.replace(cell, high=high)


# --- rules -------------------------------------------------------------------------------------


def _with(program: ir.Program, changed: Mapping[str, ir.AnyRule]) -> ir.Program:
    rules = tuple(changed.get(rule.name, rule) for rule in program.rules)
    return msgspec.structs.replace(program, rules=rules)


def _rules(program: ir.Program, module: str) -> Iterator[Mutant]:
    for rule in program.rules:
        if not in_module(rule, module):
            continue
        seen: set[ir.AnyRule] = {rule}
        for part, place, said, other in _changed_rule(rule, Speaker.of(program, rule)):
            if other not in seen:
                seen.add(other)
                name = f"{rule.name}.{part}: {said}" if part else f"{rule.name}: {said}"
                yield Mutant(
                    name, "clause", place, _with(program, {rule.name: other}), (rule.name,)
                )


Changed = Iterator[tuple[str, Place, str, ir.AnyRule]]


def _changed_rule(rule: ir.AnyRule, speaker: Speaker) -> Changed:
    """Each changed rule, with the part that was changed, its place, and what was."""
    for i, let in enumerate(rule.lets):
        for said, value in edits(let.value, speaker):
            lets = (*rule.lets[:i], ir.Named(let.name, value), *rule.lets[i + 1 :])
            changed = msgspec.structs.replace(rule, lets=lets)
            yield f"let {let.name}", rule.place, said, changed
    match rule:
        case ir.Choice():
            yield from _choice(rule, speaker)
        case ir.Table():
            yield from _table(rule, speaker)
        case ir.Curve():
            yield from _curve(rule, speaker)
        case ir.Deciles():
            for name in ("of", "below", "none"):
                yield from _field(rule, name, speaker)
        case ir.Select():
            yield from _select(rule, speaker)


def _field(rule: R, name: str, speaker: Speaker) -> Iterator[tuple[str, Place, str, R]]:
    """The edits of an expression that a rule has under a name."""
    expr: ir.Expr | None = getattr(rule, name)
    if expr is not None:
        for said, other in edits(expr, speaker):
            yield name, rule.place, said, msgspec.structs.replace(rule, **{name: other})


def _choice(rule: ir.Choice, speaker: Speaker) -> Changed:
    for i, clause in enumerate(rule.clauses):
        for said, changed in _changed_clause(rule, i, speaker):
            if not _can_decide(clause, speaker) and not _can_decide(changed, speaker):
                continue
            clauses = (*rule.clauses[:i], changed, *rule.clauses[i + 1 :])
            other = msgspec.structs.replace(rule, clauses=clauses)
            yield clause.name, clause.place, said, other


def _can_decide(clause: ir.Clause, speaker: Speaker) -> bool:
    return clause.when is None or speaker.settled(clause.when) is not False


def _changed_clause(
    rule: ir.Choice, index: int, speaker: Speaker
) -> Iterator[tuple[str, ir.Clause]]:
    clause = rule.clauses[index]
    if clause.when is not None:
        negated = ir.Logic("none", (clause.when,))
        yield "the condition negated", msgspec.structs.replace(clause, when=negated)
        for said, when in edits(clause.when, speaker):
            yield said, msgspec.structs.replace(clause, when=when)
    for other in (*rule.clauses[index + 1 :], *rule.clauses[:index]):
        if other.value != clause.value:
            said = f"the value of {other.name}"
            yield said, msgspec.structs.replace(clause, value=other.value)
            break
    for said, value in edits(clause.value, speaker):
        yield said, msgspec.structs.replace(clause, value=value)


def _table(rule: ir.Table, speaker: Speaker) -> Changed:
    yield from _field(rule, "where", speaker)
    for i, (key, value) in enumerate(zip(rule.gives, rule.outside or (), strict=False)):
        assert rule.outside is not None
        for said, constant in _changed_constant(value, key):
            outside = (*rule.outside[:i], constant, *rule.outside[i + 1 :])
            changed = msgspec.structs.replace(rule, outside=outside)
            yield f"outside.{key.name}", rule.place, said, changed


def _curve(rule: ir.Curve, speaker: Speaker) -> Changed:
    """Corners one by one. Where two pieces meet both move together: the compiler refuses a gap or
    an overlap. The ends of the whole domain stay."""
    yield from _field(rule, "of", speaker)
    pieces = rule.pieces
    for i, piece in enumerate(pieces):
        for name in ("x1", "y1", "x2", "y2"):
            expr: ir.Expr | None = getattr(piece, name)
            for said, other in edits(expr, speaker) if expr is not None else ():
                changed = msgspec.structs.replace(piece, **{name: other})
                curve = _with_pieces(rule, i, changed)
                yield f"{piece.name}.{name}", piece.place, said, curve
    for i, (piece, after) in enumerate(pairwise(pieces)):
        if piece.high != after.low:
            continue
        for said, end in edits(piece.high, speaker):
            one = msgspec.structs.replace(piece, high=end)
            two = msgspec.structs.replace(after, low=end)
            yield f"{piece.name}.end", piece.place, said, _with_pieces(rule, i, one, two)
        one = msgspec.structs.replace(piece, high_included=not piece.high_included)
        two = msgspec.structs.replace(after, low_included=not after.low_included)
        said = "up_to for through" if piece.high_included else "through for up_to"
        yield f"{piece.name}.end", piece.place, said, _with_pieces(rule, i, one, two)


def _with_pieces(rule: ir.Curve, start: int, *changed: ir.Piece) -> ir.Curve:
    pieces = (*rule.pieces[:start], *changed, *rule.pieces[start + len(changed) :])
    return msgspec.structs.replace(rule, pieces=pieces)


def _select(rule: ir.Select, speaker: Speaker) -> Changed:
    place = rule.place
    yield from _field(rule, "where", speaker)
    yield from _field(rule, "best", speaker)
    if rule.where is not None:
        said = "where dropped"
        yield "", place, said, msgspec.structs.replace(rule, where=None)
    for i, key in enumerate(rule.per):
        per = (*rule.per[:i], *rule.per[i + 1 :])
        said = f"without `per {speaker.says(key)}`"
        yield "", place, said, msgspec.structs.replace(rule, per=per)
    for i, order in enumerate(rule.by):
        turned = msgspec.structs.replace(order, descending=not order.descending)
        text = speaker.says(order.by)
        by = (*rule.by[:i], turned, *rule.by[i + 1 :])
        yield "", place, f"`by {text}` turned round", msgspec.structs.replace(rule, by=by)
        if len(rule.by) > 1:
            by = (*rule.by[:i], *rule.by[i + 1 :])
            yield "", place, f"without `by {text}`", msgspec.structs.replace(rule, by=by)
        for said, other in edits(order.by, speaker):
            changed = msgspec.structs.replace(order, by=other)
            by = (*rule.by[:i], changed, *rule.by[i + 1 :])
            yield "by", place, said, msgspec.structs.replace(rule, by=by)
