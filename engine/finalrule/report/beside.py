"""Two runs over the same clinicians beside each other: what a what-if changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

from finalrule.report import cells, words
from finalrule.report.cells import Cell, Row, text
from finalrule.report.model import REGIONS, Scores, Summary
from finalrule.report.tables import FIGURES

Shown = Callable[[Fraction | None], Cell]


def beside(before: Summary, after: Summary) -> list[Row]:
    """A row for each figure of the policy that is another one, and for each that sums up the
    program: its title, what it was, what it is, and the difference where there is one."""
    figures = [
        (title, shown, before.figures[name], after.figures.get(name))
        for name, (title, shown) in FIGURES.items()
        if name in before.figures and before.figures[name] != after.figures.get(name)
    ]
    lines = zip(_program(before), _program(after), strict=True)
    rows = [*figures, *((title, shown, was, now) for (title, shown, was), (_, _, now) in lines)]
    return [
        Row((text(title), shown(was), shown(now), _difference(shown, was, now)))
        for title, shown, was, now in rows
    ]


def _difference(shown: Shown, was: Fraction | None, now: Fraction | None) -> Cell:
    if was is None or now is None or was == now:
        return cells.nothing("")
    found = shown(abs(now - was))
    about = "~" if found.shown.startswith("~") else ""
    sign = "+" if now > was else cells.MINUS
    return Cell(f"{about}{sign}{found.shown.removeprefix('~')}", shown(now - was).plain)


def _program(summary: Summary) -> Iterator[tuple[str, Shown, Fraction | None]]:
    """What sums up a program: title, how it is shown, value."""
    budget, overall = summary.budget, _overall(summary.scores)
    yield (
        "Clinicians to whom an adjustment applies",
        _count,
        Fraction(summary.adjusted.clinicians),
    )
    by_region = {one.region: one.total.clinicians for one in summary.adjustments}
    for region in REGIONS:
        yield f"  {words.REGIONS[region]}", _count, Fraction(by_region[region])
    undetermined = Fraction(summary.undetermined["final_score"])
    yield "  Final score undetermined", _count, undetermined
    yield "Final score, mean (points)", cells.points, overall.mean
    yield "Final score, median (points)", cells.points, overall.median
    yield "Reductions", cells.usd, budget.reductions
    yield "Increases", cells.usd, budget.increases
    yield "Additional payments", cells.usd, budget.additional_payments
    yield "Scaling factor", cells.factor, budget.scaling_factor
    yield "Scaling factor of the additional factor", cells.factor, budget.additional_scaling_factor
    for title, value in (
        ("Least adjustment", summary.least()), ("Greatest adjustment", summary.greatest())
    ):  # fmt: skip
        yield title, cells.percent, None if value is None else Fraction(value)
    if (apm := summary.participants) is not None:
        yield "Qualifying APM Participants", _count, apm.qps
        yield "Partial QPs", _count, apm.partial_qps
        yield "APM Incentive Payments", cells.usd, apm.payments


def _overall(scores: Sequence[Scores]) -> Scores:
    return next(one for one in scores if one.size == "all")


def _count(value: Fraction | None) -> Cell:
    return cells.nothing() if value is None else cells.count(value)
