"""Facts files: CMS's eligibility object and the `finalrule` block beside it."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from facts.documents import (
    NPI,
    OTHER_NPI,
    TIN,
    Json,
    Read,
    a_set,
    changed,
    group,
    measured,
    pointer,
    submission,
)  # fmt: skip
from finalrule.core import ir
from finalrule.facts.clinician import API_FACTS
from finalrule.facts.template import fact_lines, template
from finalrule.values import Enumeration, YesNo

SUBMISSION = submission(a_set("ia", "registry", measured("IA_EPA_4", True)))
GROUP = group(a_set("ia", "registry", measured("IA_EPA_4", True)))
SAMPLE = Path(__file__).parents[3] / "shared" / "formats" / "eligibility_api_sample.json"


def answer(own: Json = None, whole: Json = None, npi: str = NPI, **block: Any) -> Json:
    """CMS's answer on a clinician with the individualScenario and groupScenario of one TIN."""
    organization: Json = {"TIN": TIN}
    if own is not None:
        organization["individualScenario"] = own
    if whole is not None:
        organization["groupScenario"] = whole
    document: Json = {"data": {"npi": npi, "organizations": [organization]}}
    return document | {"finalrule": block} if block else document


def test_every_field_of_the_mapping_gives_a_declared_fact(program_2019: ir.Program) -> None:
    declared = {f"{fact.entity}.{fact.name}": fact for fact in program_2019.facts}
    for row in API_FACTS:
        assert row.fact in declared, row
        type_ = declared[row.fact].type
        if row.words:
            assert isinstance(type_, Enumeration | YesNo)
            if isinstance(type_, Enumeration):
                assert {word for word in row.words.values() if word} <= set(type_.members)


@pytest.mark.skipif(not SAMPLE.is_file(), reason=f"CMS's sample answer is not there: {SAMPLE}")
def test_cms_sample(read: Read) -> None:
    sample = json.loads(SAMPLE.read_text(encoding="utf-8"))
    sample["data"]["npi"] = NPI
    sample["data"]["organizations"][0]["TIN"] = TIN
    found = read(SUBMISSION, facts=[sample])
    assert not found.warnings
    unit = found.record("scoring_unit")
    # As the sample says: small practice and rural no, HPSA and non-patient facing yes.
    assert unit["stated_small_practice"] is False
    assert unit["stated_rural"] is False
    assert unit["stated_hpsa"] is True
    assert unit["stated_non_patient_facing"] is True
    assert unit["stated_low_volume"] is True
    assert unit["opt_in_election"] == "opted_in"
    assert unit["stated_eligible"] is False
    assert unit["apm_participant"] is True
    assert unit["extreme_hardship_quality"] is True
    assert unit["extreme_hardship_by_application"] is False
    assert unit["pi_hardship_granted"] is True
    clinician = found.record("clinician")
    assert clinician["first_enrolled"].isoformat() == "2010-12-31"
    assert clinician["qp_status"] == "qp"
    assert clinician["clinician_type"] == "physician"
    assert clinician["facility_has_vbp_score"] is True
    assert found.origin("scoring_unit", "stated_hpsa").endswith(
        "facts0.json#/data/organizations/0/individualScenario/hpsaClinician"
    )


def test_individual_and_group_read_their_own_scenario(read: Read) -> None:
    facts = answer(own={"hpsaClinician": True}, whole={"hpsaClinician": False})
    assert read(SUBMISSION, facts=[facts]).record("scoring_unit")["stated_hpsa"] is True
    assert read(GROUP, facts=[facts]).record("scoring_unit")["stated_hpsa"] is False


def test_the_organization_is_that_of_the_submission(read: Read) -> None:
    facts = answer(own={"ruralClinician": True})
    facts["data"]["organizations"].append(
        {"TIN": "000111111", "individualScenario": {"ruralClinician": False}}
    )
    assert read(SUBMISSION, facts=[facts]).record("scoring_unit")["stated_rural"] is True
    other = changed(SUBMISSION, "/taxpayerIdentificationNumber", "000111111")
    assert read(other, facts=[facts]).record("scoring_unit")["stated_rural"] is False


def test_fields_without_the_data_around_them(read: Read) -> None:
    bare = answer(own={"ruralClinician": True})["data"] | {"finalrule": {"group_reports": True}}
    unit = read(SUBMISSION, facts=[bare]).record("scoring_unit")
    assert (unit["stated_rural"], unit["group_reports"]) == (True, True)


def test_null_and_absent_are_not_stated(read: Read) -> None:
    unit = read(SUBMISSION, facts=[answer(own={"ruralClinician": None})]).record("scoring_unit")
    assert "stated_rural" not in unit
    assert "stated_hpsa" not in unit
    assert unit["opt_in_election"] == "no_election"


def test_opting_in_is_yes_or_nothing(read: Read) -> None:
    facts = answer(own={"isOptedIn": False}, opt_in_election="voluntary")
    assert read(SUBMISSION, facts=[facts]).record("scoring_unit")["opt_in_election"] == "voluntary"
    facts = answer(own={"isOptedIn": True}, opt_in_election="voluntary")
    found = read(SUBMISSION, facts=[facts])
    assert found.error.code == "fact-conflict"
    assert len(found.error.labels) == 2


def test_group_eligibility_of_an_individual(read: Read) -> None:
    own, whole = {"isEligible": {"group": True}}, {"isEligible": {"group": False}}
    both = read(SUBMISSION, facts=[answer(own, whole)]).record("scoring_unit")
    assert both["stated_group_eligible"] is False
    alone = read(SUBMISSION, facts=[answer(own)]).record("scoring_unit")
    assert alone["stated_group_eligible"] is True
    of_group = read(GROUP, facts=[answer(own, whole)]).record("scoring_unit")
    assert "stated_group_eligible" not in of_group


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [
        ({"extremeHardship": False}, False),
        ({"extremeHardship": True, "extremeHardshipReasons": {"cost": True}}, True),
        ({"extremeHardship": True, "extremeHardshipReasons": {"cost": False}}, False),
        ({"extremeHardship": False, "extremeHardshipReasons": {"cost": True}}, False),
        ({}, False),  # absent means no
    ],
)
def test_extreme_hardship_needs_flag_and_reason(read: Read, scenario: Json, expected: bool) -> None:
    reasons = {"quality": False, "improvementActivities": False, "aci": False}
    if "extremeHardshipReasons" in scenario:
        reasons |= scenario["extremeHardshipReasons"]
        scenario = scenario | {"extremeHardshipReasons": reasons}
    found = read(SUBMISSION, facts=[answer(scenario)])
    assert found.record("scoring_unit")["extreme_hardship_cost"] is expected


def test_a_hardship_without_its_reasons_is_no_silent_no(read: Read) -> None:
    found = read(SUBMISSION, facts=[answer({"extremeHardship": True})])
    assert {error.code for error in found.errors} == {"json-missing-key"}
    assert "`extremeHardshipReasons.cost` is missing" in " ".join(
        error.message for error in found.errors
    )


def test_qp_status_that_is_not_documented_stays_unknown(read: Read) -> None:
    for word in ("Y", "R"):
        facts = changed(answer({}), "/data/qpStatus", word)
        found = read(SUBMISSION, facts=[facts])
        assert found.warning.code == "facts-unclear"
        assert "qp_status" not in found.record("clinician")
    found = read(SUBMISSION, facts=[changed(answer({}), "/data/qpStatus", "X")])
    assert found.error.code == "value-unknown"


def test_fields_that_nobody_reads_are_told(read: Read) -> None:
    found = read(SUBMISSION, facts=[answer({"ruralClinican": True})])
    assert found.warning.code == "json-unread-key"
    assert found.warning.help == "did you mean `ruralClinician`?"
    for place in ("/data/qpstatus", "/data/organizations/0/city_", "/data/organizations/0/apm"):
        found = read(SUBMISSION, facts=[changed(answer({}), place, "x")])
        assert found.warning.code == "json-unread-key"
        assert pointer(found.warning) == place


def test_flags_that_say_one_thing_only(read: Read) -> None:
    """No value-based purchasing program means no score; taking part does not yet mean one."""
    for scenario, of_unit, of_clinician in (
        ({}, None, None),
        ({"hasHospitalVbpCCN": False}, False, False),
        ({"hasHospitalVbpCCN": True}, None, None),
        ({"hasHospitalVbpCCN": True, "hospitalVbpScore": 45.78}, None, True),
    ):
        found = read(SUBMISSION, facts=[answer(scenario)])
        assert found.record("scoring_unit").get("has_facility_score") is of_unit
        assert found.record("clinician").get("facility_has_vbp_score") is of_clinician


@pytest.mark.parametrize(
    ("sources", "expected"),
    [(["auto-fema"], False), (["auto-covid", "manual"], True), ([], False), (None, None)],
)
def test_a_hardship_by_application(
    read: Read, sources: list[str] | None, expected: bool | None
) -> None:
    unit = read(SUBMISSION, facts=[answer({"extremeHardshipSources": sources})])
    assert unit.record("scoring_unit").get("extreme_hardship_by_application") is expected


@pytest.mark.parametrize(("apms", "expected"), [([{"apmId": "08"}], True), ([], False)])
def test_taking_part_in_an_apm(read: Read, apms: list[Json], expected: bool) -> None:
    facts = changed(answer({}), "/data/organizations/0/apms", apms)
    assert read(SUBMISSION, facts=[facts]).record("scoring_unit")["apm_participant"] is expected


@pytest.mark.parametrize(("category", "expected"), [("Physicians", "physician"), ("Other", None)])
def test_clinician_type_where_the_category_is_sure(
    read: Read, category: str, expected: str | None
) -> None:
    found = read(SUBMISSION, facts=[answer({"specialty": {"categoryReference": category}})])
    assert found.record("clinician").get("clinician_type") == expected


def test_an_organization_without_the_scenario_is_told(read: Read) -> None:
    found = read(GROUP, facts=[answer(own={"ruralClinician": True})])
    (warning,) = [w for w in found.warnings if w.code == "facts-no-scenario"]
    assert warning.message == "the organization has no `groupScenario`"


@pytest.mark.parametrize(
    ("where", "value", "code"),
    [
        ("/data/organizations/0/individualScenario/ruralClinician", "no-", "json-wrong-type"),
        ("/data/organizations/0/individualScenario/ruralClinician", 1, "json-wrong-type"),
        ("/data/organizations/0/individualScenario", [], "json-wrong-type"),
        ("/data/organizations/0/TIN", "XXXXXXXXX", "identifier-shape"),
        ("/data/organizations", {}, "json-wrong-type"),
        ("/data/firstApprovedDate", "12/31/2010", "value-date"),
        ("/data/npi", NPI[:9], "identifier-shape"),
        ("/data", 1, "json-wrong-type"),
        ("/extra", 1, "json-unknown-key"),
        ("/finalrule", [], "json-wrong-type"),
    ],
)
def test_one_fault_one_error(read: Read, where: str, value: Json, code: str) -> None:
    facts = answer({"ruralClinician": True}, group_reports=False)
    found = read(SUBMISSION, facts=[changed(facts, where, value)])
    assert found.error.code == code
    assert pointer(found.error) == where


# The block ---------------------------------------------------------------------------------------

BLOCK: dict[str, Any] = {
    "average_hcc_risk_score": 1.2,
    "medical_home_site_share": "85%",
    "segment": [
        {"segment": "first", "allowed_charges": "$90,000.01", "patients": 201, "services": 200},
        {"segment": "second", "allowed_charges": 90000.5},
    ],
    "clinician": [
        {
            "npi": NPI,
            "clinician_type": "physician",
            "clinician_segment": [
                {
                    "segment": "first",
                    "services": 100,
                    "services_by_place": [{"place_of_service": "21", "covered_services": 75}],
                }
            ],
        }
    ],
    "activity": [{"activity_id": "IA_EPA_4", "clinician_share": 50}],
}


def test_the_block_is_typed_by_the_declarations(read: Read) -> None:
    found = read(SUBMISSION, facts=[answer({}, **BLOCK)])
    unit = found.record("scoring_unit")
    assert unit["average_hcc_risk_score"] == Fraction(6, 5)
    assert unit["medical_home_site_share"] == Fraction(85, 100)
    first, second = found.records("segment")
    assert first["allowed_charges"] == Fraction(9000001, 100)
    assert (first["patients"], first["services"]) == (201, 200)
    assert second == {"segment": "second", "allowed_charges": Fraction(180001, 2)}
    assert found.record("clinician")["clinician_type"] == "physician"
    assert found.record("clinician_segment")["services"] == 100
    assert found.record("services_by_place") == {"place_of_service": "21", "covered_services": 75}
    # the record of the submission, with one fact more; 50 is 50 %
    activity = found.record("activity")
    assert (activity["completed"], activity["clinician_share"]) == (True, Fraction(1, 2))
    assert found.origin("segment", "patients").endswith("facts0.json#/finalrule/segment/0/patients")


@pytest.mark.parametrize(
    ("where", "value", "code", "words"),
    [
        ("average_hcc_risk_scor", 1, "fact-unknown", "did you mean `average_hcc_risk_score`?"),
        ("patients", 1, "fact-unknown", "it is a fact of `segment`"),
        ("average_hcc_risk_score", "high", "json-wrong-type", "must be a number (ratio)"),
        ("average_hcc_risk_score", True, "json-wrong-type", "must be a number (ratio)"),
        ("average_hcc_risk_score", -0.1, "value-out-of-bounds", "must be of ratio[0..100]"),
        ("average_hcc_risk_score", 1.1234567, "value-out-of-bounds", "6 decimal places"),
        ("medical_home_site_share", "101%", "value-out-of-bounds", "percent[0..100]"),
        ("medical_home_site_share", "$85", "json-wrong-type", "(percent); it is `$85`"),
        ("opt_in_election", "opted-in", "value-unknown", "did you mean `opted_in`?"),
        ("joined_practice_on", "2019-13-01", "value-date", "not a date of the calendar"),
        ("joined_practice", "maybe", "json-wrong-type", "must be true or false"),
        ("segment/0/allowed_charges", "$90,000.001", "value-out-of-bounds", "2 decimal places"),
        ("segment/0/patients", 200.5, "value-out-of-bounds", "0 decimal places"),
        ("segment/0/segment", "third", "value-unknown", "must be `first` or `second`"),
        ("segment/0/patient", 1, "fact-unknown", "did you mean `patients`?"),
        ("segment", {}, "json-wrong-type", "must be a list"),
        ("segment/0", 1, "json-wrong-type", "must be an object"),
        ("clinician/0/npi", OTHER_NPI, "facts-roster", "name another clinician"),
        ("clinician/0/npi", NPI[:9], "identifier-shape", "must be an NPI: 10 digits"),
        ("clinician/0/npi", 1234567893, "json-wrong-type", "must be text"),
    ],
)
def test_one_fault_in_the_block(read: Read, where: str, value: Json, code: str, words: str) -> None:
    facts = changed(answer({}, **BLOCK), f"/finalrule/{where}", value)
    found = read(SUBMISSION, facts=[facts])
    assert found.error.code == code
    assert words in f"{found.error.message} / {found.error.help}"
    if code != "facts-roster":
        assert pointer(found.error) == f"/finalrule/{where}"


def test_yes_and_no_as_words(read: Read) -> None:
    facts = answer({}, joined_practice="yes", practice_newly_formed="no")
    unit = read(SUBMISSION, facts=[facts]).record("scoring_unit")
    assert (unit["joined_practice"], unit["practice_newly_formed"]) == (True, False)


def test_two_records_with_one_key(read: Read) -> None:
    facts = answer({}, segment=[{"segment": "first", "patients": n} for n in (1, 2)])
    found = read(SUBMISSION, facts=[facts])
    assert found.error.code == "fact-duplicate-record"
    assert pointer(found.error) == "/finalrule/segment/1"


def test_a_record_without_its_key(read: Read) -> None:
    found = read(SUBMISSION, facts=[answer({}, segment=[{"patients": 1}])])
    assert found.error.code == "json-missing-key"
    assert pointer(found.error) == "/finalrule/segment/0"


def test_a_required_fact_of_a_record_is_missing(read: Read) -> None:
    facts = answer({}, activity=[{"activity_id": "IA_PM_2", "clinician_share": 50}])
    found = read(SUBMISSION, facts=[facts])
    assert {error.code for error in found.errors} == {"fact-missing"}
    messages = [error.message for error in found.errors]
    assert any(message.startswith("`completed` of `activity` is missing") for message in messages)
    assert {error.help for error in found.errors} == {"it is read from the submission"}
    assert pointer(found.errors[0]) == "/finalrule/activity/0"


def test_absent_means_what_its_citation_says(read: Read) -> None:
    found = read(SUBMISSION)
    assert found.record("scoring_unit")["group_reports"] is False
    assert found.origin("scoring_unit", "group_reports") == "absent: 42 CFR 414.1310(e)(2)"


# Whom a file is about ----------------------------------------------------------------------------


def test_a_file_about_somebody_else(read: Read) -> None:
    for facts in (answer({}, npi=OTHER_NPI), changed(answer({}), "/data/organizations/0/TIN",
                                                     "000999999")):  # fmt: skip
        assert read(SUBMISSION, facts=[facts]).error.code == "facts-unmatched"


def test_a_block_is_about_one_unit(read: Read) -> None:
    facts = answer({}, {}, group_reports=True)
    found = read(SUBMISSION, GROUP, facts=[facts])
    assert found.error.code == "facts-ambiguous"
    of_individual = answer({}, {}, entity_type="individual", group_reports=True)
    found = read(SUBMISSION, GROUP, facts=[of_individual])
    assert [unit["group_reports"] for unit in _units(found)] == [False, True]
    nobody = answer({}, {}, entity_type="group", group_reports=True)
    assert read(SUBMISSION, facts=[nobody]).error.code == "facts-unmatched"


def _units(found: Any) -> list[dict[str, Any]]:
    """The facts of each unit; groups come before individuals."""
    assert not found.errors
    return [
        {name: given.value for name, given in record.facts.items()}
        for case in found.cases
        for record in case.root.children["scoring_unit"]
    ]


def test_a_groups_roster_is_whole_or_not_there(read: Read) -> None:
    files = [answer({"ruralClinician": True}, {}, npi=npi) for npi in (NPI, OTHER_NPI)]
    found = read(GROUP, facts=files)
    assert found.records("clinician") == []
    assert {warning.code for warning in found.warnings} == {"facts-roster"}
    roster: Json = {"npi": None, "organizations": [{"TIN": TIN, "groupScenario": {}}]}
    roster["finalrule"] = {"clinician": [{"npi": NPI}, {"npi": OTHER_NPI}]}
    found = read(GROUP, facts=[*files, roster])
    # The clinicians' files need no groupScenario, since one file has it.
    own = [changed(file, "/data/organizations/0", {"TIN": TIN, "individualScenario": {}})
           for file in files]  # fmt: skip
    assert not read(GROUP, facts=[*own, roster]).warnings
    assert not found.warnings
    assert [(r["npi"], r["in_rural_area"]) for r in found.records("clinician")] == [
        (OTHER_NPI, True), (NPI, True),
    ]  # fmt: skip
    roster["finalrule"] = {"clinician": [{"npi": NPI}]}
    assert read(GROUP, facts=[*files, roster]).error.code == "facts-roster"


def test_a_rosters_npis_are_checked(read: Read) -> None:
    # 123456789 is completed to an NPI by 3 alone; beside a real TIN another digit is an error.
    wrong = "1234567890"
    organization = {"TIN": TIN, "groupScenario": {}}
    facts = {"organizations": [organization], "finalrule": {"clinician": [{"npi": wrong}]}}
    assert read(GROUP, facts=[facts]).warning.code == "npi-check-digit"
    real = changed(facts, "/organizations/0/TIN", "123456789")
    found = read(changed(GROUP, "/taxpayerIdentificationNumber", "123456789"), facts=[real])
    assert found.error.code == "npi-check-digit"
    assert pointer(found.error) == "/finalrule/clinician/0/npi"
    assert wrong not in found.error.render()


def test_an_individual_is_its_own_roster(read: Read) -> None:
    assert [record["npi"] for record in read(SUBMISSION).records("clinician")] == [NPI]
    assert read(GROUP).records("clinician") == []


def test_files_that_agree_and_files_that_do_not(read: Read) -> None:
    facts = answer({"ruralClinician": True}, group_reports=True)
    assert read(SUBMISSION, facts=[facts, facts]).case
    other = changed(facts, "/data/organizations/0/individualScenario/ruralClinician", False)
    found = read(SUBMISSION, facts=[facts, other])
    # rural in the scoring unit, and in the clinician's own area
    assert {error.code for error in found.errors} == {"fact-conflict"}
    assert any("`stated_rural`" in error.message for error in found.errors)


def test_a_submission_is_no_facts_file(read: Read) -> None:
    found = read(SUBMISSION, facts=[SUBMISSION])
    assert found.error.code == "wrong-file"
    assert "a submission, not a facts file" in found.error.message
    assert not found.warnings


# The listing and the template --------------------------------------------------------------------


def test_the_template_can_be_read_as_it_is(read: Read, program_2019: ir.Program) -> None:
    document = json.loads(template(program_2019))
    document["data"]["npi"] = NPI
    document["data"]["organizations"][0]["TIN"] = TIN
    found = read(SUBMISSION, facts=[document])
    assert not found.warnings
    empty = read(SUBMISSION, facts=[answer({}, {})])
    assert found.case.facts_digest == empty.case.facts_digest


def test_the_template_has_a_place_for_every_fact(program_2019: ir.Program) -> None:
    """A fact that nothing else gives stands in the block, with a note that says what it is."""
    text = template(program_2019)
    lines = {(line.entity, line.name): line for line in fact_lines(program_2019)}
    assert ("segment", "allowed_charges") in lines
    for (_, name), line in lines.items():
        if "`finalrule` block" in line.source:
            assert f'"{name}": null' in text
            assert json.dumps(line.describe)[1:-1] in text
    assert lines["segment", "allowed_charges"].source.endswith("(in a record of `segment`)")
    assert lines["measure_result", "case_count"].source == "the submission"
    assert lines["cost_result", "cost"].source == "the file of cost results (--cost)"
    assert lines["scoring_unit", "given_pi_score"].source == "--given"
    assert lines["scoring_unit", "stated_rural"].source == (
        "CMS's eligibility interface: organizations[].individualScenario.ruralClinician "
        "(a group: groupScenario)"
    )
    assert lines["scoring_unit", "group_reports"].absent == (
        "absent means no (42 CFR 414.1310(e)(2))"
    )
