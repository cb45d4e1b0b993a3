"""CMS's published example submissions of 2019, with a small facts file of our own."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from facts.documents import Json, Read, pointer

EXAMPLES = Path(__file__).parents[3] / "shared" / "examples"

pytestmark = pytest.mark.skipif(
    not EXAMPLES.is_dir(), reason=f"CMS's example submissions are not there: {EXAMPLES}"
)

# The examples are of one clinician; the check digit of this NPI is wrong, as CMS printed it.
CLINICIAN = {
    "data": {
        "npi": "9876543210",
        "newlyEnrolled": False,
        "qpStatus": "N",
        "organizations": [
            {
                "TIN": "000456789",
                "individualScenario": {"smallGroupPractitioner": True, "lowVolumeSwitch": False},
            }
        ],
    },
    "finalrule": {"average_hcc_risk_score": 1.2, "dual_eligible_ratio": 0.25},
}


def example(name: str) -> Json:
    return json.loads((EXAMPLES / name).read_text(encoding="utf-8"))


def test_three_files_of_one_clinician_are_one_case(read: Read) -> None:
    files = [example(f"2019_{category}.json") for category in ("quality", "ia", "pi")]
    found = read(*files, facts=[CLINICIAN])
    assert found.case.subject == {
        "entity_type": "individual",
        "tin": "000456789",
        "npi": "9876543210",
        "performance_year": "2019",
    }
    assert found.record("scoring_unit")["stated_small_practice"] is True
    assert found.record("scoring_unit")["average_hcc_risk_score"] == Fraction(12, 10)
    assert found.record("clinician")["qp_status"] == "neither"
    assert [record["activity_id"] for record in found.records("activity")] == [
        "IA_EPA_4", "IA_PM_2", "IA_PSPA_4", "IA_PSPA_5",
    ]  # fmt: skip
    # Each of the four files has the NPI with the wrong check digit, under a test TIN.
    assert [warning.code for warning in found.warnings] == ["npi-check-digit"] * 4
    assert pointer(found.warnings[0]) == "/nationalProviderIdentifier"


def test_quality(read: Read) -> None:
    found = read(example("2019_quality.json"))
    measures = {record["measure_id"]: record for record in found.records("measure_result")}
    # 046: three strata, of which `overall` alone counts: 121 met, 26 not met, 147 eligible.
    assert measures["046"]["performance_rate"] == Fraction(100 * 121, 147)
    assert measures["046"]["reporting_rate"] == 1
    assert measures["046"]["case_count"] == 147
    # 110: 305 met, 255 not met, 2 exceptions, 0 exclusions of 562.
    assert measures["110"]["performance_rate"] == Fraction(100 * 305, 560)
    assert measures["110"]["reporting_rate"] == 1
    assert measures["110"]["case_count"] == 562
    assert measures["110"]["end_to_end_reported"] is True
    assert measures["110"]["collection_type"] == "mips_cqm"
    # ACRAD15, a QCDR's mean: the result is 3; 80 observed and 30 exceptions of 1,000 are 11 %.
    assert measures["ACRAD15"]["performance_rate"] == 3
    assert measures["ACRAD15"]["reporting_rate"] == Fraction(11, 100)
    assert measures["ACRAD15"]["case_count"] == 1000
    assert measures["ACRAD15"]["collection_type"] == "qcdr"
    assert measures["ACRAD15"]["end_to_end_reported"] is False


def test_promoting_interoperability(read: Read) -> None:
    found = read(example("2019_pi.json"))
    assert found.record("pi_submission")["submission_method"] == "electronicHealthRecord"
    assert found.record("pi_submission")["has_cehrt_id"] is True
    reports = {record["measure_id"]: record for record in found.records("pi_report")}
    counts = {
        name: (report["numerator"], report["denominator"])
        for name, report in reports.items()
        if report["is_proportion"]
    }
    # The counts that CMS's scoring engine turned into 4, 12, 19 and 19 points.
    assert counts == {
        "PI_EP_1": (49, 115),
        "PI_HIE_1": (1123, 1951),
        "PI_HIE_4": (923, 951),
        "PI_PEA_1": (861, 1809),
    }
    assert reports["PI_PHCDRR_1_MULTI"]["reported"] is True
    # A statement answered with no.
    assert reports["PI_PPHI_1"]["reported"] is False
    origin = found.origin("pi_report", "numerator")
    assert origin.endswith("submission0.json#/measurementSets/0/measurements/3/value")


def test_a_subgroup_has_an_identifier_of_its_own_kind(read: Read) -> None:
    """Neither its `entityId` nor the TIN that it does not have is a fault beside its type."""
    found = read(example("2023_quality_mvp_subgroup.json"))
    assert [error.code for error in found.errors] == ["submission-entity-type", "submission-year"]


@pytest.mark.parametrize("year", [2017, 2018, 2021, 2025])
def test_other_years_are_refused(read: Read, year: int) -> None:
    names = sorted(EXAMPLES.glob(f"{year}_*.json"))
    assert names
    for name in names:
        found = read(example(name.name))
        assert found.error.code == "submission-year"
        assert f"performance year {year}" in found.error.message
        assert pointer(found.error) == "/performanceYear"
