"""Each error of runs, and of the rules as SQL, has its page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = [ROOT / "engine" / "finalrule" / name for name in ("runs", "population")]
# A code is the first argument of what reports it.
CODE = re.compile(r'(?<!=)"([a-z]+(?:-[a-z0-9]+)+)",')


def codes() -> set[str]:
    texts = [file.read_text("utf-8") for package in PACKAGES for file in package.glob("*.py")]
    return {code for text in texts for code in CODE.findall(text)}


def test_the_codes_are_found() -> None:
    assert {"cannot-resume", "run-memory", "not-a-run", "not-for-sql", "clauses-overlap"} <= codes()


@pytest.mark.parametrize("code", sorted(codes()))
def test_page(code: str) -> None:
    text = (ROOT / "docs" / "errors" / f"{code}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {code}\n")
    assert f"[{code}]: " in text
