"""A submission as CMS's QPP submissions interface takes and returns it: who reports for which year,
and the measurement sets."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from finalrule.diagnostics import Label, Pointer
from finalrule.facts.identifiers import read_npi, read_tin
from finalrule.facts.json_item import Item, Json, Members, shown
from finalrule.facts.measurements import (
    Set,
    check_exclusions,
    gather_surveys,
    read_measurement,
)
from finalrule.facts.measures import COLLECTION_TYPES, Measures
from finalrule.facts.parts import Found, Part

_SUBMISSION = (
    "entityType", "entityId", "taxpayerIdentificationNumber", "nationalProviderIdentifier",
    "performanceYear", "programName", "measurementSets",
)  # fmt: skip
_SET = (
    "category", "submissionMethod", "programName", "performanceStart", "performanceEnd", "cehrtId",
    "measurements", "suppressed",
)  # fmt: skip
# Written by CMS's interface into its answers, or of no weight in scoring.
_ANSWERED = ("id", "createdAt", "updatedAt")
_SET_ANSWERED = (
    *_ANSWERED, "submissionId", "submitterId", "submitterType", "source", "practiceDetails",
    "practiceId", "measureSet",
)  # fmt: skip

# What the interface knows and is not scored here: words, error code, message and help.
_OTHER_ENTITY_TYPES = {
    word: (
        "submission-entity-type", f"submissions of the entity type `{word}` are not scored",
        "individuals and groups are",
    )
    for word in ("virtualGroup", "apm", "subgroup")
}  # fmt: skip
_OTHER_PROGRAMS = {
    "cpcPlus": (
        "submission-program", "sets for the program `cpcPlus` are not scored",
        "only sets for `mips` are; take this set out",
    )
}  # fmt: skip
_OTHER_CATEGORIES = {
    "aci": (
        "submission-category", "`aci` was the category of 2017; since 2018 it is `pi`",
        "write `pi`, with the measures of the year",
    ),
    "cost": (
        "submission-category", "cost is not submitted: CMS calculates it from claims",
        "give the results of the cost measures in a file of their own, with --cost",
    ),
}  # fmt: skip
_METHODS: Mapping[str, tuple[str, ...]] = {
    "quality": tuple(COLLECTION_TYPES),
    "ia": ("registry", "electronicHealthRecord", "cmsWebInterface"),
    "pi": ("registry", "electronicHealthRecord", "cmsWebInterface"),
}
_CEHRT_ID = re.compile(r"[0-9A-Z]{2}15[CE][0-9A-Z]{10}")


@dataclass(frozen=True, slots=True)
class MeasurementSet:
    """One set. `parts` are its records: measure results, activities, or one pi_submission."""

    category: str
    method: str
    program: str
    at: Pointer
    parts: list[Part]


@dataclass(frozen=True, slots=True)
class Submission:
    """What one file reports. `entity_type` is individual or group; `npi` is empty for a group;
    `year` is the file's performance year."""

    at: Pointer
    entity_type: str
    tin: str
    npi: str
    year: int
    sets: list[MeasurementSet] = field(default_factory=list)


def read_submission(
    document: Item, year: int, measures: Measures, as_year: bool
) -> Submission | None:
    """A submission for a policy of performance year `year`, whose measures are given. A file of
    another year is refused, or with `as_year` moved: its dates keep month and day, and measures
    that the policy's year does not have are left out with a warning. All faults go to the
    document's report; None when nobody can tell whose submission it is."""
    if _is_facts_file(document.value):
        document.fail(
            "wrong-file", "this is a facts file, not a submission", help="give it with --facts"
        )
        return None
    members = document.members(_SUBMISSION, _ANSWERED)
    if members is None:
        return None
    unit = _unit(members)
    program = members.get("programName")
    if program:
        _program(program)
    file_year = _year(members, year, as_year)
    listed = members.need("measurementSets", "the list of what is reported")
    if file_year is None:
        return None
    sets = []
    for item in (listed.items() or []) if listed else []:
        found = _set(item, file_year, year, measures)
        if found:
            sets.append(found)
    if unit is None:
        return None
    return Submission(document.at, *unit, file_year, sets)


def _is_facts_file(value: Json) -> bool:
    """Whether this is the answer of CMS's eligibility interface."""
    answer = value.get("data", value) if isinstance(value, dict) else None
    return isinstance(answer, dict) and "organizations" in answer


def _unit(members: Members) -> tuple[str, str, str] | None:
    """Entity type, TIN, and NPI or nothing."""
    typed = members.need("entityType", "who reports: an individual or a group")
    scored = ("individual", "group")
    entity_type = _chosen(typed, scored, _OTHER_ENTITY_TYPES) if typed else None
    if typed and isinstance(typed.value, str) and typed.value in _OTHER_ENTITY_TYPES:
        return None  # these have other identifiers, which are no fault
    has_tin = members.need("taxpayerIdentificationNumber", "the TIN, nine digits")
    tin = read_tin(has_tin) if has_tin else None
    has_npi = members.get("nationalProviderIdentifier")
    npi: str | None = ""
    if entity_type == "individual":
        has_npi = members.need("nationalProviderIdentifier", "an individual is a TIN and an NPI")
        npi = read_npi(has_npi, tin) if has_npi else None
    elif entity_type == "group" and has_npi:
        has_npi.fail(
            "submission-entity-type", "a group is a TIN; it has no NPI",
            help="take the NPI out, or make the entity type `individual`",
        )  # fmt: skip
    if entity_id := members.get("entityId"):
        entity_id.fail(
            "submission-entity-type", "individuals and groups have no `entityId`",
            help="take it out",
        )  # fmt: skip
    if entity_type is None or tin is None or npi is None:
        return None
    return entity_type, tin, npi


def _year(members: Members, year: int, as_year: bool) -> int | None:
    item = members.need("performanceYear", "the calendar year that the data are of")
    found = item.count() if item else None
    if item is None or found is None or found == year:
        return found
    if as_year:
        item.warn(
            "submission-year",
            f"a what-if: the file is of performance year {found}, the policy of {year}",
            help="what the other year does not have is left out, and listed",
        )
        return found
    item.fail(
        "submission-year",
        f"the file is of performance year {found}, the policy of {year}",
        help=f"choose a policy of {found}, or ask what {year}'s would give with --as-year",
    )
    return None


def _program(item: Item) -> str | None:
    return _chosen(item, ("mips",), _OTHER_PROGRAMS)


def _chosen(
    item: Item, names: tuple[str, ...], others: Mapping[str, tuple[str, str, str]]
) -> str | None:
    """One of the names; the others have errors of their own."""
    if isinstance(item.value, str) and item.value in others:
        code, message, help = others[item.value]
        item.fail(code, message, help=help)
        return None
    return item.member(names)


def _set(item: Item, file_year: int, year: int, measures: Measures) -> MeasurementSet | None:
    members = item.members(_SET, _SET_ANSWERED)
    if members is None:
        return None
    category, method = _category_method(members)
    has_program = members.get("programName")
    program = _program(has_program) if has_program else "mips"
    suppressed = members.get("suppressed")
    if suppressed and suppressed.yes_no():
        suppressed.fail(
            "submission-suppressed", "CMS has suppressed this set, so that it does not count",
            help="take the set out",
        )  # fmt: skip
    period = _period(members, file_year, year)
    has_cehrt_id = _cehrt_id(members)
    listed = members.get("measurements")
    items = (listed.items() or []) if listed else []
    if category is None or method is None or program is None:
        return None
    owner = Set(category, method, period or {}, year, file_year != year)
    reports = _measurements(items, owner, measures)
    parts = gather_surveys([part for part, _ in reports.values()], item.at, owner)
    if category == "pi":
        check_exclusions(reports, measures)
        facts = {
            "submission_method": Found(method, item.at),
            "has_cehrt_id": has_cehrt_id,
            **owner.period,
        }
        parts = [Part("pi_submission", item.at, facts, parts)]
    return MeasurementSet(category, method, program, item.at, parts)


def _category_method(members: Members) -> tuple[str | None, str | None]:
    has_category = members.need("category", "quality, ia or pi")
    category = _chosen(has_category, tuple(_METHODS), _OTHER_CATEGORIES) if has_category else None
    has_method = members.need("submissionMethod", "how the data came to CMS")
    method = has_method.member(tuple(COLLECTION_TYPES)) if has_method else None
    if has_method and category and method and method not in _METHODS[category]:
        has_method.fail(
            "submission-method", f"`{category}` is not submitted by `{method}`",
            help=f"it is submitted by {', '.join(_METHODS[category])}",
        )  # fmt: skip
        return category, None
    return category, method


def _period(members: Members, file_year: int, year: int) -> dict[str, Found] | None:
    """The facts performance_start and performance_end, in the policy's year."""
    dates: dict[str, datetime.date] = {}
    places: dict[str, Item] = {}
    for key, name in (
        ("performanceStart", "performance_start"),
        ("performanceEnd", "performance_end"),
    ):
        item = members.need(key, "the first or last day that the data are of")
        date = item.date() if item else None
        if item is None or date is None:
            continue
        if date.year != file_year:
            item.fail(
                "period-outside-year", f"{date} lies outside the performance year {file_year}",
                help=f"give a day of {file_year}",
            )  # fmt: skip
            continue
        dates[name], places[name] = _moved(date, year), item
    if len(dates) < 2:
        return None
    if dates["performance_start"] > dates["performance_end"]:
        places["performance_start"].fail(
            "period-reversed", "the period starts after it ends",
            Label(places["performance_end"].at, "its end"), help="exchange or correct the dates",
        )  # fmt: skip
        return None
    return {name: Found(date, places[name].at) for name, date in dates.items()}


def _moved(date: datetime.date, year: int) -> datetime.date:
    if (date.month, date.day) == (2, 29):
        return datetime.date(year, 2, 28) if date.year != year else date
    return date.replace(year=year)


def _cehrt_id(members: Members) -> Found:
    item = members.get("cehrtId")
    if item is None:
        return Found(False, members.owner.at)
    text = item.text()
    if text is not None and not _CEHRT_ID.fullmatch(text):
        item.warn(
            "cehrt-id-shape", "this does not look like a CMS EHR certification identifier",
            help="it has 15 letters and digits, the third to fifth `15E` or `15C`",
        )  # fmt: skip
    return Found(text is not None, item.at)


def _measurements(
    items: list[Item], owner: Set, measures: Measures
) -> dict[str, tuple[Part, Item]]:
    """The records of a set by measure; a measure that stands twice is reported."""
    found: dict[str, tuple[Part, Item]] = {}
    places: dict[str, Item] = {}
    for item in items:
        measure_id = item.value.get("measureId") if isinstance(item.value, dict) else None
        part = read_measurement(item, owner, measures)
        if not isinstance(measure_id, str):
            continue
        if measure_id in places:
            item.fail(
                "measure-duplicate", f"`{shown(measure_id)}` stands twice in this set",
                Label(places[measure_id].at, "first here"), help="keep one of the two",
            )  # fmt: skip
            continue
        places[measure_id] = item
        if part:
            found[measure_id] = (part, item)
    return found
