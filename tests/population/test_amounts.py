"""Numbers in SQL against Python's fractions: any expression over any columns is the same number to
the last digit, keeps its bounds, and is refused where 38 digits may not hold it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import duckdb
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sqlglot import exp

from finalrule.population import amounts, sql
from finalrule.population.amounts import Amount, Divisor, TooWide
from finalrule.population.layers import Columns
from finalrule.values import MAXIMUM_DIGITS, Mode, round_to

GREATEST = 10**MAXIMUM_DIGITS - 1
DUCK = duckdb.connect()
MODES: tuple[Mode, ...] = ("half_up", "half_even", "down", "up")
# A row of values by column; None is what is not known.
Row = dict[str, int | bool | None]


@dataclass(frozen=True)
class Leaf:
    """A column: whole numbers from `low` to `high` over `unit`, and over another column from 1 to
    `divisor` where that is not 0."""

    name: str
    low: int
    high: int
    unit: int
    divisor: int
    unknown: bool

    def amount(self, columns: Columns) -> Amount:
        tree: sql.E = columns.input(self.name, sql.column(self.name, "t"))
        divisors: tuple[Divisor, ...] = ()
        least, most = Fraction(self.low, self.unit), Fraction(self.high, self.unit)
        if self.divisor:
            below = columns.input(f"{self.name}_d", sql.column(f"{self.name}_d", "t"))
            divisors = (Divisor(below.name, self.divisor),)
            least, most = min(least, least / self.divisor), max(most, most / self.divisor)
        return Amount(
            tree, self.low, self.high, self.unit, least, most, divisors, self.unknown
        )  # fmt: skip

    def value(self, row: Row) -> Fraction | None:
        top = row[self.name]
        if top is None:
            return None
        return Fraction(top, self.unit * (row.get(f"{self.name}_d") or 1))


# An expression: a leaf, a constant, or an operation with its operands.
Tree = Any


@st.composite
def leaves(draw: st.DrawFn) -> Leaf:
    size = 10 ** draw(st.integers(0, 9))
    low = draw(st.sampled_from((0, 1, -size)))
    unit = draw(st.sampled_from((1, 3, 10, 100, 10**6)))
    divisor = draw(st.sampled_from((0, 0, 7, 1000)))
    return Leaf(f"x{draw(st.integers(0, 5))}", low, size, unit, divisor, draw(st.booleans()))


constants = st.fractions(-1000, 1000, max_denominator=60)


def operations(below: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return st.one_of(
        st.tuples(st.sampled_from("+-*/"), below, below),
        st.tuples(st.just("negate"), below),
        st.tuples(st.sampled_from(("min", "max")), below, below),
        st.tuples(st.just("round"), below, st.integers(0, 4), st.sampled_from(MODES)),
        st.tuples(st.just("if"), st.sampled_from("pq"), below, below),
    )


trees = st.recursive(st.one_of(leaves(), constants), operations, max_leaves=5)


class Query:
    """An expression as a query over the table `t`."""

    def __init__(self) -> None:
        self.columns = Columns("t", "t")
        self.columns.input("number", sql.column("number", "t"))

    def name(self, tree: sql.E, hint: str) -> sql.E:
        if isinstance(tree, exp.Column | exp.Literal | exp.Boolean | exp.Null):
            return tree
        return self.columns.define(hint, tree)

    def named(self, amount: Amount) -> Amount:
        if amount.constant is not None:
            return amount
        return amounts.with_numerator(amount, self.name(amount.numerator, "n"))

    def amount(self, tree: Tree) -> Amount:
        match tree:
            case Leaf():
                return tree.amount(self.columns)
            case Fraction():
                return amounts.constant(tree)
            case ("+", a, b):
                return amounts.added(self.amount(a), self.amount(b))
            case ("-", a, b):
                return amounts.added(self.amount(a), self.amount(b), minus=True)
            case ("*", a, b):
                return amounts.multiplied(self.named(self.amount(a)), self.named(self.amount(b)))
            case ("/", a, b):
                zero = amounts.constant(Fraction(7, 2))
                left, right = self.named(self.amount(a)), self.named(self.amount(b))
                return amounts.divided(left, right, zero, self.name)
            case ("negate", a):
                return amounts.negative(self.amount(a))
            case ("min" | "max" as op, a, b):
                both = [self.named(self.amount(one)) for one in (a, b)]
                return amounts.extreme(both, op == "max")
            case ("round", a, places, mode):
                return amounts.rounded(self.amount(a), places, mode, self.name)
            case ("if", flag, a, b):
                when = self.columns.input(flag, sql.column(flag, "t"))
                one, other = self.amount(a), self.amount(b)
                return amounts.chosen([(when, one)], other, self.name)
        raise AssertionError(tree)

    def numbers(self, amount: Amount, rows: Sequence[Row]) -> list[Fraction | None]:
        """What DuckDB makes of it, row by row."""
        wanted = [self.columns.define("it", sql.cast(amount.numerator, sql.WIDE), "kept").name]
        wanted += dict.fromkeys(one.column for one in amount.divisors)
        written = sql.duckdb(self.columns.select(["number", *wanted]))
        _table(rows)
        found = DUCK.execute(f"SELECT * FROM ({written}) ORDER BY number").fetchall()
        numbers: list[Fraction | None] = []
        for _, top, *below in found:
            by_name = dict(zip(wanted[1:], below, strict=True))
            if top is None:
                numbers.append(None)
                continue
            assert amount.low <= top <= amount.high
            size = amount.unit
            for one in amount.divisors:
                assert 1 <= by_name[one.column] <= one.high
                size *= by_name[one.column]
            value = Fraction(int(top), size)
            assert amount.least <= value <= amount.most
            numbers.append(value)
        return numbers


def _table(rows: Sequence[Row]) -> None:
    names = list(rows[0])
    columns = ", ".join(f"{name} {'BOOLEAN' if name in 'pq' else 'BIGINT'}" for name in names)
    DUCK.execute(f"CREATE OR REPLACE TABLE t (number BIGINT, {columns})")
    marks = ", ".join(f"({', '.join('?' * (len(names) + 1))})" for _ in rows)
    cells = [cell for number, row in enumerate(rows) for cell in (number, *row.values())]
    DUCK.execute(f"INSERT INTO t VALUES {marks}", cells)


def value(tree: Tree, row: Row) -> Fraction | None:
    """What an expression means; None where it is not determined."""
    match tree:
        case Leaf():
            return tree.value(row)
        case Fraction():
            return tree
        case ("negate", a):
            found = value(a, row)
            return None if found is None else -found
        case ("round", a, places, mode):
            found = value(a, row)
            return None if found is None else round_to(found, places, mode)
        case ("if", flag, a, b):
            return value(a if row[flag] else b, row)
    op, a, b = tree[0], value(tree[1], row), value(tree[2], row)
    if a is None or b is None:
        return Fraction(0) if op == "*" and 0 in (a, b) else None
    match op:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "/":
            return a / b if b else Fraction(7, 2)
    return min(a, b) if op == "min" else max(a, b)


def leaves_of(tree: Tree) -> list[Leaf]:
    if isinstance(tree, Leaf):
        return [tree]
    return [leaf for part in tree for leaf in leaves_of(part)] if isinstance(tree, tuple) else []


@st.composite
def rows_of(draw: st.DrawFn, tree: Tree) -> list[Row]:
    """Rows for an expression's columns: their ends and what lies between, now and then unknown."""
    rows = []
    for _ in range(6):
        row: Row = {"p": draw(st.booleans()), "q": draw(st.booleans())}
        for leaf in leaves_of(tree):
            ends = st.sampled_from((leaf.low, leaf.high, max(leaf.low, min(leaf.high, 0))))
            number = draw(st.one_of(ends, st.integers(leaf.low, leaf.high)))
            row[leaf.name] = None if leaf.unknown and draw(st.integers(0, 5)) == 0 else number
            if leaf.divisor:
                row[f"{leaf.name}_d"] = draw(st.integers(1, leaf.divisor))
        rows.append(row)
    return rows


def renamed(tree: Tree, taken: dict[str, Leaf]) -> Tree:
    """One column for one leaf: what has the same name is the same."""
    if isinstance(tree, Leaf):
        return taken.setdefault(tree.name, tree)
    return tuple(renamed(part, taken) for part in tree) if isinstance(tree, tuple) else tree


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_expression_is_the_same_number(data: st.DataObject) -> None:
    tree = renamed(data.draw(trees), {})
    query = Query()
    try:
        amount = query.amount(tree)
    except TooWide:
        assume(False)
    rows = data.draw(rows_of(tree))
    assert query.numbers(amount, rows) == [value(tree, row) for row in rows]


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(("<", "<=", "=", ">")))
def test_comparisons_are_exact(data: st.DataObject, op: str) -> None:
    kinds = {"<": exp.LT, "<=": exp.LTE, "=": exp.EQ, ">": exp.GT}
    first, second = data.draw(leaves()), data.draw(leaves())
    taken: dict[str, Leaf] = {}
    first, second = renamed(first, taken), renamed(second, taken)
    rows = data.draw(rows_of((first, second)))
    query = Query()
    tree = amounts.compared(kinds[op], first.amount(query.columns), second.amount(query.columns))
    name = query.columns.define("it", tree).name
    written = sql.duckdb(query.columns.select(["number", name]))
    _table(rows)
    found = DUCK.execute(f"SELECT it FROM ({written}) ORDER BY number").fetchall()
    for row, (answer,) in zip(rows, found, strict=True):
        a, b = first.value(row), second.value(row)
        if a is None or b is None:
            assert answer is None
        else:
            assert answer is {"<": a < b, "<=": a <= b, "=": a == b, ">": a > b}[op]


X = Leaf("x", 0, 1, 1, 0, True)


@pytest.mark.parametrize(
    "tree",
    # Of which the divisor always is zero: as a figure may be, and as the smaller of two can be.
    [("/", X, Fraction(0)), ("/", Fraction(0), ("min", X, Fraction(0)))],
    ids=["a figure", "a number"],
)
def test_a_divisor_that_is_always_zero(tree: Tree) -> None:
    query = Query()
    rows: list[Row] = [{"p": False, "q": False, "x": x} for x in (0, 1, None)]
    assert query.numbers(query.amount(tree), rows) == [Fraction(7, 2), Fraction(7, 2), None]


def rounded(top: int, below: int, places: int, mode: Mode) -> Fraction | None:
    """top/below rounded by SQL; `below` is a column."""
    leaf = Leaf("x", -(10**12), 10**12, 1, 10**6, False)
    query = Query()
    amount = amounts.rounded(leaf.amount(query.columns), places, mode, query.name)
    (found,) = query.numbers(amount, [{"x": top, "x_d": below}])
    return found


@pytest.mark.parametrize(
    ("mode", "ties"),
    # 0.5, 1.5, 2.5 and their negatives: away from zero, to the even neighbour, towards zero, away.
    [
        ("half_up", (1, 2, 3, -1, -2, -3)),
        ("half_even", (0, 2, 2, 0, -2, -2)),
        ("down", (0, 1, 2, 0, -1, -2)),
        ("up", (1, 2, 3, -1, -2, -3)),
    ],
)
def test_ties(mode: Mode, ties: tuple[int, ...]) -> None:
    found = [rounded(top, 2, 0, mode) for top in (1, 3, 5, -1, -3, -5)]
    assert found == [Fraction(tie) for tie in ties]


def test_beside_ties() -> None:
    # 0.124999, 0.125 and 0.125001 to two places.
    tops = (124_999, 125_000, 125_001)
    for mode, wanted in (
        ("half_up", ("0.12", "0.13", "0.13")),
        ("half_even", ("0.12", "0.12", "0.13")),
        ("down", ("0.12", "0.12", "0.12")),
        ("up", ("0.13", "0.13", "0.13")),
    ):
        found = [rounded(top, 10**6, 2, mode) for top in tops]  # type: ignore[arg-type]
        assert found == [Fraction(text) for text in wanted]
        negative = [rounded(-top, 10**6, 2, mode) for top in tops]  # type: ignore[arg-type]
        assert negative == [-Fraction(text) for text in wanted]


def test_the_greatest_number_is_exact() -> None:
    """(10^19 - 1) * (10^19 + 1) = 10^38 - 1, the greatest that there may be."""
    query = Query()
    # Both need 128 bits: what is chosen, and times, are written wide.
    first = Leaf("a", 0, 10**18, 1, 0, False).amount(query.columns)
    first = amounts.added(
        amounts.multiplied(amounts.constant(Fraction(10)), first),
        amounts.constant(Fraction(-1)),
    )
    second = amounts.added(first, amounts.constant(Fraction(2)))
    second = amounts.bounded(second, Fraction(0), Fraction(10**19 + 1))
    first = amounts.bounded(first, Fraction(0), Fraction(10**19 - 1))
    product = amounts.multiplied(query.named(first), query.named(second))
    assert (product.low, product.high) == (0, GREATEST) and product.wide
    assert query.numbers(product, [{"a": 10**18}]) == [Fraction(GREATEST)]


def test_what_may_need_39_digits_is_refused() -> None:
    query = Query()
    wide = Leaf("a", 0, 10**18, 1, 0, False).amount(query.columns)
    squared = amounts.multiplied(wide, wide)
    assert squared.high == 10**36 and squared.wide
    # 10^36 * 99 has 38 digits, 10^36 * 100 has 39.
    assert amounts.multiplied(squared, amounts.constant(Fraction(99))).wide
    for product in (
        lambda: amounts.multiplied(squared, amounts.constant(Fraction(100))),
        lambda: amounts.multiplied(squared, amounts.constant(Fraction(-100))),
        lambda: amounts.multiplied(squared, wide),
        lambda: amounts.added(squared, amounts.constant(Fraction(1, 10**3))),
        lambda: amounts.compared(exp.LT, squared, amounts.constant(Fraction(1, 10**3))),
    ):
        with pytest.raises(TooWide) as refused:
            product()
        assert refused.value.digits >= 39


def of_38_digits(query: Query, divisor: int) -> Amount:
    """a * 10^36 + b * 10^18 + c over d, all columns: up to 91 * 10^36, of which twice as much does
    not fit."""
    top = Leaf("c", 0, 10**18 - 1, 1, 0, False).amount(query.columns)
    for name, high, factor in (("b", 10**18 - 1, 10**18), ("a", 90, 10**36)):
        part = Leaf(name, 0, high, 1, 0, False).amount(query.columns)
        top = amounts.added(amounts.multiplied(amounts.constant(Fraction(factor)), part), top)
    below = query.columns.input("d", sql.column("d", "t"))
    top = amounts.with_numerator(top, query.name(top.numerator, "top"))
    return replace(top, divisors=(Divisor(below.name, divisor),))


def row_of_38_digits(top: int, below: int) -> Row:
    return {"a": top // 10**36, "b": top // 10**18 % 10**18, "c": top % 10**18, "d": below}


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(MODES), st.booleans())
def test_rounding_where_twice_the_dividend_does_not_fit(
    data: st.DataObject, mode: Mode, small: bool
) -> None:
    """At a tie, where there is one, and one beside; of results that DOUBLEs estimate, and greater
    ones."""
    rows, wanted = [], []
    for _ in range(6):
        below = data.draw(st.one_of(st.integers(1, 10), st.integers(1, 10**18)))
        most = min(2**40 if small else 9 * 10**37, 9 * 10**37 // below) - 1
        whole = data.draw(st.one_of(st.just(most), st.integers(0, most)))
        top = max(0, whole * below + below // 2 + data.draw(st.integers(-1, 1)))
        rows.append(row_of_38_digits(top, below))
        wanted.append(round_to(Fraction(top, below), 0, mode))
    query = Query()
    amount = of_38_digits(query, 10**18)
    assert 2 * amount.high > GREATEST
    if small:
        amount = replace(amount, most=Fraction(2**40))
    assert query.numbers(amounts.rounded(amount, 0, mode, query.name), rows) == wanted


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(10**20, 10**21))
def test_a_figure_is_exceeded_where_its_product_does_not_fit(
    data: st.DataObject, figure: int
) -> None:
    """The figure times the divisor, which may be 10^18, has up to 40 digits: at it, and beside."""
    rows = []
    for _ in range(6):
        below = data.draw(st.one_of(st.integers(1, 10), st.integers(1, 9 * 10**16)))
        top = figure * below + data.draw(st.integers(-1, 1))
        rows.append(row_of_38_digits(top, below))
    query = Query()
    amount = of_38_digits(query, 10**18)
    with pytest.raises(TooWide):
        amounts.compared(exp.GT, amount, amounts.constant(Fraction(figure)))
    name = query.columns.define("it", amounts.exceeds(amount, Fraction(figure))).name
    _table(rows)
    written = sql.duckdb(query.columns.select(["number", name]))
    found = DUCK.execute(f"SELECT it FROM ({written}) ORDER BY number").fetchall()
    for row, (answer,) in zip(rows, found, strict=True):
        top = int(row["a"] or 0) * 10**36 + int(row["b"] or 0) * 10**18 + int(row["c"] or 0)
        assert answer is (top > figure * int(row["d"] or 0))


def test_sixty_four_bits_are_kept_while_they_hold() -> None:
    # 2^63 - 1 fits a BIGINT, 2^63 does not.
    query = Query()
    for high, wide in ((2**63 - 1, False), (2**63, True)):
        assert Amount(sql.column("a"), 0, high, 1, Fraction(0), Fraction(high)).wide is wide
    halves = Leaf("a", 0, 2**62, 1, 0, False).amount(query.columns)
    total = amounts.added(halves, halves)
    assert total.wide and query.numbers(total, [{"a": 2**62}]) == [Fraction(2**63)]


def test_a_known_zero_times_what_is_not_known() -> None:
    query = Query()
    a = Leaf("a", -5, 5, 1, 0, True)
    b = Leaf("b", -5, 5, 1, 0, True)
    product = amounts.multiplied(a.amount(query.columns), b.amount(query.columns))
    rows: list[Row] = [
        {"a": 0, "b": None}, {"a": None, "b": 0}, {"a": 2, "b": None}, {"a": None, "b": None},
        {"a": -2, "b": 3},
    ]  # fmt: skip
    assert query.numbers(product, rows) == [0, 0, None, None, -6]


def test_division_by_zero_gives_what_it_says() -> None:
    query = Query()
    a, b = Leaf("a", -5, 5, 1, 0, True), Leaf("b", -5, 5, 10, 0, True)
    zero = amounts.constant(Fraction(1, 3))
    quotient = amounts.divided(
        query.named(a.amount(query.columns)), query.named(b.amount(query.columns)), zero, query.name
    )
    rows: list[Row] = [
        {"a": 1, "b": 4}, {"a": 1, "b": -4}, {"a": 1, "b": 0}, {"a": 0, "b": 0},
        # Which of both is not known does not matter, also where the other one is zero.
        {"a": None, "b": 0}, {"a": 0, "b": None},
    ]  # fmt: skip
    third = Fraction(1, 3)
    assert query.numbers(quotient, rows) == [
        Fraction(5, 2), Fraction(-5, 2), third, third, None, None,
    ]  # fmt: skip


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 10**12), st.integers(0, sql.ESTIMATED - 2), st.fractions(0, 1)
        ),
        min_size=1, max_size=50,
    )
)  # fmt: skip
def test_whole_division_by_way_of_doubles(drawn: list[tuple[int, int, Fraction]]) -> None:
    """A quotient and what is left make the dividend; below it, and at both ends of what is left,
    it is the quotient again."""
    division = sql.both(exp.IntDiv, sql.column("dividend"), sql.column("divisor"))
    division.meta[sql.NOT_NEGATIVE] = True
    written = sql.duckdb(division)
    assert "DOUBLE" in written
    rows = []
    for divisor, quotient, share in drawn:
        rows += [
            (divisor * quotient + left, divisor, quotient)
            for left in {0, int((divisor - 1) * share), divisor - 1}
        ]
    values = ", ".join(f"({a}::HUGEINT, {b}::HUGEINT, {q})" for a, b, q in rows)
    found = DUCK.execute(
        f"SELECT {written} FROM (VALUES {values}) v(dividend, divisor, quotient)"
    ).fetchall()
    assert [one for (one,) in found] == [quotient for *_, quotient in rows]


def test_numbers_of_128_bits_come_back_whole() -> None:
    (found,) = DUCK.execute(f"SELECT {GREATEST}::HUGEINT").fetchone() or ()
    assert not isinstance(found, Decimal | float) and found == GREATEST
