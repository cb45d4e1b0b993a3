"""`finalrule test`: the scenarios that analysts write."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from finalrule.evaluate.scalar import Evaluator
from finalrule.load import load_evaluator, policy_ids
from finalrule.places import policies_root
from finalrule.scenarios.read import ScenarioFile, read_scenarios
from finalrule.scenarios.run import Result, run_scenario


def scenario_files(paths: tuple[Path, ...]) -> list[Path]:
    """The files named, those below the folders named, or all of policies/cases/."""
    roots = paths or (policies_root() / "cases",)
    found: list[Path] = []
    for root in roots:
        found.extend(sorted(root.rglob("*.yaml")) if root.is_dir() else [root])
    return found


def run_files(files: list[ScenarioFile], policies: tuple[str, ...]) -> list[Result]:
    """Every scenario under every policy that it names."""
    evaluators: dict[str, Evaluator] = {}
    results = []
    for file in files:
        for scenario in file.scenarios:
            for policy in scenario.policies:
                if policies and policy.text not in policies:
                    continue
                if policy.text not in evaluators:
                    evaluators[policy.text] = load_evaluator(policy.text)
                results.append(run_scenario(scenario, evaluators[policy.text]))
    return results


def show_result(result: Result) -> str:
    """A failed scenario: its errors, or every wrong outcome at its line."""
    head = f"{result.scenario.span.place}: {result.scenario.name} [{result.policy}]"
    if result.failure is not None:
        return f"{head}\n{result.failure}"
    wrong = "\n".join(mismatch.diagnostic().render() for mismatch in result.mismatches)
    return f"{head}\n{wrong}"


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--policy", "policies", multiple=True, help="Only under this policy.")
def test(paths: tuple[Path, ...], policies: tuple[str, ...]) -> None:
    """Run scenarios: all of policies/cases/, or the files and folders named.

    Exit code 0 when all pass, 1 when one fails, 2 when a file cannot be read.

    Example: finalrule test policies/cases/2020/payment.yaml
    """
    for policy in policies:
        if policy not in policy_ids():
            raise click.BadParameter(f"there is no policy {policy}", param_hint="--policy")
    files = [read_scenarios(path) for path in scenario_files(paths)]
    results = run_files(files, policies)
    failed = [result for result in results if not result.passed]
    for result in failed:
        click.echo(show_result(result) + "\n")
    click.echo(f"{len(results) - len(failed)} scenarios passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)
