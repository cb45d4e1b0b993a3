"""One file of CMS's export while it is read: cells as our words, and the findings about them, with
the known defects of the file taken into account."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from finalrule.catalogue.cms import EXPORTS, FLAGS
from finalrule.catalogue.header import Defect
from finalrule.catalogue.read import Catalogue, Row, cell_span, read_rows
from finalrule.diagnostics import Failure, Label, Report, suggest
from finalrule.source import Span
from finalrule.values import decimal_text, one_of

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")
_IDENTIFIER = re.compile(r"[A-Z0-9_]+")
_MAXIMUM_DIGITS = 20


@dataclass(slots=True)
class Table:
    """A file of the export. `used` collects the known defects that were met."""

    file: str
    table: Catalogue
    report: Report
    defects: list[Defect]
    used: list[Defect] = field(default_factory=list)

    @classmethod
    def read(
        cls, folder: Path, file: str, defects: tuple[Defect, ...], report: Report
    ) -> Table | None:
        """Read one file and check its columns; None when it cannot be used, with the reasons in the
        report."""
        export = EXPORTS[file]
        try:
            table = read_rows(folder / file, export.key)
        except Failure as failure:
            report.diagnostics.extend(failure.diagnostics)
            return None
        found = Table(file, table, report, [d for d in defects if d.file == file])
        return found if found._check_columns() else None

    def _check_columns(self) -> bool:
        export, header, source = EXPORTS[self.file], self.table.header, self.table.source
        sound = True
        for index, column in enumerate(header):
            if column not in export.columns:
                sound = False
                self.report.error(
                    "catalogue-columns",
                    f"unknown column `{column}`",
                    cell_span(source, 1, index),
                    help=suggest(column, set(export.columns) - set(header))
                    or f"CMS's {self.file} has no such column for 2019 and 2020",
                )
        for column in export.columns:
            if column not in header:
                sound = False
                self.report.error(
                    "catalogue-columns",
                    f"the column `{column}` is missing",
                    cell_span(source, 1, 0),
                    help="export the file with all columns, filled or not",
                )
        return sound

    def rows(self) -> Iterator[Cells]:
        """The rows in the order of the file, without those that a known defect drops."""
        for key, row in self.table.rows.items():
            dropped = [d for d in self.defects if d.key == key and d.action == "drop"]
            self.used.extend(dropped)
            if not dropped:
                yield Cells(self, key, row)

    def check_defects_met(self) -> None:
        """A known defect that CMS's file does not have is an error: CMS mended it."""
        for defect in self.defects:
            if defect not in self.used:
                self.report.error(
                    "measures-defect-gone",
                    f"{self.file} does not have this known defect of {', '.join(defect.key)}",
                    defect.span,
                    help="take the entry out, or correct its key, column and `was`",
                )


@dataclass(frozen=True, slots=True)
class Cells:
    """One row. Each reader gives our word for a cell, or an empty text after an error."""

    of: Table
    key: tuple[str, ...]
    row: Row

    def raw(self, column: str) -> str:
        """The text of a cell, corrected where a known defect says so."""
        text = self.of.table.cell(self.row, column)
        for defect in self.of.defects:
            if (defect.action, defect.key, defect.column) == ("correct", self.key, column):
                if defect.was != text:
                    continue
                if defect not in self.of.used:
                    self.of.used.append(defect)
                return defect.now
        return text

    def span(self, column: str) -> Span:
        return self.of.table.span(self.row, column)

    def error(self, code: str, message: str, column: str, *more: Label | Span, help: str) -> None:
        """Report an error at a cell, unless a known defect keeps it."""
        for defect in self.of.defects:
            if (defect.action, defect.key, defect.column) == ("keep", self.key, column):
                self.of.used.append(defect)
                return
        self.of.report.error(code, message, self.span(column), *more, help=help)

    def identifier(self, column: str) -> str:
        text = self.raw(column)
        if not _IDENTIFIER.fullmatch(text):
            self.error(
                "measures-value",
                f"`{text}` is no identifier",
                column,
                help="identifiers are of capitals, digits and underscores",
            )
        return text

    def word(self, column: str, words: Mapping[str, str], empty: str | None = None) -> str:
        """Our word for CMS's. `empty` is what an empty cell means; None: it may not be empty."""
        text = self.raw(column)
        if not text and empty is not None:
            return empty
        if text not in words:
            self._unknown(text, column, words)
        return words.get(text, "")

    def flag(self, column: str, empty: str | None = None) -> str:
        """`yes` or `no`."""
        return self.word(column, FLAGS, empty)

    def words(self, column: str, words: Mapping[str, str]) -> tuple[str, ...]:
        """Our words for a list of CMS's, sorted."""
        found = []
        for text in self.texts(column):
            if text not in words:
                self._unknown(text, column, words)
            else:
                found.append(words[text])
        return tuple(sorted(found))

    def texts(self, column: str) -> tuple[str, ...]:
        """A list as written; no item empty, none twice."""
        written = self.raw(column)
        if not written:
            return ()
        items = tuple(written.split(";"))
        for index, item in enumerate(items):
            if not item or item != item.strip() or item in items[:index]:
                what = "stands twice" if item in items[:index] else "is no name"
                self.error(
                    "measures-value",
                    f"in this list `{item}` {what}",
                    column,
                    help="items are set apart by one `;`, each once",
                )
        return items

    def number(self, column: str) -> Fraction | None:
        """A plain decimal; None where the cell is empty or malformed."""
        text = self.raw(column)
        if not text:
            return None
        if not _NUMBER.fullmatch(text) or len(text) > _MAXIMUM_DIGITS:
            self.error(
                "measures-value",
                f"`{text}` is no decimal number",
                column,
                help=f"write digits with one point, at most {_MAXIMUM_DIGITS} characters",
            )
            return None
        return Fraction(text)

    def decimal(self, column: str) -> str:
        """A plain decimal in its shortest form (100.0 is 100), or an empty text."""
        number = self.number(column)
        return "" if number is None else decimal_text(number)

    def check_empty(self) -> None:
        """Report cells of columns that this format does not carry, but that are filled."""
        for column in EXPORTS[self.of.file].empty:
            if text := self.raw(column):
                self.error(
                    "measures-not-carried",
                    f"`{column}` is `{text}`, and would be lost",
                    column,
                    help="it is empty in CMS's files for 2019 and 2020;"
                    " is this another year's file?",
                )

    def _unknown(self, text: str, column: str, words: Mapping[str, str]) -> None:
        shown = one_of(list(words)) if len(words) <= 8 else "one of CMS's names"
        self.error(
            "measures-value",
            f"`{text}` is not known in `{column}`",
            column,
            help=suggest(text, words) or f"write {shown}",
        )
