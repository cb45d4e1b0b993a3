"""The measures that count, against brute force over all subsets.

42 CFR 414.1335(a)(1)(i): six measures, one of them an outcome measure, or another high priority
measure where no outcome measure was submitted. 42 CFR 414.1380(b)(1)(i): a measure by several
collection types counts once, on the best; of more measures than required the best count; the
required measure on which no data is submitted scores zero, so that five others are left.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate.conftest import evaluator_of, make_case
from finalrule.values import Value

TYPES = ("ecqm", "mips_cqm", "qcdr")


@st.composite
def submissions(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Up to nine results of up to eight measures; their points have few values and often tie."""
    keys = draw(
        st.lists(
            st.tuples(st.sampled_from("ABCDEFGH"), st.sampled_from(TYPES)),
            unique=True, max_size=9,
        )
    )  # fmt: skip
    flags = {name: (draw(st.booleans()), draw(st.booleans())) for name in "ABCDEFGH"}
    return [
        {
            "measure_id": name,
            "collection_type": kind,
            "points": Fraction(draw(st.integers(0, 20)), 2),
            "outcome": flags[name][0],
            "high_priority": flags[name][0] or flags[name][1],
        }
        for name, kind in keys
    ]


def brute_force(results: list[dict[str, Any]]) -> Fraction:
    """The greatest sum of points over all allowed subsets."""
    outcomes = [r for r in results if r["outcome"]]
    required = outcomes or [r for r in results if r["high_priority"]]
    places = 6 if required else 5
    best = Fraction(0)
    for size in range(min(places, len(results)) + 1):
        for subset in itertools.combinations(results, size):
            names = [r["measure_id"] for r in subset]
            if len(set(names)) < len(names):
                continue
            # The sixth place is the required measure's.
            if size == 6 and not any(r in required for r in subset):
                continue
            best = max(best, sum((r["points"] for r in subset), Fraction(0)))
    return best


@settings(max_examples=3000, deadline=None)
@given(submissions())
def test_points_of_counted_measures_are_the_most_that_can_be(
    results: list[dict[str, Any]],
) -> None:
    evaluator = evaluator_of("2020-final")
    day = datetime.date(2020, 1, 1)
    rows: list[Mapping[str, Value]] = [
        {
            "measure_id": str(r["measure_id"]), "collection_type": str(r["collection_type"]),
            "performance_start": day, "performance_end": day, "has_performance_rate": True,
            "performance_rate": Fraction(50), "has_reporting_rate": True,
            "reporting_rate": Fraction(1), "case_count": Fraction(30),
        }
        for r in results
    ]  # fmt: skip
    assume: dict[tuple[str, tuple[str, ...]], dict[str, Value]] = {}
    for r in results:
        path = (str(r["measure_id"]), str(r["collection_type"]))
        for rule, value in (
            ("measure_points", r["points"]), ("measure_class", "class_1"),
            ("measure_outcome", r["outcome"]), ("measure_high_priority", r["high_priority"]),
        ):  # fmt: skip
            assume[rule, path] = {"": value}
    case = make_case(evaluator, {"entity_type": "individual"}, {"measure_result": rows})
    evaluation = evaluator.evaluate(case, ["quality_achievement_points"], assume)
    assert evaluation.value("quality_achievement_points") == brute_force(results)
