"""Any clinicians at all: what is summed up in SQL is what is found one by one."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import duckdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finalrule.report.model import REGIONS
from finalrule.report.summary import summarize
from report.conftest import MANIFEST, Row, clinician, fill

UNIT = ("mips_eligible", "opted_in", "opt_in_eligible", "voluntary", "low_volume", None)
MAYBE = st.sampled_from([True, False, None])
SCORES = st.one_of(
    st.none(), st.sampled_from([Decimal(one) for one in ("0", "11.25", "45", "80", "95", "100")]),
    st.decimals(0, 100, places=2),
)  # fmt: skip


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    def cents(most: int) -> str:
        return str(Decimal(draw(st.integers(0, most))) / 100)

    applies = draw(MAYBE)
    score = draw(SCORES) if applies else None
    return clinician(
        draw(st.sampled_from([1, 15, 16, 24, 25, 99, 100, 5000])),
        draw(st.sampled_from((*UNIT, "eligible_through_group", "qp"))),
        draw(st.none() | st.just("0.00") | st.just("99999999.99") | st.just(cents(10**7))),
        participation=draw(st.sampled_from(["eligible", "eligible", "eligible", "qp", None])),
        data=draw(MAYBE), reports=draw(MAYBE), group=draw(st.sampled_from(UNIT)),
        group_applies=draw(MAYBE), applies=applies,
        used=draw(st.sampled_from(["individual", "group", "virtual_group", "apm_entity"]))
        if applies else None,
        score=None if score is None else str(score),
        factor=draw(st.sampled_from(["", "-"])) + cents(900),
        additional=cents(1000), increase=cents(10**9), reduction=cents(10**9),
        payment=cents(10**9),
    )  # fmt: skip


def any_of(*values: bool | None) -> bool | None:
    return True if True in values else None if None in values else False


def all_of(*values: bool | None) -> bool | None:
    return False if False in values else None if None in values else True


def same(value: str | None, *wanted: str) -> bool | None:
    return None if value is None else value in wanted


def by_entity(row: Row) -> bool | None:
    if row["adjustment_applies"] is None:
        return None
    return row["score_used"] in ("virtual_group", "apm_entity")


def by_group(row: Row) -> bool | None:
    return all_of(bool(row["reports_as_group"]), row["group_adjustment_applies"])


def submitting(row: Row) -> bool | None:
    return any_of(row["any_data_submitted"], by_group(row), by_entity(row))


def table_row(row: Row) -> str:
    """The row of Table 113: each question is asked only where those before it are answered no."""
    status, group = row["eligibility_status"], row["group_eligibility_status"]
    participation = row["clinician_participation"]
    if participation is None or (participation == "eligible" and status is None):
        return "undetermined"
    if participation != "eligible":
        return "excluded"
    if status == "mips_eligible":
        said = {True: "required_participating", False: "required_not_participating"}
        found = submitting(row)
        return "undetermined" if found is None else said[found]
    questions = (
        ("group_eligible", any_of(
            by_entity(row), all_of(by_group(row), same(group, "mips_eligible")))),
        ("opted_in", any_of(
            status == "opted_in", all_of(by_group(row), same(group, "opted_in")))),
        ("potentially_eligible", any_of(
            same(status, "opt_in_eligible", "voluntary", "eligible_through_group"),
            same(group, "mips_eligible", "opted_in", "opt_in_eligible", "voluntary"))),
    )  # fmt: skip
    for name, answer in questions:
        if answer is not False:
            return name if answer else "undetermined"
    return "below_low_volume"


def size_of(row: Row) -> str:
    size = row["practice_size"]
    return "1-15" if size < 16 else "16-24" if size < 25 else "25-99" if size < 100 else "100+"


def region_of(score: Decimal) -> str:
    if score >= 80:
        return REGIONS[4]
    if score > 45:
        return REGIONS[3]
    if score == 45:
        return REGIONS[2]
    return REGIONS[0] if score * 4 <= 45 else REGIONS[1]


def money(found: Sequence[Row], name: str) -> Decimal:
    return sum((row[name] for row in found if row[name] is not None), Decimal(0))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(found=st.lists(rows(), max_size=12))
def test_summed_up_and_one_by_one(found: list[Row]) -> None:
    with duckdb.connect() as connection:
        summary = summarize(connection, fill(connection, found), MANIFEST)
    assert {one.row: one.total.clinicians for one in summary.eligibility if one.total.clinicians} \
        == Counter(table_row(row) for row in found)  # fmt: skip
    for one in summary.eligibility:
        own = [row for row in found if table_row(row) == one.row]
        assert one.total.charges == money(own, "covered_charges")
        assert one.total.amount == money(own, "adjustment_amount")
    adjusted = [row for row in found if row["adjustment_applies"]]
    for size in summary.practice_sizes:
        own = [row for row in adjusted if size.size in (size_of(row), "all")
               and submitting(row) is size.submitting]  # fmt: skip
        assert size.total.clinicians == len(own)
        assert size.total.reductions == money(own, "reduction")
        regions = Counter(region_of(row["final_score"]) for row in own if row["final_score"]
                          is not None)  # fmt: skip
        assert {name: count for name, count in size.regions.items() if count} == regions
    scored = [row for row in adjusted if row["final_score"] is not None]
    for one in summary.scores:
        scores = [Fraction(row["final_score"]) for row in scored
                  if one.size in (size_of(row), "all")]  # fmt: skip
        assert one.clinicians == len(scores)
        assert one.mean == (statistics.mean(scores) if scores else None)
        assert one.median == (statistics.median(scores) if scores else None)
    assert {(one.step, one.region): one.clinicians for one in summary.bins} == Counter(
        (min(int(row["final_score"] // 5), 19), region_of(row["final_score"])) for row in scored
    )
    for one in summary.adjustments:
        own = [row for row in scored if region_of(row["final_score"]) == one.region]
        assert one.total.additional_payments == money(own, "additional_payment")
        assert one.greatest == max((row["total_adjustment"] for row in own), default=None)
    by_factors = {one.what: one.by_factors for one in summary.rounding}
    charged = [row for row in scored if row["covered_charges"] is not None]
    for name, sign in (("reductions", -1), ("increases", 1)):
        assert (
            by_factors[name]
            == sum(
                Fraction(row["covered_charges"]) * max(sign * Fraction(row["adjustment_factor"]), 0)
                for row in charged
            )
            / 100
        )
    assert by_factors["all_together"] == sum(
        Fraction(row["covered_charges"]) * Fraction(row["total_adjustment"]) / 100
        for row in charged
    )
