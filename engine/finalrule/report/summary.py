"""A run's clinicians in figures: what the tables and charts of the report show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any

import duckdb
import msgspec

from finalrule.cache import decode_hook
from finalrule.diagnostics import Failure
from finalrule.report import scan
from finalrule.report.model import (
    REGIONS,
    Adjustment,
    Bin,
    Budget,
    Counted,
    Eligibility,
    Participants,
    PracticeSize,
    Published,
    Rounded,
    Scores,
    Summary,
)
from finalrule.report.scan import STEP, Cell, Scored, added
from finalrule.synth.figures import SIZES, Table, published
from finalrule.synth.figures import Published as Figures
from finalrule.values import Unit, parse_number

MILLION = 1_000_000

# The figures that a run's manifest states. Without the first there is nothing to tell apart.
_UNITS: dict[str, Unit] = {
    "performance_threshold": "points", "additional_performance_threshold": "points",
    "applicable_percent": "percent", "scaling_factor_limit": "ratio",
    "additional_factor.at_threshold": "percent", "additional_factor.at_100": "percent",
    "additional_factor.funds": "usd", "additional_factor.scaling_limit": "ratio",
}  # fmt: skip


class _Outcome(msgspec.Struct):
    exact: Fraction | None
    winner: str | None


class _Manifest(msgspec.Struct):
    """What a report takes of a run's manifest."""

    policy: str
    title: str
    policy_digest: str
    engine_version: str
    performance_year: int
    payment_year: int
    settings: tuple[str, ...]
    facts_digest: str
    rows: dict[str, int]
    rejected: dict[str, dict[str, int]]
    figures: dict[str, str]
    program: dict[str, _Outcome]


def summarize(
    connection: duckdb.DuckDBPyConnection, clinicians: str, manifest: Mapping[str, Any],
    *, grouped: bool = False,
) -> Summary:  # fmt: skip
    """The figures of a run. `clinicians` is a relation with scan.COLUMNS, one row a TIN/NPI, or
    one for those who are alike where they are `grouped`, as scan.alike has it;
    `manifest` is what a run writes. Raises msgspec's and DuckDB's errors where they are others."""
    stated = msgspec.convert(manifest, _Manifest, dec_hook=decode_hook)
    figures = _figures(stated.figures)
    threshold = figures["performance_threshold"]
    additional = figures.get("additional_performance_threshold")
    with scan.exactly(), scan.alike(connection, clinicians, grouped) as alike:
        cells = scan.cells(connection, alike, threshold, additional)
        factors = scan.factors(connection, alike)
        scored = scan.scores(connection, alike)
        applies = [cell for cell in cells if cell.applies]
        everybody = added(cell.total for cell in cells)
        figures_of_year = _published(stated.performance_year)
        source = None
        if figures_of_year is not None:
            scale = Fraction(everybody.clinicians, figures_of_year.clinicians())
            source = Published(figures_of_year.policy, scale, dict(figures_of_year.cites))
        budget = _budget(stated.program)
        return Summary(
            policy=stated.policy, title=stated.title, policy_digest=stated.policy_digest,
            engine_version=stated.engine_version, facts_digest=stated.facts_digest,
            performance_year=stated.performance_year, payment_year=stated.payment_year,
            settings=stated.settings, figures=figures, rows=stated.rows, rejected=stated.rejected,
            published=source, all=everybody, adjusted=added(cell.total for cell in applies),
            eligibility=_eligibility(cells, source, figures_of_year),
            eligibility_status=_counted(cells, lambda cell: cell.eligibility_status or ""),
            exclusions=_counted(
                [cell for cell in cells if cell.row == "excluded"],
                lambda cell: cell.participation or "",
            ),
            practice_sizes=_practice_sizes(applies, source, figures_of_year),
            scores=tuple(_scores(size, scored) for size in (*SIZES, None)),
            bins=_bins(applies, threshold, additional),
            adjustments=tuple(_adjustment(region, applies) for region in REGIONS),
            score_used=_counted(cells, _score_used),
            budget=budget, rounding=_rounding(budget, factors, applies),
            published_program=_program(source, figures_of_year),
            participants=_participants(stated.program, source, figures_of_year),
            undetermined=_undetermined(cells), contradictions=_contradictions(cells),
        )  # fmt: skip


def _figures(stated: Mapping[str, str]) -> dict[str, Fraction]:
    found = {
        name: number
        for name, unit in _UNITS.items()
        if name in stated and (number := parse_number(stated[name], unit)) is not None
    }
    if "performance_threshold" not in found:
        raise msgspec.ValidationError("the manifest states no performance threshold")
    return found


@lru_cache(maxsize=8)
def _published(performance_year: int) -> Figures | None:
    try:
        return published(performance_year)
    except Failure as failure:
        if failure.diagnostics[0].code != "no-population":
            raise
        return None


def _eligibility(
    cells: Sequence[Cell], source: Published | None, figures: Figures | None
) -> tuple[Eligibility, ...]:
    found = []
    for row in (*scan.ROWS, None):
        total = added(cell.total for cell in cells if cell.row == row)
        stated = figures.tables["eligibility"].get(row or "") if figures else None
        if source is None or stated is None:
            found.append(Eligibility(row or "undetermined", total))
        else:
            charges = stated["allowed_charges"] * MILLION * source.scale
            clinicians = stated["clinicians"] * source.scale
            found.append(Eligibility(row or "undetermined", total, clinicians, charges))
    return tuple(found)


def _practice_sizes(
    applies: Sequence[Cell], source: Published | None, figures: Figures | None
) -> tuple[PracticeSize, ...]:
    found = []
    for submitting, table in ((True, "submitting"), (False, "not_submitting")):
        group = [cell for cell in applies if cell.submitting is submitting]
        for size in (*SIZES, "all"):
            of_size = [cell for cell in group if size in (cell.size, "all")]
            stated = {}
            if source is not None and figures is not None:
                stated = _stated(figures.tables[table], size)
                stated["clinicians"] *= source.scale
            found.append(
                PracticeSize(
                    size, submitting, added(cell.total for cell in of_size),
                    {region: _clinicians(of_size, region) for region in REGIONS}, stated,
                )
            )  # fmt: skip
    return tuple(found)


def _stated(table: Table, size: str) -> dict[str, Fraction]:
    """The published row of a size; where there is none of all sizes, their clinicians."""
    if size in table:
        return dict(table[size])
    return {"clinicians": sum((row["clinicians"] for row in table.values()), Fraction(0))}


def _clinicians(cells: Sequence[Cell], region: str) -> int:
    return sum(cell.total.clinicians for cell in cells if cell.region == region)


def _counted(cells: Sequence[Cell], outcome: Callable[[Cell], str]) -> tuple[Counted, ...]:
    """By outcome, the most frequent first."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(outcome(cell), []).append(cell)
    found = [Counted(name, added(cell.total for cell in of)) for name, of in groups.items()]
    return tuple(sorted(found, key=lambda one: (-one.total.clinicians, one.outcome)))


def _score_used(cell: Cell) -> str:
    if cell.applies is None:
        return ""
    return cell.score_used or "" if cell.applies else "none"


def _scores(size: str | None, scored: Sequence[Scored]) -> Scores:
    for one in scored:
        if one.size == size:
            # The middle one, or between the two middle ones.
            median = (Fraction(one.middle[0]) + Fraction(one.middle[1])) / 2
            mean = Fraction(one.sum) / one.clinicians
            return Scores(size or "all", one.clinicians, mean, median, one.least, one.greatest)
    return Scores(size or "all", 0, None, None, None, None)


def _bins(
    applies: Sequence[Cell], threshold: Fraction, additional: Fraction | None
) -> tuple[Bin, ...]:
    """Steps of five points (the last with 100), cut where a region ends."""
    top = Fraction(100) if additional is None else additional
    ends = dict(
        zip(
            REGIONS,
            ((Fraction(0), threshold / 4), (threshold / 4, threshold), (threshold, threshold),
             (threshold, top), (top, Fraction(100))),
            strict=True,
        )
    )  # fmt: skip
    groups: dict[tuple[int, int], list[Cell]] = {}
    for cell in applies:
        if cell.step is not None and cell.region is not None:
            groups.setdefault((cell.step, REGIONS.index(cell.region)), []).append(cell)
    found = []
    for (step, place), own in sorted(groups.items()):
        low, high = ends[REGIONS[place]]
        count = sum(cell.total.clinicians for cell in own)
        scores = sum((cell.scores or Decimal(0) for cell in own), Decimal(0))
        adjustments = sum((cell.adjustments or Decimal(0) for cell in own), Decimal(0))
        found.append(
            Bin(
                step, REGIONS[place], max(low, Fraction(step * STEP)),
                min(high, Fraction((step + 1) * STEP)), count, Fraction(scores) / count,
                Fraction(adjustments) / count,
            )
        )  # fmt: skip
    return tuple(found)


def _adjustment(region: str, applies: Sequence[Cell]) -> Adjustment:
    own = [cell for cell in applies if cell.region == region]
    least = [cell.least for cell in own if cell.least is not None]
    greatest = [cell.greatest for cell in own if cell.greatest is not None]
    return Adjustment(
        region, added(cell.total for cell in own), min(least, default=None),
        max(greatest, default=None),
    )  # fmt: skip


def _budget(program: Mapping[str, _Outcome]) -> Budget:
    def exact(rule: str) -> Fraction | None:
        return program[rule].exact if rule in program else None

    def winner(rule: str) -> str | None:
        return program[rule].winner if rule in program else None

    return Budget(
        exact("total_reductions"), exact("total_unscaled_increases"), exact("total_increases"),
        exact("total_unscaled_additional_payments"), exact("total_additional_payments"),
        exact("scaling_factor"), winner("scaling_factor"), exact("additional_scaling_factor"),
        winner("additional_scaling_factor"),
    )  # fmt: skip


def _rounding(
    budget: Budget, factors: Sequence[scan.Factors], applies: Sequence[Cell]
) -> tuple[Rounded, ...]:
    """Sums on unrounded factors beside those on printed ones, of which a percent is a hundredth."""
    zero = Decimal(0)
    amounts = added(cell.total for cell in applies)
    reductions = sum((-one.charges * min(one.adjustment, zero) for one in factors), zero)
    increases = sum((one.charges * max(one.adjustment, zero) for one in factors), zero)
    payments = sum((one.charges * one.additional for one in factors), zero)
    together = sum((one.charges * one.total for one in factors), zero)
    exact = (budget.increases, budget.additional_payments, budget.reductions)
    net = None
    if exact[0] is not None and exact[1] is not None and exact[2] is not None:
        net = exact[0] + exact[1] - exact[2]
    return tuple(
        Rounded(what, sum_, Fraction(by_factors) / 100, by_amounts)
        for what, sum_, by_factors, by_amounts in (
            ("increases", exact[0], increases, amounts.increases),
            ("reductions", exact[2], reductions, amounts.reductions),
            ("additional_payments", exact[1], payments, amounts.additional_payments),
            ("all_together", net, together, amounts.amount),
        )
    )


def _program(source: Published | None, figures: Figures | None) -> dict[str, Fraction]:
    """What is published of the whole program: `redistributed` in dollars, scaled, and the
    `greatest_adjustment` as a share."""
    if source is None or figures is None or "redistributed" not in figures.tables:
        return {}
    (row,) = figures.tables["redistributed"].values()
    return {
        "redistributed": row["millions"] * MILLION * source.scale,
        "greatest_adjustment": row["greatest_adjustment"],
    }


def _participants(
    program: Mapping[str, _Outcome], source: Published | None, figures: Figures | None
) -> Participants | None:
    if "qualifying_participants" not in program:
        return None
    stated = {}
    if source is not None and figures is not None:
        (row,) = figures.tables.get("qualifying_participants", {"": {}}).values()
        for name, value in row.items():
            dollars = MILLION if name.endswith("_millions") else 1
            stated[name.replace("_millions", "_payments")] = value * dollars * source.scale
    return Participants(
        program["qualifying_participants"].exact, program["partial_qualifying_participants"].exact,
        program["total_incentive_payments"].exact, stated,
    )  # fmt: skip


def _undetermined(cells: Sequence[Cell]) -> dict[str, int]:
    def count(chosen: Callable[[Cell], bool]) -> int:
        return sum(cell.total.clinicians for cell in cells if chosen(cell))

    return {
        "row": count(lambda cell: cell.row is None),
        "eligibility_status": count(lambda cell: cell.eligibility_status is None),
        "adjustment_applies": count(lambda cell: cell.applies is None),
        "submitting": count(lambda cell: bool(cell.applies) and cell.submitting is None),
        "final_score": count(lambda cell: bool(cell.applies) and cell.region is None),
        "covered_charges": sum(cell.without_charges for cell in cells),
        "adjustment_amount": sum(cell.without_amount for cell in cells),
    }


def _contradictions(cells: Sequence[Cell]) -> int:
    return sum(
        cell.total.clinicians
        for cell in cells
        if cell.row is not None and cell.applies is not None
        and (cell.row in scan.ELIGIBLE) is not cell.applies
    )  # fmt: skip
