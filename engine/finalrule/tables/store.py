"""DuckDB at work: statements run, Parquet files written into a folder that becomes the result only
when everything is there, and what goes wrong on the way as one error for people."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from finalrule.diagnostics import Diagnostic, Failure, Label, Pointer
from finalrule.tables.convert import files_at, literal

PART_KEY = "part_key"
# How tables are written. Numbers that are mostly different are neither looked up nor kept in a
# dictionary: that takes a third longer, and more room than their differences do.
PARQUET = "(FORMAT parquet, PARQUET_VERSION v2, DICTIONARY_SIZE_LIMIT 1000)"
Row = tuple[object, ...]


class Store:
    """A connection of its own and the folder `work/.facts.partial`, which `keep` turns into
    `work/facts`. Everything that a stage did not keep is gone when the store is left."""

    def __init__(self, work: Path, threads: int, memory: str) -> None:
        self.work = work
        self.target = work / "facts"
        self.folder = work / ".facts.partial"
        self.scratch = work / ".facts.scratch"
        for folder in (self.folder, self.scratch):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        self.connection = duckdb.connect()
        self.connection.execute("SET enable_progress_bar = false")
        self.connection.execute("SET preserve_insertion_order = false")
        self.connection.execute(f"SET threads = {int(threads)}")
        self.connection.execute(f"SET memory_limit = {literal(memory)}")
        self.connection.execute(f"SET temp_directory = {literal(str(self.scratch / 'spilled'))}")

    def close(self) -> None:
        self.connection.close()
        for folder in (self.folder, self.scratch):
            shutil.rmtree(folder, ignore_errors=True)

    def rows(self, sql: str) -> list[Row]:
        return self.connection.execute(sql).fetchall()

    def run(self, sql: str) -> None:
        self.connection.execute(sql)

    def number(self, sql: str) -> int:
        """The one number that a query gives."""
        ((found,),) = self.rows(sql)
        assert isinstance(found, int)
        return found

    # --- files -----------------------------------------------------------------------------------

    def path(self, table: str, part: str) -> Path:
        return self.folder / table / f"{part}.parquet"

    def parts(self, table: str) -> list[Path]:
        return sorted((self.folder / table).glob("*.parquet"))

    def scan(self, table: str, part: str = "*") -> str:
        """SQL that reads a table that was written, or one part of it."""
        return f"read_parquet({files_at(self.folder / table, f'{part}.parquet')})"

    def write(self, table: str, part: str, select: str) -> int:
        """Write the rows of a query as one part of a table; their number. Rows of one practice are
        together and in the order of their ids, so that the same rows are the same bytes: DuckDB's
        joins keep no order."""
        path = self.path(table, part)
        path.parent.mkdir(exist_ok=True)
        return self._copy(select, path)

    def replace(self, table: str, part: str, select: str) -> int:
        """The same, by a query that may read the part itself."""
        path = self.path(table, part)
        fresh = path.with_suffix(".fresh")
        count = self._copy(select, fresh)
        os.replace(fresh, path)
        return count

    def _copy(self, select: str, path: Path) -> int:
        return self.number(
            f"COPY (SELECT * FROM ({select}) ORDER BY {PART_KEY}, id) TO {literal(str(path))} "
            f"{PARQUET}"
        )

    def keep(self, tables: Sequence[Path] | None = None) -> None:
        """Turn the folder into the result: all of it, or only the files that are named. What stood
        there before is replaced."""
        if tables is not None:
            for path in sorted(self.folder.iterdir()):
                if path not in tables:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in (*self.folder.rglob("*"), self.folder):
            _sync(path)
        old = self.work / ".facts.old"
        shutil.rmtree(old, ignore_errors=True)
        if self.target.exists():
            os.replace(self.target, old)
        os.replace(self.folder, self.target)
        _sync(self.work)
        shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def open_store(work: Path, threads: int, memory: str) -> Iterator[Store]:
    """A store that leaves nothing half-written. Raises Failure where the disk or memory does not
    suffice."""
    try:
        work.mkdir(parents=True, exist_ok=True)
        store = Store(work, threads, memory)
    except OSError as error:
        raise _cannot_write(work, error.strerror or type(error).__name__) from error
    try:
        yield store
    except duckdb.OutOfMemoryException as error:
        raise _no_memory(memory) from error
    except duckdb.IOException as error:
        raise _cannot_write(work, system_said(str(error))) from error
    except OSError as error:
        raise _cannot_write(work, error.strerror or type(error).__name__) from error
    finally:
        store.close()


def system_said(message: str) -> str:
    """What the system said in an error of DuckDB, without what stood in the file."""
    known = ("No space left on device", "Permission denied", "Disk quota exceeded",
             "Read-only file system", "Input/output error", "File too large")  # fmt: skip
    return next((said for said in known if said in message), "the disk refused")


def _cannot_write(work: Path, why: str) -> Failure:
    return Failure(
        [
            Diagnostic(
                "cannot-write-file",
                f"the tables cannot be written: {why}",
                (Label(Pointer(str(work), "")),),
                "make room, or name another folder; nothing was left there",
            )
        ]
    )


def _no_memory(memory: str) -> Failure:
    return Failure(
        [
            Diagnostic(
                "tables-memory",
                f"the tables do not fit into {memory} of memory",
                (),
                "give more memory, or write large tables sorted by tin",
            )
        ]
    )
