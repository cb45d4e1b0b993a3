"""`finalrule models`: payment models by their design, and what the rules make of them."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from finalrule.cli.given import policies_of
from finalrule.models.data import as_data
from finalrule.models.judge import differences, judge
from finalrule.models.read import model_files
from finalrule.models.text import differences_text, models_text, unverified_text
from finalrule.places import policies_root


@click.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--policy", required=True, metavar="ID[,ID]", help="One policy, or two to compare.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text",
              show_default=True)  # fmt: skip
def models(files: tuple[Path, ...], policy: str, form: str) -> None:
    """Show which payment models are APMs, Medical Home Models, Advanced APMs and MIPS APMs, what
    they fail on, and by how much.

    FILE states models by their design, each fact with its source, and what CMS found. Without one:
    those of policies/models/ for the policy. Of two policies what differs is shown, and why.

    Exit codes: 0, 1 an outcome is not what CMS found, 2 a file or a policy cannot be read.

    Example: finalrule models --policy 2017-proposed,2017-final
    """
    evaluators = policies_of(policy, (), track="apm")
    if len(evaluators) > 2:
        raise click.BadParameter("name one policy, or two", param_hint="--policy")
    names = [one.program.policy for one in evaluators]
    read = model_files(files, names, policies_root())
    judged = [[one for file in read for one in judge(file, each)] for each in evaluators]
    found = differences(judged[0], judged[1]) if len(judged) == 2 else None
    if form == "json":
        data = msgspec.json.encode(as_data(judged, found))
        click.echo(msgspec.json.format(data, indent=2).decode())
    else:
        texts = [models_text(each, details=found is None) for each in judged]
        if found is not None:
            texts.append(differences_text(names[0], names[1], found))
        texts.append(unverified_text(judged[0]))
        click.echo("\n\n".join(text for text in texts if text))
    differ = any(said.agrees is False for each in judged for one in each for said in one.found)
    sys.exit(1 if differ else 0)
