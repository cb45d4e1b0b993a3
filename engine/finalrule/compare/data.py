"""A comparison as JSON-ready data, the shape `compare.v1` (docs/compare.md)."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from finalrule.compare.model import KINDS, CatalogueDiff, Comparison, Difference
from finalrule.core.compile import Compiled

FORMAT = "compare.v1"
# So many differences of one catalogue are listed without being asked for.
LISTED = 20


def is_listed(catalogue: CatalogueDiff, all_records: bool) -> bool:
    """Whether a catalogue's records and cells are listed, and not only counted."""
    return all_records or len(catalogue.differences) <= LISTED


def as_data(comparison: Comparison, all_records: bool) -> dict[str, Any]:
    """The comparison as data; `all_records` lists the records of every catalogue."""
    return {
        "format": FORMAT,
        "a": policy_head(comparison.a, comparison.a_path),
        "b": policy_head(comparison.b, comparison.b_path),
        "part": comparison.only_part,
        "differences": [_difference(each) for each in comparison.differences],
        "same_but_cited_otherwise": [_difference(each) for each in comparison.citations],
        "catalogues": [_catalogue(each, all_records) for each in comparison.catalogues],
        "counts": counts(comparison),
    }


def counts(comparison: Comparison) -> dict[str, int]:
    """The number of differences of each kind; `same_but_cited_otherwise` is none of them."""
    found = Counter(difference.kind for difference in comparison.differences)
    records = sum(len(catalogue.differences) for catalogue in comparison.catalogues)
    found["catalogue"] += records
    return {
        **{kind: found[kind] for kind in KINDS},
        "same_but_cited_otherwise": len(comparison.citations),
    }


def policy_head(compiled: Compiled, path: str) -> dict[str, Any]:
    """A policy's id, title, years and publication; `path` is its year file."""
    policy = compiled.work.policy
    return {
        "policy": policy.id,
        "title": policy.title,
        "performance_year": policy.performance_year,
        "payment_year": policy.payment_year,
        "stage": policy.stage,
        "tracks": list(policy.tracks),
        "published": {
            "title": policy.published.title,
            "date": policy.published.date.isoformat(),
            "cite": policy.published.cite.text,
        },
        "path": path,
        "digest": compiled.program.digest,
    }


def _difference(difference: Difference) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.to_builtins(difference)
    return data


def _catalogue(catalogue: CatalogueDiff, all_records: bool) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.to_builtins(catalogue)
    data["listed"] = is_listed(catalogue, all_records)
    if not data["listed"]:
        data["differences"] = []
    return data
