"""Each error of the evaluator, of reading a policy and of explaining has its page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "engine" / "finalrule"
FILES = [ENGINE / "load.py", ENGINE / "cli" / "explain.py", *(ENGINE / "evaluate").glob("*.py")]
# A code is a text of words with hyphens that stands alone among the arguments of what reports it.
CODE = re.compile(r'(?<=[\s(])"([a-z]+(?:-[a-z]+)+)"')


def codes() -> set[str]:
    return {code for file in FILES for code in CODE.findall(file.read_text())}


def test_the_codes_are_found() -> None:
    assert {"clauses-overlap", "table-gap", "unknown-policy", "wrong-bounds"} <= codes()
    assert {"unknown-outcome", "ambiguous-outcome", "stated-otherwise"} <= codes()


@pytest.mark.parametrize("code", sorted(codes()))
def test_page(code: str) -> None:
    text = (ROOT / "docs" / "errors" / f"{code}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {code}\n")
    assert f"[{code}]: " in text
