"""Numbers: exact, with their units, and undetermined only where an unknown fact matters."""

from __future__ import annotations

import datetime
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate.small import CITE, needs, small
from finalrule.core.expressions import Known, Unknown

FACTS = """entity unit
fact unit.x: points[-100..100] may be unknown
fact unit.y: points[-100..100] may be unknown
fact unit.r: ratio[-10..10] may be unknown
fact unit.p: percent[0..100] may be unknown
fact unit.money: usd[0..1000000] may be unknown
fact unit.n: count[0..1000] may be unknown
fact unit.m: count[0..1000] may be unknown
fact unit.v: rate[0..1000] may be unknown
fact unit.some: count[1..10] may be unknown
fact unit.begin: date may be unknown
fact unit.until: date may be unknown
fact unit.place: code may be unknown
fact unit.kind: one of {individual, group, none} may be unknown
fact unit.other: one of {individual, group, none} may be unknown
fact unit.yes_1: yes_no may be unknown
fact unit.yes_2: yes_no may be unknown
parameter places: codes
parameter share: percent[0..100]
rounding whole of points
rounding down of points
rounding hundredths of percent
"""
YEAR = f"""parameters:
  places: {{value: [A1, B2], unit: codes, {CITE}}}
  share: {{value: 45%, unit: percent, {CITE}}}
rounding:
  whole: {{places: 0, mode: half_up, unit: points, {CITE}}}
  down: {{places: 1, mode: down, unit: points, {CITE}}}
  hundredths: {{places: 2, mode: half_even, unit: percent, {CITE}}}
"""
WIDE = "-1000000000..1000000000"


def calculate(expression: str, type_: str, **facts: object) -> Known:
    rule = f'rule it for unit: {type_} cites "42 CFR 414.1380" clause it: {expression} always\n'
    return small(FACTS + rule, YEAR).value("it", **facts)


def points(expression: str, **facts: object) -> Known:
    return calculate(expression, f"points[{WIDE}]", **facts)


def yes(expression: str, **facts: object) -> Known:
    return calculate(expression, "yes_no", **facts)


# --- plain ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "type_", "value"),
    [
        ("x + y", "points", "10.5"),
        ("x - y", "points", "4.5"),
        ("x - y - y", "points", "1.5"),
        ("x - (y - y)", "points", "7.5"),
        ("-x + y", "points", "-4.5"),
        ("x + y * 2", "points", "13.5"),
        ("(x + y) * 2", "points", "21"),
        ("x * p", "points", "1.5"),  # 7.5 x 20 %
        ("p * p", "percent", "0.04"),  # 20 % of 20 % are 4 %
        ("p * r", "percent", "0.3"),
        ("x * r", "points", "11.25"),
        ("n * x", "points", "22.5"),
        ("n * m", "count", "12"),
        ("x / y", "ratio", "2.5"),
        ("x / r", "points", "5"),
        ("x / some", "points", "1.5"),
        ("x / p zero gives 0 points", "points", "37.5"),
        ("money / money zero gives 0", "ratio", "1"),
        ("n / m zero gives 0", "ratio", "0.75"),
        ("x / 3", "points", "5/2"),
        ("params.share * x", "points", "3.375"),
        ("min(x, y)", "points", "3"),
        ("max(x, y)", "points", "7.5"),
        ("min(x, y, -1 points, 20 points)", "points", "-1"),
        ("max(0 points, y - x)", "points", "0"),
        ("p as ratio", "ratio", "0.2"),
        ("r as percent", "percent", "1.5"),
        ("r as points", "points", "1.5"),
        ("n as points", "points", "3"),
        ("(n / m zero gives 0) as percent", "percent", "0.75"),
        ("v as points", "points", "81.1"),
        ("round(x, whole)", "points", "8"),  # 7.5 is a tie: away from zero
        ("round(-x, whole)", "points", "-8"),
        ("round(x / 7, down)", "points", "1"),  # 1.071...
        ("round(-x / 7, down)", "points", "-1"),
        # 0.125 % and 0.375 % are ties at two places of the percent: to the even digit
        ("round(0.125%, hundredths)", "percent", "0.0012"),
        ("round(0.375%, hundredths)", "percent", "0.0038"),
        ("days_between(begin, until)", "days", "89"),
        ("days_between(until, begin)", "days", "-89"),
        ("days_between(begin, begin)", "days", "0"),
        ("days_between(2020-01-01, 2020-12-31) + 1", "days", "366"),  # a leap year
        ("days_between(2019-01-01, 2019-12-31) + 1", "days", "365"),
    ],
)
def test_arithmetic_is_exact(expression: str, type_: str, value: str) -> None:
    facts: dict[str, object] = {
        "x": "#7.5", "y": 3, "r": "#1.5", "p": "#0.2", "money": "#90000.50", "n": 3, "m": 4,
        "some": 5, "v": "#81.1", "begin": datetime.date(2020, 1, 1),
        "until": datetime.date(2020, 3, 30),
    }  # fmt: skip
    if expression in ("x / y", "x / r"):
        expression += " zero gives 0" + (" points" if type_ == "points" else "")
    assert calculate(expression, f"{type_}[{WIDE}]", **facts) == Fraction(value)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("n / m zero gives 0", Fraction(0)),
        ("n / m zero gives 1", Fraction(1)),
        ("n / (m - m) zero gives p as ratio", Fraction(1, 5)),
        ("0 / m zero gives 1", Fraction(1)),
    ],
)
def test_division_by_zero_gives_what_is_written(expression: str, expected: Fraction) -> None:
    assert calculate(expression, f"ratio[{WIDE}]", n=3, m=0, p="#0.2") == expected


@settings(deadline=None)
@given(st.integers(-10_000, 10_000), st.integers(-10_000, 10_000), st.integers(-1000, 1000))
def test_sums_and_products_have_no_float_in_them(a: int, b: int, c: int) -> None:
    x, y, r = Fraction(a, 100), Fraction(b, 100), Fraction(c, 100)
    found = points("x * r + y / 3 - x / 7", x=x, y=y, r=r)
    assert found == x * r + y / 3 - x / 7


# --- unknown facts --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "type_", "needed"),
    [
        ("x + y", "points", "x"), ("y - x", "points", "x"), ("-x", "points", "x"),
        ("y * r", "points", "r"), ("x / some", "points", "x"), ("min(x, y)", "points", "x"),
        ("y / r zero gives 0 points", "points", "r"), ("max(x, y)", "points", "x"),
        ("round(x, whole)", "points", "x"), ("r as points", "points", "r"),
        ("n / m zero gives 0", "ratio", "n"), ("days_between(begin, until)", "days", "begin"),
    ],
)  # fmt: skip
def test_an_unknown_operand_leaves_it_open(expression: str, type_: str, needed: str) -> None:
    known: dict[str, object] = {"y": 3, "some": 5, "m": 4, "until": datetime.date(2020, 3, 30)}
    assert needs(calculate(expression, f"{type_}[{WIDE}]", **known)) == {f"unit.{needed}"}


def test_all_that_is_unknown_is_named() -> None:
    assert needs(points("x + y * r")) == {"unit.x", "unit.y", "unit.r"}


def test_nothing_times_an_unknown_is_nothing() -> None:
    """A category without weight adds nothing, whatever its score may turn out to be."""
    assert points("x * r", r=0) == 0
    assert points("x * r", x=0) == 0
    assert points("(x + y) * r", x=1, r=0) == 0
    assert isinstance(points("x * r", r=1), Unknown)
    assert points("y + x * r", y=3, r=0) == 3
    # A quotient of nothing is not: the divisor may turn out to be zero.
    assert isinstance(calculate("n / m zero gives 1", f"ratio[{WIDE}]", n=0), Unknown)


def test_what_zero_gives_may_be_unknown_too() -> None:
    assert needs(calculate("n / m zero gives r", f"ratio[{WIDE}]", n=1, m=0)) == {"unit.r"}
    assert calculate("n / m zero gives r", f"ratio[{WIDE}]", n=1, m=2) == Fraction(1, 2)


@pytest.mark.parametrize(
    ("facts", "value"),
    [
        ({"yes_1": True, "yes_2": False}, True),
        ({"yes_1": False, "yes_2": True}, False),
        ({"yes_1": True}, True),
        ({"yes_2": True}, True),
        ({"yes_2": False}, False),
    ],
)
def test_the_first_that_is_known(facts: dict[str, object], value: bool) -> None:
    assert yes("first_known(yes_1, yes_2)", **facts) is value


def test_the_first_that_is_known_of_numbers_and_conditions() -> None:
    assert needs(yes("first_known(yes_1, yes_2)")) == {"unit.yes_1", "unit.yes_2"}
    # A condition is known where its unknown part does not matter.
    assert yes("first_known(yes_1 and n > 5, yes_2)", n=5, yes_2=True) is False
    assert yes("first_known(yes_1 and n > 5, yes_2)", n=6, yes_2=True) is True
    assert points("first_known(x, y)", y=3) == 3
    assert points("first_known(x, y, 1 points)") == 1


# --- comparisons ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "below", "at", "above"),
    [
        ("<", True, False, False), ("<=", True, True, False), (">", False, False, True),
        (">=", False, True, True), ("==", False, True, False), ("!=", True, False, True),
    ],
)  # fmt: skip
def test_comparisons(op: str, below: bool, at: bool, above: bool) -> None:
    step = Fraction(1, 10**6)
    for value, wanted in ((3 - step, below), (Fraction(3), at), (3 + step, above)):
        assert yes(f"x {op} 3 points", x=value) is wanted
    assert needs(yes(f"x {op} y", y=3)) == {"unit.x"}
    day = datetime.date(2020, 10, 1)
    for days, wanted in ((-1, below), (0, at), (1, above)):
        moved = day + datetime.timedelta(days)
        assert yes(f"begin {op} 2020-10-01", begin=moved) is wanted


def test_enumerations_and_codes() -> None:
    assert yes("kind is group", kind="group") is True
    assert yes("kind is not group", kind="group") is False
    assert yes("kind in {individual, none}", kind="none") is True
    assert yes("kind in {individual, none}", kind="group") is False
    assert yes("kind == other", kind="group", other="group") is True
    assert yes("kind != other", kind="group", other="none") is True
    assert yes('place in {"A1", "C3"}', place="A1") is True
    assert yes('place in {"A1", "C3"}', place="a1") is False
    assert yes("place in params.places", place="B2") is True
    assert yes("place in params.places", place="C3") is False
    for text in ("kind is group", "kind is not group", "kind in {individual}"):
        assert needs(yes(text)) == {"unit.kind"}
    assert needs(yes("place in params.places")) == {"unit.place"}
