"""`finalrule explain`: why a number is what it is, down to facts and citations."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from finalrule.cli.given import Input, case_options, policies_of
from finalrule.diagnostics import Diagnostic, Failure, suggest
from finalrule.evaluate.explain import explain as explain_text
from finalrule.evaluate.explain import explain_why_not
from finalrule.evaluate.outcomes import OutcomeName, parse_outcome, winners
from finalrule.evaluate.scalar import Evaluation, Evaluator
from finalrule.evaluate.trace import trace
from finalrule.score import output_paths, unit_rules


@click.command()
@case_options
@click.option("--policy", required=True, metavar="ID[,ID...]", help="The policies to explain under.")
@click.option("--outcome", default="final_score", show_default=True, metavar="PATH",
              help="A path of the score (quality.measures[236].points) or a rule's outcome.")  # fmt: skip
@click.option("--why-not", metavar="CLAUSE", help="Why this clause of the outcome did not decide.")
@click.option("--depth", default="1", show_default=True, metavar="N|all", help="How far down to go.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def explain(
    submissions: tuple[Path, ...],
    facts: tuple[Path, ...],
    cost: tuple[Path, ...],
    given: tuple[str, ...],
    as_year: bool,
    settings: tuple[str, ...],
    policy: str,
    outcome: str,
    why_not: str | None,
    depth: str,
    form: str,
) -> None:
    """Explain an outcome of a submission: what decided it, on which facts, under which citation.

    As text --depth says how many outcomes down it goes; JSON is the whole trace of each unit and
    policy (trace.v1), or with --why-not the reasons.

    Exit codes: 0, 2 invalid input, 3 the outcome is undetermined.

    \b
    Examples:
      finalrule explain submission.json --facts clinician.json --policy 2020-final \\
        --outcome quality.score --depth 2
      finalrule explain submission.json --facts clinician.json --policy 2020-final \\
        --outcome "quality.measures[236].points" --why-not incomplete
    """
    if depth != "all" and not (depth.isascii() and depth.isdigit()):
        raise click.BadParameter("write a number, or all", param_hint="--depth")
    inputs = Input(submissions, facts, cost, given, as_year, settings)
    undetermined = False
    for evaluator in policies_of(policy, settings):
        cases, warnings = inputs.cases(evaluator)
        for warning in warnings:
            click.echo(warning.render(), err=True)
        for case in cases:
            evaluation = evaluator.evaluate(case, unit_rules(evaluator.program))
            name = find_outcome(outcome, evaluation)
            data = trace(evaluator, evaluation, name)
            entry = next(
                one for one in data["outcomes"]
                if one["outcome"] == str(OutcomeName(name.rule, name.path))
            )  # fmt: skip
            undetermined |= any("needs" in value for value in entry["values"].values())
            if form == "json":
                click.echo(msgspec.json.format(msgspec.json.encode(data), indent=2).decode())
                continue
            click.echo(f"{evaluator.program.policy}: {evaluator.program.title}")
            if why_not is not None:
                click.echo(_why_not(evaluator, entry, why_not))
            else:
                click.echo(explain_text(data, None if depth == "all" else int(depth)))
            click.echo()
    sys.exit(3 if undetermined else 0)


def _why_not(evaluator: Evaluator, entry: dict[str, object], clause: str) -> str:
    said = explain_why_not(entry, clause)
    if said is None:
        known = winners(evaluator.rules[str(entry["rule"])])
        raise Failure(
            [
                Diagnostic(
                    "unknown-clause",
                    f"`{entry['rule']}` has no clause `{clause}` that could have decided",
                    help=suggest(clause, known) or f"it has {', '.join(known)}",
                )
            ]
        )
    return said


def find_outcome(text: str, evaluation: Evaluation) -> OutcomeName:
    """The outcome that a path of the score object or a rule's name means. Raises Failure."""
    paths = dict(output_paths(evaluation))
    if text in paths and any(rule == paths[text].rule for rule, _ in evaluation.decisions):
        return paths[text]
    name = parse_outcome(text)
    evaluated = {(rule, frame.path) for rule, frame in evaluation.decisions}
    if name is not None and (name.rule, name.path) in evaluated:
        return name
    known = [*paths, *(str(OutcomeName(rule, path)) for rule, path in evaluated)]
    raise Failure(
        [
            Diagnostic(
                "unknown-outcome", f"there is no outcome `{text}`",
                help=suggest(text, known) or "see the fields of `finalrule score --format json`",
            )  # fmt: skip
        ]
    )
