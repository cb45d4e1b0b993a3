"""Small programs: one rules file and a year file, compiled stage by stage."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from finalrule.core.compile import Compilation, run_stages
from finalrule.policy.model import Policy
from finalrule.policy.resolve import load_policy
from finalrule.source import Source

HERE = Path(__file__).parent


def policy_of(rules: Path, folder: Path) -> Policy:
    """The policy of the year file `NAME.yaml` beside `NAME.rules`, or of final.yaml, read in an
    empty folder."""
    (folder / "policies" / "2020").mkdir(parents=True)
    (folder / "policies" / "sources.yaml").write_text("{}\n")
    (folder / "policies" / "none.csv").write_text("")
    own = rules.with_suffix(".yaml")
    year_file = Path("policies/2020/final.yaml")
    shutil.copy(own if own.exists() else HERE / "final.yaml", folder / year_file)
    before = Path.cwd()
    os.chdir(folder)  # errors name files as they are given to the readers
    try:
        return load_policy(year_file, Path("policies"))
    finally:
        os.chdir(before)


def compile_text(text: str, policy: Policy) -> tuple[str, Compilation]:
    """The stage that found errors (empty when none did) and what the stages made."""
    work = Compilation(policy, [Source("policies/rules/mips/small.rules", text)])
    return run_stages(work), work


def compile_small(rules: Path, folder: Path) -> tuple[str, Compilation]:
    """The same of a rules file with its year file."""
    return compile_text(rules.read_text(encoding="utf-8"), policy_of(rules, folder))
