"""The report as one page that stands alone: no scripts, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.etree.ElementTree import Element

from finalrule.report import charts
from finalrule.report.cells import Cell, Row, Table
from finalrule.report.findings import findings
from finalrule.report.markup import add, document, each, el
from finalrule.report.model import Summary
from finalrule.report.scan import STEP
from finalrule.report.tables import tables

_STYLE = Path(__file__).with_name("page.css")
# Nothing is fetched, whatever stands in the page.
_NOTHING_ELSE = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

# A table of more rows may go on on the next page.
_LONG = 15
_HISTOGRAM = (
    f"Clinicians to whom an adjustment applies, in steps of {STEP} points of the final score"
)
_CURVE = (
    f"Total payment adjustment by final score; circles are clinicians in steps of {STEP} points"
)
_SIZES = "Clinicians who submitted data, by the clinicians of their TIN"
# Sections: name, title, charts that come first, and tables.
_SECTIONS = (
    (
        "who",
        "Who is in MIPS",
        (),
        ("eligibility", "exclusions", "eligibility_status", "score_used"),
    ),
    ("scores", "Final scores", ((charts.histogram, _HISTOGRAM),), ("scores", "histogram")),
    ("adjustments", "Payment adjustments", ((charts.adjustment_curve, _CURVE),), ("adjustments",)),
    ("sizes", "Practice size", ((charts.practice_sizes, _SIZES),), ("practice_sizes",)),
    ("money", "Money", (), ("budget", "rounding")),
    ("participants", "Advanced APMs", (), ("participants",)),
    ("basis", "What it rests on", (), ("figures", "rows", "rejected", "undetermined")),
)


def page(summary: Summary, cites: Mapping[str, str]) -> bytes:
    """The page. `cites` are the citations of the policy's figures, by name."""
    made = {one.name: one for one in tables(summary, cites)}
    title = f"MIPS payment year {summary.payment_year}: {summary.policy}"
    head = el(
        "head", el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_NOTHING_ELSE),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("link", rel="icon", href="data:,"), el("title", title),
        el("style", _STYLE.read_text(encoding="utf-8")),
    )  # fmt: skip
    contents = el("ol")
    main = el("main", _brief(summary))
    for name, heading, drawn, asked in _SECTIONS:
        shown = [one for one in asked if one in made]
        if not shown:
            continue
        add(contents, el("li", el("a", heading, href=f"#{name}")))
        section = el("section", el("h2", heading), id=name)
        for draw, caption in drawn:
            add(section, el("figure", el("figcaption", caption), draw(summary)))
        add(section, *(_table(made[each_]) for each_ in shown))
        if name == "basis":
            add(section, _made_from(summary))
        add(main, section)
    body = el(
        "body", charts.patterns(), _header(summary, title),
        el("nav", contents, aria_label="Contents"), main,
    )  # fmt: skip
    return document(el("html", head, body, lang="en"))


def _header(summary: Summary, title: str) -> Element:
    said = f"{summary.title}. Performance year {summary.performance_year}."
    return el("header", el("h1", title), el("p", said))


def _brief(summary: Summary) -> Element:
    made = el("section", el("h2", "In brief"), each("ul", "li", findings(summary)), id="brief")
    if summary.settings:
        add(made, el("p", "Figures that were changed for this run: ",
                     el("code", ", ".join(summary.settings)), "."))  # fmt: skip
    return made


def _made_from(summary: Summary) -> Element:
    listed = el("dl")
    for name, value in (
        ("Policy", f"{summary.policy}, digest {summary.policy_digest}"),
        ("Facts", f"digest {summary.facts_digest}"),
        ("Engine", f"finalrule {summary.engine_version}"),
    ):
        add(listed, el("div", el("dt", name), el("dd", value)))
    return listed


def _table(table: Table) -> Element:
    made = el("table", el("caption", el("strong", table.title), " ", el("span", table.units)),
              id=f"table-{table.name}")  # fmt: skip
    add(made, _head(table), add(el("tbody"), *(_row(row) for row in table.rows)))
    notes = [*table.notes]
    if table.cites:
        notes.append(f"Source: {'; '.join(table.cites)}.")
    wrapped = el("div", made, class_="long table" if len(table.rows) > _LONG else "table")
    return add(wrapped, each("ul", "li", notes, class_="notes"))


def _head(table: Table) -> Element:
    """The titles of columns, with those that neighbours share above them."""
    head = el("thead")
    if any(column.group for column in table.columns):
        above, place = el("tr"), 0
        while place < len(table.columns):
            group = table.columns[place].group
            last = place
            while last < len(table.columns) and table.columns[last].group == group:
                last += 1
            scope = {"scope": "colgroup"} if group else {}
            add(above, el("th" if group else "td", group, colspan=last - place, **scope))
            place = last
        add(head, above)
    titles = el("tr")
    for place, column in enumerate(table.columns):
        number = any(row.cells[place].number for row in table.rows)
        kind = {"class_": "number"} if number else {}
        # A unit stays on one line.
        title = column.title.replace("$ ", "$\N{NO-BREAK SPACE}")
        add(titles, el("th", title, scope="col", **kind))
    return add(head, titles)


def _row(row: Row) -> Element:
    kind = "total" if row.total else "beside" if row.beside else ""
    first, *others = row.cells
    made = el("tr", el("th", first.shown, scope="row"), **({"class_": kind} if kind else {}))
    return add(made, *(_cell(cell) for cell in others))


def _cell(cell: Cell) -> Element:
    return el("td", cell.shown, class_="number" if cell.number else "words")
