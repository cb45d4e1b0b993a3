"""What is summed up over related records: all of them, below any depth, none forgotten or twice."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate.small import needs, small
from finalrule.core.expressions import Known, Unknown

HEAD = """entity unit
fact unit.factor: ratio[0..10] may be unknown
fact unit.fallback: points[0..100] may be unknown
entity result of unit
  key id: code
fact result.got: points[0..100] may be unknown
fact result.good: yes_no may be unknown
entity part of result
  key name: code
fact part.size: count[0..100] may be unknown
fact part.used: yes_no may be unknown
"""
AGGREGATES = {
    "total": ("points[0..10000]", "sum(got over result)"),
    "total_good": ("points[0..10000]", "sum(got over result where good)"),
    "how_many": ("count[0..10000]", "count(result)"),
    "how_many_good": ("count[0..10000]", "count(result where good)"),
    "any_good": ("yes_no", "any(result where good)"),
    "any_at_all": ("yes_no", "any(result)"),
    "every_good": ("yes_no", "every(result where good)"),
    "mean": ("points[0..100]", "average(got over result where good, empty gives 7 points)"),
    "most": ("points[0..100]", "greatest(got over result where good, empty gives 7 points)"),
    "fewest": ("points[0..100]", "least(got over result where good, empty gives fallback)"),
    "part_good": ("ratio[0..1]", "share(result where good, empty gives 0)"),
    "sizes": ("count[0..10000]", "sum(size over part where used)"),
    "scaled": ("points[0..100000]", "sum(got * unit.factor over result)"),
    "own_parts": ("count[0..10000]", "count(result where any(part where used))"),
}
RULES = HEAD + "".join(
    f'rule {name} for unit: {type_} cites "42 CFR 414.1380" clause it: {text} always\n'
    for name, (type_, text) in AGGREGATES.items()
)


def value(rule: str, results: list[dict[str, object]], **facts: object) -> Known:
    rows = [{"id": str(at), **row} for at, row in enumerate(results)]
    return small(RULES).value(rule, result=rows, **facts)


ROWS: list[dict[str, object]] = [
    {"got": 3, "good": True},
    {"got": "#4.5", "good": False},
    {"got": 10, "good": True},
]


@pytest.mark.parametrize(
    ("rule", "some", "none"),
    [
        ("total", "17.5", "0"),
        ("total_good", "13", "0"),
        ("how_many", "3", "0"),
        ("how_many_good", "2", "0"),
        ("mean", "6.5", "7"),
        ("most", "10", "7"),
        ("fewest", "3", "1"),
        ("part_good", "2/3", "0"),
        ("scaled", "35", "0"),
    ],
)
def test_numbers_over_records(rule: str, some: str, none: str) -> None:
    assert value(rule, ROWS, factor=2, fallback=1) == Fraction(some)
    assert value(rule, [], factor=2, fallback=1) == Fraction(none)


def test_conditions_over_records() -> None:
    assert value("any_good", ROWS) is True
    assert value("every_good", ROWS) is False
    assert value("any_good", [ROWS[1]]) is False
    assert value("every_good", [ROWS[0]]) is True
    # Over no record: none is good, and none is not.
    assert value("any_good", []) is False
    assert value("every_good", []) is True
    assert value("any_at_all", []) is False
    assert value("any_at_all", [{}]) is True


def test_records_at_any_depth() -> None:
    results: list[dict[str, object]] = [
        {"part": [{"name": "a", "size": 1, "used": True}, {"name": "b", "size": 2, "used": False}]},
        {"part": [{"name": "a", "size": 4, "used": True}]},
        {},
    ]
    assert value("sizes", results) == 5
    assert value("own_parts", results) == 2
    assert value("own_parts", [{"part": []}]) == 0


def test_what_is_needed_is_named_with_its_record() -> None:
    assert needs(value("total", [{"got": 1}, {}, {}])) == {"result[1].got", "result[2].got"}
    # A record that surely is not meant does not matter, nor does what is unknown of it.
    assert value("total_good", [{"got": 1, "good": True}, {"good": False}]) == 1
    # One that may be meant: whether it is; one that surely is: what it has.
    found = value("total_good", [{"got": 1}, {"good": True}, {"good": False}])
    assert needs(found) == {"result[0].good", "result[1].got"}
    assert needs(value("scaled", ROWS)) == {"unit.factor"}
    results: list[dict[str, object]] = [{"part": [{"name": "a", "used": True}, {"name": "b"}]}]
    assert needs(value("sizes", results)) == {"part[0,a].size", "part[0,b].used"}


def test_what_is_given_over_no_record_may_be_unknown() -> None:
    assert needs(value("fewest", [])) == {"unit.fallback"}
    assert needs(value("fewest", [{"got": 1, "good": False}])) == {"unit.fallback"}
    assert value("fewest", [{"got": 1, "good": True}]) == 1


# --- against all completions ----------------------------------------------------------------------

POINTS = (0, 1, 5)
FLAGS = (True, False)


def plain(rule: str, rows: list[dict[str, Any]]) -> Fraction | bool:
    """What an aggregate means of facts that are all known."""
    good = [Fraction(row["got"]) for row in rows if row["good"]]
    match rule:
        case "total":
            return sum((Fraction(row["got"]) for row in rows), Fraction(0))
        case "total_good":
            return sum(good, Fraction(0))
        case "how_many_good":
            return Fraction(len(good))
        case "any_good":
            return len(good) > 0
        case "every_good":
            return len(good) == len(rows)
        case "mean":
            return sum(good, Fraction(0)) / len(good) if good else Fraction(7)
        case "most":
            return max(good, default=Fraction(7))
        case "part_good":
            return Fraction(len(good), len(rows)) if rows else Fraction(0)
    raise AssertionError(rule)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(
        [
            "total",
            "total_good",
            "how_many_good",
            "any_good",
            "every_good",
            "mean",
            "most",
            "part_good",
        ]
    ),
    st.lists(
        st.fixed_dictionaries(
            {"got": st.sampled_from((*POINTS, None)), "good": st.sampled_from((*FLAGS, None))}
        ),
        max_size=4,
    ),
)
def test_determined_is_the_same_whatever_the_unknown_facts_are(
    rule: str, rows: list[dict[str, Any]]
) -> None:
    choices = [
        itertools.product(
            POINTS if row["got"] is None else (row["got"],),
            FLAGS if row["good"] is None else (row["good"],),
        )
        for row in rows
    ]
    possible = {
        plain(rule, [{"got": got, "good": good} for got, good in completion])
        for completion in itertools.product(*choices)
    }
    found = value(rule, rows)
    if not isinstance(found, Unknown):
        assert possible == {found}
    elif rule in ("any_good", "every_good", "how_many_good", "part_good"):
        # Where only conditions are read, nothing is left open that is not.
        assert len(possible) > 1
