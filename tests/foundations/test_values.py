"""Units, exact numbers and their texts."""

from __future__ import annotations

import datetime
import math
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finalrule.values import (
    CODE,
    MAXIMUM_DIGITS,
    MODES,
    UNITS,
    YES_NO,
    Codes,
    Date,
    Enumeration,
    Mode,
    Number,
    Type,
    Unit,
    Value,
    decimal_places,
    decimal_text,
    exact,
    one_of,
    parse_decimal,
    parse_number,
    parse_value,
    round_to,
    show,
    type_name,
    within,
)

DECIMAL_MODES = {
    "half_up": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN, "down": ROUND_DOWN, "up": ROUND_UP,
}  # fmt: skip


def number(unit: Unit) -> Number:
    return Number(unit, Fraction(-(10**9)), Fraction(10**9))


# --- reading --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("45%", "percent", Fraction(45, 100)),
        ("45 %", "percent", Fraction(45, 100)),
        ("45", "percent", Fraction(45, 100)),
        ("-9%", "percent", Fraction(-9, 100)),
        ("0.001%", "percent", Fraction(1, 100_000)),
        ("$90,000", "usd", Fraction(90_000)),
        ("$90,000.50", "usd", Fraction(180_001, 2)),
        ("-$1.50", "usd", Fraction(-3, 2)),
        ("90000", "usd", Fraction(90_000)),
        ("10 points", "points", Fraction(10)),
        ("1 point", "points", Fraction(1)),
        ("7.5", "points", Fraction(15, 2)),
        ("90 days", "days", Fraction(90)),
        ("1 day", "days", Fraction(1)),
        ("2022", "year", Fraction(2022)),
        ("20", "count", Fraction(20)),
        ("1,234,567", "count", Fraction(1_234_567)),
        ("0.5", "ratio", Fraction(1, 2)),
        ("81.10", "rate", Fraction(811, 10)),
        ("007", "count", Fraction(7)),
        (" 5 ", "count", Fraction(5)),
    ],
)
def test_a_number_in_its_unit(text: str, unit: Unit, value: Fraction) -> None:
    assert parse_number(text, unit) == value


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        # another unit
        ("45%", "points"), ("$5", "points"), ("10 points", "percent"), ("10 points", "days"),
        ("45%", "count"), ("45%", "ratio"), ("45%", "rate"), ("$5", "count"),
        # no number
        ("", "count"), ("-", "count"), ("%", "percent"), ("$", "usd"), ("points", "points"),
        ("five", "count"), ("nan", "rate"), ("inf", "rate"), ("None", "count"),
        # written as nobody writes it
        ("1e5", "count"), ("1_000", "count"), ("0x10", "count"), ("+5", "count"), (".5", "ratio"),
        ("5.", "ratio"), ("1/2", "ratio"), ("5%%", "percent"), ("--5", "count"), ("- 5", "count"),
        ("$-5", "usd"), ("-$-5", "usd"), ("10points", "points"),
        # commas that part no thousands
        ("1,20", "count"), ("1,2345", "count"), ("12,34,567", "count"), (",5", "count"),
        ("1.000,5", "count"),
        # digits of other scripts
        ("\u0663", "count"), ("\uff14\uff15", "percent"), ("\u00b2", "count"),
    ],
)  # fmt: skip
def test_no_number_of_the_unit(text: str, unit: Unit) -> None:
    assert parse_number(text, unit) is None


def test_digits_are_bounded() -> None:
    assert parse_decimal("9" * MAXIMUM_DIGITS) == 10**MAXIMUM_DIGITS - 1
    assert parse_decimal("9" * (MAXIMUM_DIGITS + 1)) is None
    assert parse_decimal("0." + "3" * MAXIMUM_DIGITS) is None
    assert parse_decimal("9" * 10_000_000) is None
    assert parse_decimal("5\n") is None


@pytest.mark.parametrize(
    ("text", "type_", "value"),
    [
        ("yes", YES_NO, True),
        ("no", YES_NO, False),
        ("true", YES_NO, None),
        ("Yes", YES_NO, None),
        ("001", CODE, "001"),
        ("ecqm", Enumeration(("ecqm", "qcdr")), "ecqm"),
        ("ECQM", Enumeration(("ecqm", "qcdr")), None),
        ("2020-02-29", Date(), datetime.date(2020, 2, 29)),
        ("2019-02-29", Date(), None),
        ("2020-2-29", Date(), None),
        ("20200229", Date(), None),
        ("2020-W01-1", Date(), None),  # a date of ISO 8601, and of nobody else
        ("2020-001", Date(), None),
        ("\uff12\uff10\uff12\uff10-01-01", Date(), None),
        ("a, b", Codes(), None),
    ],
)
def test_a_value_of_a_type(text: str, type_: Type, value: Value | None) -> None:
    assert parse_value(text, type_) == value


@pytest.mark.parametrize(
    ("value", "type_", "inside"),
    [
        (Fraction(0), Number("percent", Fraction(0), Fraction(1)), True),
        (Fraction(1), Number("percent", Fraction(0), Fraction(1)), True),
        (Fraction(101, 100), Number("percent", Fraction(0), Fraction(1)), False),
        (Fraction(-1, 10**9), Number("percent", Fraction(0), Fraction(1)), False),
        (True, Number("count", Fraction(0), Fraction(1)), False),
        ("ecqm", Enumeration(("ecqm",)), True),
        ("qcdr", Enumeration(("ecqm",)), False),
        (True, YES_NO, True),
    ],
)
def test_bounds(value: Value, type_: Type, inside: bool) -> None:
    assert within(value, type_) is inside


# --- rounding -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "half_up", "half_even", "down", "up"),
    [
        # ties, away from zero and to the even neighbour
        ("2.5", 3, 2, 2, 3),
        ("3.5", 4, 4, 3, 4),
        ("-2.5", -3, -2, -2, -3),
        ("-3.5", -4, -4, -3, -4),
        ("0.5", 1, 0, 0, 1),
        ("-0.5", -1, 0, 0, -1),
        # beside a tie
        ("2.4999", 2, 2, 2, 3),
        ("2.5001", 3, 3, 2, 3),
        ("-2.4999", -2, -2, -2, -3),
        ("-2.5001", -3, -3, -2, -3),
        # nothing to round
        ("2", 2, 2, 2, 2),
        ("-2", -2, -2, -2, -2),
        ("0", 0, 0, 0, 0),
        ("0.0001", 0, 0, 0, 1),
        ("-0.0001", 0, 0, 0, -1),
    ],
)
def test_modes(value: str, half_up: int, half_even: int, down: int, up: int) -> None:
    expected = {"half_up": half_up, "half_even": half_even, "down": down, "up": up}
    assert {mode: round_to(Fraction(value), 0, mode) for mode in MODES} == expected


def test_places_are_of_the_number() -> None:
    # 6.79/22.69 = 0.299250...: four places 0.2993 (half up), as CMS prints partial points.
    assert round_to(Fraction(679, 2269), 4, "half_up") == Fraction(2993, 10_000)
    # 1.005 is a tie at two places; the binary float of it lies below and would give 1.00.
    assert float("1.005") < Fraction("1.005")
    assert round_to(Fraction("1.005"), 2, "half_up") == Fraction("1.01")
    assert round_to(Fraction("-1.005"), 2, "half_up") == Fraction("-1.01")


@given(
    st.decimals(min_value=-(10**6), max_value=10**6, places=5),
    st.integers(0, 4),
    st.sampled_from(MODES),
)
def test_rounding_is_that_of_decimal_arithmetic(value: Decimal, places: int, mode: Mode) -> None:
    expected = value.quantize(Decimal(1).scaleb(-places), DECIMAL_MODES[mode])
    assert round_to(Fraction(value), places, mode) == Fraction(expected)


@given(st.fractions(), st.integers(0, 6), st.sampled_from(MODES))
def test_rounding_moves_by_less_than_one_step(value: Fraction, places: int, mode: Mode) -> None:
    rounded, step = round_to(value, places, mode), Fraction(1, 10**places)
    assert (rounded / step).denominator == 1
    assert abs(rounded - value) < step
    assert round_to(rounded, places, mode) == rounded
    assert round_to(-value, places, mode) == -rounded
    if mode in ("half_up", "half_even"):
        assert abs(rounded - value) <= step / 2
    if mode == "down":
        assert abs(rounded) <= abs(value)
    if mode == "up":
        assert abs(rounded) >= abs(value)


# --- writing --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        (Fraction(45), None, "45"),
        (Fraction(1, 8), None, "0.125"),
        (Fraction(-1, 10), None, "-0.1"),
        (Fraction(1, 3), None, "1/3"),
        (Fraction(-5, 3), None, "-5/3"),
        (Fraction(0), 2, "0.00"),
        (Fraction(-5, 1000), 3, "-0.005"),
        (Fraction(12), 0, "12"),
        (Fraction(1, 2), 4, "0.5000"),
    ],
)
def test_decimal_text(value: Fraction, places: int | None, text: str) -> None:
    assert decimal_text(value, places) == text


def test_decimal_text_never_rounds() -> None:
    with pytest.raises(ValueError, match="more than 1 decimal"):
        decimal_text(Fraction(1, 4), 1)
    with pytest.raises(ValueError, match="more than 6 decimal"):
        decimal_text(Fraction(1, 3), 6)


@given(st.integers(), st.integers(0, 30))
def test_a_decimal_is_read_back(digits: int, places: int) -> None:
    value = Fraction(digits, 10**places)
    assert Fraction(decimal_text(value, places)) == value
    assert Fraction(decimal_text(value)) == value


@given(st.fractions())
def test_decimal_places(value: Fraction) -> None:
    places = decimal_places(value)
    # A fraction ends when its denominator has no prime factor but 2 and 5.
    ends = (10 ** value.denominator.bit_length()) % value.denominator == 0
    assert (places is not None) == ends
    if places is not None:
        assert (value * 10**places).denominator == 1
        assert places == 0 or (value * 10 ** (places - 1)).denominator != 1


@given(st.fractions())
def test_exact_loses_nothing(value: Fraction) -> None:
    assert Fraction(exact(value)) == value
    assert "." not in exact(value)
    assert math.gcd(value.numerator, value.denominator) == 1


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (Fraction(45, 100), "percent", "45%"),
        (Fraction(-9, 100), "percent", "-9%"),
        (Fraction(1, 3), "percent", "~33.333333%"),
        (Fraction(90_000), "usd", "$90,000.00"),
        (Fraction(-3, 2), "usd", "-$1.50"),
        (Fraction(1, 1000), "usd", "$0.001"),
        (Fraction(2, 3), "usd", "~$0.666667"),
        (Fraction(15, 2), "points", "7.5 points"),
        (Fraction(1), "points", "1 point"),
        (Fraction(-1), "points", "-1 points"),
        (Fraction(-2, 3), "points", "~-0.666667 points"),
        (Fraction(90), "days", "90 days"),
        (Fraction(1), "days", "1 day"),
        (Fraction(2022), "year", "2022"),
        (Fraction(1_234_567), "count", "1,234,567"),
        (Fraction(-1_234_567), "count", "-1,234,567"),
        (Fraction(142, 100), "ratio", "1.42"),
        (Fraction(1, 10**12), "ratio", "0.000000000001"),
        (Fraction(1, 10**13), "ratio", "~0.000000"),
        (Fraction(811, 10), "rate", "81.1"),
        (Fraction(12_345), "rate", "12345"),
    ],
)
def test_show_numbers(value: Fraction, unit: Unit, text: str) -> None:
    assert show(value, number(unit)) == text


@pytest.mark.parametrize(
    ("value", "type_", "text"),
    [
        (True, YES_NO, "yes"),
        (False, YES_NO, "no"),
        ("001", CODE, "001"),
        (datetime.date(2020, 1, 31), Date(), "2020-01-31"),
        (frozenset({"b", "a"}), Codes(), "a, b"),
    ],
)
def test_show_other_values(value: Value, type_: Type, text: str) -> None:
    assert show(value, type_) == text


@given(st.integers(-(10**9), 10**9), st.integers(0, 6), st.sampled_from(UNITS))
def test_what_is_shown_is_read_back(digits: int, places: int, unit: Unit) -> None:
    value = Fraction(digits, 10**places)
    if unit == "percent":
        value /= 100
    assert parse_number(show(value, number(unit)), unit) == value


@given(st.fractions(), st.sampled_from(UNITS))
def test_what_does_not_end_is_marked(value: Fraction, unit: Unit) -> None:
    text = show(value, number(unit))
    places = decimal_places(value * 100 if unit == "percent" else value)
    # Or ends after more places than people read.
    assert text.startswith("~") == (places is None or places > 12)


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        (Number("percent", Fraction(0), Fraction(1)), "percent[0..100]"),
        (Number("points", Fraction(-1, 2), Fraction(10)), "points[-0.5..10]"),
        (Enumeration(("a", "b")), "one of {a, b}"),
        (Enumeration(("a", "b"), "letter"), "letter"),
        (YES_NO, "yes_no"),
        (CODE, "code"),
        (Codes(), "codes"),
        (Date(), "date"),
    ],
)
def test_type_name(type_: Type, text: str) -> None:
    assert type_name(type_) == text


def test_one_of() -> None:
    assert one_of(["a"]) == "`a`"
    assert one_of(["a", "b", "c"]) == "`a`, `b` or `c`"
