"""A set of benchmarks in a file of the form of policies/measures/<year>/benchmarks.csv: CMS's, or
one that was derived before."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from finalrule.benchmarks.distribution import Key
from finalrule.catalogue.layout import DECILES, LAYOUTS
from finalrule.catalogue.read import Catalogue, cell_span, read_rows
from finalrule.core import ir
from finalrule.diagnostics import Report
from finalrule.evaluate.catalogues import TypedCatalogue
from finalrule.values import parse_decimal

FILE = "benchmarks.csv"
_LAYOUT = LAYOUTS[FILE]


@dataclass(frozen=True, slots=True)
class Published:
    """The set as read: its rows by measure and collection type."""

    rows: Catalogue

    @property
    def path(self) -> str:
        return self.rows.source.path

    @property
    def keys(self) -> list[Key]:
        return [(measure, way) for measure, way in self.rows.rows]

    def text(self, key: Key, column: str) -> str:
        """A cell; empty where there is no such benchmark."""
        row = self.rows.rows.get(key)
        return "" if row is None else self.rows.cell(row, column)

    def flag(self, key: Key, column: str) -> bool:
        return self.text(key, column) == "yes"

    def bounds(self, key: Key) -> dict[str, Fraction]:
        """The lower bounds of the deciles that have one, by column."""
        found = {column: parse_decimal(self.text(key, column)) for column in DECILES}
        return {column: bound for column, bound in found.items() if bound is not None}


def read_published(path: Path, program: ir.Program) -> Published:
    """Read a file of benchmarks. Raises Failure with everything that is wrong: what `read_rows`
    refuses, missing columns, cells that are no values of their types."""
    rows = read_rows(path, _LAYOUT.key)
    report = Report()
    for column in _LAYOUT.columns:
        if column not in rows.header:
            report.error(
                "catalogue-columns", f"the column `{column}` is missing",
                cell_span(rows.source, 1, 0),
                help="a set of benchmarks has the columns of policies/measures/README.md",
            )  # fmt: skip
    report.stop_if_errors()
    declared = next(one for one in program.catalogues if one.name == "benchmark")
    TypedCatalogue(declared, rows).check(report)
    report.stop_if_errors()
    return Published(rows)


def check_earlier(published: Published, year: int) -> None:
    """Raise Failure where a set that is to be of the year before has no benchmark of an earlier
    year than this one: then it is the year's own."""
    report, rows = Report(), published.rows
    years = [rows.cell(row, "benchmark_year") for row in rows.rows.values()]
    if years and not any(text.isdigit() and int(text) < year for text in years):
        first = next(iter(rows.rows.values()))
        report.error(
            "benchmarks-not-earlier",
            f"no benchmark in {published.path} is of a year before {year}",
            rows.span(first, "benchmark_year"),
            help="name the benchmarks of the year before; this year's own go with --compare",
        )
    report.stop_if_errors()
