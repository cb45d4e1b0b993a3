"""A small export in CMS's form, made up for the tests: one row of each kind that differs."""

from __future__ import annotations

import copy
import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from finalrule.catalogue.cms import EXPORTS

Tables = dict[str, list[dict[str, str]]]

HEADER = """\
title: measures of a test
issuer: nobody
performance_year: 2020
source: {repository: none, commit: none, date: 2020-01-01, files: []}
known_defects: []
"""


def _row(file: str, **cells: str) -> dict[str, str]:
    return dict.fromkeys(EXPORTS[file].columns, "") | cells


def _quality(measure_id: str, methods: str, **cells: str) -> dict[str, str]:
    usual = {
        "isQcdr": "0", "measureType": "process", "metricType": "singlePerformanceRate",
        "isHighPriority": "0", "isInverse": "0", "isRiskAdjusted": "0", "isIcdImpacted": "0",
        "isClinicalGuidelineChanged": "0", "firstPerformanceYear": "2017",
    }  # fmt: skip
    named = {"measureId": measure_id, "submissionMethods": methods}
    return _row("quality_measures.csv", **(usual | named | cells))


def _benchmark(measure_id: str, method: str, bounds: str, **cells: str) -> dict[str, str]:
    usual = {
        "benchmarkYear": "2018", "metricType": "singlePerformanceRate", "isInverse": "0",
        "isHighPriority": "0", "isToppedOut": "0", "isToppedOutByProgram": "0",
    }  # fmt: skip
    numbers = bounds.split()
    deciles = {f"d{10 - at}": number for at, number in enumerate(reversed(numbers))}
    named = {"measureId": measure_id, "submissionMethod": method}
    return _row("benchmarks.csv", **(usual | named | deciles | cells))


def _pi(measure_id: str, category: str, **cells: str) -> dict[str, str]:
    usual = {
        "objective": "electronicPrescribing", "metricType": "boolean", "isRequired": "0",
        "isBonus": "0", "reportingCategory": category, "measureId": measure_id,
    }  # fmt: skip
    return _row("pi_measures.csv", **(usual | cells))


def _tables() -> Tables:
    inverse_outcome = {"isInverse": "1", "isHighPriority": "1"}
    return {
        "quality_measures.csv": [
            _quality("001", "claims;electronicHealthRecord;registry", nStrata="1",
                     strataNames="None", measureType="intermediateOutcome",
                     measureSets="nephrology;cardiology",
                     isClinicalGuidelineChanged="1", clinicalGuidelineChanged="claims",
                     **inverse_outcome),
            _quality("226", "cmsWebInterface;registry", metricType="multiPerformanceRate",
                     overallAlgorithm="overallStratumOnly", nStrata="2", strataNames="overall;A",
                     isIcdImpacted="1"),
            _quality("458", "administrativeClaims", measureType="outcome", metricType="costScore",
                     **inverse_outcome),
            _quality("CAHPS_1", "certifiedSurveyVendor", metricType="cahps", isHighPriority="1",
                     measureType="patientEngagementExperience", isRiskAdjusted="",
                     isClinicalGuidelineChanged=""),
            _quality("QCDR1", "registry", isQcdr="1", measureType="outcome",
                     metricType="nonProportion", **inverse_outcome),
        ],
        "benchmarks.csv": [
            _benchmark("001", "claims", "100 79.99 70 60 50 40 30 10 10",
                       isToppedOut="1", isToppedOutByProgram="1", **inverse_outcome),
            _benchmark("226", "registry", "0 1.88 10.46 25.49 65.7 97.67 100 100 100",
                       metricType="multiPerformanceRate"),
            _benchmark("CAHPS_1", "certifiedSurveyVendor", "0 81 82 83 84 85 86 87 88",
                       metricType="cahps", isHighPriority="1", isToppedOutByProgram=""),
            _benchmark("QCDR1", "registry", "0.5 0.1 0.02 -0.06 -0.1 -0.2 -0.3 -0.4 -0.5 -1.04",
                       metricType="nonProportion", benchmarkYear="2020", **inverse_outcome),
            _benchmark("TPCC_1", "administrativeClaims",
                       "104063 33854.2 23767 19952.7 16160.6 13768.2 11548.2 9125.29 7437.42"
                       " 4575.59",
                       metricType="costScore", isInverse="1", isHighPriority=""),
        ],
        "improvement_activities.csv": [
            _row("improvement_activities.csv", measureId="IA_AHE_1", weight="high",
                 subcategoryId="achievingHealthEquity"),
            _row("improvement_activities.csv", measureId="IA_PCMH"),
        ],
        "pi_measures.csv": [
            _pi("PI_EP_1", "required", metricType="proportion", isRequired="1", weight="10",
                exclusion="PI_LVPP_1"),
            _pi("PI_LVPP_1", "exclusion", weight="0"),
            _pi("PI_PHCDRR_1", "required", objective="publicHealthAndClinicalDataExchange"),
            _pi("PI_PHCDRR_1_EX_1", "exclusion", objective="publicHealthAndClinicalDataExchange"),
            _pi("PI_ONCACB_1", "", objective="attestation"),
        ],
        "cost_measures.csv": [
            _row("cost_measures.csv", measureId="COST_LGH_1", isInverse="1", metricType="costScore",
                 submissionMethods="administrativeClaims"),
            _row("cost_measures.csv", measureId="TPCC_1", isInverse="1", metricType="costScore",
                 submissionMethods="administrativeClaims"),
        ],
        "clinical_clusters.csv": [
            _row("clinical_clusters.csv", submissionMethod="registry", kind="cluster",
                 name="diabeticCare", nMeasures="2", measureIds="226;001"),
            _row("clinical_clusters.csv", submissionMethod="claims", kind="specialty",
                 name="urgentCare", nMeasures="1", measureIds="001"),
        ],
    }  # fmt: skip


def write_tables(folder: Path, tables: Tables) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file, rows in tables.items():
        with (folder / file).open("w", encoding="utf-8", newline="") as opened:
            writer = csv.DictWriter(opened, list(EXPORTS[file].columns), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


@pytest.fixture(scope="session")
def small_tables() -> Callable[[], Tables]:
    """Makes a fresh copy of the small export's tables."""
    tables = _tables()
    return lambda: copy.deepcopy(tables)


@pytest.fixture(scope="session")
def write_export() -> Callable[[Path, Tables], None]:
    """Writes tables as CMS's files."""
    return write_tables


@pytest.fixture(scope="session")
def header_text() -> str:
    """A header for the year 2020 without known defects."""
    return HEADER
