"""The value of one quality measurement: its counts, and the rates that follow from them.

CMS's interface returns performanceRate, reportingRate and caseCount, which it calculates; a file
may state them too. They are calculated here and compared: a stated rate with k decimals must be
ours rounded half up to k decimals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from finalrule.diagnostics import Label, suggest
from finalrule.facts.json_item import MAXIMUM_COUNT, Item, Members
from finalrule.facts.measures import QualityMeasure
from finalrule.values import decimal_text, one_of, round_to

_COUNTS = (
    "performanceMet", "performanceNotMet", "eligiblePopulation", "eligiblePopulationExclusion",
    "eligiblePopulationException",
)  # fmt: skip
_STATED = ("performanceRate", "reportingRate", "caseCount")
# Written by CMS's interface into its answers; they repeat what else is there.
_ANSWERED = (
    "id", "measurementId", "performanceRateNumerator", "performanceRateDenominator",
)  # fmt: skip
_READMISSION_DETAILS = (
    "numberOfIndexAdmissions", "numberOfReadmissions", "plannedReadmissions",
    "indexReadmissionDiagnosisPairCounts", "indexAdmissionCountByDiagnosis",
    "readmissionCountByDiagnosis",
)  # fmt: skip
_OVERALL = "overall"


@dataclass(frozen=True, slots=True)
class QualityValue:
    """What scoring needs of a measurement. `performance_rate` is in the measure's own unit (a
    proportion: 0 to 100), None when no case counts for or against the measure; `reporting_rate` is
    a share (0 to 1), None when it cannot be told. `end_to_end` is None when it is not said."""

    performance_rate: Fraction | None
    reporting_rate: Fraction | None
    case_count: int
    end_to_end: bool | None = None


@dataclass(frozen=True, slots=True)
class _Counts:
    """Cases of a measure or stratum."""

    met: int
    not_met: int
    eligible: int
    exclusion: int
    exception: int

    @property
    def reported(self) -> int:
        return self.met + self.not_met + self.exclusion + self.exception

    @property
    def cases(self) -> int:
        return self.eligible - self.exclusion

    @property
    def performance_rate(self) -> Fraction | None:
        counted = self.met + self.not_met
        return Fraction(100 * self.met, counted) if counted else None

    @property
    def reporting_rate(self) -> Fraction | None:
        return Fraction(self.reported, self.eligible) if self.eligible else None


# The key by which a value of each shape is known.
_SINGLE, _MULTIPLE, _RESULT, _SCORE = "performanceMet", "strata", "numerator", "score"
_SHAPES = {
    "single_performance_rate": _SINGLE,
    "registry_single_performance_rate": _SINGLE,
    "multi_performance_rate": _MULTIPLE,
    "registry_multi_performance_rate": _MULTIPLE,
    "non_proportion": _RESULT,
    "cahps": _SCORE,
    "cost_score": _SCORE,
}


def read_quality_value(item: Item, measure: QualityMeasure) -> QualityValue | None:
    """The value of a measurement of this measure; None after its faults are reported."""
    if not has_its_shape(item, measure):
        item.fail(
            "measure-shape",
            f"the value is not written as this measure's is: it has no `{_shape(measure)}`",
            help=_SHAPE_HELP[_shape(measure)].format(one_of(measure.strata or (_OVERALL,))),
        )
        return None
    return _READERS[_shape(measure)](item, measure)


def has_its_shape(item: Item, measure: QualityMeasure) -> bool:
    """Whether a value is not of a shape that belongs to other measures."""
    value, wanted = item.value, _shape(measure)
    if not isinstance(value, dict) or wanted in value:
        return True
    return not any(key in value for key in _SHAPE_HELP)


def has_exclusions(item: Item) -> bool:
    """Whether a value that was read, or one of its strata, counts excluded cases."""
    assert isinstance(item.value, dict)
    strata = item.value.get("strata")
    parts = strata if isinstance(strata, list) else [item.value]
    return any(isinstance(part, dict) and part.get(_COUNTS[3]) for part in parts)


def _shape(measure: QualityMeasure) -> str:
    return _SHAPES[measure.metric_type]


_SHAPE_HELP = {
    _SINGLE: "give `performanceMet`, `performanceNotMet` and `eligiblePopulation`",
    _MULTIPLE: "give a list of `strata`, with the counts of {}",
    _RESULT: "give `numerator` (the result), `denominator` and `observationInstances`",
    _SCORE: "give `score`, as CMS or the survey vendor calculated it",
}


def _read_single(item: Item, measure: QualityMeasure) -> QualityValue | None:
    known = ("isEndToEndReported", "numeratorExclusion", *_COUNTS, *_STATED)
    members = item.members(known, _ANSWERED)
    if members is None:
        return None
    counts = _counts(members)
    _refuse_numerator_exclusion(members)
    if counts is None:
        return None
    return _finish(members, measure, counts.performance_rate, counts.reporting_rate, counts.cases)


def _read_multiple(item: Item, measure: QualityMeasure) -> QualityValue | None:
    members = item.members(("isEndToEndReported", "strata", *_STATED), _ANSWERED)
    if members is None:
        return None
    strata = _strata(members, measure)
    if strata is None:
        return None
    # `overall` repeats the other strata, so it counts alone or not at all
    # (CMS, qpp-submissions-docs, multi-performance rate measurements).
    parts = [counts for name, counts in strata.items() if name != _OVERALL]
    if measure.algorithm == "overall_stratum_only":
        parts = [strata[_OVERALL]]
    eligible = sum(part.eligible for part in parts)
    reporting = Fraction(sum(part.reported for part in parts), eligible) if eligible else None
    if measure.algorithm == "simple_average":
        rates = [rate for part in parts if (rate := part.performance_rate) is not None]
        if rates and len(rates) < len(parts):
            members.owner.fail(
                "measure-counts",
                "a stratum without a case that counts leaves the average of the strata open",
                help="the source does not say what such a stratum adds; correct the counts",
            )
            return None
        performance = sum(rates, Fraction(0)) / len(rates) if rates else None
        cases = max(part.cases for part in parts)
    else:
        met, counted = sum(p.met for p in parts), sum(p.met + p.not_met for p in parts)
        performance = Fraction(100 * met, counted) if counted else None
        cases = sum(part.cases for part in parts)
    return _finish(members, measure, performance, reporting, cases)


def _finish(
    members: Members,
    measure: QualityMeasure,
    performance: Fraction | None,
    reporting: Fraction | None,
    cases: int,
) -> QualityValue | None:
    """Compare with what the file states, and take the rate that a registry writes itself."""
    fits = _agrees(members, "reportingRate", None if reporting is None else reporting * 100)
    fits = _agrees_count(members, cases) and fits
    if measure.metric_type.startswith("registry_"):
        # Risk adjustment and the like: the rate is the registry's, not that of the counts.
        stated = members.need("performanceRate", "for this measure the registry states its rate")
        rate = stated.number(0, 100) if stated else None
        if stated is None or rate is None:
            return None
        performance = rate if performance is not None or rate else None
    else:
        fits = _agrees(members, "performanceRate", performance) and fits
    reported = members.get("isEndToEndReported")
    end_to_end = reported.yes_no() if reported else None
    if not fits or (reported and end_to_end is None):
        return None
    return QualityValue(performance, reporting, cases, end_to_end)


def _counts(members: Members) -> _Counts | None:
    needed = {"performanceMet": "cases that meet the measure", "eligiblePopulation": "all cases"}
    found: dict[str, int] = {}
    for name in _COUNTS:
        item = members.need(name, needed[name]) if name in needed else members.get(name)
        count = item.count() if item else (None if name in needed else 0)
        if count is not None:
            found[name] = count
    if len(found) < len(_COUNTS):
        return None
    met, not_met, eligible, exclusion, exception = (found[name] for name in _COUNTS)
    counts = _Counts(met, not_met, eligible, exclusion, exception)
    if counts.reported <= eligible:
        return counts
    parts = [name for name in _COUNTS if name != "eligiblePopulation" and found[name]]
    members.owner.fail(
        "measure-counts",
        f"{counts.reported:,} cases are reported, more than the {eligible:,} of "
        "`eligiblePopulation`",
        *(Label(at.at, f"{found[name]:,}") for name in parts if (at := members.get(name))),
        help="each of these cases is one of `eligiblePopulation`; correct the counts",
    )
    return None


def _refuse_numerator_exclusion(members: Members) -> None:
    item = members.get("numeratorExclusion")
    if item and item.count():
        item.fail(
            "measure-counts",
            "`numeratorExclusion` cannot be counted in a measure with a performance rate",
            help="put these cases in `eligiblePopulationExclusion`",
        )


def _strata(members: Members, measure: QualityMeasure) -> dict[str, _Counts] | None:
    """Each stratum's counts; None unless the strata are exactly those of the measure."""
    listed = members.need("strata", f"this measure is reported by {one_of(measure.strata)}")
    items = listed.items() if listed else None
    if listed is None or items is None:
        return None
    read = [_stratum(item, measure) for item in items]
    found: dict[str, _Counts] = {}
    twice = False
    for item, stratum in zip(items, read, strict=True):
        if stratum is None:
            continue
        name, counts = stratum
        if name in found:
            twice = True
            item.fail(
                "measure-strata", f"the stratum `{name}` stands twice", help="keep one of them"
            )
        found[name] = counts
    if twice or None in read:
        return None
    if missing := [name for name in measure.strata if name not in found]:
        listed.fail(
            "measure-strata", f"the strata lack {one_of(missing)}", help="add what is missing"
        )
    return None if missing else found


def _stratum(item: Item, measure: QualityMeasure) -> tuple[str, _Counts] | None:
    members = item.members(("stratum", *_COUNTS, *_STATED), _ANSWERED)
    if members is None:
        return None
    named = members.need("stratum", "it says which of the measure's strata this is")
    name = named.text() if named else None
    counts = _counts(members)
    if named and name is not None and name not in measure.strata:
        named.fail(
            "measure-strata", "the measure has no such stratum",
            help=suggest(name, measure.strata) or f"its strata are {one_of(measure.strata)}",
        )  # fmt: skip
        return None
    if counts is None or name is None:
        return None
    rate = counts.reporting_rate
    fits = [
        _agrees(members, "performanceRate", counts.performance_rate),
        _agrees(members, "reportingRate", None if rate is None else rate * 100),
        _agrees_count(members, counts.cases),
    ]
    return (name, counts) if all(fits) else None


def _agrees(members: Members, name: str, ours: Fraction | None) -> bool:
    """Whether a stated percentage, if there is one, is ours (0 to 100) rounded to its decimals."""
    item = members.get(name)
    if item is None:
        return True
    stated = item.number(0, 100)
    if stated is None:
        return False
    if ours is None:
        item.fail(
            "measure-rate-differs",
            f"`{name}` is stated as {decimal_text(stated)}, but the counts give no such rate",
            help=f"take `{name}` out, or correct the counts",
        )
        return False
    rounded = round_to(ours, item.decimals, "half_up")
    if rounded == stated:
        return True
    exact = "" if rounded == ours else f" (exactly {ours})"
    item.fail(
        "measure-rate-differs",
        f"`{name}` is stated as {decimal_text(stated, item.decimals)}, but the counts give "
        f"{decimal_text(rounded, item.decimals)}{exact}",
        help=f"take `{name}` out, or correct it or the counts",
    )
    return False


def _agrees_count(members: Members, ours: int) -> bool:
    item = members.get("caseCount")
    if item is None:
        return True
    stated = item.count()
    if stated is None or stated == ours:
        return stated is not None
    item.fail(
        "measure-rate-differs",
        f"`caseCount` is stated as {stated:,}, but the counts give {ours:,}",
        help="take `caseCount` out, or correct it or the counts",
    )
    return False


def _read_non_proportion(item: Item, measure: QualityMeasure) -> QualityValue | None:
    """A mean, a ratio and the like. The numerator is the result itself, in the measure's own unit;
    the denominator counts the eligible cases (CMS, qpp-submissions-docs, non-proportion
    measurements; the interface's answers give the numerator as the performance rate)."""
    known = (
        "numerator", "denominator", "isEndToEndReported", "numeratorExclusion",
        "denominatorException", "observationInstances", "reportingRate", "caseCount",
    )  # fmt: skip
    members = item.members(known, _ANSWERED)
    if members is None:
        return None
    numerator = members.need("numerator", "the measure's result, in its own unit")
    result = numerator.number() if numerator else None
    denominator = members.need("denominator", "the number of eligible cases")
    eligible = _whole(denominator)
    observed = members.get("observationInstances")
    parts = [members.get(name) for name in ("denominatorException", "numeratorExclusion")]
    counts = [_whole(part) if part else 0 for part in (observed, *parts)]
    if denominator is None or eligible is None or result is None:
        return None
    reported = [count for count in counts if count is not None]
    if len(reported) < len(counts):
        return None
    if sum(reported) > eligible:
        denominator.fail(
            "measure-counts",
            f"{sum(reported):,} cases are reported, more than the {eligible:,} of `denominator`",
            *(Label(part.at) for part in (observed, *parts) if part),
            help="`observationInstances`, `denominatorException` and `numeratorExclusion` are "
            "parts of `denominator`; correct the counts",
        )
        return None
    # Without observationInstances the interface has no reporting rate, whatever else is there.
    share = Fraction(sum(reported), eligible) if observed and eligible else None
    fits = _agrees(members, "reportingRate", None if share is None else share * 100)
    fits = _agrees_count(members, eligible) and fits
    end_to_end = members.get("isEndToEndReported")
    said = end_to_end.yes_no() if end_to_end else None
    if not fits or (end_to_end and said is None):
        return None
    return QualityValue(result if eligible else None, share, eligible, said)


def _whole(item: Item | None) -> int | None:
    """A count that CMS's interface takes as a decimal: 30 or 30.0."""
    if item is None:
        return None
    number = item.number(0, MAXIMUM_COUNT)
    if number is None:
        return None
    if number.denominator != 1:
        item.wrong_type("a whole number")
        return None
    return number.numerator


def read_survey_score(item: Item) -> tuple[Fraction, bool] | None:
    """A summary survey measure as the vendor sends it: its score (0 to 100), and whether it is not
    to be used, being below the minimum or masked."""
    members = item.members(("score", "reliability", "mask", "isBelowMinimum"), _ANSWERED)
    if members is None:
        return None
    flags = []
    for name in ("mask", "isBelowMinimum"):
        flag = members.get(name)
        flags.append(flag.yes_no() if flag else False)
    masked, below = flags
    stated = members.get("score") if masked else members.need("score", "the survey's result")
    score = stated.number(0, 100) if stated else None
    if masked is None or below is None or (score is None and (stated or not masked)):
        return None
    return score or Fraction(0), masked or below


def _read_readmission(item: Item, measure: QualityMeasure) -> QualityValue | None:
    """A measure that CMS calculates from claims: its score, and the admissions that it rests on."""
    members = item.members(("score", "details"), _ANSWERED)
    if members is None:
        return None
    scored = members.need("score", "the measure's result")
    score = scored.number(0) if scored else None
    details = members.need("details", "it holds `numberOfIndexAdmissions`, the case count")
    inner = details.members(_READMISSION_DETAILS) if details else None
    admissions = inner.need("numberOfIndexAdmissions", "the case count") if inner else None
    cases = admissions.count() if admissions else None
    if score is None or cases is None:
        return None
    return QualityValue(score if cases else None, Fraction(1), cases)


_READERS: dict[str, Callable[[Item, QualityMeasure], QualityValue | None]] = {
    _SINGLE: _read_single,
    _MULTIPLE: _read_multiple,
    _RESULT: _read_non_proportion,
    _SCORE: _read_readmission,
}
