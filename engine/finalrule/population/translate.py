"""Expressions of the core as SQL, for the records of one entity.

The exact evaluator says what they mean (`core.expressions`); this says the same in three-valued SQL
over exact integers. An aggregate becomes a column of a grouped query that is joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Protocol, assert_never

from sqlglot import exp

from finalrule.core import ir
from finalrule.core.expressions import places_of
from finalrule.population import amounts, sql, terms
from finalrule.population.amounts import Amount
from finalrule.population.sql import E
from finalrule.population.terms import CodeList, Plain, Term
from finalrule.values import Enumeration

_COMPARE: dict[str, type[exp.Binary]] = {
    "<": exp.LT, "<=": exp.LTE, ">": exp.GT, ">=": exp.GTE, "==": exp.EQ, "!=": exp.NEQ,
}  # fmt: skip


class Place(Protocol):
    """Where an expression is computed: what gives it columns."""

    @property
    def with_needs(self) -> bool: ...

    def name(self, tree: E, hint: str) -> E:
        """The expression as a column of the query."""

    def fact(self, entity: str, name: str) -> Amount | Plain: ...

    def outcome(self, rule: str, output: str) -> Amount | Plain: ...

    def let(self, name: str) -> Term: ...

    def record(self, catalogue: str, keys: Sequence[Plain]) -> str:
        """Join the catalogue by keys; the alias under which its columns are."""

    def field(self, alias: str, catalogue: str, field: str) -> tuple[E, ir.Key]:
        """A joined field, NULL where there is no record or its cell is empty."""

    def listed(self, alias: str, catalogue: str) -> E:
        """Whether there was a record to be joined."""

    def aggregate(self, node: ir.Aggregate) -> Amount | Plain: ...

    @property
    def parameters(self) -> dict[str, ir.Parameter]: ...

    @property
    def roundings(self) -> dict[str, ir.Rounding]: ...


class Translator:
    """Translates expressions at a place."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def amount(self, expr: ir.Expr) -> Amount:
        found = self.term(expr)
        assert isinstance(found, Amount), expr
        return found

    def plain(self, expr: ir.Expr) -> Plain:
        found = self.term(expr)
        assert isinstance(found, Plain), expr
        return found

    def value(self, expr: ir.Expr) -> Amount | Plain:
        found = self.term(expr)
        assert not isinstance(found, CodeList), expr
        return found

    def term(self, expr: ir.Expr) -> Term:
        match expr:
            case ir.Num(value=value):
                return amounts.constant(value)
            case ir.Bool(value=truth):
                return Plain(sql.truth(truth))
            case ir.Text(value=text):
                return Plain(sql.text(text), literal=text)
            case ir.Day(value=day):
                return Plain(sql.number((day - terms.EPOCH).days))
            case ir.CodeSet(values=values):
                return CodeList(tuple(values))
            case ir.Param(name=name):
                figure = self.place.parameters[name].value
                assert figure is not None, f"parameter {name} has no value"
                return self.term(figure)
            case ir.Fact(entity=entity, name=name):
                return self.place.fact(entity, name)
            case ir.Outcome(rule=rule, output=output):
                return self.place.outcome(rule, output)
            case ir.Let(name=name):
                return self.place.let(name)
            case ir.Compare():
                return self._compare(expr)
            case ir.Logic():
                return self._logic(expr)
            case ir.In():
                return self._in(expr)
            case ir.Arith():
                return self._arith(expr)
            case ir.Negate(item=item):
                return amounts.negative(self.amount(item))
            case ir.Extreme(op=op, items=items):
                named = [self._named(self.amount(item), op) for item in items]
                return amounts.extreme(named, op == "max")
            case ir.Round(item=item, rounding=rounding):
                how = self.place.roundings[rounding]
                places = places_of(how.places, how.unit)
                return amounts.rounded(self.amount(item), places, how.mode, self.place.name)
            case ir.Convert(item=item):
                return self.term(item)
            case ir.DaysBetween(first=first, second=second):
                return self._days(self.plain(first), self.plain(second))
            case ir.FirstKnown(items=items):
                return self._first_known([self.value(item) for item in items])
            case ir.Lookup():
                return self._lookup(expr)
            case ir.Listed(catalogue=catalogue, keys=keys):
                alias, given, needs, unknown = self._joined(catalogue, keys)
                found = self.place.listed(alias, catalogue)
                if unknown:
                    found = sql.case([(_any_null(given), sql.null())], found)
                return Plain(found, unknown, needs)
            case ir.Aggregate():
                return self.place.aggregate(expr)
        assert_never(expr)

    def _named(self, amount: Amount, hint: str) -> Amount:
        """A number whose numerator is a column, so that it can be used more than once."""
        if amount.constant is not None:
            return amount
        return amounts.with_numerator(amount, self.place.name(amount.numerator, hint))

    def _compare(self, expr: ir.Compare) -> Plain:
        left, right = self.value(expr.left), self.value(expr.right)
        kind = _COMPARE[expr.op]
        if isinstance(left, Amount) and isinstance(right, Amount):
            tree = amounts.compared(kind, left, right)
            return Plain(tree, left.unknown or right.unknown, terms.needs_of((left, right)))
        assert isinstance(left, Plain) and isinstance(right, Plain)
        left, right = terms.same_kind(left, right)
        tree = sql.both(kind, left.tree, right.tree)
        return Plain(tree, left.unknown or right.unknown, terms.needs_of((left, right)))

    def _logic(self, expr: ir.Logic) -> Plain:
        items = [self.plain(item) for item in expr.items]
        trees = [item.tree for item in items]
        match expr.op:
            case "all":
                tree = sql.every(trees)
            case "any":
                tree = sql.any_of(trees)
            case "none":
                tree = sql.negated(sql.any_of(trees))
            case "at_least":
                tree = self._at_least(items, expr.least)
        unknown = any(item.unknown for item in items)
        needs = terms.needs_of(items)
        if needs is not None:
            tree = self.place.name(tree, "truth")
            needs = terms.only_when_unknown(tree, needs)
        return Plain(tree, unknown, needs)

    def _at_least(self, items: Sequence[Plain], least: int) -> E:
        def count(whens: Sequence[E]) -> E:
            parts = [sql.case([(when, sql.number(1))], sql.number(0)) for when in whens]
            total = parts[0]
            for part in parts[1:]:
                total = sql.both(exp.Add, total, part)
            return total

        true = count([item.tree for item in items])
        possible = count([sql.coalesce(item.tree, sql.truth(True)) for item in items])
        enough = sql.both(exp.GTE, true, sql.number(least))
        if not any(item.unknown for item in items):
            return enough
        never = sql.both(exp.LT, possible, sql.number(least))
        return sql.case([(enough, sql.truth(True)), (never, sql.truth(False))], None)

    def _in(self, expr: ir.In) -> Plain:
        item, values = self.plain(expr.item), self.term(expr.values)
        assert isinstance(values, CodeList)
        if item.members is not None:
            places = [item.members.index(one) for one in values.values if one in item.members]
            listed: list[E] = [sql.number(place) for place in places]
        else:
            listed = [sql.text(one) for one in values.values]
        tree = sql.among(item.tree, listed)
        if not listed and item.unknown:
            tree = sql.case([(sql.not_null(item.tree), sql.truth(False))], None)
        return Plain(tree, item.unknown, item.needs)

    def _arith(self, expr: ir.Arith) -> Amount:
        left, right = self.amount(expr.left), self.amount(expr.right)
        name = self.place.name
        match expr.op:
            case "+":
                return amounts.added(left, right)
            case "-":
                return amounts.added(left, right, minus=True)
            case "*":
                if left.constant is None and right.constant is None:
                    left, right = self._named(left, "factor"), self._named(right, "factor")
                return amounts.multiplied(left, right)
            case "/":
                if right.constant is None:
                    left, right = self._named(left, "part"), self._named(right, "whole")
                zero = self.amount(expr.zero) if expr.zero is not None else None
                return amounts.divided(left, right, zero, name)

    def _days(self, first: Plain, second: Plain) -> Amount:
        tree = sql.both(exp.Sub, second.tree, first.tree)
        unknown = first.unknown or second.unknown
        return amounts.whole(tree, -4_000_000, 4_000_000, unknown, terms.needs_of((first, second)))

    def _first_known(self, items: Sequence[Amount | Plain]) -> Amount | Plain:
        kept = []
        for item in items:
            kept.append(item)
            if not item.unknown:
                break
        if len(kept) == 1:
            return kept[0]
        named: list[Amount | Plain] = []
        for item in kept:
            tree = self.place.name(terms.main(item), "known")
            if isinstance(item, Amount):
                named.append(amounts.with_numerator(item, tree))
            else:
                named.append(Plain(tree, item.unknown, item.needs, item.members, item.literal))
        found = terms.choose(
            [(sql.not_null(terms.main(item)), item) for item in named[:-1]],
            named[-1],
            self.place.name,
        )
        unknown = all(item.unknown for item in named)
        needs = terms.needs_of(named) if unknown else None
        if needs is not None:
            needs = sql.case(
                [(sql.every(sql.is_null(terms.main(item)) for item in named), needs)],
                sql.no_texts(),
            )
        if isinstance(found, Amount):
            return amounts.known_as(found, unknown, needs)
        return Plain(found.tree, unknown, needs, found.members)

    def _joined(
        self, catalogue: str, keys: Sequence[ir.Expr]
    ) -> tuple[str, list[Plain], E | None, bool]:
        values = [self.plain(key) for key in keys]
        alias = self.place.record(catalogue, values)
        return alias, values, terms.needs_of(values), any(value.unknown for value in values)

    def _lookup(self, expr: ir.Lookup) -> Amount | Plain:
        alias, values, needs, unknown = self._joined(expr.catalogue, expr.keys)
        tree, key = self.place.field(alias, expr.catalogue, expr.field)
        none = self.value(expr.none)
        if isinstance(none, Amount):
            raise NotImplementedError(f"a number of catalogue {expr.catalogue}")
        none = terms.as_type(none, key.type)
        members = key.type.members if isinstance(key.type, Enumeration) else None
        found = sql.coalesce(tree, none.tree)
        if unknown:
            found = sql.case([(_any_null(values), sql.null())], found)
        if none.needs is not None:
            # Which record it is comes first: what stands for none is not asked for before.
            found = self.place.name(found, "found")
            of_none = terms.only_when_unknown(found, none.needs)
            assert of_none is not None
            needs = of_none if needs is None else sql.case([(_any_null(values), needs)], of_none)
        return Plain(found, unknown or none.unknown, needs, members)


def _any_null(values: Sequence[Plain]) -> E:
    """Whether one of some values is not determined."""
    return sql.any_of(sql.is_null(value.tree) for value in values if value.unknown)


def zero() -> Amount:
    return amounts.constant(Fraction(0))
