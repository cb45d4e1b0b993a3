"""Points by decile of a benchmark: 42 CFR 414.1380(b)(1)(i) and (ii)."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate.conftest import evaluator_of
from evaluate.small import CITE, needs, small
from finalrule.core.expressions import DecileBounds
from finalrule.evaluate.kinds import best_decile

RULES = """entity unit
fact unit.measure: code may be unknown
fact unit.rate: rate[-100..100000] may be unknown
fact unit.least: points[0..10] may be unknown
catalogue bench by (measure: code)
  field inverse: yes_no
  bounds deciles: rate inverse by inverse
rounding partial of points
rounding whole of points
deciles fine for unit: points[0..10]
  cites "42 CFR 414.1380(b)(1)(i)"
  of rate
  in bench by (measure)
  rounding partial
  below gives least
  none gives 2 points
deciles coarse for unit: points[0..11]
  cites "42 CFR 414.1380(b)(1)(i)"
  of rate
  in bench by (measure)
  rounding whole
  below gives 0 points
  none gives 0 points
"""
YEAR = f"""parameters: {{}}
rounding:
  partial: {{places: 4, mode: half_up, unit: points, {CITE}}}
  whole: {{places: 0, mode: half_up, unit: points, {CITE}}}
catalogues:
  bench: {{path: bench.csv, {CITE}}}
"""
# 236 and 001 as CMS published them for eCQMs of performance year 2020; the others are made up.
TABLE = """measure,inverse,d1,d2,d3,d4,d5,d6,d7,d8,d9,d10
236,no,,0,20,30,40,50,60,70,80,90
001,yes,,100,99.46,99.45,92.61,74.47,59.08,46.84,37.88,31.4
first,no,5,10,20,30,40,50,60,70,80,90
flat,no,,10,20,30,50,50,50,50,100,100
top,no,,10,20,30,40,50,60,100,100,100
cost,yes,1000.5,900,800,700,600,500,400,300,200,100
zero,yes,,50,40,30,20,10,5,0,0,0
empty,no,,,,,,,,,,
"""


def decision(measure: str, rate: object, rule: str = "fine", **facts: object) -> tuple[str, object]:
    found = small(RULES, YEAR, TABLE).decision(rule, measure=measure, rate=rate, **facts)
    return found.winner, found.values[""]


@pytest.mark.parametrize(
    ("measure", "rate", "winner", "points"),
    [
        # direct: a bound is met by a rate of at least its value
        ("236", "0", "decile_2", "2"),
        ("236", "10", "decile_2", "2.5"),
        ("236", "19.99", "decile_2", "2.9995"),
        ("236", "19.9999", "decile_2", "3"),  # 2 + 0.999995, which is rounded to 1.0000
        ("236", "20", "decile_3", "3"),
        ("236", "74", "decile_8", "8.4"),
        ("236", "85", "decile_9", "9.5"),
        ("236", "89.99", "decile_9", "9.999"),
        ("236", "90", "decile_10", "10"),
        ("236", "100", "decile_10", "10"),
        # inverse: lower is better, a bound is met by a rate of at most its value
        ("001", "100", "decile_2", "2"),
        ("001", "99.455", "decile_3", "3.5"),
        # 74.47 - 66.775 = 7.695 of 15.39: half of the sixth
        ("001", "66.775", "decile_6", "6.5"),
        # 37.88 - 34.64 = 3.24 of 6.48: half of the ninth
        ("001", "34.64", "decile_9", "9.5"),
        ("001", "31.4", "decile_10", "10"),
        ("001", "21", "decile_10", "10"),
        ("001", "0", "decile_10", "10"),
        # a first decile with a bound of its own
        ("first", "5", "decile_1", "1"),
        ("first", "7.5", "decile_1", "1.5"),
        # a flat run: the best of the deciles that have the same bound
        ("flat", "49", "decile_4", "4.95"),
        ("flat", "50", "decile_8", "8"),
        ("flat", "75", "decile_8", "8.5"),
        ("flat", "100", "decile_10", "10"),
        ("top", "99", "decile_7", "7.975"),
        ("top", "100", "decile_10", "10"),
        ("zero", "0", "decile_10", "10"),
        ("zero", "1", "decile_7", "7.8"),
        # dollars
        ("cost", "1000.50", "decile_1", "1"),
        ("cost", "950.25", "decile_1", "1.5"),
        ("cost", "99.99", "decile_10", "10"),
        # rounded half up at the fourth place: 2/3 of the decile, and 0.00005 of it
        ("236", "76.66665", "decile_8", "8.6667"),
        ("236", "70.0005", "decile_8", "8.0001"),
        ("236", "70.0004", "decile_8", "8"),
    ],
)
def test_points(measure: str, rate: str, winner: str, points: str) -> None:
    assert decision(measure, f"#{rate}") == (winner, Fraction(points))


@pytest.mark.parametrize(
    ("measure", "rate"),
    [("236", "-0.01"), ("001", "100.01"), ("first", "4.99"), ("cost", "1000.51")],
)
def test_below_all_bounds(measure: str, rate: str) -> None:
    assert decision(measure, f"#{rate}", least=3) == ("below", Fraction(3))
    # `below gives` may need a fact, and then nothing decides; a rate within the deciles does not.
    winner, value = decision(measure, f"#{rate}")
    assert winner == ""
    assert needs(value) == {"unit.least"}  # type: ignore[arg-type]


@pytest.mark.parametrize("measure", ["999", "empty"])
def test_no_benchmark(measure: str) -> None:
    # Without a benchmark the rate does not matter, known or not.
    assert decision(measure, 50) == ("none", Fraction(2))
    assert decision(measure, None) == ("none", Fraction(2))


def test_unknown() -> None:
    program = small(RULES, YEAR, TABLE)
    assert needs(program.value("fine", measure="236")) == {"unit.rate"}
    assert needs(program.value("fine", rate=50)) == {"unit.measure"}
    assert program.decision("fine", measure="236").winner == ""


def test_the_rounding_rule_is_the_one_that_is_named() -> None:
    assert decision("236", "#74.9", rule="coarse") == ("decile_8", Fraction(8))
    assert decision("236", 75, rule="coarse") == ("decile_8", Fraction(9))
    assert decision("236", "#89.9", rule="coarse") == ("decile_9", Fraction(10))


@pytest.mark.parametrize("policy", ["2020-proposed", "2020-final"])
def test_the_real_catalogue(policy: str) -> None:
    """CMS's 2020 benchmark of measure 236 (eCQM) has bounds 20 to 90: 85 % gives 9.5, 90 % 10."""
    bounds = evaluator_of(policy).catalogues["benchmark"].bounds(("236", "ecqm"))
    lower = (0, 20, 30, 40, 50, 60, 70, 80, 90)
    assert bounds == DecileBounds([None, *map(Fraction, lower)], False)
    assert best_decile(Fraction(85), bounds) == (9, Fraction(1, 2))
    assert best_decile(Fraction(90), bounds) == (10, None)
    inverse = evaluator_of(policy).catalogues["benchmark"].bounds(("001", "ecqm"))
    assert inverse is not None and inverse.inverse
    last = inverse.lower[9]
    assert last is not None
    assert best_decile(last, inverse) == (10, None)
    assert best_decile(last + Fraction(1, 100), inverse)[0] == 9


@settings(max_examples=300)
@given(
    st.lists(st.integers(0, 40), min_size=10, max_size=10),
    st.booleans(), st.booleans(), st.integers(-2, 42), st.integers(1, 4),
)  # fmt: skip
def test_better_is_never_worth_less(
    values: list[int], inverse: bool, with_first: bool, whole: int, quarter: int
) -> None:
    """The unrounded points of any benchmark rise with the performance, without a hole."""
    lower: list[Fraction | None] = [Fraction(v) for v in sorted(values, reverse=inverse)]
    if not with_first:
        lower[0] = None
    bounds = DecileBounds(lower, inverse)
    rate, step = Fraction(whole), Fraction(quarter, 4) * (-1 if inverse else 1)

    def worth(value: Fraction) -> Fraction:
        decile, part = best_decile(value, bounds)
        assert part is None or 0 <= part < 1
        assert (part is None) == (decile in (0, 10))
        return decile + (part or Fraction(0))

    assert worth(rate) <= worth(rate + step)
    sign = -1 if inverse else 1
    met = [
        n for n, bound in enumerate(lower, 1) if bound is not None and (rate - bound) * sign >= 0
    ]
    assert best_decile(rate, bounds)[0] == max(met, default=0)
