"""Submissions through `finalrule score`: CMS's examples of 2019 scored by hand, and every kind of
file that cannot be scored."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from facts.documents import (
    NPI,
    TIN,
    Json,
    a_set,
    changed,
    group,
    measured,
    single,
    submission,
    without,
)  # fmt: skip
from finalrule.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "tests" / "cli" / "files"
EXAMPLES = ROOT.parent / "shared" / "examples"
# CMS's examples are of one clinician, with this NPI (its check digit is wrong) and this TIN.
EXAMPLE_NPI = "9876543210"


def score(*arguments: str | Path, stdin: bytes = b"", policy: str = "2019-final") -> Result:
    """`finalrule score ... --policy ...`, which ends with an exit code whatever it is given."""
    command = ["score", *map(str, arguments), "--policy", policy]
    done = CliRunner().invoke(main, command, input=stdin)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done


def errors_of(done: Result) -> list[str]:
    """The codes of the errors on standard error, after what holds for every refusal: exit code 2,
    nothing on standard output, a line of help and a page for each error, and neither a TIN nor an
    NPI."""
    report = done.stderr
    assert done.exit_code == 2, report
    assert done.stdout == ""
    for identifier in (TIN, NPI, EXAMPLE_NPI):
        assert identifier not in report
    findings = re.split(r"^(?=error\[|warning\[)", report, flags=re.M)
    blocks = [block for block in findings if block.startswith("error[")]
    codes = re.findall(r"^error\[([a-z0-9-]+)\]: \S", report, re.M)
    assert len(blocks) == len(codes)
    for code, block in zip(codes, blocks, strict=True):
        assert re.search(r"^  help: \S", block, re.M), block
        assert (ROOT / "docs" / "errors" / f"{code}.md").is_file()
    return codes


def the_error(done: Result) -> str:
    """The only finding, as it is shown."""
    (code,) = errors_of(done)
    report = done.stderr.strip()
    assert report.startswith(f"error[{code}]: ")
    assert "warning[" not in report
    return report


def objects(done: Result) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def write(folder: Path, name: str, document: Json) -> Path:
    path = folder / name
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


# CMS's examples ----------------------------------------------------------------------------------

needs_examples = pytest.mark.skipif(
    not EXAMPLES.is_dir(), reason=f"CMS's example submissions are not there: {EXAMPLES}"
)
QUALITY, ACTIVITIES, PI = (EXAMPLES / f"2019_{name}.json" for name in ("quality", "ia", "pi"))


def example(*files: Path, facts: str, code: int = 0) -> dict[str, Any]:
    """The object of the examples' clinician, with the facts of tests/cli/files."""
    done = score(*files, "--facts", FILES / f"{facts}.json", "--format", "json")
    assert done.exit_code == code, done.stderr
    assert EXAMPLE_NPI not in done.stderr
    (one,) = objects(done)
    return one


def measures(one: dict[str, Any], category: str, field: str = "points") -> dict[str, Any]:
    return {m["measure_id"]: m[field] for m in one["categories"][category]["measures"]}


def weighted(one: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    """Score, weight and points of each category."""
    return {
        name: (part["score"], part["weight"], part["weighted"])
        for name, part in one["categories"].items()
    }


@needs_examples
def test_the_quality_example() -> None:
    """Benchmarks of 2019 (policies/measures/2019/benchmarks.csv).

    046 (MIPS CQM, `overall` alone): 121 of 147 is 82.3129 %. Decile 2 begins at 0 and decile 3 at
    94.24: 2.87 points, so the floor of 3. High priority, and reported end to end.
    110: CMS lists it as changed by guidelines: no points, 10 fewer available, 60 - 10 = 50. Its
    end-to-end report counts.
    ACRAD15 (QCDR): 80 + 30 of 1,000 cases, 11 %, below the 60 % of data completeness: class 3,
    1 point. It is the outcome measure that is required, so 046 is a further high priority one.
    (3 + 1 + 1 high priority + 2 end to end) of 50 = 14 %.
    Without cost the weights are 60/0/15/25: 60 x 14 % = 8.40, and with nothing in the other two
    categories 8.40 + 2.45 = 10.85. Complex patients: 1.2 + 5 x 0.25 = 2.45.
    Adjustment: -7 % x (30 - 10.85)/30 = -4.4683 %.
    """
    one = example(QUALITY, facts="individual")
    assert measures(one, "quality") == {"046": "3.0000", "110": "0.0000", "ACRAD15": "1.0000"}
    assert measures(one, "quality", "class") == {
        "046": "class_1", "110": "suppressed", "ACRAD15": "class_3",
    }  # fmt: skip
    assert measures(one, "quality", "performance_rate") == {
        "046": "82.3129", "110": "54.4643", "ACRAD15": "3",
    }  # fmt: skip
    assert measures(one, "quality", "counted") == {"046": True, "110": False, "ACRAD15": True}
    quality = one["categories"]["quality"]
    assert (quality["points"], quality["bonus"], quality["available"]) == (
        "4.0000", "3.0000", "50.0000",
    )  # fmt: skip
    assert weighted(one) == {
        "quality": ("14.0000", "60", "8.40"),
        "cost": ("0.0000", "0", "0.00"),
        "ia": ("0.0000", "15", "0.00"),
        "pi": ("0.0000", "25", "0.00"),
    }
    assert (one["bonuses"]["complex_patient"], one["final_score"]) == ("2.45", "10.85")
    assert one["payment_adjustment"]["total"] == "-4.47"


@needs_examples
def test_the_improvement_activities_example() -> None:
    """One high-weighted activity (IA_PM_2, 20 points) and three medium ones (10 each): 50, of which
    40 count: 100 %, 15 points. 15 + 2.45 = 17.45; -7 % x (30 - 17.45)/30 = -2.9283 %."""
    one = example(ACTIVITIES, facts="individual")
    assert measures(one, "ia") == {
        "IA_EPA_4": "10", "IA_PM_2": "20", "IA_PSPA_4": "10", "IA_PSPA_5": "10",
    }  # fmt: skip
    assert weighted(one)["ia"] == ("100.0000", "15", "15.00")
    assert (one["final_score"], one["payment_adjustment"]["total"]) == ("17.45", "-2.93")


@needs_examples
def test_the_promoting_interoperability_example(tmp_path: Path) -> None:
    """PI_PPHI_1, a required statement, is answered with no: 0 %. Answered with yes, the counts give
    what CMS's scoring engine printed for them: 49/115 x 10 = 4.26 -> 4, 1123/1951 x 20 = 11.51 ->
    12, 923/951 x 20 = 19.41 -> 19, 861/1809 x 40 = 19.04 -> 19, two registries 5 + 5: 64 %, of a
    weight of 25 16 points. 16 + 2.45 = 18.45; -7 % x (30 - 18.45)/30 = -2.695 %, half away from
    zero -2.70 %. With 2.45 alone the score is in the lowest quarter (7.5): -7 %.
    """
    one = example(PI, facts="individual")
    assert weighted(one)["pi"] == ("0.0000", "25", "0.00")
    assert (one["final_score"], one["payment_adjustment"]["total"]) == ("2.45", "-7.00")
    document = json.loads(PI.read_text(encoding="utf-8"))
    (answer,) = [
        row for row in document["measurementSets"][0]["measurements"]
        if row["measureId"] == "PI_PPHI_1"
    ]  # fmt: skip
    answer["value"] = True
    one = example(write(tmp_path, "pi.json", document), facts="individual")
    assert {name: points for name, points in measures(one, "pi").items() if points != "0"} == {
        "PI_EP_1": "4", "PI_HIE_1": "12", "PI_HIE_4": "19", "PI_PEA_1": "19",
        "PI_PHCDRR_1": "5", "PI_PHCDRR_1_MULTI": "5",
    }  # fmt: skip
    assert weighted(one)["pi"] == ("64.0000", "25", "16.00")
    assert (one["final_score"], one["payment_adjustment"]["total"]) == ("18.45", "-2.70")


@needs_examples
def test_the_three_examples_are_one_clinician() -> None:
    """8.40 + 15 + 0 + 2.45 = 25.85; -7 % x (30 - 25.85)/30 = -0.9683 %."""
    one = example(QUALITY, ACTIVITIES, PI, facts="individual")
    assert one["subject"] == {
        "entity_type": "individual", "tin": TIN, "npi": EXAMPLE_NPI, "performance_year": "2019",
    }  # fmt: skip
    assert one["eligibility"]["status"] == "mips_eligible"
    assert one["final_score"] == "25.85"
    assert one["payment_adjustment"] == {
        "status": "applies", "reason": None, "base": "-0.97", "additional": "0.00",
        "total": "-0.97",
    }  # fmt: skip


@needs_examples
def test_the_examples_of_a_small_practice() -> None:
    """ACRAD15 gets 3 points for class 3, the category 6 bonus points: (3 + 3 + 1 + 2 + 6)/50 =
    30 %, 18 points. Activities count double: 40 + 20 + 20 + 20, of which 40 count.
    18 + 15 + 2.45 = 35.45: above the threshold of 30, but 5.45/70 of 7 % times the scaling factor
    (assumed 0.007) is 0.0038 %."""
    one = example(QUALITY, ACTIVITIES, PI, facts="small_practice")
    assert one["eligibility"]["special_statuses"]["small_practice"] is True
    assert measures(one, "quality") == {"046": "3.0000", "110": "0.0000", "ACRAD15": "3.0000"}
    assert measures(one, "ia")["IA_PM_2"] == "40"
    assert weighted(one)["quality"] == ("30.0000", "60", "18.00")
    assert weighted(one)["ia"] == ("100.0000", "15", "15.00")
    assert (one["final_score"], one["payment_adjustment"]["total"]) == ("35.45", "0.00")


@needs_examples
def test_the_examples_of_a_clinician_who_faces_no_patients() -> None:
    """Without Promoting Interoperability its weight goes to quality: 85/0/15/0. 85 x 14 % = 11.90;
    11.90 + 15 + 2.45 = 29.35; -7 % x 0.65/30 = -0.1517 %. Who submits it all the same is scored on
    it, here with 0: 25.85 as anybody (42 CFR 414.1380(c)(2)(i)(C))."""
    one = example(QUALITY, ACTIVITIES, facts="non_patient_facing")
    assert weighted(one)["quality"] == ("14.0000", "85", "11.90")
    assert weighted(one)["pi"][1] == "0"
    assert (one["final_score"], one["payment_adjustment"]["total"]) == ("29.35", "-0.15")
    one = example(QUALITY, ACTIVITIES, PI, facts="non_patient_facing")
    assert weighted(one)["pi"] == ("0.0000", "25", "0.00")
    assert one["final_score"] == "25.85"


@needs_examples
def test_the_examples_below_the_low_volume_threshold() -> None:
    one = example(QUALITY, ACTIVITIES, PI, facts="low_volume")
    assert one["eligibility"]["status"] == "low_volume"
    assert one["final_score"] == "25.85"
    adjustment = one["payment_adjustment"]
    assert adjustment["status"] == "not_applicable"
    assert adjustment["reason"]
    assert [adjustment[name] for name in ("base", "additional", "total")] == [None] * 3


@needs_examples
def test_the_examples_without_the_risk_of_the_patients() -> None:
    """What is not known is no zero: the categories are scored, the final score is not."""
    one = example(QUALITY, ACTIVITIES, PI, facts="risk_unknown", code=3)
    assert weighted(one)["quality"] == ("14.0000", "60", "8.40")
    assert (one["final_score"], one["payment_adjustment"]["status"]) == (None, "undetermined")
    needs = {entry["outcome"]: entry["needs"] for entry in one["undetermined"]}
    assert needs["final_score"] == [
        "scoring_unit.average_hcc_risk_score", "scoring_unit.dual_eligible_ratio",
    ]  # fmt: skip


@needs_examples
def test_examples_of_other_years_are_refused() -> None:
    """The whole folder under a policy of 2019: each file of another year is one error, and the
    subgroup of 2023 a second one."""
    done = score(EXAMPLES)
    others = [path.name for path in EXAMPLES.glob("*.json") if not path.name.startswith("2019")]
    codes = errors_of(done)
    assert codes.count("submission-year") == len(others)
    assert [code for code in codes if code != "submission-year"] == ["submission-entity-type"]
    for name in others:
        assert f"{name}#/performanceYear" in done.stderr
    for file in (QUALITY, ACTIVITIES, PI):
        done = score(file, policy="2020-final")
        assert errors_of(done) == ["submission-year"]
        assert "the file is of performance year 2019, the policy of 2020" in done.stderr
        assert "ask what 2020's would give with --as-year" in done.stderr


@needs_examples
def test_what_cms_states_otherwise_is_told_without_the_npi(tmp_path: Path) -> None:
    """Who faces no patients qualifies for reweighting of Promoting Interoperability (42 CFR
    414.1380(c)(2)(i)(C)(5)), whatever `aciReweighting` says."""
    facts = json.loads((FILES / "non_patient_facing.json").read_text(encoding="utf-8"))
    facts = changed(facts, "/data/organizations/0/individualScenario/aciReweighting", False)
    done = score(QUALITY, "--facts", write(tmp_path, "facts.json", facts), "--format", "json")
    assert done.exit_code == 0
    assert "warning[stated-otherwise]" in done.stderr
    assert "facts.json#/data/organizations/0/individualScenario/aciReweighting" in done.stderr
    assert EXAMPLE_NPI not in done.stderr
    assert weighted(objects(done)[0])["pi"][1] == "0"


# The practice of examples/2020 --------------------------------------------------------------------

PRACTICE = ROOT / "examples" / "2020" / "practice"


def test_a_practice_as_a_group_and_one_of_its_clinicians() -> None:
    """Benchmarks of 2020 (eCQM); a small practice, so activities count double and quality has 6
    bonus points. Complex patients are doubled in 2020.

    Group: 001 (inverse) 25 % is better than 31.4, the bound of decile 10: 10. 128: 75 % in 73.97 ..
    94.15: 7 + 1.03/20.18 = 7.0510. 236: 70 % is the bound of decile 8: 8. 317: 66.6667 % in 61.53
    .. 79.18: 8 + 5.1367/17.65 = 8.2910. Sum 33.3420; 001 is the required outcome measure, 236 a
    further one (2), four measures end to end (4): 45.3420 of 60 = 75.57 %, of 55 points 41.5635.
    One high-weighted activity, doubled, is 40 of 40: 15 points. 2 x (1.31 + 5 x 0.22) = 4.82.
    41.5635 + 15 + 4.82 = 61.3835.
    The clinician alone: 15 % of 001 is 10 points, 80 % of 236 the bound of decile 9: 9;
    (19 + 2 + 2 + 6) of 60 = 48.3333 %: 26.5833; 2 x (1.42 + 5 x 0.18) = 4.64; 31.2233.
    The group's score is the higher one, and is used for the clinician.
    """
    done = score(
        PRACTICE / "submissions", "--facts", PRACTICE / "facts", "--cost", PRACTICE / "cost.csv",
        "--format", "json", policy="2020-final",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "warning" not in done.stderr
    whole, alone = objects(done)
    assert measures(whole, "quality") == {
        "001": "10.0000", "128": "7.0510", "236": "8.0000", "317": "8.2910",
    }  # fmt: skip
    assert weighted(whole)["quality"] == ("75.5700", "55", "41.56")
    assert (whole["bonuses"]["complex_patient"], whole["final_score"]) == ("4.82", "61.38")
    assert measures(alone, "quality") == {"001": "10.0000", "236": "9.0000"}
    assert weighted(alone)["quality"] == ("48.3333", "55", "26.58")
    assert (alone["bonuses"]["complex_patient"], alone["final_score"]) == ("4.64", "31.22")
    # 2020 has no benchmark for cost: the results are listed, and count for nothing.
    assert measures(whole, "cost") == {"MSPB_1": "0.0000", "TPCC_1": "0.0000"}
    assert measures(alone, "cost", "counted") == {"TPCC_1": False}
    assert whole["final_score_used"] is None
    assert alone["final_score_used"]["used"] == "group"
    assert alone["final_score_used"]["final_scores"] == {"individual": "31.22", "group": "61.38"}


# Broken submissions ------------------------------------------------------------------------------

VALID = submission(
    a_set(
        "quality",
        "registry",
        measured("110", single(met=305, not_met=255, eligible=562, exception=2)),
        measured("ACRAD15", {"numerator": 3, "denominator": 100, "observationInstances": 80}),
        measured("AAAAI2", single(met=8, not_met=2, eligible=10) | {"performanceRate": 80.5}),
    ),
    a_set("ia", "registry", measured("IA_EPA_4", True)),
    a_set(
        "pi",
        "registry",
        measured("PI_EP_1", {"numerator": 49, "denominator": 115}),
        measured("PI_PPHI_1", True),
        cehrtId="0015EJR3MPX3HHA",
    ),
)
SET = "/measurementSets/0"
VALUE = f"{SET}/measurements/0/value"
PI_SET = "/measurementSets/2"


def test_the_valid_submission_is_scored(tmp_path: Path) -> None:
    done = score(write(tmp_path, "a.json", VALID), "--format", "json")
    assert done.exit_code == 3  # no facts file, so much is not known
    assert objects(done)[0]["subject"]["tin"] == TIN
    assert "warning" not in done.stderr


# What is broken; where, or the whole document; the value; what the error says; where it is shown.
BROKEN: list[tuple[str, str, Json, str, str]] = [
    ("text for a count", f"{VALUE}/performanceMet", "305",
     "error[json-wrong-type]: `performanceMet` must be a whole number; it is text",
     f"{VALUE}/performanceMet"),
    ("a decimal for a count", f"{VALUE}/performanceMet", 304.5, "it is a decimal",
     f"{VALUE}/performanceMet"),
    ("a number for a measure", f"{SET}/measurements/0/measureId", 110, "must be text; it is a who",
     f"{SET}/measurements/0/measureId"),
    ("counts for a statement", f"{PI_SET}/measurements/1/value", {"numerator": 1, "denominator": 2},
     "must be true or false; it is an object", f"{PI_SET}/measurements/1/value"),
    ("a list for an object", SET, [], "must be an object; it is a list", SET),
    ("a list as document", "", [VALID], "the document must be an object; it is a list", ""),
    ("more met than there are", f"{PI_SET}/measurements/0/value/numerator", 116,
     "error[measure-counts]: the numerator 116 is above the denominator 115",
     f"{PI_SET}/measurements/0/value/numerator"),
    # 305 + 255 + 2 = 562 cases of 561
    ("more reported than there are", f"{VALUE}/eligiblePopulation", 561,
     "562 cases are reported, more than the 561 of `eligiblePopulation`", VALUE),
    ("unknown measure", f"{SET}/measurements/0/measureId", "1100",
     "error[measure-unknown]: `1100` is not a quality measure of 2019",
     f"{SET}/measurements/0/measureId"),
    ("unknown activity", "/measurementSets/1/measurements/0/measureId", "IA_EPA_44",
     "is not an improvement activity of 2019", "/measurementSets/1/measurements/0/measureId"),
    # the exclusion of PI_EP_1
    ("measure and exclusion", f"{PI_SET}/measurements/1", measured("PI_LVPP_1", True),
     "error[measure-excluded]: `PI_EP_1` is reported and its exclusion `PI_LVPP_1` is claimed too",
     f"{PI_SET}/measurements/0"),
    ("measure twice", f"{SET}/measurements/1", measured("110", single(1, 1, 2)),
     "error[measure-duplicate]: `110` stands twice in this set", f"{SET}/measurements/1"),
    ("set twice", "/measurementSets/1", VALID["measurementSets"][0],
     "error[submission-duplicate-set]: two sets for `quality` by `registry`", "/measurementSets/1"),
    ("starts before the year", f"{SET}/performanceStart", "2018-12-31",
     "error[period-outside-year]: 2018-12-31 lies outside the performance year 2019",
     f"{SET}/performanceStart"),
    ("ends after the year", f"{SET}/performanceEnd", "2020-01-01",
     "2020-01-01 lies outside the performance year 2019", f"{SET}/performanceEnd"),
    ("no such day", f"{SET}/performanceEnd", "2019-02-29", "is not a date of the calendar",
     f"{SET}/performanceEnd"),
    ("rate above 100", f"{SET}/measurements/2/value/performanceRate", 100.01,
     "error[value-out-of-bounds]: `performanceRate` must be from 0 to 100; it is 100.01",
     f"{SET}/measurements/2/value/performanceRate"),
    ("rate below 0", f"{SET}/measurements/2/value/performanceRate", -0.5, "it is -0.5",
     f"{SET}/measurements/2/value/performanceRate"),
    # 100 x 305/560 = 54.464...
    ("rate that the counts do not give", f"{VALUE}/performanceRate", 54.47,
     "stated as 54.47, but the counts give 54.46", f"{VALUE}/performanceRate"),
    ("no population", f"{VALUE}/eligiblePopulation", None,
     "error[json-missing-key]: `eligiblePopulation` is missing", VALUE),
    ("wrong year", "/performanceYear", 2018,
     "error[submission-year]: the file is of performance year 2018, the policy of 2019",
     "/performanceYear"),
    ("no such kind", "/entityType", "clinician", "must be `group` or `individual`", "/entityType"),
    ("TIN with a hyphen", "/taxpayerIdentificationNumber", "00-0456789",
     "error[identifier-shape]: `taxpayerIdentificationNumber` must be a TIN: 9 digits",
     "/taxpayerIdentificationNumber"),
    ("NPI as a number", "/nationalProviderIdentifier", int(NPI), "must be text; it is a whole",
     "/nationalProviderIdentifier"),
    # an identifier where it does not belong is not shown either
    ("NPI as a measure", f"{SET}/measurements/0/measureId", NPI, "`##########` is not a quality",
     f"{SET}/measurements/0/measureId"),
    ("a facts file", "", {"data": {"npi": NPI, "organizations": [{"TIN": TIN}]}},
     "error[wrong-file]: this is a facts file, not a submission", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("where", "value", "said", "at"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_one_fault_is_one_error(
    tmp_path: Path, where: str, value: Json, said: str, at: str
) -> None:
    document = changed(VALID, where, value) if where else value
    report = the_error(score(write(tmp_path, "broken.json", document)))
    assert said in report
    place = re.escape(f"  --> {tmp_path / 'broken.json'}{'#' if at else ''}{at}")
    assert re.search(f"^{place}(: [a-z ]+)?$", report, re.M), report


NESTED = b'{"entityType": ' + b"[" * 10_000_000
NOT_JSON = [
    ("letter", f"Dear CMS,\nNPI {NPI} reports".encode(), "this is not JSON: expecting value"),
    ("table", f"tin,npi\n{TIN},{NPI}\n".encode(), "this is not JSON"),
    ("QRDA", b"<ClinicalDocument/>", "the file is XML"),
    ("empty", b"", "the file is empty"),
    ("cut", json.dumps(VALID).encode()[:200], "this is not JSON"),
    ("key twice", f'{{"taxpayerIdentificationNumber": "{TIN}", '.encode() * 2 + b'"a": 1}}',
     "this is not JSON"),
    ("another encoding", json.dumps(VALID).encode("utf-16"), "the file is not UTF-8 text"),
    ("nested", NESTED, "nested more than 64 deep"),
    ("nested and closed", b"[" * 5_000_000 + b"]" * 5_000_000, "nested more than 64 deep"),
    ("too large", b'{"a": "' + b"x" * 17_000_000 + b'"}', "larger than 16 MiB"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "said"), [row[1:] for row in NOT_JSON], ids=[row[0] for row in NOT_JSON]
)
def test_what_is_no_json(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "broken.json").write_bytes(content)
    report = the_error(score(tmp_path / "broken.json"))
    assert said in report
    assert len(report) < 1000


def test_a_file_with_several_faults_gets_them_all(tmp_path: Path) -> None:
    """In the order of the file, and those of a second file after them."""
    first = changed(VALID, "/taxpayerIdentificationNumber", "1")
    first = changed(first, f"{SET}/performanceEnd", "2019-02-30")
    first = changed(first, f"{VALUE}/performanceMet", -5)
    first = changed(first, f"{SET}/measurements/2/measureId", "AAAAI22")
    first = changed(first, "/measurementSets/1/submissionMethod", "claims")
    first = changed(first, f"{PI_SET}/measurements/0/value/numerator", 116)
    files = [write(tmp_path, "a.json", first),
             write(tmp_path, "b.json", without(VALID, "performanceYear"))]  # fmt: skip
    facts = {"data": {"npi": NPI, "organizations": [{"TIN": "1"}]}}
    done = score(*files, "--facts", write(tmp_path, "facts.json", facts))
    assert errors_of(done) == [
        "identifier-shape", "value-date", "value-out-of-bounds", "measure-unknown",
        "submission-method", "measure-counts", "json-missing-key", "identifier-shape",
    ]  # fmt: skip
    report = done.stderr
    assert report.count("a.json#") == 7  # the numerator's error shows the denominator too
    assert report.count("facts.json#") == 1


# Files and folders -------------------------------------------------------------------------------


def test_nothing_to_score() -> None:
    done = score()
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Missing argument 'SUBMISSION...'" in done.stderr


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.json"
    assert "No such file" in the_error(score(missing))
    valid = write(tmp_path, "a.json", VALID)
    assert "No such file" in the_error(score(valid, "--facts", missing))
    assert "No such file" in the_error(score(valid, "--cost", missing))


def test_folders(tmp_path: Path) -> None:
    """A folder stands for its submissions; one without any, or with what is none, is an error."""
    folder = tmp_path / "batch"
    folder.mkdir()
    report = the_error(score(folder))
    assert "error[cannot-read-file]: the directory has no .json files" in report
    other = changed(VALID, "/taxpayerIdentificationNumber", "000456780")
    write(folder, "b.json", other)
    write(folder, "c.json", group(VALID["measurementSets"][0]))
    # one clinician's data in two files
    one, *more = VALID["measurementSets"]
    write(folder, "a.json", submission(one))
    write(folder, "d.json", submission(*more))
    (folder / "notes.txt").write_text("not read")
    found = objects(score(folder, "--format", "json"))
    assert [(o["subject"]["entity_type"], o["subject"]["tin"]) for o in found] == [
        ("group", TIN), ("individual", "000456780"), ("individual", TIN),
    ]  # fmt: skip
    whole = objects(score(write(tmp_path, "whole.json", VALID), "--format", "json"))
    assert found[2] == whole[0] | {"final_score_used": found[2]["final_score_used"]}
    (folder / "e.json").mkdir()
    assert "Is a directory" in the_error(score(folder))
    assert "--> " + str(folder / "e.json") in score(folder).stderr


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = write(tmp_path, "a.json", VALID)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read every file")
    assert "Permission denied" in the_error(score(path))


def test_standard_input(tmp_path: Path) -> None:
    """The same bytes give the same result, and the same error, as in a file."""
    content = json.dumps(VALID).encode()
    path = write(tmp_path, "a.json", VALID)
    from_file = score(path, "--format", "json")
    assert score("-", "--format", "json", stdin=content).stdout == from_file.stdout
    facts = FILES.parents[2] / "examples" / "2020" / "clinician.json"
    expected = score(path, "--facts", facts, "--format", "json")
    assert expected.exit_code == 0
    again = score(path, "--facts", "-", "--format", "json", stdin=facts.read_bytes())
    assert again.stdout == expected.stdout
    report = the_error(score("-", stdin=b"[]"))
    assert "--> <standard input>" in report
    twice = score("-", "--facts", "-", stdin=content)
    assert (twice.exit_code, twice.stdout) == (2, "")
    assert "standard input (-) can stand for one file only" in twice.stderr


def test_a_score_given_twice(tmp_path: Path) -> None:
    path = write(tmp_path, "a.json", VALID)
    done = score(path, "--given", "quality=90", "--given", " quality = 80 %", "--given", "cost=x")
    report = done.stderr
    assert (done.exit_code, done.stdout) == (2, "")
    assert "the score of `quality` is given twice" in report
    assert "`--given cost=x` gives no percentage" in report


def test_a_policy_named_twice_is_scored_once(tmp_path: Path) -> None:
    path = write(tmp_path, "a.json", VALID)
    done = score(path, "--format", "json", policy="2019-final, 2019-final")
    assert len(objects(done)) == 1


@pytest.mark.parametrize("option", ["--out", "--trace"])
def test_an_output_file_that_cannot_be_written(tmp_path: Path, option: str) -> None:
    path = write(tmp_path, "a.json", VALID)
    folder = tmp_path / "folder"
    folder.mkdir()
    report = the_error_of_writing(score(path, option, folder / "no" / "scores.json"))
    assert "No such file or directory" in report
    assert f"--> {folder / 'no' / 'scores.json'}" in report
    assert "Is a directory" in the_error_of_writing(score(path, option, folder))
    assert list(folder.iterdir()) == []
    folder.chmod(0o500)
    if not os.access(folder, os.W_OK):
        report = the_error_of_writing(score(path, option, folder / "scores.json"))
        assert "Permission denied" in report
    folder.chmod(0o700)
    assert list(folder.iterdir()) == []


def the_error_of_writing(done: Result) -> str:
    """The same as any refusal, after what was found while the files were scored."""
    assert errors_of(done) == ["cannot-write-file"]
    return done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_standard_output_that_is_full(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "finalrule", "score", write(tmp_path, "a.json", VALID)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "engine")}
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*command, "--policy", "2019-final"], env=environment, stdout=full,
            stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last == "error: the output cannot be written: No space left on device"
    assert "Traceback" not in done.stderr


def test_nothing_is_written_where_the_input_is_wrong(tmp_path: Path) -> None:
    out, trace = tmp_path / "scores.json", tmp_path / "trace.json"
    out.write_text("as it was")
    broken = write(tmp_path, "a.json", changed(VALID, "/performanceYear", 2018))
    the_error(score(broken, "--out", out, "--trace", trace))
    assert out.read_text() == "as it was"
    assert not trace.exists()
    done = score(write(tmp_path, "b.json", VALID), "--out", out, "--format", "json")
    assert (done.exit_code, done.stdout) == (3, "")
    assert len(json.loads(out.read_text())) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.json", "scores.json"]
