"""Compiled SQL as a reader: cases become tables, every pass is run over all of them, and each
outcome is read back: what decided it, its value to the last digit, and what it needs."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import duckdb

from finalrule.agreement.too_small import TOO_SMALL
from finalrule.core import ir
from finalrule.core.expressions import Frame, Known, Unknown
from finalrule.core.walk import reads
from finalrule.diagnostics import Diagnostic, Failure, Label, Pointer
from finalrule.evaluate.catalogues import TypedCatalogue
from finalrule.evaluate.kinds import Decision
from finalrule.evaluate.outcomes import OutcomeName, output_types
from finalrule.evaluate.scalar import Evaluation
from finalrule.facts.case import Case
from finalrule.population.decode import Decoder
from finalrule.population.dimensions import catalogue_rows
from finalrule.population.duckdb import load_catalogues
from finalrule.population.faults import Fault, seed_faults
from finalrule.population.model import Failing
from finalrule.population.plan import Pass, Plan, compile_population, failed_column
from finalrule.population.spark import SparkRunner, errors, session
from finalrule.runtime.compare import DIFFERENCE
from finalrule.runtime.reachable import unreachable
from finalrule.tables.convert import quoted
from finalrule.tables.from_cases import write_cases
from finalrule.tables.internal import PROGRAM
from finalrule.values import Type, exact, show

_Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Broken:
    """A record of an entity, for which a rule does not hold what it promises."""

    entity: str
    id: int
    failing: Failing


# The name of a generated record that has no keys, among those of the records below it.
_NAMED = re.compile(r"(?<=[\[,])#[0-9]+(,|(?=\]))")
# What tables are called while faulty ones have their place, before their names.
_RIGHT = "right_"
# What the tables are called that say where a record's row of the case before is.
_BEFORE = "before_"
# Of cases that cannot be run together so many are looked for, each by halving.
_ALONE = 3


class Engine(ABC):
    """What runs a plan's passes over cases. The tables of results are in `connection`."""

    name: ClassVar[str]

    def __init__(self, plan: Plan, catalogues: Mapping[str, TypedCatalogue]) -> None:
        self.plan = plan
        self.connection = duckdb.connect(config={"threads": 1})
        self.catalogues = catalogue_rows(catalogues)
        load_catalogues(self.connection, self.catalogues)

    @abstractmethod
    def run(self, cases: Sequence[Case]) -> list[_Broken]:
        """Run all passes over the cases; where a rule does not hold what it promises. Raises
        Failure where the engine has an error, such as a number that does not fit."""

    def rows(self, table: str) -> dict[int, _Row]:
        """The rows of a table of results by id."""
        columns = ", ".join(map(quoted, self.plan.results[table]))
        return self._by_id(table, f"SELECT {columns} FROM {table}")

    def rows_unlike(
        self, ids: Sequence[Mapping[str, int]], follows: Sequence[bool]
    ) -> dict[str, dict[int, _Row]] | None:
        """The rows of all tables of results by id, without those of cases that follow another one
        which are the same as that one's. `ids` are each case's first ones. None where a record has
        not one row."""
        for entity in self.plan.program.entities:
            moved = [
                (first[entity.name], first[entity.name] - before[entity.name])
                for before, first, follow in zip(ids, ids[1:], follows[1:], strict=False)
                if follow
            ]
            self.connection.execute(
                f"CREATE OR REPLACE TEMP TABLE {_BEFORE}{entity.name} AS "
                "SELECT unnest(range(first, first + many)) AS id, many FROM "
                "(SELECT unnest($1::BIGINT[]) AS first, unnest($2::BIGINT[]) AS many)",
                [[first for first, _ in moved], [many for _, many in moved]],
            )
        found: dict[str, dict[int, _Row]] = {}
        for one in self.plan.passes:
            table, entity_name = one.target, one.entity
            if table not in self.plan.results:
                continue
            counted = self.connection.execute(
                f"SELECT COUNT(*), COUNT(DISTINCT id), (SELECT COUNT(*) FROM {entity_name}) "
                f"FROM {table}"
            ).fetchall()
            if len(set(counted[0])) > 1:
                return None
            columns = list(map(quoted, self.plan.results[table]))
            other = [f"t.{name} IS DISTINCT FROM b.{name}" for name in columns[1:]]
            found[table] = self._by_id(
                table,
                f"SELECT {', '.join(f't.{name}' for name in columns)} FROM {table} AS t "
                f"LEFT JOIN {_BEFORE}{entity_name} AS s ON s.id = t.id "
                f"LEFT JOIN {table} AS b ON b.id = s.id - s.many "
                f"WHERE {' OR '.join(['b.id IS NULL', *other])}",
            )
        return found

    def _by_id(self, table: str, query: str) -> dict[int, _Row]:
        """Rows by id. Raises Failure when a record has two."""
        result = self.connection.execute(query)
        names = [column[0] for column in result.description]
        found: dict[int, _Row] = {}
        for values in result.fetchall():
            row = dict(zip(names, values, strict=True))
            if row["id"] in found:
                message = f"{self.name} has two rows of one record in table {table}"
                raise Failure([Diagnostic(DIFFERENCE, message)])
            found[row["id"]] = row
        return found


class OnDuckDB(Engine):
    """A plan on a DuckDB of its own."""

    name = "DuckDB"

    def run(self, cases: Sequence[Case]) -> list[_Broken]:
        write_cases(self.plan.program, cases, self.connection)
        return [one for pass_ in self.plan.passes for one in self.run_pass(pass_)]

    def run_pass(self, one: Pass) -> list[_Broken]:
        """Run one pass, whose tables are there."""
        try:
            self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {one.target} AS {one.duckdb}")
        except duckdb.Error as wrong:
            raise _engine_failure(self.name, wrong) from None
        return _broken(one, lambda query: self.connection.execute(query).fetchall())

    def set_aside(self, table: str) -> None:
        """Free a table's name for another one, until that is put back."""
        self.connection.execute(f"ALTER TABLE {table} RENAME TO {_RIGHT}{table}")

    def put_back(self, table: str) -> None:
        """The table that was set aside, instead of the one that took its place."""
        self.connection.execute(f"DROP TABLE IF EXISTS {table}")
        self.connection.execute(f"ALTER TABLE {_RIGHT}{table} RENAME TO {table}")

    def differs(self, table: str) -> bool:
        """Whether a table has other rows than the one set aside."""
        pair = (table, f"{_RIGHT}{table}")
        return any(
            self.connection.execute(
                f"SELECT 1 FROM (FROM {one} EXCEPT ALL FROM {other}) LIMIT 1"
            ).fetchall()
            for one, other in (pair, pair[::-1])
        )

    def rows_changed(self, table: str) -> tuple[dict[int, _Row], list[int]]:
        """The results of a table that are not those of the one set aside, by id, and the ids of
        records that are lost."""
        columns = ", ".join(map(quoted, self.plan.results[table]))
        right = f"{_RIGHT}{table}"
        query = f"SELECT {columns} FROM {table} EXCEPT ALL SELECT {columns} FROM {right}"
        rows = self._by_id(table, query)
        query = f"SELECT id FROM {right} EXCEPT SELECT id FROM {table}"
        return rows, [number for (number,) in self.connection.execute(query).fetchall()]


class OnSpark(Engine):
    """A plan on Spark, which is given the tables as Parquet, and whose results are read back."""

    name = "Spark"

    @cached_property
    def _folder(self) -> TemporaryDirectory[str]:
        return TemporaryDirectory(prefix="finalrule-spark-cases-")

    @cached_property
    def runner(self) -> SparkRunner:
        """Spark, started when it is first needed, with the catalogues."""
        runner = SparkRunner(session(), Path(self._folder.name, "made"))
        for one in self.catalogues.values():
            self._give(runner, one.dimension.table)
        return runner

    def _give(self, runner: SparkRunner, table: str) -> None:
        path = Path(self._folder.name, f"{table}.parquet")
        self.connection.execute(f"COPY {table} TO '{path}' (FORMAT parquet)")
        runner.load(table, path)

    def run(self, cases: Sequence[Case]) -> list[_Broken]:
        write_cases(self.plan.program, cases, self.connection)
        for entity in self.plan.program.entities:
            self._give(self.runner, entity.name)
        found = []
        for one in self.plan.passes:
            try:
                self.runner.run(one.target, one.query)
            except errors() as wrong:
                raise _engine_failure(self.name, wrong) from None
            found += _broken(one, self.runner.ask)
            if one.target in self.plan.results:
                self.connection.execute(
                    f"CREATE OR REPLACE TEMP TABLE {one.target} AS "
                    f"SELECT * FROM read_parquet('{self.runner.parquet(one.target)}/*.parquet')"
                )
        return found


def _broken(one: Pass, ask: Callable[[str], Sequence[Sequence[Any]]]) -> list[_Broken]:
    """The records for which a rule of a pass does not hold what it promises."""
    if not one.failing:
        return []
    column = failed_column(one.target)
    rows = ask(f"SELECT id, {column} FROM {one.target} WHERE NOT {column} IS NULL")
    return [_Broken(one.entity, number, one.failing[place - 1]) for number, place in rows]


def _engine_failure(name: str, wrong: Exception) -> Failure:
    """An engine's error as one for people."""
    return Failure([Diagnostic(DIFFERENCE, f"{name} cannot run the rules: {wrong}")])


@dataclass(frozen=True, slots=True)
class SqlDifference:
    """An outcome that is another one in SQL; `exact` and `found` say value and what decided."""

    rule: ir.AnyRule
    path: tuple[str, ...]
    output: str
    exact: str
    found: str
    by: str

    def diagnostic(self) -> Diagnostic:
        """As an error at the rule."""
        name = OutcomeName(self.rule.name, self.path, self.output)
        return Diagnostic(
            DIFFERENCE,
            f"two evaluators differ on `{name}`: {self.exact}, but by {self.by} {self.found}",
            (Label(Pointer(str(self.rule.place), ""), f"rule {self.rule.name}"),),
            "do not use this outcome: one of the two evaluators is wrong; report the rule",
        )


# What is found of a record that SQL has lost.
_NO_ROW = Decision("no row", {})


@dataclass(slots=True)
class _Part:
    """Cases that were run together, from a place on: the rows of each table, or why there are none;
    of each case the id of the first record of each entity, and which rules broke their promise, by
    the case's place in the part. A case that follows the one before it has only the rows that are
    not the same as that one's."""

    start: int
    tables: Mapping[str, Mapping[int, _Row]]
    failure: Failure | None
    first_ids: list[Counter[str]]
    broken: Mapping[int, list[Failing]]
    follows: Sequence[bool]

    def row(self, at: int, table: str, entity: str, number: int) -> _Row | None:
        """A record's row of a table; that of the case before where it is the same."""
        rows = self.tables[table]
        while number not in rows and self.follows[at]:
            number -= self.first_ids[at][entity] - self.first_ids[at - 1][entity]
            at -= 1
        return rows.get(number)


class SqlReader:
    """A program's plan on an engine, with what undetermined outcomes need, each case a program of
    its own. `only` names rules instead of all; what they read must be among them."""

    small = 200

    def __init__(
        self,
        program: ir.Program,
        catalogues: Mapping[str, TypedCatalogue],
        engine: type[Engine],
        only: Sequence[str] | None = None,
    ) -> None:
        dimensions = {name: one.dimension for name, one in catalogue_rows(catalogues).items()}
        self.program, self._catalogues, self._engine = program, catalogues, engine
        self.plan = compile_population(
            program, dimensions, only=only, with_needs=True, one_program=False
        )
        self.engine = engine(self.plan, catalogues)
        self.name, self.fired = self.engine.name, 0
        self.rules = frozenset(self.plan.packed)
        self._decoder = Decoder(self.plan)
        # The rules of each entity by the table of their results.
        self._by_entity: dict[str, dict[str, list[ir.AnyRule]]] = {}
        for rule in program.rules:
            if rule.name in self.rules:
                tables = self._by_entity.setdefault(rule.entity, {})
                tables.setdefault(self.plan.tables[rule.name], []).append(rule)
        self._outputs = {rule.name: output_types(rule) for rule in program.rules}
        self._parts: list[_Part] = []

    def begin(self, cases: Sequence[Case], follows: Sequence[bool] = ()) -> None:
        self._parts = []
        self._run(0, cases, follows or [False] * len(cases), [_ALONE])

    def _run(
        self, start: int, cases: Sequence[Case], follows: Sequence[bool], left: list[int]
    ) -> None:
        """Run cases; where they fail, by halves, until some that fail alone are known."""
        try:
            broken = self.engine.run(cases)
        except Failure as failure:
            if len(cases) > 1 and left[0] > 0:
                middle = len(cases) // 2
                self._run(start, cases[:middle], follows[:middle], left)
                self._run(start + middle, cases[middle:], follows[middle:], left)
            else:
                left[0] -= 1
                ids = [Counter[str]() for _ in cases]
                self._parts.append(_Part(start, {}, failure, ids, {}, follows))
            return
        ids = list(_first_ids(cases))
        follows = [False, *follows[1:]]
        tables = self.engine.rows_unlike(ids, follows) if any(follows) else None
        if tables is None:
            follows = [False] * len(cases)
            tables = {table: self.engine.rows(table) for table in self.plan.results}
        by_case: dict[int, list[Failing]] = {}
        for one in broken:
            by_case.setdefault(_place(ids, one.entity, one.id), []).append(one.failing)
        self._parts.append(_Part(start, tables, None, ids, by_case, follows))

    def _part(self, place: int) -> _Part:
        return next(part for part in reversed(self._parts) if part.start <= place)

    def refuses(self, place: int, code: str, rule: str) -> bool:
        part = self._part(place)
        found = part.broken.get(place - part.start, ())
        return any((one.code, one.rule) == (code, rule) for one in found)

    def differences(
        self, place: int, evaluation: Evaluation, changed: Collection[Frame] | None = None
    ) -> Sequence[SqlDifference]:
        part = self._part(place)
        if part.failure is not None:
            raise part.failure
        at = place - part.start
        if broken := part.broken.get(at):
            raise Failure([self._promise(one) for one in broken])
        if not part.follows[at]:
            changed = None
        return list(self.compared(evaluation, part.first_ids[at], part, at, changed))

    def _promise(self, failing: Failing) -> Diagnostic:
        place = next(one.place for one in self.program.rules if one.name == failing.rule)
        label = Label(Pointer(str(place), ""), f"rule {failing.rule}")
        return Diagnostic(failing.code, failing.message, (label,), failing.help)

    def compared(
        self,
        evaluation: Evaluation,
        first_ids: Mapping[str, int],
        part: _Part,
        at: int,
        changed: Collection[Frame] | None = None,
    ) -> Iterator[SqlDifference]:
        """What differs in the tables of results that a part has, for the case at a place of it;
        `first_ids` are those of the case's first records. Where `changed` is given, the decisions
        of other frames are held against their rows only where these are there."""
        frames = {id(record): frame for frame, record in evaluation.records.items()}
        ids = Counter(first_ids)
        for record in evaluation.case.root.walk():
            frame, number = frames[id(record)], ids[record.entity]
            ids[record.entity] += 1
            for table, rules in self._by_entity.get(record.entity, {}).items():
                rows = part.tables.get(table)
                if rows is None or (
                    changed is not None and frame not in changed and number not in rows
                ):
                    continue
                found = part.row(at, table, record.entity, number)
                for rule in rules:
                    exact = evaluation.decisions[rule.name, frame]
                    decided = _NO_ROW if found is None else self._decoder.decision(rule.name, found)
                    yield from self._compared(rule, frame.path, exact, decided)

    def _compared(
        self, rule: ir.AnyRule, path: tuple[str, ...], exact: Decision, found: Decision
    ) -> Iterator[SqlDifference]:
        if exact.winner == found.winner and exact.values == found.values:
            return
        for output, type_ in self._outputs[rule.name].items():
            one = _by_keys(exact.values[output])
            other = found.values.get(output, Unknown(frozenset()))
            if exact.winner != found.winner or one != other:
                texts = _said(exact.winner, one, type_), _said(found.winner, other, type_)
                yield SqlDifference(rule, path, output, *texts, self.name)

    # --- faults --------------------------------------------------------------------------------

    def seed(self, count: int, seed: int) -> list[Fault]:
        """So many faults, each in one query; Spark is given the same queries, so that none is
        sought there. What no case can have decide is not changed."""
        if not isinstance(self.engine, OnDuckDB):
            return []
        never = {rule: {*names} for rule, names in unreachable(self.program).items()}
        for rule, name in TOO_SMALL:
            never.setdefault(rule, set()).add(name)
        return seed_faults(self.plan, count, seed, never)

    def find(
        self,
        faults: Sequence[Fault],
        cases: Sequence[Case],
        evaluate: Callable[[Case], Evaluation],
        note: Callable[[int], None],
    ) -> dict[str, int]:
        """The faults that comparing the cases shows, each with the place of the first that does.
        `note` is told of each that was found. Only cases whose rows a fault changes are
        evaluated: the others are as without it."""
        self.engine.run(cases)
        ids = list(_first_ids(cases))
        evaluated = cache(lambda place: evaluate(cases[place]))
        found: dict[str, int] = {}
        for fault in faults:
            place = self._shows(fault, ids, evaluated)
            if place is not None:
                found[fault.what] = place
                note(1)
        return found

    def _shows(
        self,
        fault: Fault,
        ids: Sequence[Mapping[str, int]],
        evaluated: Callable[[int], Evaluation],
    ) -> int | None:
        """The place of the first case on which results differ. What reads the faulty table, or what
        follows from it, is computed once more in the place of what was there; nothing follows from
        a table that came to the same."""
        assert isinstance(self.engine, OnDuckDB)
        passes = self.plan.passes[fault.place :]
        aside: list[str] = []
        try:
            for one in (replace(passes[0], query=fault.query), *passes[1:]):
                if aside and one.reads.isdisjoint(aside):
                    continue
                self.engine.set_aside(one.target)
                aside.append(one.target)
                if broken := self.engine.run_pass(one):
                    return min(_place(ids, each.entity, each.id) for each in broken)
                if not self.engine.differs(one.target):
                    self.engine.put_back(aside.pop())
                    if not aside:
                        return None
                elif one.target in self.plan.results:
                    place = self._differs(one, ids, evaluated)
                    if place is not None:
                        return place
        except (duckdb.Error, Failure, LookupError, TypeError):
            return 0
        finally:
            for table in aside:
                self.engine.put_back(table)
        return None

    def _differs(
        self,
        one: Pass,
        ids: Sequence[Mapping[str, int]],
        evaluated: Callable[[int], Evaluation],
    ) -> int | None:
        """The place of the first case of which a pass's table has results that differ, another one
        being set aside."""
        assert isinstance(self.engine, OnDuckDB)
        rows, lost = self.engine.rows_changed(one.target)
        if lost:
            return min(_place(ids, one.entity, number) for number in lost)
        part = _Part(0, {one.target: rows}, None, [], {}, [False] * len(ids))
        for place in sorted({_place(ids, one.entity, number) for number in rows}):
            if any(self.compared(evaluated(place), ids[place], part, place, frozenset())):
                return place
        return None

    def narrowed(self, rule: str) -> SqlReader:
        rules = {one.name: one for one in self.program.rules}
        wanted: set[str] = set()
        todo = [rule]
        while todo:
            name = todo.pop()
            if name not in wanted:
                wanted.add(name)
                todo.extend(reads(rules[name]))
        return SqlReader(self.program, self._catalogues, self._engine, sorted(wanted))


def _place(ids: Sequence[Mapping[str, int]], entity: str, number: int) -> int:
    """The place of the case that has a record; `ids` are those of each case's first records."""
    return bisect_right(ids, number, key=lambda first: first[entity]) - 1


def _first_ids(cases: Sequence[Case]) -> Iterator[Counter[str]]:
    """As the tables of cases number their records."""
    ids: Counter[str] = Counter()
    for number, case in enumerate(cases):
        ids[PROGRAM] = number
        yield ids.copy()
        ids.update(record.entity for record in case.root.walk())


def _by_keys(value: Known) -> Known:
    """A value that needs facts: these without the names of records that have no keys, which tables
    do not know."""
    if not isinstance(value, Unknown):
        return value
    return Unknown(frozenset(_NAMED.sub("", need).replace("[]", "") for need in value.needs))


def _said(winner: str, value: Known, type_: Type) -> str:
    """A value, exactly, and what decided it."""
    if isinstance(value, Unknown):
        return f"undetermined, needs {', '.join(sorted(value.needs)) or 'nothing'}"
    said = show(value, type_)
    if isinstance(value, Fraction) and said.startswith("~"):
        said = f"{said} ({exact(value)})"
    return f"{said} by {winner}"
