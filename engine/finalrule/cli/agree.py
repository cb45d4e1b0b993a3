"""`finalrule agree`: random cases through both evaluators."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from finalrule.core import ir
from finalrule.evaluate.outcomes import winners
from finalrule.load import load_program
from finalrule.places import policies_root
from finalrule.runtime.agree import Agreement, Bench, Unreached, unreached
from finalrule.runtime.agree import agree as run_cases
from finalrule.runtime.compile import Rulesets, compile_rulesets
from finalrule.runtime.durable import unavailable
from finalrule.runtime.faults import Fault
from finalrule.runtime.reachable import unreachable


@click.command(short_help="Hold the exact evaluator and durable-rules against each other.")
@click.option("--policy", "policy", required=True, help="Policy, for example 2020-final.")
@click.option("--cases", type=click.IntRange(1), default=10_000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed: other cases.")
@click.option(
    "--faults", type=click.IntRange(0), default=0,
    help="Put so many faults into the rulesets, one at a time; all must be found.",
)  # fmt: skip
@click.option("--processes", type=click.IntRange(1, 64), default=2, show_default=True)
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text")
def agree(policy: str, cases: int, seed: int, faults: int, processes: int, format_: str) -> None:
    """Determine random cases twice, exactly and by durable-rules, and compare every outcome.

    Shows how often each clause, row, piece and decile won. Of the determinations, which both
    evaluators decide, each that can win must have won; no outcome may differ, and a difference is
    shown with the smallest case found.

    \b
    Example:
      finalrule agree --policy 2020-final --cases 100000
      finalrule agree --policy 2020-final --faults 50

    \b
    Exit codes:
      0  both evaluators agree on every case, and every clause won
      1  they differ, a rule broke its promise, a determination's clause never won, or a fault
         was not found
      2  the policy has errors, or durable-rules is not there
    """
    why_not = unavailable()
    if why_not:
        click.echo(f"error: {why_not}", err=True)
        sys.exit(2)
    program = load_program(policy)
    rulesets = compile_rulesets(program)
    root = policies_root()
    with _progress(cases, "cases") as step:
        agreement = run_cases(program, root, cases, seed, processes, step)
    found: list[tuple[Fault, int]] = []
    missed: list[Fault] = []
    if faults:
        with _progress(faults, "faults") as step:
            found, missed = Bench(program, root).find_faults(faults, seed, step)
    left_out, never = unreachable(program), unreached(rulesets, agreement)
    failed = bool(agreement.findings or never.determinations or never.impossible or missed)
    if format_ == "json":
        data = _as_data(rulesets, agreement, left_out, never, found, missed)
        click.echo(json.dumps({"policy": policy, "seed": seed, **data}, indent=2))
    else:
        _show_won(program, agreement, left_out)
        _show(rulesets, agreement, never, found, missed)
    sys.exit(1 if failed else 0)


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
    rulesets: Rulesets,
    agreement: Agreement,
    never: Unreached,
    found: list[tuple[Fault, int]],
    missed: list[Fault],
) -> None:
    share = rulesets.tests_before / rulesets.tests if rulesets.tests else 0
    rules = sum(len(ruleset.rules) for ruleset in rulesets.rulesets)
    click.echo(
        f"\n{len(rulesets.results)} determinations as {rules:,} rules of durable-rules in "
        f"{len(rulesets.rulesets)} rulesets; {rulesets.tests_before} of {rulesets.tests} "
        f"conditions ({share:.0%}) are computed before"
    )
    for refusal in rulesets.refused:
        click.echo(refusal.render())
    click.echo(
        f"{agreement.cases:,} cases with {agreement.records:,} records: "
        f"{agreement.firings:,} rules fired"
    )
    for kind, finding in agreement.findings.items():
        many = agreement.times[kind]
        times = f"in {many:,} cases" if many > 1 else "in one case"
        click.echo(f"\n{finding.diagnostic.render()}\n{times}; the smallest found:\n{finding.case}")
    for rule, winner in never.impossible:
        click.echo(f"won, though no facts should make it win: {winner} of {rule}")
    for rule, winner in never.determinations:
        click.echo(f"never won: {winner} of {rule}")
    for rule, winner in never.other:
        click.echo(f"never won, but no determination: {winner} of {rule}")
    for fault in missed:
        click.echo(f"not found: {fault.what}")
    if found or missed:
        click.echo(f"{len(found)} of {len(found) + len(missed)} faults found")
    if not agreement.findings:
        click.echo("no difference")


def _as_data(
    rulesets: Rulesets,
    agreement: Agreement,
    left_out: dict[str, tuple[str, ...]],
    never: Unreached,
    found: list[tuple[Fault, int]],
    missed: list[Fault],
) -> dict[str, Any]:
    won: dict[str, dict[str, int]] = {}
    for (rule, winner), times in agreement.won.items():
        won.setdefault(rule, {})[winner or "undetermined"] = times
    return {
        "cases": agreement.cases,
        "records": agreement.records,
        "firings": agreement.firings,
        "determinations": len(rulesets.results),
        "conditions": rulesets.tests,
        "conditions_computed_before": rulesets.tests_before,
        "refused": [refusal.as_data() for refusal in rulesets.refused],
        "won": won,
        "cannot_win": {rule: list(names) for rule, names in left_out.items()},
        "never_won": [f"{rule}.{winner}" for rule, winner in never.determinations],
        "won_though_impossible": [f"{rule}.{winner}" for rule, winner in never.impossible],
        "never_won_other": [f"{rule}.{winner}" for rule, winner in never.other],
        "findings": [
            {**finding.diagnostic.as_data(), "times": agreement.times[kind], "case": finding.case}
            for kind, finding in agreement.findings.items()
        ],
        "faults_found": {fault.what: cases for fault, cases in found},
        "faults_missed": [fault.what for fault in missed],
    }
