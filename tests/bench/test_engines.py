"""Other rules engines on the part of 2020-proposed that they can express: category scores, weights
by what is scored, complex patient bonus, final score, payment adjustment. How fast each is, and how
many of its final scores are not those of whole numbers.

The figures are those of policies/2020/proposed.yaml; that they are, and that the reference is
right, is what the exact evaluator is asked first.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

import pytest

from finalrule.core import ir
from finalrule.core.expressions import constant_value
from finalrule.evaluate.scalar import Evaluator
from finalrule.facts.case import Case, Given, Record
from finalrule.load import load_evaluator
from finalrule.values import Value

CATEGORIES = ("quality", "cost", "ia", "pi")
# Weights in percent by what is scored; with fewer than two categories none counts.
WEIGHTS = {
    "qcip": (40, 20, 15, 25), "q-ip": (55, 0, 15, 30), "qci-": (65, 20, 15, 0),
    "-cip": (0, 20, 15, 65), "qc-p": (55, 20, 0, 25), "q-i-": (85, 0, 15, 0),
    "--ip": (0, 0, 15, 85), "q--p": (70, 0, 0, 30), "-ci-": (0, 85, 15, 0),
    "qc--": (80, 20, 0, 0), "-c-p": (0, 20, 0, 80),
}  # fmt: skip
THRESHOLD, EXCEPTIONAL = 45, 80


class Unit(NamedTuple):
    """Category scores in hundredths of a percent (None: not scored), the average risk score and the
    dual eligible ratio in millionths."""

    quality: int | None
    cost: int | None
    ia: int | None
    pi: int | None
    risk: int
    dual: int


class Result(NamedTuple):
    """A final score in hundredths and the total adjustment in percent."""

    final_score: int
    adjustment: float


def draw(count: int) -> list[Unit]:
    some = random.Random(2020)

    def score(step: int) -> int | None:
        return step * some.randrange(10_000 // step + 1) if some.random() < 0.9 else None

    return [
        Unit(score(1), score(1), score(2_500), score(100), some.randrange(400_000, 4_000_000),
             some.randrange(1_000_001))
        for _ in range(count)
    ]  # fmt: skip


def pattern(unit: Unit) -> str:
    return "".join(
        "-" if one is None else name[0] for one, name in zip(unit, CATEGORIES, strict=False)
    )


def whole_numbers(units: Sequence[Unit]) -> list[Result]:
    """The reference, in plain Python: final scores in whole numbers."""
    found = []
    for unit in units:
        weights = WEIGHTS.get(pattern(unit))
        if weights is None:
            score = THRESHOLD * 100
        else:
            # In millionths of a point: a hundredth of a percent times a percent is 100 of them.
            parts = zip(unit, weights, strict=False)
            total = 100 * sum(one * by for one, by in parts if one is not None)
            if (unit.quality, unit.ia, unit.pi) != (None, None, None):
                total += min(5_000_000, unit.risk + 5 * unit.dual)
            score = (min(100_000_000, total) + 5_000) // 10_000
        found.append(Result(score, adjustment(score / 100)))
    return found


def adjustment(score: float) -> float:
    """In percent, with the scaling factors that the proposed rule illustrates."""
    if score <= THRESHOLD / 4:
        return -9
    if score < THRESHOLD:
        return 9 * (score - THRESHOLD) / THRESHOLD
    total = 9 * (score - THRESHOLD) / (100 - THRESHOLD) * 0.203
    if score >= EXCEPTIONAL:
        total += (0.5 + 9.5 * (score - EXCEPTIONAL) / (100 - EXCEPTIONAL)) * 0.395
    return total


# The exact evaluator ------------------------------------------------------------------------------


def given(value: Value) -> Given:
    return Given(value, "bench")


def case(program: ir.Program, unit: Unit) -> Case:
    """Scores as given, and what takes a category's weight away where there is none."""

    root = Record("program", {
        "whole_population": given(False),
        "assumed_scaling_factor": given(Fraction(203, 1000)),
        "assumed_additional_scaling_factor": given(Fraction(395, 1000)),
    })  # fmt: skip
    facts = {
        fact.name: given(constant_value(fact.default))
        for fact in program.facts
        if fact.entity == "scoring_unit" and fact.default is not None
    }
    facts |= {
        "entity_type": given("individual"),
        "average_hcc_risk_score": given(Fraction(unit.risk, 10**6)),
        "dual_eligible_ratio": given(Fraction(unit.dual, 10**6)),
    }
    for name, score in zip(CATEGORIES, unit, strict=False):
        facts[f"{name}_given"] = given(score is not None)
        if score is not None:
            facts[f"given_{name}_score"] = given(Fraction(score, 10**4))
        facts[f"compromised_data_{name}"] = given(score is None)
    root.add("scoring_unit", facts)
    return Case(root, {"entity_type": "individual"}, "")


def evaluated(evaluator: Evaluator, unit: Unit) -> Result:
    evaluation = evaluator.evaluate(
        case(evaluator.program, unit), ["final_score", "total_adjustment"]
    )
    (frame,) = evaluation.frames_of("scoring_unit")
    score = evaluation.value("final_score", frame)
    total = evaluation.value("total_adjustment", frame)
    assert isinstance(score, Fraction) and isinstance(total, Fraction)
    return Result(int(score * 100), float(total * 100))


# OpenFisca ----------------------------------------------------------------------------------------


def openfisca(units: Sequence[Unit]) -> tuple[list[Result], float]:
    import numpy as np
    from openfisca_core.entities import build_entity
    from openfisca_core.periods import DateUnit
    from openfisca_core.simulations import SimulationBuilder
    from openfisca_core.taxbenefitsystems import TaxBenefitSystem
    from openfisca_core.variables import Variable

    entity = build_entity(key="unit", plural="units", label="Scoring unit", is_person=True)
    system = TaxBenefitSystem([entity])
    table = np.zeros((16, 4))
    for scored, weights in WEIGHTS.items():
        table[int("".join("01"[one != "-"] for one in scored), 2)] = weights

    def variable(name: str, kind: type, formula: Callable[..., Any] | None = None) -> None:
        fields: dict[str, Any] = {
            "value_type": kind, "entity": entity, "definition_period": DateUnit.YEAR, "label": name,
        }  # fmt: skip
        if formula is not None:
            fields["formula"] = formula
        system.add_variable(type(name, (Variable,), fields))

    def complex_patient_bonus(unit: Any, period: Any) -> Any:
        submitted = sum(unit(f"{name}_scored", period) for name in ("quality", "ia", "pi")) > 0
        return submitted * np.minimum(5, unit("risk", period) + 5 * unit("dual", period))

    def final_score(unit: Any, period: Any) -> Any:
        scored = [unit(f"{name}_scored", period) for name in CATEGORIES]
        weights = table[scored[0] * 8 + scored[1] * 4 + scored[2] * 2 + scored[3]]
        total = sum(
            unit(name, period) * weights[:, place] / 100 for place, name in enumerate(CATEGORIES)
        )
        total = np.minimum(100, total + unit("complex_patient_bonus", period))
        return np.where(sum(1 * one for one in scored) < 2, THRESHOLD, np.round(total, 2))

    def total_adjustment(unit: Any, period: Any) -> Any:
        score = unit("final_score", period)
        low = np.where(score <= THRESHOLD / 4, -9, 9 * (score - THRESHOLD) / THRESHOLD)
        high = 9 * (score - THRESHOLD) / (100 - THRESHOLD) * 0.203
        share = (score - EXCEPTIONAL) / (100 - EXCEPTIONAL)
        more = np.where(score >= EXCEPTIONAL, (0.5 + 9.5 * share) * 0.395, 0)
        return np.where(score < THRESHOLD, low, high + more)

    for name in CATEGORIES:
        variable(name, float)
        variable(f"{name}_scored", bool)
    for name in ("risk", "dual"):
        variable(name, float)
    for formula in (complex_patient_bonus, final_score, total_adjustment):
        variable(formula.__name__, float, formula)
    columns = list(zip(*units, strict=True))
    inputs: dict[str, Any] = {}
    for name, column in zip(CATEGORIES, columns, strict=False):
        inputs[name] = np.array([0 if one is None else one for one in column]) / 100
        inputs[f"{name}_scored"] = np.array([one is not None for one in column])
    inputs["risk"], inputs["dual"] = (np.array(column) / 10**6 for column in columns[4:])

    start = time.perf_counter()
    simulation = SimulationBuilder().build_default_simulation(system, count=len(units))
    for name, values in inputs.items():
        simulation.set_input(name, "2020", values)
    scores = simulation.calculate("final_score", "2020")
    totals = simulation.calculate("total_adjustment", "2020")
    seconds = time.perf_counter() - start
    hundredths = np.rint(scores * 100).astype(int)
    return list(map(Result, hundredths.tolist(), totals.tolist())), seconds


# GoRules ZEN --------------------------------------------------------------------------------------


def decision() -> dict[str, Any]:
    """A JSON decision model: a table for the weights, then expressions."""
    given = [f"{name}_scored" for name in CATEGORIES]
    rows = [
        {"_id": scored,
         **{column: str(one != "-").lower() for column, one in zip(given, scored, strict=True)},
         **{name: str(weight / 100) for name, weight in zip(CATEGORIES, weights, strict=True)}}
        for scored, weights in WEIGHTS.items()
    ]  # fmt: skip
    rows.append({"_id": "few", **dict.fromkeys(given, ""), **dict.fromkeys(CATEGORIES, "0")})
    expressions = {
        "sum": " + ".join(f"{name} * weights.{name}" for name in CATEGORIES),
        "bonus": "quality_scored or ia_scored or pi_scored ? min([5, risk + 5 * dual]) : 0",
        "share": " + ".join(f"weights.{name}" for name in CATEGORIES),
        "final_score": f"$.share == 0 ? {THRESHOLD} : round(min([100, $.sum + $.bonus]), 2)",
        "low": f"$.final_score <= {THRESHOLD / 4} ? -9 : "
               f"9 * ($.final_score - {THRESHOLD}) / {THRESHOLD}",
        "high": f"9 * ($.final_score - {THRESHOLD}) / {100 - THRESHOLD} * 0.203",
        "more": f"$.final_score >= {EXCEPTIONAL} ? "
                f"(0.5 + 9.5 * ($.final_score - {EXCEPTIONAL}) / {100 - EXCEPTIONAL}) * 0.395 : 0",
        "total_adjustment": f"$.final_score < {THRESHOLD} ? $.low : $.high + $.more",
    }  # fmt: skip
    nodes = [
        {"id": "in", "name": "in", "type": "inputNode"},
        {"id": "weights", "name": "weights", "type": "decisionTableNode", "content": {
            "hitPolicy": "first", "passThrough": True, "rules": rows,
            "inputs": [{"id": one, "name": one, "field": one} for one in given],
            "outputs": [{"id": name, "name": name, "field": f"weights.{name}"}
                        for name in CATEGORIES]}},
        {"id": "score", "name": "score", "type": "expressionNode", "content": {
            "passThrough": False,
            "expressions": [{"id": key, "key": key, "value": value}
                            for key, value in expressions.items()]}},
        {"id": "out", "name": "out", "type": "outputNode"},
    ]  # fmt: skip
    names = ["in", "weights", "score", "out"]
    edges = [
        {"id": one, "sourceId": one, "targetId": other, "type": "edge"}
        for one, other in pairwise(names)
    ]
    return {"nodes": nodes, "edges": edges}


def zen_batch(units: Sequence[Unit]) -> tuple[list[Result], float]:
    import zen

    engine = zen.ZenEngine({"loader": {"type": "static", "content": {"mips": decision()}}})
    requests: list[zen.EvaluateBatchRequest] = []
    for unit in units:
        context: dict[str, Any] = {"risk": unit.risk / 10**6, "dual": unit.dual / 10**6}
        for name, score in zip(CATEGORIES, unit, strict=False):
            context[name] = 0 if score is None else score / 100
            context[f"{name}_scored"] = score is not None
        requests.append({"key": "mips", "context": json.dumps(context)})

    start = time.perf_counter()
    answers = engine.evaluate_batch(requests)
    seconds = time.perf_counter() - start
    results = [one["data"]["result"] for one in answers]
    return [
        Result(round(one["final_score"] * 100), one["total_adjustment"]) for one in results
    ], seconds  # fmt: skip


# --------------------------------------------------------------------------------------------------


def report(name: str, units: Sequence[Unit], found: list[Result], seconds: float) -> int:
    """Print how an engine did beside plain Python; how many final scores differ."""
    start = time.perf_counter()
    expected = whole_numbers(units)
    base = time.perf_counter() - start
    wrong = [(a, b) for a, b in zip(found, expected, strict=True) if a.final_score != b.final_score]
    crossed = sum(
        (a.final_score >= line * 100) != (b.final_score >= line * 100)
        for a, b in wrong for line in (THRESHOLD, EXCEPTIONAL)
    )  # fmt: skip
    print(f"\n{name}: {len(units) / seconds:,.0f} units a second, "
          f"{base / seconds:.2f} x plain Python; {len(wrong):,} of {len(units):,} final scores "
          f"differ, {crossed} across a threshold")  # fmt: skip
    for a, b in zip(found, expected, strict=True):
        if a.final_score == b.final_score:
            assert a.adjustment == pytest.approx(b.adjustment, abs=1e-4)
    return len(wrong)


def test_the_exact_evaluator() -> None:
    evaluator = load_evaluator("2020-proposed")
    units = draw(500)
    start = time.perf_counter()
    found = [evaluated(evaluator, unit) for unit in units]
    seconds = time.perf_counter() - start
    assert report("exact evaluator, every decision recorded", units, found, seconds) == 0


def test_openfisca() -> None:
    pytest.importorskip("openfisca_core")
    units = draw(1_000_000)
    assert report("OpenFisca core", units, *openfisca(units)) < len(units) // 10


def test_zen() -> None:
    pytest.importorskip("zen")
    units = draw(10_000)
    assert report("GoRules ZEN, one batch", units, *zen_batch(units)) < len(units) // 10
