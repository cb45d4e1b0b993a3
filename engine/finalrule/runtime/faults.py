"""Faults put into rulesets on purpose: what does not find them would not find a real one.

Each fault is one change of a compiled ruleset's description, of a kind that people make.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import msgspec

from finalrule.runtime.compile import Rulesets
from finalrule.runtime.ruleset import RECORD, Comparison, EngineRule, Pattern, Ruleset
from finalrule.values import Date, Number, YesNo


@dataclass(frozen=True, slots=True)
class Fault:
    """A ruleset, by its place, with one thing wrong; `what` says what."""

    place: int
    ruleset: Ruleset
    what: str

    @property
    def rules(self) -> tuple[str, ...]:
        """The determinations that it can make wrong."""
        return self.ruleset.determinations


def seed_faults(rulesets: Rulesets, count: int, seed: int) -> list[Fault]:
    """So many different faults, of all kinds alike; fewer where there are no more."""
    random = Random(seed)
    kinds = [_shuffled(list(kind(rulesets)), random) for kind in _KINDS]
    found: list[Fault] = []
    while len(found) < count and any(kinds):
        found += [kind.pop() for kind in kinds if kind]
    return found[:count]


def _shuffled(faults: list[Fault], random: Random) -> list[Fault]:
    random.shuffle(faults)
    return faults


def _off_by_one(rulesets: Rulesets) -> Iterator[Fault]:
    """A threshold one unit up or down."""
    for place, ruleset, name, test in _thresholds(rulesets):
        for step in (-1, 1):
            wrong = msgspec.structs.replace(test, value=test.value + step)
            yield _with_test(place, ruleset, name, test, wrong)


def _strictness(rulesets: Rulesets) -> Iterator[Fault]:
    """At most for less than, at least for more than."""
    strict = {">=": ">", "<=": "<"}
    for place, ruleset, name, test in _thresholds(rulesets):
        if test.op in strict:
            wrong = msgspec.structs.replace(test, op=strict[test.op])
            yield _with_test(place, ruleset, name, test, wrong)


def _turned(rulesets: Rulesets) -> Iterator[Fault]:
    """Yes for no."""
    for place, ruleset, name, test in _tests(rulesets):
        flag = isinstance(rulesets.inputs[test.name].coding.type, YesNo)
        if flag and test.op == "==" and test.value > 0:
            wrong = msgspec.structs.replace(test, value=3 - test.value)
            yield _with_test(place, ruleset, name, test, wrong)


def _dropped_clause(rulesets: Rulesets) -> Iterator[Fault]:
    """A clause that is not there. What is undetermined is left: some rules never are."""
    for place, ruleset in enumerate(rulesets.rulesets):
        clauses = [(rule.determination, rule.clause) for rule in ruleset.rules if rule.clause]
        for name, clause in dict.fromkeys(clauses):
            kept = tuple(r for r in ruleset.rules if (r.determination, r.clause) != (name, clause))
            what = f"{name}: clause {clause} dropped"
            yield Fault(place, msgspec.structs.replace(ruleset, rules=kept), what)


def _swapped_clauses(rulesets: Rulesets) -> Iterator[Fault]:
    """Two clauses that conclude each other's result."""
    for place, ruleset in enumerate(rulesets.rulesets):
        for name in ruleset.determinations:
            for number in range(1, len(rulesets.results[name])):
                exchange = {number: number + 1, number + 1: number}
                rules = tuple(
                    msgspec.structs.replace(rule, result=exchange.get(rule.result, rule.result))
                    if rule.determination == name
                    else rule
                    for rule in ruleset.rules
                )
                what = f"{name}: results {number} and {number + 1} swapped"
                yield Fault(place, msgspec.structs.replace(ruleset, rules=rules), what)


def _negation_lost(rulesets: Rulesets) -> Iterator[Fault]:
    """There is one for there is none."""
    for place, ruleset in enumerate(rulesets.rulesets):
        for rule in ruleset.rules:
            if any(pattern.negated for pattern in rule.patterns):
                patterns = tuple(
                    msgspec.structs.replace(pattern, negated=False) for pattern in rule.patterns
                )
                wrong = msgspec.structs.replace(rule, patterns=patterns)
                rules = tuple(wrong if one is rule else one for one in ruleset.rules)
                what = f"{rule.name}: the negation lost"
                yield Fault(place, msgspec.structs.replace(ruleset, rules=rules), what)


_KINDS = (
    _off_by_one, _strictness, _turned, _dropped_clause, _swapped_clauses, _negation_lost,
)  # fmt: skip

_Site = tuple[int, Ruleset, str, Comparison]


def _tests(rulesets: Rulesets) -> Iterator[_Site]:
    """Each different test of what is in the record's fact, by determination."""
    for place, ruleset in enumerate(rulesets.rulesets):
        for name in ruleset.determinations:
            rules = [rule for rule in ruleset.rules if rule.determination == name]
            patterns = [one for rule in rules for one in rule.patterns if one.type == RECORD]
            for test in dict.fromkeys(test for pattern in patterns for test in pattern.tests):
                if not rulesets.inputs[test.name].concluded:
                    yield place, ruleset, name, test


def _thresholds(rulesets: Rulesets) -> Iterator[_Site]:
    """The tests of a number or a date, but for those that only say that it is known."""
    for place, ruleset, name, test in _tests(rulesets):
        coding = rulesets.inputs[test.name].coding
        known = test.op == ">=" and test.value == coding.low + 1
        unknown = test.value == coding.low
        if isinstance(coding.type, Number | Date) and not known and not unknown:
            yield place, ruleset, name, test


def _with_test(
    place: int, ruleset: Ruleset, name: str, test: Comparison, wrong: Comparison
) -> Fault:
    """The test changed wherever the determination has it: alternatives may overlap, so that one of
    them may stand for another."""

    def pattern(one: Pattern) -> Pattern:
        tests = tuple(wrong if own == test else own for own in one.tests)
        return msgspec.structs.replace(one, tests=tests)

    def changed(rule: EngineRule) -> EngineRule:
        if rule.determination != name:
            return rule
        patterns = tuple(pattern(one) for one in rule.patterns)
        return msgspec.structs.replace(rule, patterns=patterns)

    rules = tuple(changed(rule) for rule in ruleset.rules)
    what = f"{name}: {_said(test)} became {_said(wrong)}"
    return Fault(place, msgspec.structs.replace(ruleset, rules=rules), what)


def _said(test: Comparison) -> str:
    return f"{test.name} {test.op} {test.value}"
