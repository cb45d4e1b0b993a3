"""The description of rulesets: what durable-rules gets, and what is refused before it gets it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from finalrule.runtime.ruleset import (
    OPEN,
    PHASE,
    RECORD,
    STEP,
    Comparison,
    EngineRule,
    Pattern,
    Ruleset,
    definition,
    name_hash,
    problems,
)

KNOWN = EngineRule("d.1", "d", "yes", 1, (Pattern(RECORD, (Comparison("x", ">=", 3),)),))
UNDETERMINED = EngineRule(
    "d.undetermined", "d", "", 0,
    (Pattern(PHASE, (Comparison(STEP, "==", 1),)), Pattern("d", negated=True)),
)  # fmt: skip


NOTHING = UNDETERMINED.patterns[1]


def record(name: str, limit: int) -> Pattern:
    return Pattern(RECORD, (Comparison(name, ">", limit),))


def ruleset(*rules: EngineRule, inputs: tuple[str, ...] = ("x",)) -> Ruleset:
    return Ruleset("small", "unit", inputs, ("d",), 1, rules or (KNOWN, UNDETERMINED))


def test_the_definition_has_a_sentinel_and_tests_types_first() -> None:
    assert definition(ruleset()) == {
        OPEN: {"all": [{"m0": {"_t": OPEN}}]},
        "d.1": {"all": [{"m0": {"$and": [{"_t": RECORD}, {"$gte": {"x": 3}}]}}]},
        "d.undetermined": {
            "all": [
                {"m0": {"$and": [{"_t": PHASE}, {STEP: 1}]}},
                {"m1$not": {"_t": "d"}},
            ]
        },
    }


def test_hashes_are_fnv_1a() -> None:
    # Published test vectors of the 32-bit FNV-1a hash.
    assert name_hash("") == 0x811C9DC5
    assert name_hash("a") == 0xE40C292C
    assert name_hash("foobar") == 0xBF9CF968


def test_a_good_ruleset_has_no_problem() -> None:
    assert problems(ruleset()) == []


def test_names_with_one_hash_are_found() -> None:
    # Found by trying names: both have the same 32 bits, so that the engine takes them for one.
    twins = ("unit__fact_412789", "unit__fact_649192")
    assert name_hash(twins[0]) == name_hash(twins[1])
    (problem,) = problems(ruleset(UNDETERMINED, inputs=twins))
    assert twins[0] in problem and twins[1] in problem


def changed(rule: EngineRule, **parts: Any) -> EngineRule:
    return msgspec.structs.replace(rule, **parts)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        # Negation that is not behind a phase fact: a pending firing is not withdrawn.
        (changed(UNDETERMINED, patterns=(KNOWN.patterns[0], NOTHING)), "behind a phase"),
        # More than 16 facts joined: error 304 of the engine.
        (changed(KNOWN, patterns=KNOWN.patterns + 16 * (Pattern("d"),)), "17 facts joined"),
        (changed(KNOWN, patterns=(record("x", 2**53),)), "beyond 2**53"),
        # Tests that no fact could ever meet.
        (changed(KNOWN, patterns=(record("y", 1),)), "has no y"),
        (changed(KNOWN, patterns=(Pattern("e"),)), "no facts of type e"),
    ],
)  # fmt: skip
def test_what_leaves_the_exact_part_is_found(bad: EngineRule, said: str) -> None:
    (problem,) = problems(ruleset(bad))
    assert said in problem


def test_a_rule_of_negations_only_is_found() -> None:
    found = problems(ruleset(changed(UNDETERMINED, patterns=(NOTHING,))))
    assert "rule d.undetermined: a rule of negations only never starts" in found


def test_more_rules_than_may_match_one_fact_are_found() -> None:
    rules = tuple(changed(KNOWN, name=f"d.{n}") for n in range(65))
    assert problems(ruleset(*rules)) == ["65 rules: one fact may match at most 64"]
    assert problems(ruleset(*rules[:64])) == []


def test_more_properties_than_a_fact_may_have_are_found() -> None:
    inputs = tuple(f"x{n}" for n in range(241))
    (problem,) = problems(ruleset(UNDETERMINED, inputs=inputs))
    assert "241 properties" in problem
