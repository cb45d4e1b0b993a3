"""`finalrule report`."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
from click.testing import CliRunner, Result

from finalrule.cache import decode_hook
from finalrule.cli.main import main
from finalrule.load import load_program
from finalrule.report.model import Summary
from report.conftest import MANIFEST, ROWS, fill


def made(folder: Path, **changes: Any) -> Path:
    """A run's directory with ROWS."""
    folder.mkdir()
    with duckdb.connect() as connection:
        name = fill(connection, list(ROWS))
        connection.execute(f"COPY {name} TO '{folder / 'clinicians.parquet'}' (FORMAT parquet)")
    (folder / "manifest.json").write_text(json.dumps(MANIFEST | changes))
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return made(tmp_path / "run", policy_digest=load_program("2020-proposed").digest)


def report(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["report", *map(str, arguments)])


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_as_text(run: Path) -> None:
    """Plain signs only, whatever the terminal, and lines of at most a hundred."""
    found = report(run)
    assert (found.exit_code, found.stderr) == (0, "")
    assert found.stdout.isascii()
    assert max(map(len, found.stdout.splitlines())) <= 100
    assert "The scaling factor is 0.1625: its limit of 3 does not bind." in found.stdout
    assert "Potentially eligible" in found.stdout


def test_as_json(run: Path) -> None:
    summary = msgspec.json.decode(
        report(run, "--format", "json").stdout, type=Summary, dec_hook=decode_hook
    )
    assert summary.adjusted.clinicians == 8


def test_written(run: Path, tmp_path: Path) -> None:
    page, folder = tmp_path / "report.html", tmp_path / "new" / "tables"
    found = report(run, "--out", page, "--csv", folder)
    assert found.stdout.splitlines() == [f"written: {page}", f"written: {folder} (14 tables)"]
    # The figure's citation is the policy's own.
    assert b"HPA-2019 III.K.3.e(1)" in page.read_bytes()
    assert len(list(folder.iterdir())) == 14


def test_tables_as_csv(run: Path, tmp_path: Path) -> None:
    """Dollars and plain decimals, also where the page shows millions: c1 and c5 have 12,000; 2 of
    16 are 12.5 %; 2 x 1,484,160 / (203,027 x 16) is 2,968,320/3,248,432 = 0.91377009. Of 100+
    700.25 of 15,000 is 4.668333 %."""
    report(run, "--csv", tmp_path)
    row = table(tmp_path, "eligibility")[0]
    assert row["charges_usd"] == "12000.00"
    assert row["share_percent"] == "12.500000"
    assert row["clinicians_off_percent"] == "-8.622991"
    found = {(one["practice_size"], one["sent_data"], one["figures"]): one
             for one in table(tmp_path, "practice_sizes")}  # fmt: skip
    assert found["100+", "yes", "run"]["impact_percent"] == "4.668333"
    assert found["100+", "yes", "published"]["exceptional_percent"] == "62.400000"
    assert found["16-24", "no", "run"]["impact_percent"] == ""
    rounding = {one["what"]: one for one in table(tmp_path, "rounding")}
    assert rounding["Increases"]["factors_difference_usd"] == "-0.30"
    assert table(tmp_path, "rejected") == [
        {"table": "clinicians", "reason": "npi-wrong", "rows": "1"}
    ]


def test_a_policy_that_has_changed_since(tmp_path: Path) -> None:
    """The run's own numbers stand; citations of a policy that is another are not shown."""
    run = made(tmp_path / "run")
    found = report(run)
    assert found.exit_code == 0
    assert "The policy has changed since the run: its citations are not shown." in found.stdout
    assert "HPA-2019 III.K.3.e(1)" not in found.stdout


def test_clinicians_in_parts(run: Path) -> None:
    whole = report(run, "--format", "json").stdout
    (run / "clinicians").mkdir()
    with duckdb.connect() as connection:
        for part, kept in enumerate(("practice_size < 20", "practice_size >= 20")):
            connection.execute(
                f"COPY (FROM '{run / 'clinicians.parquet'}' WHERE {kept}) TO "
                f"'{run / 'clinicians' / f'part-{part}.parquet'}' (FORMAT parquet)"
            )
    (run / "clinicians.parquet").unlink()
    assert report(run, "--format", "json").stdout == whole


def test_no_run(tmp_path: Path) -> None:
    found = report(tmp_path)
    assert found.exit_code == 2
    assert found.stderr.startswith("error[not-a-run]: ")


@pytest.mark.parametrize("damage", ["absent", "cut", "other", "column", "figures", "program"])
def test_a_damaged_run(run: Path, damage: str) -> None:
    """An error that names the run, never a traceback or a report of half a run."""
    clinicians, manifest = run / "clinicians.parquet", run / "manifest.json"
    match damage:
        case "absent":
            clinicians.unlink()
        case "cut":
            clinicians.write_bytes(clinicians.read_bytes()[:-10])
        case "other":
            clinicians.write_text("tin,npi\n")
        case "column":
            with duckdb.connect() as connection:
                connection.execute(f"CREATE TABLE t AS FROM '{clinicians}'")
                connection.execute("ALTER TABLE t DROP score_used")
                connection.execute(f"COPY t TO '{clinicians}' (FORMAT parquet)")
        case _:
            stated = json.loads(manifest.read_text())
            del stated[damage]
            manifest.write_text(json.dumps(stated))
    found = report(run)
    assert (found.exit_code, found.stdout) == (2, "")
    assert found.stderr.startswith("error[run-unreadable]: ")
    assert str(run) in found.stderr


def test_where_nothing_can_be_written(run: Path, tmp_path: Path) -> None:
    there = tmp_path / "file"
    there.write_text("")
    for arguments in (("--out", there / "report.html"), ("--csv", there / "tables")):
        found = report(run, *arguments)
        assert found.exit_code == 2
        assert "error[cannot-write-file]: " in found.stderr
