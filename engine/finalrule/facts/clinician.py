"""What CMS knows of a clinician: the answer of its QPP eligibility interface, and beside it the
`finalrule` block with what the answer lacks (block.py).

A file is `{"data": {...}, "finalrule": {...}}`, or the fields of `data` with `finalrule` among
them. An individual's facts come from the organization of the submission's TIN and its
individualScenario, a group's from the groupScenario; a group's file may leave out the NPI.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from finalrule.diagnostics import Label
from finalrule.facts.block import NAME
from finalrule.facts.declared import UNIT, Declared, read_fact
from finalrule.facts.identifiers import read_npi, read_tin
from finalrule.facts.json_item import Item, Members
from finalrule.facts.parts import Found, Part
from finalrule.values import Value

# The fields of the interface's answer (CMS, QPP eligibility API, version 6).
_DATA = (
    "firstName", "middleName", "lastName", "npi", "nationalProviderIdentifierType",
    "firstApprovedDate", "yearsInMedicare", "pecosEnrollmentDate", "newlyEnrolled", "qpStatus",
    "isMaqi", "qpScoreType", "amsMipsEligibleClinician", "organizations",
)  # fmt: skip
_ORGANIZATION = (
    "TIN", "prvdrOrgName", "isFacilityBased", "addressLineOne", "addressLineTwo", "city", "zip",
    "state", "hospitalVbpName", "individualScenario", "groupScenario", "apms", "virtualGroups",
)  # fmt: skip
_SCENARIO = (
    "aciHardship", "aciReweighting", "aggregationLevel", "ambulatorySurgicalCenter",
    "eligibilityScenario", "extremeHardship", "extremeHardshipEventType", "extremeHardshipReasons",
    "extremeHardshipSources", "hasHospitalVbpCCN", "hasPaymentAdjustmentCCN",
    "hospitalBasedClinician", "hospitalVbpName", "hospitalVbpScore", "hpsaClinician", "iaStudy",
    "isEligible", "isFacilityBased", "isOptedIn", "isOptInEligible", "lowVolumeServices",
    "lowVolumeStatusReasons", "lowVolumeSwitch", "mipsEligibleSwitch", "nonPatientFacing",
    "optInDecisionDate", "ruralClinician", "smallGroupPractitioner", "specialty", "specialtyCode",
)  # fmt: skip
_BELOW: Mapping[str, tuple[str, ...]] = {
    "extremeHardshipReasons": ("quality", "improvementActivities", "aci", "cost"),
    "isEligible": ("individual", "group", "mipsApm", "virtualGroup"),
    "specialty": ("specialtyDescription", "categoryReference", "typeDescription"),
}

# Where in the answer: the clinician (`data`), the organization of the TIN, its individualScenario
# (`own`), its groupScenario, or whichever of the two is the scoring unit's (`unit`).
Where = Literal["data", "organization", "own", "group", "unit"]


@dataclass(frozen=True, slots=True)
class ApiFact:
    """One row of the mapping: a field and the declared fact that it gives. Several paths with ` & `
    between give yes when all are true. `words` turns the field's words into ours; None there means
    that the word says nothing. `read` replaces both. `only` is the entity type that it is for."""

    fact: str
    where: Where
    path: str
    words: Mapping[str, Value | None] = field(default_factory=dict)
    read: Callable[[Item], Value | None] | None = None
    only: str = ""


def _not_empty(item: Item) -> Value | None:
    return True if item.items() else None


def _contains_manual(item: Item) -> Value | None:
    sources = item.items()
    return None if sources is None else any(source.value == "manual" for source in sources)


def _is_physician(item: Item) -> Value | None:
    """CMS's category for the clinicians of section 1861(r) of the Act; other words are not mapped,
    since no source lists them."""
    return "physician" if item.text() == "Physicians" else None


def _present(item: Item) -> Value | None:
    return True if item.number(0) is not None else None


_NO = {"true": None, "false": False}
_REASONS = "extremeHardship & extremeHardshipReasons"

API_FACTS: tuple[ApiFact, ...] = (
    ApiFact("scoring_unit.stated_low_volume", "unit", "lowVolumeSwitch"),
    ApiFact("scoring_unit.stated_opt_in_eligible", "unit", "isOptInEligible"),
    ApiFact(
        "scoring_unit.opt_in_election", "unit", "isOptedIn", {"true": "opted_in", "false": None}
    ),
    ApiFact("scoring_unit.stated_eligible_type", "group", "mipsEligibleSwitch", only="group"),
    ApiFact("scoring_unit.stated_eligible", "own", "isEligible.individual", only="individual"),
    ApiFact("scoring_unit.stated_group_eligible", "group", "isEligible.group", only="individual"),
    ApiFact("scoring_unit.stated_group_eligible", "own", "isEligible.group", only="individual"),
    ApiFact("scoring_unit.stated_small_practice", "unit", "smallGroupPractitioner"),
    ApiFact("scoring_unit.stated_rural", "unit", "ruralClinician"),
    ApiFact("scoring_unit.stated_hpsa", "unit", "hpsaClinician"),
    ApiFact("scoring_unit.stated_non_patient_facing", "unit", "nonPatientFacing"),
    ApiFact("scoring_unit.stated_hospital_based", "unit", "hospitalBasedClinician"),
    ApiFact("scoring_unit.stated_asc_based", "unit", "ambulatorySurgicalCenter"),
    ApiFact("scoring_unit.stated_facility_based", "unit", "isFacilityBased"),
    ApiFact("scoring_unit.has_facility_score", "unit", "hasHospitalVbpCCN", _NO),
    ApiFact("scoring_unit.apm_participant", "organization", "apms", read=_not_empty),
    ApiFact("scoring_unit.ia_study_participant", "unit", "iaStudy"),
    ApiFact("scoring_unit.extreme_hardship_quality", "unit", f"{_REASONS}.quality"),
    ApiFact("scoring_unit.extreme_hardship_cost", "unit", f"{_REASONS}.cost"),
    ApiFact("scoring_unit.extreme_hardship_ia", "unit", f"{_REASONS}.improvementActivities"),
    ApiFact("scoring_unit.extreme_hardship_pi", "unit", f"{_REASONS}.aci"),
    ApiFact(
        "scoring_unit.extreme_hardship_by_application", "unit", "extremeHardshipSources",
        read=_contains_manual,
    ),
    ApiFact("scoring_unit.pi_hardship_granted", "unit", "aciHardship"),
    ApiFact("scoring_unit.stated_pi_reweighting", "unit", "aciReweighting"),
    ApiFact("clinician.clinician_type", "own", "specialty.categoryReference", read=_is_physician),
    ApiFact("clinician.stated_eligible_type", "own", "mipsEligibleSwitch"),
    ApiFact("clinician.first_enrolled", "data", "firstApprovedDate"),
    ApiFact("clinician.stated_newly_enrolled", "data", "newlyEnrolled"),
    ApiFact(
        "clinician.qp_status", "data", "qpStatus",
        {"Q": "qp", "P": "partial_qp", "N": "neither", "Y": None, "R": None},
    ),
    ApiFact("clinician.in_rural_area", "own", "ruralClinician"),
    ApiFact("clinician.in_hpsa", "own", "hpsaClinician"),
    ApiFact("clinician.facility_has_vbp_score", "own", "hasHospitalVbpCCN", _NO),
    ApiFact("clinician.facility_has_vbp_score", "own", "hospitalVbpScore", read=_present),
    ApiFact("clinician.stated_non_patient_facing", "own", "nonPatientFacing"),
    ApiFact("clinician.stated_hospital_based", "own", "hospitalBasedClinician"),
    ApiFact("clinician.stated_asc_based", "own", "ambulatorySurgicalCenter"),
    ApiFact("clinician.stated_facility_based", "own", "isFacilityBased"),
    ApiFact("clinician.clinician_pi_hardship_granted", "own", "aciHardship"),
    ApiFact("clinician.clinician_extreme_hardship_pi", "own", f"{_REASONS}.aci"),
    ApiFact("clinician.clinician_stated_pi_reweighting", "own", "aciReweighting"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FactsFile:
    """One facts file. `npi` is empty when the file names none; `organizations` by TIN."""

    document: Item
    data: Members
    npi: str
    organizations: Mapping[str, Members]
    block: Item | None


def read_facts_file(document: Item) -> FactsFile | None:
    """The shape of a facts file and whom it is about; None after the fault is reported."""
    if isinstance(document.value, dict) and "measurementSets" in document.value:
        document.fail(
            "wrong-file", "this is a submission, not a facts file",
            help="give it without --facts, and after --facts what CMS knows of the clinician",
        )  # fmt: skip
        return None
    wrapped = isinstance(document.value, dict) and "data" in document.value
    if wrapped:
        outer = document.members(("data", NAME))
        inner = outer.need("data", "the answer of CMS's eligibility interface") if outer else None
        data = inner.members(_DATA, lenient=True) if inner else None
        block = outer.get(NAME) if outer else None
    else:
        data = document.members((*_DATA, NAME), lenient=True)
        block = data.get(NAME) if data else None
    if data is None:
        return None
    listed = data.need("organizations", "the practices (TINs) that the clinician bills under")
    organizations: dict[str, Members] = {}
    tins: list[str | None] = []
    for item in (listed.items() or []) if listed else []:
        members = item.members(_ORGANIZATION, lenient=True)
        has_tin = members.need("TIN", "the practice's TIN, nine digits") if members else None
        tin = read_tin(has_tin) if has_tin else None
        tins.append(tin)
        if tin in organizations and members:
            members.owner.fail(
                "fact-duplicate-record", "two organizations have the same TIN",
                help="keep one of them",
            )  # fmt: skip
        elif tin and members:
            organizations[tin] = members
    has_npi = data.get("npi")
    npi = read_npi(has_npi, next((tin for tin in tins if tin), None)) if has_npi else ""
    if npi is None or None in tins or not organizations:
        return None
    return FactsFile(document, data, npi, organizations, block)


def check_scenario(files: Sequence[FactsFile], entity_type: str, tin: str) -> None:
    """Warn where none of the files about a scoring unit has the scenario of its kind. Each must
    have the TIN among its organizations."""
    name = "individualScenario" if entity_type == "individual" else "groupScenario"
    organizations = [file.organizations[tin] for file in files]
    if not organizations or any(organization.get(name) for organization in organizations):
        return
    first, *others = (organization.owner for organization in organizations)
    first.warn(
        "facts-no-scenario", f"the organization has no `{name}`",
        *(Label(other.at) for other in others),
        help="CMS's statements on the scoring unit are taken as not made",
    )  # fmt: skip


def api_part(
    file: FactsFile, entity_type: str, tin: str, with_clinician: bool, declared: Declared
) -> Part:
    """What the interface's answer says of a scoring unit at this TIN, and of its clinician (the
    file's NPI) if asked for. The file must have the TIN among its organizations."""
    organization = file.organizations[tin]
    places = {
        "data": file.data,
        "organization": organization,
        "own": _scenario(organization, "individualScenario"),
        "group": _scenario(organization, "groupScenario"),
    }
    places["unit"] = places["own" if entity_type == "individual" else "group"]
    unit = Part(UNIT, file.document.at, {})
    clinician = Part("clinician", file.document.at, {})
    if with_clinician and (npi := file.data.get("npi")):
        clinician.facts["npi"] = Found(file.npi, npi.at)
        unit.children.append(clinician)
    for row in API_FACTS:
        entity, _, name = row.fact.partition(".")
        part = unit if entity == UNIT else clinician
        declaration = declared.facts[entity].get(name)
        wanted = declaration and name not in part.facts and row.only in ("", entity_type)
        members = places[row.where]
        if members is None or not wanted or (entity != UNIT and not with_clinician):
            continue
        found = _read(row, members, declared)
        if found:
            part.facts[name] = found
    return unit


def _scenario(organization: Members, name: str) -> Members | None:
    item = organization.get(name)
    return item.members(_SCENARIO, lenient=True) if item else None


def _read(row: ApiFact, members: Members, declared: Declared) -> Found | None:
    paths = row.path.split(" & ")
    items = [_at(members, path) for path in paths]
    if len(items) > 1:
        return _all_true(members, paths, items)
    item = items[0]
    if item is None:
        return None
    value = _value(row, item, declared)
    return None if value is None else Found(value, item.at)


def _value(row: ApiFact, item: Item, declared: Declared) -> Value | None:
    entity, _, name = row.fact.partition(".")
    if row.read:
        return row.read(item)
    if not row.words:
        return read_fact(item, declared.facts[entity][name])
    said: str | None
    if "true" in row.words:
        flag = item.yes_no()
        said = None if flag is None else str(flag).lower()
    else:
        said = item.member(tuple(row.words))
        if said and row.words[said] is None:
            item.warn(
                "facts-unclear", f"what `{said}` means in {item.name} is not documented",
                help=f"give `{name}` in the `{NAME}` block if you know it",
            )  # fmt: skip
    return row.words[said] if said else None


def _at(members: Members, path: str) -> Item | None:
    name, _, rest = path.partition(".")
    item = members.get(name)
    if item is None or not rest:
        return item
    below = item.members(_BELOW[name], lenient=True)
    return below.get(rest) if below else None


def _all_true(members: Members, paths: list[str], items: list[Item | None]) -> Found | None:
    flags = [item.yes_no() if item else None for item in items]
    given = [item for item in items if item]
    if False in flags:
        return Found(False, given[0].at)
    if None not in flags:
        return Found(True, given[-1].at)
    for path, item in zip(paths, items, strict=True):
        if item is None and True in flags:
            members.owner.fail(
                "json-missing-key", f"`{path}` is missing, and without it the flag before it says "
                "nothing", help=f"add `{path}`",
            )  # fmt: skip
    return None
