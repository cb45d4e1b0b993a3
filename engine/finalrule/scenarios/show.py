"""Results of scenarios, coverage and mutants, as text for people and as data."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from finalrule.core import ir
from finalrule.diagnostics import Report
from finalrule.evaluate.explain import explain, explain_why_not
from finalrule.evaluate.outcomes import OutcomeName
from finalrule.evaluate.trace import trace
from finalrule.scenarios.coverage import Covered
from finalrule.scenarios.mutate import Tried
from finalrule.scenarios.read import Scenario
from finalrule.scenarios.run import Result

Data = dict[str, Any]


def scenario_data(scenario: Scenario) -> Data:
    """Which scenario: its file, line and name."""
    place = scenario.span.place
    return {"file": place.path, "line": place.line, "name": scenario.name}


def _scenario_text(scenario: Scenario) -> str:
    place = scenario.span.place
    return f"{place.path}:{place.line}: {scenario.name}"


# --- scenarios ---------------------------------------------------------------------------------


def first_trace(result: Result) -> Data | None:
    """The trace of a scenario's first wrong outcome; None where nothing was evaluated."""
    if result.evaluation is None or not result.mismatches:
        return None
    return trace(result.evaluator, result.evaluation, result.mismatches[0].name)


def result_text(result: Result, depth: int | None) -> str:
    """A failed scenario: its errors, or every wrong outcome at its line and what decided the
    first, `depth` levels down (None: all the way)."""
    lines = [f"FAILED {_scenario_text(result.scenario)} [{result.policy}]"]
    if result.failure is not None:
        lines.append(str(result.failure))
    lines += [mismatch.diagnostic().render() for mismatch in result.mismatches]
    traced = first_trace(result)
    if traced is not None:
        first = result.mismatches[0]
        lines += ["", f"  What decided {first.name}:"]
        clause = first.expected.clause
        name = str(OutcomeName(first.name.rule, first.name.path))
        entry = next(one for one in traced["outcomes"] if one["outcome"] == name)
        why_not = explain_why_not(entry, clause.text) if clause is not None else None
        if why_not is not None and entry.get("decided_by", {}).get("name") != clause.text:  # type: ignore[union-attr]
            lines.append(textwrap.indent(why_not, "  "))
        lines.append(textwrap.indent(explain(traced, depth), "  "))
    return "\n".join(lines)


def result_data(result: Result) -> Data:
    """One scenario under one policy; of a failed one what is wrong, with the first one's trace."""
    data: Data = {**scenario_data(result.scenario), "policy": result.policy}
    data["passed"] = result.passed
    if result.passed:
        return data
    data["wrong"] = [
        {
            "outcome": mismatch.expected.outcome,
            "expected": mismatch.wanted,
            "got": mismatch.got,
            "line": mismatch.expected.span.place.line,
        }
        for mismatch in result.mismatches
    ]
    if result.failure is not None:
        data["errors"] = [one.as_data() for one in result.failure.diagnostics]
    if (traced := first_trace(result)) is not None:
        data["trace"] = traced
    return data


# --- coverage ----------------------------------------------------------------------------------


def coverage_text(found: Sequence[Covered]) -> str:
    """A table by policy, and below it what is not covered: the rule's place, what would decide, and
    the scenario that came nearest."""
    rows: list[tuple[str, ...]] = [
        ("policy", "rules", "can decide", "asserted", "reached only", "never")
    ]
    for policy in dict.fromkeys(one.policy for one in found):
        mine = [one for one in found if one.policy == policy]
        states = [str(sum(one.state == state for one in mine)) for state in
                  ("asserted", "reached", "missed")]  # fmt: skip
        rows.append((policy, str(len({one.rule for one in mine})), str(len(mine)), *states))
    lines = [_table(rows)]
    open_ = [one for one in found if one.state != "asserted"]
    for key, group in _grouped(open_).items():
        place, rule, winner = key
        lines += ["", f"{place}: {rule}, {winner}"]
        for policies, said in _by_text(group):
            lines.append(f"  {', '.join(policies)}")
            lines += [f"    {line}" for line in said]
    return "\n".join(lines)


def _grouped(found: Iterable[Covered]) -> dict[tuple[str, str, str], list[Covered]]:
    groups: dict[tuple[str, str, str], list[Covered]] = {}
    for one in found:
        place = f"{one.place.path}:{one.place.line}"
        groups.setdefault((place, one.rule, one.winner), []).append(one)
    return groups


def _by_text(group: Iterable[Covered]) -> list[tuple[list[str], tuple[str, ...]]]:
    """What is said, and of which policies it is."""
    said: dict[tuple[str, ...], list[str]] = {}
    for one in group:
        said.setdefault(_covered_lines(one), []).append(one.policy)
    return [(policies, lines) for lines, policies in said.items()]


def _covered_lines(one: Covered) -> tuple[str, ...]:
    if one.scenario is None:
        return ("no scenario evaluates this rule",)
    where = _scenario_text(one.scenario)
    if one.state == "reached":
        return (f"decides {one.outcome}, which is not expected, in {where}",)
    reasons = tuple(f"  {part}" for part in one.why)
    return (f"nearest: {one.outcome} in {where}", *reasons)


def covered_data(one: Covered) -> Data:
    data: Data = {
        "policy": one.policy,
        "rule": one.rule,
        "decided_by": one.winner,
        "file": one.place.path,
        "line": one.place.line,
        "state": one.state,
    }
    if one.scenario is not None:
        data["scenario"] = scenario_data(one.scenario)
    if one.outcome:
        data["outcome"] = one.outcome
    if one.why:
        data["failed"] = list(one.why)
    return data


# --- mutants -----------------------------------------------------------------------------------


def mutants_text(
    tried: Sequence[Tried], unread: Sequence[tuple[str, ir.Parameter]], report: Report,
    seconds: float,
) -> str:  # fmt: skip
    """Every survivor with its place and policies, what is wrong in the list of equivalent mutants,
    the figures that no rule reads, and a table by policy."""
    lines: list[str] = []
    survivors: dict[tuple[str, str], list[Tried]] = {}
    for one in tried:
        if one.survived:
            place = f"{one.place.path}:{one.place.line}"
            survivors.setdefault((place, one.name), []).append(one)
    for (place, name), group in survivors.items():
        count = max(one.scenarios for one in group)
        policies = ", ".join(one.policy for one in group)
        lines.append(f"SURVIVED {place}: {name}")
        lines.append(f"    {policies}; {count} scenarios evaluate what it changes")
    lines += [one.render() for one in report.diagnostics]
    idle: dict[str, list[str]] = {}
    for policy, figure in unread:
        idle.setdefault(figure.name, []).append(policy)
    for name, policies_ in idle.items():
        lines.append(f"No rule in force reads {name} ({', '.join(policies_)})")
    if lines:
        lines.append("")
    rows: list[tuple[str, ...]] = [
        ("policy", "mutants", "of figures", "of clauses", "killed", "equivalent", "survived")
    ]
    for policy in dict.fromkeys(one.policy for one in tried):
        rows.append((policy, *_counts([one for one in tried if one.policy == policy])))
    if len(rows) > 2:
        rows.append(("all", *_counts(tried)))
    return "\n".join([*lines, _table(rows), f"{seconds:.1f} seconds"])


def _counts(tried: Sequence[Tried]) -> tuple[str, ...]:
    figures = sum(one.kind == "figure" for one in tried)
    killed = sum(bool(one.killed_by) for one in tried)
    equivalent = sum(bool(one.equivalent) for one in tried)
    survived = sum(one.survived for one in tried)
    counts = (len(tried), figures, len(tried) - figures, killed, equivalent, survived)
    return tuple(map(str, counts))


def tried_data(one: Tried) -> Data:
    data: Data = {
        "policy": one.policy,
        "mutant": one.name,
        "kind": one.kind,
        "file": one.place.path,
        "line": one.place.line,
        "scenarios": one.scenarios,
        "survived": one.survived,
    }
    if one.killed_by:
        data["killed_by"] = one.killed_by
    if one.equivalent:
        data["equivalent"] = one.equivalent
    return data


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as aligned columns, all but the first to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        first, *others = (
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join([first, *others]).rstrip())
    return "\n".join(lines)
