"""CMS's side of the import: the columns of its export, the words that it uses and ours for them,
and the few facts that the export does not have. Sources that are not regulation text:

MD      CMS, repository qpp-measures-data: measures-data.json, measures-schema.yaml,
        benchmarks-schema.yaml (2019)
HPA-2019  summary of the CY2020 proposed rule, Tables 37 and 40 (cost measures by type)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Export:
    """One file of the export. `carried` columns are read; `unused` ones say nothing that scoring
    2019 and 2020 needs; `empty` ones would, but are empty in those years: a filled one is refused,
    since it would be lost."""

    key: tuple[str, ...]
    carried: tuple[str, ...]
    unused: tuple[str, ...]
    empty: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return self.carried + self.unused + self.empty


def _export(keys: int, carried: str, unused: str = "", empty: str = "") -> Export:
    read = tuple(carried.split())
    return Export(read[:keys], read, tuple(unused.split()), tuple(empty.split()))


EXPORTS: dict[str, Export] = {
    "quality_measures.csv": _export(
        1,
        "measureId isQcdr measureType metricType isHighPriority isInverse isRiskAdjusted"
        " submissionMethods overallAlgorithm nStrata strataNames isIcdImpacted icdImpacted"
        " isClinicalGuidelineChanged clinicalGuidelineChanged measureSets",
        unused="eMeasureId firstPerformanceYear nAllowedVendors",
        empty="lastPerformanceYear historicBenchmarks isSevenPointCapRemoved sevenPointCapRemoved"
        " companionMeasureIds allowedPrograms requiredForPrograms",
    ),
    "benchmarks.csv": _export(
        2,
        "measureId submissionMethod benchmarkYear metricType isInverse isHighPriority isToppedOut"
        " isToppedOutByProgram d1 d2 d3 d4 d5 d6 d7 d8 d9 d10",
        empty="sevenPointCapRemoved averagePerformanceRate",
    ),
    "improvement_activities.csv": _export(
        1,
        "measureId weight subcategoryId",
        unused="firstPerformanceYear",
        empty="lastPerformanceYear cehrtEligible allowedPrograms",
    ),
    "pi_measures.csv": _export(
        1,
        "measureId objective metricType reportingCategory isRequired isBonus weight exclusion",
        unused="firstPerformanceYear",
        empty="substitutes preprod measureSets lastPerformanceYear allowedPrograms",
    ),
    "cost_measures.csv": _export(
        1,
        "measureId isInverse metricType submissionMethods",
        unused="firstPerformanceYear",
        empty="lastPerformanceYear allowedPrograms groupNationalAverage individualNationalAverage",
    ),
    "clinical_clusters.csv": _export(3, "submissionMethod kind name nMeasures measureIds"),
}


def snake(camel: str) -> str:
    """`patientReportedOutcome` -> `patient_reported_outcome`; two names never become one."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", camel).lower()


def _words(camel: str) -> dict[str, str]:
    return {word: snake(word) for word in camel.split()}


FLAGS = {"0": "no", "1": "yes"}

# A QCDR's own measures have the method `registry` in MD and the collection type QCDR measure in
# 42 CFR 414.1305 (collection type): `registry` is looked up by whether the measure is one.
COLLECTION_TYPES = {
    "electronicHealthRecord": "ecqm",
    "registry": "mips_cqm",
    "claims": "part_b_claims",
    "cmsWebInterface": "web_interface",
    "certifiedSurveyVendor": "cahps",
    "administrativeClaims": "administrative_claims",
}

MEASURE_TYPES = _words(
    "efficiency intermediateOutcome outcome patientEngagementExperience patientReportedOutcome"
    " process structure"
)
# 42 CFR 414.1305 (high priority measure): an outcome, intermediate outcomes and patient-reported
# outcomes included, patient experience and efficiency are always high priority.
OUTCOMES = {"outcome", "intermediate_outcome", "patient_reported_outcome"}
PATIENT_EXPERIENCE = "patient_engagement_experience"
ALWAYS_HIGH_PRIORITY = OUTCOMES | {PATIENT_EXPERIENCE, "efficiency"}

QUALITY_METRICS = _words(
    "cahps costScore multiPerformanceRate nonProportion registryMultiPerformanceRate"
    " registrySinglePerformanceRate singlePerformanceRate"
)
MULTIPLE_RATES = {"multi_performance_rate", "registry_multi_performance_rate"}
# Metrics on the scale 0 to 100; the others have a unit of their own (minutes, a ratio, dollars).
PERCENT_METRICS = MULTIPLE_RATES | {
    "cahps", "registry_single_performance_rate", "single_performance_rate",
}  # fmt: skip
OVERALL_ALGORITHMS = _words("overallStratumOnly simpleAverage sumNumerators weightedAverage")

SPECIALTY_SETS = _words(
    "allergyImmunology anesthesiology audiology cardiology chiropracticMedicine clinicalSocialWork"
    " dentistry dermatology diagnosticRadiology electrophysiologyCardiacSpecialist"
    " emergencyMedicine endocrinology familyMedicine gastroenterology generalPracticeFamilyMedicine"
    " generalSurgery geriatrics hospitalists infectiousDisease internalMedicine"
    " interventionalRadiology mentalBehavioralHealth nephrology neurology neurosurgical"
    " nutritionDietician obstetricsGynecology oncology ophthalmology orthopedicSurgery"
    " otolaryngology pathology pediatrics physicalMedicine physicalTherapyOccupationalTherapy"
    " plasticSurgery podiatry preventiveMedicine pulmonology radiationOncology rheumatology"
    " skilledNursingFacility speechLanguagePathology thoracicSurgery urgentCare urology"
    " vascularSurgery"
)

ACTIVITY_WEIGHTS = _words("high medium")
SUBCATEGORIES = _words(
    "achievingHealthEquity behavioralAndMentalHealth beneficiaryEngagement careCoordination"
    " emergencyResponseAndPreparedness expandedPracticeAccess patientSafetyAndPracticeAssessment"
    " populationManagement"
)

PI_OBJECTIVES = _words(
    "attestation electronicPrescribing healthInformationExchange protectPatientHealthInformation"
    " providerToPatientExchange publicHealthAndClinicalDataExchange"
)
PI_METRICS = _words("boolean proportion")
PI_CATEGORIES = _words("bonus exclusion required")

CLUSTER_KINDS = _words("cluster specialty")


def excluded_measure(exclusion_id: str) -> str:
    """The Promoting Interoperability measure that an exclusion is for, where the `exclusion` column
    does not say it; empty when it is not known.

    MD 2019 titles PI_LVITC_2 and PI_CUITC_1 alike as exclusions of receiving and incorporating
    health information, which is PI_HIE_4; the public health exclusions carry their measure's id.
    """
    if exclusion_id in ("PI_LVITC_2", "PI_CUITC_1"):
        return "PI_HIE_4"
    public_health = re.fullmatch(r"(PI_PHCDRR_[1-5])_EX_[1-3]", exclusion_id)
    return public_health[1] if public_health else ""


CaseMinimumType = Literal["acute_inpatient", "mspb", "procedural", "tpcc"]


@dataclass(frozen=True, slots=True)
class CostMeasure:
    """What decides a cost measure's case minimum (42 CFR 414.1350(c)(1)-(5)), whether it is
    calculated for groups alone, and where both stand."""

    case_minimum_type: CaseMinimumType
    cite: str
    group_only: bool = False


COST_MEASURES: dict[str, CostMeasure] = {
    "TPCC_1": CostMeasure("tpcc", "42 CFR 414.1350(c)(1)"),
    "MSPB_1": CostMeasure("mspb", "42 CFR 414.1350(c)(2)"),
    # In use from 2019.
    "COST_CCLI_1": CostMeasure("procedural", "HPA-2019 Table 40"),
    "COST_EOPCI_1": CostMeasure("procedural", "HPA-2019 Table 40"),
    "COST_IOL_1": CostMeasure("procedural", "HPA-2019 Table 40"),
    "COST_KA_1": CostMeasure("procedural", "HPA-2019 Table 40"),
    "COST_SSC_1": CostMeasure("procedural", "HPA-2019 Table 40"),
    "COST_IHCI_1": CostMeasure("acute_inpatient", "HPA-2019 Table 40"),
    "COST_SPH_1": CostMeasure("acute_inpatient", "HPA-2019 Table 40"),
    "COST_STEMI_1": CostMeasure("acute_inpatient", "HPA-2019 Table 40"),
    # In use from 2020.
    "COST_AKID_1": CostMeasure("procedural", "HPA-2019 Table 37"),
    "COST_FIHR_1": CostMeasure("procedural", "HPA-2019 Table 37"),
    "COST_HAC_1": CostMeasure("procedural", "HPA-2019 Table 37"),
    "COST_LPMSM_1": CostMeasure("procedural", "HPA-2019 Table 37"),
    "COST_LSFDD_1": CostMeasure("procedural", "HPA-2019 Table 37"),
    "COST_NECABG_1": CostMeasure("procedural", "HPA-2019 Table 37"),
    "COST_PHA_1": CostMeasure("procedural", "HPA-2019 Table 37"),
    "COST_RUSST_1": CostMeasure("procedural", "HPA-2019 Table 37"),
    "COST_COPDE_1": CostMeasure("acute_inpatient", "HPA-2019 Table 37"),
    "COST_LGH_1": CostMeasure("acute_inpatient", "HPA-2019 Table 37", group_only=True),
}
