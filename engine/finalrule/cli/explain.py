"""`finalrule explain`: why a number is what it is, down to facts and citations."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from finalrule.cli.given import Input, case_options, policies_of, subject_text
from finalrule.diagnostics import Diagnostic, Failure, suggest
from finalrule.evaluate.explain import explain as explain_text
from finalrule.evaluate.explain import explain_why_not, reasons
from finalrule.evaluate.outcomes import OutcomeName, parse_outcome, winners
from finalrule.evaluate.scalar import Evaluation, Evaluator
from finalrule.evaluate.trace import trace
from finalrule.score import output_paths, unit_rules


@click.command()
@case_options
@click.option(
    "--policy", required=True, metavar="ID[,ID...]", help="The policies to explain under."
)
@click.option("--outcome", default="final_score", show_default=True, metavar="PATH",
              help="A path of the score (quality.measures[236].points) or a rule.")  # fmt: skip
@click.option("--why-not", metavar="CLAUSE", help="Why this clause of the outcome did not decide.")
@click.option(
    "--depth", default="1", show_default=True, metavar="N|all", help="How far down to go."
)
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
    undetermined, found = False, []
    for evaluator in policies_of(policy, settings):
        cases, warnings = inputs.cases(evaluator)
        for warning in warnings:
            click.echo(warning.render(), err=True)
        for case in cases:
            evaluation = evaluator.evaluate(case, unit_rules(evaluator.program))
            name = find_outcome(outcome, evaluator, evaluation)
            data = trace(evaluator, evaluation, name)
            decided = str(OutcomeName(name.rule, name.path))
            entry = next(one for one in data["outcomes"] if one["outcome"] == decided)
            undetermined |= any("needs" in value for value in entry["values"].values())
            if why_not is not None:
                _check_clause(evaluator, entry, why_not)
            if form == "json":
                found.append(data if why_not is None else _reasons(data, entry, why_not))
                continue
            click.echo(f"{evaluator.program.policy}: {evaluator.program.title}")
            if len(cases) > 1:
                click.echo(subject_text(case.subject))
            if why_not is not None:
                click.echo(explain_why_not(entry, why_not))
            else:
                click.echo(explain_text(data, None if depth == "all" else int(depth)))
            click.echo()
    if form == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    sys.exit(3 if undetermined else 0)


def _check_clause(evaluator: Evaluator, entry: dict[str, Any], name: str) -> None:
    """Raise Failure when nothing of this name could have decided."""
    if reasons(entry, name) is None:
        known = winners(evaluator.rules[entry["rule"]])
        raise _failure(
            "unknown-clause",
            f"`{entry['rule']}` has no `{name}` that could have decided",
            suggest(name, known) or f"it has {', '.join(known)}",
        )


def _reasons(data: dict[str, Any], entry: dict[str, Any], name: str) -> dict[str, Any]:
    return {
        "policy": data["policy"], "subject": data["subject"], "outcome": entry["outcome"],
        **(reasons(entry, name) or {}),
    }  # fmt: skip


def find_outcome(text: str, evaluator: Evaluator, evaluation: Evaluation) -> OutcomeName:
    """The outcome that a path of the score object or a rule's name means. Raises Failure."""
    paths = output_paths(evaluator, evaluation)
    evaluated = {(rule, frame.path): found.values
                 for (rule, frame), found in evaluation.decisions.items()}  # fmt: skip
    meant = paths.get(text, [])
    name = parse_outcome(text)
    if name is not None and (
        not name.output or name.output in evaluated.get((name.rule, name.path), ())
    ):
        meant = meant or [name]
    meant = [one for one in meant if (one.rule, one.path) in evaluated]
    if len(meant) > 1:
        whole = [path for path, names in paths.items() if len(names) == 1 and names[0] in meant
                 and path.endswith(text.rpartition("]")[2])]  # fmt: skip
        raise _failure(
            "ambiguous-outcome", f"`{text}` means {len(meant)} outcomes",
            f"name one: {', '.join(whole)}",
        )  # fmt: skip
    if meant:
        return meant[0]
    known = [*paths, *(str(OutcomeName(rule, path)) for rule, path in evaluated)]
    raise _failure(
        "unknown-outcome", f"there is no outcome `{text}`",
        suggest(text, known) or "see the fields of `finalrule score --format json`",
    )  # fmt: skip


def _failure(code: str, message: str, help: str) -> Failure:
    return Failure([Diagnostic(code, message, help=help)])
