"""Cases aimed at a clause, row or piece, or at a sum: facts are set as its condition asks, so that
rules with many conditions are decided every way."""

from __future__ import annotations

from random import Random

from finalrule.core import ir
from finalrule.core.walk import nodes
from finalrule.evaluate.ask import Asking
from finalrule.evaluate.change import Rules
from finalrule.evaluate.doubt import Doubting
from finalrule.evaluate.generate import ITS_ONLY, Generator, is_individual
from finalrule.evaluate.now import Now
from finalrule.evaluate.outcomes import winners
from finalrule.evaluate.scalar import Evaluator
from finalrule.facts.case import Case, Record
from finalrule.values import Value

# How often a goal is asked for, and how often of one record before it is of another one.
_ATTEMPTS, _TIMES = 4, 2


class Aim:
    """A program made ready to aim cases."""

    def __init__(self, evaluator: Evaluator, generator: Generator) -> None:
        self.evaluator = evaluator
        self.rules = Rules(evaluator, generator)
        self.goals = [
            (rule.name, winner) for rule in evaluator.program.rules for winner in winners(rule)
        ]
        self.sums = [
            (rule.name, node)
            for rule in self.rules.rules.values()
            for node in nodes(rule)
            if isinstance(node, ir.Aggregate) and node.item is not None
        ]

    def aimed(self, case: Case, goal: tuple[str, str], random: Random) -> Record | None:
        """Change the facts of the case so that a clause, row or piece wins (rule and winner); the
        record for which it does, None where it does for none that was tried."""
        rule, winner = goal
        record: Record | None = None
        for attempt in range(_ATTEMPTS):
            # What went wrong the first time is asked for once more, now that most is as it should.
            if record is None or attempt % _TIMES == 0:
                record = self._record(case, rule, random)
            if record is None:
                break
            Asking(self.rules, case.root, random).win(rule, winner, record, 0)
            if record in self._tidy(case):
                record = None
            elif Now(self.rules.readers, case.root).winner(rule, record) == winner:
                return record
        return None

    def summed(self, case: Case, rule: str, total: ir.Aggregate, random: Random) -> None:
        """Change the facts of the case so that what a rule of it adds up is great: that many
        records have a part in it."""
        record = self._record(case, rule, random)
        if record is not None:
            Asking(self.rules, case.root, random).push(total, True, record, 0)
            self._tidy(case)

    def doubted(self, case: Case, rule: str, record: Record | None, random: Random) -> bool:
        """Change the facts of the case so that a rule is unknown for a record, for any one where
        none is given; False where it is for none."""
        if rule not in self.rules.doubtful:
            return False
        record = record or self._record(case, rule, random)
        if record is None:
            return False
        made = Doubting(self.rules, case.root, random).doubt(rule, record, 0)
        return record not in self._tidy(case) and made

    def _record(self, case: Case, rule: str, random: Random) -> Record | None:
        entity = self.evaluator.rules[rule].entity
        records = [one for one in case.root.walk() if one.entity == entity]
        if records:
            return random.choice(records)
        return Asking(self.rules, case.root, random).more(entity, case.root)

    def _tidy(self, case: Case) -> set[Record]:
        """Take away, and give, the records that a possible case has not: of the same keys as
        another one, or beside the only clinician of an individual."""
        gone: set[Record] = set()
        for record in case.root.walk():
            for entity, children in record.children.items():
                names = self.rules.keys[entity]
                alone = entity == ITS_ONLY and is_individual(record)
                seen: set[tuple[Value, ...]] = set()
                kept = []
                for one in children:
                    key = () if alone else tuple(one.facts[name].value for name in names)
                    if (names and key in seen) or one in gone:
                        gone.update(one.walk())
                    else:
                        seen.add(key)
                        kept.append(one)
                children[:] = kept
        for record in case.root.walk():
            if record.refers in gone:
                record.refers = None
        return gone
