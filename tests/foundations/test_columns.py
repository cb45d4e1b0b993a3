"""Aligned columns within a width."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from finalrule.columns import columns, paragraph

WORDS = st.text("abc(", min_size=1, max_size=9)
CELLS = st.lists(WORDS, max_size=8).map(" ".join)


def test_columns_are_two_spaces_apart_and_rows_end_without_spaces() -> None:
    rows = [("name", "1", "a citation"), ("longer name", "10", "")]
    assert columns(rows, indent=2, right=[1]) == [
        ["  name          1  a citation"],
        ["  longer name  10"],
    ]


def test_the_widest_column_is_wrapped_between_words() -> None:
    rows = [("a", "one two three", "x"), ("b", "four", "y")]
    assert columns(rows, width=13) == [["a  one two  x", "   three"], ["b  four     y"]]
    assert columns(rows, width=11) == [["a  one    x", "   two", "   three"], ["b  four   y"]]


def test_a_word_is_not_broken_though_the_line_is_too_long() -> None:
    assert columns([("a", "policies/2020/final.yaml:12")], width=10) == [
        ["a  policies/2020/final.yaml:12"]
    ]


def test_nothing() -> None:
    assert columns([]) == []
    assert columns([("", "")]) == [[""]]
    assert paragraph("", 2) == []


def test_a_paragraph_hangs_from_its_label_or_as_told() -> None:
    assert paragraph("one two three", 2, "note: ", width=13) == [
        "  note: one",
        "        two",
        "        three",
    ]
    assert paragraph("one two three", 2, hang=4, width=13) == ["  one two", "      three"]


@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=6))
def test_nothing_is_lost_and_no_line_is_longer_than_its_words_need(
    rows: list[tuple[str, str, str]],
) -> None:
    shown = columns(rows, width=40)
    for row, lines in zip(rows, shown, strict=True):
        assert sorted(" ".join(row).split()) == sorted(" ".join(lines).split())
        # Three words of nine characters and two gaps always fit.
        assert max(map(len, lines)) <= 40
