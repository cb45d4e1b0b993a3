"""`finalrule run`: a policy over a population."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from finalrule.cli.resources import resource_options
from finalrule.load import load_evaluator
from finalrule.values import parse_decimal

if TYPE_CHECKING:
    import duckdb

    from finalrule.runs.run import Ran

FORMAT = "run.v1"


@click.command(short_help="Run a policy over tables of facts.")
@click.option("--policy", required=True, help="Policy, for example 2020-final.")
@click.option("--facts", required=True, type=click.Path(path_type=Path),
              help="Directory of tables (`finalrule show tables` lists them).")  # fmt: skip
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The run's directory.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE",
              help="A what-if: change a figure of the policy.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on with an unfinished run.")
@resource_options
@click.option("--rejected", default="1", show_default=True, metavar="PERCENT",
              help="Most rows of a table that may be rejected.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text",
              show_default=True)  # fmt: skip
def run(
    policy: str, facts: Path, out: Path, settings: tuple[str, ...], resume: bool, memory: str,
    threads: int, rejected: str, form: str,
) -> None:  # fmt: skip
    """Score everybody in a directory of tables, make the payment adjustments budget neutral, and
    write every outcome with what decided it.

    A run is there whole or not at all. What an interrupted one had finished is kept beside --out,
    and the same command with --resume goes on with it.

    \b
    Example:
      finalrule synth --clinicians 20000 --out facts
      finalrule run --policy 2020-final --facts facts --out runs/2020-final
      finalrule report runs/2020-final

    Exit codes: 0 the run is whole, 1 interrupted, 2 the policy or the tables have errors, or memory
    or disk do not suffice; but for 0 there is no --out.
    """
    from finalrule.runs.run import run as run_policy

    evaluator = load_evaluator(policy, settings)
    with _resumable(), _progress() as note:
        ran = run_policy(
            evaluator, facts, out, settings=settings, resume=resume, threads=threads,
            memory=memory, rejected_limit=_share(rejected), note=note,
            summarize=summarized,
        )  # fmt: skip
    if form == "json":
        data = {"format": FORMAT, **ran.manifest, "taken_over": list(ran.taken_over)}
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
    else:
        _show(ran, facts, out)


def summarized(
    connection: duckdb.DuckDBPyConnection, clinicians: str, manifest: Mapping[str, Any]
) -> bytes:
    """What a run keeps as its summary."""
    from finalrule.report.model import encode
    from finalrule.report.summary import summarize

    return encode(summarize(connection, clinicians, manifest))


@contextmanager
def _resumable() -> Iterator[None]:
    """Say what an interrupted run is good for."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo("the same command with --resume takes over what is finished", err=True)
        raise


def _share(percent: str) -> Fraction:
    found = parse_decimal(percent.removesuffix("%").rstrip())
    if found is None or not 0 <= found <= 100:
        raise click.BadParameter(
            f"`{percent}` is no percentage from 0 to 100", param_hint="--rejected"
        )
    return found / 100


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar by stage, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda stage, done, of: None
        return
    width = 30

    def note(stage: str, done: int, of: int) -> None:
        filled = width * done // max(of, 1)
        bar = "#" * filled + "-" * (width - filled)
        click.echo(f"\r[{bar}] {done}/{of} {stage:<32}", nl=False, err=True)

    try:
        yield note
    finally:
        click.echo("\r" + " " * 80 + "\r", nl=False, err=True)


def _show(ran: Ran, facts: Path, out: Path) -> None:
    manifest = ran.manifest
    rejected = {name: sum(reasons.values()) for name, reasons in manifest["rejected"].items()}
    click.echo(f"{manifest['policy']} ({manifest['policy_digest'][:12]}) over {facts}")
    for name, count in manifest["rows"].items():
        lost = f", {rejected[name]:,} rejected" if rejected.get(name) else ""
        click.echo(f"  {name:<26}{count:>12,} rows{lost}")
    for name in manifest["absent"]:
        click.echo(f"  {name:<26}{'none':>12}")
    for note in manifest["notes"]:
        click.echo(f"  note: {note}")
    if rejected:
        click.echo(f"  rejected rows, each with its reason: {out / 'facts' / 'rejected.parquet'}")
    click.echo("")
    for name, outcome in manifest["program"].items():
        decided = f"  ({outcome['winner']})" if outcome["winner"] else ""
        click.echo(f"  {name:<36}{outcome['value'] or 'undetermined':>28}{decided}")
    if ran.taken_over:
        click.echo(f"\ntaken over from an earlier attempt: {', '.join(ran.taken_over)}")
    shown = f"; `finalrule report {out}` shows it" if manifest["figures"] else ""
    click.echo(f"\nwritten to {out}{shown}")
