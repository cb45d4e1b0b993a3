"""Cases in families. The first case of a family is made with care, each later one is a neighbour: a
few facts are moved to other values at which something turns. Halfway a record goes, or a reference
changes.

To make a case, and to evaluate it, is paid once for most of a family. A neighbour's evaluation is
that of the case before: only rules that read a fact that was moved are decided again, and those
that read an outcome which thereby became another one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from random import Random

from finalrule.core.expressions import Frame
from finalrule.evaluate.generate import GENERATED
from finalrule.evaluate.kinds import Decision
from finalrule.evaluate.now import Readers
from finalrule.evaluate.scalar import Evaluation, Evaluator
from finalrule.evaluate.steer import Cases
from finalrule.facts.case import Case, Given, Record

# So many cases of a seed are all made with care, so that what is rare happens in a short run too;
# after them come families, each of so many.
ALONE, FAMILY = 8000, 20
# How many facts are moved for a neighbour, how often it is a neighbour of the family's first case
# instead of the last one, and how many facts are tried for one that can be moved.
_MOVED, _FIRST, _TRIES = (1, 1, 2, 3), 0.2, 10


@dataclass(frozen=True, slots=True)
class Member:
    """A case. `moved` are the facts in which it differs from the case before it, by the place of
    their record in `walk`; None where that is of other records, or there is none."""

    case: Case
    moved: frozenset[tuple[int, str]] | None = None


class Families:
    """The cases of a program by number, always the same for a seed."""

    def __init__(self, cases: Cases, alone: int = ALONE) -> None:
        self.cases, self.alone = cases, alone
        plan = cases.aim.rules
        self.facts = {
            entity: [fact for fact in facts if fact.name not in plan.keys[entity]]
            for entity, facts in cases.generator.facts.items()
        }

    def members(self, seed: int, numbers: range) -> Iterator[Member]:
        """The cases of a seed with these numbers."""
        family: _Family | None = None
        for number in numbers:
            if number < self.alone:
                yield Member(self.cases.case(f"{seed}:{number}"))
                continue
            first = number - (number - self.alone) % FAMILY
            if family is None or number == first:
                family = _Family(self, f"{seed}:{first}")
                for place in range(1, number - first):
                    family.next(place)
                if number > first:
                    yield Member(family.next(number - first).case)
                else:
                    yield Member(family.last)
            else:
                yield family.next(number - first)


class _Family:
    """The cases of a family, one after the other."""

    def __init__(self, plan: Families, seed: str) -> None:
        self.plan, self.seed = plan, seed
        self.first = self.last = plan.cases.case(seed, of_family=True)
        # The facts in which the last case differs from the first one.
        self.moved: frozenset[tuple[int, str]] = frozenset()

    def next(self, place: int) -> Member:
        """The case at a place of the family."""
        random = Random(f"neighbour {place} of {self.seed}")
        subject = {"case": f"{self.seed}+{place}"}
        if place == FAMILY // 2:
            self.first = self.last = Case(self._altered(random), subject, "")
            self.moved = frozenset()
            return Member(self.last)
        anew = random.random() < _FIRST
        root = copied(self.first.root if anew else self.last.root)
        records = list(root.walk())
        moved = self._move(records, random)
        changed = moved | self.moved if anew else moved
        self.moved = moved if anew else moved | self.moved
        self.last = Case(root, subject, "")
        return Member(self.last, changed)

    def _move(self, records: list[Record], random: Random) -> frozenset[tuple[int, str]]:
        """Move a few facts, of records of any entity as often as of any other."""
        by_entity: dict[str, list[int]] = {}
        for place, record in enumerate(records):
            if self.plan.facts[record.entity]:
                by_entity.setdefault(record.entity, []).append(place)
        moved: set[tuple[int, str]] = set()
        wanted = random.choice(_MOVED) if by_entity else 0
        for _ in range(_TRIES):
            if len(moved) >= wanted:
                break
            place = random.choice(random.choice(list(by_entity.values())))
            record = records[place]
            fact = random.choice(self.plan.facts[record.entity])
            before = record.facts.get(fact.name)
            after = self.plan.cases.generator.another(fact, record, random)
            if after is None and before is not None:
                del record.facts[fact.name]
            elif (
                after is not None
                and (before is None or before.value != after)
                and self.plan.cases.aim.rules.possible(record, fact.name, after)
            ):
                record.facts[fact.name] = Given(after, GENERATED)
            else:
                continue
            moved.add((place, fact.name))
        return frozenset(moved)

    def _altered(self, random: Random) -> Record:
        """The last case with a record less, or with another reference."""
        root = copied(self.last.root)
        records = list(root.walk())
        keys = self.plan.cases.aim.rules.keys
        pointing = [one for one in records if one.refers is not None]
        if pointing and random.random() < 0.5:
            one = random.choice(pointing)
            assert one.refers is not None
            targets = [each for each in records if each.entity == one.refers.entity]
            one.refers = random.choice([None, *targets])
            return root
        if some := [one for one in records if one.parent is not None and keys[one.entity]]:
            entity = random.choice(list(dict.fromkeys(one.entity for one in some)))
            gone = random.choice([one for one in some if one.entity == entity])
            assert gone.parent is not None
            gone.parent.children[entity].remove(gone)
            lost = set(gone.walk())
            for one in root.walk():
                if one.refers in lost:
                    one.refers = None
        return root


def copied(root: Record) -> Record:
    """A copy of a record with all below it, and its references."""
    copies: dict[Record, Record] = {}

    def copy(record: Record, parent: Record | None) -> Record:
        made = Record(record.entity, dict(record.facts), parent, name=record.name)
        copies[record] = made
        made.children = {
            entity: [copy(one, made) for one in records]
            for entity, records in record.children.items()
        }
        return made

    made = copy(root, None)
    for record, one in copies.items():
        if record.refers is not None:
            one.refers = copies[record.refers]
    return made


class Following:
    """A program made ready to evaluate neighbours, each from the evaluation of the case before."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator, self.readers = evaluator, Readers(evaluator)

    def follow(
        self, evaluation: Evaluation, case: Case, moved: Collection[tuple[int, str]]
    ) -> dict[tuple[str, Frame], Decision]:
        """Turn the evaluation of a case into that of its neighbour; the decisions that are other
        ones now, as they were. Raises Failure as `evaluate`: then the evaluation is of neither."""
        frames = {record: frame for frame, record in evaluation.records.items()}
        old = list(evaluation.case.root.walk())
        new = list(case.root.walk())
        after = dict(zip(old, new, strict=True))
        evaluation.records = {frame: after[one] for frame, one in evaluation.records.items()}
        evaluation.case = case
        stale: set[str] = set()
        for place, name in moved:
            record, facts = new[place], frames[old[place]].facts
            if name in record.facts:
                facts[name] = record.facts[name].value
            else:
                facts.pop(name, None)
            stale.update(self.readers.by_fact.get((record.entity, name), ()))
        by_entity: dict[str, list[Frame]] = {}
        for frame in evaluation.frames:
            by_entity.setdefault(frame.entity, []).append(frame)
        were: dict[tuple[str, Frame], Decision] = {}
        for rule in self.evaluator.program.rules:
            if rule.name in stale:
                keys = [(rule.name, frame) for frame in by_entity.get(rule.entity, ())]
                before = [evaluation.decisions[key] for key in keys]
                self.evaluator.once_more(evaluation, rule, [frame for _, frame in keys])
                others = {
                    key: was
                    for key, was in zip(keys, before, strict=True)
                    if evaluation.decisions[key] != was
                }
                if others:
                    were.update(others)
                    stale.update(self.readers.by_rule.get(rule.name, ()))
        return were
