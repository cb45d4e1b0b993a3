"""`finalrule benchmarks`: the benchmarks that a policy makes of a year's results."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import click
import duckdb

from finalrule.benchmarks import render
from finalrule.benchmarks.compare import compare
from finalrule.benchmarks.derive import Derived, as_file, derive
from finalrule.benchmarks.published import Published, check_earlier, read_published
from finalrule.benchmarks.results import RELATION, make_results
from finalrule.cli.output import write_output
from finalrule.evaluate.scalar import Evaluator
from finalrule.load import load_evaluator
from finalrule.tables.convert import files_at, literal
from finalrule.tables.read import Read, read_tables

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option("--policy", required=True, metavar="ID", help="The policy of the results' year.")
@click.option(
    "--facts", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR", help="The year's tables: practices, clinicians, measure_results and others.",
)  # fmt: skip
@click.option("--out", required=True, type=_FILE, help="Write the benchmarks here (CSV), whole.")
@click.option(
    "--previous", type=_FILE,
    help="The benchmarks of the year before: topped out then and now is the second year.",
)  # fmt: skip
@click.option("--compare", "other", type=_FILE, help="Show what differs from these benchmarks.")
@click.option("--threads", type=click.IntRange(1), help="Default: one for each processor.")
@click.option("--memory", default="2GB", show_default=True, help="DuckDB's limit.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def benchmarks(
    policy: str,
    facts: Path,
    out: Path,
    previous: Path | None,
    other: Path | None,
    threads: int | None,
    memory: str,
    form: str,
) -> None:
    """Make benchmarks of a year's results: which results count, how many it takes, flat
    percentages, what is topped out and capped are for the policy to say.

    The file can be named as the catalogue `benchmark` of a year file. Rows that are not taken are
    written beside it, into OUT.work/facts/rejected.parquet.

    \b
    Examples:
      finalrule benchmarks --policy 2020-final --facts tables/ --out benchmarks.csv
      finalrule benchmarks --policy 2020-final --facts tables/ --out benchmarks.csv \\
        --previous 2019.csv --compare policies/measures/2020/benchmarks.csv

    \b
    Exit codes:
      0  written
      2  the tables, a file or the policy is wrong; nothing was written
      3  written, but whether some results count is undetermined: they are left out
    """
    evaluator = load_evaluator(policy, track="mips")
    before = None if previous is None else read_published(previous, evaluator.program)
    if before is not None:
        check_earlier(before, evaluator.program.performance_year)
    against = None if other is None else read_published(other, evaluator.program)
    work = Path(f"{out}.work")
    try:
        read, derived = _derived(evaluator, facts, work, before, threads or _processors(), memory)
    finally:
        _clear(work)
    write_output(out, as_file(derived))
    difference = None if against is None else compare(derived, against)
    for note in read.notes:
        click.echo(note.render(), err=True)
    _say_rejected(read.rejected, work)
    if warning := render.undetermined(derived, facts):
        click.echo(warning.render(), err=True)
    if form == "json":
        data = render.as_data(derived, difference) | {"facts_digest": read.digest}
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
    else:
        click.echo(render.text(derived, difference))
    sys.exit(3 if derived.results.undetermined else 0)


def _derived(
    evaluator: Evaluator,
    facts: Path,
    work: Path,
    before: Published | None,
    threads: int,
    memory: str,
) -> tuple[Read, Derived]:
    read = read_tables(evaluator.program, facts, work, threads=threads, memory=memory)
    with duckdb.connect() as connection:
        connection.execute(f"SET threads = {threads}")
        connection.execute(f"SET memory_limit = {literal(memory)}")
        connection.execute(f"SET temp_directory = {literal(str(work / 'spilled'))}")
        make_results(connection, evaluator, read.database)
        return read, derive(connection, RELATION, evaluator, before)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _clear(work: Path) -> None:
    """Leave nothing of the work but rejected rows, where there are any."""
    rejected = work / "facts" / "rejected.parquet"
    if rejected.exists() and _rows(rejected):
        for path in [*work.iterdir(), *(work / "facts").iterdir()]:
            if path.is_dir() and path != work / "facts":
                shutil.rmtree(path)
    else:
        shutil.rmtree(work, ignore_errors=True)


def _rows(path: Path) -> int:
    with duckdb.connect() as connection:
        ((rows,),) = connection.execute(
            f"SELECT count(*) FROM read_parquet({files_at(path)})"
        ).fetchall()
    return int(rows)


def _say_rejected(rejected: Mapping[str, Mapping[str, int]], work: Path) -> None:
    for table, reasons in rejected.items():
        said = ", ".join(f"{number:,} {reason}" for reason, number in reasons.items())
        click.echo(f"{table}: rows not taken: {said} ({work}/facts/rejected.parquet)", err=True)
