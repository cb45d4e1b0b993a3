"""The exact evaluator: one case, every rule, exact rationals. This is what the rules mean."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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
)  # fmt: skip
from finalrule.core.table_match import cell_holds
from finalrule.core.walk import reads
from finalrule.diagnostics import Diagnostic, Failure, Label, Pointer
from finalrule.evaluate.catalogues import TypedCatalogue
from finalrule.facts.case import Case, Given, Record
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


@dataclass(slots=True)
class Evaluation:
    """A case evaluated. `root` is the frame of the root record, `records` the case's records by
    frame, `decisions` every rule's by rule and frame."""

    program: ir.Program
    case: Case
    root: Frame
    frames: list[Frame]
    records: dict[Frame, Record] = field(default_factory=dict)
    decisions: dict[tuple[str, Frame], Decision] = field(default_factory=dict)

    def frames_of(self, entity: str) -> list[Frame]:
        """The frames of an entity, in the order of the case."""
        return [frame for frame in self.frames if frame.entity == entity]

    def value(self, rule: str, frame: Frame | None = None, output: str = "") -> Known:
        """A rule's outcome at a frame; at the only frame of its entity when none is given.
        Raises KeyError when the rule was not evaluated."""
        return self.decision(rule, frame).values[output]

    def decision(self, rule: str, frame: Frame | None = None) -> Decision:
        """A rule's decision at a frame; at the only frame of its entity when none is given."""
        if frame is not None:
            return self.decisions[rule, frame]
        found = [decision for (name, _), decision in self.decisions.items() if name == rule]
        if len(found) != 1:
            raise KeyError(f"{rule} has {len(found)} records")
        return found[0]


class Evaluator:
    """A program made ready to be evaluated for any number of cases."""

    def __init__(self, program: ir.Program, catalogues: Mapping[str, TypedCatalogue]) -> None:
        self.program, self.catalogues = program, catalogues
        self.context = Context(
            {parameter.name: parameter for parameter in program.parameters},
            {rounding.name: rounding for rounding in program.roundings},
            catalogues,
            {rule.name: rule.entity for rule in program.rules},
        )
        self.rules = {rule.name: rule for rule in program.rules}
        self.parents = {entity.name: entity.parent for entity in program.entities}
        self.keys = {entity.name: entity.keys for entity in program.entities}
        self.referred = {entity.name: entity.refers for entity in program.entities}
        self._reached = {name: self._readable(target) for name, target in self.referred.items()}
        self._decide: dict[str, Decide] = {}
        self._selects: dict[str, _Select] = {}
        self._needs: dict[str, tuple[str, ...]] = {}

    def evaluate(
        self,
        case: Case,
        only: Iterable[str] | None = None,
        assume: Mapping[tuple[str, tuple[str, ...]], Mapping[str, Known]] | None = None,
        origin: str = "",
    ) -> Evaluation:
        """Evaluate a case: every rule, or only those named and what they need. `assume` gives
        outcomes, by rule and record path, that are taken as they are instead of being computed;
        `origin` says where from. Raises Failure when two clauses hold at once, none does, or an
        outcome leaves its bounds."""
        evaluation = self._frames(case)
        wanted = None if only is None else self.needed(only, assume or {})
        by_entity: dict[str, list[Frame]] = {}
        for frame in evaluation.frames:
            by_entity.setdefault(frame.entity, []).append(frame)
        for rule in self.program.rules:
            if wanted is not None and rule.name not in wanted:
                continue
            frames = by_entity.get(rule.entity, [])
            given = {path: values for (name, path), values in (assume or {}).items()
                     if name == rule.name}  # fmt: skip
            self._decide_all(rule, frames, given, origin, evaluation)
        return evaluation

    def again(self, evaluation: Evaluation, rules: Iterable[str]) -> None:
        """Decide rules of an evaluation again after facts of its frames were changed: all that
        depend on these. Raises Failure as `evaluate` does."""
        wanted = set(rules)
        for rule in self.program.rules:
            if rule.name in wanted:
                self.once_more(evaluation, rule, evaluation.frames_of(rule.entity))

    def once_more(self, evaluation: Evaluation, rule: ir.AnyRule, frames: list[Frame]) -> None:
        """Decide a rule again, given all frames of its entity. Raises Failure as `evaluate`."""
        self._decide_all(rule, frames, {}, "", evaluation)

    def decide(
        self,
        case: Case,
        rules: Iterable[ir.AnyRule],
        given: Mapping[Record, Mapping[str, Decision]],
    ) -> Evaluation:
        """Decide some rules of a case, which must stand in their order. A record of `given` has the
        decisions that are given for it by rule, and no others. Raises Failure as `evaluate`."""
        evaluation = self._frames(case)
        by_entity: dict[str, list[Frame]] = {}
        for frame, record in evaluation.records.items():
            if record not in given:
                by_entity.setdefault(frame.entity, []).append(frame)
                continue
            for rule, decision in given[record].items():
                evaluation.decisions[rule, frame] = decision
                for output, value in decision.values.items():
                    frame.outcomes[rule, output] = value
        for each in rules:
            self._decide_all(each, by_entity.get(each.entity, []), {}, "", evaluation)
        return evaluation

    def needed(
        self, only: Iterable[str], assume: Mapping[tuple[str, tuple[str, ...]], object]
    ) -> set[str]:
        """The named rules and all that they read. What is assumed for the only record of its entity
        needs nothing."""
        given = {name for name, path in assume if not path}
        found: set[str] = set()
        todo = list(only)
        while todo:
            name = todo.pop()
            if name in found or name not in self.rules:
                continue
            found.add(name)
            if name not in given:
                if name not in self._needs:
                    self._needs[name] = reads(self.rules[name])
                todo.extend(self._needs[name])
        return found

    def _frames(self, case: Case) -> Evaluation:
        records: list[tuple[Record, Record | None]] = [(case.root, None)]
        for record, _ in records:  # grows: level by level
            for children in record.children.values():
                records.extend((child, record) for child in children)
        # What is referred to before what refers to it, else in the order of the case.
        records.sort(key=lambda item: self._turn(item[0].entity))
        made: dict[Record, Frame] = {}
        for record, parent in records:
            above = None if parent is None else made[parent]
            refers = None if record.refers is None else made[record.refers]
            made[record] = self._frame(record, above, refers)
        frames = list(made.values())
        by_frame = {frame: record for record, frame in made.items()}
        return Evaluation(self.program, case, made[case.root], frames, by_frame)

    def _turn(self, entity: str) -> int:
        """Of how many references, one after the other, the way to an entity's records consists."""
        parent, referred = self.parents[entity], self.referred[entity]
        above = self._turn(parent) if parent else 0
        return max(above, self._turn(referred) + 1) if referred else above

    def _frame(self, record: Record, parent: Frame | None, refers: Frame | None) -> Frame:
        facts = {name: given.value for name, given in record.facts.items()}
        own = record.name or tuple(
            show(facts[key.name], key.type) if key.name in facts else "?"
            for key in self.keys[record.entity]
        )
        path = (*(parent.path if parent else ()), *own)
        return Frame(record.entity, path, facts, parent, refers, self._reached[record.entity])

    def _readable(self, entity: str) -> tuple[str, ...]:
        """What is read through a record of an entity: itself, and what stands above it or is
        referred to on the way."""
        found = [entity] if entity else []
        for name in found:  # grows
            above = (self.parents[name], self.referred[name])
            found.extend(one for one in above if one and one not in found)
        return tuple(found)

    def _decide_all(
        self,
        rule: ir.AnyRule,
        frames: list[Frame],
        given: Mapping[tuple[str, ...], Mapping[str, Known]],
        origin: str,
        evaluation: Evaluation,
    ) -> None:
        selected = None
        if isinstance(rule, ir.Select) and len(given) < len(frames):
            if rule.name not in self._selects:
                self._selects[rule.name] = _Select(rule, self.context)
            selected = self._selects[rule.name].decide(frames)
        for frame in frames:
            if frame.path in given:
                decision = Decision("", _whole(rule, given[frame.path]), True, origin)
            elif selected is not None:
                decision = selected[frame]
            else:
                decision = self._decision(rule)(frame)
            evaluation.decisions[rule.name, frame] = decision
            for output, value in decision.values.items():
                frame.outcomes[rule.name, output] = value

    def _decision(self, rule: ir.AnyRule) -> Decide:
        if rule.name not in self._decide:
            self._decide[rule.name] = prepare_rule(rule, self.context)
        return self._decide[rule.name]


def _whole(rule: ir.AnyRule, given: Mapping[str, Known]) -> Mapping[str, Known]:
    """Assumed values; a table's other outputs are undetermined."""
    if not isinstance(rule, ir.Table):
        return given
    return {
        key.name: given.get(key.name, Unknown(frozenset((f"{rule.name}.{key.name}",))))
        for key in rule.gives
    }


def prepare_rule(rule: ir.AnyRule, context: Context) -> Decide:
    """A rule (other than a select) as a function of a frame."""
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


class _Select:
    """A select made ready: it is decided for all records of an entity together."""

    def __init__(self, rule: ir.Select, context: Context) -> None:
        self.rule = rule
        lets = prepare_lets(rule, context)
        self.where = prepare(rule.where, context, lets) if rule.where is not None else None
        self.per = [prepare(key, context, lets) for key in rule.per]
        self.best = prepare(rule.best, context) if rule.best is not None else None
        self.by = [(prepare(order.by, context, lets), order.descending) for order in rule.by]

    def decide(self, frames: list[Frame]) -> dict[Frame, Decision]:
        """The decision of every record."""
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


def with_assumed(case: Case, program: ir.Program) -> Case:
    """The case with the year file's assumed values on records that do not have them: they stand in
    for what only a population can give."""
    for figure in program.assumed:
        entity, name = figure.name.rsplit(".", 1)
        for record in case.root.walk():
            if record.entity == entity and name not in record.facts and figure.value is not None:
                origin = f"assumed by {figure.place} ({figure.cite})"
                record.facts[name] = Given(constant_value(figure.value), origin)
    return case
