"""Small programs written in the rule language, and cases made for them in a few words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from finalrule.core.compile import compile_policy
from finalrule.core.expressions import Known, Unknown, constant_value
from finalrule.evaluate.catalogues import open_catalogues
from finalrule.evaluate.kinds import Decision
from finalrule.evaluate.scalar import Evaluation, Evaluator
from finalrule.facts.case import Case, Given, Record
from finalrule.policy.resolve import load_policy
from finalrule.source import Source
from finalrule.values import Value

YEAR = """policy: 2020-final
title: small
performance_year: 2020
payment_year: 2022
stage: final
tracks: [mips]
published: {title: small, date: 2019-11-15, cite: 84 FR 63194}
"""
# How a year file says it, so that a test need not: after the name, whatever the test says.
CITE = "cite: 42 CFR 414.1380"


@dataclass(frozen=True, slots=True)
class Small:
    """A program made ready, with words for cases and outcomes."""

    evaluator: Evaluator

    def case(self, facts: Mapping[str, object]) -> Case:
        """A case of one root record. A list of facts is child records, by their entity; an integer
        or a decimal in quotes after `#` is a number; None leaves the fact unknown."""
        entity = next(e.name for e in self.evaluator.program.entities if not e.parent)
        return Case(self._record(Record(entity, {}), facts), {"case": "test"}, "")

    def _record(self, record: Record, facts: Mapping[str, object]) -> Record:
        for name, value in facts.items():
            if isinstance(value, list):
                for child in value:
                    self._record(record.add(name, {}), child)
            elif value is not None:
                record.facts[name] = Given(_value(value), "test")
        for fact in self.evaluator.program.facts:
            if fact.entity == record.entity and fact.default is not None:
                record.facts.setdefault(fact.name, Given(constant_value(fact.default), "absent"))
        return record

    def evaluate(self, **facts: object) -> Evaluation:
        return self.evaluator.evaluate(self.case(facts))

    def value(self, rule: str, /, **facts: object) -> Known:
        """The outcome of one rule, which has one record."""
        return self.evaluator.evaluate(self.case(facts), [rule]).value(rule)

    def decision(self, rule: str, /, **facts: object) -> Decision:
        return self.evaluator.evaluate(self.case(facts), [rule]).decision(rule)

    def decisions(self, rule: str, /, **facts: object) -> dict[str, tuple[str, Known]]:
        """Winner and value of one rule for each of its records, by the records' keys."""
        evaluation = self.evaluator.evaluate(self.case(facts), [rule])
        return {
            ",".join(frame.path): (decision.winner, decision.values[""])
            for (name, frame), decision in evaluation.decisions.items()
            if name == rule
        }


def _value(value: object) -> Value:
    if isinstance(value, int) and not isinstance(value, bool):
        return Fraction(value)
    if isinstance(value, str) and value.startswith("#"):
        return Fraction(value[1:])
    return value  # type: ignore[return-value]


@cache
def small(rules: str, year: str = "parameters: {}\n", catalogue: str = "") -> Small:
    """A program of these rules; `year` is the rest of the year file, `catalogue` the text of
    bench.csv, which the year file may name."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "2020").mkdir()
        (root / "2020" / "final.yaml").write_text(YEAR + year)
        (root / "sources.yaml").write_text("{}")
        if catalogue:
            (root / "bench.csv").write_text(catalogue)
        policy = load_policy(root / "2020" / "final.yaml", root)
        source = Source("small.rules", f"module mips.small\n{rules}")
        program = compile_policy(policy, [source]).program
        return Small(Evaluator(program, open_catalogues(program, root)))


def needs(value: Known) -> set[str]:
    """The facts that an undetermined value needs."""
    assert isinstance(value, Unknown), f"determined: {value}"
    return set(value.needs)
