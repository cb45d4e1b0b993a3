"""Choosing the best records as SQL: ties, groups, unknown facts and unknown numbers of places."""

from __future__ import annotations

import datetime
import itertools
from random import Random

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from evaluate.small import CITE
from finalrule.evaluate.scalar import Evaluation
from population.agreeing import agreed

RULES = """entity unit
fact unit.places: count[0..10] may be unknown
fact unit.bonus: points[0..10] scale 2 may be unknown
entity result of unit
  key measure: code
  key number: count[0..1000]
fact result.sort: one of {process, outcome, survey} required
fact result.fits: yes_no may be unknown
fact result.first: yes_no may be unknown
fact result.got: points[0..10] scale 2 may be unknown
fact result.ratio: ratio[0..1000] scale 9 may be unknown
fact result.since: date may be unknown
parameter six: count[0..10]
rule worth for result: points[0..100]
  cites "42 CFR 414.1380"
  clause first: got * 2 when first
  clause other: got otherwise
select best from result
  cites "42 CFR 414.1380(b)(1)(i)"
  where fits
  best places
  by first descending, got descending
  ties by measure, number
select best_two from result
  cites "42 CFR 414.1380(b)(1)(i)"
  best 2
  by worth descending
  ties by measure, number
select best_six from result
  cites "42 CFR 414.1380(b)(1)(i)"
  best params.six
  by got + unit.bonus descending
  ties by measure, number
select least_of_each from result
  cites "42 CFR 414.1380(b)(1)(i)"
  where fits
  per measure, sort
  best 1
  by got ascending
  ties by number, measure
select doubled from result
  cites "42 CFR 414.1380(b)(1)(i)"
  best places * 2
  by ratio descending
  ties by measure, number
select everyone from result
  cites "42 CFR 414.1380(b)(1)(i)"
  where fits and sort is not survey
  best all
  ties by measure, number
select earliest from result
  cites "42 CFR 414.1380(b)(1)(i)"
  where best_two
  best 1
  by since ascending, first ascending
  ties by measure, number
rule total for unit: points[0..1000000]
  cites "42 CFR 414.1380"
  clause it: sum(worth over result where best_two) always
rule one_chosen for unit: yes_no
  cites "42 CFR 414.1380"
  clause it: any(result where best and not best_six) always
"""
YEAR = f"""parameters:
  six: {{value: 3, unit: count, {CITE}}}
"""

Rows = list[dict[str, object]]


def case(rows: Rows, places: object = 2, bonus: object = 1) -> dict[str, object]:
    return {
        "places": places,
        "bonus": bonus,
        "result": [
            {"measure": "m", "number": at, "sort": "process", **row} for at, row in enumerate(rows)
        ],
    }


def winners(evaluation: Evaluation, rule: str) -> list[str]:
    """What decided, in the order of the records' numbers."""
    return [
        decision.winner
        for (name, frame), decision in sorted(
            evaluation.decisions.items(), key=lambda one: int((*one[0][1].path, "m", "0")[1])
        )
        if name == rule
    ]


def test_ties_go_to_the_first_key() -> None:
    same: Rows = [{"got": 5, "fits": True, "first": False} for _ in range(4)]
    (found,) = agreed(RULES, [case(same)], YEAR)
    assert winners(found, "best_two") == ["selected", "selected", "passed_over", "passed_over"]
    # The measure goes before the number.
    (found,) = agreed(RULES, [case([*same, {**same[0], "measure": "a"}])], YEAR)
    assert winners(found, "best_two") == ["selected", *["passed_over"] * 3, "selected"]


def test_unknown_facts() -> None:
    """Every mixture of two, three and four records, over places that are enough, too few, none, or
    unknown: who is in whatever is not known, and what is needed where that matters."""
    sorts: Rows = [
        {"got": 5, "fits": True, "first": True, "ratio": "#0.333333333"},
        {"got": 5, "fits": True, "first": False, "sort": "outcome", "ratio": "#0.333333334"},
        {"got": "#9.99", "fits": False, "first": None},
        {"got": None, "fits": True, "first": True, "since": datetime.date(2020, 2, 29)},
        {"got": 1, "fits": None, "first": False, "measure": "a", "sort": "survey"},
        {"got": None, "fits": None, "first": None, "measure": "a"},
    ]
    mixtures = [
        list(some)
        for many in (0, 2, 3, 4)
        for some in itertools.combinations_with_replacement(sorts, many)
    ]
    some = Random(414)
    cases = []
    for mixture, places in zip(mixtures, itertools.cycle([0, 1, 2, None, 10])):
        some.shuffle(mixture)
        cases.append(case(mixture, places, some.choice([None, 0, 1])))
    agreed(RULES, cases, YEAR)


RESULT = st.fixed_dictionaries(
    {
        "measure": st.sampled_from(["a", "B", "é"]),
        "sort": st.sampled_from(["process", "outcome", "survey"]),
        "fits": st.sampled_from([True, True, False, None]),
        "first": st.sampled_from([True, False, False, None]),
        "got": st.sampled_from([None, 0, 1, 1, 2, "#2.01", 10]),
        "ratio": st.sampled_from(["#0.3", "#0.3", "#0.333333333", "#0.333333334", None]),
        "since": st.sampled_from([None, datetime.date(2020, 1, 1), datetime.date(2019, 12, 31)]),
    }
)


@settings(max_examples=12, deadline=None, phases=[Phase.reuse, Phase.generate])
@given(
    st.lists(
        st.builds(
            case, st.lists(RESULT, max_size=7), st.sampled_from([None, 0, 1, 3]),
            st.sampled_from([None, 2]),
        ),
        min_size=1, max_size=25,
    )
)  # fmt: skip
def test_any_records(cases: list[dict[str, object]]) -> None:
    agreed(RULES, cases, YEAR)
