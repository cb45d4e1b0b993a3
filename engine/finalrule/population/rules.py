"""Rules as columns: for each outcome its value and what decided it, by number.

What decides a rule is numbered from 1 in the order of `evaluate.outcomes.winners`. Where an outcome
is not determined, that number is 0, and its value NULL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import assert_never

from sqlglot import exp

from finalrule.core import ir
from finalrule.core.expressions import places_of
from finalrule.population import amounts, sql, terms
from finalrule.population.amounts import Amount
from finalrule.population.model import Shape
from finalrule.population.reading import Reading
from finalrule.population.selects import select
from finalrule.population.sql import E
from finalrule.population.terms import Plain
from finalrule.values import YES_NO, Enumeration, Number, Type

DECILES = range(1, 11)
_BELOW, _NONE = 11, 12


def compile_rule(reading: Reading, rule: ir.AnyRule) -> None:
    """Add a rule's columns: `rule__by` and those of its outcome's shape."""
    reading.begin(rule)
    match rule:
        case ir.Choice():
            _choice(reading, rule)
        case ir.Table():
            _table(reading, rule)
        case ir.Curve():
            _curve(reading, rule)
        case ir.Deciles():
            _deciles(reading, rule)
        case ir.Select():
            chosen, by = select(reading, rule)
            _give(reading, rule, by, chosen, YES_NO)
        case _:
            assert_never(rule)


def _equals(tree: E, value: int) -> E:
    return sql.both(exp.EQ, tree, sql.number(value))


def _give(
    reading: Reading, rule: ir.AnyRule, by: E, value: Amount | Plain, type_: Type, output: str = "",
    *, first: bool = True,
) -> None:  # fmt: skip
    """The columns of an outcome. It is decided only where its value is determined."""
    name = f"{rule.name}__{output}" if output else rule.name
    note = rule.title or rule.name
    tree: E
    if isinstance(value, Amount):
        shape, value = _number(reading, rule, value, type_, name, note)
        tree = value.numerator
    else:
        value = terms.as_type(value, type_)
        members = type_.members if isinstance(type_, Enumeration) else None
        small = sql.cast(value.tree, sql.TINY) if members else _typed(value.tree, type_)
        tree = reading.columns.define(name, small, note)
        shape = Shape(tree.name, False, value.unknown, members)
        value = replace(value, tree=tree)
    reading.made[rule.name, output] = shape
    if first:
        if value.unknown:
            by = sql.case([(sql.is_null(tree), sql.number(0))], by)
        reading.by[rule.name] = reading.name(by, "by")
    if value.unknown and reading.with_needs:
        found = value.needs if value.needs is not None else sql.no_texts()
        needs = terms.only_when_unknown(tree, found)
        assert needs is not None
        value = _with_needs(value, reading.columns.define(f"{shape.column}__needs", needs))
    reading.computed[rule.name, output] = value


def _typed(tree: E, type_: Type) -> E:
    """A constant as a column of its type: SQL would guess it."""
    if isinstance(tree, exp.Boolean | exp.Null):
        return sql.cast(tree, terms.sql_type(type_))
    return tree


def _number(
    reading: Reading, rule: ir.AnyRule, value: Amount, type_: Type, name: str, note: str
) -> tuple[Shape, Amount]:
    """A number's columns; what is read in the same pass keeps its divisors apart."""
    assert isinstance(type_, Number)
    if value.least < type_.low or value.most > type_.high:
        value = _named(reading, value, "value")
        _bound(reading, rule, value, type_)
        value = amounts.bounded(value, type_.low, type_.high)
    numerator = sql.cast(value.numerator, sql.WIDE if value.wide else sql.LONG)
    divisor, high, base = "", 1, name
    if value.divisors:
        product: E = value.divisors[0].tree
        high = value.divisors[0].high
        for one in value.divisors[1:]:
            product, _, high = amounts.times(product, 1, high, one.tree, one.high)
        kind = sql.WIDE if amounts.is_wide(1, high) else sql.LONG
        divisor = reading.columns.define(f"{name}__d", sql.cast(product, kind)).name
        tree = reading.columns.define(f"{name}__n", numerator, note)
    else:
        tree = reading.columns.define(name, numerator, note)
    shape = Shape(
        base, True, value.unknown, None, value.unit, value.low, value.high, value.least,
        value.most, divisor, high, _shared(value),
    )  # fmt: skip
    return shape, replace(value, numerator=tree, constant=None)


def _shared(value: Amount) -> tuple[tuple[str, str, int], ...]:
    """Where all that divides a number is read from, if that is above its record."""
    found = [(*one.origin, one.high) for one in value.divisors if one.origin is not None]
    return tuple(found) if len(found) == len(value.divisors) else ()


def _bound(reading: Reading, rule: ir.AnyRule, value: Amount, type_: Number) -> None:
    """An outcome outside its declared bounds fails, as in the exact evaluator."""
    outside = []
    if value.least < type_.low:
        outside.append(amounts.compared(exp.LT, value, amounts.constant(type_.low)))
    if value.most > type_.high:
        outside.append(amounts.exceeds(value, type_.high))
    reading.fail(
        "outcome-out-of-bounds", f"rule `{rule.name}` gave a value outside its bounds",
        "correct the rule or its declared bounds", sql.any_of(outside),
    )  # fmt: skip


# --- clauses -------------------------------------------------------------------------------------


def _choice(reading: Reading, rule: ir.Choice) -> None:
    whens: list[tuple[int, Plain]] = []
    rest = 0
    for number, clause in enumerate(rule.clauses, 1):
        if clause.when is None:
            rest = number
        else:
            found = reading.named(reading.translate.plain(clause.when), f"when_{clause.name}")
            assert isinstance(found, Plain)
            whens.append((number, found))
    _exclusive(reading, rule, [when for _, when in whens], bool(rest))
    unknown = [when for _, when in whens if when.unknown]
    otherwise: E = sql.number(rest) if rest else sql.null()
    if unknown and rest:
        open_ = sql.any_of(sql.is_null(when.tree) for when in unknown)
        otherwise = sql.case([(open_, sql.null())], otherwise)
    if whens and not rest and not unknown:
        # One of them holds: the last needs no test.
        branches = [(when.tree, sql.number(number)) for number, when in whens[:-1]]
        by = sql.case(branches, sql.number(whens[-1][0]))
    else:
        branches = [(when.tree, sql.number(number)) for number, when in whens]
        by = sql.case(branches, otherwise)
    by = reading.name(by, "chosen")
    values = [
        (number, reading.translate.value(clause.value))
        for number, clause in enumerate(rule.clauses, 1)
    ]
    value = _by_number(reading, by, values, bool(unknown), rule.type)
    if unknown and reading.with_needs:
        needs = terms.needs_of(unknown)
        assert needs is not None
        of_value = value.needs if value.needs is not None else sql.no_texts()
        found_needs = sql.case([(sql.is_null(by), needs)], of_value)
        value = _with_needs(value, found_needs)
    _give(reading, rule, by, value, rule.type)


def _with_needs(value: Amount | Plain, needs: E) -> Amount | Plain:
    if isinstance(value, Amount):
        return amounts.known_as(value, value.unknown, needs)
    return replace(value, needs=needs)


def _by_number(
    reading: Reading,
    by: E,
    values: Sequence[tuple[int, Amount | Plain]],
    unknown: bool,
    type_: Type,
) -> Amount | Plain:
    """The value that goes with what decided; undetermined where nothing did."""
    if type_ == YES_NO:
        plain = [(number, one) for number, one in values if isinstance(one, Plain)]
        if all(isinstance(one.tree, exp.Boolean) for _, one in plain):
            yes = [sql.number(number) for number, one in plain if one.tree.this is True]
            if not unknown and len(yes) in (0, len(plain)):
                return Plain(sql.truth(bool(yes)))
            if yes:
                return Plain(
                    sql.among(by, yes) if len(yes) > 1 else _equals(by, int(yes[0].this)), unknown
                )
    typed = [
        (number, terms.as_type(one, type_) if isinstance(one, Plain) else one)
        for number, one in values
    ]
    if unknown:
        branches = [(_equals(by, number), one) for number, one in typed]
        return terms.choose(branches, None, reading.name)
    branches = [(_equals(by, number), one) for number, one in typed[:-1]]
    return terms.choose(branches, typed[-1][1], reading.name)


def _exclusive(reading: Reading, rule: ir.Choice, whens: Sequence[Plain], otherwise: bool) -> None:
    """Two clauses that hold together, or none at all, fail as in the exact evaluator."""
    if not reading.model.proven(rule):
        held: E | None = None
        for when in whens:
            one = (
                sql.case([(when.tree, sql.number(1))], sql.number(0))
                if when.unknown
                else sql.cast(when.tree, sql.TINY)
            )
            held = one if held is None else sql.both(exp.Add, held, one)
        assert held is not None
        held = reading.name(held, "held")
        reading.fail(
            "clauses-overlap", f"clauses of `{rule.name}` hold together",
            "make the conditions exclude each other", sql.both(exp.GT, held, sql.number(1)),
        )  # fmt: skip
        if not otherwise:
            known = [sql.not_null(when.tree) for when in whens if when.unknown]
            gap = sql.every([_equals(held, 0), *known])
            reading.fail(
                "clauses-gap", f"no clause of `{rule.name}` holds", "add an `otherwise` clause", gap
            )


# --- tables --------------------------------------------------------------------------------------


def _table(reading: Reading, rule: ir.Table) -> None:
    inside: Plain | None = None
    if rule.where is not None:
        domain = reading.named(reading.translate.plain(rule.where), "inside")
        assert isinstance(domain, Plain)
        inside = domain
    columns: list[Amount | Plain] = []
    for key in rule.given:
        found = reading.let(key.name)
        assert isinstance(found, Amount | Plain)
        columns.append(found)
    unknown = [column for column in columns if column.unknown]
    conditions = [
        reading.name(
            sql.every(
                _cell(cell, column)
                for cell, column in zip(row.cells, columns, strict=True)
                if cell != ir.Cell()
            ),
            f"row_{row.name}",
        )
        for row in rule.rows
    ]
    if unknown:
        # The only row that may still hold is the one, whatever the unknown columns are.
        maybe = [
            reading.name(sql.coalesce(condition, sql.truth(True)), "may_hold")
            for condition in conditions
        ]
        count: E | None = None
        for condition in maybe:
            one = sql.case([(condition, sql.number(1))], sql.number(0))
            count = one if count is None else sql.both(exp.Add, count, one)
        assert count is not None
        branches = [(condition, sql.number(number)) for number, condition in enumerate(maybe, 1)]
        by = sql.case([(_equals(reading.name(count, "rows"), 1), sql.case(branches, None))], None)
    else:
        branches = [
            (condition, sql.number(number)) for number, condition in enumerate(conditions, 1)
        ]
        by = sql.case(branches, None)
    may_be_open = bool(unknown)
    if inside is not None:
        may_be_open = may_be_open or inside.unknown
        branches = [(inside.tree, by)]
        if inside.unknown:
            branches.append((sql.is_null(inside.tree), sql.null()))
        by = sql.case(branches, sql.number(len(rule.rows) + 1))
    by = reading.name(by, "chosen")
    needs = None
    if may_be_open and reading.with_needs:
        needs = terms.needs_of(unknown) or sql.no_texts()
        if inside is not None and inside.needs is not None:
            needs = sql.case([(sql.is_null(inside.tree), inside.needs)], needs)
    for place, key in enumerate(rule.gives):
        values = [
            (number, reading.translate.value(row.values[place]))
            for number, row in enumerate(rule.rows, 1)
        ]
        if rule.outside is not None:
            values.append((len(rule.rows) + 1, reading.translate.value(rule.outside[place])))
        value = _by_number(reading, by, values, may_be_open, key.type)
        if needs is not None:
            value = _with_needs(value, needs)
        _give(reading, rule, by, value, key.type, key.name, first=place == 0)


def _cell(cell: ir.Cell, column: Amount | Plain) -> E:
    if cell.equals is not None:
        assert isinstance(column, Plain)
        if column.members is not None:
            return _equals(column.tree, column.members.index(cell.equals))
        return sql.use(column.tree) if cell.equals == "yes" else sql.negated(column.tree)
    assert isinstance(column, Amount)
    tests = []
    if cell.low is not None:
        kind = exp.GTE if cell.low_included else exp.GT
        tests.append(amounts.compared(kind, column, amounts.constant(cell.low)))
    if cell.high is not None:
        less = exp.LTE if cell.high_included else exp.LT
        tests.append(amounts.compared(less, column, amounts.constant(cell.high)))
    return sql.every(tests)


# --- curves --------------------------------------------------------------------------------------


def _curve(reading: Reading, rule: ir.Curve) -> None:
    found = reading.named(reading.translate.amount(rule.of), "of")
    assert isinstance(found, Amount)
    x, translate = found, reading.translate
    whens: list[tuple[E, E]] = []
    values: list[tuple[int, Amount | Plain]] = []
    for number, piece in enumerate(rule.pieces, 1):
        low, high = translate.amount(piece.low), translate.amount(piece.high)
        if low.unknown or high.unknown:
            raise NotImplementedError(f"{rule.name}: where a piece begins may be undetermined")
        above = amounts.compared(exp.GTE if piece.low_included else exp.GT, x, low)
        below = amounts.compared(exp.LTE if piece.high_included else exp.LT, x, high)
        whens.append((sql.every((above, below)), sql.number(number)))
        values.append((number, _on_piece(reading, piece, x)))
    by = reading.name(sql.case(whens, None), "chosen")
    reading.fail(
        "curve-gap", f"no piece of `{rule.name}` holds", "extend the pieces over the whole domain",
        sql.every([sql.is_null(by), *([sql.not_null(x.numerator)] if x.unknown else [])]),
    )  # fmt: skip
    value = _by_number(reading, by, values, x.unknown, rule.type)
    if x.needs is not None:
        of_value = value.needs if value.needs is not None else sql.no_texts()
        value = _with_needs(value, sql.case([(sql.is_null(by), x.needs)], of_value))
    _give(reading, rule, by, value, rule.type)


def _on_piece(reading: Reading, piece: ir.Piece, x: Amount) -> Amount:
    translate = reading.translate
    y1 = translate.amount(piece.y1)
    if piece.x1 is None or piece.x2 is None or piece.y2 is None:
        return y1
    x1, x2, y2 = (translate.amount(corner) for corner in (piece.x1, piece.x2, piece.y2))
    rise = amounts.added(y2, y1, minus=True)
    run = amounts.added(x2, x1, minus=True)
    slope = amounts.divided(rise, run, None, reading.name)
    along = amounts.added(x, x1, minus=True)
    if slope.constant is None:
        slope, along = _named(reading, slope, "slope"), _named(reading, along, "along")
    line = amounts.added(y1, amounts.multiplied(slope, along))
    if slope.unknown:
        # A product is known where one factor is zero; a line is not, even where it begins.
        tree = sql.case([(sql.is_null(slope.numerator), sql.null())], line.numerator)
        needs = terms.needs_of([corner for corner in (x1, y1, x2, y2) if corner.unknown])
        line = amounts.known_as(amounts.with_numerator(line, tree), True, needs)
    # On the piece the line runs between its ends.
    ends = (y1.least, y1.most, y2.least, y2.most)
    return amounts.bounded(line, min(ends), max(ends))


# --- deciles -------------------------------------------------------------------------------------


def _deciles(reading: Reading, rule: ir.Deciles) -> None:
    translate, name = reading.translate, reading.name
    keys = [translate.plain(key) for key in rule.keys]
    if any(key.unknown for key in keys):
        raise NotImplementedError(f"{rule.name}: which benchmark it is may be undetermined")
    alias = reading.record(rule.catalogue, keys)
    dimension = reading.model.dimension(rule.catalogue)
    found = reading.named(translate.amount(rule.of), "of")
    assert isinstance(found, Amount)
    of = found

    def bound(number: int) -> E:
        label = f"{alias}__bound_{number}"
        return reading.columns.input(label, sql.column(f"bound_{number}", alias))

    inverse = reading.columns.input(f"{alias}__is_inverse", sql.column("is_inverse", alias))
    missing = sql.is_null(bound(10))
    # The bounds of inverse measures are kept with the other sign, as the value is: more is better.
    flipped = sql.case(
        [(inverse, exp.Neg(this=exp.Paren(this=sql.use(of.numerator))))], of.numerator
    )
    most = max(abs(of.least), abs(of.most))
    size = max(abs(of.low), abs(of.high))
    value = replace(
        of, numerator=name(flipped, "graded"), low=-size, high=size, least=-most, most=most
    )
    limits = {
        number: _bound_amount(bound(number), dimension.bounds_unit, dimension.bounds_high)
        for number in DECILES
    }
    met = {
        number: name(amounts.compared(exp.GTE, value, limits[number]), f"meets_{number}")
        for number in DECILES
    }
    if value.divisors:
        raise NotImplementedError(f"{rule.name}: a value that is not decimal")
    upper: E = sql.case([(met[2], sql.number(1))], sql.number(0))
    for number in DECILES[2:]:
        upper = sql.both(exp.Add, upper, sql.case([(met[number], sql.number(1))], sql.number(0)))
    upper = name(upper, "upper")
    lowest = sql.any_of((sql.both(exp.GT, upper, sql.number(0)), met[1]))
    best = sql.both(exp.Add, upper, sql.case([(lowest, sql.number(1))], sql.number(0)))
    if of.unknown:
        best = sql.case([(sql.is_null(of.numerator), sql.null())], best)
    best = name(best, "best")
    low = name(sql.case([(_equals(best, d), bound(d)) for d in DECILES[:-1]], None), "low")
    high = name(sql.case([(_equals(best, d), bound(d + 1)) for d in DECILES[:-1]], None), "high")
    from_, to = (
        _bound_amount(tree, dimension.bounds_unit, dimension.bounds_high) for tree in (low, high)
    )
    part = amounts.added(value, from_, minus=True)
    whole = replace(
        amounts.added(to, from_, minus=True), low=1, least=Fraction(1, dimension.bounds_unit)
    )
    share = amounts.divided(
        _named(reading, part, "part"), _named(reading, whole, "whole"), None, name
    )
    share = amounts.bounded(
        replace(share, least=Fraction(0), most=Fraction(1)), Fraction(0), Fraction(1)
    )
    rounding = reading.roundings[rule.rounding]
    rounded = amounts.rounded(share, places_of(rounding.places, rounding.unit), rounding.mode, name)
    points = amounts.added(amounts.whole(best, 0, 10), rounded)
    below, none = translate.value(rule.below), translate.value(rule.none)
    by = sql.case(
        [(missing, sql.number(_NONE)), (_equals(best, 0), sql.number(_BELOW))], best
    )  # fmt: skip
    by = name(by, "chosen")
    branches: list[tuple[E, Amount | Plain]] = [
        (_equals(by, _NONE), none), (_equals(by, _BELOW), below),
        (_equals(by, 10), amounts.constant(Fraction(10))),
    ]  # fmt: skip
    chosen = terms.choose(branches, amounts.known_as(points, of.unknown, None), name)
    unknown = of.unknown or none.unknown or below.unknown
    if of.needs is not None:
        of_value = chosen.needs if chosen.needs is not None else sql.no_texts()
        chosen = _with_needs(chosen, sql.case([(sql.is_null(by), of.needs)], of_value))
    if isinstance(chosen, Amount):
        chosen = amounts.known_as(chosen, unknown, chosen.needs)
    _give(reading, rule, by, chosen, rule.type)


def _named(reading: Reading, amount: Amount, hint: str) -> Amount:
    found = reading.named(amount, hint)
    assert isinstance(found, Amount)
    return found


def _bound_amount(tree: E, unit: int, high: int) -> Amount:
    return Amount(tree, -high, high, unit, Fraction(-high, unit), Fraction(high, unit))
