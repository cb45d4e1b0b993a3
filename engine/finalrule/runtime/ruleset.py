"""Rulesets as data: what the core is compiled to, and what makes durable-rules give exact answers.

A ruleset is run for one record of an entity. The record's facts, and what was computed before, are
one fact of type RECORD; each determination that is reached becomes a fact of its own, of the type
of the determination's name, with the number of the result in `v`. PHASE facts close one step of
the dependency order after the other: only behind them may a pattern be negated.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from finalrule.runtime.coding import EXACT_LIMIT

RECORD, PHASE, OPEN = "$record", "$phase", "$open"
TYPE, RESULT, STEP = "_t", "v", "n"

# Measured limits of durable-rules 2.0.28: what is beyond them hangs, fails or is not exact. No fact
# may match more than 64 rules at once, so that no ruleset has more.
MAXIMUM_RULES = 64
MAXIMUM_PATTERNS = 16
MAXIMUM_PROPERTIES = 240

Operator = Literal["==", "!=", "<", "<=", ">", ">="]
_WRITTEN = {"!=": "$neq", "<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}


class Comparison(msgspec.Struct, frozen=True):
    """A property of a fact against a constant."""

    name: str
    op: Operator
    value: int


class Pattern(msgspec.Struct, frozen=True):
    """A fact of a type that meets all tests; negated: there is none."""

    type: str
    tests: tuple[Comparison, ...] = ()
    negated: bool = False


class EngineRule(msgspec.Struct, frozen=True):
    """One rule as durable-rules has it. It concludes the result of a determination that has this
    number, to which `clause` led; 0 is undetermined, and then the clause is empty."""

    name: str
    determination: str
    clause: str
    result: int
    patterns: tuple[Pattern, ...]


class Ruleset(msgspec.Struct, frozen=True):
    """Rules that are run together. `inputs` are the properties of the record's fact, in order;
    `phases` is the number of steps of dependency between the determinations."""

    name: str
    entity: str
    inputs: tuple[str, ...]
    determinations: tuple[str, ...]
    phases: int
    rules: tuple[EngineRule, ...]


def definition(ruleset: Ruleset) -> dict[str, Any]:
    """The ruleset as durable-rules takes it, with a first rule that makes sure that something fires
    in every session: to delete one in which nothing ever fired is a crash."""
    made: dict[str, Any] = {OPEN: {"all": [{"m0": {TYPE: OPEN}}]}}
    for rule in ruleset.rules:
        made[rule.name] = {"all": [_pattern(n, one) for n, one in enumerate(rule.patterns)]}
    return made


def _pattern(place: int, pattern: Pattern) -> dict[str, Any]:
    tests: list[dict[str, Any]] = [{TYPE: pattern.type}]
    for test in pattern.tests:
        if test.op == "==":
            tests.append({test.name: test.value})
        else:
            tests.append({_WRITTEN[test.op]: {test.name: test.value}})
    alias = f"m{place}$not" if pattern.negated else f"m{place}"
    return {alias: {"$and": tests} if len(tests) > 1 else tests[0]}


def name_hash(name: str) -> int:
    """The 32 bits by which durable-rules knows a name: FNV-1a over signed bytes."""
    value = 0x811C9DC5
    for byte in name.encode():
        value = ((value ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * 16777619) & 0xFFFFFFFF
    return value


def problems(ruleset: Ruleset) -> list[str]:
    """Why a ruleset is not in the part of durable-rules that is exact; empty when it is."""
    found = []
    if len(ruleset.rules) > MAXIMUM_RULES:
        found.append(f"{len(ruleset.rules)} rules: one fact may match at most {MAXIMUM_RULES}")
    if len(ruleset.inputs) > MAXIMUM_PROPERTIES:
        found.append(f"{len(ruleset.inputs)} properties of one fact: at most {MAXIMUM_PROPERTIES}")
    for kind, names in (
        ("properties", (TYPE, RESULT, STEP, "sid", "id", *ruleset.inputs)),
        ("types of facts", (RECORD, PHASE, OPEN, *ruleset.determinations)),
    ):
        hashes: dict[int, str] = {}
        for name in names:
            other = hashes.setdefault(name_hash(name), name)
            if other != name:
                found.append(f"{kind} {other} and {name} have one 32-bit hash: rename one of them")
    for rule in ruleset.rules:
        found.extend(f"rule {rule.name}: {why}" for why in _rule_problems(rule, ruleset))
    return found


def _rule_problems(rule: EngineRule, ruleset: Ruleset) -> list[str]:
    found = []
    properties = {RECORD: ruleset.inputs, PHASE: (STEP,)}
    for pattern in rule.patterns:
        known = properties.get(pattern.type, (RESULT,))
        if pattern.type not in (RECORD, PHASE, *ruleset.determinations):
            found.append(f"there are no facts of type {pattern.type}")
        found += [f"{pattern.type} has no {t.name}" for t in pattern.tests if t.name not in known]
    if len(rule.patterns) > MAXIMUM_PATTERNS:
        found.append(f"{len(rule.patterns)} facts joined: at most {MAXIMUM_PATTERNS}")
    if all(pattern.negated for pattern in rule.patterns):
        found.append("a rule of negations only never starts")
    if any(pattern.negated for pattern in rule.patterns) and rule.patterns[0].type != PHASE:
        found.append("a negation that is not behind a phase fact is not withdrawn in time")
    for test in (test for pattern in rule.patterns for test in pattern.tests):
        if abs(test.value) >= EXACT_LIMIT:
            found.append(f"{test.name} is compared with {test.value}, beyond 2**53")
    return found
