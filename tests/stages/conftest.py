"""Small programs: one rules file and a year file, compiled stage by stage."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from finalrule.core.compile import STAGES, Compilation
from finalrule.policy.resolve import load_policy
from finalrule.source import Source

HERE = Path(__file__).parent

Compile = Callable[[Path], tuple[str, Compilation]]


@pytest.fixture
def compile_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compile:
    """Compiles `NAME.rules` with the year file `NAME.yaml` beside it, or with final.yaml. Gives the
    stage that found errors (empty when none did) and what the stages made."""

    def compiled(rules: Path) -> tuple[str, Compilation]:
        (tmp_path / "policies" / "2020").mkdir(parents=True)
        (tmp_path / "policies" / "sources.yaml").write_text("{}\n")
        (tmp_path / "policies" / "none.csv").write_text("")
        own = rules.with_suffix(".yaml")
        shutil.copy(own if own.exists() else HERE / "final.yaml", tmp_path / "policies/2020/final.yaml")
        monkeypatch.chdir(tmp_path)
        policy = load_policy(Path("policies/2020/final.yaml"), Path("policies"))
        text = rules.read_text(encoding="utf-8")
        work = Compilation(policy, [Source("policies/rules/mips/small.rules", text)])
        for name, stage in STAGES:
            stage(work)
            if work.report.has_errors:
                return name, work
        return "", work

    return compiled
