"""`finalrule init facts`: a facts file to fill in."""

from __future__ import annotations

from pathlib import Path

import click

from finalrule.cli.output import write_output
from finalrule.diagnostics import Diagnostic, Failure
from finalrule.facts.template import template
from finalrule.load import load_program, require_track


@click.command()
@click.argument("what", type=click.Choice(["facts"]))
@click.option("--policy", required=True, metavar="ID", help="The policy whose facts to list.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the file here; it must be new.")
def init(what: str, policy: str, out: Path | None) -> None:
    """Make a facts file to fill in: what CMS knows of a clinician or group, every field null.

    Null is not given, so the file can be used as soon as TIN and NPI are filled in.

    Example: finalrule init facts --policy 2020-final --out clinician.json
    """
    program = load_program(policy)
    require_track(program, "mips")
    text = template(program)
    if out is None:
        click.echo(text, nl=False)
    elif out.exists():
        raise Failure(
            [Diagnostic("file-exists", f"{out} is there already", help="name a new file")]
        )
    else:
        write_output(out, text.encode())
        click.echo(f"wrote {out}")
