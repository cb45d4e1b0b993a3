"""Sums, counts, averages, greatest, least, any, every and share as SQL: over no record, over some,
at any depth, with unknown facts, for a unit and for the whole program."""

from __future__ import annotations

import itertools
from fractions import Fraction
from random import Random

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from population.agreeing import agreed

HEAD = """entity program
fact program.limit: points[0..100] may be unknown
entity unit of program
  key tin: code
fact unit.factor: ratio[0..10] exact may be unknown
fact unit.whole: ratio[0..10] scale 2 may be unknown
fact unit.fallback: points[0..100] may be unknown
fact unit.bar: points[0..100] scale 0 absent means 5 points cites "42 CFR 414.1380"
entity result of unit
  key name: code
fact result.got: points[0..100] scale 2 may be unknown
fact result.good: yes_no may be unknown
fact result.weight: percent[0..100] scale 2 required
entity part of result
  key letter: code
fact part.size: count[0..100] may be unknown
fact part.used: yes_no may be unknown
"""
OF_UNIT = {
    "total": ("points[0..1000000]", "sum(got over result)"),
    "total_good": ("points[0..1000000]", "sum(got over result where good)"),
    "weighted": ("points[0..1000000]", "sum(got * weight over result)"),
    "weights": ("percent[0..1000000]", "sum(weight over result where good)"),
    "weighted_average": (
        "points[0..1000000]",
        "sum(got * weight over result) / sum(weight over result) zero gives 0 points",
    ),
    "scaled": ("points[0..1000000]", "sum(got * unit.whole over result)"),
    "of_scaled": ("points[0..1000000]", "sum(got over result) * factor"),
    "quotient": ("ratio[0..1000]", "fallback / bar zero gives 0"),
    "by_quotient": ("points[0..100000000]", "sum(got * quotient over result where good)"),
    "how_many": ("count[0..100000]", "count(result)"),
    "how_many_good": ("count[0..100000]", "count(result where good)"),
    "how_many_over": ("count[0..100000]", "count(result where got > unit.bar)"),
    "any_good": ("yes_no", "any(result where good)"),
    "any_at_all": ("yes_no", "any(result)"),
    "every_good": ("yes_no", "every(result where good)"),
    "every_over": ("yes_no", "every(result where got >= unit.bar or good)"),
    "mean": ("points[0..100]", "average(got over result, empty gives 7 points)"),
    "mean_good": ("points[0..100]", "average(got over result where good, empty gives fallback)"),
    "most": ("points[0..100]", "greatest(got over result where good, empty gives 7 points)"),
    "fewest": ("points[0..100]", "least(got over result where good, empty gives fallback)"),
    "part_good": ("ratio[0..1]", "share(result where good, empty gives 0)"),
    "sizes": ("count[0..1000000]", "sum(size over part where used)"),
    "own_parts": ("count[0..100000]", "count(result where any(part where used))"),
    "largest_of_sums": (
        "count[0..1000000]", "greatest(parts_of over result where weight > 0%, empty gives 0)",
    ),
}  # fmt: skip
OF_PROGRAM = {
    "units": ("count[0..100000000]", "count(unit)"),
    "units_with_any": ("count[0..100000000]", "count(unit where any_good)"),
    "totals": ("points[0..100000000000]", "sum(total over unit)"),
    "all_results": ("count[0..100000000]", "count(result where good)"),
    "all_got": ("points[0..100000000000]", "sum(got over result where got <= program.limit)"),
    "mean_of_units": ("points[0..100]", "average(most over unit, empty gives 0 points)"),
    "best_unit": (
        "points[0..100]", "greatest(most over unit where any_at_all, empty gives 1 point)",
    ),
    "every_unit": ("yes_no", "every(unit where every_good)"),
}  # fmt: skip
RULES = HEAD + "".join(
    f'rule {name} for {entity}: {type_} cites "42 CFR 414.1380" clause it: {text} always\n'
    for entity, rules in (
        ("result", {"parts_of": ("count[0..10000]", "sum(size over part)")}),
        ("unit", OF_UNIT),
        ("program", OF_PROGRAM),
    )
    for name, (type_, text) in rules.items()
)

Rows = list[dict[str, object]]


def case(*units: dict[str, object], limit: object = 50) -> dict[str, object]:
    """Units with results; what has no key is given one."""
    made: Rows = []
    for at, unit in enumerate(units):
        results = unit.get("result", [])
        assert isinstance(results, list)
        named = [
            {"name": f"r{number}", "weight": "#0.5", **row} for number, row in enumerate(results)
        ]
        made.append({"tin": f"t{at}", **unit, "result": named})
    return {"limit": limit, "unit": made}


def parts(*sizes: tuple[object, object]) -> Rows:
    return [
        {"letter": chr(97 + at), "size": size, "used": used}
        for at, (size, used) in enumerate(sizes)
    ]


def test_values_from_arithmetic() -> None:
    results: Rows = [
        {"got": 3, "good": True, "weight": "#0.2", "part": parts((1, True), (2, False))},
        {"got": "#4.5", "good": False, "weight": "#0.3", "part": parts((4, True))},
        {"got": 10, "good": True, "weight": "#0.25"},
    ]
    unit: dict[str, object] = {
        "result": results, "factor": "#1/3", "whole": "#0.5", "fallback": 2,
    }  # fmt: skip
    (found,) = agreed(RULES, [case(unit, {"factor": 2})])

    def of(rule: str, tin: str = "t0") -> object:
        (decision,) = (
            one for (name, frame), one in found.decisions.items()
            if name == rule and frame.path in ((tin,), ())
        )  # fmt: skip
        return decision.values[""]

    # 3 x 20 % + 4.5 x 30 % + 10 x 25 % = 0.6 + 1.35 + 2.5 = 4.45, over 75 %
    assert of("weighted") == Fraction("4.45")
    assert of("weighted_average") == Fraction("4.45") / Fraction(3, 4)
    assert (of("scaled"), of("of_scaled")) == (Fraction("8.75"), Fraction("17.5") / 3)
    # 13 x 2 / 5: the bar is 5 where nothing is given.
    assert of("by_quotient") == Fraction("5.2")
    assert (of("mean"), of("mean_good"), of("part_good")) == (
        Fraction("17.5") / 3, Fraction("6.5"), Fraction(2, 3),
    )  # fmt: skip
    assert (of("sizes"), of("own_parts"), of("largest_of_sums")) == (5, 2, 4)
    assert (of("weighted_average", "t1"), of("mean", "t1"), of("every_good", "t1")) == (0, 7, True)
    assert (of("units"), of("units_with_any"), of("totals")) == (2, 1, Fraction("17.5"))
    # The greatest of good results is 10, and 7 where there is none.
    assert of("mean_of_units") == Fraction("8.5")


def test_none_some_and_unknown_records() -> None:
    """Every mixture of up to three records of each sort."""
    sorts: Rows = [
        {"got": 3, "good": True}, {"got": "#4.99", "good": False}, {"got": 100, "good": None},
        {"got": None, "good": True}, {"got": None, "good": False}, {},
        {"got": 0, "good": True, "part": parts((100, True), (None, True))},
        {"got": 5, "good": False, "part": parts((None, False), (7, None), (0, True))},
    ]  # fmt: skip
    mixtures = [
        list(some)
        for many in range(4)
        for some in itertools.combinations_with_replacement(sorts, many)
    ]
    facts = [(2, "#0.07", 1, 3), ("#1/7", 1, None, 0), (None, None, 0, 9)]
    units: Rows = [
        {"result": some, "factor": factor, "whole": whole, "fallback": fallback, "bar": bar}
        for some, (factor, whole, fallback, bar) in zip(mixtures, itertools.cycle(facts))
    ]
    cases = [case(limit=None), case({})]
    cases += [case(one) for one in units]
    some = Random(1380)
    cases += [
        case(*some.choices(units, k=3), limit=some.choice([None, 0, 3, 100])) for _ in range(60)
    ]
    agreed(RULES, cases)


def unknown(values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | values


RESULT = st.fixed_dictionaries(
    {
        "got": unknown(st.integers(0, 10_000).map(lambda n: Fraction(n, 100))),
        "good": unknown(st.booleans()),
        "weight": st.integers(0, 10_000).map(lambda n: Fraction(n, 10_000)),
    }
)
UNIT = st.fixed_dictionaries(
    {
        "factor": unknown(
            st.builds(
                lambda n, d: Fraction(n % (10 * d + 1), d),
                st.integers(0, 10**10), st.integers(1, 10**9),
            )
        ),
        "fallback": unknown(st.integers(0, 100)),
        "result": st.lists(RESULT, max_size=5),
    }
)  # fmt: skip


@settings(max_examples=12, deadline=None, phases=[Phase.reuse, Phase.generate])
@given(st.lists(st.lists(UNIT, max_size=3), min_size=1, max_size=12))
def test_any_records(programs: list[list[dict[str, object]]]) -> None:
    agreed(RULES, [case(*units) for units in programs])
