"""Where each declared fact is read from, in words for people."""

from __future__ import annotations

from finalrule.facts.clinician import API_FACTS, ApiFact
from finalrule.facts.declared import UNIT

# Facts that a submission gives (qpp_json.py, measurements.py), by entity.
SUBMITTED = {
    UNIT: {"entity_type"},
    "measure_result": {
        "measure_id", "collection_type", "performance_start", "performance_end",
        "has_performance_rate", "performance_rate", "has_reporting_rate", "reporting_rate",
        "case_count", "end_to_end_reported",
    },
    "survey_score": {"summary_measure_id", "score", "below_minimum"},
    "activity": {"activity_id", "completed", "performance_start", "performance_end"},
    "pi_submission": {"submission_method", "performance_start", "performance_end", "has_cehrt_id"},
    "pi_report": {"measure_id", "reported", "is_proportion", "numerator", "denominator"},
}  # fmt: skip
COST = {"cost_result": {"measure_id", "case_count", "cost"}}
GIVEN = {
    f"{kind}" for name in ("quality", "cost", "ia", "pi")
    for kind in (f"{name}_given", f"given_{name}_score")
}  # fmt: skip

_PLACES = {
    "data": "{}",
    "organization": "organizations[].{}",
    "own": "organizations[].individualScenario.{}",
    "group": "organizations[].groupScenario.{}",
    "unit": "organizations[].individualScenario.{} (a group: groupScenario)",
}


def api_facts(entity: str, name: str) -> list[ApiFact]:
    """The fields of CMS's eligibility interface that give a fact."""
    return [row for row in API_FACTS if row.fact == f"{entity}.{name}"]


def in_block(entity: str, name: str) -> bool:
    """Whether a fact needs the `finalrule` block of a facts file: nothing else gives it, or CMS's
    interface gives some of its values only."""
    if name in SUBMITTED.get(entity, ()) or name in COST.get(entity, ()):
        return False
    if entity == UNIT and name in GIVEN:
        return False
    rows = api_facts(entity, name)
    return not rows or any(row.words or row.read for row in rows)


def where_from(entity: str, name: str) -> str:
    """Where a fact is read from, as an error or a listing names it."""
    if name in SUBMITTED.get(entity, ()):
        return "the submission"
    if name in COST.get(entity, ()):
        return "the file of cost results (--cost)"
    if entity == UNIT and name in GIVEN:
        return "--given"
    rows = api_facts(entity, name)
    if rows:
        fields = " or ".join(_PLACES[row.where].format(row.path) for row in rows)
        return f"CMS's eligibility interface: {fields}"
    return f"the `finalrule` block of a facts file ({_block_path(entity)})"


def _block_path(entity: str) -> str:
    return "of the unit" if entity == UNIT else f"in a record of `{entity}`"
