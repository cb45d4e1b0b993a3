"""One measurement of a QPP submission as a record: a measure result, an improvement activity, or a
Promoting Interoperability report."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction

from finalrule.diagnostics import Label, Pointer, suggest
from finalrule.facts.json_item import Item, Members, shown
from finalrule.facts.measures import Measures, QualityMeasure
from finalrule.facts.parts import Found, Part
from finalrule.facts.quality_value import (
    has_exclusions,
    has_its_shape,
    read_quality_value,
    read_survey_score,
)
from finalrule.values import Value, one_of

MEASUREMENT = ("measureId", "value")
# Written by CMS's interface into its answers.
ANSWERED = ("id", "measurementSetId", "createdAt", "updatedAt")


@dataclass(frozen=True, slots=True)
class Set:
    """What a measurement needs to know of its set. `period` holds the facts performance_start and
    performance_end. `moved` says that the file is read under another year's policy (a what-if):
    then a measure that this year does not have is lost with a warning, and otherwise an error."""

    category: str
    method: str
    period: Mapping[str, Found]
    year: int
    moved: bool


def read_measurement(item: Item, owner: Set, measures: Measures) -> Part | None:
    """The record of a measurement (of a survey: a survey_score, see `gather_surveys`); None after
    its faults are reported, or when it is lost."""
    members = item.members(MEASUREMENT, ANSWERED)
    if members is None:
        return None
    named = members.need("measureId", "the measure's identifier in CMS's measures data")
    value = members.need("value", "what was measured")
    measure_id = named.text() if named else None
    if named is None or measure_id is None:
        return None
    known: Collection[str] = {
        "quality": measures.quality, "ia": measures.activities, "pi": measures.pi,
    }[owner.category]  # fmt: skip
    if measure_id not in known:
        _no_measure(named, measure_id, owner, known)
        return None
    if value is None:
        return None
    match owner.category:
        case "quality":
            return _quality(item, named, value, owner, measures.quality[measure_id])
        case "ia":
            return _activity(item, named, value, measure_id, owner)
        case _:
            return _pi(item, named, value, measure_id, measures)


_WHAT = {
    "quality": "a quality measure",
    "ia": "an improvement activity",
    "pi": "a Promoting Interoperability measure",
}


def _no_measure(named: Item, measure_id: str, owner: Set, known: Collection[str]) -> None:
    what = f"`{shown(measure_id)}` is not {_WHAT[owner.category]} of {owner.year}"
    if owner.moved:
        _lost(named, what)
        return
    help = suggest(measure_id, known) or "CMS's list of the year's measures has the identifiers"
    named.fail("measure-unknown", what, help=help)


def _lost(item: Item, why: str) -> None:
    item.warn("measure-lost", f"left out of the what-if: {why}", help="its points are not counted")


def _quality(
    item: Item, named: Item, value: Item, owner: Set, measure: QualityMeasure
) -> Part | None:
    collection_type = measure.collection_type(owner.method)
    if collection_type not in measure.collection_types:
        ways = one_of(sorted(measure.collection_types)) if measure.collection_types else "no way"
        why = f"in {owner.year} `{measure.measure_id}` is not collected by `{owner.method}`"
        if owner.moved:
            _lost(named, why)
        else:
            named.fail("measure-collection-type", why, help=f"it is collected as {ways}")
        return None
    if measure.metric_type == "cahps":
        return _survey_score(item, named, value, measure.measure_id)
    if owner.moved and not has_its_shape(value, measure):
        _lost(value, f"in {owner.year} the value of this measure is written in another way")
        return None
    read = read_quality_value(value, measure)
    if read is None:
        return None
    if collection_type == "mips_cqm" and has_exclusions(value):
        value.warn(
            "measure-exclusions",
            "a MIPS CQM's eligible population does not contain the excluded cases",
            help="here they are taken as part of it, as in an eCQM; leave them out of both counts",
        )
    facts: dict[str, Value] = {
        "has_performance_rate": read.performance_rate is not None,
        "performance_rate": read.performance_rate or Fraction(0),
        "has_reporting_rate": read.reporting_rate is not None,
        "reporting_rate": read.reporting_rate or Fraction(0),
        "case_count": Fraction(read.case_count),
    }
    if read.end_to_end is not None:
        facts["end_to_end_reported"] = read.end_to_end
    return Part(
        "measure_result",
        item.at,
        {
            "measure_id": Found(measure.measure_id, named.at),
            "collection_type": Found(collection_type, item.at),
            **owner.period,
            **{name: Found(fact, value.at) for name, fact in facts.items()},
        },
    )


# The CAHPS survey is one measure; what a vendor sends are its summary survey measures.
_SURVEYS = {"CAHPS_ACO_": "ACO321", "CAHPS_": "321"}


def _survey_score(item: Item, named: Item, value: Item, measure_id: str) -> Part | None:
    if measure_id in _SURVEYS.values():
        named.fail(
            "measure-unknown", "a survey is sent as its summary survey measures, not as a whole",
            help="send `CAHPS_1` and the others with their scores",
        )  # fmt: skip
        return None
    read = read_survey_score(value)
    if read is None:
        return None
    score, below = read
    facts = {
        "summary_measure_id": Found(measure_id, named.at),
        "score": Found(score, value.at),
        "below_minimum": Found(below, value.at),
    }
    return Part("survey_score", item.at, facts)


def gather_surveys(parts: list[Part], at: Pointer, owner: Set) -> list[Part]:
    """The records of a set, its survey scores put below a measure result of their survey."""
    surveys: dict[str, Part] = {}
    found: list[Part] = []
    for part in parts:
        if part.entity != "survey_score":
            found.append(part)
            continue
        summary = str(part.facts["summary_measure_id"].value)
        measure_id = next(name for prefix, name in _SURVEYS.items() if summary.startswith(prefix))
        if measure_id not in surveys:
            # The survey has neither counts nor a rate of its own.
            facts: dict[str, Value] = {
                "measure_id": measure_id,
                "collection_type": "cahps",
                "has_performance_rate": False,
                "performance_rate": Fraction(0),
                "has_reporting_rate": False,
                "reporting_rate": Fraction(0),
                "case_count": Fraction(0),
            }
            made = {name: Found(value, at) for name, value in facts.items()}
            surveys[measure_id] = Part("measure_result", at, {**made, **owner.period})
            found.append(surveys[measure_id])
        surveys[measure_id].children.append(part)
    return found


def _activity(item: Item, named: Item, value: Item, activity_id: str, owner: Set) -> Part | None:
    completed = value.yes_no()
    if completed is None:
        return None
    return Part(
        "activity",
        item.at,
        {
            "activity_id": Found(activity_id, named.at),
            "completed": Found(completed, value.at),
            **owner.period,
        },
    )


def _pi(item: Item, named: Item, value: Item, measure_id: str, measures: Measures) -> Part | None:
    if measures.pi[measure_id].is_proportion:
        members = value.members(("numerator", "denominator"))
        counts = _proportion(members) if members else None
        reported = counts is not None
    else:
        said = value.yes_no()
        counts = None if said is None else (0, 0)
        reported = bool(said)
    if counts is None:
        return None
    facts: dict[str, Value] = {
        "reported": reported,
        "is_proportion": measures.pi[measure_id].is_proportion,
        "numerator": Fraction(counts[0]),
        "denominator": Fraction(counts[1]),
    }
    return Part(
        "pi_report",
        item.at,
        {
            "measure_id": Found(measure_id, named.at),
            **{name: Found(fact, value.at) for name, fact in facts.items()},
        },
    )


def _proportion(members: Members) -> tuple[int, int] | None:
    numerator = members.need("numerator", "patients or actions that met the measure")
    denominator = members.need("denominator", "patients or actions that could have met it")
    met = numerator.count() if numerator else None
    all_ = denominator.count() if denominator else None
    if numerator is None or denominator is None or met is None or all_ is None:
        return None
    if met <= all_:
        return met, all_
    numerator.fail(
        "measure-counts",
        f"the numerator {met:,} is above the denominator {all_:,}",
        Label(denominator.at, "the denominator"),
        help="the numerator counts part of the denominator; correct one of them",
    )
    return None


def check_exclusions(reports: Mapping[str, tuple[Part, Item]], measures: Measures) -> None:
    """Report each Promoting Interoperability measure that stands with an exclusion from it, in one
    set. A statement answered with no is neither."""
    for measure_id, (part, item) in reports.items():
        for exclusion in sorted(measures.pi[measure_id].exclusions & reports.keys()):
            claimed, _ = reports[exclusion]
            if not (part.facts["reported"].value and claimed.facts["reported"].value):
                continue
            item.fail(
                "measure-excluded",
                f"`{measure_id}` is reported and its exclusion `{exclusion}` is claimed too",
                Label(claimed.at, "the exclusion"),
                help="keep the measure or the exclusion, not both",
            )
