"""`finalrule test`: the scenarios that analysts write."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from finalrule.load import policy_ids
from finalrule.places import policies_root
from finalrule.scenarios import show
from finalrule.scenarios.coverage import coverage
from finalrule.scenarios.mutants import mutants, unread
from finalrule.scenarios.mutate import Job, judge, mutate, read_equivalents
from finalrule.scenarios.run import Result
from finalrule.scenarios.suite import Suite, load_suite

T = TypeVar("T")


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--policy", "policies", multiple=True, metavar="ID", help="Only under this policy.")
@click.option("--coverage", "cover", is_flag=True,
              help="Say what in force no scenario asserts.")  # fmt: skip
@click.option("--mutate", "change", is_flag=True,
              help="Change every figure and clause, and say what no scenario notices.")  # fmt: skip
@click.option("--module", default="", metavar="NAME",
              help="Coverage and mutants of this rules file only (without .rules).")  # fmt: skip
@click.option("--depth", default="1", show_default=True, metavar="N|all",
              help="How many levels of a wrong outcome are explained.")  # fmt: skip
@click.option("--processes", type=click.IntRange(1, 64), default=2, show_default=True,
              help="Processes that try mutants.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def test(
    paths: tuple[Path, ...],
    policies: tuple[str, ...],
    cover: bool,
    change: bool,
    module: str,
    depth: str,
    processes: int,
    form: str,
) -> None:
    """Run scenarios: all of policies/cases/, or the files and folders named.

    Exit code 0 when all pass; 1 when one fails, when something in force is not covered (--coverage)
    or when a mutant survives (--mutate); 2 when a file cannot be read.

    Example: finalrule test policies/cases/2020/payment.yaml
    """
    root = policies_root()
    known = policy_ids(root)
    for policy in policies:
        if policy not in known:
            raise click.BadParameter(f"there is no policy {policy}", param_hint="--policy")
    if depth != "all" and not depth.isdigit():
        raise click.BadParameter("write a number, or all", param_hint="--depth")
    suite = load_suite(paths, policies, root)
    modules = {Path(r.place.path).stem for e in suite.evaluators.values() for r in e.program.rules}
    if module and module not in modules:
        raise click.BadParameter(
            f"no rule in force stands in {module}.rules", param_hint="--module"
        )
    pairs = suite.pairs()
    results = list(_progress(suite.run(pairs), len(pairs), "scenarios"))
    failed = [result for result in results if not result.passed]
    passing = not failed
    data: dict[str, Any] = {
        "passed": len(results) - len(failed),
        "failed": len(failed),
        "scenarios": [show.result_data(result) for result in results],
    }
    for result in failed if form == "text" else ():
        levels = None if depth == "all" else int(depth)
        click.echo(show.result_text(result, levels) + "\n")
    if cover:
        passing = _cover(suite, results, module, form, data) and passing
    if change and failed:
        click.echo("mutants are tried only when every scenario passes", err=True)
    elif change:
        job = Job(paths, root, module)
        whole = not paths and not policies and not module
        passing = _change(suite, job, whole, processes, form, data) and passing
    if form == "json":
        click.echo(msgspec.json.encode(data).decode())
    else:
        click.echo(f"{len(results) - len(failed)} scenarios passed, {len(failed)} failed")
    sys.exit(0 if passing else 1)


def _cover(
    suite: Suite, results: list[Result], module: str, form: str, data: dict[str, Any]
) -> bool:
    """Whether everything in force is asserted; shows what is not."""
    found = [
        one
        for evaluator in suite.evaluators.values()
        for one in coverage(evaluator, results, module)
    ]
    data["coverage"] = [show.covered_data(one) for one in found]
    if form == "text":
        click.echo(show.coverage_text(found) + "\n")
    return all(one.state == "asserted" for one in found)


def _change(
    suite: Suite, job: Job, whole: bool, processes: int, form: str, data: dict[str, Any]
) -> bool:
    """Whether every mutant is noticed; shows those that are not."""
    began = time.monotonic()
    programs = {policy: one.program for policy, one in suite.evaluators.items()}
    counts = {policy: len(mutants(program, job.module)) for policy, program in programs.items()}
    trying = mutate(suite, job, counts, processes)
    tried = list(_progress(trying, sum(counts.values()), "mutants"))
    judged, report = judge(tried, read_equivalents(job.root), whole)
    seconds = time.monotonic() - began
    idle = [
        (policy, figure)
        for policy, program in programs.items()
        for figure in (unread(program) if not job.module else ())
    ]
    data["mutants"] = [show.tried_data(one) for one in judged]
    data["unread"] = [{"policy": policy, "figure": figure.name} for policy, figure in idle]
    data["equivalent_mutants"] = [one.as_data() for one in report.diagnostics]
    data["seconds"] = f"{seconds:.1f}"
    if form == "text":
        click.echo(show.mutants_text(judged, idle, report, seconds) + "\n")
    return not report.has_errors and not any(one.survived for one in judged)


def _progress(items: Iterable[T], length: int, label: str) -> Iterator[T]:
    """The items, with a bar on standard error while it is a terminal and the work is long."""
    if length < 200 or not sys.stderr.isatty():
        yield from items
        return
    with click.progressbar(items, length=length, label=label, file=sys.stderr) as bar:
        yield from bar
