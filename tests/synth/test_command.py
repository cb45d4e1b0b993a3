"""`finalrule synth`."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from finalrule.cli.main import main


def synth(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["synth", *arguments])


def test_text_and_json(tmp_path: Path) -> None:
    made = synth("--clinicians", "2000", "--out", str(tmp_path / "one"))
    assert made.exit_code == 0
    assert "a nation of 2,000 clinicians (seed 1, 2020-proposed)" in made.stdout
    # 203,027 of 1,484,160 are 273.6 of 2,000.
    (line,) = [line for line in made.stdout.splitlines() if "required participating" in line]
    assert line.split()[2] == "274"
    data = json.loads(
        synth("--clinicians", "2000", "--out", str(tmp_path / "two"), "--format", "json").stdout
    )
    assert data["format"] == "synth.v1" and data["rows"]["clinicians"] == 2000
    (row,) = [
        near for near in data["near"]
        if (near["row"], near["column"]) == ("required_participating", "clinicians")
    ]  # fmt: skip
    # 203,027 * 2,000 / 1,484,160 = 273.5917960...
    assert row["published"] == "273.591796" and row["cite"] == "HPA-2019 Table 113"


def test_refused(tmp_path: Path) -> None:
    other = synth("--policy", "2019-final", "--out", str(tmp_path / "one"))
    assert other.exit_code == 2 and "no figures of the nation" in other.stderr
    few = synth("--clinicians", "5", "--out", str(tmp_path / "one"))
    assert few.exit_code == 2 and "error[population-size]" in few.stderr
    assert not (tmp_path / "one").exists()
