"""CMS's examples of 2019, and a practice of ours, through `finalrule score`: scored by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.scored import EXAMPLE_NPI, ROOT, errors_of, measures, objects, score, weighted, write
from facts.documents import TIN, changed

FILES = ROOT / "tests" / "cli" / "files"
EXAMPLES = ROOT.parent / "shared" / "examples"

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
