"""Every kind of expression as SQL: numbers at the ends of their bounds, logic over unknown facts,
dates, codes and lookups. The exact evaluator says what is right; a few values stand beside their
arithmetic."""

from __future__ import annotations

import datetime
import itertools
from fractions import Fraction
from random import Random

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from evaluate.small import CITE
from finalrule.evaluate.scalar import Evaluation
from population.agreeing import Facts, agreed

HEAD = """entity unit
fact unit.x: points[-100..100] scale 2 may be unknown
fact unit.y: points[-100..100] scale 2 may be unknown
fact unit.r: ratio[-10..10] exact may be unknown
fact unit.p: percent[0..100] scale 2 may be unknown
fact unit.money: usd[0..1000000] may be unknown
fact unit.n: count[0..1000] may be unknown
fact unit.m: count[0..1000] may be unknown
fact unit.some: count[1..10] required
fact unit.fallen: count[0..10] absent means 3 cites "42 CFR 414.1380"
fact unit.begin: date may be unknown
fact unit.until: date may be unknown
fact unit.place: code may be unknown
fact unit.kind: one of {individual, group, none} may be unknown
fact unit.other: one of {individual, group, none} may be unknown
fact unit.a: yes_no may be unknown
fact unit.b: yes_no may be unknown
fact unit.c: yes_no may be unknown
parameter places: codes
parameter share: percent[0..100]
rounding away of points
rounding cut of points
rounding even of percent
rounding tenth of ratio
"""
YEAR = f"""parameters:
  places: {{value: [A1, "é'"], unit: codes, {CITE}}}
  share: {{value: 45%, unit: percent, {CITE}}}
rounding:
  away: {{places: 0, mode: half_up, unit: points, {CITE}}}
  cut: {{places: 1, mode: down, unit: points, {CITE}}}
  even: {{places: 1, mode: half_even, unit: percent, {CITE}}}
  tenth: {{places: 1, mode: half_up, unit: ratio, {CITE}}}
"""
POINTS, RATIO, YES = f"points[-{10**12}..{10**12}]", f"ratio[-{10**9}..{10**9}]", "yes_no"
KIND = "one of {individual, group, none}"
NUMBERS = {
    "plus": ("x + y", POINTS),
    "minus": ("x - (y - x)", POINTS),
    "negated": ("-x + y", POINTS),
    "product": ("x * r", POINTS),
    "of_both": ("p * r", "percent[-1000..1000]"),
    "square": ("p * p", "percent[0..100]"),
    "whole_product": ("n * m", "count[0..1000000]"),
    "shared": ("params.share * x", POINTS),
    "quotient": ("x / y zero gives 0", RATIO),
    "by_exact": ("x / r zero gives y", POINTS),
    "by_some": ("x / some", POINTS),
    "by_itself": ("money / money zero gives 1", RATIO),
    "of_counts": ("n / m zero gives p as ratio", RATIO),
    "thirds": ("x / 3 + y / 7", POINTS),
    "smallest": ("min(x, y, -1 points, 20 points)", POINTS),
    "greatest_one": ("max(x * r, y)", POINTS),
    "converted": ("r as points", POINTS),
    "as_percent": ("(n / m zero gives 0) as percent", "percent[0..100000]"),
    "rounded": ("round(x, away)", POINTS),
    "rounded_product": ("round(x * r, away)", POINTS),
    "rounded_quotient": ("round(x / r zero gives y, away)", POINTS),
    "rounded_down": ("round(x * r, cut)", POINTS),
    "rounded_even": ("round(p * params.share, even)", "percent[0..100]"),
    "rounded_ratio": ("round(n / m zero gives 0, tenth)", RATIO),
    "days": ("days_between(begin, until)", "days[-4000000..4000000]"),
    "first": ("first_known(x, y, 7 points)", POINTS),
    "first_of_two": ("first_known(x, r as points)", POINTS),
    "defaulted": ("fallen + n", "count[0..2000]"),
}
CONDITIONS = {
    "under": "x < y", "at_most": "x <= y * 2", "same": "x == y", "another": "x != y",
    "over_exact": "r > 0.3", "at_least_product": "x * r >= y", "of_divided": "x / 3 == y / 3",
    "days_apart": "days_between(begin, until) + 1 >= 90", "later": "until > begin",
    "on_a_day": "begin == 2020-02-29", "of_kind": "kind is group",
    "not_of_kind": "kind is not none", "same_kind": "kind == other",
    "of_kinds": "kind in {individual, none}",
    "of_codes": 'place in {"A1", "1"}', "of_params": "place in params.places",
    "that_code": 'place == "a1"',
    "not_a": "not a", "both_of": "a and b and c", "either_of": "a or b or c",
    "mixed": "a and b or not c", "all_three": "all of (a, b, c)",
    "any_of_three": "any of (a, b, c)",
    "none_of_three": "none of (a, b, c)", "one_of_three": "at least 1 of (a, b, c)",
    "two_of_three": "at least 2 of (a, b, c)", "three_of_three": "at least 3 of (a, b, c)",
    "nested": "any of (a, none of (b, x > 0 points), at least 2 of (c, n > 3, kind is group))",
    "known_first": "first_known(a, b)", "known_first_of_all": "first_known(a, b and c, no)",
}  # fmt: skip
OTHERS = {
    "kind_first": ("first_known(kind, other)", KIND),
    "place_first": ('first_known(place, "none")', "code"),
    "day_first": ("first_known(begin, until, 2020-01-01)", "date"),
    "fixed_day": ("2020-12-31", "date"),
}
RULES = HEAD + "".join(
    f'rule {name}_it for unit: {type_} cites "42 CFR 414.1380" clause it: {text} always\n'
    for name, (text, type_) in
    {**NUMBERS, **{name: (text, YES) for name, text in CONDITIONS.items()}, **OTHERS}.items()
)  # fmt: skip

EDGES: dict[str, list[object]] = {
    "x": ["#-100", "#-7.5", "#-0.05", "#0", "#0.01", "#0.5", "#7.5", "#33.33", "#100"],
    "y": ["#-100", "#-0.5", "#0", "#0.01", "#2.5", "#33.33", "#100"],
    "r": ["#-10", "#-1/3", "#0", "#1/3", "#3/10", "#999999937/1000000000", "#10"],
    "p": ["#0", "#0.0001", "#0.4225", "#0.5", "#1"],
    "money": ["#0", "#0.01", "#90000", "#1000000"],
    "n": [0, 1, 3, 999, 1000],
    "m": [0, 1, 7, 1000],
    "begin": [datetime.date(1900, 1, 1), datetime.date(2020, 2, 29), datetime.date(2020, 10, 2)],
    "until": [datetime.date(2020, 2, 29), datetime.date(2020, 12, 30), datetime.date(2020, 12, 31)],
    "place": ["A1", "a1", "1", "é'", ""],
    "kind": ["individual", "group", "none"],
    "other": ["individual", "group", "none"],
    "a": [True, False], "b": [True, False], "c": [True, False],
}  # fmt: skip


def value(evaluation: Evaluation, name: str) -> object:
    return evaluation.value(f"{name}_it")


def test_each_fact_at_its_edges_and_unknown() -> None:
    """All else in the middle, one fact at a time; then any mixture."""
    middle = {name: values[len(values) // 2] for name, values in EDGES.items()} | {"some": 3}
    cases: list[Facts] = [{"some": 1}, {**middle, "fallen": 0}]
    cases += [{**middle, name: one} for name in EDGES for one in (*EDGES[name], None)]
    some = Random(414)
    cases += [
        {name: some.choice([*values, None]) for name, values in EDGES.items()}
        | {"some": some.randint(1, 10), "fallen": some.choice([None, 0, 10])}
        for _ in range(500)
    ]
    agreed(RULES, cases, YEAR)


def test_values_from_arithmetic() -> None:
    (found,) = agreed(
        RULES,
        [{"x": "#7.5", "y": "#2.5", "r": "#1/3", "p": "#0.4225", "n": 2, "m": 7, "some": 4,
          "begin": datetime.date(2020, 1, 1), "until": datetime.date(2020, 3, 30)}],
        YEAR,
    )  # fmt: skip
    assert value(found, "product") == Fraction(5, 2)  # 7.5 / 3
    assert value(found, "by_exact") == Fraction(45, 2)  # 7.5 x 3
    assert value(found, "rounded_quotient") == 23  # 22.5 is a tie: away from zero
    assert value(found, "rounded_down") == Fraction(5, 2)
    # 42.25 % x 45 % = 19.0125 %
    assert value(found, "rounded_even") == Fraction(19, 100)
    assert value(found, "rounded_ratio") == Fraction(3, 10)  # 2/7 = 0.2857...
    assert value(found, "days") == 89  # 31 + 29 + 29: 2020 is a leap year
    assert value(found, "days_apart") is True
    assert value(found, "defaulted") == 5  # absent means 3


def test_all_truth_tables() -> None:
    states = (True, False, None)
    cases = [{"a": a, "b": b, "c": c, "some": 1} for a, b, c in itertools.product(states, repeat=3)]
    agreed(RULES, cases, YEAR)


def hundredths(low: int, high: int) -> st.SearchStrategy[object]:
    return st.none() | st.integers(low * 100, high * 100).map(lambda n: Fraction(n, 100))


EXACT = st.none() | st.builds(
    lambda n, d: Fraction(n, d), st.integers(-10, 10), st.integers(1, 10**9)
)


# A failing list of cases names the case: to look for a smaller list would take minutes.
@settings(max_examples=12, deadline=None, phases=[Phase.reuse, Phase.generate])
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "x": hundredths(-100, 100), "y": hundredths(-100, 100), "r": EXACT,
                "p": st.integers(0, 10_000).map(lambda n: Fraction(n, 10_000)),
                "money": st.integers(0, 10**8).map(lambda n: Fraction(n, 100)),
                "n": st.none() | st.integers(0, 1000), "m": st.none() | st.integers(0, 1000),
                "some": st.integers(1, 10),
            }
        ),
        min_size=1, max_size=30,
    )
)  # fmt: skip
def test_any_numbers(cases: list[dict[str, object]]) -> None:
    agreed(RULES, cases, YEAR)


LOOKUPS = """type way: one of {ecqm, claims}
type worth: one of {high, medium, none}
entity unit
fact unit.measure: code may be unknown
fact unit.way: way may be unknown
fact unit.flag: yes_no may be unknown
fact unit.stated: worth may be unknown
catalogue bench by (measure: code, way: way)
  field cap: yes_no
  field worth: worth
  field instead: code
  field since: date
rule cap_of for unit: yes_no cites "42 CFR 414.1380"
  clause it: lookup(bench.cap by (measure, way), none gives flag) always
rule worth_of for unit: worth cites "42 CFR 414.1380"
  clause it: lookup(bench.worth by (measure, way), none gives stated) always
rule instead_of for unit: code cites "42 CFR 414.1380"
  clause it: lookup(bench.instead by (measure, claims), none gives "nothing") always
rule again for unit: worth cites "42 CFR 414.1380"
  clause it: lookup(bench.worth by (measure, ecqm), none gives none) always
rule fixed_key for unit: yes_no cites "42 CFR 414.1380"
  clause it: listed(bench by ("001", claims)) always
rule is_listed for unit: yes_no cites "42 CFR 414.1380"
  clause it: listed(bench by (measure, way)) always
rule recent for unit: yes_no cites "42 CFR 414.1380"
  clause it: lookup(bench.since by (measure, way), none gives 2000-01-01) >= 2020-01-01 always
"""
CATALOGUES = f"parameters: {{}}\ncatalogues:\n  bench: {{path: bench.csv, {CITE}}}\n"
TABLE = """measure,way,cap,worth,instead,since
001,ecqm,yes,high,236,2020-01-01
001,claims,no,none,,
1,ecqm,no,medium,001,2019-12-31
e,claims,,,,
"""


def test_lookups() -> None:
    """A field of a record that is there, whose cell is empty, and of none; keys are texts, and may
    be unknown."""
    measures, ways = ("001", "1", "01", "e", "x", None), ("ecqm", "claims", None)
    cases = [
        {"measure": measure, "way": way, "flag": flag, "stated": stated}
        for measure, way in itertools.product(measures, ways)
        for flag, stated in ((True, "medium"), (False, None), (None, "high"))
    ]
    found = agreed(LOOKUPS, cases, CATALOGUES, TABLE)
    # 001 by eCQM is there; its cell `instead` by claims is empty.
    assert (found[0].value("worth_of"), found[0].value("instead_of")) == ("high", "nothing")
