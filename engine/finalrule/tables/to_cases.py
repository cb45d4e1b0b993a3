"""Internal tables as a case, so that the exact evaluator is given what SQL was given.

The case of a TIN/NPI has every scoring unit whose score it may have: its own, its practice's, and
those of the entities that it is a member of, each with all records below. They stand under one
program record beside the one `tin_npi`.

Units are named `individual`, `group`, or by kind and entity_id. Of a unit's clinicians only the one
that was asked for is named by NPI; the others are numbered in the order of their practices and
NPIs. Nobody's identifiers stand in names of outcomes or in origins but those asked for.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb

from finalrule.core import ir
from finalrule.core.expressions import constant_value
from finalrule.evaluate.scalar import with_assumed
from finalrule.facts.case import Case, Given, Record
from finalrule.facts.declared import UNIT
from finalrule.tables.convert import files_at, literal, quoted
from finalrule.tables.internal import (
    DENOMINATOR,
    EPOCH,
    NUMERATOR,
    PROGRAM,
    Layout,
    factor_of,
    id_of,
    is_exact,
)
from finalrule.tables.schema import (
    CLINICIAN,
    CLINICIANS,
    ELIGIBLE_CLINICIAN,
    ENTITIES,
    ENTITY_ID,
    ENTITY_TYPE,
    GROUP,
    GROUP_REPORTS,
    INDIVIDUAL,
    MEMBERS,
    NPI,
    PRACTICES,
    REPORTS_AS_GROUP,
    SCORE,
    TIN,
    TIN_NPI,
    table_schemas,
)
from finalrule.tables.store import PART_KEY
from finalrule.values import Code, Codes, Date, Enumeration, Number, Type, Value, YesNo, show

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OfTables:
    """A case, and the `id` that each of its records has in its entity's table."""

    case: Case
    ids: Mapping[Record, int]


def tin_npi_case(
    program: ir.Program,
    connection: duckdb.DuckDBPyConnection,
    facts: Path,
    tin: str,
    npi: str,
    facts_digest: str,
) -> OfTables | None:
    """The case of a TIN/NPI from the tables in `facts`, a directory of Parquet files for each; None
    where there is no such TIN/NPI. `facts_digest` is that of the tables. Raises duckdb.Error where
    they cannot be read."""
    tables = _Tables(connection, facts)
    names = tables.rows(
        "tin_npi_names", ("id", PART_KEY), f"tin = {literal(tin)} AND npi = {literal(npi)}"
    )
    if not names:
        return None
    reader = _Reader(program, tables, tin, npi)
    root = reader.read(names[0]["id"], names[0][PART_KEY])
    year = str(program.performance_year)
    case = Case(root, {TIN: tin, NPI: npi, "performance_year": year}, facts_digest)
    return OfTables(with_assumed(case, program), reader.ids)


def eligible_clinician_case(
    program: ir.Program, connection: duckdb.DuckDBPyConnection, facts: Path, npi: str,
    facts_digest: str,
) -> OfTables | None:  # fmt: skip
    """The same of an NPI that takes part in Advanced APMs, under whichever TINs: with every unit
    that it is in, and what these were paid."""
    tables = _Tables(connection, facts)
    rows = tables.rows(ELIGIBLE_CLINICIAN, ("id",), f"npi = {literal(npi)}")
    if not rows:
        return None
    reader = _Reader(program, tables, "", npi)
    root = reader.program_record()
    reader.keyed(root, ELIGIBLE_CLINICIAN, {rows[0]["id"]})
    case = Case(root, {NPI: npi, "performance_year": str(program.performance_year)}, facts_digest)
    return OfTables(with_assumed(case, program), reader.ids)


class _Tables:
    """Rows of the tables in a directory."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
        self.connection, self.folder = connection, folder

    def rows(self, table: str, columns: Iterable[str], where: str) -> list[dict[str, Any]]:
        """The rows of a table that are asked for, by id."""
        names = list(columns)
        source = files_at(self.folder / table, "*.parquet")
        result = self.connection.execute(
            f"SELECT {', '.join(map(quoted, names))} FROM read_parquet({source}) "
            f"WHERE {where} ORDER BY id"
        )
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


@dataclass(frozen=True, slots=True)
class _Unit:
    """A scoring unit that is read: what outcomes are named by, and its row in the users' tables."""

    part_key: int
    name: tuple[str, ...]
    table: str
    key: tuple[str, ...]


@dataclass(slots=True)
class _Reader:
    """One TIN/NPI being read. `keys` says of each record which row it is from, by its keys."""

    program: ir.Program
    tables: _Tables
    tin: str
    npi: str
    layout: Layout = field(init=False)
    ids: dict[Record, int] = field(default_factory=dict)
    records: dict[tuple[str, int], Record] = field(default_factory=dict)
    keys: dict[Record, tuple[str, ...]] = field(default_factory=dict)
    decoders: dict[str, list[_FactOf]] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.layout = Layout(self.program)
        self.named = {one.entity: one.name for one in table_schemas(self.program) if one.entity}
        for name in self.layout.declared.entities:
            self.decoders[name] = [_fact_of(fact) for fact in self.layout.facts(name)]

    def read(self, place: int, part_key: int) -> Record:
        root = self.program_record()
        own = self._rows(TIN_NPI, f"{PART_KEY} = {part_key} AND id = {place}")
        scores = self._rows(SCORE, f"{PART_KEY} = {part_key} AND {id_of(TIN_NPI)} = {place}")
        units = self._units(part_key, {row[id_of(UNIT)] for row in scores})
        self._below_units(root, units, {row[id_of(CLINICIAN)] for row in scores})
        who = (self.tin, self.npi)
        for row in own:
            self._add(TIN_NPI, row, root, who, f"{CLINICIANS}[{','.join(who)}]")
        for row in scores:
            unit = units[row[id_of(UNIT)]]
            record = self._add(SCORE, row, self.records[TIN_NPI, place], who, self._member(unit))
            record.refers = self.records[CLINICIAN, row[id_of(CLINICIAN)]]
        return root

    def program_record(self) -> Record:
        (row,) = self._rows(PROGRAM, "true")
        record = Record(PROGRAM, self._facts(PROGRAM, row, "the run", {}))
        # What the year file assumes is given back with its own origin.
        for figure in self.program.assumed:
            name = figure.name.removeprefix(f"{PROGRAM}.")
            given = record.facts.get(name)
            if given and figure.value and given.value == constant_value(figure.value):
                del record.facts[name]
        self.ids[record] = row["id"]
        return record

    def _units(self, part_key: int, referred: set[int]) -> dict[int, _Unit]:
        """The units by id: those of the TIN and of the TIN/NPI, and those whose score it has."""
        columns = ("id", PART_KEY, ENTITY_TYPE, ENTITY_ID)
        mine = f"npi IS NULL OR npi = {literal(self.npi)}"
        found = self.tables.rows("unit_names", columns, f"{PART_KEY} = {part_key} AND ({mine})")
        if others := referred - {row["id"] for row in found}:
            found += self.tables.rows("unit_names", columns, f"id IN ({_listed(others)})")
        units = {}
        for row in found:
            kind, entity_id = row[ENTITY_TYPE], row[ENTITY_ID]
            table, name, key = {
                INDIVIDUAL: (CLINICIANS, (kind,), (self.tin, self.npi)),
                GROUP: (PRACTICES, (kind,), (self.tin,)),
            }.get(kind, (ENTITIES, (kind, str(entity_id)), (str(entity_id),)))
            units[row["id"]] = _Unit(row[PART_KEY], name, table, key)
        return units

    def _below_units(self, root: Record, units: Mapping[int, _Unit], referred: set[int]) -> None:
        """Every record of the units. Records of others, such as distributions of all results, are
        nobody's in particular."""
        declared = self.layout.declared
        of_parts = f"{PART_KEY} IN ({_listed({unit.part_key for unit in units.values()})})"
        entities = [name for name in declared.entities if UNIT in declared.path_to(name)]
        for entity in sorted(entities, key=lambda name: len(declared.path_to(name))):
            id_column = "id" if entity == UNIT else id_of(UNIT)
            rows = self._rows(entity, f"{of_parts} AND {id_column} IN ({_listed(units)})")
            if target := declared.entities[entity].refers:
                pointers = (row[id_of(target)] for row in rows)
                self.keyed(root, target, {at for at in pointers if at is not None})
            numbers: dict[Record, int] = {}
            for row in rows:
                if entity == UNIT:
                    self._unit(row, root, units[row["id"]])
                    continue
                parent = self.records[declared.entities[entity].parent,
                                      row[id_of(declared.entities[entity].parent)]]  # fmt: skip
                if entity == CLINICIAN:
                    number = numbers[parent] = numbers.get(parent, 0) + 1
                    self._clinician(row, parent, number, row["id"] in referred)
                    continue
                key = (*self.keys[parent], *self._own_key(entity, row))
                self._add(entity, row, parent, key, f"{self.named[entity]}[{','.join(key)}]")

    def _unit(self, row: Row, root: Record, unit: _Unit) -> None:
        origin = f"{unit.table}[{','.join(unit.key)}]"
        elsewhere = {}
        if unit.table == CLINICIANS:
            elsewhere[GROUP_REPORTS] = f"{PRACTICES}[{self.tin}].{REPORTS_AS_GROUP}"
        self._add(UNIT, row, root, unit.key, origin, elsewhere).name = unit.name

    def _clinician(self, row: Row, unit: Record, number: int, referred: bool) -> None:
        """One of a unit's clinicians. An NPI may be in an entity twice, under two TINs: there, only
        the record that the score points at is the one that was asked for."""
        of_entity = unit.name not in ((INDIVIDUAL,), (GROUP,))
        mine = referred or (not of_entity and row[NPI] == self.npi)
        tin = () if of_entity and not mine else (self.tin,)
        key = (*tin, self.npi if mine else f"#{number}")
        record = self._add(CLINICIAN, row, unit, key, f"{CLINICIANS}[{','.join(key)}]")
        if not mine:
            record.name = (f"#{number}",)
        if target := self.layout.declared.entities[CLINICIAN].refers:
            record.refers = self.records.get((target, row[id_of(target)]))

    def keyed(self, root: Record, entity: str, ids: set[int]) -> None:
        """Records that their own keys name, with all below them and what these refer to."""
        declared = self.layout.declared
        ids = {at for at in ids if (entity, at) not in self.records}
        below = [name for name in declared.entities if entity in declared.path_to(name)]
        below.sort(key=lambda name: len(declared.path_to(name)))
        rows_of = {}
        for name in below:
            column = "id" if name == entity else id_of(entity)
            rows_of[name] = self._rows(name, f"{column} IN ({_listed(ids)})") if ids else []
            if target := declared.entities[name].refers:
                pointers = (row[id_of(target)] for row in rows_of[name])
                self.keyed(root, target, {at for at in pointers if at is not None})
        for name in below:
            parent, refers = declared.entities[name].parent, declared.entities[name].refers
            for row in rows_of[name]:
                above = root if parent == PROGRAM else self.records[parent, row[id_of(parent)]]
                key = (*self.keys.get(above, ()), *self._own_key(name, row))
                if row.get(NPI, self.npi) != self.npi:
                    key = (f"#{row['id']}",)
                record = self._add(name, row, above, key, f"{self.named[name]}[{','.join(key)}]")
                if key[0].startswith("#") and NPI in row:
                    record.name = key
                if refers:
                    record.refers = self.records.get((refers, row[id_of(refers)]))

    def _member(self, unit: _Unit) -> str:
        """What says that the TIN/NPI has a unit's score."""
        match unit.table:
            case "clinicians":
                return f"{CLINICIANS}[{self.tin},{self.npi}]"
            case "practices":
                return f"{PRACTICES}[{self.tin}].{REPORTS_AS_GROUP}"
        return f"{MEMBERS}[{','.join(unit.key)},{self.tin},{self.npi}]"

    # --- records ---------------------------------------------------------------------------------

    def _rows(self, entity: str, where: str) -> list[dict[str, Any]]:
        columns = (column.name for column in self.layout.columns(entity))
        return self.tables.rows(entity, columns, where)

    def _add(
        self, entity: str, row: Row, parent: Record, key: tuple[str, ...], origin: str,
        elsewhere: Mapping[str, str] | None = None,
    ) -> Record:  # fmt: skip
        record = parent.add(entity, self._facts(entity, row, origin, elsewhere or {}))
        self.records[entity, row["id"]] = record
        self.ids[record] = row["id"]
        self.keys[record] = key
        return record

    def _facts(
        self, entity: str, row: Row, origin: str, elsewhere: Mapping[str, str]
    ) -> dict[str, Given]:
        """What is known of a record, from `origin`; facts that come from `elsewhere` by name."""
        found = {}
        for fact in self.decoders[entity]:
            value = fact.read(row)
            if value is not None:
                absent = fact.absent if value == fact.default else ""
                found[fact.name] = Given(value, elsewhere.get(fact.name, origin) + absent)
        return found

    def _own_key(self, entity: str, row: Row) -> Sequence[str]:
        declared = self.layout.declared
        of = {fact.name: fact for fact in self.decoders[entity]}
        found = []
        for name in declared.keys(entity):
            value = of[name].read(row)
            found.append("" if value is None else show(value, declared.facts[entity][name].type))
        return found


def _listed(ids: Iterable[int]) -> str:
    return ", ".join(str(number) for number in sorted(ids))


# --- facts ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _FactOf:
    """How a fact is read of a row. Where it has its default it may not have been given: `absent`
    says so."""

    name: str
    read: Callable[[Row], Value | None]
    default: Value | None
    absent: str


def _fact_of(fact: ir.FactDeclaration) -> _FactOf:
    default = constant_value(fact.default) if fact.default is not None else None
    return _FactOf(
        fact.name, _read_exact(fact.name) if is_exact(fact.type) else _read(fact.name, fact.type),
        default, f" or absent: {', '.join(fact.cites)}",
    )  # fmt: skip


def _read(name: str, type_: Type) -> Callable[[Row], Value | None]:
    decode = decoder(type_)

    def read(row: Row) -> Value | None:
        cell = row[name]
        return None if cell is None else decode(cell)

    return read


def _read_exact(name: str) -> Callable[[Row], Value | None]:
    above, below = name + NUMERATOR, name + DENOMINATOR

    def read(row: Row) -> Value | None:
        return None if row[above] is None else Fraction(row[above], row[below])

    return read


def decoder(type_: Type) -> Callable[[Any], Value]:
    """A function from what a fact's column holds to its value; not for exact numbers."""
    match type_:
        case YesNo() | Code():
            return lambda cell: cell
        case Enumeration(members=members):
            return members.__getitem__
        case Date():
            return lambda days: EPOCH + datetime.timedelta(days=days)
        case Number():
            factor = factor_of(type_)
            return lambda number: Fraction(number, factor)
        case Codes():
            raise TypeError("a fact cannot be a set of codes")
