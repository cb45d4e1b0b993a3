"""Performance rate, reporting rate and case count: by hand, and stated ones against our own."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facts.documents import Json, Read, a_set, changed, measured, pointer, single, submission
from finalrule.diagnostics import Report
from finalrule.facts.json_item import Item
from finalrule.facts.measures import QualityMeasure
from finalrule.facts.quality_value import QualityValue, read_quality_value

SINGLE = QualityMeasure("236", False, "single_performance_rate", "none", (), frozenset())
VALUE = "/measurementSets/0/measurements/0/value"


def multiple(algorithm: str, *strata: str, registry: bool = False) -> QualityMeasure:
    kind = "registry_multi_performance_rate" if registry else "multi_performance_rate"
    return QualityMeasure("M", registry, kind, algorithm, strata, frozenset())


def as_read(value: Json) -> Json:
    """As the reader of JSON gives it: decimals instead of floats."""
    match value:
        case float():
            return Decimal(str(value))
        case dict():
            return {name: as_read(member) for name, member in value.items()}
        case list():
            return [as_read(member) for member in value]
    return value


def read_value(measure: QualityMeasure, value: Json) -> tuple[QualityValue | None, list[str]]:
    report = Report()
    found = read_quality_value(Item(as_read(value), "file.json", "", report), measure)
    return found, [error.code for error in report.diagnostics]


def the_value(measure: QualityMeasure, value: Json) -> QualityValue:
    found, errors = read_value(measure, value)
    assert not errors
    assert found
    return found


def stratum(name: str, *counts: int) -> Json:
    return single(*counts) | {"stratum": name}


def strata(*parts: Json, **stated: Any) -> Json:
    parts = tuple(
        {name: value for name, value in part.items() if name != "isEndToEndReported"}
        for part in parts
    )
    return {"isEndToEndReported": True, "strata": list(parts), **stated}


def test_counts_of_cms_comparison_of_ecqm_and_mips_cqm() -> None:
    """CMS's guidance on the Shared Savings Program compares one measure in two collection types:
    1,000 in the initial population, 50 exclusions, 700 met."""
    # eCQM: everybody else, 250, is not met: 700 / 950 = 73.68 %, complete.
    ecqm = the_value(SINGLE, single(met=700, not_met=250, eligible=1000, exclusion=50))
    assert ecqm.performance_rate == Fraction(100 * 700, 950)
    assert ecqm.reporting_rate == 1
    assert ecqm.case_count == 950
    # MIPS CQM: exclusions are not in the population, and 50 of its 950 are not reported:
    # 700 / 900 = 77.78 % of those that are, and 900 / 950 = 94.7 % reported.
    cqm = the_value(SINGLE, single(met=700, not_met=200, eligible=950))
    assert cqm.performance_rate == Fraction(100 * 700, 900)
    assert cqm.reporting_rate == Fraction(900, 950)
    assert cqm.case_count == 950


def test_exceptions_are_reported_but_do_not_perform() -> None:
    found = the_value(SINGLE, single(met=6, not_met=2, eligible=12, exclusion=1, exception=1))
    assert found.performance_rate == 75  # 6 of 8
    assert found.reporting_rate == Fraction(10, 12)
    assert found.case_count == 11  # 12 less 1 exclusion


def test_counts_left_out_are_none() -> None:
    found = the_value(SINGLE, {"performanceMet": 6, "eligiblePopulation": 8})
    assert found.performance_rate == 100
    assert found.reporting_rate == Fraction(6, 8)
    assert found.end_to_end is None


@pytest.mark.parametrize(
    ("value", "performance", "reporting"),
    [
        (single(met=0, not_met=0, eligible=0), None, None),
        # two cases, both exceptions: all reported, none counts
        (single(met=0, not_met=0, eligible=2, exception=2), None, Fraction(1)),
        (single(met=0, not_met=3, eligible=3), Fraction(0), Fraction(1)),
    ],
)
def test_no_case(value: Json, performance: Fraction | None, reporting: Fraction | None) -> None:
    found = the_value(SINGLE, value)
    assert found.performance_rate == performance
    assert found.reporting_rate == reporting


def test_no_rate_is_zero_and_said_so_in_the_case(read: Read) -> None:
    value = single(met=0, not_met=0, eligible=2, exception=2)
    found = read(submission(a_set("quality", "registry", measured("110", value))))
    record = found.record("measure_result")
    assert (record["has_performance_rate"], record["performance_rate"]) == (False, 0)
    assert (record["has_reporting_rate"], record["reporting_rate"]) == (True, 1)


# Three strata: 47 of 60, 73 of 86 and, overall, 120 of 146 and one not reported.
PARTS = (
    stratum("young", 47, 13, 60),
    stratum("old", 73, 13, 86),
    stratum("overall", 120, 26, 147),
)


def test_weighted_average_leaves_the_overall_stratum_out() -> None:
    found = the_value(multiple("weighted_average", "young", "old", "overall"), strata(*PARTS))
    assert found.performance_rate == Fraction(100 * (47 + 73), 60 + 86)
    assert found.reporting_rate == 1
    assert found.case_count == 146  # 60 + 86


def test_simple_average_is_the_mean_of_the_rates() -> None:
    found = the_value(multiple("simple_average", "young", "old"), strata(*PARTS[:2]))
    assert found.performance_rate == (Fraction(4700, 60) + Fraction(7300, 86)) / 2
    assert found.case_count == 86  # the greater


def test_overall_stratum_only() -> None:
    found = the_value(multiple("overall_stratum_only", "young", "old", "overall"), strata(*PARTS))
    assert found.performance_rate == Fraction(12000, 146)
    assert found.reporting_rate == Fraction(146, 147)
    assert found.case_count == 147


def test_exclusions_of_strata() -> None:
    parts = stratum("a", 5, 3, 10, 2, 0), stratum("b", 4, 1, 20, 5, 10)
    found = the_value(multiple("weighted_average", "a", "b"), strata(*parts))
    assert found.performance_rate == Fraction(900, 13)
    assert found.reporting_rate == 1  # 5 + 3 + 2 and 4 + 1 + 5 + 10, of 10 and 20
    assert found.case_count == 23  # 8 and 15


def test_an_average_over_a_stratum_without_cases_is_refused() -> None:
    measure = multiple("simple_average", "a", "b")
    parts = stratum("a", 5, 3, 8), stratum("b", 0, 0, 0)
    assert read_value(measure, strata(*parts)) == (None, ["measure-counts"])
    empty = stratum("a", 0, 0, 0), stratum("b", 0, 0, 0)
    assert the_value(measure, strata(*empty)).performance_rate is None


def test_a_registry_states_its_own_rate() -> None:
    measure = multiple("weighted_average", "young", "old", registry=True)
    found = the_value(measure, strata(*PARTS[:2], performanceRate=12.25))
    assert found.performance_rate == Fraction(1225, 100)
    assert found.reporting_rate == 1
    one = QualityMeasure("Q1", True, "registry_single_performance_rate", "none", (), frozenset())
    assert the_value(one, single(8, 2, 10) | {"performanceRate": 0}).performance_rate == 0
    none = the_value(one, single(0, 0, 10) | {"performanceRate": 0})
    assert none.performance_rate is None


def test_a_mean_is_its_own_rate() -> None:
    measure = QualityMeasure("ACEP50", True, "non_proportion", "none", (), frozenset())
    value = {
        "numerator": -0.33, "denominator": 40, "observationInstances": 30,
        "denominatorException": 4, "numeratorExclusion": 2.0,
    }  # fmt: skip
    found = the_value(measure, value)
    assert found.performance_rate == Fraction(-33, 100)
    assert found.reporting_rate == Fraction(36, 40)
    assert found.case_count == 40
    assert found.end_to_end is None
    assert the_value(measure, value | {"isEndToEndReported": True}).end_to_end is True
    assert read_value(measure, value | {"isEndToEndReported": 1})[1] == ["json-wrong-type"]
    for name, wrong in (("reportingRate", 90.1), ("caseCount", 41)):
        assert read_value(measure, value | {name: wrong})[1] == ["measure-rate-differs"]
    unobserved = the_value(measure, {"numerator": 5, "denominator": 20})
    assert unobserved.reporting_rate is None
    assert unobserved.performance_rate == 5
    assert the_value(measure, {"numerator": 0, "denominator": 0}).performance_rate is None


def test_readmission() -> None:
    measure = QualityMeasure("458", False, "cost_score", "none", (), frozenset())
    value = {"score": 14.52, "details": {"numberOfIndexAdmissions": 200}}
    found = the_value(measure, value)
    assert (found.performance_rate, found.case_count) == (Fraction(1452, 100), 200)
    assert read_value(measure, {"score": 14.52, "details": {}})[1] == ["json-missing-key"]


def test_survey_scores_stand_below_their_survey(read: Read) -> None:
    rows = [
        measured("CAHPS_2", {"score": 93.5, "reliability": "High", "mask": False}),
        measured("CAHPS_1", {"score": 80, "isBelowMinimum": True}),
        measured("CAHPS_3", {"score": None, "mask": True}),
        measured("CAHPS_5", {"score": 100}),
        measured("CAHPS_6", {"score": 70, "mask": True}),
    ]
    document = submission(a_set("quality", "certifiedSurveyVendor", *rows))
    found = read(document)
    survey = found.record("measure_result")
    assert (survey["measure_id"], survey["collection_type"]) == ("321", "cahps")
    scores = {
        record["summary_measure_id"]: (record["score"], record["below_minimum"])
        for record in found.records("survey_score")
    }
    assert scores == {
        "CAHPS_1": (80, True),
        "CAHPS_2": (Fraction(187, 2), False),
        "CAHPS_3": (0, True),
        "CAHPS_5": (100, False),
        "CAHPS_6": (70, True),
    }
    for value in ({"score": 101}, {"mask": False}, {"score": 1, "mask": 0}, {"score": "1"}):
        assert len(read(changed(document, VALUE, value)).errors) == 1
    whole = read(
        submission(a_set("quality", "certifiedSurveyVendor", measured("321", {"score": 1})))
    )
    assert whole.error.code == "measure-unknown"


def test_which_rate_is_disputed(read: Read) -> None:
    # 305 of 560 are 54.464...; 562 of 562 are 100; 562 cases.
    counts = single(met=305, not_met=255, eligible=562, exception=2)
    right = {"performanceRate": 54.46, "reportingRate": 100, "caseCount": 562}
    document = submission(a_set("quality", "registry", measured("110", counts | right)))
    assert read(document).case
    for name, wrong, said in (
        ("performanceRate", 54.47, "stated as 54.47, but the counts give 54.46 (exactly 1525/28)"),
        ("reportingRate", 99.99, "stated as 99.99, but the counts give 100.00"),
        ("caseCount", 561, "stated as 561, but the counts give 562"),
    ):
        value = counts | right | {name: wrong}
        found = read(submission(a_set("quality", "registry", measured("110", value))))
        assert found.error.code == "measure-rate-differs"
        assert said in found.error.message
        assert pointer(found.error) == f"{VALUE}/{name}"


def test_a_stated_rate_without_a_case_is_refused() -> None:
    value = single(met=0, not_met=0, eligible=0) | {"performanceRate": 50}
    assert read_value(SINGLE, value) == (None, ["measure-rate-differs"])
    assert the_value(SINGLE, single(0, 0, 0) | {"performanceRate": None}).performance_rate is None


def test_rates_stated_in_strata() -> None:
    measure = multiple("weighted_average", "young", "old")
    young = PARTS[0] | {"performanceRate": 78.3}  # 47 of 60 are 78.333...
    assert the_value(measure, strata(young, PARTS[1]))
    # 60 of 60 are reported, of 60 cases
    stated = {"reportingRate": 100, "caseCount": 60}
    assert the_value(measure, strata(young | stated, PARTS[1]))
    for name, wrong in (("performanceRate", 78.4), ("reportingRate", 99), ("caseCount", 61)):
        part = young | stated | {name: wrong}
        assert read_value(measure, strata(part, PARTS[1])) == (None, ["measure-rate-differs"])


counts = st.integers(min_value=0, max_value=100_000)


@given(met=counts, not_met=counts, spare=counts, places=st.integers(min_value=0, max_value=10))
def test_rounded_rates_are_accepted_and_their_neighbours_are_not(
    met: int, not_met: int, spare: int, places: int
) -> None:
    counted = met + not_met
    if counted == 0:
        return
    # decimal's own rounding, with digits to spare, is the second opinion.
    exact = Decimal(100 * met) / Decimal(counted)
    step = Decimal(1).scaleb(-places)
    # A tie at 10 places would need a denominator beyond 200,000 or powers of 2 and 5 that decimal's
    # 28 digits hold, so that rounding the 28 digits is rounding the fraction.
    stated = exact.quantize(step, rounding=ROUND_HALF_UP)
    value = single(met, not_met, counted + spare)
    assert the_value(SINGLE, value | {"performanceRate": stated})
    for neighbour in (stated + step, stated - step):
        if 0 <= neighbour <= 100:
            found, errors = read_value(SINGLE, value | {"performanceRate": neighbour})
            assert found is None
            assert errors == ["measure-rate-differs"]


@given(
    met=counts, not_met=counts, exclusion=counts, exception=counts,
    spare=st.integers(min_value=-3, max_value=1000),
)  # fmt: skip
def test_rates_lie_between_nothing_and_all(
    met: int, not_met: int, exclusion: int, exception: int, spare: int
) -> None:
    reported = met + not_met + exclusion + exception
    if reported + spare < 0:
        return
    value = single(met, not_met, reported + spare, exclusion, exception)
    found, errors = read_value(SINGLE, value)
    if spare < 0:
        assert errors == ["measure-counts"]
        return
    assert found and not errors
    assert found.performance_rate is None or 0 <= found.performance_rate <= 100
    assert found.reporting_rate is None or 0 <= found.reporting_rate <= 1
    assert 0 <= found.case_count <= reported + spare


@given(parts=st.lists(st.tuples(counts, counts, counts), min_size=1, max_size=4))
def test_one_stratum_or_equal_strata_need_no_algorithm(parts: list[tuple[int, int, int]]) -> None:
    """Where all strata have the same rate, every algorithm gives that rate."""
    met, not_met, spare = parts[0]
    names = [str(number) for number in range(len(parts))]
    value = strata(*(stratum(name, met, not_met, met + not_met + spare) for name in names))
    weighted = the_value(multiple("weighted_average", *names), value)
    simple = the_value(multiple("simple_average", *names), value)
    alone = the_value(SINGLE, single(met, not_met, met + not_met + spare))
    assert weighted.performance_rate == simple.performance_rate == alone.performance_rate
    assert weighted.reporting_rate == simple.reporting_rate == alone.reporting_rate
    assert weighted.case_count == len(parts) * alone.case_count
    assert simple.case_count == alone.case_count
