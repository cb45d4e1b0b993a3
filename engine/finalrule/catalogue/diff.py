"""What an import would change in a year's folder: rows by key and cells by column, never lines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from finalrule.catalogue.layout import LAYOUTS, Records
from finalrule.catalogue.read import Catalogue, read_rows
from finalrule.diagnostics import Failure, Report


@dataclass(frozen=True, slots=True)
class CellChange:
    """One cell that gets another text."""

    key: tuple[str, ...]
    column: str
    was: str
    now: str


@dataclass(frozen=True, slots=True)
class FileDiff:
    """One file: `columns_were` is its header where that is not the layout's (a new file: none)."""

    file: str
    rows: int
    added: tuple[tuple[str, ...], ...]
    removed: tuple[tuple[str, ...], ...]
    changed: tuple[CellChange, ...]
    columns_were: tuple[str, ...] | None

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.columns_were is not None)

    def as_data(self) -> dict[str, object]:
        """The difference as JSON-ready data."""
        return {
            "file": self.file,
            "rows": self.rows,
            "added": [list(key) for key in self.added],
            "removed": [list(key) for key in self.removed],
            "changed": [
                {"key": list(c.key), "column": c.column, "was": c.was, "now": c.now}
                for c in self.changed
            ],
            "columns_were": None if self.columns_were is None else list(self.columns_were),
        }

    def lines(self) -> list[str]:
        """The difference for people: one line for each row or cell."""
        if not self:
            return [f"{self.file}: {self.rows} rows, no difference"]
        found = [
            f"{self.file}: {self.rows} rows, {len(self.added)} added, {len(self.removed)} removed,"
            f" {len(self.changed)} cells changed"
        ]
        if self.columns_were:
            now = ", ".join(LAYOUTS[self.file].columns)
            found.append(f"  columns were {', '.join(self.columns_were)}; are {now}")
        found += [f"  - {', '.join(key)}" for key in self.removed]
        found += [f"  + {', '.join(key)}" for key in self.added]
        found += [
            f"  ~ {', '.join(c.key)}: {c.column} {c.was or '(empty)'} -> {c.now or '(empty)'}"
            for c in self.changed
        ]
        return found


def compare(folder: Path, files: dict[str, Records]) -> list[FileDiff]:
    """Each file against the one in the folder, in the order of the layout. A file that is not there
    has no rows. Raises Failure for files there that cannot be read."""
    report = Report()
    found = []
    for file, records in files.items():
        table: Catalogue | None = None
        if (folder / file).exists():
            try:
                table = read_rows(folder / file, LAYOUTS[file].key)
            except Failure as failure:
                report.diagnostics.extend(failure.diagnostics)
        found.append(_compare(file, records, table))
    report.stop_if_errors()
    return found


def _compare(file: str, records: Records, table: Catalogue | None) -> FileDiff:
    columns = LAYOUTS[file].columns
    header = table.header if table else ()
    rows = table.rows if table else {}
    changed = []
    for key, cells in records.items():
        if key not in rows:
            continue
        was = dict(zip(header, rows[key].cells, strict=True))
        now = dict(zip(columns, cells, strict=True))
        for column in dict.fromkeys((*columns, *header)):
            if was.get(column, "") != now.get(column, ""):
                changed.append(CellChange(key, column, was.get(column, ""), now.get(column, "")))
    return FileDiff(
        file,
        len(records),
        tuple(key for key in records if key not in rows),
        tuple(key for key in rows if key not in records),
        tuple(changed),
        None if header == columns else header,
    )
