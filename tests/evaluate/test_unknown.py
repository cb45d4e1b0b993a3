"""Over the real policies: knowing less never gives another outcome, only fewer of them.

The one exception is written in the rules: `first_known(a, b)` takes what CMS states where what it
follows from is not known. So facts that such an `a` rests on are taken away in a test of their own,
in which outcomes that read a `first_known` that fell back are left out.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from functools import cache

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evaluate.conftest import evaluator_of
from finalrule.core import ir
from finalrule.core.expressions import Unknown, prepare
from finalrule.core.walk import nodes, reads
from finalrule.diagnostics import Failure
from finalrule.evaluate.generate import Generator
from finalrule.evaluate.kinds import Decision, prepare_lets
from finalrule.evaluate.outcomes import OutcomeName
from finalrule.evaluate.scalar import Evaluation, Evaluator
from finalrule.evaluate.trace import trace
from finalrule.facts.case import Case, Record

POLICIES = ("2019-final", "2020-proposed", "2020-final")
FactName = tuple[str, str]
Key = tuple[str, tuple[str, ...]]


@cache
def generator_of(policy: str) -> Generator:
    evaluator = evaluator_of(policy)
    return Generator(evaluator.program, evaluator.catalogues)


def evaluated(evaluator: Evaluator, case: Case) -> Evaluation:
    """The case evaluated; given up where no such case may be (a rate beyond 100 %)."""
    try:
        return evaluator.evaluate(case)
    except Failure:
        assume(False)
        raise


def decisions(evaluation: Evaluation) -> dict[Key, Decision]:
    return {(rule, frame.path): found for (rule, frame), found in evaluation.decisions.items()}


# --- taking facts away ----------------------------------------------------------------------------


def unknowable(evaluator: Evaluator) -> set[FactName]:
    return {
        (fact.entity, fact.name)
        for fact in evaluator.program.facts
        if fact.presence == "may_be_unknown"
    }


def first_knowns(rule: ir.AnyRule) -> Iterator[ir.FirstKnown]:
    return (node for node in nodes(rule) if isinstance(node, ir.FirstKnown))


@cache
def referring(policy: str) -> frozenset[str]:
    """Entities that refer to others: what is given of them stands where all of a scoring unit is
    not known, so that any fact is one that it may take the place of."""
    entities = evaluator_of(policy).program.entities
    return frozenset(entity.name for entity in entities if entity.refers)


@cache
def resting_on_references(policy: str) -> frozenset[str]:
    """Rules that read a `first_known` of such an entity, or what follows from one."""
    found: set[str] = set()
    for rule in evaluator_of(policy).program.rules:  # in the order in which they read each other
        own = rule.entity in referring(policy) and any(first_knowns(rule))
        if own or any(read in found for read in reads(rule)):
            found.add(rule.name)
    return frozenset(found)


@cache
def replaceable(policy: str) -> frozenset[FactName]:
    """Facts that an item of a `first_known` rests on which another may take the place of."""
    evaluator = evaluator_of(policy)
    found: set[FactName] = set()
    for rule in evaluator.program.rules:
        lets = {let.name: let.value for let in rule.lets}
        for node in first_knowns(rule) if rule.entity not in referring(policy) else ():
            found |= _facts_behind(node.items[:-1], lets, evaluator, set())
    return frozenset(found)


def _facts_behind(
    part: object, lets: dict[str, ir.Expr], evaluator: Evaluator, seen: set[str]
) -> set[FactName]:
    found: set[FactName] = set()
    for node in nodes(part):
        match node:
            case ir.Fact(entity=entity, name=name):
                found.add((entity, name))
            case ir.Let(name=name) if name in lets:
                found |= _facts_behind(lets[name], lets, evaluator, seen)
            case ir.Outcome(rule=name) if name not in seen:
                seen.add(name)
                rule = evaluator.rules[name]
                found |= _facts_behind(rule, {}, evaluator, seen)
    return found


def without(case: Case, facts: Iterable[FactName], share: float, chance: random.Random) -> Case:
    """The case with some of these facts not known, each with the chance `share`."""
    wanted = set(facts)
    copies: dict[Record, Record] = {}

    def copied(record: Record) -> Record:
        kept = {
            name: given
            for name, given in record.facts.items()
            if (record.entity, name) not in wanted or chance.random() >= share
        }
        made = copies[record] = Record(record.entity, kept, name=record.name)
        for entity, children in record.children.items():
            made.children[entity] = [copied(child) for child in children]
            for child in made.children[entity]:
                child.parent = made
        return made

    root = copied(case.root)
    _point_alike(copies)
    return Case(root, case.subject, case.facts_digest)


def _point_alike(copies: dict[Record, Record]) -> None:
    """Make copies point at copies of what their originals point at."""
    for record, copy in copies.items():
        copy.refers = None if record.refers is None else copies[record.refers]


SEEDS = st.tuples(
    st.sampled_from(POLICIES),
    st.integers(0, 10**6),
    st.sampled_from([0.05, 0.2, 0.5, 1.0]),
)


@settings(max_examples=250, deadline=None)
@given(SEEDS)
def test_what_is_determined_stays_when_more_is_known(seed: tuple[str, int, float]) -> None:
    policy, number, share = seed
    evaluator = evaluator_of(policy)
    full_case = generator_of(policy).case(f"unknown {number}")
    full = decisions(evaluated(evaluator, full_case))
    safe = unknowable(evaluator) - replaceable(policy)
    part_case = without(full_case, safe, share, random.Random(number))
    part = decisions(evaluator.evaluate(part_case))
    assert part.keys() == full.keys()
    for key, decision in part.items():
        if key[0] in resting_on_references(policy):
            continue
        for output, value in decision.values.items():
            if not isinstance(value, Unknown):
                assert full[key].values[output] == value, key
        if decision.winner:
            assert full[key].winner == decision.winner, key


@settings(max_examples=250, deadline=None)
@given(SEEDS)
def test_only_first_known_may_give_another_outcome(seed: tuple[str, int, float]) -> None:
    policy, number, share = seed
    evaluator = evaluator_of(policy)
    full_case = generator_of(policy).case(f"replaced {number}")
    full = evaluated(evaluator, full_case)
    part_case = without(full_case, unknowable(evaluator), share, random.Random(number))
    part = evaluator.evaluate(part_case)
    fell_back = _fell_back(evaluator, full, part)
    for rule in evaluator.program.rules:  # in the order in which they read each other
        if any(read in fell_back for read in reads(rule)):
            fell_back.add(rule.name)
    others = decisions(full)
    for key, decision in decisions(part).items():
        if key[0] not in fell_back:
            for output, value in decision.values.items():
                assert isinstance(value, Unknown) or others[key].values[output] == value, key


def _fell_back(evaluator: Evaluator, full: Evaluation, part: Evaluation) -> set[str]:
    """The rules of which a `first_known` takes another item where less is known."""
    found = set()
    for rule in evaluator.program.rules:
        for node in first_knowns(rule):
            if _taken(rule, node, evaluator, full) != _taken(rule, node, evaluator, part):
                found.add(rule.name)
    return found


def _taken(
    rule: ir.AnyRule, node: ir.FirstKnown, evaluator: Evaluator, evaluation: Evaluation
) -> list[int]:
    lets = prepare_lets(rule, evaluator.context)
    runs = [prepare(item, evaluator.context, lets) for item in node.items]
    taken = []
    for frame in evaluation.frames_of(rule.entity):
        frame.lets = {}
        known = [at for at, run in enumerate(runs) if not isinstance(run(frame), Unknown)]
        taken.append(known[0] if known else -1)
    return taken


@settings(max_examples=150, deadline=None)
@given(SEEDS)
def test_what_an_outcome_needs_is_not_known(seed: tuple[str, int, float]) -> None:
    """An undetermined outcome names at least one fact, and every fact that it names is one that may
    be unknown and is, or a reference to no record."""
    policy, number, share = seed
    evaluator = evaluator_of(policy)
    case = generator_of(policy).case(f"needs {number}")
    case = without(case, unknowable(evaluator), share, random.Random(number))
    evaluation = evaluated(evaluator, case)
    missing = {
        frame.label(name)
        for frame in evaluation.frames
        for entity, name in unknowable(evaluator)
        if entity == frame.entity and name not in frame.facts
    }
    for entity in evaluator.program.entities:
        for frame in evaluation.frames_of(entity.name) if entity.refers else ():
            if evaluation.records[frame].refers is None:
                missing.add(frame.label(entity.refers))
    for key, decision in decisions(evaluation).items():
        for value in decision.values.values():
            if isinstance(value, Unknown):
                assert value.needs and value.needs <= missing, key
                assert decision.winner == "", key


# --- order and extent -----------------------------------------------------------------------------


def shuffled(case: Case, chance: random.Random) -> Case:
    """The case with its records, and the facts of each, in another order."""

    copies: dict[Record, Record] = {}

    def copied(record: Record) -> Record:
        facts = list(record.facts.items())
        chance.shuffle(facts)
        made = copies[record] = Record(record.entity, dict(facts), name=record.name)
        entities = list(record.children.items())
        chance.shuffle(entities)
        for entity, children in entities:
            order = chance.sample(children, len(children))
            made.children[entity] = [copied(child) for child in order]
            for child in made.children[entity]:
                child.parent = made
        return made

    root = copied(case.root)
    _point_alike(copies)
    return Case(root, case.subject, case.facts_digest)


@settings(max_examples=120, deadline=None)
@given(SEEDS)
def test_the_order_of_records_does_not_matter(seed: tuple[str, int, float]) -> None:
    policy, number, _ = seed
    evaluator = evaluator_of(policy)
    case = generator_of(policy).case(f"order {number}")
    one = evaluated(evaluator, case)
    other = evaluator.evaluate(shuffled(case, random.Random(number)))
    assert decisions(one) == decisions(other)
    # Nor does it for the explanation.
    wanted = [
        OutcomeName(rule, frame.path) for rule, frame in one.decisions
        if frame is one.root or frame.parent is one.root
    ]  # fmt: skip
    if wanted:
        assert trace(evaluator, one, *wanted) == trace(evaluator, other, *wanted)


@settings(max_examples=120, deadline=None)
@given(SEEDS, st.data())
def test_evaluating_only_what_is_asked_for(
    seed: tuple[str, int, float], data: st.DataObject
) -> None:
    policy, number, _ = seed
    evaluator = evaluator_of(policy)
    case = generator_of(policy).case(f"only {number}")
    everything = decisions(evaluated(evaluator, case))
    names = st.sampled_from([rule.name for rule in evaluator.program.rules])
    asked = data.draw(st.sets(names, min_size=1, max_size=3))
    only = decisions(evaluator.evaluate(case, asked))
    assert {key for key in everything if key[0] in asked} <= set(only)
    assert all(everything[key] == decision for key, decision in only.items())


@pytest.mark.parametrize("policy", POLICIES)
def test_what_is_asked_for_is_all_that_is_evaluated(policy: str) -> None:
    evaluator = evaluator_of(policy)
    case = generator_of(policy).case("few")
    found = evaluator.evaluate(case, ["segment_low_volume"])
    assert {rule for rule, _ in found.decisions} <= {"segment_low_volume"}


def test_much_is_taken_away_and_much_stays() -> None:
    """The tests above speak of something: in many cases outcomes are lost, and most stay."""
    evaluator = evaluator_of("2020-final")
    lost = stayed = 0
    for number in range(30):
        case = generator_of("2020-final").case(f"unknown {number}")
        try:
            full = decisions(evaluator.evaluate(case))
        except Failure:
            continue
        safe = unknowable(evaluator) - replaceable("2020-final")
        part = decisions(evaluator.evaluate(without(case, safe, 0.5, random.Random(number))))
        for key, decision in full.items():
            if decision.winner:
                stayed += bool(part[key].winner)
                lost += not part[key].winner
    assert lost > 100
    assert stayed > 3 * lost
