"""Each error of benchmarks has a page, and its example is what is really printed; so is what is
wrong with a file of benchmarks."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import finalrule
from benchmarks.conftest import percents
from finalrule.benchmarks import render
from finalrule.benchmarks.derive import Derived
from finalrule.benchmarks.published import check_earlier, read_published
from finalrule.diagnostics import Diagnostic, Failure
from finalrule.evaluate.scalar import Evaluator

PACKAGE = Path(finalrule.__path__[0])
PAGES = Path(__file__).parents[2] / "docs" / "errors"
# Of catalogues too: tests/catalogue has the example.
OF_CATALOGUES = {"catalogue-columns"}
CODES = {
    code
    for module in PACKAGE.glob("benchmarks/*.py")
    for code in re.findall(r'(?:\.error|Diagnostic)\(\s*"([a-z0-9-]+)"', module.read_text("utf-8"))
} - OF_CATALOGUES

HEADER = (
    "measure_id,collection_type,benchmark_year,metric_type,inverse,topped_out,topped_out_cap,"
    "d1,d2,d3,d4,d5,d6,d7,d8,d9,d10\n"
)
ROW = "112,ecqm,2020,single_performance_rate,no,yes,no,,95,96,97,98,99,100,100,100,100\n"
Derive = Callable[..., Derived]


@pytest.fixture
def found(
    derived: Derive, evaluator: Evaluator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, list[Diagnostic]]:
    """What is found for the example of each code."""
    monkeypatch.chdir(tmp_path)
    Path("2020.csv").write_text(HEADER + ROW, encoding="utf-8")
    with pytest.raises(Failure) as earlier:
        check_earlier(read_published(Path("2020.csv"), evaluator.program), 2020)
    with pytest.raises(Failure) as unlisted:
        derived(percents("NEW1", "qcdr", range(20)))
    left = derived([("112", "part_b_claims", 1, None)] * 2 + [("117", "part_b_claims", None, True)])
    warning = render.undetermined(left, Path("tables"))
    assert warning is not None
    return {
        "benchmarks-not-earlier": list(earlier.value.diagnostics),
        "benchmarks-unlisted-measure": list(unlisted.value.diagnostics),
        "benchmarks-undetermined": [warning],
    }


def test_pages(found: dict[str, list[Diagnostic]]) -> None:
    assert set(found) == CODES
    for code, diagnostics in found.items():
        page = (PAGES / f"{code}.md").read_text(encoding="utf-8")
        assert page.startswith(f"# {code}\n")
        (example,) = re.findall(r"^```text\n(.*?)\n```$", page, flags=re.DOTALL | re.MULTILINE)
        assert [one.render() for one in diagnostics] == [example]


def test_an_earlier_year_and_an_empty_set(evaluator: Evaluator, tmp_path: Path) -> None:
    path = tmp_path / "previous.csv"
    for rows in (
        "",
        ROW.replace("2020", "2019"),
        ROW.replace("2020", "2018") + ROW.replace("112", "134"),
    ):
        path.write_text(HEADER + rows, encoding="utf-8")
        check_earlier(read_published(path, evaluator.program), 2020)


def test_a_file_that_is_no_set_of_benchmarks(evaluator: Evaluator, tmp_path: Path) -> None:
    """All that is wrong at once: first the columns, then the cells."""
    path = tmp_path / "wrong.csv"

    def wrong(text: str) -> list[str]:
        path.write_text(text, encoding="utf-8")
        with pytest.raises(Failure) as failure:
            read_published(path, evaluator.program)
        return [one.message for one in failure.value.diagnostics]

    assert wrong("measure_id,collection_type,topped_out\n112,ecqm,yes\n") == [
        f"the column `{column}` is missing"
        for column in HEADER.strip().split(",")
        if column not in ("measure_id", "collection_type", "topped_out")
    ]
    assert wrong(
        HEADER
        + ROW.replace("ecqm", "smoke").replace(",yes,", ",perhaps,")
        + ROW.replace("112", "134").replace(",97,", ",94,")
    ) == [
        "`smoke` is no value of collection_type",
        "`perhaps` is no value of yes_no",
        "`94` cannot be the bound of d4",
    ]
    assert wrong(HEADER + ROW + ROW) == ["there are two rows for 112, ecqm"]
