"""The payment adjustment as a curve over the final score: 42 CFR 414.1405(b), (d)(1)."""

from __future__ import annotations

from fractions import Fraction

from finalrule.report.model import Summary

# A final score, and a total adjustment in percent.
Point = tuple[Fraction, Fraction]


def curve(summary: Summary) -> list[list[Point]]:
    """The pieces of the total adjustment, each from its first point to its last. Those are left out
    for which a figure or a factor is not there."""
    figures, budget = summary.figures, summary.budget
    applicable, factor = figures.get("applicable_percent"), budget.scaling_factor
    threshold, hundred = figures["performance_threshold"], Fraction(100)
    if applicable is None or factor is None or threshold >= hundred:
        return []
    greatest = applicable * 100
    pieces = [
        [(Fraction(0), -greatest), (threshold / 4, -greatest)],
        [(threshold / 4, -greatest * 3 / 4), (threshold, Fraction(0))],
    ]

    def increase(score: Fraction) -> Fraction:
        return greatest * factor * (score - threshold) / (hundred - threshold)

    begins = figures.get("additional_performance_threshold")
    at, top = figures.get("additional_factor.at_threshold"), figures.get("additional_factor.at_100")
    scaling = budget.additional_scaling_factor
    if begins is None:
        return [*pieces, [(threshold, Fraction(0)), (hundred, increase(hundred))]]
    pieces.append([(threshold, Fraction(0)), (begins, increase(begins))])
    if at is None or top is None or scaling is None:
        return pieces
    return [
        *pieces,
        [(begins, increase(begins) + at * 100 * scaling),
         (hundred, increase(hundred) + top * 100 * scaling)],
    ]  # fmt: skip
