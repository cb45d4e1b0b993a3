"""`score` and `explain` as people run them, on the example of 2020 and on real submissions."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

ROOT = Path(__file__).resolve().parents[2]
SUBMISSION = "examples/2020/submission.json"
CLINICIAN = "examples/2020/clinician.json"


def run(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """`finalrule` in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "engine")}
    return subprocess.run(
        [sys.executable, "-m", "finalrule", *arguments],
        cwd=cwd, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def scored(*policies: str) -> list[dict[str, Any]]:
    done = run("score", SUBMISSION, "--facts", CLINICIAN, "--policy", ",".join(policies),
               "--format", "json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_the_example_under_proposed_and_final() -> None:
    """Arithmetic by hand, from CMS's benchmarks of 2020 (measures/2020/benchmarks.csv, eCQM).

    001 inverse: 21 % is better than 31.4, the bound of decile 10: 10 points.
    236: 148/200 = 74 %: decile 8 begins at 70, 9 at 80: 8 + 4/10 = 8.4.
    110: 163/250 = 65.2 %: 58.41 .. 81.1: 7 + 6.79/22.69 = 7.2993 (0.29925 rounded half up).
    128: 171/220 = 77.7273 %: 73.97 .. 94.15: 7 + 3.7573/20.18 = 7.1862.
    130: 290/300 = 96.6667 %: 88.82 .. 97.35: 5 + 7.8467/8.53 = 5.9199; its cap of 7 does not bind.
    317: 93/140 = 66.4286 %: 61.53 .. 79.18: 8 + 4.8986/17.65 = 8.2775.
    Sum 47.0829. High priority beyond the required one (001): 236 outcome 2, 130 another 1; six
    measures end to end 6, the cap of 10 % of 60. (47.0829 + 9)/60 = 93.4715 %.
    IA 20 + 10 + 10 = 40 of 40. PI: 410/500 x 10 = 8.2 -> 8; sending excluded, its 20 go to
    access: 640/800 x 60 = 48; receiving 130/200 x 20 = 13; two registries 10; PDMP bonus 5: 84.
    Weights without cost 55/0/15/30: 51.4093 + 15 + 25.2 = 91.6093.
    Complex patients 1.42 + 5 x 0.18 = 2.32 (proposed), doubled 4.64 (final).
    """
    proposed, final = scored("2020-proposed", "2020-final")
    points = {m["measure_id"]: m["points"] for m in final["categories"]["quality"]["measures"]}
    assert points == {
        "001": "10.0000", "236": "8.4000", "110": "7.2993", "128": "7.1862", "130": "5.9199",
        "317": "8.2775",
    }  # fmt: skip
    for one in (proposed, final):
        categories = one["categories"]
        assert categories["quality"]["score"] == "93.4715"
        assert categories["ia"]["score"] == "100.0000"
        assert categories["pi"]["score"] == "84.0000"
        assert [categories[c]["weight"] for c in ("quality", "cost", "ia", "pi")] == [
            "55", "0", "15", "30",
        ]  # fmt: skip
    assert (proposed["bonuses"]["complex_patient"], proposed["final_score"]) == ("2.32", "93.93")
    assert (final["bonuses"]["complex_patient"], final["final_score"]) == ("4.64", "96.25")
    # Proposed: 9 x 0.203 x 48.93/55 = 1.62537; 0.395 x (0.5 + 9.5 x 13.93/20) = 2.81113.
    assert proposed["payment_adjustment"] == {
        "status": "applies", "reason": None, "base": "1.63", "additional": "2.81", "total": "4.44",
    }  # fmt: skip


def test_scoring_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    outputs = []
    for name in ("first", "second"):
        trace = tmp_path / f"{name}.json"
        done = run("score", SUBMISSION, "--facts", CLINICIAN, "--format", "json", "--policy",
                   "2020-proposed,2020-final", "--trace", str(trace))  # fmt: skip
        outputs.append((done.stdout, trace.read_bytes()))
    assert outputs[0] == outputs[1]


def test_traces_hold_to_their_schema(tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    run("score", SUBMISSION, "--facts", CLINICIAN, "--policy", "2019-final,2020-final",
        "--as-year", "--trace", str(trace))  # fmt: skip
    schema = json.loads((ROOT / "grammar" / "trace.schema.json").read_text())
    traces = json.loads(trace.read_text())
    assert [one["policy"] for one in traces] == ["2019-final", "2020-final"]
    for one in traces:
        jsonschema.validate(one, schema)
        names = {entry["outcome"] for entry in one["outcomes"]}
        for entry in one["outcomes"]:
            assert set(entry.get("reads", ())) <= names
            # Nothing unexplained between: what is read is a fact with its origin, a figure with its
            # citation, or an outcome of the same trace.
            for fact in entry.get("facts", ()):
                assert "from" in fact or fact["text"] in ("unknown", "points at no record")
            assert all(figure["cite"] for figure in entry.get("parameters", ()))


def test_explain_ends_at_fact_and_citation() -> None:
    done = run("explain", SUBMISSION, "--facts", CLINICIAN, "--policy", "2020-final",
               "--outcome", "bonuses.complex_patient", "--depth", "0")  # fmt: skip
    assert done.returncode == 0
    said = " ".join(done.stdout.split())
    assert "complex_patient_bonus = 4.64 points" in said
    figure = "complex_patient.multiplier = 2 42 CFR 414.1380(c)(3)(iv) policies/2020/final.yaml"
    assert figure in said
    assert "average_hcc_risk_score = 1.42 examples/2020/clinician.json#/finalrule/" in said


EXPLAIN = ("explain", SUBMISSION, "--facts", CLINICIAN, "--policy", "2020-final")


@pytest.mark.parametrize(
    ("outcome", "name", "said"),
    [
        # a clause, with what its parts mean
        ("quality.measures[130].points", "incomplete", [
            "measure_points[130,ecqm]: clause incomplete did not decide, because this does not"
            " hold:",
            "  incomplete (no)",
            "    incomplete = no: measure_class (class_1) is class_3",
        ]),
        ("assessed_rate[130,ecqm]", "whole_period", [
            "assessed_rate[130,ecqm]: clause whole_period did decide.",
        ]),
        # a row: the column that does not match
        ("category_weights", "all_four", [
            "category_weights: row all_four did not decide, because this does not hold:",
            "  cost_scored is yes (no)",
        ]),
        # a piece: the interval does not hold the value
        ("unscaled_adjustment_factor", "lowest_quarter", [
            "unscaled_adjustment_factor: piece lowest_quarter did not decide, because this does not"
            " hold:",
            "  final_score (96.25 points) is from 0 points through threshold (45 points) / 4",
        ]),
        # a decile: the next bound is not met
        ("decile_points[236,ecqm]", "decile_9", [
            "decile_points[236,ecqm]: decile_9 did not decide, because this does not hold:",
            "  assessed_rate (74) >= 80",
        ]),
        # a record of a select
        ("required_measure[236,ecqm]", "selected", [
            "required_measure[236,ecqm]: selected did not decide, because this does not hold:",
            "  it is 2 of 3, within the best 1",
        ]),
    ],
)  # fmt: skip
def test_explain_why_not(outcome: str, name: str, said: list[str]) -> None:
    done = run(*EXPLAIN, "--outcome", outcome, "--why-not", name)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n")
    assert lines[1 : 1 + len(said)] == said
    # As data it is the same.
    done = run(*EXPLAIN, "--outcome", outcome, "--why-not", name, "--format", "json")
    (found,) = json.loads(done.stdout)
    assert (found["policy"], found["name"]) == ("2020-final", name)
    assert found["decided"] == ("did decide" in said[0])
    parts = [line.strip() for line in said[1:] if line.startswith("  ") and line[2] != " "]
    assert found.get("failed", []) == parts


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--outcome", "quality.measures[130].points", "--why-not", "incomplet"],
         "did you mean `incomplete`?"),
        (["--outcome", "final_score", "--why-not", "nothing"],
         "it has given, fewer_than_two_categories, formula"),
        (["--outcome", "quality.measures[131].points"], "there is no outcome `quality.measures"),
        (["--outcome", "quality.measures[130].measure_id"], "there is no outcome"),
        (["--outcome", "category_weights.nothing"], "there is no outcome"),
        (["--outcome", "final_score.nothing"], "there is no outcome"),
        (["--outcome", ""], "there is no outcome"),
        (["--depth", "-1"], "write a number, or all"),
        (["--depth", "\u00b2"], "write a number, or all"),
    ],
)  # fmt: skip
def test_explain_what_is_not_there(arguments: list[str], said: str) -> None:
    done = run(*EXPLAIN, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "path",
    [
        "final_score", "eligibility", "eligibility.status", "eligibility.special_statuses.rural",
        "eligibility.rural", "payment_adjustment.total", "payment_adjustment.status",
        "bonuses.complex_patient", "quality", "quality.weight", "categories.quality.weight",
        "quality.measures[236].points", "quality.measures[236,ecqm].reason",
        "categories.pi.measures[PI_EP_1].performance_rate", "ia.measures[IA_CC_1].counted",
        "category_weights.cost", "measure_points[236,ecqm]",
    ],
)  # fmt: skip
def test_paths_and_rules_are_explained(path: str) -> None:
    done = run(*EXPLAIN, "--outcome", path, "--depth", "0")
    assert done.returncode == 0, done.stderr
    assert "    law " in done.stdout


def test_a_measure_that_two_sets_have_is_named_with_its_set(tmp_path: Path) -> None:
    document = json.loads((ROOT / SUBMISSION).read_text())
    sets = document["measurementSets"]
    quality = next(one for one in sets if one["category"] == "quality")
    other = {**quality, "submissionMethod": "registry", "measurements": quality["measurements"][:1]}
    document["measurementSets"] = [*sets, other]
    path = tmp_path / "submission.json"
    path.write_text(json.dumps(document))
    measure = quality["measurements"][0]["measureId"]
    arguments = ("explain", str(path), "--facts", CLINICIAN, "--policy", "2020-final", "--outcome")
    done = run(*arguments, f"quality.measures[{measure}].points")
    assert done.returncode == 2
    assert "means 2 outcomes" in done.stderr
    for kind in ("ecqm", "mips_cqm"):
        whole = f"quality.measures[{measure},{kind}].points"
        assert whole in done.stderr
        assert run(*arguments, whole, "--depth", "0").returncode == 0


def test_explain_gives_a_list_of_traces() -> None:
    done = run("explain", SUBMISSION, "--facts", CLINICIAN, "--policy", "2020-proposed,2020-final",
               "--outcome", "quality.score", "--format", "json")  # fmt: skip
    assert done.returncode == 0
    schema = json.loads((ROOT / "grammar" / "trace.schema.json").read_text())
    found = json.loads(done.stdout)
    assert [one["policy"] for one in found] == ["2020-proposed", "2020-final"]
    for one in found:
        jsonschema.validate(one, schema)
        assert one["wanted"] == ["quality_category_score"]


def test_the_text_says_what_the_object_says() -> None:
    policies = ["2020-proposed", "2020-final"]
    objects = scored(*policies)
    done = run("score", SUBMISSION, "--facts", CLINICIAN, "--policy", ",".join(policies))
    lines = done.stdout.split("\n")

    def row(title: str) -> list[str]:
        (line,) = (line for line in lines if line.startswith(title + "  "))
        return re.split(r" {2,}", line[len(title) :].strip())

    assert row("Final score") == [f"{one['final_score']} points" for one in objects]
    for title, part in (("Payment adjustment factor", "base"), ("Additional factor", "additional"),
                        ("Total adjustment", "total")):  # fmt: skip
        assert row(title) == [f"{one['payment_adjustment'][part]}%" for one in objects]
    for title, category in (("Quality", "quality"), ("Improvement activities", "ia"),
                            ("Promoting Interoperability", "pi")):  # fmt: skip
        parts = [one["categories"][category] for one in objects]
        assert row(title) == [
            f"{part['score']}% x {part['weight']}% = {part['weighted']}" for part in parts
        ]
    assert row("Cost") == ["not scored (no cost score)"] * 2
    # Every measure has a row of its own with its points under each policy.
    for category in ("quality", "ia", "pi"):
        for first, second in zip(*(one["categories"][category]["measures"] for one in objects),
                                 strict=True):  # fmt: skip
            (line,) = (
                line for line in lines
                if line.split()[:2] == [category, first["measure_id"]]
            )  # fmt: skip
            shown = re.findall(r"(?<= )\(?(\d+(?:\.\d+)?)\)?(?= |$)", line)
            for measure in (first, second):
                assert measure["points"] in shown, line


def test_a_cost_measure_that_is_not_scored_says_why(tmp_path: Path) -> None:
    """2020 has no cost benchmark among the measures, and 35 episodes are the case minimum of
    Medicare Spending Per Beneficiary (42 CFR 414.1350(c)(2))."""
    facts = json.loads((ROOT / CLINICIAN).read_text())
    (organization,) = facts["data"]["organizations"]
    cost = tmp_path / "cost.csv"
    cost.write_text(
        "tin,npi,measure_id,case_count,cost\n"
        f"{organization['TIN']},{facts['data']['npi']},MSPB_1,34,20000\n"
    )
    done = run("score", SUBMISSION, "--facts", CLINICIAN, "--cost", str(cost), "--policy",
               "2020-final", "--format", "json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    (one,) = json.loads(done.stdout)
    assert one["categories"]["cost"]["measures"] == [
        {"measure_id": "MSPB_1", "points": "0.0000", "counted": False,
         "reason": "fewer cases than the case minimum"}
    ]  # fmt: skip


@pytest.mark.parametrize("option", ["--out", "--trace"])
def test_a_file_that_cannot_be_written(option: str, tmp_path: Path) -> None:
    done = run("score", SUBMISSION, "--facts", CLINICIAN, "--policy", "2020-final",
               option, str(tmp_path / "nowhere" / "file.json"))  # fmt: skip
    assert done.returncode == 2
    assert "error[cannot-write-file]" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--policy", "2020-fnal"], 2, "did you mean `2020-final`?"),
        (["--policy", "2019-final"], 2, "performance year"),
        (["--policy", "2020-final", "--given", "quality=high"], 2, "gives no percentage"),
    ],
)
def test_input_that_is_wrong(arguments: list[str], code: int, said: str) -> None:
    done = run("score", SUBMISSION, "--facts", CLINICIAN, *arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_an_undetermined_score_names_what_it_needs(tmp_path: Path) -> None:
    clinician = json.loads((ROOT / CLINICIAN).read_text())
    del clinician["finalrule"]["average_hcc_risk_score"]
    facts = tmp_path / "clinician.json"
    facts.write_text(json.dumps(clinician))
    done = run("score", SUBMISSION, "--facts", str(facts), "--policy", "2020-final",
               "--format", "json")  # fmt: skip
    assert done.returncode == 3
    (one,) = json.loads(done.stdout)
    assert one["final_score"] is None
    needs = {entry["outcome"]: entry["needs"] for entry in one["undetermined"]}
    assert needs["final_score"] == ["scoring_unit.average_hcc_risk_score"]


def test_start_up_imports_no_compiler() -> None:
    """With the compiled policy kept, scoring needs neither the grammar nor the schema reader."""
    program = (
        "import sys\n"
        "from finalrule.cli.main import main\n"
        f"arguments = ['score', '{SUBMISSION}', '--facts', '{CLINICIAN}', '--policy', '2020-final',"
        " '--format', 'json']\n"
        "try:\n    main(arguments)\nexcept SystemExit:\n    pass\n"
        "found = {'lark', 'jsonschema', 'duckdb', 'yaml'} & set(sys.modules)\n"
        "print(sorted(found), file=sys.stderr)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "engine")}
    for _ in range(2):  # the first may have to compile
        done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment,
                              capture_output=True, text=True, check=False)  # fmt: skip
    assert done.stderr.strip().splitlines()[-1] == "[]"
