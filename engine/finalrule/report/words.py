"""What the report calls things."""

from __future__ import annotations

import re
from fractions import Fraction

from finalrule.report.cells import DASH
from finalrule.report.model import Summary
from finalrule.values import decimal_text

# Rows of Table 113.
ROWS = {
    "required_participating": "Required, participating",
    "required_not_participating": "Required, not participating",
    "group_eligible": "Group eligible, submitting as a group",
    "opted_in": "Opted in",
    "potentially_eligible": "Potentially eligible",
    "below_low_volume": "Below the threshold",
    "excluded": "Excluded",
    "undetermined": "Undetermined",
}
ROWS_SAID = (
    "Required: the individual exceeds all three criteria of the low-volume threshold. Group "
    "eligible: only the group does, or the virtual group or APM Entity whose score is used. Opted "
    "in: some criteria are exceeded, and the individual or the group elected to participate.",
    "Potentially eligible: could have opted in, or the group could have submitted data. Below the "
    "threshold: on all three criteria, alone and as a group. Excluded: another type of clinician, "
    "newly enrolled, QP, Partial QP or in an exempt APM Entity.",
)
REGIONS = {
    "lowest_quarter": "Lowest quarter",
    "below_threshold": "Below the threshold",
    "at_threshold": "At the threshold",
    "above_threshold": "Above the threshold",
    "exceptional": "Exceptional performance",
}
ROUNDED = {
    "increases": "Increases",
    "reductions": "Reductions",
    "additional_payments": "Additional payments",
    "all_together": "All adjustments together",
}
UNDETERMINED = {
    "row": "Row of the table of eligibility",
    "eligibility_status": "Eligibility status",
    "adjustment_applies": "Whether an adjustment applies",
    "submitting": "Whether data were submitted, where an adjustment applies",
    "final_score": "Final score, where an adjustment applies",
    "covered_charges": "Charges that adjustments multiply",
    "adjustment_amount": "Amount, where an adjustment applies",
}
# Names that are written in capitals.
_CAPITALS = re.compile(r"\b(mips|qp|apm)\b")


def words(member: str) -> str:
    """A member of an enumeration in words: `partial_qp` is `Partial QP`."""
    said = _CAPITALS.sub(lambda found: found[0].upper(), member.replace("_", " "))
    said = said.replace("partial QP", "Partial QP").replace("APM entity", "APM Entity")
    return said[:1].upper() + said[1:]


def score(value: Fraction) -> str:
    """A score without zeros that say nothing."""
    return decimal_text(value)


def between(low: Fraction, high: Fraction) -> str:
    """Scores from one to another."""
    return score(low) if low == high else f"{score(low)}{DASH}{score(high)}"


def source(summary: Summary, table: str) -> str:
    """Where published figures beside a run's come from, and for which nation."""
    assert summary.published is not None
    said = f"Published: {summary.published.cites[table]}, for policy {summary.published.policy}"
    if summary.published.policy != summary.policy:
        said += f" (this run is {summary.policy})"
    if summary.published.scale != 1:
        said += f"; counts and sums are scaled to the {summary.all.clinicians:,} of this run"
    return said + "."
