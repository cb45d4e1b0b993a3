"""Judged payment models as JSON-ready data (`models.v1`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from finalrule.models.judge import Difference, Judged, Outcome

FORMAT = "models.v1"

Data = dict[str, Any]


def as_data(judged: Sequence[Sequence[Judged]], found: Sequence[Difference] | None) -> Data:
    """Models by policy; where two policies were asked for, what differs between them."""
    data: Data = {
        "format": FORMAT,
        "policies": [one[0].policy for one in judged],
        "models": [_judged(one) for each in judged for one in each],
    }
    if found is not None:
        a, b = (one[0].policy for one in judged)
        data["differences"] = [
            {"model": one.model.key.text, "rule": one.a.rule, a: _outcome(one.a),
             b: _outcome(one.b)}
            for one in found
        ]  # fmt: skip
    return data


def word(value: bool | None) -> str:
    """`yes`, `no` or `undetermined`."""
    return "undetermined" if value is None else "yes" if value else "no"


def _judged(judged: Judged) -> Data:
    return {
        "model": judged.model.key.text,
        "name": judged.model.name,
        "policy": judged.policy,
        **{kind: _outcome(outcome) for kind, outcome in judged.kinds.items()},
        "found": [
            {"outcome": one.kind, "value": word(one.value), "cite": one.cite,
             "agrees": one.agrees}
            for one in judged.found
        ],
        "facts": [
            {"fact": fact.entry.key, "value": fact.text, "cite": fact.cite.text,
             "unverified": fact.unverified, "note": fact.note}
            for fact in judged.model.facts
        ],
    }  # fmt: skip


def _outcome(outcome: Outcome) -> Data:
    return {
        "rule": outcome.rule,
        "title": outcome.title,
        "value": word(outcome.value),
        "because": outcome.because,
        "cites": list(outcome.cites),
        "needs": list(outcome.needs),
        "misses": [
            {"rule": one.rule, "title": one.title, "by": one.by, "cites": list(one.cites)}
            for one in outcome.misses
        ],
        "rests_on": [_outcome(one) for one in outcome.below],
    }
