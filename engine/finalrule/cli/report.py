"""`finalrule report`: what a run comes to, for people."""

from __future__ import annotations

import csv
import io
import itertools
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from finalrule.cli.output import write_output
from finalrule.cli.resources import resource_options
from finalrule.columns import WIDTH, columns, paragraph
from finalrule.diagnostics import Diagnostic, Failure, Label, Pointer
from finalrule.load import load_program
from finalrule.report import cells
from finalrule.report.cells import Table
from finalrule.report.findings import findings
from finalrule.report.model import Summary, encode
from finalrule.report.page import page
from finalrule.report.summary import summarize
from finalrule.report.tables import tables
from finalrule.runs.execute import connect
from finalrule.runs.request import read_manifest
from finalrule.runs.storage import reading
from finalrule.tables.convert import files_at


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.html",
    help="Write the report here as one page that stands alone.",
)  # fmt: skip
@click.option(
    "--csv", "folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Write every table here, as a CSV file of its name.",
)  # fmt: skip
@resource_options
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="How it is printed, where nothing is written.",
)  # fmt: skip
def report(
    run: Path, out: Path | None, folder: Path | None, threads: int, memory: str, form: str
) -> None:
    """Report a run: who is in MIPS, final scores, payment adjustments by practice size, whether the
    program is budget neutral, and what rounding changes. Where figures of the year are published,
    they stand beside the run's.

    Without --out and --csv it is printed.

    \b
    Examples:
      finalrule report runs/2020-final --out report.html
      finalrule report runs/2020-final --csv tables/
      finalrule report runs/2020-final --format json

    Exit codes: 0, 2 where there is no such run or a file cannot be written.
    """
    manifest = read_manifest(run)
    summary = _summary(run, manifest, threads, memory)
    cites = _cites(manifest)
    if out is not None:
        write_output(out, page(summary, cites))
        click.echo(f"written: {out}")
    if folder is not None:
        _make(folder)
        made = tables(summary, cites)
        for table in made:
            write_output(folder / f"{table.name}.csv", _csv(table))
        click.echo(f"written: {folder} ({len(made)} tables)")
    if out is None and folder is None:
        click.echo(encode(summary) if form == "json" else _text(summary, cites))


def _summary(run: Path, manifest: Mapping[str, Any], threads: int, memory: str) -> Summary:
    whole = run / "clinicians.parquet"
    relation = files_at(whole) if whole.exists() else files_at(run / "clinicians", "*.parquet")
    with (
        reading(run, memory),
        TemporaryDirectory(prefix="finalrule-") as scratch,
        connect(threads, memory, Path(scratch)) as connection,
    ):
        return summarize(connection, f"read_parquet({relation})", manifest)


def _cites(manifest: Mapping[str, Any]) -> dict[str, str]:
    """The citations of the policy's figures; none where it is not the run's any more."""
    try:
        program = load_program(manifest["policy"], tuple(manifest["settings"]))
    except Failure:
        return {}
    if program.digest != manifest["policy_digest"]:
        return {}
    return {one.name: one.cite for one in program.parameters}


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise Failure(
            [Diagnostic("cannot-write-file", f"the directory cannot be made: {why}",
                        (Label(Pointer(str(folder), "")),), "choose another directory")]
        ) from None  # fmt: skip


def _csv(table: Table) -> bytes:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(column.name for column in table.columns)
    writer.writerows([cell.plain for cell in row.cells] for row in table.rows)
    return written.getvalue().encode()


def _text(summary: Summary, cites: Mapping[str, str]) -> str:
    lines = [f"{summary.policy}, payment year {summary.payment_year}", ""]
    for said in findings(summary):
        lines += paragraph(said, 0)
    for table in tables(summary, cites):
        lines += ["", *paragraph(f"{table.title}. {table.units}", 0)]
        body = [[cell.shown for cell in row.cells] for row in table.rows]
        rows = [*_head(table, body), *body]
        right = [
            place for place in range(1, len(table.columns))
            if any(row.cells[place].number for row in table.rows)
        ]  # fmt: skip
        for row in columns(rows, right=right, width=WIDTH):
            lines += row
        for note in table.notes:
            lines += paragraph(note, 0)
        if table.cites:
            lines += paragraph(f"Source: {'; '.join(table.cites)}.", 0)
    # A terminal may have no more than plain signs.
    return "\n".join(lines).translate({ord(cells.MINUS): "-", ord(cells.DASH): "-"})


def _head(table: Table, body: Sequence[Sequence[str]]) -> Iterable[tuple[str, ...]]:
    """The lines of a table's titles: one where there is room, else each no wider than its column,
    as far as words allow."""
    titles = [
        f"{column.group} {column.title[:1].lower()}{column.title[1:]}"
        if column.group else column.title
        for column in table.columns
    ]  # fmt: skip
    widths = [max(map(len, cells_), default=0) for cells_ in zip(*body, titles, strict=True)]
    if sum(widths) + 2 * len(widths) <= WIDTH:
        return [tuple(titles)]
    wrapped = []
    for title, *below in zip(titles, *body, strict=True):
        wrapped.append(textwrap.wrap(title, max(map(len, [*title.split(), *below]), default=1)))
    return itertools.zip_longest(*wrapped, fillvalue="")
