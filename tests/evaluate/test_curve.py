"""Curves: lines between points, with ends that belong to one piece and jumps where declared."""

from __future__ import annotations

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate.conftest import evaluator_of, make_case
from evaluate.small import CITE, needs, small
from finalrule.core import ir
from finalrule.core.expressions import Unknown
from finalrule.diagnostics import Failure
from finalrule.evaluate.kinds import prepare_rule
from finalrule.facts.case import Given

RULES = """entity unit
fact unit.score: points[0..100] may be unknown
fact unit.scaling: ratio[0..3] may be unknown
parameter threshold: points[0..100]
parameter applicable: percent[0..100]
curve factor for unit: percent[-100..300]
  cites "42 CFR 414.1405(b)"
  of score
  let t = params.threshold
  let a = params.applicable
  piece lowest_quarter: from 0 points through t / 4: flat at -a
  piece below: above t / 4 up_to t: line (0 points, -a) to (t, 0%)
  piece above_it: from t through 100 points: line (t, 0%) to (100 points, a * scaling)
  check never decreasing
  jump at t / 4 because "scores in the lowest quarter get the full negative percent"
curve falling for unit: points[0..10]
  cites "42 CFR 414.1405(b)"
  of score
  piece up: from 0 points up_to 50 points: line (0 points, 10 points) to (50 points, 5 points)
  piece middle: from 50 points through 50 points: flat at 5 points
  piece down: above 50 points through 100 points: flat at 1 point
  check never increasing
  jump at 50 points because "beyond the middle nothing but one point is left"
"""
YEAR = f"""parameters:
  threshold: {{value: 45 points, unit: points, {CITE}}}
  applicable: {{value: 9%, unit: percent, {CITE}}}
"""


@pytest.mark.parametrize(
    ("score", "piece", "percent"),
    [
        (0, "lowest_quarter", "-9"),
        ("#11.25", "lowest_quarter", "-9"),  # a quarter of 45, included
        # just above: -9 + 9 x 11.26/45 = -6.748
        ("#11.26", "below", "-6.748"),
        ("#22.5", "below", "-4.5"),
        ("#44.99", "below", "-0.002"),
        (45, "above_it", "0"),  # the threshold itself is not below
        # 9 x 0.2 x 27.5/55 = 0.9
        ("#72.5", "above_it", "0.9"),
        (100, "above_it", "1.8"),
    ],
)
def test_the_payment_adjustment(score: object, piece: str, percent: str) -> None:
    decision = small(RULES, YEAR).decision("factor", score=score, scaling="#0.2")
    assert (decision.winner, decision.values[""]) == (piece, Fraction(percent) / 100)


@pytest.mark.parametrize(
    ("score", "piece", "points"),
    [
        (0, "up", "10"), (25, "up", "7.5"), ("#49.999", "up", "5.0001"), (50, "middle", "5"),
        ("#50.001", "down", "1"), (100, "down", "1"),
    ],
)  # fmt: skip
def test_ends(score: object, piece: str, points: str) -> None:
    decision = small(RULES, YEAR).decision("falling", score=score)
    assert (decision.winner, decision.values[""]) == (piece, Fraction(points))


def test_what_is_unknown() -> None:
    program = small(RULES, YEAR)
    assert needs(program.value("factor", scaling=1)) == {"unit.score"}
    # The scaling factor is read above the threshold only.
    assert program.value("factor", score=10) == Fraction(-9, 100)
    assert program.value("factor", score=30) == Fraction(-3, 100)
    assert needs(program.value("factor", score=60)) == {"unit.scaling"}
    decision = program.decision("factor", score=60)
    assert decision.winner == ""


def test_a_hole_is_an_error() -> None:
    """The compiler finds it; so does the evaluator, and says where."""
    program = small(RULES, YEAR)
    curve = program.evaluator.rules["falling"]
    assert isinstance(curve, ir.Curve)
    kept = tuple(piece for piece in curve.pieces if piece.name != "middle")
    broken = msgspec.structs.replace(curve, pieces=kept)
    decide = prepare_rule(broken, program.evaluator.context)
    with pytest.raises(Failure) as raised:
        decide(program.evaluate(score=50).root)
    (found,) = raised.value.diagnostics
    assert (found.code, found.message) == ("curve-gap", "no piece of `falling` holds at 50")


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["2019-final", "2020-proposed", "2020-final"]), st.integers(0, 10_000))
def test_the_real_curve_is_the_regulation_s(policy: str, hundredths: int) -> None:
    """42 CFR 414.1405(b) in plain arithmetic: the full negative percent in the lowest quarter, a
    line from it at a score of zero to zero at the threshold, a line to the scaled positive percent
    at 100."""
    evaluator = evaluator_of(policy)
    figures = {p.name: p.value for p in evaluator.program.parameters}
    first, second = figures["performance_threshold"], figures["applicable_percent"]
    assert isinstance(first, ir.Num) and isinstance(second, ir.Num)
    threshold, applicable = first.value, second.value
    score, scaling = Fraction(hundredths, 100), Fraction(3, 10)
    if score <= threshold / 4:
        expected = -applicable
    elif score < threshold:
        expected = -applicable * (threshold - score) / threshold
    else:
        expected = applicable * scaling * (score - threshold) / (100 - threshold)
    case = make_case(evaluator, {"entity_type": "individual"})
    case.root.facts["assumed_scaling_factor"] = Given(scaling, "test")
    found = evaluator.evaluate(case, ["adjustment_factor"], {("final_score", ()): {"": score}})
    value = found.value("adjustment_factor")
    assert not isinstance(value, Unknown)
    assert value == expected
