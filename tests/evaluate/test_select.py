"""The best records of a group: who is in, in what order, and when that is not known."""

from __future__ import annotations

import datetime
import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate.small import CITE, needs, small
from finalrule.core.expressions import Known, Unknown

RULES = """entity unit
fact unit.places: count[0..10] may be unknown
entity result of unit
  key measure: code
  key number: count[0..1000]
fact result.fits: yes_no may be unknown
fact result.first: yes_no may be unknown
fact result.got: points[0..10] may be unknown
fact result.since: date may be unknown
parameter six: count[0..10]
select best from result
  cites "42 CFR 414.1380(b)(1)(i)"
  where fits
  best places
  by first descending, got descending
  ties by measure, number
select best_six from result
  cites "42 CFR 414.1380(b)(1)(i)"
  best params.six
  by got descending
  ties by measure, number
select doubled from result
  cites "42 CFR 414.1380(b)(1)(i)"
  best places * 2
  by got ascending
  ties by measure, number
select best_of_measure from result
  cites "42 CFR 414.1380(b)(1)(i)"
  where fits
  per measure
  best 1
  by got descending
  ties by number, measure
select everyone from result
  cites "42 CFR 414.1380(b)(1)(i)"
  where fits
  best all
  ties by measure, number
select earliest from result
  cites "42 CFR 414.1380(b)(1)(i)"
  best 1
  by since ascending
  ties by measure, number
select per_first from result
  cites "42 CFR 414.1380(b)(1)(i)"
  where fits
  per first
  best 1
  by got descending
  ties by measure, number
"""
YEAR = f"""parameters:
  six: {{value: 6, unit: count, {CITE}}}
"""


def rows(*results: dict[str, object]) -> list[dict[str, object]]:
    """Records with made-up keys, in the order given."""
    return [{"measure": "m", "number": at, **row} for at, row in enumerate(results)]


def decisions(rule: str, results: list[dict[str, object]], **facts: object) -> list[str]:
    """The winners in the order of the records; `?` where it is not determined."""
    found = small(RULES, YEAR).decisions(rule, result=results, **facts)
    keys = [f"{row['measure']},{row['number']}" for row in results]
    for winner, value in found.values():
        assert value is (winner == "selected") if winner else isinstance(value, Unknown)
    return [found[key][0] or "?" for key in keys]


def chosen(rule: str, results: list[dict[str, object]], **facts: object) -> list[int]:
    """The places of those that are selected, all being determined."""
    found = decisions(rule, results, **facts)
    assert "?" not in found
    return [at for at, winner in enumerate(found) if winner == "selected"]


def test_best_by_several_keys() -> None:
    results = rows(
        {"fits": True, "first": False, "got": 10},
        {"fits": True, "first": True, "got": 3},
        {"fits": True, "first": False, "got": 9},
        {"fits": False, "first": True, "got": 10},
        {"fits": True, "first": False, "got": "#9.5"},
    )
    # Yes sorts above no: the first of the list is the one with `first`, though it has least points.
    assert chosen("best", results, places=1) == [1]
    assert chosen("best", results, places=3) == [0, 1, 4]
    assert decisions("best", results, places=2) == [
        "selected", "selected", "passed_over", "not_considered", "passed_over",
    ]  # fmt: skip
    assert chosen("best", results, places=0) == []


def test_the_number_may_be_a_figure_or_an_expression() -> None:
    each: list[dict[str, object]] = [{"got": points} for points in range(1, 9)]
    results = rows(*each)
    assert chosen("best_six", results) == [2, 3, 4, 5, 6, 7]
    assert chosen("doubled", results, places=2) == [0, 1, 2, 3]  # ascending: the least
    assert chosen("doubled", results, places=4) == list(range(8))


def test_fewer_candidates_than_places() -> None:
    results = rows({"got": 1}, {"got": 2})
    assert chosen("best_six", results) == [0, 1]
    assert chosen("best_six", []) == []


def test_ties_are_broken_by_keys_ascending() -> None:
    results: list[dict[str, object]] = [
        {"measure": name, "number": number, "got": 5, "fits": True}
        for name, number in (("b", 1), ("a", 10), ("a", 9), ("a", 100), ("b", 0))
    ]
    # a before b, then by number: 9, 10, 100; as texts 10 and 100 would come before 9.
    assert chosen("best", [{**r, "first": False} for r in results], places=1) == [2]
    assert chosen("best", [{**r, "first": False} for r in results], places=2) == [1, 2]
    assert chosen("best", [{**r, "first": False} for r in results], places=3) == [1, 2, 3]
    assert chosen("best", [{**r, "first": False} for r in results], places=4) == [1, 2, 3, 4]


def test_groups() -> None:
    results: list[dict[str, object]] = [
        {"measure": "a", "number": 1, "got": 3, "fits": True},
        {"measure": "b", "number": 1, "got": 9, "fits": True},
        {"measure": "a", "number": 2, "got": 4, "fits": True},
        {"measure": "a", "number": 3, "got": 10, "fits": False},
        {"measure": "b", "number": 2, "got": 9, "fits": True},
    ]
    assert chosen("best_of_measure", results) == [1, 2]
    assert chosen("everyone", results) == [0, 1, 2, 4]


def test_units_do_not_compete() -> None:
    units_of_a_program = "entity program\nentity unit of program\nkey tin: code\n"
    rules = RULES.replace("entity unit\n", units_of_a_program)
    units: list[dict[str, object]] = [
        {"tin": tin, "places": 1, "result": rows({"fits": True, "first": False, "got": got})}
        for tin, got in (("1", 3), ("2", 9))
    ]
    found = small(rules, YEAR).decisions("best", unit=units)
    assert {key: winner for key, (winner, _) in found.items()} == {
        "1,m,0": "selected", "2,m,0": "selected",
    }  # fmt: skip


def test_dates() -> None:
    results = rows(
        {"since": datetime.date(2020, 1, 2)}, {"since": datetime.date(2019, 12, 31)},
        {"since": datetime.date(2020, 1, 1)},
    )  # fmt: skip
    assert chosen("earliest", results) == [1]


# --- unknown facts --------------------------------------------------------------------------------


def test_everybody_is_selected_whatever_the_order() -> None:
    assert chosen("best_six", rows({}, {}, {"got": 3})) == [0, 1, 2]
    assert chosen("best", rows({"fits": True}, {"fits": True, "got": 1}), places=2) == [0, 1]


def test_the_order_is_not_known() -> None:
    results = rows({"fits": True, "first": False, "got": 3}, {"fits": True, "first": False})
    assert decisions("best", results, places=1) == ["?", "?"]
    found = small(RULES, YEAR).decisions("best", result=results, places=1)
    assert needs(found["m,0"][1]) == {"result[m,1].got"}
    # Who is surely not considered stays so, and what is unknown of it does not matter.
    results = rows({"fits": True, "first": False, "got": 3}, {"fits": False})
    assert decisions("best", results, places=1) == ["selected", "not_considered"]


def test_whether_it_is_considered_is_not_known() -> None:
    results = rows({"fits": True, "first": False, "got": 3}, {"first": False, "got": 1})
    assert decisions("best", results, places=2) == ["selected", "?"]
    assert decisions("best", results, places=1) == ["?", "?"]
    assert decisions("everyone", results) == ["selected", "?"]


def test_how_many_is_not_known() -> None:
    results = rows({"fits": True, "first": False, "got": 3})
    assert decisions("best", results) == ["?"]
    found = small(RULES, YEAR).decisions("best", result=results)
    assert needs(found["m,0"][1]) == {"unit.places"}
    assert decisions("best", []) == []


def test_the_group_is_not_known() -> None:
    results = rows(
        {"fits": True, "first": True, "got": 1}, {"fits": True, "got": 2},
        {"fits": False},
    )  # fmt: skip
    assert decisions("per_first", results) == ["?", "?", "not_considered"]
    # Alone, it is the best of whichever group it is in.
    assert decisions("per_first", rows({"fits": True, "got": 2})) == ["selected"]


# --- against brute force --------------------------------------------------------------------------

STATES = st.fixed_dictionaries(
    {
        "fits": st.sampled_from([True, True, False, None]),
        "first": st.sampled_from([True, False, None]),
        "got": st.sampled_from([0, 1, 2, 2, None]),
    }
)


def plain(results: list[dict[str, Any]], places: int) -> list[str]:
    """The select `best` of facts that are all known, in plain words."""
    ranked = sorted(
        (at for at, row in enumerate(results) if row["fits"]),
        key=lambda at: (not results[at]["first"], -results[at]["got"], at),
    )
    return [
        "selected" if at in ranked[:places] else "passed_over" if at in ranked else "not_considered"
        for at in range(len(results))
    ]


@settings(max_examples=400, deadline=None)
@given(st.lists(STATES, max_size=4), st.integers(0, 3))
def test_determined_is_the_same_whatever_the_unknown_facts_are(
    results: list[dict[str, Any]], places: int
) -> None:
    domain: dict[str, tuple[Any, ...]] = {
        "fits": (True, False), "first": (True, False), "got": (0, 1, 2, 3),
    }  # fmt: skip
    choices = [
        itertools.product(
            *(each if row[name] is None else (row[name],) for name, each in domain.items())
        )
        for row in results
    ]
    found = decisions("best", rows(*results), places=places)
    if all(v is not None for row in results for v in row.values()):
        assert found == plain(results, places)
    for completion in itertools.islice(itertools.product(*choices), 300):
        full = [dict(zip(domain, values, strict=True)) for values in completion]
        for one, other in zip(found, plain(full, places), strict=True):
            assert one in ("?", other)


def test_the_order_of_the_records_does_not_matter() -> None:
    results = [
        {"measure": name, "number": number, "got": got, "fits": True, "first": first}
        for name, number, got, first in (
            ("a", 1, 5, False), ("a", 2, 5, False), ("b", 1, 5, True), ("c", 1, 9, False),
        )
    ]  # fmt: skip
    expected: dict[str, tuple[str, Known]] | None = None
    for order in itertools.permutations(results):
        found = small(RULES, YEAR).decisions("best", result=list(order), places=2)
        expected = expected or found
        assert found == expected
    assert expected is not None
    assert [key for key, (winner, _) in expected.items() if winner == "selected"] == ["b,1", "c,1"]
