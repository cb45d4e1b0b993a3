"""`score` and `explain` as people run them, on the example of 2020 and on real submissions."""

from __future__ import annotations

import json
import os
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
        done = run("score", SUBMISSION, "--facts", CLINICIAN, "--policy", "2020-proposed,2020-final",
                   "--format", "json", "--trace", str(trace))  # fmt: skip
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
            assert all("from" in fact or fact["text"] == "unknown" for fact in entry.get("facts", ()))
            assert all(figure["cite"] for figure in entry.get("parameters", ()))


def test_explain_ends_at_fact_and_citation() -> None:
    done = run("explain", SUBMISSION, "--facts", CLINICIAN, "--policy", "2020-final",
               "--outcome", "bonuses.complex_patient", "--depth", "0")  # fmt: skip
    assert done.returncode == 0
    said = " ".join(done.stdout.split())
    assert "complex_patient_bonus = 4.64 points" in said
    assert "complex_patient.multiplier = 2 42 CFR 414.1380(c)(3)(iv) policies/2020/final.yaml" in said
    assert "average_hcc_risk_score = 1.42 examples/2020/clinician.json#/finalrule/" in said


def test_explain_why_not() -> None:
    done = run("explain", SUBMISSION, "--facts", CLINICIAN, "--policy", "2020-final",
               "--outcome", "quality.measures[130].points", "--why-not", "incomplete")  # fmt: skip
    assert "clause incomplete did not decide" in done.stdout
    unknown = run("explain", SUBMISSION, "--facts", CLINICIAN, "--policy", "2020-final",
                  "--outcome", "quality.measures[130].points", "--why-not", "incomplet")  # fmt: skip
    assert unknown.returncode == 2
    assert "did you mean `incomplete`?" in unknown.stderr


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
