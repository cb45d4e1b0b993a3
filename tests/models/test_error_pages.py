"""Each error code of files of payment models has a page, and its example is what is printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import finalrule.models
from finalrule.diagnostics import Failure
from finalrule.models.read import model_files
from finalrule.places import policies_root

PACKAGE = Path(finalrule.models.__path__[0])
PAGES = Path(__file__).parents[2] / "docs" / "errors"
CODES = sorted(
    {
        code
        for module in PACKAGE.glob("*.py")
        for code in re.findall(
            r'(?:\.error|Diagnostic)\(\s*"([a-z0-9-]+)"', module.read_text(encoding="utf-8")
        )
    }
    - {"unknown-policy"}  # its page shows it in a command
)

HEAD = """about: A model that somebody is planning
policies: [2017-final]
models:
"""
BAD = {
    "duplicate-model": """  - model: planned
    name: Three percent
    facts:
      - cite: 42 CFR 414.1415
        given: {total_risk_of_expenditures: 3%}
  - model: planned
    name: Four percent
    facts:
      - cite: 42 CFR 414.1415
        given: {total_risk_of_expenditures: 4%}
""",
    "duplicate-model-fact": """  - model: planned
    name: Three or four percent
    facts:
      - cite: 42 CFR 414.1415
        given: {total_risk_of_expenditures: 3%}
      - cite: 42 CFR 414.1415(c)
        given: {total_risk_of_expenditures: 4%}
""",
}


def rendered(code: str, folder: Path) -> str:
    paths = []
    if code in BAD:
        paths = [folder / "planned.yaml"]
        paths[0].write_text(HEAD + BAD[code])
    with pytest.raises(Failure) as raised:
        model_files(paths, ["2018-final"], policies_root())
    return str(raised.value).replace(f"{folder}/", "")


def test_codes_were_found() -> None:
    assert sorted({*BAD, "no-models"}) == CODES


@pytest.mark.parametrize("code", CODES)
def test_page_shows_what_is_printed(code: str, tmp_path: Path) -> None:
    page = (PAGES / f"{code}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {code}\n")
    assert f"```text\n{rendered(code, tmp_path)}\n```" in page
