"""Numbers of files as whole numbers: exact, or refused. Expected values come from Python's
fractions of the decimal text."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from finalrule.core import ir
from finalrule.source import Place
from finalrule.tables.convert import TEXT, Check, Given, checks_of, values_of
from finalrule.tables.schema import TableColumn
from finalrule.values import Number, Unit

HERE = Place("here", 1, 1)


def fact(unit: Unit, low: str, high: str, scale: int | None) -> ir.FactDeclaration:
    factor = 100 if unit == "percent" else 1
    type_ = Number(unit, Fraction(low) / factor, Fraction(high) / factor, scale)
    return ir.FactDeclaration("unit", "x", type_, "may_be_unknown", None, (), "", HERE)


SHARE = fact("percent", "0", "100", 6)
DOLLARS = fact("usd", "0", "100000000000", 2)
COUNT = fact("count", "0", "1000", 0)
SIGNED = fact("rate", "-1000000", "1000000", 6)
EXACT = fact("rate", "-1000000", "1000000", None)
EXACT_SHARE = fact("percent", "0", "100", None)
FACTS = [SHARE, DOLLARS, COUNT, SIGNED, EXACT, EXACT_SHARE]
CONNECTION = duckdb.connect()


def read(declared: ir.FactDeclaration, sql_types: Sequence[str], cells: Sequence[object]) -> object:
    """What becomes of a row: its one or two numbers, or the reason why it is not taken."""
    names = ("x",) if len(cells) == 1 else ("x_numerator", "x_denominator")
    given_ = Given(names, tuple(sql_types))
    column = TableColumn("x", declared.type, False, "may_be_unknown", (declared,), "")
    duck = ["VARCHAR" if kind == TEXT else kind for kind in sql_types]
    listed = ", ".join(f'CAST(? AS {kind}) AS "{name}"' for kind, name in
                       zip(duck, names, strict=True))  # fmt: skip
    table = f"(SELECT {listed}) t"
    for check in checks_of(column, given_):
        assert isinstance(check, Check)
        ((bad,),) = CONNECTION.execute(f"SELECT {check.bad} FROM {table}", cells).fetchall()
        if bad:
            return check.reason
    values = ", ".join(values_of(declared, given_))
    return CONNECTION.execute(f"SELECT {values} FROM {table}", cells).fetchall()[0]


def expected(declared: ir.FactDeclaration, shown: Fraction) -> object:
    """The same by Python's fractions; `shown` is in the unit's display."""
    type_ = declared.type
    assert isinstance(type_, Number)
    quantity = shown / 100 if type_.unit == "percent" else shown
    # Of an exact number 10^9 is the greatest denominator, also of the share that a percentage is.
    exact = 7 if type_.unit == "percent" else 9
    fine = (shown * 10 ** (exact if type_.scale is None else type_.scale)).denominator != 1
    if not type_.low <= quantity <= type_.high:
        return "value_domain"
    if fine:
        return "value_places"
    if type_.scale is None:
        return quantity
    return (int(shown * 10**type_.scale),)


def same(found: object, wanted: object) -> bool:
    if isinstance(wanted, Fraction):
        assert isinstance(found, tuple)
        numerator, denominator = found
        return 0 < denominator <= 10**9 and Fraction(numerator, denominator) == wanted
    if wanted in ("value_domain", "value_places"):  # both may be wrong with a number
        return found in ("value_domain", "value_places")
    return found == wanted


facts = st.sampled_from(FACTS)
decimals = st.decimals(-(10**13), 10**13, places=11) | st.decimals(-101, 101, places=7)


@given(facts, decimals)
@example(SHARE, Decimal("45"))
@example(DOLLARS, Decimal("90000.50"))
def test_text(declared: ir.FactDeclaration, number: Decimal) -> None:
    text = format(number, "f")
    assert same(read(declared, [TEXT], [text]), expected(declared, Fraction(text)))


@given(facts, st.floats() | st.floats(-1000, 1000) | decimals.map(float)
       | st.decimals(0, 100, places=6).map(float))  # fmt: skip
@example(DOLLARS, 0.1 + 0.2)
@example(DOLLARS, 0.3)
@example(DOLLARS, 99_999_999_999.99)
@example(SHARE, 100.0000001)
@example(SHARE, 5e-324)
@example(SHARE, -0.0)
@example(SHARE, float("nan"))
@example(SHARE, float("inf"))
@example(COUNT, 2.0000000000000004)
@example(EXACT, 83.33333333333333)
@example(EXACT, 1e-9)
@settings(max_examples=400)
def test_a_double_is_its_shortest_text(declared: ir.FactDeclaration, number: float) -> None:
    found = read(declared, ["DOUBLE"], [number])
    if number != number or number in (float("inf"), float("-inf")):
        assert found == "value_domain"
    else:
        assert same(found, expected(declared, Fraction(Decimal(repr(number)))))


@st.composite
def digits_of_decimals(draw: st.DrawFn) -> tuple[int, int, int]:
    """Width, places and digits."""
    width = draw(st.integers(1, 38))
    digits = draw(st.integers(-(10**width) + 1, 10**width - 1))
    return width, draw(st.integers(0, width)), digits


def text_of(digits: int, places: int) -> str:
    sign, plain = ("-" if digits < 0 else ""), str(abs(digits)).rjust(places + 1, "0")
    return sign + (f"{plain[:-places]}.{plain[-places:]}" if places else plain)


@given(facts, digits_of_decimals())
@example(SHARE, (9, 2, 4500))
@example(SHARE, (38, 0, 10**37))
@example(EXACT, (38, 38, 1))
@example(EXACT, (10, 9, 10**9))
@example(SIGNED, (12, 6, 10**11))
@settings(max_examples=400)
def test_a_decimal(declared: ir.FactDeclaration, number: tuple[int, int, int]) -> None:
    width, places, digits = number
    text = text_of(digits, places)
    found = read(declared, [f"DECIMAL({width},{places})"], [text])
    assert same(found, expected(declared, Fraction(text)))


KINDS = {
    "TINYINT": (-(2**7), 2**7 - 1),
    "INTEGER": (-(2**31), 2**31 - 1),
    "UINTEGER": (0, 2**32 - 1),
    "BIGINT": (-(2**63), 2**63 - 1),
    "UBIGINT": (0, 2**64 - 1),
}


@given(facts, st.sampled_from(sorted(KINDS)).flatmap(lambda kind: st.tuples(
    st.just(kind), st.integers(*KINDS[kind]) | st.integers(0, 120))))  # fmt: skip
@example(COUNT, ("TINYINT", 7))
def test_an_integer(declared: ir.FactDeclaration, number: tuple[str, int]) -> None:
    kind, value = number
    assert same(read(declared, [kind], [str(value)]), expected(declared, Fraction(value)))


@pytest.mark.parametrize("kind", ["BIGINT", "DOUBLE", "DECIMAL(20,0)", "UBIGINT", TEXT])
@given(
    st.sampled_from([EXACT, EXACT_SHARE]),
    st.integers(-(10**16), 10**16) | st.integers(0, 20_000),
    st.integers(-3, 10**9 + 3) | st.integers(1, 200) | st.integers(10**7 - 3, 10**7 + 3),
)
@settings(max_examples=60)
def test_a_pair(kind: str, declared: ir.FactDeclaration, numerator: int, denominator: int) -> None:
    if kind == "UBIGINT":
        numerator, denominator = abs(numerator), abs(denominator)
    found = read(declared, [kind, kind], [str(numerator), str(denominator)])
    if not 1 <= denominator <= (10**7 if declared is EXACT_SHARE else 10**9):
        assert found in ("pair_denominator", "value_domain", "value_places")
        return
    quotient = Fraction(numerator, denominator)
    assert isinstance(declared.type, Number)
    quantity = quotient / 100 if declared.type.unit == "percent" else quotient
    if declared.type.low <= quantity <= declared.type.high:
        assert isinstance(found, tuple)
        assert (Fraction(*found), found[1] <= 10**9) == (quantity, True)
    else:
        assert found in ("value_domain", "value_places")


@pytest.mark.parametrize("declared", FACTS)
@pytest.mark.parametrize("kind", ["BIGINT", "DOUBLE", "DECIMAL(9,3)", TEXT])
def test_what_is_not_there_is_unknown(declared: ir.FactDeclaration, kind: str) -> None:
    found = read(declared, [kind], [None])
    assert found in ((None,), (None, None))
