"""Which clauses, rows, pieces and deciles in force some scenario asserts, and how near the others
came to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from finalrule.core import ir
from finalrule.core.expressions import Frame, Known, Unknown, prepare
from finalrule.core.table_match import cell_holds
from finalrule.core.text import expression_text, names_in
from finalrule.evaluate.catalogues import TypedCatalogue
from finalrule.evaluate.kinds import best_decile, prepare_lets
from finalrule.evaluate.outcomes import OutcomeName, winners
from finalrule.evaluate.scalar import Evaluator
from finalrule.evaluate.types import Types
from finalrule.scenarios.edits import settled
from finalrule.scenarios.read import Scenario
from finalrule.scenarios.run import Result, frame_of
from finalrule.scenarios.suite import in_module
from finalrule.source import Place
from finalrule.values import decimal_text, show

State = Literal["asserted", "reached", "missed"]


@dataclass(frozen=True, slots=True)
class Covered:
    """One thing that can decide a rule in force, and what the scenarios do with it.

    `asserted`: a scenario expects an outcome that it decides. `reached`: it decides an outcome that
    no scenario expects. `missed`: it decides nothing; then `scenario` came nearest (None: none
    evaluates the rule) with `outcome`, and `why` are the conditions that failed.
    """

    policy: str
    rule: str
    winner: str
    place: Place
    state: State
    scenario: Scenario | None = None
    outcome: str = ""
    why: tuple[str, ...] = ()


def coverage(evaluator: Evaluator, results: Sequence[Result], module: str = "") -> list[Covered]:
    """What can decide the rules in force of one policy (those of one module, where it is named), in
    the order of the rules, each with what the policy's scenarios do with it."""
    seen = _Seen(evaluator.program.policy)
    for result in results:
        seen.add(result)
    return [
        seen.covered(rule, winner, place, evaluator)
        for rule in evaluator.program.rules
        if in_module(rule, module)
        for winner, place in deciding(rule, evaluator.catalogues)
    ]


class _Seen:
    """What the scenarios of one policy decide and expect, by rule and by what decided."""

    def __init__(self, policy: str) -> None:
        self.policy = policy
        self.asserted: dict[tuple[str, str], Result] = {}
        self.reached: dict[tuple[str, str], tuple[Result, Frame]] = {}
        self.evaluated: dict[str, list[tuple[Result, Frame]]] = {}

    def add(self, result: Result) -> None:
        """Note what a scenario decides; what is taken as given is decided by nothing."""
        evaluation = result.evaluation
        if evaluation is None or result.policy != self.policy:
            return
        for (rule, frame), decision in evaluation.decisions.items():
            if not decision.assumed:
                if result.scenario.catalogues is None:  # else it is not the policy's catalogues
                    self.evaluated.setdefault(rule, []).append((result, frame))
                self.reached.setdefault((rule, decision.winner), (result, frame))
        for name in result.asserted:
            decision = evaluation.decisions[name.rule, frame_of(name, evaluation)]
            if not decision.assumed:
                self.asserted.setdefault((name.rule, decision.winner), result)

    def covered(self, rule: ir.AnyRule, winner: str, place: Place, evaluator: Evaluator) -> Covered:
        """What the scenarios do with one thing that can decide a rule."""
        key = (rule.name, winner)
        if key in self.asserted:
            scenario = self.asserted[key].scenario
            return Covered(self.policy, *key, place, "asserted", scenario)
        if key in self.reached:
            result, frame = self.reached[key]
            outcome = str(OutcomeName(rule.name, frame.path))
            return Covered(self.policy, *key, place, "reached", result.scenario, outcome)
        near = _Nearest(rule, winner, evaluator)
        scenario_, outcome, why = near.of(self.evaluated.get(rule.name, []))
        return Covered(self.policy, *key, place, "missed", scenario_, outcome, why)


def deciding(rule: ir.AnyRule, catalogues: Mapping[str, TypedCatalogue]) -> list[tuple[str, Place]]:
    """What can decide a rule, with its place: left out are clauses that ask for what a rule that is
    not in force would have to give, deciles that no benchmark of the catalogue has, and what a
    select without a condition or a number cannot give."""
    match rule:
        case ir.Choice():
            lets = {let.name: let.value for let in rule.lets}
            return [
                (clause.name, clause.place)
                for clause in rule.clauses
                if clause.when is None or settled(clause.when, lets) is not False
            ]
        case ir.Table():
            places = {row.name: row.place for row in rule.rows}
            return [(name, places.get(name, rule.place)) for name in winners(rule)]
        case ir.Curve():
            return [(piece.name, piece.place) for piece in rule.pieces]
        case ir.Deciles():
            there = _deciles_of(rule, catalogues[rule.catalogue])
            names = [name for name in winners(rule) if name in there]
        case ir.Select():
            names = ["selected"]
            names += ["passed_over"] if rule.best is not None else []
            names += ["not_considered"] if rule.where is not None else []
    return [(name, rule.place) for name in names]


def _deciles_of(rule: ir.Deciles, catalogue: TypedCatalogue) -> set[str]:
    """The deciles in which some benchmark that the rule may read lets a rate fall."""
    found = {"none"}
    for keys in catalogue.rows.rows:
        fixed = zip(rule.keys, keys, strict=True)
        if any(isinstance(key, ir.Text) and key.value != text for key, text in fixed):
            continue
        bounds = catalogue.bounds(keys)
        for bound in bounds.lower if bounds is not None else ():
            if bound is not None and bounds is not None:
                found |= {"below", f"decile_{best_decile(bound, bounds)[0]}"}
    return found


class _Nearest:
    """Finds the scenario that came nearest to letting `winner` decide."""

    def __init__(self, rule: ir.AnyRule, winner: str, evaluator: Evaluator) -> None:
        self.rule, self.winner = rule, winner
        self.context = evaluator.context
        self.runs = prepare_lets(rule, self.context)
        self.lets = {let.name: let.value for let in rule.lets}
        self.names = names_in(evaluator.program, rule)
        self.types = Types(evaluator.program)

    def of(
        self, evaluated: list[tuple[Result, Frame]]
    ) -> tuple[Scenario | None, str, tuple[str, ...]]:
        """The scenario, its outcome's name, and the conditions that failed."""
        best: tuple[Fraction, Result, Frame] | None = None
        for result, frame in evaluated:
            distance = self._distance(frame)
            if best is None or distance < best[0]:
                best = distance, result, frame
        if best is None:
            return None, "", ()
        _, result, frame = best
        assert result.evaluation is not None
        why = tuple(self._why(frame)) or self._instead(result, frame)
        return result.scenario, str(OutcomeName(self.rule.name, frame.path)), why

    def _instead(self, result: Result, frame: Frame) -> tuple[str, ...]:
        assert result.evaluation is not None
        decision = result.evaluation.decisions[self.rule.name, frame]
        return (f"{decision.winner or 'nothing'} decides instead",)

    def _distance(self, frame: Frame) -> Fraction:
        frame.lets = {}
        match self.rule:
            case ir.Choice() | ir.Table():
                return Fraction(sum(1 for _ in self._failed(frame)))
            case ir.Curve():
                return self._from_piece(self.rule, frame)
            case _:
                return Fraction(0)

    def _why(self, frame: Frame) -> Iterator[str]:
        frame.lets = {}
        match self.rule:
            case ir.Choice() | ir.Table():
                yield from self._failed(frame)
            case ir.Curve(of=of):
                piece = next(p for p in self.rule.pieces if p.name == self.winner)
                low, high = self._text(piece.low, frame), self._text(piece.high, frame)
                begins = "from" if piece.low_included else "above"
                ends = "through" if piece.high_included else "up to"
                yield f"{self._text(of, frame)} is not {begins} {low} {ends} {high}"

    def _failed(self, frame: Frame) -> Iterator[str]:
        """The conditions of the clause or row that do not hold, or are undetermined."""
        if isinstance(self.rule, ir.Choice):
            clause = next(c for c in self.rule.clauses if c.name == self.winner)
            if clause.when is not None:
                yield from self._failed_parts(clause.when, frame)
        elif isinstance(self.rule, ir.Table):
            if self.rule.where is not None:
                inside = self._value(self.rule.where, frame)
                if self.winner == "outside":
                    if inside is not False:
                        yield f"inside the table's domain: {self._text(self.rule.where, frame)}"
                    return
                if inside is not True:
                    yield from self._failed_parts(self.rule.where, frame)
            row = next(row for row in self.rule.rows if row.name == self.winner)
            for key, cell in zip(self.rule.given, row.cells, strict=True):
                value = self._value(ir.Let(key.name), frame)
                if isinstance(value, Unknown):
                    yield f"{key.name} is undetermined"
                elif not cell_holds(cell, value):
                    yield f"{key.name} is {show(value, key.type)}, not {_cell_text(cell)}"

    def _failed_parts(self, expr: ir.Expr, frame: Frame) -> Iterator[str]:
        """The smallest parts of a condition that are not yes; a let that joins conditions is taken
        apart."""
        if self._value(expr, frame) is True:
            return
        meant = self.lets.get(expr.name, expr) if isinstance(expr, ir.Let) else expr
        if isinstance(meant, ir.Logic) and meant.op == "all":
            for item in meant.items:
                yield from self._failed_parts(item, frame)
        else:
            yield self._text(meant, frame)

    def _from_piece(self, rule: ir.Curve, frame: Frame) -> Fraction:
        piece = next(piece for piece in rule.pieces if piece.name == self.winner)
        x, low, high = (self._value(e, frame) for e in (rule.of, piece.low, piece.high))
        if not (
            isinstance(x, Fraction) and isinstance(low, Fraction) and isinstance(high, Fraction)
        ):
            return Fraction(10**30)
        return max(low - x, x - high, Fraction(0))

    def _value(self, expr: ir.Expr, frame: Frame) -> Known:
        return prepare(expr, self.context, self.runs)(frame)

    def _text(self, expr: ir.Expr, frame: Frame) -> str:
        return expression_text(expr, lambda node: self._note(node, frame), self.names)

    def _note(self, node: ir.Expr, frame: Frame) -> str:
        """What is written after a name: its value."""
        if not isinstance(
            node, ir.Fact | ir.Outcome | ir.Param | ir.Let | ir.Lookup | ir.Aggregate
        ):
            return ""
        value = self._value(node, frame)
        if isinstance(value, Unknown):
            return " (undetermined)"
        return f" ({show(value, self.types.of(node, self.lets))})"


def _cell_text(cell: ir.Cell) -> str:
    if cell.equals is not None:
        return cell.equals
    ends = []
    if cell.low is not None:
        ends.append(f"{'at least' if cell.low_included else 'above'} {decimal_text(cell.low)}")
    if cell.high is not None:
        ends.append(f"{'at most' if cell.high_included else 'below'} {decimal_text(cell.high)}")
    return " and ".join(ends)
