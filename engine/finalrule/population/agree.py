"""Random cases through the exact evaluator and through SQL: how often each clause won, and every
difference in an outcome, in what decided it, in a number's last digit, or in what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from finalrule.core import ir
from finalrule.core.expressions import Known, Unknown
from finalrule.evaluate.generate import Generator
from finalrule.evaluate.scalar import Evaluation, Evaluator
from finalrule.facts.case import Case, Given
from finalrule.population.decode import Decoder
from finalrule.population.dimensions import Rows as Catalogue
from finalrule.population.duckdb import check_promises, load_catalogues, run_passes
from finalrule.population.plan import Plan
from finalrule.population.spark import SparkRunner
from finalrule.tables.from_cases import write_cases
from finalrule.values import Number

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_LARGEST = 10**9


@dataclass(frozen=True, slots=True)
class Difference:
    """A rule's outcome that is another one in SQL."""

    rule: str
    output: str
    seed: str
    path: tuple[str, ...]
    exact: str
    found: str


@dataclass(slots=True)
class Agreement:
    """What a number of cases came to."""

    cases: int = 0
    records: int = 0
    outcomes: int = 0
    won: Counter[tuple[str, str]] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)


Rows = dict[str, dict[int, dict[str, Any]]]


class Population:
    """Cases in SQL: written as tables, run, and read back."""

    def __init__(self, plan: Plan, catalogues: Mapping[str, Catalogue]) -> None:
        self.plan, self.decoder = plan, Decoder(plan)
        self.connection = duckdb.connect()
        load_catalogues(self.connection, catalogues)
        self.by_entity: dict[str, list[ir.AnyRule]] = {}
        for rule in plan.program.rules:
            if rule.name in plan.packed:
                self.by_entity.setdefault(rule.entity, []).append(rule)

    def rows(self, cases: Sequence[Case]) -> Rows:
        """The rows of each table of results, by id."""
        write_cases(self.plan.program, cases, self.connection)
        run_passes(self.connection, self.plan, self.plan.passes)
        return {table: self._table(table) for table in self.plan.results}

    def _table(self, table: str) -> dict[int, dict[str, Any]]:
        result = self.connection.execute(f"SELECT * FROM {table}")
        names = [one[0] for one in result.description]
        at = names.index("id")
        return {row[at]: dict(zip(names, row, strict=True)) for row in result.fetchall()}


class SparkPopulation(Population):
    """The same on Spark, which is given the tables as Parquet in a folder."""

    def __init__(
        self, plan: Plan, catalogues: Mapping[str, Catalogue], session: SparkSession, folder: Path
    ) -> None:
        super().__init__(plan, catalogues)
        self.folder = folder
        self.runner = SparkRunner(session, folder / "made")
        for one in catalogues.values():
            self._give(one.dimension.table)

    def _give(self, table: str) -> None:
        path = self.folder / f"{table}.parquet"
        self.connection.execute(f"COPY {table} TO '{path}' (FORMAT parquet)")
        self.runner.load(table, path)

    def rows(self, cases: Sequence[Case]) -> Rows:
        """The rows of each table of results, by id."""
        write_cases(self.plan.program, cases, self.connection)
        for entity in self.plan.program.entities:
            self._give(entity.name)
        for one in self.plan.passes:
            self.runner.run(one.target, one.query)
            check_promises(self.plan, one, self.runner.ask)
        return {
            table: {int(str(row["id"])): row for row in self.runner.rows(table)}
            for table in self.plan.results
        }


def generated(generator: Generator, seed: int, numbers: range) -> list[Case]:
    """Cases whose exact numbers are as a table can hold them."""
    cases = []
    exact = {
        (fact.entity, fact.name)
        for fact in generator.program.facts
        if isinstance(fact.type, Number) and fact.type.scale is None
    }
    for number in numbers:
        case = generator.case(f"{seed}:{number}")
        for record in case.root.walk():
            for name, given in record.facts.items():
                if (record.entity, name) in exact and isinstance(given.value, Fraction):
                    value = given.value.limit_denominator(_LARGEST)
                    record.facts[name] = Given(value, given.origin)
        cases.append(case)
    return cases


def compare(
    evaluator: Evaluator, population: Population, cases: Sequence[Case], done: Agreement
) -> None:
    """Evaluate cases both ways and note what differs."""
    rows = population.rows(cases)
    ids: Counter[str] = Counter()
    for number, case in enumerate(cases):
        evaluation = evaluator.evaluate(case)
        numbered = {}
        for record in case.root.walk():
            numbered[id(record)] = number if record.entity == "program" else ids[record.entity]
            ids[record.entity] += 1
        done.cases += 1
        for one in _differences(evaluation, population, rows, numbered, done):
            done.differences.append(one)


def _differences(
    evaluation: Evaluation,
    population: Population,
    rows: Rows,
    numbered: dict[int, int],
    done: Agreement,
) -> Iterator[Difference]:
    for frame in evaluation.frames:
        done.records += 1
        rules = population.by_entity.get(frame.entity, ())
        if not rules:
            continue
        number = numbered[id(evaluation.records[frame])]
        for rule in rules:
            row = rows[population.plan.tables[rule.name]][number]
            exact = evaluation.decisions[rule.name, frame]
            found = population.decoder.decision(rule.name, row)
            done.won[rule.name, exact.winner] += 1
            done.outcomes += 1
            seed = evaluation.case.subject.get("case", "")
            if exact.winner != found.winner:
                yield Difference(
                    rule.name, "decided by", seed, frame.path, exact.winner, found.winner
                )
            for output, value in exact.values.items():
                if value != found.values[output]:
                    yield Difference(
                        rule.name,
                        output,
                        seed,
                        frame.path,
                        _text(value),
                        _text(found.values[output]),
                    )


def _text(value: Known) -> str:
    if isinstance(value, Unknown):
        return f"not determined, needs {', '.join(sorted(value.needs))}"
    return str(value)
