"""One look at every clinician: counts and sums of those who are alike, from which come counts and
sums by what the tables of the report tell apart, by printed factors, and by final score. All later
figures are sums of these."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, localcontext
from fractions import Fraction

import duckdb

from finalrule.report.model import REGIONS, Total
from finalrule.synth.figures import SIZES
from finalrule.values import decimal_text

# The rows of the table of eligibility, as policies/population/ names them.
ELIGIBLE = ("required_participating", "required_not_participating", "group_eligible", "opted_in")
NOT_ELIGIBLE = ("potentially_eligible", "below_low_volume", "excluded")
ROWS = (*ELIGIBLE, *NOT_ELIGIBLE)
COLUMNS = (
    "tin", "npi", "practice_size", "eligibility_status", "clinician_participation",
    "any_data_submitted", "reports_as_group", "group_eligibility_status",
    "group_adjustment_applies", "score_used", "adjustment_applies", "final_score",
    "adjustment_factor", "additional_adjustment_factor", "total_adjustment", "covered_charges",
    "increase", "reduction", "additional_payment", "adjustment_amount",
)  # fmt: skip

# The last of a practice size's clinicians: those of 100+ have no last.
_LAST = tuple(int(size.split("-")[1]) for size in SIZES[:-1])
# A final score's step: 0 to 19, of five points each; 100 is in the last.
STEP = 5
_WHOLE = "CAST(floor(CAST(final_score AS DECIMAL(9, 6))) AS INTEGER)"
_STEP = f"least({_WHOLE} // {STEP}, {100 // STEP - 1})"
_SUMS = (
    "covered_charges", "increase", "reduction", "additional_payment", "adjustment_amount",
    "final_score", "total_adjustment",
)  # fmt: skip
_COUNTED = ("covered_charges", "adjustment_amount")
# What is the same for clinicians who are alike, beside the practice size's row.
_ALIKE = (
    "eligibility_status", "clinician_participation", "any_data_submitted", "reports_as_group",
    "group_eligibility_status", "group_adjustment_applies", "score_used", "adjustment_applies",
    "final_score", "adjustment_factor", "additional_adjustment_factor", "total_adjustment",
)  # fmt: skip
_TABLE = "clinicians_alike"


@dataclass(frozen=True, slots=True)
class Cell:
    """Clinicians who are alike in all that is told apart. None is undetermined; `score_used` is
    None where there is none, too. `without` counts those whose charges, or amounts, are unknown.
    `scores` and `adjustments` are the sums of final scores and of printed total adjustments."""

    row: str | None
    size: str | None
    submitting: bool | None
    applies: bool | None
    region: str | None
    step: int | None
    score_used: str | None
    eligibility_status: str | None
    participation: str | None
    without_charges: int
    without_amount: int
    total: Total
    scores: Decimal | None
    adjustments: Decimal | None
    least: Decimal | None
    greatest: Decimal | None


@dataclass(frozen=True, slots=True)
class Factors:
    """Charges of all who have the same printed factors (percent)."""

    adjustment: Decimal
    additional: Decimal
    total: Decimal
    charges: Decimal


@dataclass(frozen=True, slots=True)
class Scored:
    """Final scores of a practice size, or of all (None): how many, their sum, the least and the
    greatest, and the two in the middle, which are one where the number is odd."""

    size: str | None
    clinicians: int
    sum: Decimal
    least: Decimal
    greatest: Decimal
    middle: Sequence[Decimal]


@contextmanager
def exactly() -> Iterator[None]:
    """Decimals add and multiply without rounding, or raise."""
    with localcontext(Context(prec=60, traps=[Inexact])):
        yield


@contextmanager
def alike(connection: duckdb.DuckDBPyConnection, clinicians: str, grouped: bool) -> Iterator[str]:
    """The name of a table of all clinicians in a relation, with one row for those who are alike.
    Where these are `grouped`, the relation has one row for `n` of them, and what differs among them
    as `x_count` and `x_sum`."""
    if grouped:
        counts = ["n", *(f"{name}_count" for name in _COUNTED)]
        sums = [f"{name} * n" if name in _ALIKE else f"{name}_sum" for name in _SUMS]
    else:
        counts = ["count(*)", *(f"count({name})" for name in _COUNTED)]
        sums = [f"sum({name})" for name in _SUMS]
    named = zip(counts, ("n", "with_charges", "with_amount"), strict=True)
    listed = [f"{count} AS {name}" for count, name in named]
    listed += [f"{of} AS {name}_sum" for of, name in zip(sums, _SUMS, strict=True)]
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE {_TABLE} AS
        SELECT {_size()} AS size, {", ".join(_ALIKE)}, {", ".join(listed)}
        FROM {clinicians} {"" if grouped else "GROUP BY ALL"}"""
    )
    try:
        yield _TABLE
    finally:
        connection.execute(f"DROP TABLE {_TABLE}")


def cells(
    connection: duckdb.DuckDBPyConnection, alike: str, threshold: Fraction,
    additional: Fraction | None,
) -> list[Cell]:  # fmt: skip
    """Everybody, in cells. The thresholds say where a final score lies."""
    sums = ", ".join(f"sum({name}_sum)" for name in _SUMS)
    rows = connection.execute(
        f"""SELECT {_ROW}, size, submitting, adjustment_applies,
          {_region(threshold, additional)}, {_STEP}, score_used, eligibility_status,
          clinician_participation, sum(n - with_charges)::BIGINT,
          coalesce(sum(n - with_amount) FILTER (adjustment_applies), 0)::BIGINT, sum(n)::BIGINT,
          {sums}, min(total_adjustment), max(total_adjustment)
        FROM (SELECT *,
            coalesce(reports_as_group, false) AND group_adjustment_applies AS by_group,
            CASE WHEN NOT adjustment_applies THEN false WHEN adjustment_applies
              THEN coalesce(score_used IN ('virtual_group', 'apm_entity'), false) END AS by_entity,
            any_data_submitted OR by_group OR by_entity AS submitting,
            by_entity OR (by_group AND group_eligibility_status = 'mips_eligible')
              AS through_group,
            eligibility_status = 'opted_in'
              OR (by_group AND group_eligibility_status = 'opted_in') AS opted_in
          FROM {alike})
        GROUP BY ALL"""
    ).fetchall()
    return [
        Cell(
            _named(ROWS, row), _named(SIZES, size), submitting, applies, _named(REGIONS, region),
            step, score_used, status, participation, without_charges, without_amount,
            Total(count, *(one or Decimal(0) for one in summed)), of_scores, of_adjustments, least,
            greatest,
        )
        for row, size, submitting, applies, region, step, score_used, status, participation,
            without_charges, without_amount, count, *summed, of_scores, of_adjustments, least,
            greatest in rows
    ]  # fmt: skip


def factors(connection: duckdb.DuckDBPyConnection, alike: str) -> list[Factors]:
    """Charges by printed factors, of those to whom an adjustment applies."""
    rows = connection.execute(
        f"""SELECT adjustment_factor, additional_adjustment_factor, total_adjustment,
          sum(covered_charges_sum)
        FROM {alike}
        WHERE adjustment_applies AND total_adjustment IS NOT NULL AND with_charges > 0
        GROUP BY ALL"""
    ).fetchall()
    return [Factors(*row) for row in rows]


def scores(connection: duckdb.DuckDBPyConnection, alike: str) -> list[Scored]:
    """Final scores by practice size and of all, of those to whom an adjustment applies."""
    rows = connection.execute(
        f"""WITH by_score AS (
          SELECT size, final_score, sum(n) AS n, sum(final_score_sum) AS scores
          FROM {alike} WHERE adjustment_applies AND final_score IS NOT NULL GROUP BY ALL),
        counted AS (
          SELECT coalesce(size, -1) AS size, final_score, sum(n) AS n, sum(scores) AS scores
          FROM by_score GROUP BY GROUPING SETS ((size, final_score), (final_score))),
        placed AS (
          SELECT *, sum(n) OVER (PARTITION BY size ORDER BY final_score) AS through,
            sum(n) OVER (PARTITION BY size) AS every
          FROM counted)
        SELECT size, sum(n), sum(scores), min(final_score), max(final_score),
          min(final_score) FILTER (through > (every - 1) // 2),
          min(final_score) FILTER (through > every // 2)
        FROM placed GROUP BY size"""
    ).fetchall()
    return [
        Scored(None if size < 0 else SIZES[size], int(count), scores, least, greatest, middle)
        for size, count, scores, least, greatest, *middle in rows
    ]


def added(totals: Iterable[Total]) -> Total:
    """All of them together."""
    found = Total()
    for one in totals:
        found = Total(
            found.clinicians + one.clinicians, found.charges + one.charges,
            found.increases + one.increases, found.reductions + one.reductions,
            found.additional_payments + one.additional_payments, found.amount + one.amount,
        )  # fmt: skip
    return found


def _named(names: tuple[str, ...], place: int | None) -> str | None:
    return None if place is None else names[place]


def _size() -> str:
    whens = " ".join(
        f"WHEN practice_size <= {last} THEN {place}" for place, last in enumerate(_LAST)
    )
    return f"CASE WHEN practice_size IS NULL THEN NULL {whens} ELSE {len(_LAST)} END"


def _region(threshold: Fraction, additional: Fraction | None) -> str:
    """Where a final score lies, as a place in REGIONS."""
    quarter, at = decimal_text(threshold / 4), decimal_text(threshold)
    exceptional = (
        "" if additional is None else f"WHEN final_score >= {decimal_text(additional)} THEN 4"
    )
    return (
        f"CASE WHEN final_score IS NULL THEN NULL {exceptional} "
        f"WHEN final_score <= {quarter} THEN 0 WHEN final_score < {at} THEN 1 "
        f"WHEN final_score = {at} THEN 2 ELSE 3 END"
    )


# Table 113's rows from outcomes. Who is excluded is so whatever else holds. Who exceeds the
# threshold alone is in MIPS anyway; the others only through an eligible group that reports (or an
# entity that they are in), or by opting in, alone or as a group. Of the rest, who could have been
# in by either way is potentially eligible. What decides and is not known leaves it undetermined:
# every TIN is a practice with a unit of its own, so that no status of it is an unknown one.
_ROW = """CASE
  WHEN clinician_participation IS NULL THEN NULL
  WHEN clinician_participation <> 'eligible' THEN 6
  WHEN eligibility_status IS NULL THEN NULL
  WHEN eligibility_status = 'mips_eligible'
    THEN CASE WHEN submitting THEN 0 WHEN NOT submitting THEN 1 END
  WHEN through_group THEN 2
  WHEN through_group IS NULL THEN NULL
  WHEN opted_in THEN 3
  WHEN opted_in IS NULL THEN NULL
  WHEN eligibility_status IN ('opt_in_eligible', 'voluntary', 'eligible_through_group')
    OR group_eligibility_status IN ('mips_eligible', 'opted_in', 'opt_in_eligible', 'voluntary')
    THEN 4
  WHEN group_eligibility_status IS NOT NULL THEN 5
END"""
