"""durable-rules by our own loop: each measured defect, and rulesets against a plain reading.

The numbers in names and comments are those of the measured defects: what goes wrong when the engine
is used as its documentation says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finalrule.runtime import durable
from finalrule.runtime.durable import Concluded, Engine, EngineError, unavailable
from finalrule.runtime.ruleset import (
    PHASE,
    RECORD,
    RESULT,
    STEP,
    Comparison,
    EngineRule,
    Pattern,
    Ruleset,
    definition,
)

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable() or "available")

INPUTS = ("x", "y")


def record(*tests: Comparison) -> Pattern:
    return Pattern(RECORD, tests)


def result(name: str, *tests: Comparison) -> Pattern:
    return Pattern(name, tests)


def rule(name: str, number: int, *patterns: Pattern, to: str) -> EngineRule:
    return EngineRule(name, to, f"clause_{number}", number, patterns)


def undetermined(name: str, step: int) -> EngineRule:
    phase = Pattern(PHASE, (Comparison(STEP, "==", step),))
    return EngineRule(f"{name}.undetermined", name, "", 0, (phase, Pattern(name, negated=True)))


def ruleset(*rules: EngineRule, phases: int = 1) -> Ruleset:
    names = tuple(dict.fromkeys(one.determination for one in rules))
    return Ruleset("small", "unit", INPUTS, names, phases, rules)


def run(made: Ruleset, *records: tuple[int, ...]) -> list[Concluded]:
    engine = Engine([made])
    try:
        return engine.fire(0, records)
    finally:
        engine.close()


def names(made: Ruleset, concluded: Concluded) -> list[str]:
    return [made.rules[fired.rule].name for fired in concluded.fired]


# --- a plain reading of rulesets -----------------------------------------------------------------

_HOLDS = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def plainly(made: Ruleset, values: Sequence[int]) -> dict[str, set[int]]:
    """What a ruleset concludes, read step by step: in each phase, what holds is added until nothing
    is added any more; then those without a conclusion are undetermined."""
    facts: dict[str, set[int]] = {}
    own = dict(zip(made.inputs, values, strict=True))

    def meets(pattern: Pattern) -> bool:
        if pattern.type == RECORD:
            return all(_HOLDS[t.op](own[t.name], t.value) for t in pattern.tests)
        return any(
            all(_HOLDS[t.op](number, t.value) for t in pattern.tests)
            for number in facts.get(pattern.type, ())
        )

    def settle() -> None:
        before = None
        while before != (before := {name: set(found) for name, found in facts.items()}):
            for one in made.rules:
                if one.clause and all(meets(pattern) for pattern in one.patterns):
                    facts.setdefault(one.determination, set()).add(one.result)

    settle()
    for step in range(1, made.phases + 1):
        for one in made.rules:
            if not one.clause and one.patterns[0].tests[0].value == step:
                facts.setdefault(one.determination, {0})
        settle()
    return facts


records = st.tuples(st.integers(-3, 5), st.integers(-3, 5))
ops = st.sampled_from(tuple(_HOLDS))
of_records = st.builds(Comparison, st.sampled_from(INPUTS), ops, st.integers(-2, 4))
of_results = st.builds(Comparison, st.just(RESULT), ops, st.integers(0, 4))


@st.composite
def rulesets(draw: st.DrawFn) -> Ruleset:
    """Determinations d1, d2 ... in dependency order, each with clauses over the record and over the
    determinations before it."""
    count = draw(st.integers(1, 5))
    made: list[EngineRule] = []
    depth: dict[str, int] = {}
    for place in range(1, count + 1):
        name = f"d{place}"
        used: set[str] = set()
        for number in range(1, draw(st.integers(1, 4)) + 1):
            patterns = [record(*draw(st.lists(of_records, max_size=3)))]
            for other in draw(st.sets(st.sampled_from(sorted(depth)), max_size=3)) if depth else ():
                used.add(other)
                patterns.append(result(other, *draw(st.lists(of_results, max_size=2))))
            kept = patterns[1:] if len(patterns) > 1 and draw(st.booleans()) else patterns
            made.append(rule(f"{name}.{number}", number, *kept, to=name))
        depth[name] = 1 + max((depth[other] for other in used), default=0)
        made.append(undetermined(name, depth[name]))
    return ruleset(*made, phases=max(depth.values()))


@settings(max_examples=150, deadline=None)
@given(rulesets(), st.lists(records, min_size=1, max_size=8))
def test_rulesets_conclude_what_they_say(made: Ruleset, cases: list[tuple[int, int]]) -> None:
    """Also defects 2 (joins), 9 (disjunctions) and 12 (each record is determined afresh)."""
    for values, concluded in zip(cases, run(made, *cases), strict=True):
        got = {name: set(found) for name, found in concluded.results.items()}
        assert got == plainly(made, values)


# --- the defects --------------------------------------------------------------------------------


def test_1_a_negation_is_cancelled_in_whatever_order_rules_stand() -> None:
    excluded = rule("excluded.1", 1, record(Comparison("x", "==", 1)), to="excluded")
    others = [undetermined("excluded", 1), rule("status.1", 1, result("excluded"), to="status")]
    for order in permutations([excluded, *others, undetermined("status", 2)]):
        made = ruleset(*order, phases=2)
        yes, no = run(made, (1, 0), (0, 0))
        assert yes.results == {"excluded": (1,), "status": (1,)}
        assert no.results == {"excluded": (0,), "status": (1,)}


def test_2_8_10_11_tests_are_of_types_and_whole_numbers_only() -> None:
    both = record(Comparison("x", ">=", 3), Comparison("y", "!=", 0))
    made = ruleset(rule("d.1", 1, both, to="d"), undetermined("d", 1))

    def constants(part: Any) -> Iterator[Any]:
        if isinstance(part, Mapping):
            for value in part.values():
                yield from constants(value)
        elif isinstance(part, list):
            for value in part:
                yield from constants(value)
        else:
            yield part

    for one in definition(made).values():
        for pattern in one["all"]:
            ((_, test),) = pattern.items()
            parts = test.get("$and", [test])
            assert list(parts[0]) == ["_t"]
            assert all(type(constant) is int for constant in constants(parts[1:]))


def test_3_more_records_than_the_engine_has_sessions() -> None:
    """1,024 live sessions are the most; the next is a crash when they are not deleted."""
    made = ruleset(rule("d.1", 1, record(Comparison("x", ">", 0)), to="d"), undetermined("d", 1))
    concluded = run(made, *((number % 2, 0) for number in range(3000)))
    assert [one.results["d"] for one in concluded] == [(0,), (1,)] * 1500


def test_4_one_session_and_facts_counted_from_one(monkeypatch: pytest.MonkeyPatch) -> None:
    import durable_rules_engine

    asserted: list[dict[str, Any]] = []
    plain = durable_rules_engine.assert_fact

    def note(handle: int, fact: str) -> Any:
        asserted.append(json.loads(fact))
        return plain(handle, fact)

    monkeypatch.setattr(durable_rules_engine, "assert_fact", note)
    run(ruleset(rule("d.1", 1, record(), to="d"), undetermined("d", 1)), (1, 0), (2, 0))
    assert {fact["sid"] for fact in asserted} == {"s"}
    # The sentinel, the record, its conclusion and one phase: four facts for each record.
    assert [fact["id"] for fact in asserted] == ["f1", "f2", "f3", "f4"] * 2


def test_5_a_record_for_which_nothing_fires() -> None:
    made = ruleset(rule("d.1", 1, record(Comparison("x", ">", 0)), to="d"))
    assert run(made, (0, 0), (1, 0), (0, 0)) == [
        Concluded({}, ()),
        Concluded({"d": (1,)}, (durable.Fired(0, (RECORD,)),)),
        Concluded({}, ()),
    ]


def test_6_7_what_goes_wrong_in_the_loop_is_raised_and_the_next_record_is_as_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = Engine([ruleset(rule("d.1", 1, record(), to="d"), undetermined("d", 1))])
    with monkeypatch.context() as patched:
        patched.setattr(durable, "_MAXIMUM_FIRINGS", -1)
        with pytest.raises(EngineError, match="does not come to an end"):
            engine.fire(0, [(1, 0)])
    assert engine.fire(0, [(1, 0)])[0].results == {"d": (1,)}
    engine.close()


def test_9_a_disjunction_is_several_rules_with_one_conclusion() -> None:
    made = ruleset(
        rule("d.1", 1, record(Comparison("x", ">", 0)), to="d"),
        rule("d.2", 1, record(Comparison("y", ">", 0)), to="d"),
        rule("e.1", 1, result("d"), to="e"),
    )
    (both,) = run(made, (1, 1))
    assert both.results == {"d": (1,), "e": (1,)}
    # Each true branch is in the trace; what follows from the conclusion fires once.
    assert sorted(names(made, both)) == ["d.1", "d.2", "e.1"]


def test_10_numbers_are_told_apart_at_the_last_unit() -> None:
    """The engine compares floats inexactly; whole numbers below 2**53 are exact."""
    for limit in (0, 9_000_001, 2**53 - 1, -(2**53) + 2):
        made = ruleset(
            rule("d.1", 1, record(Comparison("x", ">=", limit)), to="d"), undetermined("d", 1)
        )
        below, at = run(made, (limit - 1, 0), (limit, 0))
        assert (below.results["d"], at.results["d"]) == ((0,), (1,))


def test_rules_that_contradict_each_other_are_both_told() -> None:
    made = ruleset(rule("d.1", 1, record(), to="d"), rule("d.2", 2, record(), to="d"))
    (one,) = run(made, (0, 0))
    assert sorted(one.results["d"]) == [1, 2]


def test_the_most_rules_that_one_fact_may_match() -> None:
    rules = [rule(f"d.{n}", 1, record(Comparison("x", "!=", n)), to="d") for n in range(1, 64)]
    made = ruleset(*rules, undetermined("d", 1))
    (one,) = run(made, (0, 0))
    assert one.results == {"d": (1,)} and len(one.fired) == 63


def test_more_matches_than_the_engine_takes_are_an_error() -> None:
    """What `problems` keeps out beforehand: the engine gives up at the 65th rule."""
    many = [rule(f"d.{n}", 1, record(Comparison("x", "!=", n)), to="d") for n in range(1, 66)]
    with pytest.raises(EngineError, match=r"ruleset small: .*error code: 303"):
        run(ruleset(*many), (0, 0))


def test_a_ruleset_that_the_engine_does_not_take_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import durable_rules_engine

    def refuse(name: str, text: str) -> int:
        raise durable_rules_engine.error("error code: 108")

    monkeypatch.setattr(durable_rules_engine, "create_ruleset", refuse)
    with pytest.raises(EngineError, match="ruleset small is not taken: error code: 108"):
        Engine([ruleset(rule("d.1", 1, record(), to="d"))])


def test_a_python_that_it_does_not_work_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable.sys, "version_info", (3, 13, 0))
    assert unavailable() == "durable-rules does not work with Python 3.13 or later"


def test_firings_come_in_the_same_order_each_time() -> None:
    rules = [rule(f"d{n}.1", 1, record(Comparison("x", ">=", n)), to=f"d{n}") for n in range(9)]
    made = ruleset(*rules)
    assert len({tuple(one.fired) for one in run(made, *[(5, 0)] * 20)}) == 1
