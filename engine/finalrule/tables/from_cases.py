"""Cases as internal tables, so that the exact evaluator and SQL are given the same facts.

Beside the columns of `internal.Layout` every table has `case_id`, and `program_id`, which is the
same number: each case is a program of its own. A `program` record's `id` is its case's. Other ids
are counted through all cases, entity by entity.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from finalrule.core import ir
from finalrule.facts.case import Case, Record
from finalrule.tables.internal import LARGEST, PROGRAM, Column, Layout, encoder, is_exact
from finalrule.values import LARGEST_DENOMINATOR

CASE_COLUMNS = (Column("program_id", "BIGINT"), Column("case_id", "BIGINT"))
# One value of a row: nothing, a number, a flag, a code.
Cell = int | bool | str | None
_Encode = Callable[[Any], Any]


def internal_tables(
    program: ir.Program, cases: Sequence[Case], start_id: int = 0
) -> dict[str, dict[str, list[Cell]]]:
    """Columns by name of each entity's table. Cases, and the rows of each entity, are numbered from
    `start_id`. Raises ValueError for a record that lacks a fact which is never unknown, or for a
    number that does not fit its column."""
    layout = Layout(program)
    rows: dict[str, list[list[Cell]]] = {entity.name: [] for entity in program.entities}
    for entity, row in _Numbering(layout, start_id).rows(cases):
        rows[entity].append(row)
    return {
        entity: dict(
            zip(
                (column.name for column in case_columns(layout, entity)),
                map(list, zip(*found, strict=True)) if found else iter(_empty(layout, entity)),
                strict=True,
            )
        )
        for entity, found in rows.items()
    }


def write_cases(
    program: ir.Program,
    cases: Iterable[Case],
    connection: duckdb.DuckDBPyConnection,
    start_id: int = 0,
) -> int:
    """The same as DuckDB tables named by entity, which are made anew; the number of cases. Cases
    are taken one at a time, so that there may be any number. Raises ValueError as above."""
    layout = Layout(program)
    numbering = _Numbering(layout, start_id)
    with TemporaryDirectory(prefix="finalrule-cases-") as folder, ExitStack() as files:
        paths = {entity.name: Path(folder, f"{entity.name}.csv") for entity in program.entities}
        opened = {
            name: files.enter_context(path.open("w", encoding="utf-8", newline=""))
            for name, path in paths.items()
        }
        for entity, row in numbering.rows(cases):
            opened[entity].write(_line(row))
        for file in opened.values():
            file.flush()
        for name, path in paths.items():
            _load(connection, name, case_columns(layout, name), path)
    return numbering.cases


def case_columns(layout: Layout, entity: str) -> tuple[Column, ...]:
    """The columns of an entity's table of cases."""
    extra = CASE_COLUMNS if entity != PROGRAM else CASE_COLUMNS[1:]
    return (*layout.columns(entity), *extra)


def _load(
    connection: duckdb.DuckDBPyConnection, name: str, columns: Sequence[Column], path: Path
) -> None:
    declared = ", ".join(f'"{column.name}" {column.sql}' for column in columns)
    connection.execute(f'CREATE OR REPLACE TABLE "{name}" ({declared})')
    if path.stat().st_size == 0:
        return
    typed = ", ".join(f"'{column.name}': '{column.sql}'" for column in columns)
    connection.execute(
        f"""INSERT INTO "{name}" SELECT * FROM read_csv(?, columns = {{{typed}}}, header = false,
        auto_detect = false, delim = ',', quote = '"', escape = '"', new_line = '\\n',
        nullstr = '', allow_quoted_nulls = false, max_line_size = 16777216)""",
        [str(path)],
    )


def _line(row: Sequence[Cell]) -> str:
    """A row as comma-separated text. Codes are quoted even when empty: NULL is nothing at all."""
    return (
        ",".join("" if c is None else _quoted(c) if type(c) is str else str(c) for c in row) + "\n"
    )


def _quoted(code: str) -> str:
    return '"' + code.replace('"', '""') + '"'


def _empty(layout: Layout, entity: str) -> list[list[Cell]]:
    return [[] for _ in case_columns(layout, entity)]


@dataclass(frozen=True, slots=True)
class _FactOf:
    """How a fact is written; an exact one, as two numbers, has no `encode`."""

    name: str
    encode: _Encode | None
    may_be_unknown: bool


class _Numbering:
    """Rows of cases, numbered on from one case to the next."""

    def __init__(self, layout: Layout, start_id: int) -> None:
        self.layout, self.start, self.cases = layout, start_id, 0
        self.next: Counter[str] = Counter()
        names = [entity.name for entity in layout.program.entities]
        self.facts = {name: [_fact_of(fact) for fact in layout.facts(name)] for name in names}
        self.ancestors = {name: layout.ancestors(name) for name in names}
        self.referred = {name: layout.referred(name) for name in names}

    def rows(self, cases: Iterable[Case]) -> Iterator[tuple[str, list[Cell]]]:
        for case in cases:
            number = self.start + self.cases
            self.cases += 1
            ids: dict[int, int] = {}
            records = list(case.root.walk())
            for record in records:
                if record.entity == PROGRAM:
                    ids[id(record)] = number
                else:
                    ids[id(record)] = self.start + self.next[record.entity]
                    self.next[record.entity] += 1
            for record in records:
                yield record.entity, self._row(record, ids, number)

    def _row(self, record: Record, ids: Mapping[int, int], number: int) -> list[Cell]:
        entity = record.entity
        row: list[Cell] = [ids[id(record)]]
        above = _above(record, ids)
        row.extend(above.get(name) for name in self.ancestors[entity])
        if names := self.referred[entity]:
            target = record.refers
            below = (
                {} if target is None else {target.entity: ids[id(target)], **_above(target, ids)}
            )
            row.extend(below.get(name) for name in names)
        facts = record.facts
        for fact in self.facts[entity]:
            given = facts.get(fact.name)
            if given is None:
                if not fact.may_be_unknown:
                    raise ValueError(f"case {number}: {entity}.{fact.name} is not given")
                row.extend((None, None) if fact.encode is None else (None,))
            elif fact.encode is None:
                row.extend(_exact(given.value, entity, fact.name))
            else:
                row.append(fact.encode(given.value))
        row.extend((number,) if entity == PROGRAM else (number, number))
        return row


def _above(record: Record, ids: Mapping[int, int]) -> dict[str, int]:
    found = {}
    above = record.parent
    while above is not None:
        found[above.entity] = ids[id(above)]
        above = above.parent
    return found


def _exact(value: Any, entity: str, name: str) -> tuple[int, int]:
    assert isinstance(value, Fraction)
    if abs(value.numerator) > LARGEST or value.denominator > LARGEST_DENOMINATOR:
        raise ValueError(f"{entity}.{name} is {value}, of which no table has the digits")
    return value.numerator, value.denominator


def _fact_of(fact: ir.FactDeclaration) -> _FactOf:
    exact = is_exact(fact.type)
    encode: _Encode | None = None if exact else encoder(fact.type)
    return _FactOf(fact.name, encode, fact.presence == "may_be_unknown")
