"""Records that their own keys name, and not a practice or clinician: payment models, APM Entities,
what they were paid, and who takes part in them.

A record's id is its row's number. What a record refers to is named by that one's keys.
"""

from __future__ import annotations

from finalrule.tables.convert import Check, key_value, literal, quoted
from finalrule.tables.internal import id_of
from finalrule.tables.rejected import TABLE as REJECTED
from finalrule.tables.rejected import path_of
from finalrule.tables.schema import NPI, TIN, TableSchema, keys_to
from finalrule.tables.sources import Source
from finalrule.tables.stage import Stage, fact_checks, good
from finalrule.tables.units import check_digit, identifier_checks

RECORDS = "records"


def read_keyed(stage: Stage, schema: TableSchema, tables: dict[str, str]) -> None:
    """Write the internal table of a table of such records. `tables` are the users' tables by
    entity; those above the record, and of what it refers to, were read before."""
    source = stage.sources.get(schema.name)
    if source is None:
        stage.write_empty(schema.entity, RECORDS)
        return
    entity = schema.entity
    declared = stage.layout.declared
    path = declared.path_to(entity)
    joins, special = [], {"id": 't."__row"'}
    checks = [*_key_checks(schema, source), *fact_checks(schema, source)]
    if len(path) > 1:
        above = path[-2]
        joins.append(_join(stage, source, above, "p"))
        special.update(_ids(stage, above, "p"))
        checks += _found(stage, schema, source, above, "p", tables, "TRUE")
    if target := declared.entities[entity].refers:
        joins.append(_join(stage, source, target, "r"))
        special.update(_ids(stage, target, "r"))
        given = f"t.{quoted(keys_to(declared, target)[-1])}"
        named = f"nullif({given}, '') IS NOT NULL" if _is_given(stage, source, target) else "FALSE"
        checks += _found(stage, schema, source, target, "r", tables, named)
    columns = stage.columns(entity, special, source, "0")
    with stage.reading(source):
        accepted, twice = stage.write_unique(
            entity, RECORDS,
            f"SELECT {columns} FROM {source.relation()} t {' '.join(joins)} WHERE {good(checks)}",
        )  # fmt: skip
        if accepted < source.rows:
            stage.reject(source, accepted, checks, " ".join(joins), [twice] if twice else [])


def _ids(stage: Stage, entity: str, alias: str) -> dict[str, str]:
    """The columns that point at a record and at those above it."""
    above = {id_of(name): f"{alias}.{id_of(name)}" for name in stage.layout.ancestors(entity)}
    return {id_of(entity): f"{alias}.id", **above}


def _is_given(stage: Stage, source: Source, entity: str) -> bool:
    names = keys_to(stage.layout.declared, entity)
    return all(name in source.types for name in names)


def _join(stage: Stage, source: Source, entity: str, alias: str) -> str:
    """SQL that joins the record of an entity that a row names, if it is there."""
    declared, scan = stage.layout.declared, stage.store.scan(entity, RECORDS)
    if not _is_given(stage, source, entity):
        return f"LEFT JOIN {scan} {alias} ON FALSE"
    *above, own = declared.path_to(entity)
    inner, listed, same = "", "o.*", []
    for at, name in enumerate(above):
        inner += f" JOIN {stage.store.scan(name, RECORDS)} a{at} ON a{at}.id = o.{id_of(name)}"
        for key in declared.keys(name):
            listed += f", a{at}.{quoted(key)} AS {quoted(f'{name} {key}')}"
    for name in (*above, own):
        for key in declared.keys(name):
            value = key_value(declared.facts[name][key].type, source.given(key))
            same.append(f"{alias}.{quoted(key if name == own else f'{name} {key}')} = {value}")
    return f"LEFT JOIN (SELECT {listed} FROM {scan} o{inner}) {alias} ON {' AND '.join(same)}"


# --- checks --------------------------------------------------------------------------------------


def _key_checks(schema: TableSchema, source: Source) -> list[Check]:
    """Keys that are identifiers have their form."""
    found: list[Check] = []
    for name in (TIN, NPI):
        if name in schema.keys:
            found += identifier_checks(source, name)
    if NPI in schema.keys:
        found.append(Check(f"NOT {check_digit('t.npi')}", "npi_check_digit", NPI, "t.npi"))
    return found


def _found(
    stage: Stage, schema: TableSchema, source: Source, entity: str, alias: str,
    tables: dict[str, str], named: str,
) -> list[Check]:  # fmt: skip
    """A record that a row names is there; `named` is SQL that holds where it names one."""
    names = keys_to(stage.layout.declared, entity)
    missing = f"{named} AND {alias}.id IS NULL"
    if not _is_given(stage, source, entity):
        return [Check(missing, "parent_unknown", names[-1], "NULL")]
    shown = path_of(source, names)
    rejected = (
        f'{missing} AND {shown} IN (SELECT "path" FROM {REJECTED} '
        f'WHERE "table" = {literal(tables[entity])})'
    )
    return [
        Check(rejected, "parent_rejected", names[-1], shown),
        Check(missing, "parent_unknown", names[-1], shown),
    ]
