"""A run in figures: counts are clinicians (TIN/NPIs), money is dollars, factors are percent. Money
is a sum of what was printed for each clinician; fractions are exact."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import msgspec

from finalrule.cache import decode_hook, encode_hook

# Where a final score lies: 42 CFR 414.1405(b)(1), (b)(2), (d)(1).
REGIONS = (
    "lowest_quarter", "below_threshold", "at_threshold", "above_threshold", "exceptional",
)  # fmt: skip
NEGATIVE = REGIONS[:2]


class Total(msgspec.Struct, frozen=True):
    """So many clinicians, and what they have together, in dollars. `charges` are what adjustments
    multiply (covered_charges)."""

    clinicians: int = 0
    charges: Decimal = Decimal(0)
    increases: Decimal = Decimal(0)
    reductions: Decimal = Decimal(0)
    additional_payments: Decimal = Decimal(0)
    amount: Decimal = Decimal(0)


class Published(msgspec.Struct, frozen=True):
    """Where published figures come from. Counts and charges are scaled to the clinicians of the
    run, which are `scale` times those that were published."""

    policy: str
    scale: Fraction
    cites: dict[str, str]


class Eligibility(msgspec.Struct, frozen=True):
    """A row of the table of eligibility; `row` is its name in policies/population/, or
    `undetermined`. Published charges are dollars."""

    row: str
    total: Total
    published_clinicians: Fraction | None = None
    published_charges: Fraction | None = None


class PracticeSize(msgspec.Struct, frozen=True):
    """Clinicians to whom an adjustment applies, by the clinicians of their TIN; `size` is `all` for
    all of them. `regions` are clinicians by where the final score lies. Of published figures only
    the clinicians are scaled; shares are from 0 to 1."""

    size: str
    submitting: bool
    total: Total
    regions: dict[str, int]
    published: dict[str, Fraction]

    def share(self, *regions: str) -> Fraction | None:
        """The share whose final score lies there; None where there is nobody."""
        if not self.total.clinicians:
            return None
        return Fraction(sum(self.regions.get(one, 0) for one in regions), self.total.clinicians)

    def impact(self) -> Fraction | None:
        """All adjustments together as a share of charges; None where there are no charges."""
        return Fraction(self.total.amount) / Fraction(self.total.charges) if self.total.charges \
            else None  # fmt: skip


class Scores(msgspec.Struct, frozen=True):
    """Final scores of clinicians to whom an adjustment applies, by practice size or `all`."""

    size: str
    clinicians: int
    mean: Fraction | None
    median: Fraction | None
    least: Decimal | None
    greatest: Decimal | None


class Bin(msgspec.Struct, frozen=True):
    """Clinicians whose final score lies in a step of five points, and in one region. `low` and
    `high` are the step's ends, cut at the region's. Means are of points and percent."""

    step: int
    region: str
    low: Fraction
    high: Fraction
    clinicians: int
    mean_score: Fraction
    mean_adjustment: Fraction


class Adjustment(msgspec.Struct, frozen=True):
    """Clinicians by where their final score lies, with the least and the greatest total adjustment
    among them (percent, as printed)."""

    region: str
    total: Total
    least: Decimal | None
    greatest: Decimal | None


class Counted(msgspec.Struct, frozen=True):
    """Clinicians with one outcome of a rule; empty where there is none or it is undetermined."""

    outcome: str
    total: Total


class Budget(msgspec.Struct, frozen=True):
    """The whole program's sums on unrounded factors, in dollars, and the factors that follow; None
    is undetermined. The winners are clauses of the rules of the same names."""

    reductions: Fraction | None
    unscaled_increases: Fraction | None
    increases: Fraction | None
    unscaled_additional_payments: Fraction | None
    additional_payments: Fraction | None
    scaling_factor: Fraction | None
    scaling_factor_winner: str | None
    additional_scaling_factor: Fraction | None
    additional_scaling_factor_winner: str | None

    def undistributed(self) -> Fraction | None:
        """Reductions that no increase uses; 0 where the program is budget neutral."""
        if self.reductions is None or self.increases is None:
            return None
        return self.reductions - self.increases


class Participants(msgspec.Struct, frozen=True):
    """Clinicians (NPIs) who are QPs and Partial QPs, and the APM Incentive Payments of all QPs in
    dollars; None where that is undetermined. `published` are ranges, scaled to the run's
    clinicians: clinicians and dollars, from `least_` to `most_`."""

    qps: Fraction | None
    partial_qps: Fraction | None
    payments: Fraction | None
    published: dict[str, Fraction]


class Rounded(msgspec.Struct, frozen=True):
    """What rounding changes in a sum over all clinicians, in dollars: the sum on unrounded factors,
    that of charges times printed factors, and that of printed amounts."""

    what: str
    exact: Fraction | None
    by_factors: Fraction
    by_amounts: Decimal


class Summary(msgspec.Struct, frozen=True):
    """A run in figures. `all` are all clinicians, `adjusted` those to whom an adjustment applies;
    `participants` is None where the run has no Advanced APM track; `undetermined` are clinicians by
    what is not determined for them;
    `contradictions` are those whose row of the table of eligibility says otherwise than whether an
    adjustment applies."""

    policy: str
    title: str
    policy_digest: str
    engine_version: str
    facts_digest: str
    performance_year: int
    payment_year: int
    settings: tuple[str, ...]
    figures: dict[str, Fraction]
    rows: dict[str, int]
    rejected: dict[str, dict[str, int]]
    published: Published | None
    all: Total
    adjusted: Total
    eligibility: tuple[Eligibility, ...]
    eligibility_status: tuple[Counted, ...]
    exclusions: tuple[Counted, ...]
    practice_sizes: tuple[PracticeSize, ...]
    scores: tuple[Scores, ...]
    bins: tuple[Bin, ...]
    adjustments: tuple[Adjustment, ...]
    score_used: tuple[Counted, ...]
    budget: Budget
    rounding: tuple[Rounded, ...]
    published_program: dict[str, Fraction]
    participants: Participants | None
    undetermined: dict[str, int]
    contradictions: int

    def least(self) -> Decimal | None:
        """The least total adjustment, in percent, as printed."""
        return min((one.least for one in self.adjustments if one.least is not None), default=None)

    def greatest(self) -> Decimal | None:
        """The greatest total adjustment, in percent, as printed."""
        known = (one.greatest for one in self.adjustments if one.greatest is not None)
        return max(known, default=None)


def encode(summary: Summary) -> bytes:
    """A summary as JSON: money and decimals as text, fractions as `n/d`."""
    return msgspec.json.format(msgspec.json.encode(summary, enc_hook=encode_hook))


def decode(data: bytes) -> Summary:
    """A summary from JSON. Raises msgspec.MsgspecError when it is none."""
    return msgspec.json.decode(data, type=Summary, dec_hook=decode_hook)
