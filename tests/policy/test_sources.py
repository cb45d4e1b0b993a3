"""The named sources, ours and malformed ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from finalrule.citations import parse_citation
from finalrule.diagnostics import Failure
from finalrule.places import policies_root
from finalrule.policy.read import schema
from finalrule.policy.sources import load_sources


def test_our_sources_can_be_cited() -> None:
    sources = load_sources(policies_root())
    assert {"HPA-2019", "OIG-2016", "NAACOS-2016", "ACR-2017", "APM-2016"} <= set(sources)
    assert {"CMS-MEASURES", "CMS-SUBMISSIONS", "CMS-EUC"} <= set(sources)
    assert sources["OIG-2016"].document == "OEI-12-16-00400"
    for key in sources:
        citation = parse_citation(f"{key} page 3", sources)
        assert citation is not None
        assert (citation.work, citation.path) == (key, "page 3")


def test_all_that_is_wrong_is_shown(policies: Path) -> None:
    (policies / "sources.yaml").write_text(
        "HPA-2019: {title: Summary, isuer: HPA}\nhpa: {title: a, issuer: b, date: last year}\n"
    )
    with pytest.raises(Failure) as failure:
        load_sources(policies)
    assert [(found.code, found.labels[0].at.text) for found in failure.value.diagnostics] == [  # type: ignore[union-attr]
        ("missing-key", "HPA-2019"),
        ("unknown-key", "isuer"),
        ("bad-name", "hpa"),
        ("wrong-shape", "last year"),
    ]


@pytest.mark.parametrize("name", ["year", "sources"])
def test_schemas_are_schemas(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize(
    "instance",
    [
        {"performance_year": 2020, "payment_year": 2022},
        {"parameters": {"a": {"value": 45, "unit": "points", "cite": "x", "unverified": True}}},
        {"parameters": {"a": {"value": [19, "021"], "unit": "codes", "cite": "x"}}},
        {"tables": {"t": {"cite": "x", "rows": {"r": {"scored": True, "quality": 1}}}}},
        {"rounding": {"r": {"places": 2, "mode": "up", "unit": "points", "cite": "x"}}},
    ],
)
def test_the_schema_takes_what_an_editor_makes_of_a_scalar(instance: dict[str, object]) -> None:
    """An editor reads `2020` as a number and `true` as a boolean; this reader has text only."""
    errors = Draft202012Validator(schema("year")).iter_errors(instance)
    assert [error.message for error in errors if error.validator != "required"] == []
