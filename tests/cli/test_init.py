"""`finalrule init facts`: a file to fill in, and its way through `score`."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from facts.documents import NPI, TIN, a_set, measured, submission
from finalrule.cli.main import main


def finalrule(*arguments: str | Path) -> Result:
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done


def test_the_file_can_be_used_once_it_is_filled_in(tmp_path: Path) -> None:
    out = tmp_path / "clinician.json"
    done = finalrule("init", "facts", "--policy", "2019-final", "--out", out)
    assert (done.exit_code, done.stdout) == (0, f"wrote {out}\n")
    assert finalrule("init", "facts", "--policy", "2019-final").stdout == out.read_text()
    document = json.loads(out.read_text())
    document["data"]["npi"] = NPI
    document["data"]["organizations"][0]["TIN"] = TIN
    block = document["finalrule"]
    block["average_hcc_risk_score"], block["dual_eligible_ratio"] = 1.2, "0.25"
    out.write_text(json.dumps(document))
    reported = tmp_path / "submission.json"
    reported.write_text(json.dumps(submission(a_set("ia", "registry", measured("IA_PM_2", True)))))
    done = finalrule(
        "score", reported, "--facts", out, "--policy", "2019-final", "--format", "json"
    )
    assert done.exit_code == 3  # eligibility is not stated
    # 1.2 + 5 x 0.25
    assert json.loads(done.stdout)[0]["bonuses"]["complex_patient"] == "2.45"


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "clinician.json"
    out.write_text("mine")
    done = finalrule("init", "facts", "--policy", "2020-final", "--out", out)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "error[file-exists]" in done.stderr
    assert out.read_text() == "mine"


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    done = finalrule("init", "facts", "--policy", "2020-final", "--out", tmp_path / "no" / "a.json")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "error[cannot-write-file]: the file cannot be written: No such file" in done.stderr
    assert list(tmp_path.iterdir()) == []
