"""Comma-separated tables whose rows have a key: our catalogues, and CMS's exports that they are
made from. A row is text; the caller types it. Every cell can be found again in its file."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from finalrule.diagnostics import Label, Pointer, Report
from finalrule.source import Source, Span

MAXIMUM_BYTES = 16 * 1024 * 1024

_CELL = re.compile(r'"(?:[^"]|"")*"|[^,]*')


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table. `line` counts from 1, the header line included."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A table as read: `rows` by the cells of its `key` columns, in the order of the file; `digest`
    is the SHA-256 of the file's bytes."""

    source: Source
    header: tuple[str, ...]
    key: tuple[str, ...]
    rows: dict[tuple[str, ...], Row]
    digest: str

    def cell(self, row: Row, column: str) -> str:
        """The text of a cell. Raises ValueError when the table has no such column."""
        return row.cells[self.header.index(column)]

    def span(self, row: Row, column: str) -> Span:
        """Where a cell stands in the file, quotes included."""
        return cell_span(self.source, row.line, self.header.index(column))


def cell_span(source: Source, line: int, index: int) -> Span:
    """Where the cell with this index (from 0) stands in a line; the end of the line when it has
    fewer cells."""
    text, start = source.line_text(line), source.offset(line, 1)
    at = 0
    for _ in range(index):
        match = _CELL.match(text, at)
        at = (match.end() if match else at) + 1
        if at > len(text):
            return source.span(start + len(text), start + len(text))
    match = _CELL.match(text, at)
    return source.span(start + at, start + (match.end() if match else at))


def line_span(source: Source, line: int) -> Span:
    """A whole line."""
    start = source.offset(line, 1)
    return source.span(start, start + len(source.line_text(line)))


def read_rows(path: Path, key: Sequence[str], known_as: str | None = None) -> Catalogue:
    """Read a UTF-8 file with a header line. Raises Failure with everything that is wrong: a file
    that cannot be read, is over MAXIMUM_BYTES or is no such table, key columns that are missing or
    empty, rows of another length than the header, a key that stands twice."""
    report = Report()
    name = known_as or str(path)
    data = _read_bytes(path, name, report)
    report.stop_if_errors()
    source = Source(name, data.decode("utf-8-sig").replace("\r\n", "\n"))
    lines = _split(source, report)
    report.stop_if_errors()
    header_line, header = lines[0]
    _check_header(source, header_line, header, key, report)
    report.stop_if_errors()
    rows: dict[tuple[str, ...], Row] = {}
    key_index = [header.index(column) for column in key]
    for line, cells in lines[1:]:
        if len(cells) != len(header):
            report.error(
                "catalogue-columns",
                f"this row has {len(cells)} cells, the header has {len(header)}",
                line_span(source, line),
                help="every row has one cell for each column of the header, empty ones too",
            )
            continue
        found = tuple(cells[index] for index in key_index)
        row = Row(line, cells)
        for column, part in zip(key, found, strict=True):
            if not part:
                report.error(
                    "catalogue-key",
                    f"`{column}` is empty, and is part of the row's key",
                    cell_span(source, line, header.index(column)),
                    help="write it, or take the row out",
                )
        if found in rows:
            report.error(
                "catalogue-key",
                f"there are two rows for {', '.join(found)}",
                Label(cell_span(source, line, key_index[0]), "again here"),
                Label(cell_span(source, rows[found].line, key_index[0]), "first here"),
                help="keep one of the two rows",
            )
        rows.setdefault(found, row)
    report.stop_if_errors()
    return Catalogue(source, header, tuple(key), rows, hashlib.sha256(data).hexdigest())


def _read_bytes(path: Path, name: str, report: Report) -> bytes:
    whole = Pointer(name, "")
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MAXIMUM_BYTES else b""
    except OSError as error:
        report.error(
            "catalogue-unreadable",
            f"the file cannot be read: {error.strerror}",
            whole,
            help="check the path and its permissions",
        )
        return b""
    if size > MAXIMUM_BYTES:
        report.error(
            "catalogue-unreadable",
            f"the file has {size:,} bytes, the limit is {MAXIMUM_BYTES:,}",
            whole,
            help="check that it is the file that you mean",
        )
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        report.error(
            "catalogue-unreadable",
            f"line {line} is not UTF-8 text",
            whole,
            help="save the file as UTF-8",
        )
    return data


def _split(source: Source, report: Report) -> list[tuple[int, tuple[str, ...]]]:
    """The cells of each line that is not empty, with its number."""
    found: list[tuple[int, tuple[str, ...]]] = []
    texts = source.text.split("\n")
    reader = csv.reader(texts, strict=True)
    before = 0
    try:
        for cells in reader:
            if reader.line_num != before + 1:
                raise csv.Error("a quoted cell runs over the end of the line")
            before = reader.line_num
            if cells:
                found.append((before, tuple(cells)))
    except csv.Error as error:
        line = min(before + 1, len(texts))
        report.error(
            "catalogue-unreadable",
            f"this line is not comma-separated text: {error}",
            line_span(source, line),
            help='a cell with a comma or a quote is written "in quotes", a quote inside it twice',
        )
    if not found and not report.has_errors:
        report.error(
            "catalogue-unreadable",
            "the file is empty",
            Pointer(source.path, ""),
            help="a table begins with a header line",
        )
    return found


def _check_header(
    source: Source, line: int, header: tuple[str, ...], key: Sequence[str], report: Report
) -> None:
    for index, column in enumerate(header):
        if column in header[:index]:
            report.error(
                "catalogue-columns",
                f"the column `{column}` stands twice",
                Label(cell_span(source, line, index), "again here"),
                Label(cell_span(source, line, header.index(column)), "first here"),
                help="keep one of the two",
            )
    for column in key:
        if column not in header:
            report.error(
                "catalogue-columns",
                f"there is no column `{column}`, which is part of the rows' key",
                line_span(source, line),
                help="add the column to the header and to every row",
            )
