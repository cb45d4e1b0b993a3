"""A synthetic nation as users' tables in Parquet."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from finalrule.core import ir
from finalrule.diagnostics import Diagnostic, Failure
from finalrule.places import policies_root
from finalrule.synth import apm, quality, submissions, units
from finalrule.synth.chance import define
from finalrule.synth.figures import Nation, read_nation
from finalrule.synth.near import Near, begin, nearness, note
from finalrule.synth.plan import make_plan
from finalrule.synth.roster import day, make_roster

# Fewer clinicians do not fill the practices of every size.
LEAST, MOST = 2_000, 3_000_000
_MEMORY = "2GB"
# Measure results are written in parts of the practices of about so many clinicians.
_PART = 50_000


@dataclass(frozen=True, slots=True)
class Made:
    """What was made: rows by table, and how near each published figure is that can be known before
    a policy is run over it."""

    rows: Mapping[str, int]
    near: Sequence[Near]


def make_nation(
    program: ir.Program, clinicians: int, seed: int, out: Path, threads: int | None = None
) -> Made:
    """Write the tables of a nation of so many clinicians into the folder `out`, which is made.
    They are there whole or not at all. Raises Failure: no figures for the policy's performance
    year, too few or too many clinicians, a folder that is not empty."""
    nation = read_nation(program.performance_year)
    at = out.resolve()
    whole = at.with_name(f".{at.name}.{secrets.token_hex(4)}")
    try:
        _check(clinicians, out)
        whole.mkdir(parents=True)
        connection = duckdb.connect()
        try:
            connection.execute(f"SET memory_limit = '{_MEMORY}'")
            connection.execute("SET temp_directory = ?", [str(whole / "spill")])
            if threads is not None:
                connection.execute(f"SET threads = {threads}")
            made = _make(connection, nation, program, clinicians, seed, whole)
        finally:
            connection.close()
        shutil.rmtree(whole / "spill", ignore_errors=True)
        if at.exists():
            at.rmdir()
        whole.rename(at)
    except (OSError, duckdb.IOException, duckdb.OutOfMemoryException) as error:
        why = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
        raise Failure(
            [Diagnostic("cannot-write-file", f"{out} cannot be written: {why}",
                        help="check that the folder above it is there and has room")]
        ) from error  # fmt: skip
    finally:
        shutil.rmtree(whole, ignore_errors=True)
    return made


def _check(clinicians: int, out: Path) -> None:
    if not LEAST <= clinicians <= MOST:
        raise Failure(
            [Diagnostic("population-size", f"a nation of {clinicians:,} clinicians cannot be made",
                        help=f"ask for {LEAST:,} to {MOST:,}")]
        )  # fmt: skip
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Failure(
            [Diagnostic("folder-not-empty", f"{out} is there, and not an empty folder",
                        help="name a folder that is not there yet")]
        )  # fmt: skip


def _make(
    connection: duckdb.DuckDBPyConnection, nation: Nation, program: ir.Program, clinicians: int,
    seed: int, folder: Path,
) -> Made:  # fmt: skip
    define(connection)
    plan = make_plan(nation, clinicians, seed)
    make_roster(connection, nation, plan, program, seed)
    begin(connection)
    rows: dict[str, int] = {}

    def write(table: str, query: str, name: str) -> None:
        path = folder / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        connection.execute(f"CREATE TEMP TABLE made AS {query}")
        quoted = "'" + str(path).replace("'", "''") + "'"
        found = connection.execute(
            f"COPY made TO {quoted} (FORMAT parquet, COMPRESSION zstd)"
        ).fetchone()
        assert found is not None
        rows[table] = rows.get(table, 0) + int(found[0])
        note(connection, table)
        connection.execute("DROP TABLE made")

    apm.make_groups(connection, nation, seed)
    begins, ends = (day(program, f"performance_period.{end}") for end in ("from", "to"))
    for table, query in (
        ("practices", units.practices(nation)), ("clinicians", units.clinicians(nation, begins)),
        ("entities", units.entities(nation)), ("members", units.members()),
        ("segments", units.segments()),
    ):  # fmt: skip
        write(table, query, table)
    for table, query in (
        ("qp_units", apm.units()), ("qp_snapshots", apm.snapshots(nation)),
        ("eligible_clinicians", apm.eligible_clinicians()),
        ("qp_participations", apm.participations()), ("base_period_tins", apm.base_period(nation)),
    ):  # fmt: skip
        write(table, query, table)
    root = policies_root()
    quality.make_units(connection, nation)
    quality.make_offers(connection, program, root)
    submissions.make_lists(connection, program, root)
    year = program.performance_year
    for table, query in (
        ("activities", submissions.activities(year)),
        ("interoperability", submissions.interoperability(year)),
        ("interoperability_measures", submissions.interoperability_measures(program, root)),
        ("survey_scores", quality.survey_scores()),
        ("cost_results", submissions.cost_results()),
    ):
        write(table, query, table)
    parts = max(1, clinicians // _PART)
    bounds = [len(plan.practices) * part // parts for part in range(parts + 1)]
    for part in range(parts):
        query = quality.results(bounds[part], bounds[part + 1], begins, ends)
        write("measure_results", query, f"measure_results/part-{part:04}")
    return Made(dict(sorted(rows.items())), nearness(connection, nation, clinicians))
