"""Catalogues as rules read them: the year file's CSV files, typed by the rules' declarations."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from finalrule.catalogue.read import Catalogue as Rows
from finalrule.catalogue.read import Row, read_rows
from finalrule.core import ir
from finalrule.core.expressions import DecileBounds
from finalrule.diagnostics import Failure, Report
from finalrule.values import Codes, Type, Value, parse_decimal, parse_value, type_name

DECILES = tuple(f"d{n}" for n in range(1, 11))


class TypedCatalogue:
    """One catalogue. Records are typed when they are first read."""

    def __init__(self, declared: ir.Catalogue, rows: Rows) -> None:
        self.declared, self.rows = declared, rows
        self._records: dict[tuple[str, ...], Mapping[str, Value] | None] = {}
        self._bounds: dict[tuple[str, ...], DecileBounds | None] = {}

    def record(self, keys: tuple[str, ...]) -> Mapping[str, Value] | None:
        """The record's typed fields, empty cells left out; None when there is no such record."""
        if keys not in self._records:
            row = self.rows.rows.get(keys)
            self._records[keys] = None if row is None else self._typed(row)
        return self._records[keys]

    def bounds(self, keys: tuple[str, ...]) -> DecileBounds | None:
        """The record's decile bounds; None when there is no such record or it has none."""
        if keys not in self._bounds:
            row, declared = self.rows.rows.get(keys), self.declared.bounds
            lower = [parse_decimal(self.rows.cell(row, name)) for name in DECILES] if row else []
            if row is None or declared is None or not any(bound is not None for bound in lower):
                self._bounds[keys] = None
            else:
                inverse = self.rows.cell(row, declared.inverse) == "yes"
                self._bounds[keys] = DecileBounds(lower, inverse)
        return self._bounds[keys]

    def _typed(self, row: Row) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for field in (*self.declared.keys, *self.declared.fields):
            text = self.rows.cell(row, field.name)
            value = cell_value(text, field.type)
            if value is not None:
                found[field.name] = value
        return found

    def check(self, report: Report) -> None:
        """Report every column that is missing and every cell that is no value of its type."""
        columns = [*self.declared.keys, *self.declared.fields]
        wanted = [field.name for field in columns] + (list(DECILES) if self.declared.bounds else [])
        missing = [name for name in wanted if name not in self.rows.header]
        for name in missing:
            report.error(
                "missing-column",
                f"catalogue `{self.declared.name}` declares `{name}`, which the file has not",
                self.rows.source.span(0, len(self.rows.source.line_text(1))),
                help="import the measures again, or correct the declaration",
            )
        if missing:
            return
        for row in self.rows.rows.values():
            for field in columns:
                text = self.rows.cell(row, field.name)
                if text and cell_value(text, field.type) is None:
                    report.error(
                        "wrong-cell",
                        f"`{text}` is no value of {type_name(field.type)}",
                        self.rows.span(row, field.name),
                        help="import the measures again, or correct the declaration",
                    )
            if self.declared.bounds is not None:
                self._check_bounds(row, self.declared.bounds, report)

    def _check_bounds(self, row: Row, declared: ir.Bounds, report: Report) -> None:
        """Bounds are numbers, all there or none (the first may be missing), worst to best."""
        texts = {name: self.rows.cell(row, name) for name in DECILES}
        lower = {name: parse_decimal(text) for name, text in texts.items()}
        known = {name: bound for name, bound in lower.items() if bound is not None}
        wrong = [name for name, text in texts.items() if text and name not in known]
        if known and not wrong:
            wrong = [name for name in DECILES[1:] if name not in known]
        sign = -1 if self.rows.cell(row, declared.inverse) == "yes" else 1
        if not wrong:
            wrong = [b for a, b in pairwise(known) if (known[b] - known[a]) * sign < 0]
        for name in wrong:
            report.error(
                "wrong-bounds",
                f"`{texts[name]}` cannot be the bound of {name}",
                self.rows.span(row, name),
                help="bounds are numbers from worst to best, all of them or none; d1 may be empty",
            )


def cell_value(text: str, type_: Type) -> Value | None:
    """A cell's value; None when it is empty or no value of the type."""
    if isinstance(type_, Codes):
        return frozenset(part for part in text.split(";") if part)
    return parse_value(text, type_) if text else None


def open_catalogues(program: ir.Program, root: Path) -> dict[str, TypedCatalogue]:
    """The program's catalogues, each checked against the digest that the program was compiled with.
    Raises Failure when a file is missing, malformed or another one."""
    report = Report()
    found = {}
    for declared in program.catalogues:
        path = root / declared.path
        rows = read_rows(path, [key.name for key in declared.keys], f"policies/{declared.path}")
        if rows.digest != declared.digest:
            report.error(
                "catalogue-changed",
                f"{declared.path} is not the file that policy {program.policy} was compiled with",
                rows.source.span(0, len(rows.source.line_text(1))),
                help="run the command again",
            )
        found[declared.name] = TypedCatalogue(declared, rows)
    if report.has_errors:
        raise Failure(report.diagnostics)
    return found
