"""A directory of users' tables, checked row by row and turned into internal tables."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from finalrule.catalogue.read import Catalogue, read_rows
from finalrule.core import ir
from finalrule.core.expressions import constant_value
from finalrule.diagnostics import Diagnostic, Failure, Label, Pointer, Report
from finalrule.places import policies_root
from finalrule.tables import rejected
from finalrule.tables.convert import constant_sql, literal
from finalrule.tables.internal import PROGRAM, Layout, fact_columns
from finalrule.tables.keyed import read_keyed
from finalrule.tables.records import MEASURES, read_records
from finalrule.tables.schema import TableSchema, table_schemas
from finalrule.tables.sources import Source, digests, find_files, open_source
from finalrule.tables.stage import Stage
from finalrule.tables.store import Store, open_store
from finalrule.tables.units import read_units
from finalrule.values import Value

# Called with the table that comes next, how many are done, and how many there are.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Read:
    """What was read. `database` is a directory that holds a directory of Parquet files for each
    internal table, for `unit_names` and for `tin_npi_names`, and rejected.parquet.

    `rows` are those of the users' files by table, `rejected` those not taken by table and reason,
    `absent` the tables that are not there, `counts` the rows of each internal table. `never_null`
    and `always_null` name facts by entity; of one without rows both are true. `digests` are SHA-256
    over the bytes of each table's files; `digest` is one of all. `notes` are warnings."""

    database: Path
    year: int
    rows: Mapping[str, int]
    rejected: Mapping[str, Mapping[str, int]]
    absent: tuple[str, ...]
    counts: Mapping[str, int]
    never_null: Mapping[str, frozenset[str]]
    always_null: Mapping[str, frozenset[str]]
    digests: Mapping[str, str]
    notes: tuple[Diagnostic, ...]

    @property
    def digest(self) -> str:
        listed = "".join(f"{name} {self.digests[name]}\n" for name in sorted(self.digests))
        return hashlib.sha256(listed.encode()).hexdigest()


def read_tables(
    program: ir.Program,
    directory: Path,
    work: Path,
    *,
    threads: int,
    memory: str,
    rejected_limit: Fraction = Fraction(1, 100),
    rejected_to: Path | None = None,
    progress: Progress | None = None,
    program_facts: Mapping[str, Value] | None = None,
) -> Read:
    """Read the tables in a directory into `work/facts`, which is there whole or not at all.
    `memory` is DuckDB's limit (`3GB`); what does not fit is kept on disk, under `work`.
    `program_facts` are those of the one `program` record, by name; of the others the year file's
    assumed value stands, or the declared default. Raises ValueError for a name that is no fact.

    Raises Failure with every fault of the files, or when more than `rejected_limit` of the rows of
    a table are rejected; then these are in `rejected_to`, else `work/facts` holds rejected.parquet
    alone."""
    report = Report()
    schemas = table_schemas(program)
    files = find_files(schemas, directory, report)
    report.stop_if_errors()
    with open_store(work, threads, memory) as store:
        sources = _open(program, schemas, files, store, report)
        stage = Stage(program, Layout(program), store, sources, report)
        rejected.prepare(store)
        records = [schema for schema in schemas if schema.entity]
        steps = len(records) + 1
        _write_program(stage, program_facts or {})
        named = {schema.entity: schema.name for schema in records}
        keyed = [schema for schema in records if schema.of == "keys"]
        for done, schema in enumerate(keyed):
            _tell(progress, schema.name, done, steps)
            read_keyed(stage, schema, named)
        if len(keyed) < len(schemas):
            _tell(progress, "clinicians", len(keyed), steps)
            read_units(stage)
        catalogues = _catalogues(program)
        for done, schema in enumerate(records[: -len(keyed) or None], len(keyed) + 1):
            _tell(progress, schema.name, done, steps)
            read_records(stage, schema, catalogues)
        _write_the_others(stage)
        counted = rejected.counts(store)
        rejected.write(store)
        rows = {name: source.rows for name, source in sources.items()}
        _refuse_many(counted, sources, rejected_limit, store, report, rejected_to)
        never, always = _nulls(stage)
        found = Read(
            store.target, program.performance_year, rows, counted,
            tuple(schema.name for schema in schemas if schema.name not in sources),
            dict(stage.counts), never, always, digests(sources), tuple(report.diagnostics),
        )  # fmt: skip
        store.keep()
        _tell(progress, "", steps, steps)
    return found


def _tell(progress: Progress | None, table: str, done: int, steps: int) -> None:
    if progress is not None:
        progress(table, done, steps)


def _open(
    program: ir.Program,
    schemas: tuple[TableSchema, ...],
    files: Mapping[str, list[Path]],
    store: Store,
    report: Report,
) -> dict[str, Source]:
    """The tables that have rows; every fault of every file is reported before it stops."""
    opened = {}
    for schema in schemas:
        if schema.name in files:
            opened[schema.name] = open_source(
                schema, files[schema.name], store.connection, store.scratch,
                program.performance_year, report,
            )  # fmt: skip
    report.stop_if_errors()
    return {name: source for name, source in opened.items() if source and source.rows}


def _catalogues(program: ir.Program) -> dict[str, Catalogue]:
    """The year's measures, which the keys of records name."""
    wanted = {name for name, _ in MEASURES.values()}
    return {
        one.name: read_rows(policies_root() / one.path, [key.name for key in one.keys],
                            f"policies/{one.path}")
        for one in program.catalogues if one.name in wanted
    }  # fmt: skip


def _write_program(stage: Stage, given: Mapping[str, Value]) -> None:
    layout = stage.layout
    if PROGRAM not in layout.declared.entities:
        return
    if unknown := given.keys() - layout.declared.facts[PROGRAM].keys():
        raise ValueError(f"`{PROGRAM}` has no fact {', '.join(sorted(unknown))}")
    assumed = {figure.name: figure.value for figure in stage.program.assumed}
    special = {"id": "0"}
    for fact in layout.facts(PROGRAM):
        constant = assumed.get(f"{PROGRAM}.{fact.name}") or fact.default
        value = given.get(fact.name, constant_value(constant) if constant else None)
        for column, sql in zip(fact_columns(fact), constant_sql(fact, value), strict=True):
            special[column.name] = sql
    stage.write(PROGRAM, PROGRAM, f"SELECT {stage.columns(PROGRAM, special, None, '0')}")


def _write_the_others(stage: Stage) -> None:
    """Entities that no table gives records of."""
    for entity in stage.layout.declared.entities:
        if entity not in stage.counts:
            stage.write_empty(entity, "none")


def _refuse_many(
    counted: Mapping[str, Mapping[str, int]],
    sources: Mapping[str, Source],
    limit: Fraction,
    store: Store,
    report: Report,
    kept: Path | None,
) -> None:
    """Raise Failure when too many rows of a table are rejected; the rejected rows are kept."""
    written = store.folder / "rejected.parquet"
    place = Pointer(str(kept or store.target / written.name), "")
    for table, reasons in counted.items():
        count, rows = sum(reasons.values()), sources[table].rows
        if count <= limit * rows:
            continue
        shown = [Label(sources[table].at, f"{of:,} {reason}: {rejected.REASONS[reason]}")
                 for reason, of in reasons.items()]  # fmt: skip
        report.error(
            "tables-rejected",
            f"{count:,} of the {rows:,} rows of `{table}` are rejected, "
            f"more than {_percent(limit)} %",
            *shown, Label(place, "each row of them"),
            help="correct the rows, or allow a greater share (--rejected)",
        )  # fmt: skip
    if report.has_errors:
        if kept is None:
            store.keep([written])
        else:
            shutil.move(written, kept)
        raise Failure(report.diagnostics)


def _percent(share: Fraction) -> str:
    return f"{float(share * 100):g}"


def _nulls(stage: Stage) -> tuple[dict[str, frozenset[str]], dict[str, frozenset[str]]]:
    """Facts that are never and always unknown, by entity, as the written files say."""
    never, always = {}, {}
    for entity in stage.layout.declared.entities:
        parts = [literal(str(path)) for path in stage.store.parts(entity)]
        counted = stage.store.rows(
            "SELECT path_in_schema, sum(stats_null_count), sum(num_values), "
            "count(*) = count(stats_null_count) "
            f"FROM parquet_metadata([{', '.join(parts)}]) GROUP BY path_in_schema"
        )
        nulls = {name: (of, rows) for name, of, rows, complete in counted if complete}
        facts = {fact.name: fact_columns(fact)[0].name for fact in stage.layout.facts(entity)}
        if not stage.counts[entity]:
            nulls = dict.fromkeys(facts.values(), (0, 0))
        known = {fact: nulls[column] for fact, column in facts.items() if column in nulls}
        never[entity] = frozenset(fact for fact, (of, _) in known.items() if of == 0)
        always[entity] = frozenset(fact for fact, (of, rows) in known.items() if of == rows)
    return never, always
