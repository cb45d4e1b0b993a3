"""The files of a directory of tables: found, opened, and their columns held against the schema.

A table is `NAME.parquet`, `NAME.csv` or a directory `NAME/` of Parquet files. Every fault of every
file goes to the report, which ends the stage; nothing of a row is looked at here but its year.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import duckdb

from finalrule.diagnostics import Label, Pointer, Report, suggest
from finalrule.tables.convert import TEXT, Given, files_at, fits, literal, quoted, wanted
from finalrule.tables.schema import LABEL, YEAR, TableColumn, TableSchema
from finalrule.values import CODE, Number, Type, one_of

_ERROR_LINE = re.compile(r"CSV Error on Line: (\d+)")
_HEADER_BYTES = 1 << 20
_YEAR_TYPE = Number("count", Fraction(0), Fraction(9999), 0)


@dataclass(slots=True)
class Source:
    """One table's files. `paths` are what is scanned: the files themselves, or a CSV file's copy
    as Parquet; `types` are DuckDB's by column, `text` for a CSV file's."""

    schema: TableSchema
    files: list[Path]
    paths: list[Path]
    types: dict[str, str]
    counts: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.schema.name

    @property
    def rows(self) -> int:
        return sum(self.counts)

    @property
    def at(self) -> Pointer:
        return Pointer(str(self.files[0] if len(self.files) == 1 else self.files[0].parent), "")

    @property
    def labels(self) -> list[str]:
        return [name for name in self.types if name.startswith(LABEL)]

    def given(self, column: TableColumn | str) -> Given:
        """How the files give a column; a name is one of codes."""
        ways = ((column,),) if isinstance(column, str) else column.files
        for names in ways:
            if all(name in self.types for name in names):
                return Given(names, tuple(self.types[name] for name in names))
        return Given()

    def relation(self) -> str:
        """SQL of all rows, with `__row` from 0 through all files."""
        listed = ", ".join(files_at(path) for path in self.paths)
        scan = f"read_parquet([{listed}], file_row_number = true, hive_partitioning = false)"
        row = "file_row_number"
        if len(self.paths) > 1:
            starts = ", ".join(str(sum(self.counts[:at])) for at in range(len(self.counts)))
            row += f" + [{starts}][CAST(file_index AS BIGINT) + 1]"
        return f'(SELECT *, {row} AS "__row" FROM {scan})'

    def place(self) -> str:
        """SQL of a row's file, and of its number there from 1, both by `__row`."""
        if len(self.files) == 1:
            return f'{literal(self.files[0].name)} AS file, t."__row" + 1 AS "row"'
        files, starts = [], []
        for at, file in enumerate(self.files):
            start = sum(self.counts[:at])
            files.append(f'WHEN t."__row" >= {start} THEN {literal(f"{self.name}/{file.name}")}')
            starts.append(f'WHEN t."__row" >= {start} THEN {start}')
        file_cases, start_cases = " ".join(reversed(files)), " ".join(reversed(starts))
        return f'CASE {file_cases} END AS file, 1 + t."__row" - CASE {start_cases} END AS "row"'

    def digest(self) -> str:
        """SHA-256 over the bytes of the files, in the order of their names."""
        found = hashlib.sha256()
        for path in self.files:
            with path.open("rb") as file:
                while block := file.read(1 << 22):
                    found.update(block)
        return found.hexdigest()


def find_files(
    schemas: Sequence[TableSchema], directory: Path, report: Report
) -> dict[str, list[Path]]:
    """The files of each table that is there."""
    where = Pointer(str(directory), "")
    if not directory.is_dir():
        said = "is no directory" if directory.exists() else "is not there"
        report.error(
            "tables-not-found", f"the directory of fact tables {said}", where,
            help="name the directory that holds practices.parquet, clinicians.parquet and others",
        )  # fmt: skip
        return {}
    try:
        candidates = list(_candidates(directory))
    except OSError as error:
        report.error(
            "cannot-read-file", f"the directory cannot be read: {error.strerror}", where,
            help="check its permissions",
        )  # fmt: skip
        return {}
    found: dict[str, list[Path]] = {}
    names = [schema.name for schema in schemas]
    for path, files in candidates:
        name = path.name if path.is_dir() else path.name[: -len(path.suffix)]
        if name not in names:
            report.error(
                "table-unknown", f"no table has the name `{name}`", Pointer(str(path), ""),
                help=suggest(name, names) or f"the tables are {', '.join(names)}",
            )  # fmt: skip
        elif name in found:
            report.error(
                "table-twice", f"the table `{name}` is there twice",
                Pointer(str(path), ""), Label(Pointer(str(found[name][0]), ""), "and here"),
                help="keep one of them; a table in several files is a directory of Parquet files",
            )  # fmt: skip
        else:
            found[name] = files
    missing = [schema for schema in schemas if schema.required and schema.name not in found]
    for schema in missing:
        report.error(
            "table-missing", f"there is no table `{schema.name}` ({schema.describe})", where,
            help=f"write {schema.name}.parquet or {schema.name}.csv; "
            "`finalrule show tables` lists every table",
        )  # fmt: skip
    return found


def _candidates(directory: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Everything in the directory that could be a table."""
    for path in sorted(directory.iterdir()):
        if path.name.startswith((".", "_")):
            continue
        if path.is_dir():
            parts = sorted(part for part in path.iterdir() if part.suffix.lower() == ".parquet")
            if parts:
                yield path, parts
        elif path.suffix.lower() in (".parquet", ".csv"):
            yield path, [path]


def open_source(
    schema: TableSchema,
    files: list[Path],
    connection: duckdb.DuckDBPyConnection,
    scratch: Path,
    year: int,
    report: Report,
) -> Source | None:
    """A table's files ready to be scanned, or None after the faults are reported. A CSV file is
    copied into `scratch` as Parquet. Raises OSError and duckdb.IOException when that cannot be
    written."""
    source = Source(schema, files, files, {})
    if not all([_can_be_read(path, report) for path in files]):
        return None
    if files[0].suffix.lower() == ".csv":
        if not _copy_csv(source, connection, scratch, report):
            return None
    elif not _open_parquet(source, connection, report):
        return None
    before = len(report.diagnostics)
    _check_names(source, report)
    _check_types(source, connection, report)
    if any(finding.severity == "error" for finding in report.diagnostics[before:]):
        return None
    if not source.rows:
        _empty(source, report)
    _check_year(source, connection, year, report)
    return source


def _can_be_read(path: Path, report: Report) -> bool:
    try:
        with path.open("rb"):
            return True
    except OSError as error:
        report.error(
            "cannot-read-file", f"the file cannot be read: {error.strerror}",
            Pointer(str(path), ""), help="check its name and its permissions",
        )  # fmt: skip
        return False


def _empty(source: Source, report: Report) -> None:
    tell = report.error if source.schema.required else report.warning
    tell(
        "table-empty", f"the table `{source.name}` has no rows", source.at,
        help=f"it holds: {source.schema.describe}",
    )  # fmt: skip


# --- Parquet -------------------------------------------------------------------------------------


def _open_parquet(source: Source, connection: duckdb.DuckDBPyConnection, report: Report) -> bool:
    shapes: list[dict[str, str]] = []
    for path in source.files:
        scan = f"read_parquet({files_at(path)}, hive_partitioning = false)"
        try:
            described = connection.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()
            count = connection.execute(f"SELECT count(*) FROM {scan}").fetchone()
        except (duckdb.Error, OSError):
            unreadable(source, report, path)
            continue
        assert count is not None
        shapes.append({str(row[0]): str(row[1]) for row in described})
        source.counts.append(count[0])
    if len(shapes) < len(source.files):
        return False
    source.types = shapes[0]
    same = True
    for path, shape in zip(source.files, shapes, strict=True):
        if shape != source.types:
            same = False
            other = sorted(shape.items() ^ source.types.items())[0][0]
            report.error(
                "table-parts-differ", f"the files of `{source.name}` differ in `{other}`",
                Pointer(str(path), ""), Label(Pointer(str(source.files[0]), ""), "from this one"),
                help="write all files of a table with the same columns and types",
            )  # fmt: skip
    return same


def unreadable(source: Source, report: Report, path: Path | None = None) -> None:
    """Report files of a table that are no Parquet files, or only parts of some."""
    at = Pointer(str(path), "") if path else source.at
    report.error(
        "table-unreadable", "this is not a whole Parquet file", at,
        help="it may be cut short or damaged, or of another kind; write or copy it again",
    )  # fmt: skip


# --- CSV -----------------------------------------------------------------------------------------


def _copy_csv(
    source: Source, connection: duckdb.DuckDBPyConnection, scratch: Path, report: Report
) -> bool:
    """Copy a CSV file as Parquet: cells as text without blanks around them, empty ones NULL."""
    (path,) = source.files
    header = _header(path, report)
    if header is None:
        return False
    copy = scratch / f"{source.name}.parquet"
    typed = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in header)
    cells = ", ".join(f"nullif(trim({quoted(name)}), '') AS {quoted(name)}" for name in header)
    options = (
        f"columns = {{{typed}}}, header = true, auto_detect = false, delim = ',', quote = '\"', "
        "escape = '\"', nullstr = '', strict_mode = true, null_padding = false"
    )
    try:
        written = connection.execute(
            f"COPY (SELECT {cells} FROM read_csv({files_at(path)}, {options})) "
            f"TO {literal(str(copy))} (FORMAT parquet)"
        ).fetchone()
    except duckdb.IOException:
        raise
    except duckdb.Error as error:
        found = _ERROR_LINE.search(str(error))
        line = f"/{found[1]}" if found else ""
        report.error(
            "table-unreadable", f"the file is no table of {len(header)} columns as CSV",
            Pointer(str(path), line),
            help='write UTF-8, one cell for each column, a cell with a comma "in quotes"',
        )  # fmt: skip
        return False
    assert written is not None
    source.paths, source.counts = [copy], [written[0]]
    source.types = dict.fromkeys(header, TEXT)
    return True


def _header(path: Path, report: Report) -> list[str] | None:
    at = Pointer(str(path), "/1")
    try:
        with path.open("rb") as file:
            line = file.readline(_HEADER_BYTES)
        cells = next(csv.reader([line.decode("utf-8-sig").rstrip("\r\n")], strict=True), [])
    except (UnicodeDecodeError, csv.Error):
        cells = []
    names = [cell.strip() for cell in cells]
    if not all(names) or not names:
        report.error(
            "table-unreadable", "the file does not begin with the names of its columns", at,
            help="begin it with a line of names, separated by commas",
        )  # fmt: skip
        return None
    twice = [name for at, name in enumerate(names) if name in names[:at]]
    for name in dict.fromkeys(twice):
        report.error(
            "column-twice", f"two columns have the name `{name}`", at, help="take one of them out"
        )
    return None if twice else names


# --- columns -------------------------------------------------------------------------------------


def _check_names(source: Source, report: Report) -> None:
    schema = source.schema
    known = list(schema.file_columns())
    for name in source.types:
        if name in known or (name.startswith(LABEL) and schema.labels):
            continue
        report.error(
            "column-unknown", f"the table `{schema.name}` has no column `{name}`", source.at,
            help=suggest(name, known) or "`finalrule show tables` lists the columns",
        )  # fmt: skip
    for column in schema.columns:
        ways = [[name for name in names if name in source.types] for names in column.files]
        there = [way for way in ways if way]
        if len(there) > 1:
            report.error(
                "column-twice", f"`{column.name}` is given in two ways: {_listed(there)}",
                source.at, help="keep the number, or its numerator and denominator",
            )  # fmt: skip
        elif there and len(there[0]) < len(column.files[ways.index(there[0])]):
            lacking = set(column.files[ways.index(there[0])]) - set(there[0])
            report.error(
                "column-missing", f"`{there[0][0]}` is there without `{lacking.pop()}`",
                source.at, help="a numerator and a denominator are given together",
            )  # fmt: skip
        elif not there and column.presence == "required":
            ways_said = one_of([" and ".join(names) for names in column.files])
            report.error(
                "column-missing", f"the table `{schema.name}` lacks the column {ways_said}",
                source.at, help=column.describe or f"it is a key of {schema.name}",
            )  # fmt: skip


def _listed(ways: Sequence[Sequence[str]]) -> str:
    return " and ".join(f"`{name}`" for way in ways for name in way)


def _check_types(source: Source, connection: duckdb.DuckDBPyConnection, report: Report) -> None:
    by_name: dict[str, tuple[Type, bool]] = {
        name: (column.type, column.presence == "required")
        for column in source.schema.columns
        for names in column.files
        for name in names
    }
    by_name[YEAR] = (_YEAR_TYPE, True)
    for name, sql_type in list(source.types.items()):
        type_, required = by_name.get(name, (CODE, False))
        if fits(type_, sql_type) or (name not in by_name and not name.startswith(LABEL)):
            continue
        if not required and _all_null(source, name, connection):
            del source.types[name]  # a writer that saw no value could not know the type
            continue
        report.error(
            "column-type", f"`{name}` of `{source.name}` is {sql_type}, not {wanted(type_)}",
            source.at, help=f"write the column as {wanted(type_)}",
        )  # fmt: skip


def _all_null(source: Source, name: str, connection: duckdb.DuckDBPyConnection) -> bool:
    try:
        row = connection.execute(
            f"SELECT count({quoted(name)}) FROM {source.relation()}"
        ).fetchone()
    except duckdb.Error:
        return False
    return row == (0,)


def _check_year(
    source: Source, connection: duckdb.DuckDBPyConnection, year: int, report: Report
) -> None:
    """Every value of the column performance_year is the policy's year."""
    if YEAR not in source.types:
        return
    try:
        row = connection.execute(
            f"SELECT count(*), any_value(TRY_CAST({YEAR} AS SMALLINT)) FROM {source.relation()} "
            f"WHERE TRY_CAST({YEAR} AS DECIMAL(9, 2)) IS DISTINCT FROM {year}"
        ).fetchone()
    except duckdb.Error:
        unreadable(source, report)
        return
    assert row is not None
    wrong, other = row
    if wrong:
        of = f"of performance year {other}" if other else f"without the performance year {year}"
        said = "1 row" if wrong == 1 else f"{wrong:,} rows"
        report.error(
            "table-year", f"`{source.name}` has {said} {of}; the policy is of {year}", source.at,
            help="give the facts of the policy's year, or choose a policy of the facts' year",
        )  # fmt: skip


def digests(sources: Mapping[str, Source]) -> dict[str, str]:
    """The digest of each table's files."""
    return {name: source.digest() for name, source in sources.items()}
