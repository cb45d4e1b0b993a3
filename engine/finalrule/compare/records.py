"""Two files of a catalogue compared by key and cell, never by line."""

from __future__ import annotations

from finalrule.catalogue.read import Catalogue, Row, read_rows
from finalrule.compare.model import CatalogueDiff, Difference, Side
from finalrule.compare.stated import Statements, part_of
from finalrule.core import ir
from finalrule.diagnostics import Failure, Report
from finalrule.evaluate.catalogues import DECILES, cell_value
from finalrule.values import Type, Value, parse_decimal


def catalogue_diffs(a: Statements, b: Statements) -> list[CatalogueDiff]:
    """The catalogues whose files differ, in the order of their declaration. Raises Failure for
    files that cannot be read."""
    report = Report()
    found = []
    for name, declared in b.work.known.catalogues.items():
        files = a.policy.catalogues[name], b.policy.catalogues[name]
        if files[0].digest == files[1].digest:
            continue
        tables = []
        for file in files:
            keys = [key.name for key in declared.keys]
            try:
                tables.append(read_rows(file.file, keys, f"policies/{file.path}"))
            except Failure as failure:
                report.diagnostics.extend(failure.diagnostics)
        if len(tables) == 2:
            one = _Compare(declared, (a, b), (tables[0], tables[1])).diff()
            if one.differences:
                found.append(one)
    report.stop_if_errors()
    return found


class _Compare:
    """One catalogue."""

    def __init__(
        self,
        declared: ir.Catalogue,
        statements: tuple[Statements, Statements],
        tables: tuple[Catalogue, Catalogue],
    ) -> None:
        self.declared = declared
        self.statements, self.tables = statements, tables
        self.types: dict[str, Type] = {field.name: field.type for field in declared.fields}
        self.read = {*self.types, *(DECILES if declared.bounds else ())}
        self.paragraph = statements[1].catalogues[declared.name].paragraph
        self.part = part_of(self.paragraph)

    def diff(self) -> CatalogueDiff:
        rows_a, rows_b = (table.rows for table in self.tables)
        differences: list[Difference] = []
        only_a = [key for key in rows_a if key not in rows_b]
        only_b = [key for key in rows_b if key not in rows_a]
        differences += [self._difference(key, "", self._record(0, key), None) for key in only_a]
        differences += [self._difference(key, "", None, self._record(1, key)) for key in only_b]
        cells = [cell for key in rows_b if key in rows_a for cell in self._cells(key)]
        a, b = (of.catalogues[self.declared.name].side for of in self.statements)
        return CatalogueDiff(
            self.declared.name, self.part, self.paragraph, a, b,
            (len(rows_a), len(rows_b)), len(only_a), len(only_b), len(cells),
            sum(column in self.read for column, _ in cells),
            (*differences, *(cell for _, cell in cells)),
        )  # fmt: skip

    def _difference(
        self, key: tuple[str, ...], column: str, a: Side | None, b: Side | None
    ) -> Difference:
        name = ".".join((self.declared.name, *key, *([column] if column else [])))
        return Difference("catalogue", name, self.part, self.paragraph, "", a, b)

    def _cells(self, key: tuple[str, ...]) -> list[tuple[str, Difference]]:
        rows = self.tables[0].rows[key], self.tables[1].rows[key]
        columns = dict.fromkeys((*self.tables[1].header, *self.tables[0].header))
        found = []
        for column in columns:
            a, b = (self._text(side, row, column) for side, row in enumerate(rows))
            if self._value(a, column) != self._value(b, column):
                sides = [
                    self._side(side, rows[side], text or "(empty)", text)
                    for side, text in enumerate((a, b))
                ]
                found.append((column, self._difference(key, column, *sides)))
        return found

    def _text(self, side: int, row: Row, column: str) -> str:
        """A cell's text; empty, too, where the file has no such column."""
        table = self.tables[side]
        return table.cell(row, column) if column in table.header else ""

    def _value(self, text: str, column: str) -> Value:
        """What makes two cells the same: the typed value of what rules may read, else the text."""
        found: Value | None = None
        if column in self.types:
            found = cell_value(text, self.types[column])
        elif column in self.read:
            found = parse_decimal(text)
        return text if found is None else found

    def _record(self, side: int, key: tuple[str, ...]) -> Side:
        """A whole record: to be shown what rules may read of it, its value every filled cell."""
        row, table = self.tables[side].rows[key], self.tables[side]
        cells = {
            column: f"{column} {text}"
            for column, text in zip(table.header, row.cells, strict=True)
            if text and column not in table.key
        }
        shown = ", ".join(said for column, said in cells.items() if column in self.read)
        return self._side(side, row, shown or "(listed)", ", ".join(cells.values()))

    def _side(self, side: int, row: Row, text: str, value: str) -> Side:
        file = self.statements[side].policy.catalogues[self.declared.name]
        place = f"policies/{file.path}:{row.line}"
        return Side(text, value, file.cite.text, place, file.unverified)
