"""`finalrule score`: a submission scored, under one policy or several beside each other."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from finalrule.cli.given import Input, case_options, policies_of, subject_text
from finalrule.cli.output import write_output
from finalrule.columns import columns, paragraph
from finalrule.evaluate.disagree import disagreements
from finalrule.evaluate.outcomes import OutcomeName
from finalrule.evaluate.scalar import Evaluation, Evaluator
from finalrule.evaluate.trace import trace
from finalrule.runtime.compare import crosscheck
from finalrule.score import ScoreObject, final_scores_used, unit_rules

_NAMES = {"quality": "Quality", "cost": "Cost", "ia": "Improvement activities",
          "pi": "Promoting Interoperability"}  # fmt: skip


@click.command()
@case_options
@click.option("--policy", required=True, metavar="ID[,ID...]", help="The policies to score under.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@click.option("--trace", "trace_file", type=click.Path(path_type=Path),
              help="Write the trace of final score and adjustment here (JSON).")  # fmt: skip
@click.option("--firings", "firings_file", type=click.Path(path_type=Path),
              help="Write what durable-rules fired, and on which facts, here (JSON).")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), help="Write the result here, whole.")
@click.option("--require-runtime", is_flag=True, help="Fail where durable-rules is absent.")
def score(
    submissions: tuple[Path, ...],
    facts: tuple[Path, ...],
    cost: tuple[Path, ...],
    given: tuple[str, ...],
    as_year: bool,
    settings: tuple[str, ...],
    policy: str,
    form: str,
    trace_file: Path | None,
    firings_file: Path | None,
    out: Path | None,
    require_runtime: bool,
) -> None:
    """Score submissions: final score, payment adjustment, and how each came about.

    SUBMISSION is a QPP submission (JSON), a folder of them, or - for standard input.

    Exit codes: 0, 2 invalid input, 3 the final score or the adjustment is undetermined, 4 two
    evaluators differ.

    Example: finalrule score submission.json --facts clinician.json --policy
    2020-proposed,2020-final
    """
    inputs = Input(submissions, facts, cost, given, as_year, settings)
    objects: list[dict[str, Any]] = []
    traces = []
    fired: list[dict[str, Any]] = []
    for evaluator in policies_of(policy, settings):
        cases, warnings = inputs.cases(evaluator)
        for warning in warnings:
            click.echo(warning.render(), err=True)
        evaluations = [evaluator.evaluate(case, unit_rules(evaluator.program)) for case in cases]
        for evaluation in evaluations:
            for warning in disagreements(evaluator, evaluation):
                click.echo(warning.render(), err=True)
        fired += _check(evaluator, evaluations, require_runtime)
        used = {(one["tin"], one["npi"]): one for one in final_scores_used(evaluator, evaluations)}
        for evaluation in evaluations:
            subject = evaluation.case.subject
            one = ScoreObject(evaluator, evaluation).data()
            one["final_score_used"] = used.get((subject.get("tin", ""), subject.get("npi", "")))
            objects.append(one)
        if trace_file is not None:
            wanted = (OutcomeName("final_score", ()), OutcomeName("total_adjustment", ()))
            traces += [trace(evaluator, evaluation, *wanted) for evaluation in evaluations]
    if trace_file is not None:
        write_output(trace_file, _json(traces))
    if firings_file is not None:
        write_output(firings_file, _json(fired))
    text = _json(objects).decode() if form == "json" else show_scores(objects) + "\n"
    if out is not None:
        write_output(out, text.encode())
    else:
        click.echo(text, nl=False)
    undetermined = any(
        one["final_score"] is None or one["payment_adjustment"]["status"] == "undetermined"
        for one in objects
    )
    sys.exit(3 if undetermined else 0)


def _check(
    evaluator: Evaluator, evaluations: list[Evaluation], required: bool
) -> list[dict[str, Any]]:
    """Hold the determinations against durable-rules: its firings, for each unit. What came of it
    goes to standard error. Exits with 4 on a difference, with 2 where it is required and absent."""
    check = crosscheck(evaluator.context, evaluations)
    program = evaluator.program
    click.echo(f"{program.policy}: {check.line}", err=True)
    if check.state == "unavailable" and required:
        sys.exit(2)
    if check.state in ("differ", "failed"):
        for finding in [*(one.diagnostic() for one in check.differences), *check.failures]:
            click.echo(finding.render(), err=True)
        sys.exit(4)
    return [
        {"policy": program.policy, "policy_digest": program.digest, "firings": list(events),
         "subject": dict(sorted(one.case.subject.items()))}
        for one, events in zip(evaluations, check.firings, strict=False)
    ]  # fmt: skip


def _json(data: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(data), indent=2) + b"\n"


def show_scores(objects: list[dict[str, Any]]) -> str:
    """Objects as text: one block for each subject, its policies beside each other."""
    subjects: dict[str, list[dict[str, Any]]] = {}
    for one in objects:
        named = subject_text(one["subject"])
        subjects.setdefault(named, []).append(one)
    return "\n\n".join(_block(named, group) for named, group in subjects.items())


def _with_unit(value: str | None, unit: str) -> str:
    return "undetermined" if value is None else f"{value}{unit}"


def _block(named: str, objects: list[dict[str, Any]]) -> str:
    heads = ["", *(one["policy"] for one in objects)]
    rows: list[list[str]] = [heads]
    rows.append(["Eligibility", *(_words(one["eligibility"]["status"]) for one in objects)])
    for category, title in _NAMES.items():
        parts = [one["categories"][category] for one in objects]
        rows.append([title, *(_category(part) for part in parts)])
    rows.append(
        ["Complex patient bonus",
         *(_with_unit(one["bonuses"]["complex_patient"], " points") for one in objects)]
    )  # fmt: skip
    rows.append(["Final score", *(_with_unit(one["final_score"], " points") for one in objects)])
    for part, title in (
        ("base", "Payment adjustment factor"), ("additional", "Additional factor"),
        ("total", "Total adjustment"),
    ):  # fmt: skip
        rows.append([title, *(_adjustment(one["payment_adjustment"], part) for one in objects)])
    measures = _measures(objects)
    parts = [named, "", _table(rows), "", measures]
    if re.search(r" \(\d", measures):
        parts.append("  Points in parentheses do not count.")
    if " + " in measures:
        parts.append("  After +: bonus points, before any cap.")
    parts += _notes(objects)
    return "\n".join(parts)


def _words(status: str | None) -> str:
    return "undetermined" if status is None else status.replace("_", " ")


def _category(part: dict[str, Any]) -> str:
    if part["weight"] is None:
        return "undetermined"
    if part["weight"] == "0" and part["reweighting"] != "not_reweighted":
        return f"not scored ({_words(part['reweighting'])})"
    score, weighted = _with_unit(part["score"], "%"), _with_unit(part["weighted"], "")
    return f"{score} x {part['weight']}% = {weighted}"


def _adjustment(adjustment: dict[str, Any], part: str) -> str:
    if adjustment["status"] == "not_applicable":
        return f"does not apply ({adjustment['reason']})" if part == "total" else "-"
    return _with_unit(adjustment[part], "%")


def _measures(objects: list[dict[str, Any]]) -> str:
    """The measures with their points under each policy beside each other."""
    policies = [one["policy"] for one in objects]
    found: dict[tuple[str, str, str], dict[str, dict[str, Any]]] = {}
    for one in objects:
        for category, part in one["categories"].items():
            for measure in part["measures"]:
                how = measure.get("collection_type") or measure.get("submission_method") or ""
                key = (category, measure["measure_id"], how)
                found.setdefault(key, {})[one["policy"]] = measure
    rows = [["Category", "Measure", "Collected by", *policies, "Because"]]
    for (category, measure_id, how), by_policy in found.items():
        points = [_points(by_policy.get(policy)) for policy in policies]
        reasons = dict.fromkeys(measure["reason"] or "" for measure in by_policy.values())
        rows.append([category, measure_id, how, *points, " / ".join(reasons)])
    right = tuple(range(3, 3 + len(policies)))
    return "Points by measure\n" + _table(rows, 2, right)


def _table(rows: list[list[str]], indent: int = 0, right: tuple[int, ...] = ()) -> str:
    return "\n".join(line for lines in columns(rows, indent, right) for line in lines)


def _points(measure: dict[str, Any] | None) -> str:
    if measure is None:
        return "-"
    if measure["points"] is None:
        return "undetermined"
    points = f"({measure['points']})" if measure.get("counted") is False else measure["points"]
    bonus = measure.get("bonus")
    return f"{points} + {bonus}" if bonus and bonus.strip("0.") else str(points)


def _notes(objects: list[dict[str, Any]]) -> list[str]:
    notes: list[str] = []
    for one in objects:
        if one["payment_adjustment"]["status"] == "applies" and one["assumed"]:
            said = "; ".join(
                f"{_assumed_name(figure['fact'])} {figure['value']} "
                f"({figure['cite']}{', an estimate' if figure['unverified'] else ''})"
                for figure in one["assumed"]
            )
            because = "assumed, since only the whole program gives it"
            notes.append(f"{one['policy']}: {because}: {said}.")
        if (used := one["final_score_used"]) is not None:
            scores = ", ".join(
                f"{kind} {score or 'undetermined'}" for kind, score in used["final_scores"].items()
            )
            which = f"the {used['used']} score is used" if used["used"] else "none is used"
            if used["undetermined"]:
                which = "which of them is used is undetermined"
            notes.append(f"{one['policy']}: final scores of this TIN/NPI are {scores}: {which}.")
        if needs := sorted({fact for entry in one["undetermined"] for fact in entry["needs"]}):
            notes.append(
                f"{one['policy']}: undetermined for want of these facts "
                "(`finalrule init facts` makes a file to fill in):"
            )
            notes += [f"  {fact}" for fact in needs]
    if not notes:
        return []
    return ["", *(line for note in notes for line in _note(note))]


def _assumed_name(fact: str) -> str:
    return fact.rpartition(".")[2].removeprefix("assumed_").replace("_", " ")


def _note(note: str) -> list[str]:
    hang = len(note) - len(note.lstrip())
    return paragraph(note.strip(), hang, hang=2)
