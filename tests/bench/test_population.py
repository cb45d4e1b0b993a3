"""A whole year of clinicians: a policy run with everything it records, beside the query that an
expert writes by hand for the final scores alone (yardstick.py), over the same tables."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import duckdb
import pytest

from bench.spent import Spent, spent
from bench.yardstick import final_scores
from finalrule.load import load_program
from finalrule.report.summary import summarize
from finalrule.runs.execute import connect
from finalrule.runs.request import read_manifest
from finalrule.runs.what_if import GROUPS, changed
from finalrule.synth.make import make_nation

POLICY = "2020-proposed"
CLINICIANS = 1_484_160
THREADS = 2


@pytest.fixture(scope="module")
def nation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("nation") / "tables"
    made = make_nation(load_program(POLICY), CLINICIANS, 1, out, THREADS)
    results = made.rows["measure_results"]
    print(f"\n{CLINICIANS:,} clinicians, {results:,} measure results")
    return out


def unit_scores(connection: duckdb.DuckDBPyConnection, out: Path) -> None:
    """Make the table `ours` (tin, npi, entity_id, hundredths) of a run's outcomes."""
    for table in sorted((out / "outcomes").glob("scoring_unit_*")):
        columns = connection.execute(f"DESCRIBE FROM '{table}/*.parquet'").fetchall()
        if any(column[0] == "final_score" for column in columns):
            connection.execute(
                "CREATE TABLE ours AS SELECT tin, npi, entity_id, final_score AS hundredths "
                f"FROM '{table}/*.parquet' JOIN '{out}/facts/unit_names/*.parquet' USING (id)"
            )


def measured(tables: Path, out: Path) -> Spent:
    """A run in a process of its own."""
    return spent(sys.executable, "-m", "finalrule", "run", "--policy", POLICY,
                 "--facts", str(tables), "--out", str(out))  # fmt: skip


def test_a_nation(nation: Path, tmp_path: Path) -> None:
    by_hand = duckdb.connect(config={"threads": THREADS})
    start = time.perf_counter()
    final_scores(by_hand, nation)
    base = time.perf_counter() - start
    out = tmp_path / "run"
    run = measured(nation, out)
    unit_scores(by_hand, out)
    units, missing, different, far = by_hand.execute(
        """SELECT count(*), count(*) FILTER (WHERE ours.tin IS NULL AND ours.entity_id IS NULL
             OR by_hand.tin IS NULL AND by_hand.entity_id IS NULL),
           count(*) FILTER (WHERE hundredths IS DISTINCT FROM round(final_score * 100)),
           count(*) FILTER (WHERE abs(hundredths - round(final_score * 100)) > 1)
         FROM ours FULL JOIN yardstick AS by_hand
           ON (ours.tin, ours.npi, ours.entity_id)
             IS NOT DISTINCT FROM (by_hand.tin, by_hand.npi, by_hand.entity_id)"""
    ).fetchall()[0]
    print(f"\na run, read, checked, scored and explained: {run.seconds:.1f} s "
          f"({run.cpu:.1f} s of CPU) and {run.memory / 1e3:.1f} GB, "
          f"{run.seconds / base:.2f} x the query by hand, in doubles, of final scores alone "
          f"({base:.1f} s); of {units:,} final scores {different:,} differ, "
          f"{far:,} by more than .01")  # fmt: skip
    assert missing == far == 0
    assert different < units / 10_000
    with connect(THREADS, "4GB", tmp_path / "scratch") as connection:
        start = time.perf_counter()
        found = changed(connection, out, read_manifest(out), ["performance_threshold=60"])
        assert found.grouped
        summarize(connection, GROUPS, found.manifest, grouped=True)
        again = time.perf_counter() - start
    print(f"a changed performance threshold, {len(found.rules)} of {found.of_rules} rules again, "
          f"and the new summary: {again:.1f} s, {again / run.seconds:.3f} x the run")  # fmt: skip
    assert again < run.seconds / 4


def test_twice_the_nation(nation: Path, tmp_path: Path) -> None:
    twice = tmp_path / "tables"
    make_nation(load_program(POLICY), 2 * CLINICIANS, 2, twice, THREADS)
    once, both = measured(nation, tmp_path / "once"), measured(twice, tmp_path / "twice")
    print(f"\ntwice the nation: {both.seconds:.1f} s and {both.memory / 1e3:.1f} GB, "
          f"{both.seconds / once.seconds:.2f} x the nation ({once.seconds:.1f} s)")  # fmt: skip
    assert both.seconds < 3 * once.seconds
