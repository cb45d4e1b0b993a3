"""`finalrule agree`: random cases through all readers of a policy's rules."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from finalrule.agreement.bench import BATCHES, Agreement, Bench
from finalrule.agreement.durable import DurableReader
from finalrule.agreement.events import TOLD, EventsReader, track_of
from finalrule.agreement.processes import agree as run_cases
from finalrule.agreement.reached import Unreached, unreached
from finalrule.agreement.readers import Fault, Reader
from finalrule.agreement.sql import SqlReader
from finalrule.agreement.too_small import TOO_SMALL
from finalrule.core import ir
from finalrule.diagnostics import Diagnostic, Failure
from finalrule.evaluate.outcomes import winners
from finalrule.load import load_program
from finalrule.places import policies_root
from finalrule.population import spark
from finalrule.runtime import durable
from finalrule.runtime.reachable import unreachable

# The readers that faults are put into; the others run what one of these does.
_FAULTY = ("durable", "duckdb")
# Of each reader the faults that were found, with the number of cases it took, and those that were
# not.
_Faults = dict[str, tuple[list[tuple[Fault, int]], list[Fault]]]


def _names(context: click.Context, option: click.Parameter, text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names or not set(names) <= set(BATCHES):
        raise click.BadParameter(f"name one or more of {', '.join(BATCHES)}")
    return names


@click.command(short_help="Hold all readers of a policy's rules against each other.")
@click.option("--policy", "policy", required=True, help="Policy, for example 2020-final.")
@click.option("--cases", type=click.IntRange(1), default=10_000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed: other cases.")
@click.option(
    "--readers", default="durable,duckdb", show_default=True, callback=_names,
    help="What is held against the exact evaluator: durable, duckdb, spark, events.",
)  # fmt: skip
@click.option(
    "--faults", type=click.IntRange(0), default=0,
    help="Put so many faults into durable and duckdb, one at a time; all must be found.",
)  # fmt: skip
@click.option("--processes", type=click.IntRange(1, 64), default=2, show_default=True)
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text")
def agree(
    policy: str, cases: int, seed: int, readers: tuple[str, ...], faults: int, processes: int,
    format_: str,
) -> None:  # fmt: skip
    """Evaluate random cases exactly and by other readers, and compare every outcome.

    durable-rules has the determinations, SQL (on DuckDB, or on Spark, which takes minutes to begin)
    every rule: the same outcome, decided by the same clause, the same number to the last digit, the
    same facts that are needed. `events` is `finalrule watch`, which is told the cases of the
    Advanced APM track event by event, in any order; named alone, it takes cases of that track only.

    Shows how often each clause, row, piece and decile won. Of the rules that a reader has, each
    that can win must have won; no outcome may differ, and a difference is shown with the smallest
    case found.

    \b
    Example:
      finalrule agree --policy 2020-final --cases 100000
      finalrule agree --policy 2020-final --readers duckdb --faults 50
      finalrule agree --policy 2017-final --readers events --cases 40000

    \b
    Exit codes:
      0  all readers agree on every case, and every clause won
      1  two differ, a rule broke its promise, a clause never won, or a fault was not found
      2  the policy has errors, or a reader is not there
    """
    if faults and not set(readers) & set(_FAULTY):
        raise _no_faults(readers)
    _stop_without(readers)
    program = load_program(policy)
    if readers == ("events",):
        program = track_of(program)
    root = policies_root()
    bench = Bench(program, root, readers)
    with _progress(cases, "cases") as step:
        agreement = run_cases(program, root, cases, seed, readers, processes, step)
    sought: _Faults = {}
    for reader in bench.readers if faults else ():
        with _progress(faults, f"faults in {reader.name}") as step:
            found = bench.find_faults(reader, faults, seed, step)
        if found != ([], []):
            sought[reader.name] = found
    left_out = unreachable(program)
    compared = frozenset[str]().union(*(reader.rules for reader in bench.readers))
    never = unreached(program, compared, agreement)
    missed = [fault for _, faults_missed in sought.values() for fault in faults_missed]
    failed = bool(agreement.findings or never.compared or never.impossible or missed)
    if format_ == "json":
        data = _as_data(bench.readers, agreement, left_out, never, sought)
        click.echo(json.dumps({"policy": policy, "seed": seed, **data}, indent=2))
    else:
        _show_won(program, agreement, left_out)
        _show(bench.readers, agreement, never, sought)
    sys.exit(1 if failed else 0)


def _stop_without(readers: Sequence[str]) -> None:
    """End where a reader is not there."""
    for name, unavailable in (
        ("durable", durable.unavailable),
        ("spark", spark.unavailable),
        ("events", durable.unavailable),
    ):
        why_not = unavailable() if name in readers else ""
        if why_not:
            others = ",".join(one for one in readers if one != name)
            without = f" (without it: --readers {others})" if others else ""
            click.echo(f"error: {why_not}{without}", err=True)
            sys.exit(2)


def _no_faults(readers: Sequence[str]) -> Failure:
    """The error where faults are asked for of readers that have none of their own."""
    return Failure([Diagnostic(
        "no-faults",
        f"--faults puts faults into durable and duckdb, not into {' or '.join(readers)}",
        help=f"name one of those too, for example --readers duckdb,{','.join(readers)}",
    )])  # fmt: skip


@contextmanager
def _progress(length: int, label: str) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal, else nothing. The function takes how many more are done."""
    if not sys.stderr.isatty():
        yield lambda more: None
        return
    with click.progressbar(length=length, label=label, file=sys.stderr) as bar:
        yield bar.update


def _show_won(
    program: ir.Program, agreement: Agreement, left_out: dict[str, tuple[str, ...]]
) -> None:
    width = max((len(winner) for rule in program.rules for winner in winners(rule)), default=0)
    for rule in program.rules:
        click.echo(rule.name)
        for winner in winners(rule):
            times = f"{agreement.won[rule.name, winner]:>12,}"
            why = "  cannot win in this policy" if winner in left_out.get(rule.name, ()) else ""
            click.echo(f"  {winner:<{width}}{times}{why}")
        if undetermined := agreement.won[rule.name, ""]:
            click.echo(f"  {'(undetermined)':<{width}}{undetermined:>12,}")


def _show(
    readers: Sequence[Reader], agreement: Agreement, never: Unreached, sought: _Faults
) -> None:
    click.echo()
    for reader in readers:
        _show_reader(reader)
    click.echo(
        f"{agreement.cases:,} cases with {agreement.records:,} records and "
        f"{agreement.outcomes:,} outcomes"
        + (f": {agreement.firings:,} rules fired" if agreement.firings else "")
    )
    if told := agreement.told:
        click.echo(
            f"told by {told['lines']:,} events: {told['late']:,} late, "
            f"{told['ignored duplicate']:,} twice, {told['retracted']:,} taken back; "
            f"{told['determinations']:,} changes written of "
            + ", ".join(f"{told[entity]:,} {entity}" for entity in TOLD)
        )
    for kind, finding in agreement.findings.items():
        many = agreement.times[kind]
        times = f"in {many:,} cases" if many > 1 else "in one case"
        click.echo(f"\n{finding.diagnostic.render()}\n{times}; the smallest found:\n{finding.case}")
    for rule, winner in never.impossible:
        click.echo(f"won, though no facts should make it win: {winner} of {rule}")
    for rule, winner in never.compared:
        click.echo(f"never won: {winner} of {rule}")
    for rule, winner in never.too_small:
        click.echo(f"cannot win here: {winner} of {rule}: {TOO_SMALL[rule, winner]}")
    for rule, winner in never.other:
        click.echo(f"never won, but no determination: {winner} of {rule}")
    for name, (found, missed) in sought.items():
        for fault in missed:
            click.echo(f"not found by {name}: {fault.what}")
        most = max((cases for _, cases in found), default=0)
        click.echo(
            f"{name}: {len(found)} of {len(found) + len(missed)} faults found, "
            f"each within {most:,} cases"
        )
    if not agreement.findings:
        click.echo("no difference")


def _show_reader(reader: Reader) -> None:
    if isinstance(reader, DurableReader):
        rulesets = reader.rulesets
        share = rulesets.tests_before / rulesets.tests if rulesets.tests else 0
        rules = sum(len(ruleset.rules) for ruleset in rulesets.rulesets)
        click.echo(
            f"{len(rulesets.results)} determinations as {rules:,} rules of durable-rules in "
            f"{len(rulesets.rulesets)} rulesets; {rulesets.tests_before} of {rulesets.tests} "
            f"conditions ({share:.0%}) are computed before"
        )
        for refusal in rulesets.refused:
            click.echo(refusal.render())
    elif isinstance(reader, SqlReader):
        click.echo(
            f"{len(reader.rules)} rules as {len(reader.plan.passes)} queries of {reader.name}"
        )
    else:
        click.echo(f"{len(reader.rules)} rules as they are watched")


def _as_data(
    readers: Sequence[Reader],
    agreement: Agreement,
    left_out: dict[str, tuple[str, ...]],
    never: Unreached,
    sought: _Faults,
) -> dict[str, Any]:
    won: dict[str, dict[str, int]] = {}
    for (rule, winner), times in agreement.won.items():
        won.setdefault(rule, {})[winner or "undetermined"] = times
    return {
        "readers": [reader.name for reader in readers],
        "cases": agreement.cases,
        "records": agreement.records,
        "outcomes": agreement.outcomes,
        "firings": agreement.firings,
        **({"told": dict(agreement.told)} if agreement.told else {}),
        **{name: value for reader in readers for name, value in _reader_data(reader).items()},
        "won": won,
        "cannot_win": {rule: list(names) for rule, names in left_out.items()},
        "never_won": [f"{rule}.{winner}" for rule, winner in never.compared],
        "won_though_impossible": [f"{rule}.{winner}" for rule, winner in never.impossible],
        "never_won_other": [f"{rule}.{winner}" for rule, winner in never.other],
        "cannot_win_here": {f"{rule}.{one}": TOO_SMALL[rule, one] for rule, one in never.too_small},
        "findings": [
            {
                **finding.diagnostic.as_data(), "reader": kind[2],
                "times": agreement.times[kind], "case": finding.case,
            }
            for kind, finding in agreement.findings.items()
        ],
        "faults_found": {
            name: {fault.what: cases for fault, cases in found}
            for name, (found, _) in sought.items()
        },
        "faults_missed": {
            name: [fault.what for fault in missed] for name, (_, missed) in sought.items()
        },
    }  # fmt: skip


def _reader_data(reader: Reader) -> dict[str, Any]:
    if isinstance(reader, DurableReader):
        rulesets = reader.rulesets
        return {
            "determinations": len(rulesets.results),
            "conditions": rulesets.tests,
            "conditions_computed_before": rulesets.tests_before,
            "refused": [refusal.as_data() for refusal in rulesets.refused],
        }
    if isinstance(reader, EventsReader):
        return {"rules_watched": len(reader.rules)}
    assert isinstance(reader, SqlReader)
    return {"rules": len(reader.rules), "queries": len(reader.plan.passes)}
