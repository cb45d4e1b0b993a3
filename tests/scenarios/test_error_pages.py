"""Each error code of scenarios has a page, and its example is what is really printed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import finalrule.scenarios
from finalrule.diagnostics import Diagnostic, Failure
from finalrule.scenarios.mutate import Tried, judge, read_equivalents
from finalrule.scenarios.suite import load_suite
from finalrule.source import Place

PACKAGE = Path(finalrule.scenarios.__path__[0])
PAGES = Path(__file__).parents[2] / "docs" / "errors"
CODES = sorted(
    {
        code
        for module in PACKAGE.glob("*.py")
        for code in re.findall(
            r'(?:\.error|Diagnostic)\(\s*"([a-z0-9-]+)"', module.read_text(encoding="utf-8")
        )
    }
)

BAD = {
    "wrong-outcome": """
  - name: charges at the figure
    given: {unit: {charges: $90.00, patients: 201}}
    expect: {volume: {value: included, clause: both}}
""",
    "missing-record": """
  - name: one result
    given: {result: [{measure: 1, rate: 25}]}
    expect: {'points[2]': 4.5 points}
""",
    "misplaced-record": """
  - name: a part of no result
    given: {result: [{measure: 1, rate: 25}], part: [{name: a}]}
    expect: {'points[1]': 4.5 points}
""",
    "duplicate-record": """
  - name: one measure twice
    given: {result: [{measure: 1, rate: 25}, {measure: 1, rate: 35}]}
    expect: {total: 5.5 points}
""",
    "record-without-key": """
  - name: which measure?
    given: {result: [{rate: 25}]}
    expect: {total: 4.5 points}
""",
    "scenario-value": """
  - name: an amount in words
    given: {unit: {charges: ninety, patients: 201}}
    expect: {volume: opt_in}
""",
    "scenario-entity": """
  - name: a misspelt entity
    given: {units: {charges: $91}}
    expect: {volume: included}
""",
    "scenario-fact": """
  - name: a misspelt fact
    given: {unit: {charge: $91}}
    expect: {volume: included}
""",
    "scenario-rule": """
  - name: a misspelt rule
    given: {unit: {charges: $91}}
    expect: {volumes: included}
""",
    "scenario-output": """
  - name: a misspelt output
    given: {unit: {kind: individual, patients: 1}}
    expect: {factor.factr: 100%}
""",
    "scenario-clause": """
  - name: a misspelt clause
    given: {unit: {charges: $91, patients: 201}}
    expect: {volume: {clause: booth}}
""",
    "scenario-catalogue": """
  - name: a misspelt column
    catalogues: {benchmark: [{measure: 9, d_1: 10}]}
    given: {result: [{measure: 9, rate: 10}]}
    expect: {'points[9]': 1 point}
""",
    "scenario-policy": """
  - name: a policy that is not there
    policies: [2020-finale]
    expect: {volume: undetermined}
""",
    "duplicate-scenario": """
  - name: nothing given
    expect: {volume: undetermined}
  - name: nothing given
    expect: {total: 0 points}
""",
}
LIST = """equivalent:
  - mutants:
      - 'volume.charges: $89.99 for $90.00'
    because: amounts are whole dollars
"""


def rendered(code: str, root: Path, write: Callable[[str], Path]) -> list[str]:
    """What is printed for the example of a code."""
    if code in ("not-equivalent", "unknown-mutant"):
        (root / "cases" / "equivalent_mutants.yaml").write_text(LIST)
        name = "volume.charges: $89.99 for $90.00"
        name = name if code == "not-equivalent" else "volume.charges: $89.99 for $90.01"
        place = Place("policies/2020/final.yaml", 9, 3)
        tried = Tried("2020-final", name, "figure", place, "charges at the figure", 4)
        return _texts(judge([tried], read_equivalents(root), True)[1].diagnostics)
    if code != "no-scenarios":
        write(BAD[code])
    try:
        suite = load_suite((), (), root)
    except Failure as failure:
        return [text.replace(str(root), "policies") for text in _texts(failure.diagnostics)]
    (result,) = suite.run(suite.pairs())
    if result.failure is not None:
        return _texts(result.failure.diagnostics)
    return _texts(mismatch.diagnostic() for mismatch in result.mismatches)


def _texts(found: object) -> list[str]:
    assert not isinstance(found, str)
    return [one.render() for one in found if isinstance(one, Diagnostic)]  # type: ignore[attr-defined]


def test_codes_were_found() -> None:
    assert set(BAD) < set(CODES)
    assert len(CODES) == 17


@pytest.mark.parametrize("code", CODES)
def test_page(code: str, root: Path, write: Callable[[str], Path]) -> None:
    page = (PAGES / f"{code}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {code}\n")
    (example,) = re.findall(r"^```text\n(.*?)\n```$", page, flags=re.DOTALL | re.MULTILINE)
    assert example.startswith(f"error[{code}]: ")
    assert example in rendered(code, root, write)
