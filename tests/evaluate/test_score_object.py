"""The score object: every number a decimal string, rounded by a rule that has a name, or exact."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evaluate.conftest import evaluator_of
from finalrule.core import ir
from finalrule.core.expressions import Frame, Unknown
from finalrule.diagnostics import Failure
from finalrule.evaluate.generate import Generator
from finalrule.evaluate.outcomes import OutcomeName, output_types
from finalrule.evaluate.scalar import Evaluation, Evaluator
from finalrule.evaluate.trace import trace
from finalrule.score import (
    ADJUSTMENT,
    CATEGORIES,
    MEASURES,
    SAYS_WHY,
    STATUSES,
    UNIT,
    ScoreObject,
    final_scores_used,
    output_paths,
    unit_rules,
)
from finalrule.values import Number, decimal_places

POLICIES = ("2019-final", "2020-proposed", "2020-final")
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
# Parts of the object that hold words, identifiers and lists of names; all others are numbers, flags
# or null.
WORDS = {"status", "reason", "reweighting", "class", "measure_id", "collection_type",
         "submission_method"}  # fmt: skip


def outcomes() -> Iterator[str]:
    """The outcomes that the object shows, as `rule` or `table.output`."""
    for fields in CATEGORIES.values():
        yield from fields.values()
    for _, fields in MEASURES.values():
        yield from fields.values()
    yield from ADJUSTMENT.values()
    yield from ("final_score", "complex_patient_bonus")


@pytest.mark.parametrize("policy", POLICIES)
def test_every_number_is_rounded_by_name_or_ends(policy: str) -> None:
    evaluator = evaluator_of(policy)
    facts = {(fact.entity, fact.name): fact.type for fact in evaluator.program.facts}
    ends = _Ends(evaluator, facts)
    for outcome in outcomes():
        name, _, output = outcome.partition(".")
        rule = evaluator.rules.get(name)
        if rule is None or not isinstance(output_types(rule)[output], Number):
            continue
        if rule.prints:
            unit = output_types(rule)[output].unit  # type: ignore[union-attr]
            assert evaluator.context.roundings[rule.prints].unit == unit, name
        else:
            assert ends.rule(rule), f"{name} may have decimals without end, and prints no rounding"


class _Ends:
    """Whether an outcome is a decimal that ends, whatever the facts are."""

    def __init__(self, evaluator: Evaluator, facts: dict[tuple[str, str], Any]) -> None:
        self.evaluator, self.facts = evaluator, facts

    def rule(self, rule: ir.AnyRule) -> bool:
        match rule:
            case ir.Choice():
                lets = {let.name: let.value for let in rule.lets}
                return all(self.expr(clause.value, lets) for clause in rule.clauses)
            case ir.Table() | ir.Deciles():
                return True  # cells of the year file; points rounded by a rule with a name
            case _:
                return False

    def expr(self, expr: ir.Expr, lets: dict[str, ir.Expr]) -> bool:
        match expr:
            case ir.Num(value=value):
                return decimal_places(value) is not None
            case ir.Param() | ir.Round() | ir.DaysBetween() | ir.Lookup():
                return True
            case ir.Fact(entity=entity, name=name):
                type_ = self.facts[entity, name]
                return isinstance(type_, Number) and type_.scale is not None
            case ir.Outcome(rule=rule):
                return self.rule(self.evaluator.rules[rule])
            case ir.Let(name=name):
                return self.expr(lets[name], lets)
            case ir.Arith(op=op, left=left, right=right):
                return op != "/" and self.expr(left, lets) and self.expr(right, lets)
            case ir.Negate(item=item) | ir.Convert(item=item):
                return self.expr(item, lets)
            case ir.Extreme(items=items):
                return all(self.expr(item, lets) for item in items)
            case ir.Aggregate(op=op, item=item):
                return op == "count" or (
                    op in ("sum", "greatest", "least") and item is not None and self.expr(item, {})
                )
            case _:
                return False


@pytest.mark.parametrize("policy", POLICIES)
def test_the_object_names_what_the_rules_have(policy: str) -> None:
    """A field that no policy's rules have would be null for ever."""
    evaluator = evaluator_of(policy)
    facts = {fact.name for fact in evaluator.program.facts}
    for outcome in (*outcomes(), *STATUSES):
        name, _, output = outcome.partition(".")
        if name in facts:
            continue
        assert output in output_types(evaluator.rules[name]), outcome
    for (points, clause), why in SAYS_WHY.items():
        rule = evaluator.rules[points]
        assert isinstance(rule, ir.Choice) and why in evaluator.rules
        assert clause in [one.name for one in rule.clauses]


# --- random cases ---------------------------------------------------------------------------------


@cache
def generator_of(policy: str) -> Generator:
    evaluator = evaluator_of(policy)
    return Generator(evaluator.program, evaluator.catalogues)


def scored(policy: str, seed: str) -> tuple[Evaluator, Evaluation]:
    """A random unit, evaluated; given up where no such case may be."""
    evaluator = evaluator_of(policy)
    case = generator_of(policy).case(seed)
    assume(any(record.entity == "scoring_unit" for record in case.root.walk()))
    try:
        return evaluator, evaluator.evaluate(case, unit_rules(evaluator.program))
    except Failure:
        assume(False)
        raise


def leaves(part: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every value of an object with its path."""
    if isinstance(part, dict):
        for name, value in part.items():
            yield from leaves(value, f"{path}.{name}" if path else name)
    elif isinstance(part, list):
        for at, value in enumerate(part):
            yield from leaves(value, f"{path}[{at}]")
    else:
        yield path, part


SEEDS = st.tuples(st.sampled_from(POLICIES), st.integers(0, 10**6))


@settings(max_examples=80, deadline=None)
@given(SEEDS)
def test_numbers_are_decimal_strings(seed: tuple[str, int]) -> None:
    policy, number = seed
    evaluator, evaluation = scored(policy, f"object {number}")
    data = ScoreObject(evaluator, evaluation).data()
    for part in ("final_score", "payment_adjustment", "categories", "bonuses", "eligibility"):
        for path, value in leaves(data[part], part):
            assert value is None or isinstance(value, str | bool), path
            if isinstance(value, str) and path.rpartition(".")[2] not in WORDS:
                assert NUMBER.fullmatch(value), f"{path}: {value}"
    # What is null is undetermined and named, or is no number of this policy or this status.
    missing = {entry["outcome"] for entry in data["undetermined"]}
    assert all(entry["needs"] for entry in data["undetermined"])
    if data["final_score"] is None:
        assert "final_score" in missing
    status = data["payment_adjustment"]["status"]
    factors = [data["payment_adjustment"][part] for part in ADJUSTMENT]
    assert (status == "applies") == (None not in factors)
    assert status != "undetermined" or missing & {*ADJUSTMENT.values(), "adjustment_applies"}
    assert (data["payment_adjustment"]["reason"] is None) == (status != "not_applicable")


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_every_path_of_the_object_is_explained(seed: tuple[str, int]) -> None:
    """Each leaf that is an outcome has a path, and the path a trace; of every unit of the case."""
    policy, number = seed
    evaluator, evaluation = scored(policy, f"paths {number}")
    for unit in evaluation.frames_of(UNIT):
        _every_path_is_explained(evaluator, evaluation, unit)


def _every_path_is_explained(evaluator: Evaluator, evaluation: Evaluation, unit: Frame) -> None:
    data = ScoreObject(evaluator, evaluation, unit).data()
    paths = output_paths(evaluator, evaluation, unit)
    parts = {name: data[name] for name in ("final_score", "payment_adjustment", "bonuses")}
    found = dict(leaves(parts | {"eligibility": data["eligibility"]}))
    for category, part in data["categories"].items():
        entity = MEASURES[category][0]
        frames = [one for one in evaluation.frames_of(entity) if one.up[UNIT] is unit]
        assert len(frames) == len(part["measures"])
        for frame, measure in zip(frames, part["measures"], strict=True):
            at = f"{category}.measures[{','.join(frame.path[len(unit.path) :])}]"
            found |= {f"{at}.{name}": value for name, value in measure.items()}
        found |= {f"{category}.{name}": v for name, v in part.items() if name != "measures"}
    identifiers = {"measure_id", "collection_type", "submission_method"}
    for path in found:
        if path.rpartition(".")[2] in identifiers:
            assert path not in paths
            continue
        (name,) = paths[path]
        entry = trace(evaluator, evaluation, name)["outcomes"][-1]
        assert entry["outcome"] == str(OutcomeName(name.rule, name.path))
        if path.partition(".")[0] in CATEGORIES:
            assert paths[f"categories.{path}"] == [name]


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_a_measure_by_its_identifier_alone(seed: tuple[str, int]) -> None:
    policy, number = seed
    evaluator, evaluation = scored(policy, f"short {number}")
    paths = output_paths(evaluator, evaluation)
    data = ScoreObject(evaluator, evaluation).data()
    for category in CATEGORIES:
        measures = data["categories"][category]["measures"]
        names = [measure["measure_id"] for measure in measures]
        for name in names:
            assert len(paths[f"{category}.measures[{name}].points"]) == names.count(name)


# --- which score is used --------------------------------------------------------------------------


def test_which_score_is_used_may_be_undetermined() -> None:
    """Of an individual and his group: the greater of the scores that make an adjustment."""
    evaluator = evaluator_of("2020-final")
    number = 0

    def unit(kind: str) -> Evaluation:
        nonlocal number
        while True:
            number += 1
            case = generator_of("2020-final").case(f"used {number}")
            units = [r for r in case.root.walk() if r.entity == "scoring_unit"]
            if len(units) != 1 or units[0].facts["entity_type"].value != kind:
                continue
            try:
                found = evaluator.evaluate(case, unit_rules(evaluator.program))
            except Failure:
                continue
            found.case.subject.update({"tin": "1", "npi": "2", "entity_type": kind})
            return found

    one, group = unit("individual"), unit("group")

    def told(score: object, applies: object, evaluation: Evaluation) -> None:
        for rule, value in (("final_score", score), ("adjustment_applies", applies)):
            decision = evaluation.decision(rule)
            decision.values[""] = value  # type: ignore[index]

    open_ = Unknown(frozenset({"scoring_unit.average_hcc_risk_score"}))
    cases: list[tuple[tuple[object, object], tuple[object, object], str | None, bool]] = [
        ((Fraction(80), True), (Fraction(90), True), "group", False),
        ((Fraction(95), True), (Fraction(90), True), "individual", False),
        ((Fraction(95), False), (Fraction(90), True), "group", False),
        ((Fraction(95), False), (Fraction(90), False), None, False),
        ((open_, True), (Fraction(90), True), None, True),
        # an unknown score that makes no adjustment does not matter
        ((open_, False), (Fraction(90), True), "group", False),
        ((Fraction(95), open_), (Fraction(90), True), None, True),
    ]
    for first, second, used, undetermined in cases:
        told(*first, one)
        told(*second, group)
        (found,) = final_scores_used(evaluator, [one, group])
        assert (found["used"], found["undetermined"]) == (used, undetermined), (first, second)
        assert found["final_scores"]["group"] == ("90.00" if second[0] == 90 else None)
    assert final_scores_used(evaluator, [one]) == []
