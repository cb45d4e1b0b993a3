"""Each error of the import, of catalogue files and of policies put to use has a page, and its
example is what is really printed."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

import finalrule
from finalrule.catalogue.importer import read_export
from finalrule.diagnostics import Failure
from finalrule.evaluate.catalogues import open_catalogues
from finalrule.facts.case import Case, Given, Record
from finalrule.load import load_evaluator, load_program

Tables = dict[str, list[dict[str, str]]]

PACKAGE = Path(finalrule.__path__[0])
PAGES = Path(__file__).parents[2] / "docs" / "errors"
EXPORT, HEADER = Path("cms-export/2020"), Path("policies/measures/2020/header.yaml")
# These are first of all about tables of a year file: tests/stages has their examples.
OF_TABLES = {"missing-column", "wrong-cell"}
# This one is about policies as such: tests/cli/test_tracks.py has it.
OF_POLICIES = {"track-not-carried"}
CODES = sorted(
    {
        code
        for module in (
            *PACKAGE.glob("catalogue/*.py"),
            PACKAGE / "evaluate" / "catalogues.py",
            PACKAGE / "load.py",
        )
        for code in re.findall(
            r'(?:\.error|Diagnostic)\(\s*"([a-z0-9-]+)"', module.read_text(encoding="utf-8")
        )
    }
    - OF_TABLES
    - OF_POLICIES
    | {"outcome-out-of-bounds"}
)

# What is wrong in a cell of CMS's export: file, row and column.
CELLS = {
    "catalogue-key": ("benchmarks.csv", 2, {"measureId": "226", "submissionMethod": "registry"}),
    "measures-bounds": ("benchmarks.csv", 1, {"d3": "10.47"}),
    "measures-contradiction": ("clinical_clusters.csv", 0, {"nMeasures": "3"}),
    "measures-not-carried": ("improvement_activities.csv", 0, {"cehrtEligible": "1"}),
    "measures-reference": ("clinical_clusters.csv", 0, {"measureIds": "226;458"}),
    "measures-value": ("benchmarks.csv", 0, {"d3": "79,99"}),
}
# What is wrong in the text of a file: the file, what stands there and what replaces it.
TEXTS = {
    "catalogue-columns": (EXPORT / "cost_measures.csv", "metricType", "metrictype"),
    "catalogue-unreadable": (EXPORT / "clinical_clusters.csv", "226;001", '"226;001'),
    "measures-header": (HEADER, "performance_year: 2020", "performance_year: 2019"),
    "measures-defect-gone": (HEADER, "known_defects: []", """\
known_defects:
  - file: benchmarks.csv
    key: ['001', claims]
    action: correct
    column: d2
    was: 10
    now: 100
    what: a digit is missing
    source: none
    reason: none"""),
}  # fmt: skip

POLICY = {
    "rules/mips/small.rules": """module mips.small
entity unit
fact unit.earned: points[0..100] may be unknown
catalogue benchmark by (measure: code)
  field inverse: yes_no
  bounds deciles: rate inverse by inverse
rule bonus for unit: points[0..10]
  cites "42 CFR 414.1380"
  clause all: earned always
""",
    "2020/final.yaml": """policy: 2020-final
title: small
performance_year: 2020
payment_year: 2022
stage: final
tracks: [mips]
published: {title: small, date: 2019-11-15, cite: 84 FR 63194}
parameters: {}
catalogues:
  benchmark: {path: measures/2020/benchmarks.csv, cite: 42 CFR 414.1380}
""",
    "measures/2020/benchmarks.csv": """measure,inverse,d1,d2,d3,d4,d5,d6,d7,d8,d9,d10
001,yes,,90,80,70,60,50,40,30,20,10
226,no,,10,20,30,40,50,60,70,80,90
""",
    "sources.yaml": "{}",
}


@pytest.fixture(autouse=True)
def folder(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    small_tables: Callable[[], Tables],
    write_export: Callable[[Path, Tables], None],
    header_text: str,
) -> None:
    """A folder with a small policy and a small export, neither with an error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FINALRULE_CACHE", str(tmp_path / "cache"))
    for name, text in POLICY.items():
        path = Path("policies", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    HEADER.write_text(header_text, encoding="utf-8")
    write_export(EXPORT, small_tables())


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def make(code: str, tables: Tables, write: Callable[[Path, Tables], None]) -> None:
    """Do what is the example of a code; ends with the Failure."""
    policies = Path("policies")
    benchmarks = policies / "measures" / "2020" / "benchmarks.csv"
    match code:
        case "unknown-policy":
            load_program("2020-finale", (), policies)
        case "wrong-bounds":
            replace(benchmarks, "50,60,70", "50,06,70")
            load_program("2020-final", (), policies)
        case "catalogue-changed":
            program = load_program("2020-final", (), policies)
            replace(benchmarks, "80,90", "80,91")
            open_catalogues(program, policies)
        case "outcome-out-of-bounds":
            unit = Record("unit", {"earned": Given(Fraction(12), "test")})
            load_evaluator("2020-final", (), policies).evaluate(Case(unit, {}, ""))
        case _:
            if code in CELLS:
                file, row, cells = CELLS[code]
                tables[file][row].update(cells)
                write(EXPORT, tables)
            else:
                replace(*TEXTS[code])
            read_export(EXPORT, 2020, HEADER)


def test_codes_were_found() -> None:
    made = {"unknown-policy", "wrong-bounds", "catalogue-changed", "outcome-out-of-bounds"}
    assert set(CODES) == {*CELLS, *TEXTS, *made}


def test_nothing_is_wrong_before() -> None:
    load_evaluator("2020-final", (), Path("policies"))
    read_export(EXPORT, 2020, HEADER)


@pytest.mark.parametrize("code", CODES)
def test_page(
    code: str,
    small_tables: Callable[[], Tables],
    write_export: Callable[[Path, Tables], None],
) -> None:
    with pytest.raises(Failure) as failure:
        make(code, small_tables(), write_export)
    page = (PAGES / f"{code}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {code}\n")
    (example,) = re.findall(r"^```text\n(.*?)\n```$", page, flags=re.DOTALL | re.MULTILINE)
    assert example.startswith(f"error[{code}]: ")
    assert example in [found.render() for found in failure.value.diagnostics]
