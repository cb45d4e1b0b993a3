"""`finalrule watch`: events in, determinations out as they change."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec

from finalrule.diagnostics import Diagnostic, Failure, Label, Pointer
from finalrule.load import load_evaluator

STANDARD_INPUT = Path("-")


@click.command(short_help="Events in, determinations out as they change.")
@click.argument("events", type=click.Path(path_type=Path))
@click.option("--policy", required=True, help="Policy, for example 2020-final.")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR",
              help="The watch's folder; one that is there is gone on with.")  # fmt: skip
@click.option("--rule", "rules", multiple=True, metavar="NAME",
              help="Write the outcomes of this rule, instead of the usual ones.")  # fmt: skip
@click.option("--summary", is_flag=True,
              help="Show what everybody is, and who is about to cross a threshold.")  # fmt: skip
@click.option("--near", type=click.IntRange(0, 10_000), default=10, show_default=True,
              help="How many of those the summary names.")  # fmt: skip
@click.option("--check", is_flag=True,
              help="Determine everybody again at once at the end, and compare.")  # fmt: skip
@click.option("--processes", type=click.IntRange(1, 256), default=2, show_default=True,
              help="Processes that determine; what is written is the same.")  # fmt: skip
@click.option("--batch", type=click.IntRange(1, 1_000_000), default=4096, show_default=True,
              help="Most events that are taken together.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text",
              show_default=True)  # fmt: skip
def watch(
    events: Path, policy: str, out: Path, rules: tuple[str, ...], summary: bool, near: int,
    check: bool, processes: int, batch: int, form: str,
) -> None:  # fmt: skip
    """Take EVENTS (JSON Lines; `-` is standard input) about units and clinicians of the Advanced
    APM track, and write each determination as it changes.

    DIR/determinations.jsonl has a line for each change: who, what it was, what it is, the clause
    and the citations that decided, the events that led to it. DIR/rejected.jsonl has a line for
    each event that was not simply taken. After an interruption the same command goes on: nothing is
    lost and nothing is written twice.

    \b
    Examples:
      finalrule watch examples/2020/events.jsonl --policy 2020-final --out watch --summary
      tail -F events.jsonl | finalrule watch - --policy 2020-final --out watch

    Exit codes: 0; 1 interrupted; 2 the policy or the input has errors, or the folder cannot be
    used; 4 two evaluators differ, or --check found a difference.
    """
    from finalrule.runtime.compare import DIFFERENCE
    from finalrule.runtime.durable import unavailable
    from finalrule.watch.check import differences
    from finalrule.watch.model import model_of
    from finalrule.watch.pool import Pool
    from finalrule.watch.summary import describe, summarize, text_of
    from finalrule.watch.watch import Watch

    evaluator = load_evaluator(policy)
    model = model_of(evaluator.program, rules)
    if why_not := unavailable():
        click.echo(f"determinations are not checked a second time: {why_not}", err=True)
    if events != STANDARD_INPUT and not events.is_file():
        raise Failure([Diagnostic(
            "cannot-read-file", "there is no such file of events",
            (Label(Pointer(str(events), "")),), "name a file, or - for standard input",
        )])  # fmt: skip
    with _usable(out), Pool(model, processes) as pool, Watch(model, out, pool) as made:
        if events == STANDARD_INPUT:
            made.read_stream(sys.stdin.buffer, batch)
        else:
            made.read_on(events, batch)
        found = summarize(model, made.store)
        if summary:
            describe(found, model, made.store, evaluator, near)
        wrong = list(differences(model, evaluator, made.store)) if check else []
    if form == "json":
        data = msgspec.to_builtins(found) | ({"differences": wrong} if check else {})
        click.echo(msgspec.json.format(msgspec.json.encode(data)))
    else:
        click.echo("\n".join(text_of(found)))
        if check and not wrong:
            click.echo("\ndetermined again at once: the same")
    for name in wrong[:10]:
        click.echo(f"determined again at once, {name} is another", err=True)
    if wrong or DIFFERENCE in found.problems:
        sys.exit(4)


@contextmanager
def _usable(out: Path) -> Iterator[None]:
    """Raise Failure where the watch's folder cannot be used."""
    at = (Label(Pointer(str(out), "")),)
    try:
        yield
    except KeyboardInterrupt:
        click.echo("what was taken stands; the same command goes on", err=True)
        raise
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise Failure([Diagnostic(
                "watch-in-use", "another process is at work in this folder", at,
                "wait for it, or give another --out",
            )]) from error  # fmt: skip
        raise Failure([Diagnostic(
            "cannot-write-file", f"the watch cannot be kept: {error}", at,
            "make room, and give the same command again",
        )]) from error  # fmt: skip
    except sqlite3.DatabaseError as error:
        raise Failure([Diagnostic(
            "watch-unreadable", f"what the watch kept cannot be read: {error}", at,
            "give another --out, and the events from the first",
        )]) from error  # fmt: skip
    except OSError as error:
        raise Failure([Diagnostic(
            "cannot-write-file", f"the watch cannot be kept: {error.strerror}", at,
            "check that the folder may be written to, and make room",
        )]) from error  # fmt: skip
