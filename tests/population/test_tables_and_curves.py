"""Clauses, tables, curves and deciles as SQL: each clause, row, piece and decile at its ends, with
facts that are not known."""

from __future__ import annotations

import itertools
from fractions import Fraction

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from evaluate.small import CITE, needs
from population.agreeing import Facts, agreed

CLAUSES = """entity unit
fact unit.a: yes_no may be unknown
fact unit.b: yes_no may be unknown
fact unit.x: points[0..100] scale 1 may be unknown
fact unit.ratio: ratio[0..1000] exact may be unknown
fact unit.kind: one of {individual, group, apm} may be unknown
rule graded for unit: points[0..200]
  cites "42 CFR 414.1380"
  clause low: 0 points when x < 10 points
  clause middle: x * 2 when x >= 10 points and x < 50.5 points
  clause high: x when x >= 50.5 points
rule status for unit: one of {in, out, opted}
  cites "42 CFR 414.1305"
  let many = x > 30 points
  clause both: in when a and many
  clause neither: out when not a and not many
  clause otherwise_opted: opted otherwise
rule flag for unit: yes_no
  cites "42 CFR 414.1305"
  clause same: b when kind is group
  clause no_one: no when kind is individual
  clause rest: a and b otherwise
rule exact_one for unit: ratio[0..1000]
  cites "42 CFR 414.1305"
  clause exact_ratio: ratio when a
  clause half: 0.5 otherwise
rule after for unit: one of {in, out, opted}
  cites "42 CFR 414.1305"
  clause of_flag: status when flag
  clause of_grade: out when not flag and graded > 20 points
  clause rest: opted otherwise
"""


def test_clauses() -> None:
    cases: list[Facts] = [
        {"a": a, "b": b, "x": x, "kind": kind, "ratio": ratio}
        for a, b in itertools.product((True, False, None), repeat=2)
        for x in (0, "#9.9", 10, 30, "#30.1", "#50.4", "#50.5", 100, None)
        for kind, ratio in (("individual", "#1/3"), ("group", None), (None, 0), ("apm", 1000))
    ]
    agreed(CLAUSES, cases)


TABLES = """entity unit
fact unit.a: yes_no may be unknown
fact unit.b: yes_no may be unknown
fact unit.size: count[0..1000] may be unknown
fact unit.kind: one of {individual, group} may be unknown
table weights for unit
  cites "42 CFR 414.1380"
  given first: yes_no = a
  given second: yes_no = b
  given people: count[0..1000] = size
  where first or second
  outside gives 0%, none
  gives share: percent[0..100]
  gives word: one of {none, few, many}
table plain for unit
  cites "42 CFR 414.1380"
  given kind: one of {individual, group} = unit.kind
  given second: yes_no = b
  gives share: percent[0..100]
rule of_tables for unit: percent[0..200]
  cites "42 CFR 414.1380"
  clause many: weights.share + plain.share when weights.word is many
  clause other: plain.share otherwise
"""
TABLES_YEAR = f"""parameters: {{}}
tables:
  weights:
    {CITE}
    rows:
      both: {{first: yes, second: yes, people: any, share: 100%, word: many}}
      first_small: {{first: yes, second: no, people: '<= 15', share: 50%, word: few}}
      first_large: {{first: yes, second: no, people: '> 15', share: 25.5%, word: many}}
      second_only: {{first: no, second: yes, people: any, share: 50%, word: few}}
  plain:
    {CITE}
    rows:
      alone: {{kind: individual, second: any, share: 100%}}
      together: {{kind: group, second: yes, share: 50%}}
      apart: {{kind: group, second: no, share: 40%}}
"""


def test_tables() -> None:
    """All facts there are, at the ends of the ranges, and unknown: the only row that can hit hits
    though what it does not ask of is not known."""
    cases: list[Facts] = [
        {"a": a, "b": b, "size": size, "kind": kind}
        for a, b in itertools.product((True, False, None), repeat=2)
        for size in (0, 15, 16, 1000, None)
        for kind in ("individual", "group", None)
    ]
    agreed(TABLES, cases, TABLES_YEAR)


CURVES = """entity unit
fact unit.score: points[0..100] scale 4 may be unknown
fact unit.fine: points[0..100] exact may be unknown
fact unit.scaling: ratio[0..3] scale 6 may be unknown
parameter threshold: points[0..100]
parameter applicable: percent[0..100]
curve factor for unit: percent[-100..300]
  cites "42 CFR 414.1405(b)"
  of score
  let t = params.threshold
  let a = params.applicable
  piece lowest_quarter: from 0 points through t / 4: flat at -a
  piece below: above t / 4 up_to t: line (0 points, -a) to (t, 0%)
  piece above_it: from t through 100 points: line (t, 0%) to (100 points, a * scaling)
  check never decreasing
  jump at t / 4 because "scores in the lowest quarter get the full negative percent"
curve falling for unit: points[0..10]
  cites "42 CFR 414.1405(b)"
  of fine
  piece up: from 0 points up_to 50 points: line (0 points, 10 points) to (50 points, 5 points)
  piece middle: from 50 points through 50 points: flat at 5 points
  piece down: above 50 points through 100 points: flat at 1 point
  check never increasing
  jump at 50 points because "beyond the middle nothing but one point is left"
"""
CURVES_YEAR = f"""parameters:
  threshold: {{value: 45 points, unit: points, {CITE}}}
  applicable: {{value: 9%, unit: percent, {CITE}}}
"""
# A quarter of 45 is 11.25; on both sides of it, of the threshold, and of the ends.
SCORES = [
    0, "#0.0001", "#11.2499", "#11.25", "#11.2501", "#22.5", "#44.9999", 45, "#45.0001",
    "#99.9999", 100, None,
]  # fmt: skip


def test_curves() -> None:
    fine = ["#0", "#1/3", "#149999999/3000000", "#50", "#150000001/3000000", "#100", None]
    found = agreed(
        CURVES,
        [
            {"score": score, "fine": exact, "scaling": scaling}
            for score, exact in zip(SCORES * 7, fine * 12, strict=True)
            for scaling in (0, "#0.333333", 3, None)
        ],
        CURVES_YEAR,
    )
    assert found[0].value("factor") == Fraction(-9, 100)
    # The line begins at 45; how steep it is depends on the scaling factor, so that this is needed.
    (start,) = agreed(CURVES, [{"score": 45}], CURVES_YEAR)
    assert needs(start.value("factor")) == {"unit.scaling"}
    # -9 % + 9 % x 22.5 / 45 = -4.5 %, whatever scales what is above
    (half,) = agreed(CURVES, [{"score": "#22.5"}], CURVES_YEAR)
    assert half.value("factor") == Fraction(-45, 1000)


DECILES = """entity unit
fact unit.measure: code required
fact unit.rate: rate[-100..100000] scale 4 may be unknown
fact unit.exactly: rate[0..100] scale 9 may be unknown
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
  of exactly
  in bench by (measure)
  rounding whole
  below gives 0 points
  none gives least
"""
DECILES_YEAR = f"""parameters: {{}}
rounding:
  partial: {{places: 1, mode: half_up, unit: points, {CITE}}}
  whole: {{places: 0, mode: half_up, unit: points, {CITE}}}
catalogues:
  bench: {{path: bench.csv, {CITE}}}
"""
MEASURES = ["direct", "inverse", "first", "flat", "top", "cost", "zero", "empty"]
# Made up: direct and inverse, from decile 1 and from 2, with flat runs, at the very ends, empty.
BOUNDS = """measure,inverse,d1,d2,d3,d4,d5,d6,d7,d8,d9,d10
direct,no,,0,20,30,40,50,60,70,80,90
inverse,yes,,100,99.46,99.45,92.61,74.47,59.08,46.84,37.88,31.4
first,no,5,10,20,30,40,50,60,70,80,90
flat,no,,10,20,30,50,50,50,50,100,100
top,no,,10,20,30,40,50,60,100,100,100
cost,yes,1000.5,900,800,700,600,500,400,300,200,100
zero,yes,,50,40,30,20,10,5,0,0,0
empty,no,,,,,,,,,,
"""


def test_every_bound_of_every_benchmark() -> None:
    """At each bound, just below and just above, halfway and a third of the way to the next."""
    cases: list[Facts] = [{"measure": "direct"}, {"measure": "nobody", "rate": 5}]
    for line in BOUNDS.splitlines()[1:]:
        measure, _, *cells = line.split(",")
        bounds = [Fraction(cell) for cell in cells if cell] or [Fraction(1)]
        step = Fraction(1, 10_000)
        rates = {bound + near for bound in bounds for near in (-step, 0, step)}
        rates |= {(low + high) / 2 for low, high in itertools.pairwise(bounds)}
        thirds = rates | {
            round(low + (high - low) / 3, 9) for low, high in itertools.pairwise(bounds)
        }
        rates_and_thirds = itertools.zip_longest(sorted(rates), sorted(thirds))
        cases += [
            {"measure": measure, "rate": rate, "least": least,
             "exactly": third if third is not None and 0 <= third <= 100 else None}
            for (rate, third), least in zip(rates_and_thirds, itertools.cycle([1, None]))
        ]  # fmt: skip
    agreed(DECILES, cases, DECILES_YEAR, BOUNDS)


def test_points_from_arithmetic() -> None:
    found = agreed(
        DECILES,
        [
            {"measure": "direct", "rate": "#23.75", "exactly": "#23.333333333"},
            {"measure": "cost", "rate": 95},
        ],
        DECILES_YEAR,
        BOUNDS,
    )
    # Decile 3: 3 + 3.75 / 10 = 3.375, to one place 3.4; 3 + (23.33... - 20) / 10 to whole points 3.
    assert (found[0].value("fine"), found[0].value("coarse")) == (Fraction("3.4"), 3)
    assert found[1].value("fine") == 10


@settings(max_examples=10, deadline=None, phases=[Phase.reuse, Phase.generate])
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "measure": st.sampled_from(MEASURES),
                "rate": st.integers(-100_000, 1_100_000).map(lambda n: Fraction(n, 10_000)),
                "exactly": st.integers(0, 10**11).map(lambda n: Fraction(n, 10**9)),
                "least": st.sampled_from([None, 0, 3]),
            }
        ),
        min_size=1, max_size=40,
    )
)  # fmt: skip
def test_any_rates(cases: list[dict[str, object]]) -> None:
    agreed(DECILES, cases, DECILES_YEAR, BOUNDS)
