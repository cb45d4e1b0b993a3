"""The page: what stands in it, that it stands alone, and that whatever a text has is only text."""

from __future__ import annotations

import itertools
from fractions import Fraction
from html.parser import HTMLParser
from typing import Any

import pytest

from finalrule.report.cells import DASH, MINUS
from finalrule.report.charts import _FILLS
from finalrule.report.curve import curve
from finalrule.report.findings import findings
from finalrule.report.model import REGIONS
from finalrule.report.page import page
from report.conftest import MANIFEST, Summarized, outcome

CITES = {"performance_threshold": "HPA-2019 III.K.3.e(1)"}
VOID = {"meta", "link", "br"}


class Read(HTMLParser):
    """A page as its elements: tag, attributes and the text in them, in order."""

    def __init__(self, written: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str], list[str]]] = []
        self._open: list[int] = []
        self.feed(written.decode())
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}, []))
        if tag not in VOID:
            self._open.append(len(self.elements) - 1)

    def handle_endtag(self, tag: str) -> None:
        assert self.elements[self._open.pop()][0] == tag

    def handle_data(self, data: str) -> None:
        for place in self._open:
            self.elements[place][2].append(data)

    def of(self, *tags: str) -> list[tuple[str, dict[str, str], str]]:
        return [(tag, attributes, "".join(text)) for tag, attributes, text in self.elements
                if tag in tags]  # fmt: skip


def read(summarized: Summarized, **changes: Any) -> Read:
    return Read(page(summarized(**changes), CITES))


def less(shown: str) -> str:
    """A negative number as it is shown."""
    return f"{MINUS}{shown}"


def rows_of(found: Read, table: str) -> list[list[str]]:
    """The cells of a table, heads too, row by row."""
    rows: list[list[str]] = []
    inside = False
    for tag, attributes, text in found.elements:
        if tag == "table":
            inside = attributes["id"] == f"table-{table}"
        elif inside and tag == "tr":
            rows.append([])
        elif inside and tag in ("th", "td"):
            rows[-1].append("".join(text))
    return rows


def test_the_table_of_eligibility(summarized: Summarized) -> None:
    """c1 and c5 are 2 of 16, 12.5 %, with $12,000. Published are 203,027 of 1,484,160, so 2.19 of
    16 and, of $48,306 million, $520,765: 2/2.1887... is 8.6 % less, 12,000 of 520,765 97.7 %."""
    rows = rows_of(read(summarized), "eligibility")
    assert rows[2] == [
        "Required, participating", "2", "12.5%", "0.0", "2", less("8.6%"), "0.5", less("97.7%"),
    ]  # fmt: skip
    titles = [row[0] for row in rows[2:]]
    assert titles == [
        "Required, participating", "Required, not participating",
        "Group eligible, submitting as a group", "Opted in", "All MIPS eligible",
        "Potentially eligible", "Below the threshold", "Excluded", "All not MIPS eligible",
        "Undetermined", "All clinicians",
    ]  # fmt: skip
    assert rows[6][:3] == ["All MIPS eligible", "7", "43.8%"]


def test_without_published_figures_there_is_no_column(summarized: Summarized) -> None:
    found = read(summarized, performance_year=2019, payment_year=2021)
    assert rows_of(found, "eligibility")[0] == [
        "Eligibility", "Clinicians", "Share of all", "Charges ($\N{NO-BREAK SPACE}million)",
    ]  # fmt: skip
    assert len(rows_of(found, "practice_sizes")) == 1 + 10
    assert "Published" not in " ".join(text for _, _, text in found.of("table"))


def test_the_table_of_practice_sizes(summarized: Summarized) -> None:
    """100+: c1 and c2, both exceptional, 700.25 of 15,000 is 4.7 %. Table 114 has 422,686, of whom
    62.4 % are exceptional: 422,686 x 16/1,484,160 = 4.6 of 16."""
    rows = rows_of(read(summarized), "practice_sizes")
    place = next(i for i, row in enumerate(rows) if row[:3] == ["100+", "yes", "run"])
    assert rows[place][3:] == ["2", "100.0%", "100.0%", "0.0%", "+4.7%", "0.0", "0.0"]
    assert rows[place + 1][2:7] == ["published", "5", "92.5%", "62.4%", "7.5%"]


def test_the_table_of_rounding(summarized: Summarized) -> None:
    """test_summary.py has the arithmetic: 233.70 for 234, and 495.20 for 495.50."""
    rows = rows_of(read(summarized), "rounding")
    assert rows[2] == ["Increases", "$234.00", "$233.70", less("$0.30"), "$234.00", "$0.00"]
    assert rows[5][:4] == ["All adjustments together", "$495.50", "$495.20", less("$0.30")]


def test_figures_have_their_citations(summarized: Summarized) -> None:
    rows = rows_of(read(summarized), "figures")
    assert rows[1] == ["Performance threshold (points)", "45.00", "HPA-2019 III.K.3.e(1)"]
    gone = Read(page(summarized(), {}))
    assert any("its citations are not shown" in text for _, _, text in gone.of("li"))


def test_tables_can_be_read_aloud(summarized: Summarized) -> None:
    """Every table has a caption, every head a scope, every row as many cells as there are columns,
    every chart a title and a description."""
    found = read(summarized)
    assert len(found.of("table")) == len(found.of("caption")) == 14
    heads = found.of("th")
    assert heads
    assert {attributes.get("scope") for _, attributes, _ in heads} == {"col", "row", "colgroup"}
    for _, attributes, _ in found.of("table"):
        rows = rows_of(found, attributes["id"].removeprefix("table-"))
        assert len({len(row) for row in rows if row[0] and len(row) > 1}) == 1
    charts = [attributes for _, attributes, _ in found.of("svg") if "role" in attributes]
    ids = [attributes["id"] for _, attributes, _ in found.elements if "id" in attributes]
    assert len(charts) == 3
    assert len(ids) == len(set(ids))
    for chart in charts:
        assert set(chart["aria-labelledby"].split()) <= set(ids)
    links = [attributes["href"] for _, attributes, _ in found.of("a")]
    assert len(links) == 6
    assert {link[1:] for link in links} <= set(ids)


def test_nothing_from_elsewhere(summarized: Summarized) -> None:
    written = page(summarized(), CITES)
    found = Read(written)
    assert not found.of("script", "img", "iframe", "object", "embed")
    assert b"http:" not in written
    assert b"https:" not in written
    assert b"url(" not in written.replace(b"url(#", b"")
    assert b"@import" not in written


def test_whatever_is_stated_is_only_text(summarized: Summarized) -> None:
    evil = '"><script>alert(1)</script><img src=x onerror=alert(1)>&amp;'
    found = read(
        summarized, policy=evil, title=evil, settings=[evil], policy_digest=evil, facts_digest=evil,
        engine_version=evil, rows={evil: 1}, rejected={evil: {evil: 1}},
    )  # fmt: skip
    assert not found.of("script", "img")
    assert evil in found.of("h1")[0][2]
    assert rows_of(found, "rejected")[1] == [evil, evil, "1"]
    assert [text for _, _, text in found.of("code")] == [evil]


def test_regions_stay_apart_in_greyscale() -> None:
    """Neighbours differ in lightness by at least a fifth (luminance of ITU-R BT.709, linear)."""

    def lightness(fill: str) -> float:
        channels = [int(fill[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [((c + 0.055) / 1.055) ** 2.4 if c > 0.04045 else c / 12.92 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    fills = [lightness(_FILLS[region][0]) for region in REGIONS]
    assert all(abs(a - b) > 0.2 for a, b in itertools.pairwise(fills))


def test_nobody(summarized: Summarized) -> None:
    found = Read(page(summarized((), rejected={}), CITES))
    assert rows_of(found, "eligibility")[-1][:3] == ["All clinicians", "0", DASH]
    assert "applies to none of 0 clinicians" in found.of("ul")[0][2]


def test_the_curve(summarized: Summarized) -> None:
    """-9 % through 11.25, from -6.75 % to 0 at 45; at 80 9 x 35/55 x 13/80 = 819/880 % without and
    0.5 x 2/5 = 0.2 % more with the additional factor; at 100 9 x 13/80 + 10 x 2/5 = 5.4625 %."""
    quarter = Fraction(45, 4)
    assert curve(summarized()) == [
        [(0, -9), (quarter, -9)], [(quarter, Fraction(-27, 4)), (45, 0)],
        [(45, 0), (80, Fraction(819, 880))],
        [(80, Fraction(819, 880) + Fraction(1, 5)), (100, Fraction(54_625, 10_000))],
    ]  # fmt: skip


def test_a_curve_of_which_something_is_not_known(summarized: Summarized) -> None:
    program = MANIFEST["program"]
    assert curve(summarized(program=program | {"scaling_factor": outcome(None)})) == []
    without = {name: one for name, one in MANIFEST["figures"].items() if "additional" not in name}
    assert curve(summarized(figures=without))[-1][-1] == (100, Fraction(117, 80))
    partly = summarized(program=program | {"additional_scaling_factor": outcome(None)})
    assert curve(partly)[-1][-1] == (80, Fraction(819, 880))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "The scaling factor is 0.1625: its limit of 3 does not bind. With it, increases are "
             "$234.00, reductions $234.00: they are equal, on unrounded factors."),
        ({"scaling_factor": outcome("3", "limit"), "total_increases": outcome("230")},
         "The scaling factor is 3: its limit binds. With it, increases are $230.00, reductions "
         "$234.00: $4.00 less is paid than is taken."),
        ({"scaling_factor": outcome("1/3", "assumed"), "total_increases": outcome("480")},
         "The scaling factor is ~0.333333: it is assumed, not found from these clinicians. With "
         "it, increases are $480.00, reductions $234.00: $246.00 more is paid than is taken."),
        ({"scaling_factor": outcome(None)},
         "Whether increases equal reductions is undetermined."),
        ({}, "With an additional scaling factor of 0.4, additional payments for exceptional "
             "performance are $495.50: all of the funds."),
        ({"additional_scaling_factor": outcome("1", "limit")},
         "With an additional scaling factor of 1, its limit, additional payments for exceptional "
         "performance are $495.50 of at most $495.50."),
        ({"additional_scaling_factor": outcome("1/2", "assumed")},
         "With an assumed additional scaling factor of 0.5, additional payments for exceptional "
         "performance are $495.50."),
        ({"total_additional_payments": outcome(None)},
         "Additional payments for exceptional performance are undetermined."),
    ],
)  # fmt: skip
def test_what_is_said_of_money(summarized: Summarized, changes: dict[str, Any], said: str) -> None:
    assert said in findings(summarized(program=MANIFEST["program"] | changes))


def test_what_is_said_of_clinicians(summarized: Summarized) -> None:
    """8 of 16; of 8 three are negative (c5, c6, c7), c4 neutral, c1 to c3 positive, c1 and c2
    exceptional; what c15 gets is not known. Mean 340.25/7."""
    found = findings(summarized())
    assert found[:2] == [
        "A payment adjustment applies to 8 of 16 clinicians (50.0%). Their mean final score is "
        "48.61 points, their median 45.00.",
        "37.5% of them get a negative adjustment, 12.5% a neutral one, 37.5% a positive one; "
        f"25.0% are exceptional. Adjustments range from {less('9.00%')} to 5.46%.",
    ]
    assert found[4:] == [
        "Clinicians of whom it is undetermined whether an adjustment applies: 2. No sum has them.",
        "Clinicians to whom one applies, of an undetermined amount: 1. No sum of amounts has them.",
        "Rows of the facts that were rejected: 1. No outcome rests on them.",
    ]
