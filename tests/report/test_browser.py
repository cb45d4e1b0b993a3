"""The page as a browser shows it, and as it is printed. Where there is none, these are skipped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from finalrule.report.page import page
from finalrule.report.summary import summarize
from report.browser import CHROMIUM, Browser, browser
from report.conftest import MANIFEST, ROWS, fill

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium: the page is not tested in a browser"
)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Browser, Path]]:
    """A browser that shows the page of ROWS, and the page's file."""
    folder = tmp_path_factory.mktemp("page")
    written = folder / "report.html"
    with duckdb.connect() as connection:
        summary = summarize(connection, fill(connection, list(ROWS)), MANIFEST)
    written.write_bytes(page(summary, {"performance_threshold": "HPA-2019 III.K.3.e(1)"}))
    with browser(folder / "profile") as made:
        made.open(written)
        yield made, written


def test_one_request_and_no_complaint(shown: tuple[Browser, Path]) -> None:
    one, written = shown
    assert one.requests == [written.resolve().as_uri()]
    assert one.complaints == []


def test_a_complaint_would_be_heard(tmp_path: Path) -> None:
    """A page that fetches and that errs is caught at both."""
    bad = tmp_path / "bad.html"
    bad.write_text("<img src='missing.png'><script>console.log('x'); throw 1</script>")
    with browser(tmp_path / "profile") as one:
        one.open(bad)
        assert len(one.requests) == 2
        assert len(one.complaints) >= 2


def test_everything_is_there(shown: tuple[Browser, Path]) -> None:
    one, _ = shown
    assert one.value("document.querySelectorAll('table').length") == 14
    assert one.value("document.querySelectorAll('svg[role=img]').length") == 3
    # A pattern that is not found paints nothing.
    assert one.value(
        "[...document.querySelectorAll('[fill^=\"url(\"]')].length > 0 &&"
        "[...document.querySelectorAll('[fill^=\"url(\"]')].every(e =>"
        " document.getElementById(e.getAttribute('fill').slice(5, -1)))"
    )
    # Seven scores that are known are seven bars of one clinician, and seven circles.
    assert one.value("document.querySelectorAll('rect.region > title').length") == 7
    assert one.value("document.querySelectorAll('circle.clinicians').length") == 7


@pytest.mark.parametrize("width", [1100, 400])
def test_nothing_runs_over(shown: tuple[Browser, Path], width: int) -> None:
    """The page is never wider than the window (a wide table scrolls in its own box), and no word of
    a chart is outside of the chart."""
    one, _ = shown
    one.resize(width)
    root = "document.documentElement"
    assert one.value(f"{root}.clientWidth") > width - 30
    assert one.value(f"{root}.scrollWidth <= {root}.clientWidth")
    assert one.value(
        "[...document.querySelectorAll('svg[role=img] text')].filter(e => {"
        " const box = e.getBoundingClientRect();"
        " const chart = e.ownerSVGElement.getBoundingClientRect();"
        " return box.left < chart.left || box.right > chart.right"
        "  || box.top < chart.top || box.bottom > chart.bottom }).map(e => e.textContent)"
    ) == []  # fmt: skip


def test_tables_fit_a_desk(shown: tuple[Browser, Path]) -> None:
    one, _ = shown
    one.resize(1100)
    assert one.value(
        "[...document.querySelectorAll('.table')].filter(e => e.scrollWidth > e.clientWidth)"
        ".map(e => e.firstChild.id)"
    ) == []  # fmt: skip


def test_words_of_a_chart_stand_apart(shown: tuple[Browser, Path]) -> None:
    one, _ = shown
    one.resize(1100)
    assert one.value(
        "[...document.querySelectorAll('svg[role=img]')].flatMap(svg => {"
        " const all = [...svg.querySelectorAll('text')].map(e =>"
        "  [e.textContent, e.getBoundingClientRect()]);"
        " return all.flatMap(([a, x], i) => all.slice(i + 1).filter(([b, y]) =>"
        "  x.left < y.right && y.left < x.right && x.top + 3 < y.bottom && y.top + 3 < x.bottom)"
        "  .map(([b, y]) => a + ' / ' + b)) })"
    ) == []  # fmt: skip


def test_it_is_read_as_tables_and_pictures(shown: tuple[Browser, Path]) -> None:
    """What a screen reader gets: a name for every chart and table."""
    one, _ = shown
    nodes = one.ask("Accessibility.getFullAXTree")["nodes"]
    named = [(node["role"]["value"], node.get("name", {}).get("value")) for node in nodes
             if not node["ignored"]]  # fmt: skip
    images = [name for role, name in named if role in ("image", "img")]
    assert len(images) == 3
    assert all(images)
    tables = [name for role, name in named if role == "table"]
    assert len(tables) == 14
    assert all(tables)
    assert ("rowheader", "Required, participating") in named


def test_printed(shown: tuple[Browser, Path]) -> None:
    """Five or six pages of A4, by the fonts that there are; the last one is not empty."""
    one, _ = shown
    printed = one.pdf()
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) in (5, 6)
    boxes = set(re.findall(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", printed))
    # A4 is 210 x 297 mm: 595 x 842 points.
    assert {(round(float(width)), round(float(height))) for width, height in boxes} == {(595, 842)}
