"""`finalrule explain`: why a number is what it is, down to facts and citations."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from finalrule.cli.given import Input, case_options, policies_of, subject_text
from finalrule.cli.output import write_output
from finalrule.diagnostics import Diagnostic, Failure, suggest
from finalrule.evaluate.explain import explain as explain_text
from finalrule.evaluate.explain import explain_why_not, reasons
from finalrule.evaluate.outcomes import OutcomeName, parse_outcome, winners
from finalrule.evaluate.scalar import Evaluation, Evaluator
from finalrule.evaluate.trace import trace
from finalrule.runs.request import MANIFEST
from finalrule.score import UNIT, output_paths, unit_rules

if TYPE_CHECKING:
    from finalrule.runs.explain import Rebuilt

# What is explained of a TIN/NPI of a run: its adjustment, and the final score that it comes from.
_PAYMENT, _SCORE = "payment_adjustment_factor", "final_score"
# And of an NPI in Advanced APMs: whether it is a QP, and what is missing.
_OF_NPI = ("qp_status", "qp_shortfall")
_TIN, _NPI = re.compile("[0-9]{9}"), re.compile("[0-9]{10}")


@click.command()
@case_options
@click.option("--policy", metavar="ID[,ID...]", help="The policies to explain under.")
@click.option("--outcome", metavar="PATH",
              help="A path of the score (quality.measures[236].points) or a rule.  "
                   "[default: final_score]")  # fmt: skip
@click.option("--why-not", metavar="CLAUSE", help="Why this clause of the outcome did not decide.")
@click.option(
    "--depth", default="1", show_default=True, metavar="N|all", help="How far down to go."
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@click.option("--trace", "trace_file", type=click.Path(path_type=Path),
              help="Write the whole traces here (JSON).")  # fmt: skip
def explain(
    submissions: tuple[Path, ...],
    facts: tuple[Path, ...],
    cost: tuple[Path, ...],
    given: tuple[str, ...],
    as_year: bool,
    settings: tuple[str, ...],
    policy: str | None,
    outcome: str | None,
    why_not: str | None,
    depth: str,
    form: str,
    trace_file: Path | None,
) -> None:
    """Explain an outcome: what decided it, on which facts, under which citation.

    Of a submission, or of a TIN/NPI in a finished run: RUN NPI TIN [OUTCOME] instead of
    SUBMISSION..., without --policy, --outcome and facts, which are the run's. A TIN/NPI of a run is
    evaluated again and compared with everything that the run stored of it. RUN NPI [OUTCOME] asks
    for the QP determination of a clinician in Advanced APMs.

    As text --depth says how many outcomes down it goes; JSON is the whole trace of each unit and
    policy (trace.v1), or with --why-not the reasons.

    Exit codes: 0, 2 invalid input, 3 the outcome is undetermined, 4 the run stored something else.

    \b
    Examples:
      finalrule explain submission.json --facts clinician.json --policy 2020-final \\
        --outcome quality.score --depth 2
      finalrule explain submission.json --facts clinician.json --policy 2020-final \\
        --outcome "quality.measures[236].points" --why-not incomplete
      finalrule explain runs/2020-final 1234567893 000456789
      finalrule explain runs/2020-final 1234567893 000456789 group.quality.score
      finalrule explain runs/2020-final 1234567893 qp_status --depth 3
    """
    if depth != "all" and not (depth.isascii() and depth.isdigit()):
        raise click.BadParameter("write a number, or all", param_hint="--depth")
    if _is_run(submissions):
        options = {"--facts": facts, "--cost": cost, "--given": given, "--as-year": as_year,
                   "--set": settings, "--policy": policy, "--outcome": outcome}  # fmt: skip
        refused = [name for name, value in options.items() if value or value == ""]
        subjects = _of_run(submissions, refused, why_not)
    elif policy is None:
        raise click.UsageError("Missing option '--policy'.")
    else:
        inputs = Input(submissions, facts, cost, given, as_year, settings)
        subjects = _of_submissions(inputs, policy, _SCORE if outcome is None else outcome)
    undetermined, found, traces = False, [], []
    for subject in subjects:
        program = subject.evaluator.program
        data = trace(subject.evaluator, subject.evaluation, *subject.wanted)
        traces.append(data)
        decided = [str(OutcomeName(name.rule, name.path)) for name in subject.wanted]
        entries = [one for one in data["outcomes"] if one["outcome"] in decided]
        undetermined |= any("needs" in value for one in entries for value in one["values"].values())
        if why_not is not None:
            _check_clause(subject.evaluator, entries[0], why_not)
        if form == "json":
            found.append(data if why_not is None else _reasons(data, entries[0], why_not))
            continue
        click.echo(f"{program.policy}: {program.title}")
        if subject.named:
            click.echo(subject_text(subject.evaluation.case.subject))
        if why_not is not None:
            click.echo(explain_why_not(entries[0], why_not))
        else:
            click.echo(explain_text(data, None if depth == "all" else int(depth)))
        click.echo()
    if trace_file is not None:
        write_output(trace_file, _json(traces))
    if form == "json":
        click.echo(_json(found), nl=False)
    sys.exit(3 if undetermined else 0)


@dataclass(frozen=True, slots=True)
class _Subject:
    """Somebody whose outcomes are explained; `named` where it must be said who it is."""

    evaluator: Evaluator
    evaluation: Evaluation
    wanted: tuple[OutcomeName, ...]
    named: bool


def _of_submissions(inputs: Input, policy: str, outcome: str) -> Iterator[_Subject]:
    """The units of submissions under each policy."""
    for evaluator in policies_of(policy, inputs.settings):
        cases, warnings = inputs.cases(evaluator)
        for warning in warnings:
            click.echo(warning.render(), err=True)
        for case in cases:
            evaluation = evaluator.evaluate(case, unit_rules(evaluator.program))
            name = find_outcome(outcome, output_paths(evaluator, evaluation), evaluation)
            yield _Subject(evaluator, evaluation, (name,), len(cases) > 1)


# --- a run ---------------------------------------------------------------------------------------


def _is_run(arguments: tuple[Path, ...]) -> bool:
    """Whether a run is named, or by the identifiers behind it is meant to be."""
    meant = len(arguments) > 1 and _NPI.fullmatch(str(arguments[1])) is not None
    return meant or (arguments[0] / MANIFEST).is_file()


def _of_run(
    arguments: tuple[Path, ...], refused: list[str], why_not: str | None
) -> Iterator[_Subject]:
    """A TIN/NPI of a run. Exits with 4 where the run stored something else."""
    from finalrule.runs.explain import rebuild

    if refused:
        raise click.UsageError(f"{refused[0]} does not go with a run: RUN NPI TIN [OUTCOME]")
    run, *rest = (str(each) for each in arguments)
    npi = rest.pop(0) if rest else ""
    tin = rest.pop(0) if rest and rest[0].isdigit() else ""
    outcome = rest
    if not npi or len(outcome) > 1:
        raise click.UsageError("of a run, name the clinician: RUN NPI [TIN] [OUTCOME]")
    if not _NPI.fullmatch(npi) or (tin and not _TIN.fullmatch(tin)):
        raise click.UsageError("after the run come the NPI, ten digits, and the TIN, nine digits")
    if why_not is not None and not outcome:
        raise click.UsageError("--why-not needs an outcome: RUN NPI TIN OUTCOME")
    found = rebuild(Path(run), tin, npi)
    if found.differences:
        for difference in found.differences:
            click.echo(difference.diagnostic(Path(run)).render(), err=True)
        sys.exit(4)
    click.echo(
        f"{run}: all {found.outcomes:,} outcomes of {found.records:,} records are as the run "
        "stored them", err=True,
    )  # fmt: skip
    wanted = [OutcomeName(rule, found.unit.path) for rule in _OF_NPI]
    if tin:
        wanted = [OutcomeName(_PAYMENT, ()), OutcomeName(_SCORE, found.unit.path)]
    if outcome:
        paths = _paths_of_run(found)
        wanted = [find_outcome(outcome[0], paths, found.evaluation, found.unit.path)]
    yield _Subject(found.evaluator, found.evaluation, tuple(wanted), True)


def _paths_of_run(found: Rebuilt) -> dict[str, list[OutcomeName]]:
    """Outcomes by the columns of the run's result, and by the paths of each unit's score after the
    unit (`group.quality.score`); of the unit whose score is used, also without it."""
    paths: dict[str, list[OutcomeName]] = {}
    for unit in found.evaluation.frames_of(UNIT):
        kind, *entity = unit.path
        prefix = f"{kind}[{entity[0]}]" if entity else kind
        for path, names in output_paths(found.evaluator, found.evaluation, unit).items():
            paths[f"{prefix}.{path}"] = names
            if unit is found.unit:
                paths[path] = names
    paths.update({column: [name] for column, name in found.columns.items()})
    payment = [OutcomeName(_PAYMENT, ())]
    return {**paths, "payment_adjustment": payment, "payment_adjustment.total": payment}


# --- what is asked for ---------------------------------------------------------------------------


def _json(data: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(data), indent=2) + b"\n"


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


def find_outcome(
    text: str, paths: Mapping[str, list[OutcomeName]], evaluation: Evaluation,
    within: tuple[str, ...] = (),
) -> OutcomeName:  # fmt: skip
    """The outcome that one of the paths or a rule's name means; `within` is the record whose own
    name need not be given. Raises Failure."""
    evaluated = {(rule, frame.path): found.values
                 for (rule, frame), found in evaluation.decisions.items()}  # fmt: skip
    meant = paths.get(text, [])
    name = parse_outcome(text)
    if name is not None and (name.rule, name.path) not in evaluated:
        name = OutcomeName(name.rule, (*within, *name.path), name.output)
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
