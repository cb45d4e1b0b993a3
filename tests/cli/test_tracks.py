"""A policy of one track, asked for what belongs to the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.test_init import finalrule
from finalrule.load import load_program

SAID = (
    "error[track-not-carried]: 2018-final has the rules of the track apm, not of mips\n"
    "  help: `finalrule show` lists the policies; take one with the track mips\n"
)
FILES = Path(__file__).parent / "files"


@pytest.mark.parametrize(
    "command",
    [
        ["init", "facts"],
        ["score", "submission.json", "--facts", "clinician.json"],
        ["explain", "final_score", "submission.json", "--facts", "clinician.json"],
        ["synth", "--out", "nation"],
        ["benchmarks", "--facts", "tables", "--out", "benchmarks.csv"],
    ],
    ids=lambda command: command[0],
)
def test_what_needs_mips(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("submission.json", "clinician.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "tables").mkdir()
    done = finalrule(*command, "--policy", "2018-final")
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", SAID)


def test_a_policy_has_what_its_tracks_declare() -> None:
    apm, both = load_program("2018-final"), load_program("2020-final")
    assert {one.name for one in apm.entities} < {one.name for one in both.entities}
    assert not any(rule.entity == "scoring_unit" for rule in apm.rules)
    assert {rule.name for rule in apm.rules} < {rule.name for rule in both.rules}
