"""`finalrule what-if`: a finished run under other figures, beside what it was."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click
import msgspec

from finalrule.cache import encode_hook
from finalrule.cli.resources import resource_options
from finalrule.columns import columns, paragraph
from finalrule.report import cells
from finalrule.report.beside import beside
from finalrule.report.model import Summary, decode
from finalrule.report.summary import summarize
from finalrule.runs.request import SUMMARY, read_manifest

if TYPE_CHECKING:
    from finalrule.runs.what_if import WhatIf

FORMAT = "what-if.v1"


@click.command(short_help="A finished run under other figures.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--set", "settings", multiple=True, required=True, metavar="NAME=VALUE",
              help="A figure or a table's cell that is changed.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR",
              help="Write the changed clinicians and what was changed here.")  # fmt: skip
@resource_options
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text",
              show_default=True)  # fmt: skip
def what_if(
    run: Path, settings: tuple[str, ...], out: Path | None, threads: int, memory: str, form: str
) -> None:
    """Change figures of a finished run's policy, and show the program before and after.

    Only the rules that depend on what is changed are computed again; all else is the run's. The
    result is that of a run of the whole with the same --set. The run stays as it is, and the
    settings that it was made with hold but for those that are set again.

    \b
    Examples:
      finalrule what-if runs/2020-final --set performance_threshold=60
      finalrule what-if runs/2020-final --set performance_threshold=60 \\
        --set category_weights.no_pi.quality=60% --out what-if

    Exit codes: 0, 2 where there is no such run or figure, its files are not whole, its policy was
    edited since, or memory or disk do not suffice.
    """
    from finalrule.runs.execute import connect
    from finalrule.runs.storage import reading
    from finalrule.runs.what_if import CLINICIANS, GROUPS, changed, stored_clinicians, write

    began = time.perf_counter()
    manifest = read_manifest(run)
    with (
        reading(run, memory),
        TemporaryDirectory(prefix="finalrule-") as scratch,
        connect(threads, memory, Path(scratch)) as connection,
    ):
        found = changed(connection, run, manifest, settings)
        before = _summary(run) or summarize(connection, stored_clinicians(run), manifest)
        relation = GROUPS if found.grouped else CLINICIANS
        after = summarize(connection, relation, found.manifest, grouped=found.grouped)
        if out is not None:
            write(found, out, memory)
    seconds = time.perf_counter() - began
    if form == "json":
        click.echo(_json(run, settings, found, before, after, seconds))
    else:
        click.echo(_text(run, settings, found, before, after, seconds))
        if out is not None:
            click.echo(f"\nwritten to {out}")


def _summary(run: Path) -> Summary | None:
    """What a run keeps as its summary, if it does."""
    path = run / SUMMARY
    return decode(path.read_bytes()) if path.exists() else None


def _json(
    run: Path, settings: tuple[str, ...], found: WhatIf, before: Summary, after: Summary,
    seconds: float,
) -> bytes:  # fmt: skip
    data = {
        "format": FORMAT, "run": str(run), "settings": list(settings), "rules": list(found.rules),
        "seconds": round(seconds, 3), "before": before, "after": after,
    }  # fmt: skip
    return msgspec.json.format(msgspec.json.encode(data, enc_hook=encode_hook))


def _text(
    run: Path, settings: tuple[str, ...], found: WhatIf, before: Summary, after: Summary,
    seconds: float,
) -> str:  # fmt: skip
    lines = [f"{before.policy} over {before.all.clinicians:,} clinicians ({run}), and with"]
    lines += [f"  {setting}" for setting in settings]
    rows = [["", "the run", "what-if", "difference"]]
    rows += ([cell.shown for cell in row.cells] for row in beside(before, after))
    lines += ["", *(line for shown in columns(rows, 2, right=(1, 2, 3)) for line in shown), ""]
    if found.rules:
        count = f"{len(found.rules)} of the run's {found.of_rules} rules"
        lines += paragraph(f"{count} were computed again, in {seconds:.1f} s in all:", 0)
        lines += paragraph(", ".join(found.rules), 2)
    else:
        lines.append(f"No rule depends on this; {seconds:.1f} s.")
    return "\n".join(lines).translate({ord(cells.MINUS): "-", ord(cells.DASH): "-"})
