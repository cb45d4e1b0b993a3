"""Errors as text: the underline stands where the fault is, and a terminal obeys nothing."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finalrule.diagnostics import Diagnostic, Failure, Label, Pointer, Report, suggest, visible
from finalrule.source import Source


def rendered(text: str, start: int, end: int, said: str = "") -> list[str]:
    label = Label(Source("file", text).span(start, end), said)
    return Diagnostic("some-code", "it is wrong", (label,), "do it right").render().split("\n")


def columns(text: str) -> int:
    """Columns that a terminal gives to a text."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)


def test_the_whole_of_a_finding() -> None:
    source = Source("policies/a.yaml", "one: 1\ntwo: tow\n")
    finding = Diagnostic(
        "some-code",
        "`tow` is not a number",
        (Label(source.span(12, 15), "here"), Label(Pointer("b.json", "/x/0"), "and there")),
        "write a number",
    )
    assert finding.render() == (
        "error[some-code]: `tow` is not a number\n"
        "  --> policies/a.yaml:2:6\n"
        "   |\n"
        " 2 | two: tow\n"
        "   |      ^^^ here\n"
        "  --> b.json#/x/0: and there\n"
        "  help: write a number"
    )
    assert finding.as_data() == {
        "severity": "error",
        "code": "some-code",
        "message": "`tow` is not a number",
        "labels": [
            {
                "path": "policies/a.yaml", "line": 2, "column": 6, "underlined": "tow",
                "text": "here",
            },
            {"path": "b.json", "pointer": "/x/0", "text": "and there"},
        ],
        "help": "write a number",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "start", "end", "under"),
    [
        ("key: value", 5, 10, "     ^^^^^"),
        ("key: value", 5, 6, "     ^"),
        ("key: value", 0, 10, "^^^^^^^^^^"),
        ("key: value", 10, 10, "          ^"),  # the end of the line, where something is missing
        ("key: value\nnext", 5, 15, "     ^^^^^"),  # on to the next line: as far as this one goes
        ("", 0, 0, "^"),
        ("\tkey:\tvalue", 6, 11, "      ^^^^^"),  # a tab takes one column, as it is counted
        ("ключ: да", 6, 8, "      ^^"),
        ("価値: はい", 4, 6, "      ^^^^"),  # two columns each
        ("cafe\u0301: no", 7, 9, "      ^^"),  # e and an accent: one column
        ("a\u3000b: no", 5, 7, "     ^^"),  # a wide blank is shown as one
    ],
)
def test_underline(text: str, start: int, end: int, under: str) -> None:
    *_, line, underline, _help = rendered(text, start, end)
    assert underline == "   | " + under
    assert columns(line) <= columns(visible(line)) + 1


def test_the_gutter_is_as_wide_as_the_line_number() -> None:
    lines = rendered("\n" * 99 + "here", 99, 103)
    assert lines[1:5] == ["  --> file:100:1", "     |", " 100 | here", "     | ^^^^"]


def test_of_a_long_line_only_the_part_that_matters_is_shown() -> None:
    text = "x" * 100_000 + "wrong" + "y" * 100_000
    *_, line, under, _help = rendered(text, 100_000, 100_005)
    assert len(line) < 250
    at = under.index("^")
    assert line[at : at + under.count("^")] == "wrong"
    assert line.startswith(" 1 | ...x") and line.endswith("y...")
    # What is underlined may itself be long.
    *_, line, under, _help = rendered(text, 0, 200_005)
    assert len(line) < 250
    assert line.startswith(" 1 | xxx") and line.endswith("x...")
    assert under.startswith("   | ^^^")


# --- nothing that a terminal would obey -----------------------------------------------------------

DANGEROUS = [
    "\x1b[31mred\x1b[0m",  # colours, and with others the title, the clipboard, the cursor
    "\x9b31m",  # the same in one character
    "a\rb",  # back to the beginning of the line, which is then written over
    "\x08\x08\x08", "\x07", "\x00", "\x7f",
    "\u202egnp.exe", "\u2066x\u2069",  # text that runs the other way
    "\u200b", "\ufeff", "\u2028", "\u2029", "\x85",
]  # fmt: skip


@pytest.mark.parametrize("text", DANGEROUS)
def test_control_characters_are_shown_as_signs(text: str) -> None:
    source = Source(f"file{text}", f"key: {text} end")
    span = source.span(5, 5 + len(text))
    finding = Diagnostic(
        f"code{text}", f"it says {text}",
        (Label(span, f"here {text}"), Label(Pointer(f"f{text}", f"/{text}"), text)), f"not {text}",
    )  # fmt: skip
    for line in finding.render().split("\n"):
        assert line.isprintable(), line
    lines = finding.render().split("\n")
    at = lines[4].index("^")
    assert lines[3][at + len(text) :] == " end"
    # As data it stays what it was: JSON escapes it.
    assert finding.as_data()["message"] == f"it says {text}"


@given(st.text(max_size=40), st.text(max_size=40))
def test_whatever_stands_in_it(before: str, wrong: str) -> None:
    text = f"{before}{wrong} after"
    lines = rendered(text, len(before), len(before) + len(wrong), before)
    assert all(line.isprintable() for line in lines)
    assert lines[-1] == "  help: do it right"
    assert len(lines) == 6


def test_a_message_cannot_forge_a_line() -> None:
    text = Diagnostic("code", "no file `x`\nerror[other]: forged").render()
    assert text == "error[code]: no file `x`␊error[other]: forged"


# --- collecting -----------------------------------------------------------------------------------


def test_a_report_collects_and_then_stops() -> None:
    report = Report()
    report.warning("odd", "it is odd")
    report.stop_if_errors()
    at = Source("file", "text").span(0, 4)
    report.error("first", "one", at)
    report.error("second", "two", Label(at, "said"), help="do")
    report.error("first", "one", at)  # the same again
    assert [finding.code for finding in report.diagnostics] == ["odd", "first", "second"]
    with pytest.raises(Failure) as raised:
        report.stop_if_errors()
    assert raised.value.diagnostics == tuple(report.diagnostics)
    assert str(raised.value) == "\n\n".join(finding.render() for finding in report.diagnostics)


def test_many_findings_are_collected_fast() -> None:
    source = Source("file", "x" * 20_000)
    report = Report()
    begin = time.perf_counter()
    for at in range(20_000):
        report.error("wrong-cell", f"cell {at}", source.span(at, at + 1))
    # Held against each other one by one they would take minutes.
    assert time.perf_counter() - begin < 5
    assert len(report.diagnostics) == 20_000


def test_suggestions() -> None:
    assert suggest("2020-fnal", ["2020-final", "2020-proposed"]) == "did you mean `2020-final`?"
    assert suggest("zzz", ["2020-final"]) == ""
    assert suggest("x", []) == ""
