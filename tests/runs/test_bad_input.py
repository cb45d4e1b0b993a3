"""What a run cannot be made of, through the command: one clear error and nothing at --out, or a
reason that is counted."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from finalrule.evaluate.scalar import Evaluator
from finalrule.runs import run as runs
from runs.conftest import POLICY, Stopped, Whole, content, finalrule, refused, stop

TINS = ("123456789", "987654321")
# With 80840 before them they sum to 70 and 60 by Luhn's method, so that they check.
NPIS = ("1234567893", "1234567802")
Run = Callable[..., str]


@pytest.fixture
def facts(tmp_path: Path) -> Path:
    """Two practices with a clinician each."""
    folder = tmp_path / "facts"
    folder.mkdir()
    write(folder, "practices", "tin", *TINS)
    rows = [f"{tin},{npi},physician" for tin, npi in zip(TINS, NPIS, strict=True)]
    write(folder, "clinicians", "tin,npi,clinician_type", *rows)
    return folder


def write(facts: Path, table: str, *lines: str) -> None:
    (facts / f"{table}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def failed(facts: Path, code: str, *options: str) -> str:
    """The error of a run that leaves nothing, not even beside its place."""
    out = facts.parent / "runs" / "one"
    before = set(facts.parent.rglob("*"))
    error = refused(
        finalrule("run", "--policy", POLICY, "--facts", facts, "--out", out, *options), code, out
    )
    assert set(facts.parent.rglob("*")) - before <= {out.parent, rejected(out)}
    assert not any(identifier in error for identifier in (*TINS, *NPIS))
    return error


def rejected(out: Path) -> Path:
    return out.with_name(f"{out.name}.rejected.parquet")


# --- tables --------------------------------------------------------------------------------------


def test_no_facts(tmp_path: Path) -> None:
    error = failed(tmp_path / "facts", "tables-not-found")
    assert "the directory of fact tables is not there" in error


def test_a_missing_table(facts: Path) -> None:
    (facts / "practices.csv").unlink()
    assert "no table `practices`" in failed(facts, "table-missing")


def test_an_empty_table(facts: Path) -> None:
    write(facts, "clinicians", "tin,npi")
    assert "the table `clinicians` has no rows" in failed(facts, "table-empty")


def test_a_missing_column(facts: Path) -> None:
    write(facts, "clinicians", "tin", TINS[0])
    assert "`clinicians` lacks the column `npi`" in failed(facts, "column-missing")


def test_a_column_of_another_type(facts: Path) -> None:
    (facts / "practices.csv").unlink()
    duckdb.connect().execute(
        f"COPY (SELECT 123456789 AS tin) TO '{facts / 'practices.parquet'}' (FORMAT parquet)"
    )
    error = failed(facts, "column-type")
    assert "`tin` of `practices` is INTEGER, not text (UTF8)" in error


def test_a_table_that_is_cut_short(facts: Path) -> None:
    path = facts / "activities.parquet"
    duckdb.connect().execute(f"COPY (SELECT '1' AS tin) TO '{path}' (FORMAT parquet)")
    path.write_bytes(path.read_bytes()[:-20])
    assert f"--> {path}" in failed(facts, "table-unreadable")


def test_too_many_rejected_rows_are_where_the_error_says(facts: Path) -> None:
    write(facts, "segments", "tin,segment,patients", f"{TINS[0]},first,-1", f"{TINS[1]},first,5")
    error = failed(facts, "tables-rejected")
    assert "1 of the 2 rows of `segments` are rejected, more than 1 %" in error
    kept = rejected(facts.parent / "runs" / "one")
    assert f"--> {kept}: each row of them" in error
    rows = duckdb.connect().execute(f'SELECT "table", "row", reason FROM \'{kept}\'').fetchall()
    assert rows == [("segments", 1, "value_domain")]


def test_rejected_rows_are_counted(facts: Path) -> None:
    """One of each kind; all else is calculated. The run's name is one that SQL would end at."""
    write(facts, "practices", "tin", *TINS, "12345678")
    # The digits of the third NPI do not check: with 3 as the last they would.
    rows = (f"{TINS[0]},{NPIS[0]}", f"{TINS[1]},{NPIS[1]}", f"{TINS[1]},1234567894",
            f"111111111,{NPIS[1]}")  # fmt: skip
    write(facts, "clinicians", "tin,npi", *rows)
    figures = (f"{TINS[0]},,first,-1", f"{TINS[1]},,first,5", f"{TINS[1]},,first,5",
               f"{TINS[1]},1234567894,first,7")  # fmt: skip
    write(facts, "segments", "tin,npi,segment,patients", *figures)
    out = facts.parent / "o'ne"
    asked = ("run", "--policy", POLICY, "--facts", facts, "--out", out)
    done = finalrule(*asked, "--rejected", "100")
    assert done.exit_code == 0
    counted = {
        "practices": {"identifier_form": 1},
        "clinicians": {"npi_check_digit": 1, "unit_unknown": 1},
        "segments": {"value_domain": 1, "duplicate_key": 2, "parent_rejected": 1},
    }
    assert json.loads((out / "manifest.json").read_bytes())["rejected"] == counted
    assert "  segments                             4 rows, 4 rejected\n" in done.stdout
    kept = out / "facts" / "rejected.parquet"
    assert f"rejected rows, each with its reason: {kept}\n" in done.stdout
    assert duckdb.read_parquet(str(kept)).shape[0] == 7
    # Two clinicians are left, of whom nothing else is known.
    left = duckdb.read_parquet(str(out / "clinicians.parquet")).select("tin", "npi").fetchall()
    assert left == list(zip(TINS, NPIS, strict=True))


# --- places --------------------------------------------------------------------------------------


def test_a_place_that_is_taken(facts: Path) -> None:
    out = facts.parent / "one"
    out.mkdir()
    for resume in ((), ("--resume",)):
        done = finalrule("run", "--policy", POLICY, "--facts", facts, "--out", out, *resume)
        assert f"{out} is there already" in refused(done, "out-exists")
        assert list(out.iterdir()) == []


def test_a_place_under_a_file(facts: Path) -> None:
    (facts.parent / "runs").write_text("")
    assert "the run cannot be written: Not a directory" in failed(facts, "cannot-write-file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_where_one_may_not_write(facts: Path) -> None:
    (facts.parent / "runs").mkdir(mode=0o500)
    assert "Permission denied" in failed(facts, "cannot-write-file")


@pytest.mark.parametrize("name", ["facts/one", "facts"])
def test_a_place_where_no_run_can_be(facts: Path, name: str) -> None:
    done = finalrule("run", "--policy", POLICY, "--facts", facts, "--out", facts.parent / name)
    refused(done, "out-not-possible")


def test_signs_of_patterns_are_no_patterns(facts: Path) -> None:
    """DuckDB takes `a[bc]` for a pattern of names, and would read `ab` where that is there."""
    named, out = facts.parent / "a[bc]?", facts.parent / "run[12]*"
    for name in ("practices", "clinicians"):
        table = facts / name
        duckdb.read_csv(f"{table}.csv", all_varchar=True).write_parquet(f"{table}.parquet")
        table.with_suffix(".csv").unlink()
    facts.rename(named)
    nonsense(named, facts.parent / "abx")
    done = finalrule("run", "--policy", POLICY, "--facts", named, "--out", out)
    assert done.exit_code == 0, done.stderr
    nonsense(out, facts.parent / "run1")
    assert json.loads((out / "manifest.json").read_bytes())["rows"]["clinicians"] == 2
    assert finalrule("report", out).exit_code == 0
    assert finalrule("what-if", out, "--set", "performance_threshold=60").exit_code == 0
    # Of the clinician nothing is known, and this is what the run stored.
    assert finalrule("explain", out, NPIS[0], TINS[0]).exit_code == 3


def nonsense(folder: Path, like: Path) -> None:
    """A directory with the same files, which nobody can read."""
    for path in folder.rglob("*.parquet"):
        other = like / path.relative_to(folder)
        other.parent.mkdir(parents=True, exist_ok=True)
        other.write_text("nonsense")


# --- memory and disk -----------------------------------------------------------------------------


@pytest.mark.parametrize("memory", ["", "4", "much", "-1GB", "4GB; SELECT 1"])
def test_a_size_that_is_none(facts: Path, memory: str) -> None:
    out = facts.parent / "one"
    done = finalrule("run", "--policy", POLICY, "--facts", facts, "--out", out, "--memory", memory)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "is no size; write, for example, 3GB or 500MB" in done.stderr


@pytest.mark.parametrize("percent", ["-1", "100.5", "1/0", "1e99999999", "some"])
def test_a_share_that_is_none(facts: Path, percent: str) -> None:
    out = facts.parent / "one"
    done = finalrule(
        "run", "--policy", POLICY, "--facts", facts, "--out", out, "--rejected", percent
    )
    assert (done.exit_code, done.stdout) == (2, "")
    assert "is no percentage from 0 to 100" in done.stderr


def test_too_little_memory(
    nation: Path, tmp_path: Path, evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    asked = ("run", "--policy", POLICY, "--facts", nation, "--out", out, "--memory", "1MB")
    error = refused(finalrule(*asked), "tables-memory", out)
    assert "the tables do not fit into 1MB of memory" in error
    assert list(tmp_path.iterdir()) == []
    with monkeypatch.context() as patched, pytest.raises(Stopped):
        patched.setattr(runs, "compile_population", stop)
        runs.run(evaluator, nation, out)
    # It suffices for what is read, not for the rules.
    error = refused(finalrule(*asked, "--resume"), "run-memory", out)
    assert "1MB of memory does not suffice" in error and "--resume" in error
    assert [path.name for path in tmp_path.iterdir()] == [".run.partial"]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk that has no room, until it is given some."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=100k", "none", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
        why = done.stderr
    except OSError as error:
        why = str(error)
    if why:
        pytest.skip(f"NO DISK CAN BE MOUNTED: {why.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk(disk: Path, nation: Path, whole: Whole, in_parts: None) -> None:
    """It is full while the tables are read, while outcomes are written, and at the end; with room
    the run goes on."""
    asked = ("run", "--policy", POLICY, "--facts", nation, "--out", disk / "run", "--resume")
    size = sum(len(data) for data in content(whole.path).values()) // 1024
    for share, left in ((10, []), (60, [".run.partial"]), (99, [".run.partial"])):
        subprocess.run(["mount", "-o", f"remount,size={size * share // 100}k", disk], check=True)
        error = refused(finalrule(*asked), "cannot-write-file", disk / "run")
        assert "cannot be written: No space left on device" in error
        assert [path.name for path in disk.iterdir()] == left
    subprocess.run(["mount", "-o", f"remount,size={size * 2}k", disk], check=True)
    assert finalrule(*asked).exit_code == 0
    assert content(disk / "run") == content(whole.path)
