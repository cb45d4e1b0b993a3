"""Scenario files: facts in, outcomes out, as an analyst writes them (policies/cases/)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from finalrule.diagnostics import Label, Report
from finalrule.policy.positioned import load, read_source
from finalrule.policy.read import schema
from finalrule.policy.tree import Listing, Mapping, Node, Scalar
from finalrule.source import Span


@dataclass(frozen=True, slots=True)
class Expected:
    """An expected outcome: the value as written, the deciding clause, either may be None."""

    outcome: str
    value: Scalar | None
    clause: Scalar | None
    span: Span


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario. `catalogues`, `given` and `assume` are still text: a program types them."""

    name: str
    policies: tuple[Scalar, ...]
    catalogues: Mapping | None
    given: Mapping | None
    assume: Mapping | None
    expect: tuple[Expected, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class ScenarioFile:
    path: Path
    about: str
    scenarios: tuple[Scenario, ...]


def read_scenarios(path: Path, known_as: str | None = None) -> ScenarioFile:
    """Read a scenario file. Raises Failure with everything that is wrong in its shape, and when two
    scenarios have one name."""
    tree = load(read_source(path, known_as), schema("cases"))
    assert isinstance(tree, Mapping)
    about, policies = tree.entries["about"].value, tree.entries["policies"].value
    listed = tree.entries["scenarios"].value
    assert isinstance(about, Scalar) and isinstance(listed, Listing)
    scenarios = tuple(_scenario(item, _texts(policies)) for item in listed.items)
    report = Report()
    first: dict[str, Scenario] = {}
    for scenario in scenarios:
        other = first.setdefault(scenario.name, scenario)
        if other is not scenario:
            report.error(
                "duplicate-scenario",
                f"two scenarios are named `{scenario.name}`",
                Label(scenario.span, "again here"),
                Label(other.span, "first here"),
                help="name each after what it shows",
            )
    report.stop_if_errors()
    return ScenarioFile(path, about.text, scenarios)


def _texts(node: Node) -> tuple[Scalar, ...]:
    assert isinstance(node, Listing)
    return tuple(item for item in node.items if isinstance(item, Scalar))


def _scenario(node: Node, policies: tuple[Scalar, ...]) -> Scenario:
    assert isinstance(node, Mapping)
    parts = {key: entry.value for key, entry in node.entries.items()}
    name, expect = parts["name"], parts["expect"]
    assert isinstance(name, Scalar) and isinstance(expect, Mapping)
    given, assume, made_up = (parts.get(key) for key in ("given", "assume", "catalogues"))
    return Scenario(
        name=name.text,
        policies=_texts(parts["policies"]) if "policies" in parts else policies,
        catalogues=made_up if isinstance(made_up, Mapping) else None,
        given=given if isinstance(given, Mapping) else None,
        assume=assume if isinstance(assume, Mapping) else None,
        expect=tuple(
            _expected(entry.key, entry.key_span, entry.value) for entry in expect.entries.values()
        ),
        span=name.span,
    )


def _expected(outcome: str, span: Span, node: Node) -> Expected:
    if isinstance(node, Scalar):
        return Expected(outcome, node, None, span)
    assert isinstance(node, Mapping)
    parts = {key: entry.value for key, entry in node.entries.items()}
    value, clause = parts.get("value"), parts.get("clause")
    return Expected(
        outcome,
        value if isinstance(value, Scalar) else None,
        clause if isinstance(clause, Scalar) else None,
        span,
    )
