"""Every kind of broken submission gives one error, at the right place, that says what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from facts.documents import (
    NPI,
    TIN,
    Json,
    Read,
    a_set,
    changed,
    group,
    measured,
    pointer,
    single,
    submission,
    without,
)  # fmt: skip

STRATA = [
    {"stratum": "18-64", "performanceMet": 47, "performanceNotMet": 13, "eligiblePopulation": 60},
    {"stratum": "65+", "performanceMet": 73, "performanceNotMet": 13, "eligiblePopulation": 86},
    {
        "stratum": "overall",
        "performanceMet": 120,
        "performanceNotMet": 26,
        "eligiblePopulation": 146,
    },
]
QUALITY = a_set(
    "quality",
    "registry",
    measured("110", single(met=305, not_met=255, eligible=562, exception=2)),
    measured("046", {"isEndToEndReported": True, "strata": STRATA}),
    measured("ACRAD15", {"numerator": 3, "denominator": 100, "observationInstances": 80}),
    measured("AAAAI2", single(met=8, not_met=2, eligible=10) | {"performanceRate": 80.5}),
)
ACTIVITIES = a_set("ia", "registry", measured("IA_EPA_4", True), measured("IA_PM_2", True))
PI = a_set(
    "pi",
    "registry",
    measured("PI_EP_1", {"numerator": 49, "denominator": 115}),
    measured("PI_PPHI_1", True),
    cehrtId="0015EJR3MPX3HHA",
)
VALID = submission(QUALITY, ACTIVITIES, PI)

SET = "/measurementSets/0"
FIRST = f"{SET}/measurements/0"
VALUE = f"{FIRST}/value"
STRATUM = f"{SET}/measurements/1/value/strata"


def quality(measure_id: str, value: Json, method: str = "registry") -> Json:
    """A submission with one quality measurement."""
    return submission(a_set("quality", method, measured(measure_id, value)))


def test_the_valid_submission_is_valid(read: Read) -> None:
    assert read(VALID).case
    assert not read(VALID).warnings


# Where a value is put, the value, and the error: its code, what its message or help says, and where
# it is reported when that is another place.
FAULTS: list[tuple[Any, ...]] = [
    # who
    ("/entityType", "individul", "value-unknown", "did you mean `individual`?"),
    ("/entityType", "virtualGroup", "submission-entity-type", "`virtualGroup` are not scored"),
    ("/entityType", "group", "submission-entity-type", "a group is a TIN; it has no NPI",
     "/nationalProviderIdentifier"),
    ("/entityId", "V1", "submission-entity-type", "have no `entityId`"),
    ("/entityType", 1, "json-wrong-type", "`entityType` must be text; it is a whole number"),
    ("/taxpayerIdentificationNumber", "00045678", "identifier-shape", "must be a TIN: 9 digits"),
    ("/taxpayerIdentificationNumber", "00-456789", "identifier-shape", "9 digits"),
    ("/taxpayerIdentificationNumber", 456789000, "json-wrong-type", "must be text"),
    ("/nationalProviderIdentifier", "123456789", "identifier-shape", "must be an NPI: 10 digits"),
    ("/nationalProviderIdentifier", "\uff11" * 10, "identifier-shape", "10 digits"),
    # which year and program
    ("/performanceYear", 2018, "submission-year", "performance year 2018, the policy of 2019"),
    ("/performanceYear", "2019", "json-wrong-type", "must be a whole number; it is text"),
    ("/programName", "cpcPlus", "submission-program", "`cpcPlus` are not scored"),
    ("/programName", "mips+", "value-unknown", "did you mean `mips`?"),
    ("/measurementSets", {}, "json-wrong-type", "must be a list; it is an object"),
    ("/measurementSet", [], "json-unknown-key", "did you mean `measurementSets`?"),
    # the set
    (SET, 5, "json-wrong-type", "must be an object; it is a whole number"),
    (f"{SET}/category", "qualty", "value-unknown", "did you mean `quality`?"),
    (f"{SET}/category", "aci", "submission-category", "since 2018 it is `pi`"),
    (f"{SET}/category", "cost", "submission-category", "CMS calculates it from claims"),
    (f"{SET}/submissionMethod", "webAttestation", "value-unknown", "must be `administrativeCla"),
    ("/measurementSets/1/submissionMethod", "claims", "submission-method",
     "`ia` is not submitted by `claims`"),
    (f"{SET}/programName", "cpcPlus", "submission-program", "take this set out"),
    (f"{SET}/suppressed", True, "submission-suppressed", "does not count"),
    (f"{SET}/performanceStrat", "2019-01-01", "json-unknown-key", "`performanceStart`?"),
    (f"{SET}/performanceStart", "2018-12-31", "period-outside-year",
     "2018-12-31 lies outside the performance year 2019"),
    (f"{SET}/performanceEnd", "2020-01-01", "period-outside-year", "outside the performance"),
    (f"{SET}/performanceEnd", "2019-02-29", "value-date", "not a date of the calendar"),
    (f"{SET}/performanceEnd", "2019-12-31T00:00:00Z", "value-date", "such as 2019-12-31"),
    (f"{SET}/performanceEnd", 20191231, "json-wrong-type", "must be a date"),
    # the measurement
    (FIRST, "110", "json-wrong-type", "must be an object; it is text"),
    (f"{FIRST}/measureId", "1100", "measure-unknown", "did you mean `110`?"),
    (f"{FIRST}/measureId", 110, "json-wrong-type", "must be text; it is a whole number"),
    (f"{FIRST}/measureID", "110", "json-unknown-key", "did you mean `measureId`?"),
    ("/measurementSets/1/measurements/0/measureId", "IA_EPA_44", "measure-unknown",
     "not an improvement activity of 2019"),
    ("/measurementSets/2/measurements/0/measureId", "PI_EPP_1", "measure-unknown",
     "did you mean `PI_EP_1`?"),
    (VALUE, True, "json-wrong-type", "must be an object; it is true"),
    (f"{VALUE}/performanceMet", "305", "json-wrong-type", "must be a whole number; it is text"),
    (f"{VALUE}/performanceMet", 305.0, "json-wrong-type", "it is a decimal"),
    (f"{VALUE}/performanceMet", True, "json-wrong-type", "it is true"),
    (f"{VALUE}/performanceNotMet", -1, "value-out-of-bounds", "from 0 to 100,000,000; it is -1"),
    (f"{VALUE}/eligiblePopulation", 100_000_001, "value-out-of-bounds", "it is 100000001"),
    (f"{VALUE}/isEndToEndReported", "no", "json-wrong-type", "must be true or false"),
    (f"{VALUE}/performancMet", 1, "json-unknown-key", "did you mean `performanceMet`?"),
    (f"{VALUE}/performanceRate", 100.01, "value-out-of-bounds", "from 0 to 100; it is 100.01"),
    (f"{VALUE}/reportingRate", -0.5, "value-out-of-bounds", "it is -0.5"),
    (f"{VALUE}/numeratorExclusion", 3, "measure-counts", "in `eligiblePopulationExclusion`"),
    # 305 + 255 + 2 = 562 cases of 561: one more than there are
    (f"{VALUE}/eligiblePopulation", 561, "measure-counts",
     "562 cases are reported, more than the 561 of `eligiblePopulation`", VALUE),
    # the strata of 046
    (f"{STRATUM}/0/stratum", "18-65", "measure-strata", "did you mean `18-64`?"),
    (f"{STRATUM}/0/stratum", "65+", "measure-strata", "`65+` stands twice", f"{STRATUM}/1"),
    (STRATUM, STRATA[:2], "measure-strata", "the strata lack `overall`"),
    (STRATUM, [], "measure-strata", "the strata lack `18-64`, `65+` or `overall`"),
    # 74 + 13 = 87 cases of 86
    (f"{STRATUM}/1/performanceMet", 74, "measure-counts", "87 cases are reported, more than the 86",
     f"{STRATUM}/1"),
    (f"{SET}/measurements/1/value", single(1, 1, 2), "measure-shape", "it has no `strata`"),
    (VALUE, {"strata": STRATA}, "measure-shape", "it has no `performanceMet`"),
    (VALUE, {"numerator": 3, "denominator": 100}, "measure-shape", "it has no `performanceMet`"),
    # a QCDR's mean
    (f"{SET}/measurements/2/value/numerator", "3", "json-wrong-type", "must be a number"),
    (f"{SET}/measurements/2/value/denominator", 99.5, "json-wrong-type", "a whole number"),
    (f"{SET}/measurements/2/value/denominator", 79, "measure-counts",
     "80 cases are reported, more than the 79 of `denominator`"),
    (f"{SET}/measurements/2/value/observationInstances", -80, "value-out-of-bounds", "-80"),
    # a rate that the registry states
    (f"{SET}/measurements/3/value/performanceRate", 101, "value-out-of-bounds", "it is 101"),
    (f"{SET}/measurements/3/value/performanceRate", None, "json-missing-key",
     "the registry states its rate", f"{SET}/measurements/3/value"),
    # improvement activities and Promoting Interoperability
    ("/measurementSets/1/measurements/0/value", "yes", "json-wrong-type", "true or false"),
    ("/measurementSets/2/measurements/0/value", True, "json-wrong-type", "must be an object"),
    ("/measurementSets/2/measurements/1/value", {"numerator": 1, "denominator": 2},
     "json-wrong-type", "must be true or false; it is an object"),
    ("/measurementSets/2/measurements/0/value/numerator", 116, "measure-counts",
     "the numerator 116 is above the denominator 115"),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault[0]} {fault[1]!r:.20}")
def test_one_fault_one_error(read: Read, fault: tuple[Any, ...]) -> None:
    where, value, code, words, *elsewhere = fault
    found = read(changed(VALID, where, value))
    assert not found.cases
    assert found.error.code == code
    assert words in f"{found.error.message} / {found.error.help}"
    assert pointer(found.error) == (elsewhere or [where])[0]


MISSING = [
    ("", "entityType"),
    ("", "taxpayerIdentificationNumber"),
    ("", "nationalProviderIdentifier"),
    ("", "performanceYear"),
    ("", "measurementSets"),
    (SET, "category"),
    (SET, "submissionMethod"),
    (SET, "performanceStart"),
    (SET, "performanceEnd"),
    (FIRST, "measureId"),
    (FIRST, "value"),
    (VALUE, "performanceMet"),
    (VALUE, "eligiblePopulation"),
    (f"{STRATUM}/0", "stratum"),
    (f"{STRATUM}/0", "eligiblePopulation"),
    (f"{SET}/measurements/2/value", "numerator"),
    (f"{SET}/measurements/2/value", "denominator"),
    ("/measurementSets/2/measurements/0/value", "denominator"),
]


@pytest.mark.parametrize(("owner", "name"), MISSING)
@pytest.mark.parametrize("as_null", [False, True])
def test_missing(read: Read, owner: str, name: str, as_null: bool) -> None:
    document = changed(VALID, f"{owner}/{name}", None)
    if not as_null:
        place: Any = document
        for token in [token for token in owner.split("/") if token]:
            place = place[int(token)] if isinstance(place, list) else place[token]
        del place[name]
    found = read(document)
    assert found.error.code == "json-missing-key"
    assert found.error.message.startswith(f"`{name}` is missing: ")
    assert pointer(found.error) == owner


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_facts_file_is_no_submission(read: Read, wrapped: bool) -> None:
    answer = {"npi": NPI, "organizations": [{"TIN": TIN}]}
    found = read({"data": answer, "finalrule": {}} if wrapped else answer)
    assert found.error.code == "wrong-file"
    assert "a facts file, not a submission" in found.error.message
    assert found.error.help == "give it with --facts"


def test_start_after_end(read: Read) -> None:
    document = changed(VALID, f"{SET}/performanceStart", "2019-03-02")
    found = read(changed(document, f"{SET}/performanceEnd", "2019-03-01"))
    assert found.error.code == "period-reversed"
    assert pointer(found.error) == f"{SET}/performanceStart"
    one_day = changed(document, f"{SET}/performanceEnd", "2019-03-02")
    assert read(one_day).case


def test_a_measure_that_the_method_does_not_have(read: Read) -> None:
    # 110 is collected by claims, EHR, registry and the Web Interface; the QCDR's AAAAI2 is not.
    found = read(quality("AAAAI2", single(8, 2, 10) | {"performanceRate": 80}, "claims"))
    assert found.error.code == "measure-collection-type"
    assert found.error.help == "it is collected as `qcdr`"
    assert pointer(found.error) == f"{FIRST}/measureId"


def test_a_measure_twice_in_a_set(read: Read) -> None:
    again = measured("110", single(1, 1, 2))
    found = read(
        submission(a_set("quality", "registry", again, measured("236", again["value"]), again))
    )
    assert found.error.code == "measure-duplicate"
    assert [str(label.at).rpartition("#")[2] for label in found.error.labels] == [
        f"{SET}/measurements/2", f"{SET}/measurements/0",
    ]  # fmt: skip


def test_two_sets_of_one_kind(read: Read) -> None:
    one = a_set("quality", "registry", measured("110", single(1, 1, 2)))
    other = a_set("quality", "registry", measured("236", single(1, 1, 2)), programName="mips")
    found = read(submission(one, other))
    assert found.error.code == "submission-duplicate-set"
    assert pointer(found.error) == "/measurementSets/1"
    # in two files just the same
    found = read(submission(one), submission(other))
    assert found.error.code == "submission-duplicate-set"
    # another method, or another clinician, is another set
    assert read(submission(one, changed(other, "/submissionMethod", "claims"))).case
    elsewhere = submission(other, taxpayerIdentificationNumber="000456780")
    assert len(read(submission(one), elsewhere).cases) == 2


@pytest.mark.parametrize(
    ("year", "measure", "exclusion"),
    [
        (2019, "PI_EP_1", "PI_LVPP_1"),
        (2019, "PI_HIE_1", "PI_LVOTC_1"),
        # two exclusions from receiving health information in 2019, one in 2020
        (2019, "PI_HIE_4", "PI_LVITC_2"),
        (2019, "PI_HIE_4", "PI_CUITC_1"),
        (2020, "PI_HIE_4", "PI_LVITC_2"),
        (2019, "PI_PHCDRR_3", "PI_PHCDRR_3_EX_2"),
    ],
)
def test_a_measure_with_its_exclusion(read: Read, year: int, measure: str, exclusion: str) -> None:
    statement = measure.startswith("PI_PHCDRR")
    value: Json = True if statement else {"numerator": 1, "denominator": 2}
    dates = {"performanceStart": f"{year}-01-01", "performanceEnd": f"{year}-12-31"}

    def pi(reported: Json, claimed: bool) -> Json:
        rows = [measured(measure, reported), measured(exclusion, claimed)]
        return submission(a_set("pi", "registry", *rows, **dates), performanceYear=year)

    found = read(pi(value, True), year=year)
    assert found.error.code == "measure-excluded"
    assert f"`{measure}` is reported and its exclusion `{exclusion}`" in found.error.message
    assert pointer(found.error) == FIRST
    # an exclusion that is not claimed, or a statement answered with no, is not together
    assert read(pi(value, False), year=year).case
    if statement:
        assert read(pi(False, True), year=year).case


def test_numerator_may_equal_the_denominator(read: Read) -> None:
    for count in (0, 115):
        value = {"numerator": count, "denominator": count}
        found = read(submission(a_set("pi", "registry", measured("PI_EP_1", value))))
        assert found.record("pi_report")["numerator"] == count


def test_check_digit(read: Read) -> None:
    # 1234567893 is right, so no other last digit is.
    for last in "012456789":
        wrong = "123456789" + last
        found = read(changed(VALID, "/nationalProviderIdentifier", wrong))
        assert found.warning.code == "npi-check-digit"
        assert pointer(found.warning) == "/nationalProviderIdentifier"
        real = changed(VALID, "/taxpayerIdentificationNumber", "123456789")
        found = read(changed(real, "/nationalProviderIdentifier", wrong))
        assert found.error.code == "npi-check-digit"
        assert wrong not in found.error.render()


def test_neither_tin_nor_npi_is_shown(read: Read) -> None:
    document = group(a_set("quality", "registry", measured(NPI, 1)), nationalProviderIdentifier=NPI)
    document[NPI] = TIN
    found = read(changed(document, "/entityType", TIN))
    assert len(found.errors) == 3
    for error in found.errors:
        assert TIN not in error.render()
        assert NPI not in error.render()


def test_all_errors_of_a_file_at_once(read: Read) -> None:
    document = changed(VALID, f"{VALUE}/performanceMet", -5)
    document = changed(document, f"{SET}/performanceEnd", "2019-02-30")
    document = changed(document, "/measurementSets/1/measurements/1/measureId", "IA_PM_222")
    document = changed(document, "/taxpayerIdentificationNumber", "1")
    found = read(document, without(document, "entityType"))
    first = [error for error in found.errors if "submission0" in str(error.labels[0].at)]
    second = [error for error in found.errors if "submission1" in str(error.labels[0].at)]
    assert sorted(error.code for error in first) == [
        "identifier-shape", "measure-unknown", "value-date", "value-out-of-bounds",
    ]  # fmt: skip
    assert len(second) == 5


def test_reading_stops_after_a_thousand_findings(read: Read) -> None:
    rows = [measured("110", {"performanceMet": -1}) for _ in range(2000)]
    found = read(submission(a_set("quality", "registry", *rows)))
    assert len(found.errors) == 1001
    assert found.errors[-1].code == "too-many-findings"


def test_what_cms_adds_to_its_answers_is_not_read(read: Read) -> None:
    answered = json.loads(json.dumps(VALID))
    answered |= {"id": "x", "createdAt": "2020-01-01", "updatedAt": "2020-01-01", "entityId": None}
    for one in answered["measurementSets"]:
        one |= {
            "id": "x", "submissionId": "x", "submitterId": "x", "submitterType": "x",
            "createdAt": "x", "updatedAt": "x", "source": "qrda3", "suppressed": False,
            "practiceDetails": {"a": 1}, "practiceId": None, "measureSet": "cardiology",
        }  # fmt: skip
        for row in one["measurements"]:
            row |= {"id": "x", "measurementSetId": "x"}
    found = read(answered)
    assert not found.warnings
    assert found.case.facts_digest == read(VALID).case.facts_digest


def test_cehrt_id(read: Read) -> None:
    assert read(VALID).record("pi_submission")["has_cehrt_id"] is True
    absent = changed(VALID, "/measurementSets/2/cehrtId", None)
    assert read(absent).record("pi_submission")["has_cehrt_id"] is False
    odd = read(changed(VALID, "/measurementSets/2/cehrtId", "0014EJR3MPX3HHA"))
    assert odd.warning.code == "cehrt-id-shape"
    assert odd.record("pi_submission")["has_cehrt_id"] is True
