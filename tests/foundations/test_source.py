"""Texts and places in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finalrule.source import Place, Source

TEXT = "first\n\n  third line\nlast"


@pytest.mark.parametrize(
    ("offset", "line", "column"),
    [(0, 1, 1), (4, 1, 5), (5, 1, 6), (6, 2, 1), (7, 3, 1), (9, 3, 3), (20, 4, 1), (24, 4, 5)],
)
def test_line_and_column_count_from_one(offset: int, line: int, column: int) -> None:
    source = Source("file", TEXT)
    assert source.line_column(offset) == (line, column)
    assert source.offset(line, column) == offset


def test_lines() -> None:
    source = Source("file", TEXT)
    assert [source.line_text(line) for line in (1, 2, 3, 4)] == TEXT.split("\n")
    assert Source("file", "").line_text(1) == ""
    assert Source("file", "a\n").line_text(2) == ""


def test_line_ends_of_windows_do_not_show(tmp_path: Path) -> None:
    assert Source("file", "one\r\ntwo\r\n").line_text(1) == "one"
    path = tmp_path / "file"
    path.write_bytes(b"one\r\ntwo\r\n")
    assert Source.read(path).text == "one\ntwo\n"


def test_reading_names_the_file_as_told(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("text")
    assert Source.read(path).path == str(path)
    assert Source.read(path, "policies/file").path == "policies/file"
    path.write_bytes(b"\xff")
    with pytest.raises(UnicodeDecodeError):
        Source.read(path)
    with pytest.raises(OSError):
        Source.read(tmp_path / "none")


def test_spans() -> None:
    source = Source("file", TEXT)
    span = source.span(9, 14)
    assert span.text == "third"
    assert span.place == Place("file", 3, 3)
    assert str(span.place) == "file:3:3"
    assert span.to(source.span(15, 19)).text == "third line"
    # A span never ends before it begins, nor does one that is stretched get shorter.
    assert source.span(9, 3).text == ""
    assert span.to(source.span(10, 11)).text == "third"


def test_sources_are_equal_by_path_and_text() -> None:
    assert Source("file", "a").span(0, 1) == Source("file", "a").span(0, 1)
    assert Source("file", "a") != Source("other", "a")
    assert len({Source("file", "a").span(0, 1), Source("file", "a").span(0, 1)}) == 1


@given(st.text(alphabet="ab\n\r\t é", max_size=60))
def test_every_offset_is_found_again(text: str) -> None:
    source = Source("file", text)
    for offset in range(len(text) + 1):
        line, column = source.line_column(offset)
        assert source.offset(line, column) == offset
        assert source.line_text(line) == text.split("\n")[line - 1].rstrip("\r")
