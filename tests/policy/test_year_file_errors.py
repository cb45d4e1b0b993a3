"""Every bad year file in bad/ is refused with exactly the errors in the `.txt` file beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from finalrule.diagnostics import Failure
from finalrule.policy import positioned
from finalrule.policy.resolve import load_policy

BAD = sorted((Path(__file__).parent / "bad").glob("*.yaml"))


def refusal(policies: Path, bad: Path) -> str:
    year_file = policies / "2020" / "final.yaml"
    shutil.copy(bad, year_file)
    with pytest.raises(Failure) as failure:
        load_policy(year_file, policies)
    return f"{failure.value}\n"


@pytest.mark.parametrize("bad", BAD, ids=lambda path: path.stem)
def test_bad_year_file(policies: Path, bad: Path) -> None:
    said = refusal(policies, bad)
    assert said == bad.with_suffix(".txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("bad", BAD, ids=lambda path: path.stem)
def test_the_parser_without_libyaml_says_the_same(
    policies: Path, bad: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(positioned, "_LOADER", yaml.SafeLoader)
    assert refusal(policies, bad) == bad.with_suffix(".txt").read_text(encoding="utf-8")


def test_errors_stop_at_a_hundred(policies: Path) -> None:
    year_file = policies / "2020" / "final.yaml"
    year_file.write_text("".join(f"key_{n}: x\n" for n in range(500)))
    with pytest.raises(Failure) as failure:
        load_policy(year_file, policies)
    assert 100 <= len(failure.value.diagnostics) < 120
