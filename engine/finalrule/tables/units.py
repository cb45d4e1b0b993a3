"""Scoring units, clinicians and TIN/NPIs from practices, clinicians, entities and members.

Ids follow from places: with practices by TIN (`part_key`) and clinicians by TIN and NPI (`place`),
both from 0, the unit of a clinician has the id place + part_key + 1, that of a practice comes right
before those of its clinicians, and entities come after all. A clinician's record under its own unit
has the id 2 * place, that under its practice's unit 2 * place + 1; members of entities come after
all.
"""

from __future__ import annotations

from collections.abc import Iterable

from finalrule.facts.declared import UNIT
from finalrule.tables.convert import Check, literal, member_place, quoted, values_of
from finalrule.tables.rejected import TABLE as REJECTED
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
    KIND,
    MEMBERS,
    NPI,
    PRACTICES,
    REPORTS_AS_GROUP,
    SCORE,
    TIN,
    TIN_NPI,
)
from finalrule.tables.sources import Source
from finalrule.tables.stage import Stage, fact_checks, good
from finalrule.values import Enumeration

INDIVIDUALS, GROUPS, OF_ENTITIES = "individuals", "groups", "entities"
# TINs that begin so belong to nobody; beside them an NPI need not check.
_TEST_TIN = "000"


def read_units(stage: Stage) -> None:
    """Make the tables `practice`, `person`, `entity`, `member` and `unit` in the store, and write
    scoring_unit, clinician, tin_npi, available_score and the names."""
    _practices(stage)
    _clinicians(stage)
    _entities(stage)
    _members(stage)
    _units(stage)
    _write_units(stage)
    _write_clinicians(stage)
    _write_tin_npis(stage)
    _write_names(stage)


# --- who there is --------------------------------------------------------------------------------


def _practices(stage: Stage) -> None:
    source = stage.sources[PRACTICES]
    column = next((c for c in source.schema.columns if c.name == REPORTS_AS_GROUP), None)
    reports = "false"
    if column is not None and source.given(column).names:
        (reports,) = values_of(column.facts[0], source.given(column))
    checks = [*identifier_checks(source, TIN), *fact_checks(source.schema, source)]
    with stage.reading(source):
        stage.store.run(
            f"CREATE TABLE practice_row AS SELECT t.tin, {reports} AS reports, "
            f't."__row" AS "row" FROM {source.relation()} t WHERE {good(checks)}'
        )
        _settle(stage, source, "practice_row", "tin", checks)
    stage.store.run(
        "CREATE TABLE practice_place AS SELECT CAST(row_number() OVER (ORDER BY tin) - 1 AS "
        "INTEGER) AS part_key, * FROM practice_row ORDER BY tin"
    )


def _clinicians(stage: Stage) -> None:
    source = stage.sources[CLINICIANS]
    test, checked = f"starts_with(t.tin, '{_TEST_TIN}')", _check_digit("t.npi")
    own = [
        *identifier_checks(source, TIN),
        *identifier_checks(source, NPI),
        Check(f"NOT {test} AND NOT {checked}", "npi_check_digit", NPI, "t.npi"),
        *fact_checks(source.schema, source),
    ]
    found = unit_checks("p.part_key", [(PRACTICES, "tin", "t.tin")], TIN, "t.tin")
    with stage.reading(source):
        stage.store.run(
            'CREATE TABLE person_row AS SELECT p.part_key, t.npi, t."__row" AS "row", '
            f"{test} AND NOT {checked} AS unchecked FROM {source.relation()} t "
            f"JOIN practice_place p ON p.tin = t.tin WHERE {good(own)}"
        )
        joins = "LEFT JOIN practice_place p ON p.tin = t.tin"
        _settle(stage, source, "person_row", "part_key, npi", [*own, *found], joins)
        _warn_of_check_digits(stage, source)
    stage.store.run(
        "CREATE TABLE person AS SELECT place, part_key, npi, place + part_key + 1 AS unit_id, "
        '"row" FROM (SELECT row_number() OVER (ORDER BY part_key, npi) - 1 AS place, * '
        "FROM person_row) ORDER BY place"
    )
    stage.store.run(
        "CREATE TABLE practice AS SELECT p.*, CAST(part_key + coalesce(sum(n) OVER (ORDER BY "
        "part_key ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS BIGINT) AS unit_id "
        "FROM practice_place p LEFT JOIN (SELECT part_key, count(*) AS n FROM person "
        "GROUP BY part_key) USING (part_key) ORDER BY part_key"
    )
    stage.store.run("DROP TABLE practice_place; DROP TABLE practice_row; DROP TABLE person_row")


def _warn_of_check_digits(stage: Stage, source: Source) -> None:
    count = stage.store.number("SELECT count(*) FROM person_row WHERE unchecked")
    if count:
        rows = "1 row has" if count == 1 else f"{count:,} rows have"
        stage.report.warning(
            "npi-check-digit",
            f"{rows} an NPI whose last digit does not check the others, under a test TIN (000...)",
            source.at, help="compare them with the NPI registry if the clinicians are real",
        )  # fmt: skip


def _entities(stage: Stage) -> None:
    source = stage.sources.get(ENTITIES)
    store = stage.store
    if source is None:
        store.run(
            "CREATE TABLE entity (part_key INTEGER, unit_id BIGINT, entity_id VARCHAR, "
            'kind VARCHAR, "row" BIGINT)'
        )
        return
    missing = Check("nullif(t.entity_id, '') IS NULL", "value_missing", ENTITY_ID, "NULL")
    checks = [missing, *fact_checks(source.schema, source)]
    with stage.reading(source):
        store.run(
            "CREATE TABLE entity_row AS SELECT CAST(t.entity_id AS VARCHAR) AS entity_id, "
            'CAST(t.kind AS VARCHAR) AS kind, t."__row" AS "row" '
            f"FROM {source.relation()} t WHERE {good(checks)}"
        )
        _settle(stage, source, "entity_row", "entity_id", checks)
    practices, people = (store.number(f"SELECT count(*) FROM {t}") for t in ("practice", "person"))
    store.run(
        f"CREATE TABLE entity AS SELECT CAST({practices} + place AS INTEGER) AS part_key, "
        f'{practices + people} + place AS unit_id, entity_id, kind, "row" FROM (SELECT *, '
        "row_number() OVER (ORDER BY entity_id) - 1 AS place FROM entity_row) ORDER BY place"
    )


def _members(stage: Stage) -> None:
    source = stage.sources.get(MEMBERS)
    store = stage.store
    store.run(
        "CREATE TABLE member (clinician_id BIGINT, unit_id BIGINT, part_key INTEGER, "
        "place BIGINT, entity_id VARCHAR, kind VARCHAR)"
    )
    if source is None:
        return
    joins = (
        "{0} JOIN entity e ON e.entity_id = t.entity_id {0} JOIN practice g ON g.tin = t.tin "
        "{0} JOIN person p ON p.part_key = g.part_key AND p.npi = t.npi"
    )
    of_clinician = [
        (PRACTICES, "tin", "t.tin"), (CLINICIANS, "(tin, npi)", "(t.tin, t.npi)")
    ]  # fmt: skip
    checks = [
        Check("nullif(t.entity_id, '') IS NULL", "value_missing", ENTITY_ID, "NULL"),
        *identifier_checks(source, TIN),
        *identifier_checks(source, NPI),
        *unit_checks("e.unit_id", [(ENTITIES, "entity_id", "t.entity_id")], ENTITY_ID,
                     "t.entity_id"),
        *unit_checks("p.place", of_clinician, NPI, "t.npi"),
    ]  # fmt: skip
    with stage.reading(source):
        store.run(
            "CREATE TABLE member_row AS SELECT e.unit_id, e.part_key, p.place, e.entity_id, "
            f'e.kind, t."__row" AS "row" FROM {source.relation()} t {joins.format("")}'
        )
        _settle(stage, source, "member_row", "unit_id, place", checks, joins.format("LEFT"))
    last = 2 * store.number("SELECT count(*) FROM person") - 1
    store.run(
        f"INSERT INTO member SELECT {last} + row_number() OVER (ORDER BY unit_id, place), "
        "unit_id, part_key, place, entity_id, kind FROM member_row ORDER BY unit_id, place"
    )


def _units(stage: Stage) -> None:
    """Every scoring unit by the identifiers that rows name it with; absent ones are empty."""
    stage.store.run(
        "CREATE TABLE unit AS SELECT * FROM ("
        "SELECT tin, '' AS npi, '' AS entity_id, unit_id, part_key, NULL AS clinician_id, "
        f"{literal(GROUP)} AS kind FROM practice UNION ALL "
        "SELECT g.tin, p.npi, '', p.unit_id, part_key, 2 * p.place, "
        f"{literal(INDIVIDUAL)} FROM person p JOIN practice g USING (part_key) UNION ALL "
        "SELECT '', '', entity_id, unit_id, part_key, NULL, kind FROM entity) ORDER BY unit_id"
    )


def _settle(
    stage: Stage,
    source: Source,
    table: str,
    keys: str,
    checks: list[Check],
    joins: str = "",
) -> None:
    """Take rows with the same key out of a table of accepted rows, and add all that were not
    accepted to the rejected ones."""
    store = stage.store
    accepted = store.number(f"SELECT count(*) FROM {table}")
    twice = (
        f'SELECT "row" FROM {table} WHERE ({keys}) IN '
        f"(SELECT ({keys}) FROM {table} GROUP BY {keys} HAVING count(*) > 1)"
    )
    duplicates = store.number(f"SELECT count(*) FROM ({twice})")
    if duplicates:
        store.run(f"CREATE TABLE {table}_twice AS {twice}")
        taken = f'SELECT "row" FROM {table}_twice'
        store.run(f'DELETE FROM {table} WHERE "row" IN ({taken})')
        stage.reject(source, accepted - duplicates, checks, joins, [taken])
    elif accepted < source.rows:
        stage.reject(source, accepted, checks, joins, [])


# --- checks of who a row is of -------------------------------------------------------------------


def identifier_checks(source: Source, name: str) -> list[Check]:
    """A TIN or NPI that must be there."""
    c, digits = f"t.{quoted(name)}", 9 if name == TIN else 10
    return [
        Check(f"nullif({c}, '') IS NULL", "value_missing", name, "NULL"),
        Check(f"NOT regexp_full_match({c}, '[0-9]{{{digits}}}')", "identifier_form", name, c),
    ]


def unit_checks(
    found: str, tables: Iterable[tuple[str, str, str]], column: str, value: str
) -> list[Check]:
    """What a row belongs to was rejected, or is not there. `found` is SQL that is NULL then;
    `tables` are where it would stand, each with its columns among the rejected rows and with SQL
    for those of the row."""
    rejected = [
        Check(
            f'{found} IS NULL AND {mine} IN (SELECT {theirs} FROM {REJECTED} '
            f'WHERE "table" = {literal(table)})', "parent_rejected", column, value,
        )
        for table, theirs, mine in tables
    ]  # fmt: skip
    return [*rejected, Check(f"{found} IS NULL", "unit_unknown", column, value)]


def _check_digit(c: str) -> str:
    """SQL: whether the last of an NPI's digits is the Luhn digit of 80840 and the others."""
    terms = ["24"]
    for place in range(10):
        digit = f"(TRY_CAST({c} AS BIGINT) // {10**place} % 10)"
        terms.append(f"{digit} * 2 % 10 + {digit} * 2 // 10" if place % 2 else digit)
    return f"(({' + '.join(terms)}) % 10 = 0)"


# --- internal tables -----------------------------------------------------------------------------


def _write_units(stage: Stage) -> None:
    for part, table, name, own in (
        (GROUPS, PRACTICES, "practice", GROUP),
        (INDIVIDUALS, CLINICIANS, "person", INDIVIDUAL),
        (OF_ENTITIES, ENTITIES, "entity", ""),
    ):
        source = stage.sources.get(table)
        if source is None:
            continue
        special = {"id": "u.unit_id", ENTITY_TYPE: _entity_type(stage, own)}
        practice = ""
        if GROUP_REPORTS in stage.layout.declared.facts[UNIT] and own == INDIVIDUAL:
            special[GROUP_REPORTS] = "g.reports"
            practice = "JOIN practice g USING (part_key)"
        columns = stage.columns(UNIT, special, source, "u.part_key")
        with stage.reading(source):
            stage.write(
                UNIT, part,
                f'SELECT {columns} FROM {source.relation()} t '
                f'JOIN {name} u ON u."row" = t."__row" {practice}',
            )  # fmt: skip


def _entity_type(stage: Stage, own: str) -> str:
    """SQL of the place of a unit's type among the members."""
    type_ = stage.layout.declared.facts[UNIT][ENTITY_TYPE].type
    assert isinstance(type_, Enumeration)
    return str(type_.members.index(own)) if own else member_place(type_, "u.kind")


def _write_clinicians(stage: Stage) -> None:
    source = stage.sources[CLINICIANS]
    special = {
        "id": "2 * p.place",
        f"{UNIT}_id": "p.unit_id",
        f"{ELIGIBLE_CLINICIAN}_id": "NULL",
        NPI: "p.npi",
    }
    columns = stage.columns(CLINICIAN, special, source, "p.part_key")
    with stage.reading(source):
        stage.write(
            CLINICIAN, INDIVIDUALS,
            f'SELECT {columns} FROM {source.relation()} t JOIN person p ON p."row" = t."__row"',
        )  # fmt: skip
    own = stage.store.scan(CLINICIAN, INDIVIDUALS)
    stage.write(
        CLINICIAN, GROUPS,
        f"SELECT b.* REPLACE (b.id + 1 AS id, g.unit_id AS {UNIT}_id) "
        f"FROM {own} b JOIN practice g USING (part_key)",
    )  # fmt: skip
    if MEMBERS in stage.sources:
        stage.write(
            CLINICIAN, OF_ENTITIES,
            f"SELECT b.* REPLACE (m.clinician_id AS id, m.unit_id AS {UNIT}_id, "
            f"m.part_key AS part_key) FROM {own} b JOIN member m ON b.id = 2 * m.place",
        )  # fmt: skip


def _write_tin_npis(stage: Stage) -> None:
    entities = stage.layout.declared.entities
    if TIN_NPI not in entities:
        return
    source = stage.sources[CLINICIANS]
    columns = stage.columns(TIN_NPI, {"id": "p.place"}, source, "p.part_key")
    with stage.reading(source):
        stage.write(
            TIN_NPI, CLINICIANS,
            f'SELECT {columns} FROM {source.relation()} t JOIN person p ON p."row" = t."__row"',
        )  # fmt: skip
    if SCORE not in entities:
        return
    people = stage.store.number("SELECT count(*) FROM person")
    reporting = stage.store.number(
        "SELECT count(*) FROM person JOIN practice USING (part_key) WHERE reports"
    )
    _scores(stage, INDIVIDUALS, INDIVIDUAL, "p.place", "2 * p.place", "p.unit_id", "g.tin",
            "person p JOIN practice g USING (part_key)")  # fmt: skip
    _scores(stage, GROUPS, GROUP, f"{people} + row_number() OVER (ORDER BY p.place) - 1",
            "2 * p.place + 1", "g.unit_id", "g.tin",
            "person p JOIN practice g USING (part_key) WHERE g.reports")  # fmt: skip
    if MEMBERS in stage.sources:
        first = people + reporting
        _scores(stage, OF_ENTITIES, "", f"{first} + row_number() OVER (ORDER BY p.place) - 1",
                "m.clinician_id", "m.unit_id", "m.entity_id",
                "member m JOIN person p USING (place)")  # fmt: skip


def _scores(
    stage: Stage, part: str, kind: str, id: str, clinician: str, unit: str, source: str, from_: str
) -> None:
    type_ = stage.layout.declared.facts[SCORE][KIND].type
    assert isinstance(type_, Enumeration)
    special = {
        "id": id,
        f"{TIN_NPI}_id": "p.place",
        f"{CLINICIAN}_id": clinician,
        f"{UNIT}_id": unit,
        KIND: str(type_.members.index(kind)) if kind else member_place(type_, "m.kind"),
        "source": source,
    }
    columns = stage.columns(SCORE, special, None, "p.part_key")
    stage.write(SCORE, part, f"SELECT {columns} FROM {from_} ORDER BY p.place")


def _write_names(stage: Stage) -> None:
    """Who units and TIN/NPIs are, with the labels of their rows: text that no rule reads."""
    sources = {table: stage.sources.get(table) for table in (PRACTICES, CLINICIANS, ENTITIES)}
    labels = list(dict.fromkeys(
        label for source in sources.values() if source for label in source.labels
    ))  # fmt: skip
    for part, table, rows, kind, names in (
        (GROUPS, PRACTICES, "practice u", literal(GROUP), ("u.tin", "NULL", "NULL")),
        (INDIVIDUALS, CLINICIANS, "person u JOIN practice g USING (part_key)",
         literal(INDIVIDUAL), ("g.tin", "u.npi", "NULL")),
        (OF_ENTITIES, ENTITIES, "entity u", "u.kind", ("NULL", "NULL", "u.entity_id")),
    ):  # fmt: skip
        source = sources[table]
        if source is None:
            continue
        named = ", ".join(f"CAST({sql} AS VARCHAR) AS {name}" for sql, name in
                          zip(names, (TIN, NPI, ENTITY_ID), strict=True))  # fmt: skip
        with stage.reading(source):
            stage.write(
                "unit_names", part,
                f"SELECT u.unit_id AS id, {kind} AS {ENTITY_TYPE}, {named}"
                f"{_label_columns(labels, source)}, u.part_key FROM {rows} "
                f"{_label_rows(labels, source)}",
            )  # fmt: skip
    source = stage.sources[CLINICIANS]
    with stage.reading(source):
        stage.write(
            "tin_npi_names", "names",
            f"SELECT u.place AS id, g.tin, u.npi{_label_columns(source.labels, source)}, "
            "u.part_key FROM person u JOIN practice g USING (part_key) "
            f"{_label_rows(source.labels, source)}",
        )  # fmt: skip


def _label_columns(labels: Iterable[str], source: Source) -> str:
    return "".join(
        f", CAST({f't.{quoted(name)}' if name in source.labels else 'NULL'} AS VARCHAR) "
        f"AS {quoted(name)}"
        for name in labels
    )


def _label_rows(labels: Iterable[str], source: Source) -> str:
    if not set(labels) & set(source.labels):
        return ""
    return f'JOIN {source.relation()} t ON t."__row" = u."row"'
