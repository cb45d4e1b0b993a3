"""The same facts as tables for users and as cases make the same internal tables: two ways, written
apart, of which one runs in SQL and the other in Python."""

from __future__ import annotations

import csv
import datetime
from fractions import Fraction
from pathlib import Path
from random import Random

import duckdb
import pytest

from finalrule.core import ir
from finalrule.core.expressions import constant_value
from finalrule.evaluate.catalogues import open_catalogues
from finalrule.facts.case import Case, Given, Record
from finalrule.facts.declared import Declared
from finalrule.places import policies_root
from finalrule.tables.convert import quoted
from finalrule.tables.from_cases import internal_tables
from finalrule.tables.internal import Layout
from finalrule.tables.read import read_tables
from finalrule.tables.records import MEASURES
from finalrule.tables.schema import TableSchema, table_schemas
from finalrule.values import Date, Enumeration, Number, Value, YesNo, decimal_text
from tables.conftest import NPIS, program_of

TINS = ("100000001", "100000002", "100000003")
Unit = tuple[str, str]
Row = dict[str, Value | None]


def value(fact: ir.FactDeclaration, year: int, random: Random) -> Value | None:
    """Any value that a table can hold; None where that is allowed."""
    if fact.presence != "required" and random.random() < 0.3:
        return None
    match fact.type:
        case YesNo():
            return random.random() < 0.5
        case Enumeration(members=members):
            return random.choice(members)
        case Date():
            half = 1 if fact.name != "performance_end" else 7
            return datetime.date(year, half + random.randrange(6), random.randrange(1, 29))
        case Number(low=low, high=high, scale=scale, unit=unit):
            factor = 100 if unit == "percent" else 1
            exact = 7 if unit == "percent" else 9
            places = random.randrange(0, (exact if scale is None else scale) + 1)
            low, high = low * factor, high * factor
            if random.random() < 0.2:
                return random.choice((low, high)) / factor
            top = min(high, low + random.choice((10, 1000, 10**12)))
            steps = int((top - low) * 10**places)
            return (low + Fraction(random.randrange(steps + 1), 10**places)) / factor
        case _:
            return random.choice(("A1", "x y", 'with "quotes", and comma'))


def text(fact: ir.FactDeclaration, given: Value | None) -> str:
    match given:
        case None:
            return ""
        case bool():
            return "yes" if given else "no"
        case Fraction():
            assert isinstance(fact.type, Number)
            return decimal_text(given * 100 if fact.type.unit == "percent" else given)
        case datetime.date():
            return given.isoformat()
        case _:
            assert isinstance(given, str)
            return given


class World:
    """Random facts of three practices, each with up to two clinicians."""

    def __init__(self, program: ir.Program, seed: int) -> None:
        self.program, self.random = program, Random(seed)
        self.declared = Declared(program)
        self.year = program.performance_year
        opened = open_catalogues(program, policies_root())
        self.catalogues = {name: one.rows for name, one in opened.items()}
        self.schemas = {schema.name: schema for schema in table_schemas(program)}
        self.clinicians = [(TINS[0], NPIS[0])]
        for tin in TINS[1:]:
            npis = self.random.sample(NPIS, self.random.randrange(3))
            self.clinicians += [(tin, npi) for npi in npis]
        self.own = {(tin, ""): self.facts("practices") for tin in TINS}
        self.own |= {one: self.facts("clinicians") for one in self.clinicians}
        self.records: dict[str, dict[Unit, list[Row]]] = {}
        for schema in self.schemas.values():
            if schema.entity and schema.of != "keys":
                units = self.clinicians if schema.of == "clinician" else [
                    *self.clinicians, *((tin, "") for tin in TINS)]  # fmt: skip
                self.records[schema.name] = {unit: self.rows(schema.name, unit) for unit in units}

    def facts(self, table: str) -> Row:
        return {column.name: value(column.facts[0], self.year, self.random)
                for column in self.schemas[table].facts if column.facts}  # fmt: skip

    def rows(self, table: str, unit: Unit) -> list[Row]:
        """A few records with different keys; those of a record above exist there."""
        schema, random = self.schemas[table], self.random
        found: dict[tuple[object, ...], Row] = {}
        parent = self.table_of(self.declared.entities[schema.entity].parent)
        for _ in range(random.randrange(4)):
            keys: Row = {}
            if parent:
                above = self.records[parent.name][unit]
                if not above:
                    return []
                row = random.choice(above)
                keys = {name: row[name] for name in self.declared.keys(parent.entity)}
            keys |= self.keys(schema.entity)
            facts = {column.name: value(column.facts[0], self.year, random)
                     for column in schema.facts}  # fmt: skip
            if {"numerator", "denominator"} <= facts.keys():
                pair = sorted(facts[name] for name in ("numerator", "denominator"))  # type: ignore[type-var]
                facts["numerator"], facts["denominator"] = pair
            found.setdefault(tuple(keys.values()), {**keys, **facts})
        return list(found.values())

    def table_of(self, entity: str) -> TableSchema | None:
        return next((s for s in self.schemas.values() if s.entity == entity), None)

    def keys(self, entity: str) -> Row:
        if entity in MEASURES:
            name, fields = MEASURES[entity]
            catalogue = self.catalogues[name]
            row = self.random.choice(list(catalogue.rows.values()))
            return {key: catalogue.cell(row, field) for key, field in fields.items()}
        return {key.name: value(self.declared.facts[entity][key.name], self.year, self.random)
                for key in self.declared.entities[entity].keys}  # fmt: skip

    # --- as tables -------------------------------------------------------------------------------

    def write(self, directory: Path) -> None:
        for table in ("practices", "clinicians"):
            rows = [({"tin": tin, "npi": npi}, row) for (tin, npi), row in self.own.items()
                    if bool(npi) == (table == "clinicians")]  # fmt: skip
            self.file(directory, table, rows)
        for table, units in self.records.items():
            rows = [({"tin": tin, "npi": npi}, row)
                    for (tin, npi), found in units.items() for row in found]  # fmt: skip
            self.file(directory, table, rows)

    def file(self, directory: Path, table: str, rows: list[tuple[dict[str, str], Row]]) -> None:
        columns = self.schemas[table].columns
        self.random.shuffle(rows)
        with (directory / f"{table}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([column.name for column in columns])
            for unit, row in rows:
                writer.writerow([
                    text(column.facts[0], row[column.name]) if column.facts
                    else unit.get(column.name, "")
                    for column in columns
                ])  # fmt: skip

    # --- as cases --------------------------------------------------------------------------------

    def case(self, unit: Unit) -> Case:
        tin, npi = unit
        root = Record("program", self.given("program", {}))
        facts = dict(self.own[unit])
        reports = self.own[tin, ""].get("reports_as_group")
        facts |= {"entity_type": "individual" if npi else "group",
                  "group_reports": bool(reports) if npi else None}  # fmt: skip
        record = root.add("scoring_unit", self.given("scoring_unit", facts))
        self.below(record, unit)
        for of_tin, of_npi in self.clinicians:
            if of_tin == tin and npi in ("", of_npi):
                own = {**self.own[of_tin, of_npi], "npi": of_npi}
                clinician = record.add("clinician", self.given("clinician", own))
                self.below(clinician, (of_tin, of_npi))
        return Case(root, {}, "")

    def below(self, record: Record, unit: Unit) -> None:
        known = self.declared.keys(record.entity) if record.entity != "clinician" else ()
        keys = {name: record.facts[name].value for name in known}
        for entity in self.declared.children[record.entity]:
            table = self.table_of(entity)
            for row in self.records[table.name].get(unit, []) if table else []:
                if all(row[name] == key for name, key in keys.items()):
                    self.below(record.add(entity, self.given(entity, row)), unit)

    def given(self, entity: str, row: Row) -> dict[str, Given]:
        found = {}
        for name, fact in self.declared.facts[entity].items():
            known = row.get(name)
            if known is None and fact.default is not None:
                known = constant_value(fact.default)
            if known is not None:
                found[name] = Given(known, "test")
        return found


@pytest.mark.parametrize("policy", ["2019-final", "2020-proposed", "2020-final"])
@pytest.mark.parametrize("seed", range(4))
def test_tables_and_cases_agree(policy: str, seed: int, tmp_path: Path) -> None:
    program = program_of(policy)
    world = World(program, seed)
    world.write(tmp_path)
    read = read_tables(program, tmp_path, tmp_path / "work", threads=2, memory="1GB")
    assert read.rejected == {}
    layout, connection = Layout(program), duckdb.connect()
    units = connection.execute(
        f"SELECT id, tin, coalesce(npi, '') FROM '{read.database}/unit_names/*.parquet'"
    ).fetchall()
    assert len(units) == len(world.own)
    compared = 0
    for id_, tin, npi in units:
        made = internal_tables(program, [world.case((tin, npi))])
        of_units = (s.entity for s in world.schemas.values() if s.entity and s.of != "keys")
        for entity in ("scoring_unit", *of_units, "clinician"):
            ids = layout.ids(entity)
            names = [column.name for column in layout.columns(entity) if column.name not in ids]
            of_unit = "id" if entity == "scoring_unit" else "scoring_unit_id"
            found = connection.execute(
                f"SELECT {', '.join(map(quoted, names))} "
                f"FROM '{read.database}/{entity}/*.parquet' WHERE {of_unit} = {id_}"
            ).fetchall()
            wanted = zip(*(made[entity][name] for name in names), strict=True)
            as_found = sorted((quotients(names, row) for row in found), key=repr)
            assert as_found == sorted((quotients(names, row) for row in wanted), key=repr)
            compared += len(found)
    assert compared > 20


def quotients(names: list[str], row: tuple[object, ...]) -> list[object]:
    """A row in which numerator and denominator are one fraction."""
    cells = dict(zip(names, row, strict=True))
    for name in names:
        if name.endswith("__n"):
            n, d = cells[name], cells.pop(name[:-1] + "d")
            cells[name] = None if n is None else Fraction(n, d)  # type: ignore[call-overload]
    return list(cells.values())
