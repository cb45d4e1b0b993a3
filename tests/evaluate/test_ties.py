"""Final scores are exact at ties, from given category scores to the JSON that is shown.

The oracle counts in plain integers. Category scores have two decimals (hundredths of a percent),
weights are whole percents: score x weight is in ten-thousandths of a point. Half up to two decimals
is (x + 50) // 100, and a tie is a remainder of exactly 50.
"""

from __future__ import annotations

import random
from fractions import Fraction

import msgspec
import pytest

from evaluate.conftest import evaluator_of, make_case
from finalrule.evaluate.scalar import Evaluator
from finalrule.score import ScoreObject, number_text, unit_rules
from finalrule.values import Value

POLICIES = ("2019-final", "2020-proposed", "2020-final")
# 42 CFR 414.1380(c)(2)(ii)(C), (D) and HPA-2019 III.K.3.c: nothing reweighted.
WEIGHTS = {
    "2019-final": (45, 15, 15, 25),
    "2020-proposed": (40, 20, 15, 25),
    "2020-final": (45, 15, 15, 25),
}
CATEGORIES = ("quality", "cost", "ia", "pi")


def tied_scores(weights: tuple[int, ...], count: int, seed: int) -> list[tuple[int, ...]]:
    """Scores in hundredths of a percent whose weighted sum ends in exactly half a hundredth."""
    rng = random.Random(seed)
    found: list[tuple[int, ...]] = []
    while len(found) < count:
        scores = tuple(rng.randint(0, 10_000) for _ in weights)
        if sum(s * w for s, w in zip(scores, weights, strict=True)) % 100 == 50:
            found.append(scores)
    return found


def final_score_text(evaluator: Evaluator, scores: tuple[int, ...]) -> str:
    unit: dict[str, Value] = {
        "entity_type": "individual",
        "average_hcc_risk_score": Fraction(0),
        "dual_eligible_ratio": Fraction(0),
    }
    for category, score in zip(CATEGORIES, scores, strict=True):
        unit[f"{category}_given"] = True
        unit[f"given_{category}_score"] = Fraction(score, 10_000)
    case = make_case(evaluator, unit)
    evaluation = evaluator.evaluate(case, ["final_score"])
    value = evaluation.value("final_score")
    assert isinstance(value, Fraction)
    rule = evaluator.rules["final_score"]
    return number_text(value, rule, rule.type, evaluator)  # type: ignore[union-attr, arg-type]


@pytest.mark.parametrize("policy", POLICIES)
def test_ties_are_rounded_up(policy: str) -> None:
    evaluator, weights = evaluator_of(policy), WEIGHTS[policy]
    for scores in tied_scores(weights, 1_000, seed=2020):
        total = sum(s * w for s, w in zip(scores, weights, strict=True))
        hundredths = (total + 50) // 100
        expected = f"{hundredths // 100}.{hundredths % 100:02d}"
        assert final_score_text(evaluator, scores) == expected, scores


def test_a_tie_goes_through_to_the_json() -> None:
    # 83.34 % x 45 = 37.503; 70 % x 15 = 10.5; 100 % x 15 = 15; 90.048 % x 25 = 22.512: together
    # 85.515 exactly, which half up is 85.52.
    evaluator = evaluator_of("2020-final")
    unit: dict[str, Value] = {
        "entity_type": "individual",
        "average_hcc_risk_score": Fraction(0),
        "dual_eligible_ratio": Fraction(0),
    }
    shares = {"quality": "83.34", "cost": "70", "ia": "100", "pi": "90.048"}
    for category, percent in shares.items():
        unit[f"{category}_given"] = True
        unit[f"given_{category}_score"] = Fraction(percent) / 100
    case = make_case(evaluator, unit)
    data = ScoreObject(evaluator, evaluator.evaluate(case, unit_rules(evaluator.program))).data()
    decoded = msgspec.json.decode(msgspec.json.encode(data))
    assert decoded["final_score"] == "85.52"
