"""What must hold of a curve whatever the facts are: its pieces cover the domain of its argument
once, it moves only as declared, and every jump is declared.

What a piece reads beside figures is tried at the ends of its type: between them the heights vary
in proportion, so that what holds at the ends holds everywhere.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from finalrule.core import ir
from finalrule.core.declare import Declarations
from finalrule.core.expressions import Context, Frame, prepare
from finalrule.core.lower import Lowered
from finalrule.core.walk import nodes
from finalrule.diagnostics import Label, Report
from finalrule.source import Span
from finalrule.values import Enumeration, Number, Type, Value, YesNo, show

_MAXIMUM_READ = 10

Height = Callable[[ir.Piece, Fraction], Fraction]


@dataclass(frozen=True, slots=True)
class _Read:
    """A fact or outcome that pieces read, and the values at which it is tried."""

    node: ir.Fact | ir.Outcome
    type: Type
    tried: tuple[Value, ...]

    @property
    def name(self) -> str:
        match self.node:
            case ir.Fact(entity=entity, name=name):
                return f"{entity}.{name}"
            case ir.Outcome(rule=rule, output=output):
                return f"{rule}.{output}" if output else rule


def check_curve(
    one: Lowered, curve: ir.Curve, known: Declarations, context: Context, report: Report
) -> None:
    """Report what does not hold, once, at the first values for which it does not."""
    check = _Curve(one, curve, known, context, report)
    if check.can_be_checked():
        check.everywhere()


class _Curve:
    def __init__(
        self,
        one: Lowered,
        curve: ir.Curve,
        known: Declarations,
        context: Context,
        report: Report,
    ) -> None:
        assert one.domain is not None
        self.curve, self.known, self.context, self.report = curve, known, context, report
        self.domain, self.jumps, self.never = one.domain, one.jumps, one.never
        self.header = one.written.span(one.written.syntax)
        pieces = {piece.name.text: piece for piece in one.written.syntax.pieces}
        self.spans = {name: one.written.span(piece) for name, piece in pieces.items()}
        self.place_span = one.written.span
        self.lets = {let.name: let.value for let in curve.lets}
        self.shown = ""

    # --- what is read --------------------------------------------------------------------------

    def _nodes(self, part: object) -> Iterator[ir.Node]:
        """The nodes of an expression and of the lets that it reads."""
        for node in nodes(part):
            yield node
            if isinstance(node, ir.Let):
                yield from self._nodes(self.lets[node.name])

    def _read(self) -> list[_Read]:
        parts = (self.curve.pieces, tuple(expr for _, expr in self.jumps))
        found = dict.fromkeys(
            node for node in self._nodes(parts) if isinstance(node, ir.Fact | ir.Outcome)
        )
        return [self._tried(node) for node in found]

    def _tried(self, node: ir.Fact | ir.Outcome) -> _Read:
        if isinstance(node, ir.Fact):
            type_ = self.known.facts[node.entity, node.name].type
        else:
            type_ = self.known.shapes[node.rule].outputs[node.output]
        match type_:
            case Number(low=low, high=high):
                return _Read(node, type_, (low, high))
            case YesNo():
                return _Read(node, type_, (True, False))
            case Enumeration(members=members):
                return _Read(node, type_, members)
        return _Read(node, type_, ())

    def can_be_checked(self) -> bool:
        """Whether the pieces end at figures, and read nothing that cannot be tried."""
        sound = True
        for piece in self.curve.pieces:
            ends = self._nodes((piece.low, piece.high))
            if any(isinstance(node, ir.Fact | ir.Outcome) for node in ends):
                sound = self._error(
                    "curve-ends",
                    f"piece `{piece.name}` ends at what varies",
                    self.spans[piece.name],
                    help="write the ends with figures only",
                )
        records = (ir.Aggregate, ir.Lookup, ir.Listed)
        for piece in self.curve.pieces:
            if any(isinstance(node, records) for node in self._nodes(piece)):
                sound = self._error(
                    "curve-reads",
                    f"piece `{piece.name}` reads other records, so it cannot be checked",
                    self.spans[piece.name],
                    help="make what it reads there a rule, and read that",
                )
        read = self._read()
        for each in read:
            if not each.tried:
                sound = self._error(
                    "curve-reads",
                    f"the pieces of `{self.curve.name}` read `{each.name}`, "
                    "for whose values they cannot be checked",
                    self.header,
                    help="read numbers, yes or no, and enumerations only",
                )
        if len(read) > _MAXIMUM_READ:
            sound = self._error(
                "curve-reads",
                f"the pieces of `{self.curve.name}` read {len(read)} facts and outcomes, "
                f"more than the {_MAXIMUM_READ} that can be checked together",
                self.header,
                help="make a part of it a rule",
            )
        return sound

    def _error(self, code: str, message: str, *labels: Label | Span, help: str) -> bool:
        self.report.error(code, message + self.shown, *labels, help=help)
        return False

    # --- at the ends of what is read -------------------------------------------------------------

    def everywhere(self) -> None:
        read = self._read()
        jumped: set[Fraction] = set()
        for values in itertools.product(*(each.tried for each in read)):
            found = zip(read, values, strict=True)
            said = ", ".join(f"{each.name} is {show(value, each.type)}" for each, value in found)
            self.shown = f" when {said}" if said else ""
            frame = self._frame([each.node for each in read], values)
            if not self._at(frame, jumped):
                return
        self.shown = ""
        for jump, place in self._places(frame).items():
            if jump not in jumped:
                self._error(
                    "curve-jump",
                    f"`{self.curve.name}` declares a jump at {self._x(jump)}, but does not jump",
                    place,
                    help="delete the line, or correct its place",
                )

    def _frame(self, read: Sequence[ir.Fact | ir.Outcome], values: Sequence[Value]) -> Frame:
        frame = self._record(self.curve.entity)
        for node, value in zip(read, values, strict=True):
            if isinstance(node, ir.Fact):
                frame.up[node.entity].facts[node.name] = value
            else:
                frame.outcomes[node.rule, node.output] = value
        return frame

    def _record(self, entity: str) -> Frame:
        declared = self.known.entities[entity]
        parent = self._record(declared.parent) if declared.parent else None
        refers = self._record(declared.refers) if declared.refers else None
        return Frame(entity, (), {}, parent, refers)

    def _value(self, frame: Frame, expr: ir.Expr | None) -> Fraction:
        lets = {name: prepare(value, self.context) for name, value in self.lets.items()}
        assert expr is not None
        found = prepare(expr, self.context, lets)(frame)
        assert isinstance(found, Fraction)
        return found

    def _places(self, frame: Frame) -> dict[Fraction, Span]:
        return {self._value(frame, x): self.place_span(jump) for jump, x in self.jumps}

    def _at(self, frame: Frame, jumped: set[Fraction]) -> bool:
        """Whether all holds for one set of values; the places where it jumps are added."""
        ends = {
            piece.name: (self._value(frame, piece.low), self._value(frame, piece.high))
            for piece in self.curve.pieces
        }
        ordered = sorted(self.curve.pieces, key=lambda piece: ends[piece.name])
        if not self._is_covered(ordered, ends):
            return False
        heights: list[tuple[Fraction, str]] = []
        for piece in ordered:
            low, high = ends[piece.name]
            if piece.shape == "line" and self._value(frame, piece.x1) == self._value(
                frame, piece.x2
            ):
                return self._error(
                    "curve-line",
                    f"the two points of line `{piece.name}` stand at one place",
                    self.spans[piece.name],
                    help="a line needs two different places",
                )
            heights.append((self._height(frame, piece, low), piece.name))
            heights.append((self._height(frame, piece, high), piece.name))
        return self._moves(ordered, ends, heights, self._places(frame), jumped)

    def _height(self, frame: Frame, piece: ir.Piece, x: Fraction) -> Fraction:
        y1 = self._value(frame, piece.y1)
        if piece.shape == "flat":
            return y1
        x1, x2 = self._value(frame, piece.x1), self._value(frame, piece.x2)
        return y1 + (self._value(frame, piece.y2) - y1) * (x - x1) / (x2 - x1)

    def _is_covered(
        self, ordered: list[ir.Piece], ends: dict[str, tuple[Fraction, Fraction]]
    ) -> bool:
        for piece in ordered:
            low, high = ends[piece.name]
            if low > high or (low == high and not (piece.low_included and piece.high_included)):
                return self._error(
                    "curve-ends",
                    f"piece `{piece.name}` from {self._x(low)} to {self._x(high)} holds nowhere",
                    self.spans[piece.name],
                    help="write the lower end first",
                )
        first, last = ordered[0], ordered[-1]
        low, high = ends[first.name][0], ends[last.name][1]
        if low > self.domain.low or (low == self.domain.low and not first.low_included):
            where = "below" if low > self.domain.low else "at"
            label = Label(self.spans[first.name], "the first piece")
            return self._gap(f"{where} {self._x(low)}", label)
        for left, right in itertools.pairwise(ordered):
            end, start = ends[left.name][1], ends[right.name][0]
            labels = (
                Label(self.spans[left.name], f"ends at {self._x(end)}"),
                Label(self.spans[right.name], f"begins at {self._x(start)}"),
            )
            if end > start or (end == start and left.high_included and right.low_included):
                return self._error(
                    "curve-overlap",
                    f"pieces `{left.name}` and `{right.name}` both hold at {self._x(start)}",
                    *labels,
                    help="end one with `up_to`, or begin the other with `above`",
                )
            if end < start:
                return self._gap(f"between {self._x(end)} and {self._x(start)}", *labels)
            if not (left.high_included or right.low_included):
                return self._gap(f"at {self._x(end)}", *labels)
        if high < self.domain.high or (high == self.domain.high and not last.high_included):
            where = "above" if high < self.domain.high else "at"
            label = Label(self.spans[last.name], "the last piece")
            return self._gap(f"{where} {self._x(high)}", label)
        return True

    def _gap(self, where: str, *labels: Label) -> bool:
        return self._error(
            "curve-gap",
            f"no piece of `{self.curve.name}` holds {where}",
            *labels,
            help="`from` and `through` include an end, `above` and `up_to` do not",
        )

    def _moves(
        self,
        ordered: list[ir.Piece],
        ends: dict[str, tuple[Fraction, Fraction]],
        heights: list[tuple[Fraction, str]],
        jumps: dict[Fraction, Span],
        jumped: set[Fraction],
    ) -> bool:
        for i, (left, right) in enumerate(itertools.pairwise(ordered)):
            end = ends[left.name][1]
            (before, _), (after, _) = heights[2 * i + 1 : 2 * i + 3]
            if before == after:
                continue
            jumped.add(end)
            if end not in jumps:
                return self._error(
                    "curve-jump",
                    f"`{self.curve.name}` jumps at {self._x(end)} from {self._y(before)} to "
                    f"{self._y(after)}, and declares no jump there",
                    Label(self.spans[left.name], f"ends at {self._y(before)}"),
                    Label(self.spans[right.name], f"begins at {self._y(after)}"),
                    help='declare it: `jump at ... because "..."`',
                )
        sign = {"decreasing": 1, "increasing": -1}.get(self.never, 0)
        for (a, first), (b, second) in itertools.pairwise(heights):
            if (b - a) * sign < 0:
                spans = dict.fromkeys((self.spans[first], self.spans[second]))
                return self._error(
                    "curve-direction",
                    f"`{self.curve.name}` must never be {self.never}, but goes from "
                    f"{self._y(a)} to {self._y(b)}",
                    *spans,
                    help="correct the pieces or their figures",
                )
        return True

    def _x(self, value: Fraction) -> str:
        return show(value, self.domain)

    def _y(self, value: Fraction) -> str:
        return show(value, self.curve.type)
