"""The figures of sixteen clinicians, added up by hand (conftest.py)."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest

from finalrule.cache import decode_hook
from finalrule.report.model import Budget, Participants, Summary, Total, encode
from finalrule.report.tables import tables
from finalrule.synth.figures import SIZES
from report.conftest import MANIFEST, ROWS, Summarized, clinician, outcome


def test_rows_of_table_113(summarized: Summarized) -> None:
    """Required and taking part: c1 (10,000) and c5 (2,000). Not: c7. Through a group: c2 (5,000),
    c3 (4,000). Opted in: c4 (1,000), c6 (1,000). Potentially eligible: c8 (100), c9 (200), c16
    (400). Below: c10. Excluded: c11 (7,000), c12 (300). Not known: c13 (10), c14 (20), c15."""
    found = {one.row: (one.total.clinicians, one.total.charges) for one in summarized().eligibility}
    assert found == {
        "required_participating": (2, 12_000), "required_not_participating": (1, 600),
        "group_eligible": (2, 9_000), "opted_in": (2, 2_000), "potentially_eligible": (3, 700),
        "below_low_volume": (1, 50), "excluded": (2, 7_300), "undetermined": (3, 30),
    }  # fmt: skip


def test_everybody_is_in_one_row(summarized: Summarized) -> None:
    """12,000 + 600 + 9,000 + 2,000 + 700 + 50 + 7,300 + 30 = 31,680; c1 to c7 have 23,600."""
    summary = summarized()
    assert (summary.all.clinicians, summary.all.charges) == (16, 31_680)
    assert sum(one.total.clinicians for one in summary.eligibility) == 16
    assert (summary.adjusted.clinicians, summary.adjusted.charges) == (8, 23_600)
    assert summary.contradictions == 0


def test_sums_of_amounts(summarized: Summarized) -> None:
    """Increases 146.25 + 58.50 + 29.25 = 234; reductions 90 + 90 + 54 = 234; additional 495.50."""
    assert summarized().adjusted == Total(
        8, Decimal(23_600), Decimal(234), Decimal(234), Decimal("495.50"), Decimal("495.50")
    )


@pytest.mark.parametrize("applies", [True, False])
def test_a_row_that_contradicts_the_adjustment_is_counted(
    summarized: Summarized, applies: bool
) -> None:
    """An adjustment for who is below the threshold; none for who is required and took part."""
    status = "low_volume" if applies else "mips_eligible"
    rows = (*ROWS, clinician(1, status, "1", data=True, applies=applies))
    assert summarized(rows).contradictions == 1


def test_published_figures_are_scaled_to_the_run(summarized: Summarized) -> None:
    """Table 113 has 203,027 required and taking part of 1,484,160, with $48,306 million."""
    summary = summarized()
    assert summary.published is not None
    scale = Fraction(16, 1_484_160)
    assert (summary.published.scale, summary.published.policy) == (scale, "2020-proposed")
    row = summary.eligibility[0]
    assert row.published_clinicians == 203_027 * scale
    assert row.published_charges == 48_306_000_000 * scale
    assert summary.published_program["redistributed"] == 586_000_000 * scale


def test_no_published_figures_of_the_year(summarized: Summarized) -> None:
    summary = summarized(performance_year=2019, payment_year=2021, policy="2019-final")
    assert summary.published is None
    assert summary.published_program == {}
    assert {one.published_clinicians for one in summary.eligibility} == {None}
    assert {len(one.published) for one in summary.practice_sizes} == {0}


def test_practice_sizes(summarized: Summarized) -> None:
    """Submitting: c4 and c6 (1-15), c3 (16-24), c5 (25-99), c1 and c2 (100+). Not: c7. Of c15 it is
    not known. Impact of 100+: (146.25 + 400 + 58.50 + 95.50) / 15,000 = 700.25/15,000; of 1-15:
    -90/2,000; of all: (700.25 + 29.25 - 90 - 90) / (15,000 + 4,000 + 2,000 + 2,000)."""
    sizes = {(one.size, one.submitting): one for one in summarized().practice_sizes}
    assert [sizes[size, True].total.clinicians for size in (*SIZES, "all")] == [2, 1, 1, 2, 6]
    assert [sizes[size, False].total.clinicians for size in (*SIZES, "all")] == [1, 0, 0, 0, 1]
    assert sizes["100+", True].impact() == Fraction(70_025, 1_500_000)
    assert sizes["1-15", True].impact() == Fraction(-90, 2_000)
    assert sizes["all", True].impact() == Fraction(54_950, 2_300_000)
    assert sizes["16-24", False].impact() is None
    small = sizes["1-15", True]
    assert small.share("lowest_quarter", "below_threshold") == Fraction(1, 2)
    assert small.share("at_threshold", "above_threshold", "exceptional") == Fraction(1, 2)
    assert sizes["100+", True].share("exceptional") == 1
    assert sizes["16-24", False].share("exceptional") is None


@pytest.mark.parametrize(
    ("clinicians", "size"),
    [(1, "1-15"), (15, "1-15"), (16, "16-24"), (24, "16-24"), (25, "25-99"), (99, "25-99"),
     (100, "100+"), (2000, "100+")],
)  # fmt: skip
def test_ends_of_practice_sizes(summarized: Summarized, clinicians: int, size: str) -> None:
    row = clinician(clinicians, "mips_eligible", "1", data=True, used="individual", applies=True,
                    score="45")  # fmt: skip
    found = {one.size for one in summarized((row,)).practice_sizes if one.total.clinicians}
    assert found == {size, "all"}


@pytest.mark.parametrize(
    ("score", "region"),
    [("0", "lowest_quarter"), ("11.25", "lowest_quarter"), ("11.26", "below_threshold"),
     ("44.99", "below_threshold"), ("45", "at_threshold"), ("45.01", "above_threshold"),
     ("79.99", "above_threshold"), ("80", "exceptional"), ("100", "exceptional")],
)  # fmt: skip
def test_where_a_score_lies(summarized: Summarized, score: str, region: str) -> None:
    """42 CFR 414.1405(b)(2) has the quarter in the full negative adjustment, (d)(1) the additional
    threshold in the exceptional ones."""
    row = clinician(1, "mips_eligible", "1", data=True, applies=True, score=score)
    (found,) = summarized((row,)).bins
    assert found.region == region


def test_no_additional_threshold(summarized: Summarized) -> None:
    figures = {"performance_threshold": "45", "applicable_percent": "9"}
    summary = summarized(figures=figures)
    assert {one.region for one in summary.bins if one.step >= 16} == {"above_threshold"}
    assert "additional_factor.funds" not in summary.figures


def test_final_scores(summarized: Summarized) -> None:
    """Of all: 0, 11.25, 22.5, 45, 72.5, 89, 100: the fourth is the median, the sum 340.25. Of 100+:
    89 and 100, halfway 94.5. Of 1-15: 0, 11.25, 45; the sum is 56.25."""
    found = {one.size: one for one in summarized().scores}
    assert (found["all"].mean, found["all"].median) == (Fraction(34_025, 700), 45)
    assert (found["100+"].mean, found["100+"].median) == (Fraction(189, 2), Fraction(189, 2))
    assert (found["1-15"].mean, found["1-15"].median) == (Fraction(75, 4), Fraction(45, 4))
    assert (found["all"].least, found["all"].greatest) == (0, 100)
    assert [found[size].clinicians for size in (*SIZES, "all")] == [3, 1, 1, 2, 7]


def test_median_between_two_of_unequal_number(summarized: Summarized) -> None:
    """Three of 10 and three of 30 points: the third is 10, the fourth 30."""
    rows = tuple(
        clinician(1, "mips_eligible", "1", data=True, applies=True, score=score)
        for score in ("10", "30", "10", "30", "10", "30")
    )
    assert summarized(rows).scores[-1].median == 20


def test_steps_of_scores(summarized: Summarized) -> None:
    """100 is in the last step, 95 to 100; 11.25 is the end of the lowest quarter in 10 to 15; 45 is
    a step of its own. c1's mean adjustment is its own 5.46 %."""
    found = [(one.step, one.region, one.low, one.high, one.clinicians) for one in summarized().bins]
    assert found == [
        (0, "lowest_quarter", 0, 5, 1), (2, "lowest_quarter", 10, Fraction(45, 4), 1),
        (4, "below_threshold", 20, 25, 1), (9, "at_threshold", 45, 45, 1),
        (14, "above_threshold", 70, 75, 1), (17, "exceptional", 85, 90, 1),
        (19, "exceptional", 95, 100, 1),
    ]  # fmt: skip
    last = summarized().bins[-1]
    assert (last.mean_score, last.mean_adjustment) == (100, Fraction(546, 100))


def test_adjustments(summarized: Summarized) -> None:
    found = {one.region: one for one in summarized().adjustments}
    assert [one.total.clinicians for one in found.values()] == [2, 1, 1, 1, 2]
    assert found["lowest_quarter"].total.reductions == 144
    assert (found["exceptional"].least, found["exceptional"].greatest) == (
        Decimal("3.08"), Decimal("5.46"),
    )  # fmt: skip
    summary = summarized()
    assert (summary.least(), summary.greatest()) == (Decimal("-9.00"), Decimal("5.46"))


def test_scores_that_are_used(summarized: Summarized) -> None:
    """c13 and c14: not known whether an adjustment applies."""
    found = {one.outcome: one.total.clinicians for one in summarized().score_used}
    assert found == {"none": 6, "individual": 4, "group": 3, "": 2, "virtual_group": 1}


def test_why_clinicians_are_excluded(summarized: Summarized) -> None:
    found = {one.outcome: one.total.clinicians for one in summarized().exclusions}
    assert found == {"qp": 1, "not_eligible_type": 1}


def test_budget(summarized: Summarized) -> None:
    budget = summarized().budget
    assert budget.undistributed() == 0
    assert (budget.scaling_factor, budget.scaling_factor_winner) == (Fraction(13, 80), "balanced")
    assert budget.additional_payments == Fraction(991, 2)


def test_participants(summarized: Summarized) -> None:
    """175,000 to 225,000 QPs and $500 to $600 million are published for 1,484,160 clinicians."""
    assert summarized().participants is None
    program = MANIFEST["program"] | {
        "qualifying_participants": outcome("3"), "partial_qualifying_participants": outcome("1"),
        "total_incentive_payments": outcome("12345/2"),
    }  # fmt: skip
    scale = Fraction(16, 1_484_160)
    published = {
        "least_clinicians": 175_000 * scale, "most_clinicians": 225_000 * scale,
        "least_payments": 500_000_000 * scale, "most_payments": 600_000_000 * scale,
    }  # fmt: skip
    found = Participants(Fraction(3), Fraction(1), Fraction(12_345, 2), published)
    assert summarized(program=program).participants == found
    shown = {row.cells[0].shown: [cell.shown for cell in row.cells[1:4]]
             for one in tables(summarized(program=program), {}) if one.name == "participants"
             for row in one.rows}  # fmt: skip
    # 175,000 x 16 / 1,484,160 is 1.89, 225,000 of them 2.43; $500 million 5,390.25, 600 6,468.30
    assert shown == {
        "Qualifying APM Participants": ["3", "2", "2"],
        "Partial QPs": ["1", "\N{EN DASH}", "\N{EN DASH}"],
        "APM Incentive Payments": ["$6,172.50", "$5,390.25", "$6,468.31"],
    }  # fmt: skip


def test_a_budget_that_is_undetermined(summarized: Summarized) -> None:
    program = {name: outcome(None) for name in MANIFEST["program"]}
    summary = summarized(program=program)
    assert summary.budget == Budget(None, None, None, None, None, None, None, None, None)
    assert {one.exact for one in summary.rounding} == {None}


def test_what_rounding_changes(summarized: Summarized) -> None:
    """Printed factors: increases 10,000 x 1.46 % + 5,000 x 1.17 % + 4,000 x 0.73 % = 146 + 58.50 +
    29.20 = 233.70; reductions 2,000 x 4.5 % + 1,600 x 9 % = 234; additional 400 + 95.50. Together
    by the total: 10,000 x 5.46 % + 5,000 x 3.08 % + 29.20 - 234 = 546 + 154 + 29.20 - 234."""
    found = {one.what: one for one in summarized().rounding}
    assert found["increases"].by_factors == Fraction(23_370, 100)
    assert found["increases"].exact == 234
    assert found["reductions"].by_factors == 234
    assert found["additional_payments"].by_factors == Fraction(49_550, 100)
    assert found["all_together"].by_factors == Fraction(49_520, 100)
    assert found["all_together"].exact == Fraction(991, 2)
    assert {name: one.by_amounts for name, one in found.items()} == {
        "increases": 234, "reductions": 234, "additional_payments": Decimal("495.50"),
        "all_together": Decimal("495.50"),
    }  # fmt: skip


def test_what_is_not_determined(summarized: Summarized) -> None:
    """c13, c14: eligibility and adjustment; c15: submission, score, charges and amount."""
    assert summarized().undetermined == {
        "row": 3, "eligibility_status": 2, "adjustment_applies": 2, "submitting": 1,
        "final_score": 1, "covered_charges": 1, "adjustment_amount": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "row"),
    [
        # A status of the group that is not known leaves open whether it could have reported.
        ({"status": "low_volume", "group": None}, "undetermined"),
        ({"status": "opt_in_eligible", "group": None}, "potentially_eligible"),
        # Who reports as a group has its adjustment or not; unknown, nobody can say.
        ({"status": "low_volume", "reports": True, "group": "mips_eligible",
          "group_applies": None}, "undetermined"),
        ({"status": "low_volume", "reports": True, "group": "opted_in", "group_applies": None},
         "undetermined"),
        # The individual alone could have opted in, or CMS states that the group is eligible.
        ({"status": "voluntary"}, "potentially_eligible"),
        ({"status": "opt_in_eligible"}, "potentially_eligible"),
        ({"status": "eligible_through_group"}, "potentially_eligible"),
        ({"status": "low_volume"}, "below_low_volume"),
        ({"status": "low_volume", "reports": None, "group": "mips_eligible"},
         "potentially_eligible"),
        # An entity may have the score where none is known to be used.
        ({"status": "opt_in_eligible", "applies": None}, "undetermined"),
        ({"status": "mips_eligible", "applies": None}, "undetermined"),
        ({"status": "mips_eligible", "applies": None, "data": True}, "required_participating"),
        # Eligible both ways: the group exceeds the threshold, whatever the individual elects.
        ({"status": "opted_in", "reports": True, "group": "mips_eligible", "group_applies": True,
          "applies": True, "used": "group"}, "group_eligible"),
        ({"status": "voluntary", "used": "apm_entity", "applies": True}, "group_eligible"),
        # The group reports, but is not eligible: what it sends is voluntary.
        ({"status": "mips_eligible", "reports": True, "group_applies": False},
         "required_not_participating"),
        ({"status": "apm_entity_exempt", "participation": "apm_entity_exempt", "group": None},
         "excluded"),
    ],
)  # fmt: skip
def test_rows_by_what_is_known(
    summarized: Summarized, changes: dict[str, object], row: str
) -> None:
    made = clinician(1, changes.pop("status"), "1", **changes)  # type: ignore[arg-type]
    found = {one.row for one in summarized((made,)).eligibility if one.total.clinicians}
    assert found == {row}


def test_nobody(summarized: Summarized) -> None:
    summary = summarized(())
    assert summary.all == Total()
    assert summary.bins == ()
    assert summary.scores[-1].median is None


def test_no_performance_threshold(summarized: Summarized) -> None:
    with pytest.raises(msgspec.ValidationError, match="states no performance threshold"):
        summarized(figures={"applicable_percent": "9%"})


def test_a_manifest_of_another_shape(summarized: Summarized) -> None:
    with pytest.raises(msgspec.ValidationError):
        summarized(program={"total_reductions": {"exact": "much", "winner": None}})


def test_as_json(summarized: Summarized) -> None:
    """Money and fractions are text, exact: nothing is lost on the way."""
    summary = summarized()
    written = encode(summary)
    assert msgspec.json.decode(written, type=Summary, dec_hook=decode_hook) == summary
    assert b'"scaling_factor": "13/80"' in written
    assert b'"increases": "234.00"' in written
