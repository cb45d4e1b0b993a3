"""2020-proposed and 2020-final differ in what the register says, and in nothing else.

The register was written from the sources before there was a year file (register_2020.yaml).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from finalrule.compare.diff import compare, compile_both
from finalrule.compare.model import Comparison, Difference, Side

REGISTER = Path(__file__).parent / "register_2020.yaml"

# Entries that no comparison can show, and why. Any other entry must be found.
STATED_ONLY = {
    "quality_measure.adult_immunization_status": (
        "HPA-2019 gives the title of the fourth proposed measure, but no measure id or collection"
        " type: no record of a catalogue can be made of it"
    ),
    "quality_measure.removed": (
        "HPA-2019 gives the number of measures that were to go, but not which: no records can be"
        " put back for the 13 that were kept"
    ),
}


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare(*compile_both("2020-proposed", "2020-final"))


@pytest.fixture(scope="module")
def found(comparison: Comparison) -> dict[tuple[str, str], Difference]:
    records = [each for catalogue in comparison.catalogues for each in catalogue.differences]
    return {(each.kind, each.name): each for each in (*comparison.differences, *records)}


def entries() -> list[dict[str, Any]]:
    register: dict[str, Any] = yaml.load(REGISTER.read_text(encoding="utf-8"), yaml.BaseLoader)
    differences: list[dict[str, Any]] = register["differences"]
    return differences


def to_find() -> list[dict[str, Any]]:
    return [entry for entry in entries() if entry["name"] not in STATED_ONLY]


def test_each_entry_without_a_counterpart_has_a_reason() -> None:
    stated_only = {entry["name"] for entry in entries() if entry.get("stated_only") == "true"}
    assert stated_only == set(STATED_ONLY)


def test_the_register_and_nothing_else(found: dict[tuple[str, str], Difference]) -> None:
    assert set(found) == {(entry["kind"], entry["name"]) for entry in to_find()}


def test_the_web_interface_has_as_many_measures_as_are_listed(comparison: Comparison) -> None:
    """Without measure 110, which was to leave it, one less."""
    for compiled in (comparison.a, comparison.b):
        policy = compiled.work.policy
        rows = policy.catalogues["measure_collection_type"].file.read_text()
        assert policy.parameters["web_interface.measures"].value == rows.count(",web_interface,")


@pytest.mark.parametrize("entry", to_find(), ids=lambda entry: entry["name"])
def test_figures(entry: dict[str, Any], found: dict[tuple[str, str], Difference]) -> None:
    difference = found[entry["kind"], entry["name"]]
    for side, wanted in ((difference.a, entry["proposed"]), (difference.b, entry["final"])):
        if wanted["value"] == "not_in_force":
            assert side is None
            continue
        assert side is not None
        match wanted["value"]:
            case "listed":
                pass
            case "high" | "medium":
                assert side.text == f"weight {wanted['value']}"
            case value:
                assert side.text == value
        assert side.unverified == (wanted.get("unverified") == "true")


@pytest.mark.parametrize(
    "entry",
    # A row has one citation for its cells, a catalogue one for its records, and assumed values are
    # estimates of our own: there the register's citations are finer or other ones.
    [entry for entry in to_find() if entry["kind"] in ("parameter", "variant")],
    ids=lambda entry: entry["name"],
)
def test_citations(entry: dict[str, Any], found: dict[tuple[str, str], Difference]) -> None:
    difference = found[entry["kind"], entry["name"]]
    assert difference.a is not None and difference.b is not None
    assert (difference.a.cite, difference.b.cite) == (
        entry["proposed"]["cite"],
        entry["final"]["cite"],
    )
    assert difference.paragraph.startswith(entry["part"])


def test_equal_figures_are_not_listed(comparison: Comparison) -> None:
    """Some of what the register looked at and found equal, cited otherwise in the two years."""
    said: dict[str, Side | None] = {each.name: each.b for each in comparison.citations}
    for name, text in {
        "performance_threshold": "45 points",
        "applicable_percent": "9%",
        "quality.data_completeness": "70%",
        "hospital_based.group_share": "75%",
        "ia.group_share": "50%",
    }.items():
        side = said[name]
        assert side is not None and side.text == text
