"""Traces: nothing unexplained between an outcome and the facts and citations that it rests on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evaluate.conftest import evaluator_of
from evaluate.small import CITE, Small, small
from finalrule.core import ir
from finalrule.diagnostics import Failure
from finalrule.evaluate.explain import explain, explain_why_not, reasons
from finalrule.evaluate.generate import Generator
from finalrule.evaluate.outcomes import OutcomeName, winners
from finalrule.evaluate.reading import MAXIMUM_RECORDS_SHOWN
from finalrule.evaluate.trace import trace

SCHEMA = Path(__file__).parents[2] / "grammar" / "trace.schema.json"
VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
POLICIES = ("2019-final", "2020-proposed", "2020-final")


def traced(program: Small, *names: str, **facts: object) -> dict[str, dict[str, Any]]:
    """The entries of a trace by their outcome."""
    evaluation = program.evaluate(**facts)
    wanted = [OutcomeName(name, ()) for name in names]
    data = trace(program.evaluator, evaluation, *wanted)
    VALIDATOR.validate(data)
    return {entry["outcome"]: entry for entry in data["outcomes"]}


def why_not(entry: dict[str, Any], name: str) -> list[str]:
    found = explain_why_not(entry, name)
    assert found is not None
    return found.split("\n")


# --- clauses --------------------------------------------------------------------------------------

CHOICE = """entity unit
fact unit.a: yes_no may be unknown
fact unit.x: points[0..100] may be unknown
fact unit.y: points[0..100] may be unknown
fact unit.way: one of {paper, wire} absent means paper cites "42 CFR 414.1320"
parameter limit: points[0..100]
rounding whole of points
type size: one of {small, middle, large}
rule kind for unit: size
  title "How large it is"
  cites "42 CFR 414.1305"
  let is_small = x < params.limit
  let wired = way is wire and a
  clause small: small when is_small because "below the limit"
    cites "42 CFR 414.1305 (small practice)"
  clause wired: large when wired and not is_small
  clause rest: middle otherwise
rule shown for unit: points[0..100]
  cites "42 CFR 414.1380"
  clause taken: round(y / 3, whole) when kind is small
  clause other: 1 point otherwise
"""
CHOICE_YEAR = f"""parameters:
  limit: {{value: 10 points, unit: points, {CITE}}}
rounding:
  whole: {{places: 0, mode: half_up, unit: points, {CITE}, unverified: true}}
"""


def test_the_whole_of_an_entry() -> None:
    program = small(CHOICE, CHOICE_YEAR)
    entries = traced(program, "shown", x=5, y="#7.5", a=True)
    assert list(entries) == ["kind", "shown"]  # what is read stands before what reads it
    entry = entries["kind"]
    place = {rule.name: rule.place for rule in program.evaluator.program.rules}["kind"]
    assert entry == {
        "outcome": "kind",
        "rule": "kind",
        "kind": "rule",
        "title": "How large it is",
        "entity": "unit",
        "cites": ["42 CFR 414.1305"],
        "place": str(place),
        "keys": [],
        "values": {"": {"text": "small"}},
        "decided_by": {
            "name": "small",
            "place": entry["decided_by"]["place"],
            "because": "below the limit",
            "cites": ["42 CFR 414.1305 (small practice)"],
            "when": "is_small (yes)",
            "gives": "small",
        },
        "others": [
            {"name": "wired", "failed": ["wired (no)", "not is_small (yes)"]},
            {"name": "rest", "failed": ["no other clause holds (small does)"]},
        ],
        "lets": [
            {
                "name": "is_small", "text": "yes",
                "says": "x (5 points) < params.limit (10 points)",
            },
            {"name": "wired", "text": "no", "says": "way (paper) is wire and a (yes)"},
        ],
        "facts": [
            {"name": "unit.a", "text": "yes", "from": "test"},
            {"name": "unit.way", "text": "paper", "from": "absent"},
            {"name": "unit.x", "text": "5 points", "exact": "5", "from": "test"},
        ],
        "parameters": [
            {
                "name": "limit", "text": "10 points", "exact": "10", "cite": "42 CFR 414.1380",
                "place": entry["parameters"][0]["place"],
            },
        ],
    }  # fmt: skip
    assert "2020/final.yaml:9:" in entry["parameters"][0]["place"]
    # 7.5 / 3 = 2.5: half up.
    entry = entries["shown"]
    assert entry["values"][""] == {"text": "3 points", "exact": "3"}
    assert entry["reads"] == ["kind"]
    (rounding,) = entry["roundings"]
    assert (rounding["name"], rounding["places"], rounding["mode"], rounding["unverified"]) == (
        "whole", 0, "half_up", True,
    )  # fmt: skip


def test_an_undetermined_clause_says_what_is_open() -> None:
    entry = traced(small(CHOICE, CHOICE_YEAR), "kind", way="wire", x=20)["kind"]
    assert "decided_by" not in entry
    assert entry["values"][""] == {"text": "undetermined", "needs": ["unit.a"]}
    assert entry["others"] == [
        {"name": "small", "failed": ["is_small (no)"]},
        {"name": "wired", "undetermined": ["wired (undetermined)"]},
        {"name": "rest", "undetermined": ["whether no other clause holds (wired may)"]},
    ]
    assert {"name": "unit.a", "text": "unknown"} in entry["facts"]
    assert why_not(entry, "wired") == [
        "kind: clause wired is undetermined, because this is:",
        "  wired (undetermined)",
        "    wired = undetermined: way (wire) is wire and a (undetermined)",
    ]


def test_a_clause_decides_though_its_value_is_not_determined() -> None:
    entry = traced(small(CHOICE, CHOICE_YEAR), "shown", x=5)["shown"]
    assert entry["values"][""] == {"text": "undetermined", "needs": ["unit.y"]}
    assert entry["decided_by"]["name"] == "taken"
    assert entry["decided_by"]["gives"] == "round(y (undetermined) / 3, whole)"
    assert [other["name"] for other in entry["others"]] == ["other"]
    assert why_not(entry, "taken") == [
        "shown: clause taken did decide, but its value is undetermined."
    ]


def test_why_not_a_clause() -> None:
    entry = traced(small(CHOICE, CHOICE_YEAR), "kind", x=5, a=True)["kind"]
    assert why_not(entry, "wired") == [
        "kind: clause wired did not decide, because this does not hold:",
        "  wired (no)",
        "  not is_small (yes)",
        "    is_small = yes: x (5 points) < params.limit (10 points)",
        "    wired = no: way (paper) is wire and a (yes)",
    ]
    assert why_not(entry, "small") == ["kind: clause small did decide."]
    assert explain_why_not(entry, "big") is None
    # As data the same.
    assert reasons(entry, "rest") == {
        "name": "rest", "decided": False, "failed": ["no other clause holds (small does)"],
    }  # fmt: skip
    assert reasons(entry, "small") == {"name": "small", "decided": True}
    assert reasons(entry, "big") is None


# --- tables, curves, deciles, selects -------------------------------------------------------------

OTHERS = """entity unit
fact unit.a: yes_no may be unknown
fact unit.size: count[0..1000] may be unknown
fact unit.score: points[0..100] may be unknown
fact unit.scaling: ratio[0..3] may be unknown
fact unit.measure: code may be unknown
fact unit.rate: rate[0..100] may be unknown
parameter threshold: points[0..100]
rounding partial of points
table weights for unit
  cites "42 CFR 414.1380"
  given first: yes_no = a
  given people: count[0..1000] = size
  where first or people > 0
  outside gives 0%
  gives share: percent[0..100]
curve factor for unit: percent[-9..27]
  cites "42 CFR 414.1405"
  of score
  let t = params.threshold
  piece below: from 0 points up_to t: line (0 points, -9%) to (t, 0%)
  piece above_it: from t through 100 points: line (t, 0%) to (100 points, 9% * scaling)
catalogue bench by (measure: code)
  field inverse: yes_no
  bounds deciles: rate inverse by inverse
deciles points for unit: points[0..10]
  cites "42 CFR 414.1380"
  of rate
  in bench by (measure)
  rounding partial
  below gives 0 points
  none gives 3 points
"""
OTHERS_YEAR = f"""parameters:
  threshold: {{value: 45 points, unit: points, {CITE}}}
rounding:
  partial: {{places: 4, mode: half_up, unit: points, {CITE}}}
tables:
  weights:
    {CITE}
    rows:
      all: {{first: yes, people: any, share: 100%}}
      few: {{first: no, people: '<= 15', share: 50%}}
      many: {{first: no, people: '> 15', share: 25%}}
catalogues:
  bench: {{path: bench.csv, {CITE}}}
"""
BENCH = """measure,inverse,d1,d2,d3,d4,d5,d6,d7,d8,d9,d10
1,no,,10,20,30,40,50,60,70,80,90
2,yes,,90,80,70,60,50,40,30,20,10
"""


@pytest.fixture(scope="module")
def others() -> Small:
    return small(OTHERS, OTHERS_YEAR, BENCH)


def failed(entry: dict[str, Any]) -> dict[str, list[str]]:
    return {one["name"]: one.get("failed", one.get("undetermined")) for one in entry["others"]}


def test_table(others: Small) -> None:
    entry = traced(others, "weights", a=False, size=16)["weights"]
    assert entry["decided_by"]["name"] == "many"
    assert entry["decided_by"]["cites"] == ["42 CFR 414.1380"]
    assert failed(entry) == {
        "all": ["first is yes (no)"],
        "few": ["people <= 15 (16)"],
        "outside": ["outside of the table's domain: not (first (no) or people (16) > 0)"],
    }
    assert why_not(entry, "few")[0] == (
        "weights: row few did not decide, because this does not hold:"
    )
    # outside of the domain
    entry = traced(others, "weights", a=False, size=0)["weights"]
    assert entry["decided_by"]["name"] == "outside"
    said = ["first (no) or people (0) > 0"]
    assert failed(entry) == {"all": said, "few": said, "many": said}
    # not determined: what is open of each row, and what surely does not hit
    entry = traced(others, "weights", a=False)["weights"]
    assert "decided_by" not in entry
    assert entry["others"][:2] == [
        {"name": "all", "failed": ["first is yes (no)"]},
        {"name": "few", "undetermined": ["people <= 15 (undetermined)"]},
    ]


def test_curve(others: Small) -> None:
    entry = traced(others, "factor", score=60, scaling="#0.5")["factor"]
    assert (entry["of"], entry["at"]) == ("score (60 points)", {"text": "60 points", "exact": "60"})
    assert entry["decided_by"]["gives"] == (
        "from t (45 points) through 100 points: line from (t (45 points), 0%) "
        "to (100 points, 9% * scaling (0.5))"
    )
    assert failed(entry) == {"below": ["score (60 points) is from 0 points up to t (45 points)"]}
    # the piece is known, its value is not
    entry = traced(others, "factor", score=60)["factor"]
    assert entry["decided_by"]["name"] == "above_it"
    assert entry["values"][""]["needs"] == ["unit.scaling"]
    # nothing is known
    entry = traced(others, "factor")["factor"]
    assert "decided_by" not in entry
    assert all("undetermined" in other for other in entry["others"])
    assert entry["at"] == {"text": "undetermined", "needs": ["unit.score"]}


def test_deciles(others: Small) -> None:
    entry = traced(others, "points", measure="1", rate=74)["points"]
    assert entry["decided_by"]["name"] == "decile_8"
    assert entry["decided_by"]["gives"] == "8 + (74 - 70) / (80 - 70), rounded by partial"
    assert entry["bounds"] == {
        "inverse": False,
        "lower": [None, "10", "20", "30", "40", "50", "60", "70", "80", "90"],
    }
    assert [r["name"] for r in entry["roundings"]] == ["partial"]
    assert [r["keys"] for r in entry["catalogue"]] == [["1"]]
    assert "unit.measure" in [fact["name"] for fact in entry["facts"]]
    reasons = failed(entry)
    assert reasons["decile_9"] == ["rate (74) >= 80"]
    assert reasons["decile_10"] == ["rate (74) >= 90"]
    assert reasons["decile_7"] == ["rate (74) < 70"]  # it would have to miss the next
    assert reasons["decile_1"] == ["decile 1 has a bound"]
    assert reasons["below"] == ["rate (74) < 10"]
    assert reasons["none"] == ["bench[1] has no bounds"]
    assert why_not(entry, "decile_9")[0].startswith("points: decile_9 did not decide")
    # lower is better
    reasons = failed(traced(others, "points", measure="2", rate=45)["points"])
    assert (reasons["decile_7"], reasons["decile_5"]) == (["rate (45) <= 40"], ["rate (45) > 50"])
    # the ends
    entry = traced(others, "points", measure="1", rate=95)["points"]
    assert (entry["decided_by"]["name"], entry["decided_by"]["gives"]) == ("decile_10", "10")
    assert "roundings" not in entry
    entry = traced(others, "points", measure="1", rate=9)["points"]
    assert (entry["decided_by"]["name"], entry["decided_by"]["gives"]) == ("below", "0 points")
    assert failed(entry)["decile_2"] == ["rate (9) >= 10"]
    entry = traced(others, "points", measure="9")["points"]
    assert (entry["decided_by"]["name"], entry["decided_by"]["gives"]) == ("none", "3 points")
    assert failed(entry)["decile_2"] == ["bench[9] has bounds"]
    # not determined
    entry = traced(others, "points", measure="1")["points"]
    assert entry["others"][-1] == {"name": "none", "failed": ["bench[1] has no bounds"]}
    assert failed(entry)["decile_2"] == ["rate (undetermined)"]
    assert failed(traced(others, "points", rate=9)["points"])["none"] == [
        "which record of bench it is"
    ]


SELECT = """entity unit
entity result of unit
  key id: code
fact result.fits: yes_no may be unknown
fact result.got: points[0..1000] may be unknown
parameter two: count[0..10]
select best from result
  cites "42 CFR 414.1380"
  let doubled = got * 2
  where fits
  best params.two
  by doubled descending
  ties by id
rule total for unit: points[0..1000000]
  cites "42 CFR 414.1380"
  clause it: sum(got over result where best) always
"""
SELECT_YEAR = f"parameters:\n  two: {{value: 2, unit: count, {CITE}}}\n"


def selected(*got: int | None, unfit: int = 0) -> dict[str, dict[str, Any]]:
    results: list[dict[str, object]] = [
        {"id": chr(97 + at), "fits": True, "got": points} for at, points in enumerate(got)
    ]
    results += [{"id": f"unfit{at}", "fits": False, "got": 5} for at in range(unfit)]
    return traced(small(SELECT, SELECT_YEAR), "total", result=results)


def test_select() -> None:
    entries = selected(3, 9, 7, unfit=1)
    entry = entries["best[a]"]
    assert entry["decided_by"]["name"] == "passed_over"
    assert entry["best"] == "params.two (2)"
    # best first, each with what it was ranked by; the lets are the record's own
    assert [(one["keys"], one["outcome"]) for one in entry["rivals"]] == [
        (["b"], "selected"), (["c"], "selected"), (["a"], "passed_over"),
    ]  # fmt: skip
    assert [one["ranked"][0]["text"] for one in entry["rivals"]] == [
        "18 points", "14 points", "6 points",
    ]  # fmt: skip
    assert entry["rivals"][0]["ranked"][0]["by"] == "doubled"
    assert entry["lets"] == [
        {"name": "doubled", "text": "6 points", "exact": "6", "says": "got (3 points) * 2"}
    ]
    # what the others were ranked by is read too
    assert {"result[a].got", "result[b].got"} <= {fact["name"] for fact in entry["facts"]}
    assert failed(entry) == {
        "selected": ["it is 3 of 3, within the best params.two (2)"],
        "not_considered": ["not (fits (yes))"],
    }
    assert failed(entries["best[b]"])["passed_over"] == [
        "it is 1 of 3, beyond the best params.two (2)"
    ]
    entry = entries["best[unfit0]"]
    assert entry["decided_by"]["name"] == "not_considered"
    assert failed(entry) == {"selected": ["fits (no)"], "passed_over": ["fits (no)"]}


def test_select_that_is_not_determined() -> None:
    results: list[dict[str, object]] = [
        {"id": "a", "fits": True, "got": 3}, {"id": "b", "fits": True}, {"id": "c", "got": 1},
    ]  # fmt: skip
    entry = traced(small(SELECT, SELECT_YEAR), "total", result=results)["best[a]"]
    assert "decided_by" not in entry
    assert entry["values"][""]["needs"] == ["result[b].got", "result[c].fits"]
    assert [(one["keys"], one["outcome"], one.get("where")) for one in entry["rivals"]] == [
        (["a"], "", None), (["b"], "", None), (["c"], "", "fits (undetermined)"),
    ]  # fmt: skip


def test_of_very_many_records_the_others_are_counted() -> None:
    many = MAXIMUM_RECORDS_SHOWN + 50
    results = [{"id": f"{at:04}", "fits": True, "got": at} for at in range(many)]
    entries = traced(small(SELECT, SELECT_YEAR), "total", result=results)
    assert entries["total"]["left_out"] == {"result": 50}
    entry = entries["best[0000]"]  # the least of them is last
    assert len(entry["rivals"]) == MAXIMUM_RECORDS_SHOWN
    assert entry["left_out"] == {"result": 50}
    assert entry["rivals"][0]["keys"] == [f"{many - 1:04}"]
    assert entry["rivals"][-1]["keys"] == ["0000"]
    assert failed(entry)["selected"][0].startswith(f"it is {many} of {many}")
    evaluation = small(SELECT, SELECT_YEAR).evaluate(result=results)
    data = trace(small(SELECT, SELECT_YEAR).evaluator, evaluation, OutcomeName("total", ()))
    assert "50 more records of result that are not shown" in explain(data, 0)


# --- the real policies ----------------------------------------------------------------------------


@cache
def generator_of(policy: str) -> Generator:
    evaluator = evaluator_of(policy)
    return Generator(evaluator.program, evaluator.catalogues)


def names_of(entry: dict[str, Any]) -> Iterator[str]:
    if "decided_by" in entry:
        yield entry["decided_by"]["name"]
    for other in entry.get("others", ()):
        yield other["name"]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(POLICIES), st.integers(0, 10**6))
def test_traces_are_whole(policy: str, number: int) -> None:
    """Of every outcome of a random case: the schema holds, all that could decide is named once,
    what is read is there, and every value has its origin."""
    evaluator = evaluator_of(policy)
    try:
        evaluation = evaluator.evaluate(generator_of(policy).case(f"trace {number}"))
    except Failure:
        assume(False)
        raise
    wanted = [OutcomeName(rule, frame.path) for rule, frame in evaluation.decisions]
    data = trace(evaluator, evaluation, *wanted)
    VALIDATOR.validate(data)
    assert len(data["outcomes"]) == len(evaluation.decisions)
    earlier: set[str] = set()
    for entry in data["outcomes"]:
        assert set(entry.get("reads", ())) <= earlier
        earlier.add(entry["outcome"])
        frame = next(
            frame for rule, frame in evaluation.decisions
            if rule == entry["rule"] and list(frame.path) == entry["keys"]
        )  # fmt: skip
        decision = evaluation.decisions[entry["rule"], frame]
        rule = evaluator.rules[entry["rule"]]
        if decision.winner:
            assert entry["decided_by"]["name"] == decision.winner
        if not isinstance(rule, ir.Select):
            assert sorted(names_of(entry)) == sorted(winners(rule)), entry["outcome"]
        for fact in entry.get("facts", ()):
            assert ("from" in fact) != (fact["text"] in ("unknown", "points at no record"))
        for shown in entry["values"].values():
            if "exact" in shown:
                Fraction(shown["exact"])
    # As text, each outcome is shown once and no more than named again.
    heads = re.findall(r"^ *(\S+) = .*?(\(shown above\))?$", explain(data), re.M)
    shown_once = [name for name, again in heads if name in earlier and not again]
    assert sorted(shown_once) == sorted(earlier)
