"""`finalrule synth`: a national program without a real person in it."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import click

from finalrule.columns import columns
from finalrule.synth.figures import published
from finalrule.synth.make import Made, make_nation
from finalrule.synth.near import Near
from finalrule.values import decimal_text, round_to

FORMAT = "synth.v1"


@click.command()
@click.option("--clinicians", type=int, default=None, metavar="COUNT",
              help="Clinicians (TIN/NPIs) of the nation; everything scales with them.  "
                   "[default: as published]")  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=1, show_default=True,
              help="Another seed is another nation with the same figures.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR",
              help="The folder to make; it must not be there, or be empty.")  # fmt: skip
@click.option("--policy", default="2020-proposed", show_default=True, metavar="ID",
              help="The policy whose thresholds, measures and benchmarks are used.")  # fmt: skip
@click.option("--threads", type=click.IntRange(min=1), default=None,
              help="Threads to use; what is made does not depend on them.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text",
              show_default=True)  # fmt: skip
def synth(
    clinicians: int | None, seed: int, out: Path, policy: str, threads: int | None, form: str
) -> None:
    """Make the facts of a nation: practices, clinicians and what they submitted, as tables.

    Nobody in it is real. Counts by eligibility and practice size and charges follow what CMS
    published of the year (policies/population/); who is who comes from the seed. Prints the rows
    of each table, and how near each published figure is.

    \b
    Examples:
      finalrule synth --out nation
      finalrule synth --clinicians 20000 --seed 7 --out small

    Exit codes: 0, 2 where the nation cannot be made.
    """
    from finalrule.load import load_program, require_track

    program = load_program(policy)
    require_track(program, "mips")
    whole = published(program.performance_year).clinicians()
    clinicians = whole if clinicians is None else clinicians
    made = make_nation(program, clinicians, seed, out, threads)
    if form == "json":
        click.echo(json.dumps(_data(made, clinicians, seed, policy), indent=2))
        return
    rows = [[table, f"{count:,}"] for table, count in made.rows.items()]
    click.echo(f"{out}: a nation of {clinicians:,} clinicians (seed {seed}, {policy})\n")
    _print([["table", "rows"], *rows], right=(1,))
    scaled = "" if clinicians == whole else ", scaled to the clinicians that were made"
    click.echo(f"\nPublished figures{scaled}, and what was made:\n")
    lines = [["", "published", "made", "off by"]]
    for before, near in zip([None, *made.near], made.near, strict=False):
        if before is None or before.table != near.table:
            lines.append([f"{near.table.replace('_', ' ')} ({near.cite})", "", "", ""])
        lines.append(_row(near, before is not None and before.row == near.row))
    _print(lines, right=(1, 2, 3))


def _print(rows: list[list[str]], right: tuple[int, ...]) -> None:
    for lines in columns(rows, indent=2, right=right):
        click.echo("\n".join(lines))


def _row(near: Near, again: bool) -> list[str]:
    """A figure; `again` where the one before it is of the same row."""
    plain = near.column in ("mean", "clinicians")
    name = f"  {near.row}" if plain else f"    {near.column}" if again else \
        f"  {near.row} {near.column}"  # fmt: skip
    shown = [_shown(near, near.published), _shown(near, near.made)]
    return [name.replace("_", " "), *shown, f"{_rounded(near.off * 100, 2)} %"]


def _shown(near: Near, value: Fraction) -> str:
    match near.column:
        case "clinicians":
            return f"{round(value):,}"
        case "allowed_charges":
            whole, _, tenth = _rounded(value, 1).partition(".")
            return f"${int(whole):,}.{tenth} million"
        case "mean":
            return f"{_rounded(value * 100, 2)} %"
        case _:
            return _rounded(value, 4)


def _rounded(value: Fraction, places: int) -> str:
    return decimal_text(round_to(value, places, "half_up"), places)


def _data(made: Made, clinicians: int, seed: int, policy: str) -> dict[str, object]:
    return {
        "format": FORMAT,
        "clinicians": clinicians,
        "seed": seed,
        "policy": policy,
        "rows": dict(made.rows),
        "near": [
            {"table": near.table, "row": near.row, "column": near.column, "cite": near.cite,
             "published": _rounded(near.published, 6), "made": _rounded(near.made, 6)}
            for near in made.near
        ],
    }  # fmt: skip
