"""Cases out of several sources: grouping, unions, given scores, other years, the digest."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from facts.documents import (
    NPI,
    OTHER_NPI,
    TIN,
    Json,
    Outcome,
    Read,
    a_set,
    changed,
    group,
    measured,
    pointer,
    single,
    submission,
)  # fmt: skip
from finalrule.catalogue.read import Catalogue
from finalrule.core import ir
from finalrule.diagnostics import Failure
from finalrule.facts.assemble import read_cases

ACTIVITY = a_set("ia", "registry", measured("IA_EPA_4", True))
QUALITY = a_set("quality", "registry", measured("110", single(3, 1, 4)))


def test_files_are_grouped_by_who_reports(read: Read) -> None:
    other = submission(QUALITY, nationalProviderIdentifier=OTHER_NPI)
    found = read(submission(QUALITY), group(QUALITY), other, submission(ACTIVITY), group(ACTIVITY))
    assert [case.subject for case in found.cases] == [
        {"entity_type": "group", "tin": TIN, "performance_year": "2019"},
        {"entity_type": "individual", "tin": TIN, "npi": OTHER_NPI, "performance_year": "2019"},
        {"entity_type": "individual", "tin": TIN, "npi": NPI, "performance_year": "2019"},
    ]
    counts = [len(list(case.root.walk())) for case in found.cases]
    # program, unit, measure and activity; the individuals' clinician; OTHER_NPI has no activity
    assert counts == [4, 4, 5]


def test_the_tree_is_that_of_the_entities(read: Read) -> None:
    found = read(submission(QUALITY))
    root = found.case.root
    assert root.entity == "program"
    # What holds where nothing is given holds of the program too.
    assert {name: given.value for name, given in root.facts.items()} == {"whole_population": False}
    (unit,) = root.children["scoring_unit"]
    assert unit.parent is root
    assert unit.children["measure_result"][0].parent is unit


def test_nothing_submitted_is_a_case(read: Read) -> None:
    assert read(submission()).record("scoring_unit")["entity_type"] == "individual"


def test_quality_of_several_collection_types(read: Read) -> None:
    sets = [
        a_set("quality", method, measured("236", single(met, 1, met + 1)))
        for met, method in enumerate(("claims", "electronicHealthRecord", "registry"), start=1)
    ]
    found = read(submission(*sets))
    assert {
        record["collection_type"]: record["performance_rate"]
        for record in found.records("measure_result")
    } == {
        "part_b_claims": 50,  # 1 of 2
        "ecqm": Fraction(200, 3),  # 2 of 3
        "mips_cqm": 75,  # 3 of 4
    }


def test_activities_of_several_sets_are_a_union(read: Read) -> None:
    def attested(method: str, start: str, end: str, **activities: bool) -> Json:
        rows = [measured(name, value) for name, value in activities.items()]
        return a_set("ia", method, *rows, performanceStart=start, performanceEnd=end)

    found = read(
        submission(
            attested("registry", "2019-01-01", "2019-12-31", IA_EPA_4=False, IA_PM_2=True),
            attested("electronicHealthRecord", "2019-02-01", "2019-05-01", IA_EPA_4=True),
        ),
        submission(attested("cmsWebInterface", "2019-06-01", "2019-12-01", IA_EPA_4=True)),
    )
    activities = {record["activity_id"]: record for record in found.records("activity")}
    assert set(activities) == {"IA_EPA_4", "IA_PM_2"}
    # Completed counts before not completed, and of those the longer period: 183 days, not 89.
    assert activities["IA_EPA_4"]["completed"] is True
    assert activities["IA_EPA_4"]["performance_start"].isoformat() == "2019-06-01"


def test_each_promoting_interoperability_set_is_kept(read: Read) -> None:
    sets = [
        a_set("pi", method, measured("PI_EP_1", {"numerator": n, "denominator": 10}))
        for n, method in enumerate(("registry", "electronicHealthRecord"))
    ]
    found = read(submission(*sets))
    assert [record["submission_method"] for record in found.records("pi_submission")] == [
        "electronicHealthRecord", "registry",
    ]  # fmt: skip
    assert [record["numerator"] for record in found.records("pi_report")] == [1, 0]


# Given scores ------------------------------------------------------------------------------------


def test_given_scores(read: Read) -> None:
    found = read(submission(ACTIVITY), given={"quality": Fraction(955, 1000), "cost": Fraction(0)})
    unit = found.record("scoring_unit")
    assert (unit["quality_given"], unit["given_quality_score"]) == (True, Fraction(955, 1000))
    assert (unit["cost_given"], unit["given_cost_score"]) == (True, 0)
    assert unit["pi_given"] is False
    assert found.origin("scoring_unit", "given_quality_score") == "--given#/quality"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"qualty": Fraction(1)}, "not a performance category"),
        ({"quality": Fraction(1001, 1000)}, "from 0 to 100 percent"),
        ({"pi": Fraction(-1, 1000)}, "from 0 to 100 percent"),
    ],
)
def test_given_scores_that_are_none(read: Read, given: Mapping[str, Fraction], words: str) -> None:
    found = read(submission(ACTIVITY), given=given)
    assert found.error.code == "given-score"
    assert words in found.error.message


def test_given_scores_are_of_one_unit(read: Read) -> None:
    found = read(submission(ACTIVITY), group(ACTIVITY), given={"pi": Fraction(1)})
    assert found.error.code == "given-score"


# Another year's policy ---------------------------------------------------------------------------


def test_a_what_if_moves_the_dates_and_lists_what_is_lost(read: Read) -> None:
    # 2020 has neither 160 nor IA_AHE_2; it writes 007 with one rate, and has 046 no longer.
    strata = [
        {"stratum": name, "performanceMet": 1, "eligiblePopulation": 1}
        for name in ("LVSD", "priorMI")
    ]
    document = submission(
        a_set(
            "quality", "registry",
            measured("110", single(3, 1, 4)), measured("007", {"strata": strata}),
            measured("046", {"strata": []}), performanceStart="2019-02-28",
        ),
        a_set("ia", "registry", measured("IA_AHE_2", True), measured("IA_AHE_3", True)),
    )  # fmt: skip
    assert read(document, year=2020).error.code == "submission-year"
    found = read(document, year=2020, as_year=True)
    assert found.case.subject["performance_year"] == "2019"
    record = found.record("measure_result")
    assert record["measure_id"] == "110"
    assert record["performance_start"].isoformat() == "2020-02-28"
    assert record["performance_end"].isoformat() == "2020-12-31"
    assert found.record("activity")["activity_id"] == "IA_AHE_3"
    assert sorted((warning.code, pointer(warning)) for warning in found.warnings) == [
        ("measure-lost", "/measurementSets/0/measurements/1/value"),
        ("measure-lost", "/measurementSets/0/measurements/2/measureId"),
        ("measure-lost", "/measurementSets/1/measurements/0/measureId"),
        ("submission-year", "/performanceYear"),
    ]


def test_a_what_if_has_no_29_february_in_another_year(read: Read) -> None:
    dates = {"performanceStart": "2020-02-29", "performanceEnd": "2020-12-31"}
    document = submission(ACTIVITY | dates, performanceYear=2020)
    found = read(document, year=2019, as_year=True)
    assert found.record("activity")["performance_start"].isoformat() == "2019-02-28"
    kept = read(document, year=2020, as_year=True)
    assert kept.record("activity")["performance_start"].isoformat() == "2020-02-29"
    assert not kept.warnings


# The digest --------------------------------------------------------------------------------------

FACTS = {
    "data": {"npi": NPI, "organizations": [{"TIN": TIN, "individualScenario": {}}]},
    "finalrule": {"segment": [{"segment": "first", "patients": 201}]},
}


def digest(found: Outcome) -> str:
    return found.case.facts_digest


def reversed_keys(document: Json) -> Json:
    if isinstance(document, dict):
        return {name: reversed_keys(document[name]) for name in reversed(document)}
    return [reversed_keys(one) for one in document] if isinstance(document, list) else document


def test_the_digest_is_of_the_content(read: Read) -> None:
    one = submission(QUALITY, ACTIVITY)
    same = digest(read(one, facts=[FACTS]))
    assert len(same) == 64
    # another order of keys, sets and files, the same in two files, a number written otherwise
    assert digest(read(reversed_keys(one), facts=[reversed_keys(FACTS)])) == same
    assert digest(read(submission(ACTIVITY), submission(QUALITY), facts=[FACTS])) == same
    as_text = changed(FACTS, "/finalrule/segment/0/patients", "201")
    assert digest(read(one, facts=[as_text])) == same
    # another count, another clinician, a fact less, an activity more
    others = [
        read(submission(a_set("quality", "registry", measured("110", single(3, 1, 5))), ACTIVITY)),
        read(submission(QUALITY, ACTIVITY, nationalProviderIdentifier=OTHER_NPI)),
        read(one),
        read(submission(QUALITY, ACTIVITY, a_set("ia", "electronicHealthRecord",
                                                 measured("IA_PM_2", True)))),
    ]  # fmt: skip
    assert len({same, *(digest(other) for other in others)}) == 5


# Directories and standard input ------------------------------------------------------------------


def cases_of(
    paths: list[Path], program: ir.Program, catalogues: Mapping[str, Catalogue]
) -> list[Any]:
    cases, _ = read_cases(program, catalogues, paths, [], [], {}, False)
    return cases


def test_a_directory_stands_for_its_json_files(
    tmp_path: Path, program_2019: ir.Program, catalogues_2019: Mapping[str, Catalogue]
) -> None:
    (tmp_path / "b.json").write_text(json.dumps(submission(QUALITY)))
    (tmp_path / "a.json").write_text(json.dumps(group(ACTIVITY)))
    (tmp_path / "notes.txt").write_text("not read")
    assert len(cases_of([tmp_path], program_2019, catalogues_2019)) == 2
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(Failure, match=r"the directory has no .json files") as failed:
        cases_of([empty], program_2019, catalogues_2019)
    assert "folders in it are not searched" in str(failed.value)


def test_standard_input(
    monkeypatch: pytest.MonkeyPatch,
    program_2019: ir.Program,
    catalogues_2019: Mapping[str, Catalogue],
) -> None:
    text = io.TextIOWrapper(io.BytesIO(json.dumps(submission(ACTIVITY)).encode()))
    monkeypatch.setattr("sys.stdin", text)
    (case,) = cases_of([Path("-")], program_2019, catalogues_2019)
    # A second policy reads the same, though the stream is at its end.
    (again,) = cases_of([Path("-")], program_2019, catalogues_2019)
    assert again.facts_digest == case.facts_digest
    (unit,) = case.root.children["scoring_unit"]
    (activity,) = unit.children["activity"]
    assert activity.facts["completed"].origin == (
        "<standard input>#/measurementSets/0/measurements/0/value"
    )


def test_a_catalogue_that_is_not_given(
    program_2019: ir.Program, catalogues_2019: Mapping[str, Catalogue]
) -> None:
    with pytest.raises(KeyError, match="pi_measure"):
        cases_of([], program_2019, {n: c for n, c in catalogues_2019.items() if n != "pi_measure"})
