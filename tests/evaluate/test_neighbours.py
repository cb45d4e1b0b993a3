"""Cases in families: a neighbour differs in what is said of it, is possible, and its evaluation,
followed from that of the case before, is the one that it has by itself."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from finalrule.evaluate.catalogues import open_catalogues
from finalrule.evaluate.generate import Generator
from finalrule.evaluate.neighbours import ALONE, FAMILY, Families, Following, Member, copied
from finalrule.evaluate.scalar import Evaluation, Evaluator
from finalrule.evaluate.shrink import case_text
from finalrule.evaluate.steer import Cases
from finalrule.facts.case import Given
from finalrule.load import load_program
from finalrule.places import policies_root
from finalrule.values import Number, within


@pytest.fixture(scope="module")
def families() -> Families:
    program = load_program("2020-final")
    catalogues = open_catalogues(program, policies_root())
    evaluator = Evaluator(program, catalogues)
    return Families(Cases(evaluator, Generator(program, catalogues)))


@pytest.fixture(scope="module")
def members(families: Families) -> list[Member]:
    return list(families.members(5, range(ALONE, ALONE + 3 * FAMILY)))


def outcomes(evaluation: Evaluation) -> list[object]:
    return [
        (rule, [decision.values for (name, _), decision in evaluation.decisions.items()
                if name == rule])
        for rule in {name: None for name, _ in evaluation.decisions}
    ]  # fmt: skip


def test_a_neighbour_differs_in_what_was_moved_alone(members: list[Member]) -> None:
    # Each family has two cases whose records are others: its first one, and one halfway.
    assert [place for place, one in enumerate(members) if one.moved is None] == [
        first + place for first in range(0, 3 * FAMILY, FAMILY) for place in (0, FAMILY // 2)
    ]
    moved = 0
    for before, after in pairwise(members):
        if after.moved is not None:
            records = list(zip(before.case.root.walk(), after.case.root.walk(), strict=True))
            others = {
                (place, name)
                for place, (one, other) in enumerate(records)
                for name in one.facts.keys() | other.facts.keys()
                if one.facts.get(name) != other.facts.get(name)
            }
            assert others <= after.moved
            moved += bool(others)
    assert moved > 50


def test_a_value_is_moved_within_its_type(families: Families, members: list[Member]) -> None:
    # From the ends of every type: one step beyond them there is nothing.
    random = Random(1)
    ends = 0
    for record in copied(members[0].case.root).walk():
        for fact in families.facts[record.entity]:
            if isinstance(fact.type, Number) and fact.name in record.facts:
                for end in (fact.type.low, fact.type.high):
                    record.facts[fact.name] = Given(end, "")
                    for _ in range(20):
                        found = families.cases.generator.another(fact, record, random)
                        assert found is None or within(found, fact.type)
                    ends += 1
    assert ends > 50


def test_an_evaluation_that_is_followed_is_the_evaluation(
    families: Families, members: list[Member]
) -> None:
    evaluator = families.cases.evaluator
    following = Following(evaluator)
    changed = 0
    evaluation = evaluator.evaluate(members[0].case)
    for member in members[1:]:
        anew = evaluator.evaluate(member.case)
        if member.moved is None:
            evaluation = anew
            continue
        changed += len(following.follow(evaluation, member.case, member.moved))
        assert outcomes(evaluation) == outcomes(anew)
        assert [id(one) for one in evaluation.records.values()] == [
            id(one) for one in anew.records.values()
        ]
    assert changed > 100


def test_a_family_entered_halfway_is_the_same(families: Families, members: list[Member]) -> None:
    program = families.cases.evaluator.program
    late = list(families.members(5, range(ALONE + FAMILY + 7, ALONE + FAMILY + 9)))
    assert late[0].moved is None and late[1].moved is not None
    assert [case_text(one.case, program) for one in late] == [
        case_text(one.case, program) for one in members[FAMILY + 7 : FAMILY + 9]
    ]
