"""Parquet files written whole, with the rows of a practice together, in one order."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from finalrule.diagnostics import Failure
from finalrule.tables.store import Store, open_store

ROWS = 1_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "work", 2, "1GB") as opened:
        yield opened


@pytest.mark.parametrize("key", ["i // 100", "9999 - i // 100", "hash(i) % 10000", "i % 10000"])
def test_rows_of_a_practice_are_together(store: Store, key: str) -> None:
    """A million rows of ten thousand practices in whatever order."""
    select = f"SELECT CAST({key} AS INTEGER) AS part_key, i AS id FROM range({ROWS}) t(i)"
    assert store.write("t", "p", select) == ROWS
    ((unordered,),) = (
        duckdb.connect()
        .execute(
            "SELECT count(*) FILTER ((part_key, id) <= before) FROM (SELECT part_key, id, "
            "lag((part_key, id)) OVER (ORDER BY file_row_number) AS before "
            f"FROM read_parquet('{store.path('t', 'p')}', file_row_number = true))"
        )
        .fetchall()
    )
    assert unordered == 0


def test_the_same_rows_are_the_same_bytes(tmp_path: Path) -> None:
    """A join of more rows than one thread takes at a time, with one thread and with three, in
    memory and on disk."""
    written = set()
    for threads, memory in ((1, "1GB"), (3, "1GB"), (2, "60MB")):
        with open_store(tmp_path / f"work{threads}", threads, memory) as store:
            store.run(f"CREATE TABLE kept AS SELECT i, i // 7 AS part_key FROM range({ROWS}) t(i)")
            store.write(
                "t", "p",
                "SELECT k.part_key, r.i AS id, hash(r.i) AS value "
                f"FROM range({ROWS}) r(i) JOIN kept k ON k.i = r.i WHERE hash(r.i) % 3 < 2",
            )  # fmt: skip
            written.add(store.path("t", "p").read_bytes())
    assert len(written) == 1


def test_nothing_is_there_before_everything_is(store: Store, tmp_path: Path) -> None:
    store.write("t", "p", "SELECT 1 AS part_key, 1 AS id")
    assert not (tmp_path / "work" / "facts").exists()
    store.keep()
    assert [path.name for path in (tmp_path / "work" / "facts" / "t").iterdir()] == ["p.parquet"]


def test_what_stood_there_is_replaced(tmp_path: Path) -> None:
    work = tmp_path / "work"
    for table in ("old", "new"):
        with open_store(work, 2, "1GB") as store:
            store.write(table, "p", "SELECT 1 AS part_key, 1 AS id")
            store.keep()
    assert [path.name for path in (work / "facts").iterdir()] == ["new"]
    assert [path.name for path in work.iterdir()] == ["facts"]


def test_a_failure_leaves_what_stood_there(tmp_path: Path) -> None:
    work = tmp_path / "work"
    with open_store(work, 2, "1GB") as store:
        store.write("old", "p", "SELECT 1 AS part_key, 1 AS id")
        store.keep()
    with pytest.raises(ZeroDivisionError), open_store(work, 2, "1GB") as store:
        store.write("new", "p", "SELECT 1 AS part_key, 1 AS id")
        raise ZeroDivisionError
    assert [path.name for path in (work / "facts").iterdir()] == ["old"]
    assert [path.name for path in work.iterdir()] == ["facts"]


def test_a_full_disk_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    work = tmp_path / "work"
    with pytest.raises(Failure) as caught, open_store(work, 2, "1GB") as store:
        store.write("t", "p", "SELECT 1 AS part_key, 1 AS id")
        monkeypatch.setattr(os, "fsync", full)
        store.keep()
    (finding,) = caught.value.diagnostics
    assert finding.code == "cannot-write-file"
    assert finding.message == "the tables cannot be written: No space left on device"
    assert list(work.iterdir()) == []


def test_a_full_disk_under_duckdb_is_the_same_error(tmp_path: Path) -> None:
    work = tmp_path / "work"
    with pytest.raises(Failure) as caught, open_store(work, 2, "1GB") as store:
        (work / ".facts.partial" / "t").mkdir()
        store.path("t", "p").symlink_to("/dev/full")
        store.write("t", "p", "SELECT 1 AS part_key, 1 AS id")
    (finding,) = caught.value.diagnostics
    assert finding.message == "the tables cannot be written: No space left on device"
    assert list(work.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "work").write_text("a file")
    with pytest.raises(Failure) as caught, open_store(tmp_path / "work", 2, "1GB"):
        pass
    (finding,) = caught.value.diagnostics
    assert finding.code == "cannot-write-file"
    assert (tmp_path / "work").read_text() == "a file"


def test_too_little_memory_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(Failure) as caught, open_store(tmp_path / "work", 2, "10MB") as store:
        store.run("SET temp_directory = ''")
        store.rows("SELECT list(i) FROM range(50_000_000) t(i)")
    (finding,) = caught.value.diagnostics
    assert finding.code == "tables-memory"
