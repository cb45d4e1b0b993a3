"""Parquet files written whole, with the rows of a practice together."""

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


def spans(store: Store) -> list[tuple[int, int]]:
    """The least and greatest part_key of each row group."""
    path = store.path("t", "p")
    return (
        duckdb.connect()
        .execute(
            "SELECT CAST(stats_min_value AS INTEGER), CAST(stats_max_value AS INTEGER) "
            f"FROM parquet_metadata('{path}') WHERE path_in_schema = 'part_key' ORDER BY ALL"
        )
        .fetchall()
    )


@pytest.mark.parametrize("key", ["i // 100", "9999 - i // 100", "hash(i) % 10000", "i % 10000"])
def test_rows_of_a_practice_are_together(store: Store, key: str) -> None:
    """A million rows of ten thousand practices in whatever order: row groups of 122,880 rows hold
    about 1,230 practices each, and may share those at their ends."""
    select = f"SELECT CAST({key} AS INTEGER) AS part_key, i AS id FROM range({ROWS}) t(i)"
    assert store.write("t", "p", select) == ROWS
    assert len(spans(store)) > 8
    assert sum(high - low for low, high in spans(store)) <= 4 * 10_000
    if key != "i // 100" and not key.startswith("9999"):
        assert all(high - low < 1_400 for low, high in spans(store))


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
