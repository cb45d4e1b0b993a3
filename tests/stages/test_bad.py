"""Every program in STAGE/bad/ is refused by that stage, with exactly the errors beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from finalrule.diagnostics import Failure

from .conftest import HERE, Compile

BAD = sorted(HERE.glob("*/bad/*.rules"))


@pytest.mark.parametrize("rules", BAD, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_bad(rules: Path, compile_small: Compile) -> None:
    stage, work = compile_small(rules)
    said = f"{Failure(work.report.diagnostics)}\n"
    assert (stage, said) == (rules.parts[-3], rules.with_suffix(".txt").read_text(encoding="utf-8"))


@pytest.mark.parametrize("rules", BAD, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_named_for_its_error(rules: Path, compile_small: Compile) -> None:
    _, work = compile_small(rules)
    assert rules.stem.split(".")[0] in {finding.code for finding in work.report.diagnostics}
