"""Each error of the reader of tables has its page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
READER = ROOT / "engine" / "finalrule" / "tables"
# A code is the first argument of what reports it.
CODE = re.compile(r'(?<!=)"([a-z]+(?:-[a-z0-9]+)+)",')


def codes() -> set[str]:
    return {code for file in READER.glob("*.py") for code in CODE.findall(file.read_text("utf-8"))}


def test_the_codes_are_found() -> None:
    assert {"table-unreadable", "tables-rejected", "tables-memory", "cannot-write-file"} <= codes()


@pytest.mark.parametrize("code", sorted(codes()))
def test_page(code: str) -> None:
    text = (ROOT / "docs" / "errors" / f"{code}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {code}\n")
    assert f"[{code}]: " in text
