"""Real policies, ready to evaluate, and cases made of a few facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import pytest

from finalrule.core.expressions import constant_value
from finalrule.evaluate.scalar import Evaluator, with_assumed
from finalrule.facts.case import Case, Given, Record
from finalrule.load import load_evaluator
from finalrule.values import Value

MakeCase = Callable[..., Case]


@cache
def evaluator_of(policy: str) -> Evaluator:
    return load_evaluator(policy)


@pytest.fixture(params=["2019-final", "2020-proposed", "2020-final"])
def evaluator(request: pytest.FixtureRequest) -> Evaluator:
    return evaluator_of(request.param)


def make_case(
    evaluator: Evaluator,
    unit: Mapping[str, Value],
    records: Mapping[str, list[Mapping[str, Value]]] | None = None,
) -> Case:
    """A case of one scoring unit with records right below it; defaults as declared."""
    root = Record("program", {})
    scoring_unit = root.add("scoring_unit", _given(unit))
    for entity, rows in (records or {}).items():
        for row in rows:
            scoring_unit.add(entity, _given(row))
    for record in root.walk():
        for fact in evaluator.program.facts:
            if fact.entity == record.entity and fact.default is not None:
                record.facts.setdefault(fact.name, Given(constant_value(fact.default), "absent"))
    return with_assumed(Case(root, {"case": "test"}, ""), evaluator.program)


def _given(facts: Mapping[str, Value]) -> dict[str, Given]:
    return {name: Given(value, "test") for name, value in facts.items()}
