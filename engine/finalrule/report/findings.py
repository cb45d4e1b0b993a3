"""What an analyst would say of a run first, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from finalrule.report import cells
from finalrule.report.model import NEGATIVE, Summary


def findings(summary: Summary) -> list[str]:
    """The run in a few sentences, each with its numbers."""
    return [*_who(summary), *_budget(summary), *_additional(summary), *_open(summary)]


def _who(summary: Summary) -> Iterator[str]:
    every, adjusted = summary.all.clinicians, summary.adjusted.clinicians
    if not adjusted:
        yield f"A payment adjustment applies to none of {every:,} clinicians."
        return
    regions = {one.region: one.total.clinicians for one in summary.adjustments}
    negative = sum(regions[one] for one in NEGATIVE)
    exceptional = regions["exceptional"]
    positive = regions["above_threshold"] + exceptional
    overall = next(one for one in summary.scores if one.size == "all")
    yield (
        f"A payment adjustment applies to {adjusted:,} of {every:,} clinicians "
        f"({_share(adjusted, every)}). Their mean final score is "
        f"{cells.points(overall.mean).shown} points, their median "
        f"{cells.points(overall.median).shown}."
    )
    yield (
        f"{_share(negative, adjusted)} of them get a negative adjustment, "
        f"{_share(regions['at_threshold'], adjusted)} a neutral one, "
        f"{_share(positive, adjusted)} a positive one; {_share(exceptional, adjusted)} are "
        "exceptional. Adjustments range from "
        f"{cells.percent(summary.least()).shown} to {cells.percent(summary.greatest()).shown}."
    )


def _budget(summary: Summary) -> Iterator[str]:
    one = summary.budget
    if one.reductions is None or one.increases is None or one.scaling_factor is None:
        yield "Whether increases equal reductions is undetermined."
        return
    factor = cells.factor(one.scaling_factor).shown
    left = one.reductions - one.increases
    sums = (
        f"increases are {_money(one.increases)}, reductions {_money(one.reductions)}: "
        + ("they are equal, on unrounded factors." if not left
           else f"{_money(abs(left))} {'more' if left < 0 else 'less'} is paid than is taken.")
    )  # fmt: skip
    match one.scaling_factor_winner:
        case "limit":
            yield f"The scaling factor is {factor}: its limit binds. With it, {sums}"
        case "assumed":
            yield (
                f"The scaling factor is {factor}: it is assumed, not found from these clinicians. "
                f"With it, {sums}"
            )
        case _:
            limit = summary.figures.get("scaling_factor_limit")
            below = (
                "" if limit is None else f": its limit of {cells.factor(limit).shown} does not bind"
            )
            yield f"The scaling factor is {factor}{below}. With it, {sums}"


def _additional(summary: Summary) -> Iterator[str]:
    one = summary.budget
    if "additional_performance_threshold" not in summary.figures:
        return
    if one.additional_payments is None or one.additional_scaling_factor is None:
        yield "Additional payments for exceptional performance are undetermined."
        return
    factor = cells.factor(one.additional_scaling_factor).shown
    paid = f"additional payments for exceptional performance are {_money(one.additional_payments)}"
    match one.additional_scaling_factor_winner:
        case "limit":
            funds = summary.figures.get("additional_factor.funds")
            of = "" if funds is None else f" of at most {_money(funds)}"
            yield f"With an additional scaling factor of {factor}, its limit, {paid}{of}."
        case "assumed":
            yield f"With an assumed additional scaling factor of {factor}, {paid}."
        case _:
            yield f"With an additional scaling factor of {factor}, {paid}: all of the funds."


def _open(summary: Summary) -> Iterator[str]:
    if summary.contradictions:
        yield (
            f"For {summary.contradictions:,} clinicians eligibility and whether an adjustment "
            "applies contradict each other."
        )
    undecided = summary.undetermined["adjustment_applies"]
    without = summary.undetermined["adjustment_amount"]
    if undecided:
        yield (
            "Clinicians of whom it is undetermined whether an adjustment applies: "
            f"{undecided:,}. No sum has them."
        )
    if without:
        yield (
            f"Clinicians to whom one applies, of an undetermined amount: {without:,}. No sum of "
            "amounts has them."
        )
    rejected = sum(sum(reasons.values()) for reasons in summary.rejected.values())
    if rejected:
        yield f"Rows of the facts that were rejected: {rejected:,}. No outcome rests on them."


def _share(part: int, of: int) -> str:
    return cells.share(Fraction(part, of)).shown


def _money(value: Fraction) -> str:
    """Dollars, in millions where there are any."""
    if abs(value) < 1_000_000:
        return cells.usd(value).shown
    return f"${cells.millions(value).shown} million"
