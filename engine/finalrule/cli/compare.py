"""`finalrule compare`: what changed between two policies, by name."""

from __future__ import annotations

import json
import sys

import click

from finalrule.compare import render
from finalrule.compare.data import as_data
from finalrule.compare.diff import compare as compare_policies
from finalrule.compare.diff import compile_both


@click.command()
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option(
    "--part", default="", metavar="CITATION",
    help='Only this section or paragraph, e.g. "42 CFR 414.1380" or "42 CFR 414.1380(c)(2)".',
)  # fmt: skip
@click.option("--catalogues", is_flag=True, help="List all records and cells of catalogues.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text",
    show_default=True,
)  # fmt: skip
def compare(a: str, b: str, part: str, catalogues: bool, form: str) -> None:
    """Show what changed from policy A to policy B: parameters, rounding rules, table cells, rule
    variants, catalogue records and assumed values, each by name with both figures, citations and
    places, in the order of the regulation.

    The same figure under another citation is shown apart and counts as no difference. A catalogue
    with more than 20 differences is counted, not listed.

    \b
    Examples:
      finalrule compare 2020-proposed 2020-final
      finalrule compare 2019-final 2020-final --part "42 CFR 414.1405" --format markdown

    \b
    Exit codes:
      0  no difference (of the part that was asked for)
      1  differences
      2  a policy does not compile, or there is no such policy or part
    """
    comparison = compare_policies(*compile_both(a, b), part=part)
    if form == "json":
        click.echo(json.dumps(as_data(comparison, catalogues), indent=2, ensure_ascii=False))
    else:
        shown = render.markdown if form == "markdown" else render.text
        click.echo(shown(comparison, catalogues))
    sys.exit(1 if comparison else 0)
