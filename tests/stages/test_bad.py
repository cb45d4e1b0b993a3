"""Every program in STAGE/bad/ is refused by that stage, with exactly the errors beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from finalrule.diagnostics import Failure
from stages.small import HERE, compile_small

BAD = sorted(HERE.glob("*/bad/*.rules"))


def test_there_are_programs_for_every_stage() -> None:
    stages = {rules.parts[-3] for rules in BAD}
    assert stages == {"parse", "declare", "bind", "lower", "order", "check"}


@pytest.mark.parametrize("rules", BAD, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_bad(rules: Path, tmp_path: Path) -> None:
    stage, work = compile_small(rules, tmp_path)
    said = f"{Failure(work.report.diagnostics)}\n"
    assert (stage, said) == (rules.parts[-3], rules.with_suffix(".txt").read_text(encoding="utf-8"))
    # A program is named for what is wrong with it: no error only follows from another.
    assert {finding.code for finding in work.report.diagnostics} == {rules.stem.partition(".")[0]}
