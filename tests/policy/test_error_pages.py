"""Each error code of the policy reader has a page, and its example is what is really printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import finalrule.policy

PACKAGE = Path(finalrule.policy.__path__[0])
PAGES = Path(__file__).parents[2] / "docs" / "errors"
RENDERED = "\n".join(
    file.read_text(encoding="utf-8") for file in (Path(__file__).parent / "bad").glob("*.txt")
)
CODES = sorted(
    {
        code
        for module in PACKAGE.glob("*.py")
        for code in re.findall(r'\.error\(\s*"([a-z0-9-]+)"', module.read_text(encoding="utf-8"))
    }
)


def test_codes_were_found() -> None:
    assert len(CODES) > 30


@pytest.mark.parametrize("code", CODES)
def test_page(code: str) -> None:
    page = (PAGES / f"{code}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {code}\n")
    examples = re.findall(r"^```text\n(.*?)\n```$", page, flags=re.DOTALL | re.MULTILINE)
    assert examples
    for example in examples:
        assert example.startswith(f"error[{code}]: ")
        assert example in RENDERED
