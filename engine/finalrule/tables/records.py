"""The records of units and clinicians: one internal table from each of the users' tables.

A record's id is its row's number; a clinician's records are there once under its own unit (twice
the number), once under its practice's (one more), and once for each entity that it is a member of
(after all others).
"""

from __future__ import annotations

from collections.abc import Mapping

from finalrule.catalogue.read import Catalogue
from finalrule.facts.declared import UNIT
from finalrule.tables.convert import Check, Given, key_value, literal, period_checks, quoted
from finalrule.tables.internal import id_of
from finalrule.tables.rejected import path_of
from finalrule.tables.schema import (
    CLINICIAN,
    CLINICIANS,
    ENTITIES,
    ENTITY_ID,
    NPI,
    PRACTICES,
    TIN,
    TableSchema,
    table_schemas,
)
from finalrule.tables.sources import Source
from finalrule.tables.stage import Stage, fact_checks, good
from finalrule.tables.units import GROUPS, INDIVIDUALS, OF_ENTITIES, unit_checks

RECORDS = "records"
# Catalogues whose records are the keys that an entity's records may have.
MEASURES = {
    "measure_result": ("measure_collection_type", {"measure_id": "measure_id",
                                                   "collection_type": "collection_type"}),
    "survey_score": ("quality_measure", {"summary_measure_id": "measure_id"}),
    "activity": ("improvement_activity", {"activity_id": "activity_id"}),
    "pi_report": ("pi_measure", {"measure_id": "measure_id"}),
    "cost_result": ("cost_measure", {"measure_id": "measure_id"}),
}  # fmt: skip


def read_records(stage: Stage, schema: TableSchema, catalogues: Mapping[str, Catalogue]) -> None:
    """Write the internal table of a table of records."""
    of_clinician = schema.of == "clinician"
    part = INDIVIDUALS if of_clinician else RECORDS
    source = stage.sources.get(schema.name)
    if source is None:
        stage.write_empty(schema.entity, part)
        return
    _write(stage, schema, source, part, catalogues)
    if of_clinician:
        _copy(stage, schema, source)


def _write(
    stage: Stage,
    schema: TableSchema,
    source: Source,
    part: str,
    catalogues: Mapping[str, Catalogue],
) -> None:
    entity, store = schema.entity, stage.store
    parent = stage.layout.declared.entities[entity].parent
    above = parent if parent not in (UNIT, CLINICIAN) else ""
    own = _own_checks(stage, schema, source)
    known = _known(stage, schema, source, catalogues, own)
    matches = _unit_match(schema, source)
    parents = _parent_match(stage, schema, source, above) if above else ""
    special = {"id": '2 * t."__row"' if schema.of == "clinician" else 't."__row"',
               f"{UNIT}_id": "u.unit_id", f"{CLINICIAN}_id": "u.clinician_id"}  # fmt: skip
    if above:
        special[id_of(above)] = "p.id"
    columns = stage.columns(entity, special, source, "u.part_key")
    parent_join = f"JOIN {store.scan(above, part)} p ON {parents}" if above else ""
    with stage.reading(source):
        accepted, twice = stage.write_unique(
            entity, part,
            f"SELECT {columns} FROM {source.relation()} t JOIN unit u ON {matches} "
            f"{parent_join} {known} WHERE {good(own)}",
        )  # fmt: skip
        if accepted < source.rows:
            checks = [*_unit_checks(schema, source), *own]
            if above:
                checks += _parent_checks(stage, schema, source, above)
            joins = f"LEFT JOIN unit u ON {matches} "
            joins += f"LEFT {parent_join} {known}" if above else known
            halved = f"SELECT id // 2 FROM ({twice})" if schema.of == "clinician" else twice
            stage.reject(source, accepted, checks, joins, [halved] if twice else [])


# --- checks --------------------------------------------------------------------------------------


def _own_checks(stage: Stage, schema: TableSchema, source: Source) -> list[Check]:
    """What can be said of a row alone."""
    found = fact_checks(schema, source)
    by_name = {column.name: source.given(column) for column in schema.columns}
    if {"performance_start", "performance_end"} <= by_name.keys():
        year = stage.program.performance_year
        found += period_checks(year, by_name["performance_start"], by_name["performance_end"])
    part, whole = by_name.get("numerator"), by_name.get("denominator")
    if part and part.names and whole and whole.names:
        found.append(_part_of_whole(stage, schema, part, whole))
    return found


def _part_of_whole(stage: Stage, schema: TableSchema, part: Given, whole: Given) -> Check:
    """A numerator counts a part of its denominator."""
    facts = stage.layout.declared.facts[schema.entity]
    above = " > ".join(
        key_value(facts[name].type, given)
        for name, given in (("numerator", part), ("denominator", whole))
    )
    shown = "concat(t.numerator, '/', t.denominator)"
    return Check(above, "numerator_above_denominator", "numerator", shown)


def _known(
    stage: Stage,
    schema: TableSchema,
    source: Source,
    catalogues: Mapping[str, Catalogue],
    checks: list[Check],
) -> str:
    """SQL that joins the year's measures as `k`, where the entity's keys are such; a check that the
    row's is one is added."""
    name, keys = MEASURES.get(schema.entity, ("", {}))
    catalogue = catalogues.get(name)
    if catalogue is None or not catalogue.rows:
        return ""
    wanted = list(keys.values())
    rows = {tuple(catalogue.cell(row, field) for field in wanted)
            for row in catalogue.rows.values()}  # fmt: skip
    values = ", ".join(f"({', '.join(map(literal, row))})" for row in sorted(rows))
    table = f"known_{schema.entity}"
    columns = ", ".join(f"{quoted(key)} VARCHAR" for key in keys)
    stage.store.run(f"CREATE TABLE {table} ({columns}); INSERT INTO {table} VALUES {values}")
    first = next(iter(keys))
    shown = f"concat_ws(' ', {', '.join(f't.{quoted(key)}' for key in keys)})"
    checks.append(Check(f"k.{quoted(first)} IS NULL", "measure_unknown", first, shown))
    same = " AND ".join(f"k.{quoted(key)} = t.{quoted(key)}" for key in keys)
    return f"LEFT JOIN {table} k ON {same}"


def _unit_match(schema: TableSchema, source: Source) -> str:
    """SQL: the unit that a row names; of a clinician's tables, its individual unit."""
    same = []
    for name in (TIN, NPI, ENTITY_ID):
        mine = f"t.{name}" if name in source.types else "''"
        absent = schema.of == "unit" and name in source.types
        same.append(f"u.{name} = " + (f"coalesce({mine}, '')" if absent else mine))
    if schema.of == "clinician":
        same.append("u.npi <> ''")
    return " AND ".join(same)


def _unit_checks(schema: TableSchema, source: Source) -> list[Check]:
    """Why the unit of a row is not found; `_unit_match` holds for a row that passes all."""
    tin, npi, entity_id = (
        f"nullif(t.{name}, '')" if name in source.types else "NULL"
        for name in (TIN, NPI, ENTITY_ID)
    )
    checks = [
        Check(f"{entity_id} IS NOT NULL AND ({tin} IS NOT NULL OR {npi} IS NOT NULL)",
              "unit_ambiguous", ENTITY_ID, entity_id),
        Check(f"{tin} IS NULL AND {entity_id} IS NULL", "value_missing", TIN, "NULL"),
    ]  # fmt: skip
    if schema.of == "clinician":
        checks.append(Check(f"{npi} IS NULL", "value_missing", NPI, "NULL"))
    for c, name, digits in ((tin, TIN, 9), (npi, NPI, 10)):
        form = f"NOT regexp_full_match({c}, '[0-9]{{{digits}}}')"
        checks.append(Check(form, "identifier_form", name, c))
    shown = f"coalesce({npi}, {tin}, {entity_id})"
    return checks + unit_checks(
        "u.unit_id",
        [
            (PRACTICES, "tin", tin),
            (CLINICIANS, "(tin, npi)", f"({tin}, {npi})"),
            (ENTITIES, "entity_id", entity_id),
        ],
        TIN if schema.of == "unit" else NPI,
        shown,
    )


def _parent_match(stage: Stage, schema: TableSchema, source: Source, above: str) -> str:
    """SQL: the record above that a row names."""
    unit = CLINICIAN if schema.of == "clinician" else UNIT
    mine = "u.clinician_id" if schema.of == "clinician" else "u.unit_id"
    same = [f"p.{unit}_id = {mine}"]
    for name in stage.layout.declared.keys(above):
        type_ = stage.layout.declared.facts[above][name].type
        same.append(f"p.{quoted(name)} = {key_value(type_, source.given(name))}")
    return " AND ".join(same)


def _parent_checks(stage: Stage, schema: TableSchema, source: Source, above: str) -> list[Check]:
    names = stage.layout.declared.keys(above)
    table = next(s.name for s in table_schemas(stage.program) if s.entity == above)
    identifiers = [name for name in (TIN, NPI, ENTITY_ID) if name in schema.keys]
    theirs = ", ".join([*(f"coalesce({name}, '')" for name in identifiers), '"path"'])
    mine = ", ".join(
        [
            *(f"coalesce(CAST(t.{name} AS VARCHAR), '')" if name in source.types else "''"
              for name in identifiers),
            path_of(source, names),
        ]
    )  # fmt: skip
    shown = path_of(source, names)
    found = unit_checks("p.id", [(table, f"({theirs})", f"({mine})")], names[0], shown)
    return [*found[:-1], Check("p.id IS NULL", "parent_unknown", names[0], shown)]


# --- copies of a clinician's records -------------------------------------------------------------


def _copy(stage: Stage, schema: TableSchema, source: Source) -> None:
    """Write a clinician's records once more under its practice's unit and under its entities'."""
    entity, store = schema.entity, stage.store
    parent = stage.layout.declared.entities[entity].parent
    above = parent if parent != CLINICIAN else ""
    own = store.scan(entity, INDIVIDUALS)
    next_parent = f", b.{above}_id + 1 AS {above}_id" if above else ""
    stage.write(
        entity, GROUPS,
        f"SELECT b.* REPLACE (b.id + 1 AS id, b.{CLINICIAN}_id + 1 AS {CLINICIAN}_id, "
        f"g.unit_id AS {UNIT}_id{next_parent}) FROM {own} b JOIN practice g USING (part_key)",
    )  # fmt: skip
    if not store.number("SELECT count(*) FROM member"):
        return
    parent_id = joined = ""
    if above:
        parent_id = f", c.id AS {above}_id"
        keys = "".join(f" AND c.{quoted(name)} = a.{quoted(name)}"
                       for name in stage.layout.declared.keys(above))  # fmt: skip
        joined = (
            f"JOIN {store.scan(above, INDIVIDUALS)} a ON a.id = b.{above}_id "
            f"JOIN {store.scan(above, OF_ENTITIES)} c ON c.{CLINICIAN}_id = m.clinician_id{keys}"
        )
    last = 2 * source.rows - 1
    stage.write(
        entity, OF_ENTITIES,
        f"SELECT b.* REPLACE ({last} + row_number() OVER (ORDER BY m.clinician_id, b.id) AS id, "
        f"m.clinician_id AS {CLINICIAN}_id, m.unit_id AS {UNIT}_id{parent_id}, "
        f"m.part_key AS part_key) FROM {own} b "
        f"JOIN member m ON b.{CLINICIAN}_id = 2 * m.place {joined} ORDER BY m.clinician_id, b.id",
    )  # fmt: skip
