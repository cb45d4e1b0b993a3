"""Exact numbers in SQL: `numerator / (unit * denominators)`, in integers.

`unit` is a constant; `denominators` are columns with whole numbers of at least 1, which are kept
apart by name so that they cancel. Every number knows its bounds, so that a type that holds it is
chosen (BIGINT, else 128 bits) and one that no type holds is refused. Nothing is rounded but by
`rounded`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from sqlglot import exp

from finalrule.population import sql
from finalrule.population.sql import E
from finalrule.values import MAXIMUM_DIGITS, Mode

_SHORT, _LONG = 2**31 - 1, 2**63 - 1
WIDEST = 10**MAXIMUM_DIGITS - 1

# Gives an expression a name: a column of the query that is being built.
Name = Callable[[E, str], E]


class TooWide(Exception):
    """A number that could need more than 38 digits."""

    def __init__(self, digits: int) -> None:
        super().__init__(f"{digits} digits")
        self.digits = digits


@dataclass(frozen=True, slots=True)
class Divisor:
    """A column that divides: a whole number from 1 to `high`, never NULL. `origin` is the entity
    above and its column that it is read from: the same for all records below one."""

    column: str
    high: int
    origin: tuple[str, str] | None = None

    @property
    def tree(self) -> E:
        return sql.column(self.column)


@dataclass(frozen=True, slots=True)
class Amount:
    """A number. `low` and `high` bound the numerator, `least` and `most` the value; `unknown` says
    whether it may be NULL, `needs` the facts that it then needs (an empty set when it is not)."""

    numerator: E
    low: int
    high: int
    unit: int
    least: Fraction
    most: Fraction
    divisors: tuple[Divisor, ...] = ()
    unknown: bool = False
    needs: E | None = None
    constant: Fraction | None = None

    @property
    def wide(self) -> bool:
        return is_wide(self.low, self.high)

    @property
    def divisor_high(self) -> int:
        return math.prod(one.high for one in self.divisors)


def is_wide(low: int, high: int) -> bool:
    """Whether a BIGINT does not hold it. Raises TooWide when nothing does."""
    greatest = max(-low, high)
    if greatest > WIDEST:
        raise TooWide(len(str(greatest)))
    return greatest > _LONG


def constant(value: Fraction) -> Amount:
    n, d = value.numerator, value.denominator
    return Amount(sql.number(n), n, n, d, value, value, constant=value)


def whole(tree: E, low: int, high: int, unknown: bool = False, needs: E | None = None) -> Amount:
    """A whole number."""
    return Amount(tree, low, high, 1, Fraction(low), Fraction(high), (), unknown, needs)


def with_numerator(amount: Amount, tree: E) -> Amount:
    """The same number, its numerator written otherwise."""
    return replace(amount, numerator=tree)


def known_as(amount: Amount, unknown: bool, needs: E | None) -> Amount:
    """The same number, with another account of when it is not determined."""
    return replace(amount, unknown=unknown, needs=needs)


def bounded(amount: Amount, least: Fraction, most: Fraction) -> Amount:
    """The same number, known to lie within bounds."""
    least, most = max(least, amount.least), min(most, amount.most)
    size = amount.unit * amount.divisor_high
    low = max(amount.low, math.ceil(least * size) if least < 0 else 0)
    high = min(amount.high, math.floor(most * size) if most > 0 else 0)
    if not amount.divisors:
        low = max(amount.low, math.ceil(least * amount.unit))
        high = min(amount.high, math.floor(most * amount.unit))
    return replace(amount, low=low, high=high, least=least, most=most)


def times(tree: E, low: int, high: int, factor: E, most: int, least: int = 1) -> tuple[E, int, int]:
    """A numerator times a whole number between `least` and `most`, and its bounds."""
    corners = [a * b for a in (low, high) for b in (least, most)]
    new_low, new_high = min(corners), max(corners)
    tree = _roomy(tree, new_low, new_high, ((low, high), (least, most)))
    return sql.both(exp.Mul, tree, factor), new_low, new_high


def _roomy(tree: E, low: int, high: int, operands: Sequence[tuple[int, int]]) -> E:
    """An operand in a type that holds the result, where neither may be: SQL takes literals, and
    what is chosen among them, for 32 bits."""
    if is_wide(low, high):
        return tree if any(is_wide(*one) for one in operands) else sql.cast(tree, sql.WIDE)
    return tree if max(-low, high) <= _SHORT else sql.cast(tree, sql.LONG)


def _scaled(amount: Amount, factor: int, divisors: Sequence[Divisor]) -> tuple[E, int, int]:
    tree, low, high = sql.use(amount.numerator), amount.low, amount.high
    if factor != 1:
        if amount.constant is not None:
            value = low * factor
            tree, low, high = sql.number(value), value, value
            is_wide(low, high)
        else:
            tree, low, high = times(tree, low, high, sql.number(factor), factor, factor)
    for one in divisors:
        tree, low, high = times(tree, low, high, one.tree, one.high)
    return tree, low, high


def common(amounts: Sequence[Amount]) -> tuple[list[tuple[E, int, int]], int, tuple[Divisor, ...]]:
    """The numerators over one denominator, that unit and those divisors."""
    unit = math.lcm(*(one.unit for one in amounts))
    most: Counter[Divisor] = Counter()
    for one in amounts:
        most |= Counter(one.divisors)
    made = []
    for one in amounts:
        missing = list((most - Counter(one.divisors)).elements())
        made.append(_scaled(one, unit // one.unit, missing))
    return made, unit, tuple(most.elements())


def _unknown(amounts: Sequence[Amount]) -> tuple[bool, E | None]:
    sets = [one.needs for one in amounts if one.needs is not None]
    return any(one.unknown for one in amounts), sql.united(sets) if sets else None


def added(left: Amount, right: Amount, *, minus: bool = False) -> Amount:
    """The sum, or the difference."""
    if left.constant is not None and right.constant is not None:
        return constant(left.constant - right.constant if minus else left.constant + right.constant)
    if right.constant == 0:
        return left
    if left.constant == 0 and not minus:
        return right
    ((a, a_low, a_high), (b, b_low, b_high)), unit, divisors = common((left, right))
    low, high = (a_low - b_high, a_high - b_low) if minus else (a_low + b_low, a_high + b_high)
    a = _roomy(a, low, high, ((a_low, a_high), (b_low, b_high)))
    tree = sql.both(exp.Sub if minus else exp.Add, a, b)
    least = left.least - right.most if minus else left.least + right.least
    most = left.most - right.least if minus else left.most + right.most
    found = Amount(tree, low, high, unit, least, most, divisors, *_unknown((left, right)))
    return bounded(found, least, most)


def negative(amount: Amount) -> Amount:
    if amount.constant is not None:
        return constant(-amount.constant)
    return replace(
        amount, numerator=exp.Neg(this=exp.Paren(this=sql.use(amount.numerator))),
        low=-amount.high, high=-amount.low, least=-amount.most, most=-amount.least,
    )  # fmt: skip


def _by_constant(amount: Amount, factor: Fraction) -> Amount:
    if amount.constant is not None:
        return constant(amount.constant * factor)
    if factor == 0:
        return constant(Fraction(0))
    shared = math.gcd(factor.numerator, amount.unit)
    top, unit = factor.numerator // shared, amount.unit // shared * factor.denominator
    tree, low, high = sql.use(amount.numerator), amount.low, amount.high
    if top != 1:
        tree, low, high = times(tree, low, high, sql.number(top), top, top)
    least, most = sorted((amount.least * factor, amount.most * factor))
    return replace(amount, numerator=tree, low=low, high=high, unit=unit, least=least, most=most)


def multiplied(left: Amount, right: Amount) -> Amount:
    """The product; a known zero makes it zero, whatever the other is."""
    if right.constant is not None:
        return _by_constant(left, right.constant)
    if left.constant is not None:
        return _by_constant(right, left.constant)
    corners = [a * b for a in (left.least, left.most) for b in (right.least, right.most)]
    tree, low, high = times(
        left.numerator, left.low, left.high, right.numerator, right.high, right.low
    )
    divisors = (*left.divisors, *right.divisors)
    unknown, needs = _unknown((left, right))
    if unknown:
        zero = sql.any_of(sql.both(exp.EQ, one.numerator, sql.number(0)) for one in (left, right))
        tree = sql.case([(zero, sql.number(0))], tree)
        if needs is not None:
            needs = sql.case([(zero, sql.no_texts())], needs)
    found = Amount(
        tree, low, high, left.unit * right.unit, min(corners), max(corners), divisors,
        unknown, needs,
    )  # fmt: skip
    return bounded(found, found.least, found.most)


def divided(left: Amount, right: Amount, zero: Amount | None, name: Name) -> Amount:
    """The quotient; `zero` where the divisor is zero (None: it cannot be)."""
    if right.constant is not None:
        if right.constant == 0:
            assert zero is not None
            # What is not known stays so.
            known = sql.not_null(left.numerator)
            return chosen([(known, zero)], left, name) if left.unknown else zero
        return _by_constant(left, 1 / right.constant)
    may_be_zero = right.low <= 0 <= right.high and zero is not None
    signed = right.low < 0
    divisor = sql.use(right.numerator)
    if right.unknown:
        divisor = sql.coalesce(divisor, sql.number(1))
    if signed:
        divisor = sql.call("ABS", divisor)
    if may_be_zero:
        divisor = sql.case(
            [(sql.both(exp.EQ, right.numerator, sql.number(0)), sql.number(1))], divisor
        )
    # At least 1, which the divisor is where it would be zero.
    size = max(abs(right.low), abs(right.high), 1)
    new = Divisor(name(divisor, "divisor").name, size)
    above, below = Counter(right.divisors), Counter(left.divisors)
    shared = math.gcd(left.unit, right.unit)
    top = list((above - below).elements())
    tree, low, high = _scaled(replace(left, constant=None), right.unit // shared, top)
    unit = left.unit // shared
    if signed:
        below_zero = sql.both(exp.LT, right.numerator, sql.number(0))
        tree = sql.case([(below_zero, exp.Neg(this=exp.Paren(this=sql.use(tree))))], tree)
        low, high = min(low, -high), max(high, -low)
    unknown, needs = _unknown((left, right))
    if right.unknown:
        tree = sql.case([(sql.is_null(right.numerator), sql.null())], tree)
    smallest = right.least if right.least > 0 else Fraction(1, right.unit * right.divisor_high)
    ends = [left.least / smallest, left.most / smallest]
    if signed:
        ends += [-end for end in ends]
    if right.most > 0:
        ends += [left.least / right.most, left.most / right.most]
    divisors = (*(below - above).elements(), new)
    found = Amount(tree, low, high, unit, min(ends), max(ends), divisors, unknown, needs)
    if not may_be_zero:
        return found
    assert zero is not None
    is_zero = sql.both(exp.EQ, right.numerator, sql.number(0))
    if left.unknown:
        is_zero = sql.every((is_zero, sql.not_null(left.numerator)))
    return chosen([(is_zero, zero)], found, name)


def chosen(branches: Sequence[tuple[E, Amount]], otherwise: Amount | None, name: Name) -> Amount:
    """The number of the first condition that is true; NULL where none is and there is no other."""
    amounts = [amount for _, amount in branches] + ([otherwise] if otherwise is not None else [])
    whens = [when for when, _ in branches]
    # A constant goes with any divisors.
    kinds = {one.divisors for one in amounts if one.constant is None}
    if len(kinds) <= 1:
        divisors = next(iter(kinds), ())
        unit = math.lcm(*(one.unit for one in amounts))
        tree, low, high = _one_of(
            whens,
            [_scaled(one, unit // one.unit, divisors if one.constant else ()) for one in amounts],
        )
    else:
        # What divides differs, so that it becomes a column: with the unit of those that are divided
        # most, so that these are not multiplied.
        unit = max(amounts, key=lambda one: one.divisor_high).unit
        shared = [math.gcd(unit, one.unit) for one in amounts]
        tree, low, high = _one_of(
            whens,
            [_scaled(one, unit // part, ()) for one, part in zip(amounts, shared, strict=True)],
        )
        column, _, most = _one_of(
            whens, [_divisor(one, part) for one, part in zip(amounts, shared, strict=True)]
        )
        if otherwise is None:
            column = sql.coalesce(column, sql.number(1))
        divisors = (Divisor(name(column, "divisor").name, most),)
    unknown = any(one.unknown for one in amounts) or otherwise is None
    needs = None
    if any(one.needs is not None for one in amounts):
        sets = [one.needs if one.needs is not None else sql.no_texts() for one in amounts]
        rest = sets[-1] if otherwise is not None else sql.no_texts()
        needs = sql.case(list(zip(whens, sets, strict=False)), rest)
    found = Amount(
        tree, low, high, unit, min(one.least for one in amounts), max(one.most for one in amounts),
        divisors, unknown, needs,
    )  # fmt: skip
    return bounded(found, found.least, found.most)


def _one_of(whens: Sequence[E], parts: Sequence[tuple[E, int, int]]) -> tuple[E, int, int]:
    """One of some whole numbers, in a type that holds all of them; the last one may have no
    condition."""
    low, high = min(low for _, low, _ in parts), max(high for _, _, high in parts)
    wide = is_wide(low, high)
    trees = [
        sql.cast(tree, sql.WIDE) if wide and not is_wide(least, most) else tree
        for tree, least, most in parts
    ]
    rest = trees[-1] if len(trees) > len(whens) else None
    return sql.case(list(zip(whens, trees, strict=False)), rest), low, high


def _divisor(amount: Amount, unit: int) -> tuple[E, int, int]:
    """All that divides a number's numerator, but for a part of its unit."""
    tree, high = sql.number(amount.unit // unit), amount.unit // unit
    for one in amount.divisors:
        if high == 1:
            tree, high = one.tree, one.high
        else:
            tree, _, high = times(tree, 1, high, one.tree, one.high)
    return tree, 1, high


def extreme(amounts: Sequence[Amount], greatest: bool) -> Amount:
    """The greatest or the least of numbers; unknown where one is."""
    constants = [one.constant for one in amounts if one.constant is not None]
    if len(constants) == len(amounts):
        return constant(max(constants) if greatest else min(constants))
    made, unit, divisors = common(amounts)
    pick = max if greatest else min
    low, high = pick(low for _, low, _ in made), pick(high for _, _, high in made)
    wide = any(is_wide(*part[1:]) for part in made)
    trees = [
        sql.cast(part[0], sql.WIDE) if wide and not is_wide(*part[1:]) else part[0] for part in made
    ]
    tree = sql.call("GREATEST" if greatest else "LEAST", *trees)
    unknown, needs = _unknown(amounts)
    if unknown:
        missing = sql.any_of(sql.is_null(one.numerator) for one in amounts if one.unknown)
        tree = sql.case([(missing, sql.null())], tree)
    least, most = pick(one.least for one in amounts), pick(one.most for one in amounts)
    if wide and not is_wide(low, high):
        tree = sql.cast(tree, sql.LONG)
    return bounded(
        Amount(tree, low, high, unit, least, most, divisors, unknown, needs), least, most
    )


def compared(op: type[exp.Binary], left: Amount, right: Amount) -> E:
    """A comparison of two numbers."""
    (a, b), _, _ = common((left, right))
    return sql.both(op, a[0], b[0])


def exceeds(amount: Amount, figure: Fraction) -> E:
    """Whether a number is greater than a figure, also where all that divides it times the figure
    may need more than 38 digits: then the numerator is divided by the figure instead. Raises
    TooWide where that is no way either."""
    try:
        return compared(exp.GT, amount, constant(figure))
    except TooWide:
        part = figure * amount.unit
        if part <= 0 or part.denominator != 1:
            raise
    below, _, size = _divisor(amount, amount.unit)
    numerator, figured = amount.numerator, sql.number(part.numerator)
    is_wide(0, max(size, part.numerator))
    quotient = sql.both(exp.IntDiv, sql.cast(numerator, sql.WIDE), figured)
    left = sql.both(exp.Mod, sql.cast(numerator, sql.WIDE), figured)
    more = sql.every((sql.both(exp.EQ, quotient, below), sql.both(exp.GT, left, sql.number(0))))
    return sql.any_of((sql.both(exp.GT, quotient, below), more))


def rounded(amount: Amount, places: int, mode: Mode, name: Name) -> Amount:
    """Rounded to decimal places."""
    scale = 10**places
    if not amount.divisors and scale % amount.unit == 0:
        return amount
    shared = math.gcd(scale, amount.unit)
    tree, low, high = _scaled(replace(amount, constant=None), scale // shared, ())
    below, size = sql.number(amount.unit // shared), amount.unit // shared
    for one in amount.divisors:
        if size == 1:
            below, size = one.tree, one.high
        else:
            below, _, size = times(below, 1, size, one.tree, one.high)
    below = name(below, "divisor") if amount.divisors else below
    least, most = math.floor(amount.least * scale), math.ceil(amount.most * scale)
    magnitude = max(-low, high, 0)
    tree = name(tree, "dividend")
    quotient = _quotient(tree, magnitude, low < 0, below, size, mode, max(-least, most))
    if 2 * magnitude + size > _LONG and not is_wide(least, most):
        quotient = sql.cast(quotient, sql.LONG)
    return Amount(
        quotient, least, most, scale, Fraction(least, scale), Fraction(most, scale), (),
        amount.unknown, amount.needs,
    )  # fmt: skip


def _quotient(
    top: E, magnitude: int, signed: bool, below: E, size: int, mode: Mode, most: int
) -> E:
    """Whole division with a rounding mode, of a result up to `most`; SQL's own cuts towards
    zero."""
    # Where twice the dividend does not fit, half of the divisor is added, cut off to a whole one.
    # That is the same; only an even divisor can have a tie then.
    halved = magnitude * 2 + size > WIDEST
    double = magnitude + size if halved else magnitude * 2 + size

    def wide(tree: E, high: int) -> E:
        return sql.cast(tree, sql.WIDE) if is_wide(0, double) and not is_wide(0, high) else tree

    def whole(above: E, under: E) -> E:
        found = sql.both(exp.IntDiv, above, under)
        if not is_wide(0, double):
            found.type = exp.DataType.build("bigint")
        elif most < sql.ESTIMATED and not (signed and mode == "down"):
            found.meta[sql.NOT_NEGATIVE] = True
        return found

    if mode == "down":
        return whole(wide(top, magnitude), wide(below, size))
    sign = sql.case([(sql.both(exp.LT, top, sql.number(0)), sql.number(-1))], sql.number(1))
    part = sql.call("ABS", wide(top, magnitude)) if signed else wide(top, magnitude)
    divisor = wide(below, size)
    if mode == "up":
        less = sql.both(exp.Sub, divisor, sql.number(1))
        found = whole(sql.both(exp.Add, part, less), divisor)
    else:
        even: tuple[E, ...] = ()
        if halved:
            raised = sql.both(exp.Add, part, sql.both(exp.IntDiv, divisor, sql.number(2)))
            under = divisor
            even = (sql.both(exp.EQ, sql.both(exp.Mod, divisor, sql.number(2)), sql.number(0)),)
        else:
            room = _roomy(part, 0, double, ((0, magnitude),))
            under = sql.both(exp.Mul, _roomy(divisor, 0, double, ((0, size),)), sql.number(2))
            raised = sql.both(exp.Add, sql.both(exp.Mul, room, sql.number(2)), divisor)
        found = whole(raised, under)
        if mode == "half_even":
            tie = sql.both(exp.EQ, sql.both(exp.Mod, raised, under), sql.number(0))
            odd = sql.both(exp.EQ, sql.both(exp.Mod, found, sql.number(2)), sql.number(1))
            down = sql.both(exp.Sub, found, sql.number(1))
            found = sql.case([(sql.every((tie, *even, odd)), down)], found)
    return sql.both(exp.Mul, found, sign) if signed else found
