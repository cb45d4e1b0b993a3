"""Each error of compare, show and validate has a page, and its example is really printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import finalrule
from finalrule.compare.diff import compare, compile_both, compile_named
from finalrule.diagnostics import Diagnostic, Failure
from finalrule.show.data import Shown
from finalrule.show.find import find
from finalrule.validate import validate

PACKAGE = Path(finalrule.__path__[0])
PAGES = Path(__file__).parents[2] / "docs" / "errors"
MODULES = [
    *PACKAGE.glob("compare/*.py"),
    *PACKAGE.glob("show/*.py"),
    PACKAGE / "validate.py",
]
CODES = sorted(
    {
        code
        for module in MODULES
        for code in re.findall(
            r'(?:\.error|\.warning|Diagnostic)\(\s*"([a-z0-9-]+)"', module.read_text("utf-8")
        )
    }
)
# What to replace in which file of the small policies, so that `validate` finds it.
EDITS = {
    "carried-from-unknown": ("2020/final.yaml", "carried_from: 2019-final\n  low_volume.patients",
                             "carried_from: 2018-final\n  low_volume.patients"),
    "carried-value-differs": ("2020/final.yaml", "value: $90,000", "value: $100,000"),
    "unread-parameter": ("2019/final.yaml", "value: not_in_force", "value: 90 days"),
    "unused-rounding": ("rules/mips/small.rules", "round(reported, shares) >=", "reported >="),
    "unused-variant": ("sources.yaml", "HPA-2019", "HPA-2019"),
}  # fmt: skip


def found(code: str, root: Path) -> list[Diagnostic]:
    """What is found for the example of a code."""
    if code in EDITS:
        path, old, new = EDITS[code]
        text = (root / path).read_text(encoding="utf-8")
        assert old in text
        (root / path).write_text(text.replace(old, new, 1), encoding="utf-8")
        return [finding.diagnostic for finding in validate((), root).findings]
    with pytest.raises(Failure) as failure:
        if code == "unknown-part":
            compare(*compile_both("2019-final", "2020-final", root), part="42 CFR 414.1400")
        else:
            find(Shown(compile_named("2020-final", root), root), "mutliplier")
    return list(failure.value.diagnostics)


def test_codes_were_found() -> None:
    assert set(CODES) == {*EDITS, "unknown-part", "name-not-found"}


@pytest.mark.parametrize("code", CODES)
def test_page(code: str, root: Path) -> None:
    page = (PAGES / f"{code}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {code}\n")
    (example,) = re.findall(r"^```text\n(.*?)\n```$", page, flags=re.DOTALL | re.MULTILINE)
    assert re.match(rf"(error|warning)\[{code}\]: ", example)
    assert example in [one.render() for one in found(code, root)]
