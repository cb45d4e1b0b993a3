"""Rows that are not taken, each with the first reason why."""

from __future__ import annotations

from collections.abc import Sequence

from finalrule.tables.convert import Check, Given, first_failed, literal
from finalrule.tables.schema import ENTITY_ID, NPI, TIN
from finalrule.tables.sources import Source
from finalrule.tables.store import Store

# Reason codes, with what they say.
REASONS = {
    "value_missing": "a required value is not there",
    "value_form": "not a value of the column's type",
    "value_domain": "outside the bounds that are declared",
    "value_places": "more decimal places than are declared",
    "value_member": "not a member of the enumeration",
    "pair_incomplete": "a numerator without a denominator, or the reverse",
    "pair_denominator": "a denominator below 1 or above 1,000,000,000 (of a percentage 10,000,000)",
    "period_outside_year": "a day outside the performance year",
    "period_reversed": "the period starts after it ends",
    "numerator_above_denominator": "the numerator is above the denominator",
    "identifier_form": "not nine digits (TIN) or ten (NPI)",
    "npi_check_digit": "the NPI's last digit does not check the others",
    "unit_ambiguous": "both a TIN and an entity_id",
    "unit_unknown": "no such practice, clinician or entity",
    "parent_unknown": "the record that it belongs to is not there",
    "parent_rejected": "what it belongs to was rejected",
    "duplicate_key": "another row has the same key",
    "measure_unknown": "no measure of the year, or not collected in this way",
}
TABLE = "rejected"
_PATH_SEPARATOR = "\x1f"


def prepare(store: Store) -> None:
    """The table of rejected rows, empty. `path` joins a row's own keys, for the rows below it."""
    store.run(
        f'CREATE TABLE {TABLE} ("table" VARCHAR, file VARCHAR, "row" BIGINT, {TIN} VARCHAR, '
        f'{NPI} VARCHAR, {ENTITY_ID} VARCHAR, "key" VARCHAR, reason VARCHAR, "column" VARCHAR, '
        '"value" VARCHAR, "path" VARCHAR, source_row BIGINT)'
    )


def reject_failing(store: Store, source: Source, checks: Sequence[Check], joins: str = "") -> int:
    """Add every row of a source that fails a check, with the first one; their number."""
    cases = {
        part: " ".join(f"WHEN {at} THEN {text}" for at, text in enumerate(texts))
        for part, texts in (
            ("reason", [literal(check.reason) for check in checks]),
            ("column", [literal(check.column) for check in checks]),
            ("value", [check.value for check in checks]),
        )
    }
    said = ", ".join(f"CASE failed {cases[part]} END" for part in ("reason", "column", "value"))
    return _add(
        store, source, said,
        f"(SELECT * FROM (SELECT t.*, {first_failed(checks)} AS failed "
        f"FROM {source.relation()} t {joins}) WHERE failed IS NOT NULL)",
    )  # fmt: skip


def reject_rows(store: Store, source: Source, rows: str, reason: str) -> int:
    """Add the rows of a source whose `__row` a query gives."""
    said = f"{literal(reason)}, {literal(own_keys(source)[-1])}, NULL"
    taken = f'(SELECT * FROM {source.relation()} WHERE "__row" IN ({rows}))'
    return _add(store, source, said, taken)


def _add(store: Store, source: Source, said: str, relation: str) -> int:
    identifiers = ", ".join(
        f"CAST(t.{name} AS VARCHAR)" if name in source.types else "NULL"
        for name in (TIN, NPI, ENTITY_ID)
    )
    return store.number(
        f"INSERT INTO {TABLE} SELECT {literal(source.name)}, {source.place()}, {identifiers}, "
        f'{_key_text(source)}, {said}, {path_of(source, own_keys(source))}, t."__row" '
        f"FROM {relation} t"
    )


def own_keys(source: Source) -> list[str]:
    """The keys of a table's rows, those that say whose row it is left out where others are."""
    keys = [key for key in source.schema.keys if key in source.types]
    return [key for key in keys if key not in (TIN, NPI, ENTITY_ID)] or keys


def path_of(source: Source, keys: Sequence[str]) -> str:
    """SQL of some keys of a row `t` as one text."""
    given = [Given((key,), (source.types[key],)) for key in keys]
    return f"concat_ws({literal(_PATH_SEPARATOR)}, {', '.join(one.sql[0] for one in given)})"


def _key_text(source: Source) -> str:
    names = [key for key in own_keys(source) if key not in (TIN, NPI, ENTITY_ID)]
    if not names:
        return "NULL"
    parts = ", ".join(f'{literal(name + "=")} || t."{name}"' for name in names)
    return f"concat_ws(' ', {parts})"


def counts(store: Store) -> dict[str, dict[str, int]]:
    """Rejected rows by table and reason."""
    found: dict[str, dict[str, int]] = {}
    for table, reason, count in store.rows(
        f'SELECT "table", reason, count(*) FROM {TABLE} GROUP BY ALL ORDER BY ALL'
    ):
        assert isinstance(table, str) and isinstance(reason, str) and isinstance(count, int)
        found.setdefault(table, {})[reason] = count
    return found


def write(store: Store) -> None:
    """Write the rejected rows, in the order of table and row."""
    store.number(
        f'COPY (SELECT * EXCLUDE ("path", source_row) FROM {TABLE} '
        f'ORDER BY "table", file, "row") TO {literal(str(store.folder / "rejected.parquet"))} '
        "(FORMAT parquet)"
    )
