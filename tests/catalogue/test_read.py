"""Reading a keyed table: rows, places and refusals."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from finalrule.catalogue.read import MAXIMUM_BYTES, Catalogue, read_rows
from finalrule.diagnostics import Failure


def _read(tmp_path: Path, text: str | bytes, key: tuple[str, ...] = ("id",)) -> Catalogue:
    path = tmp_path / "table.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_rows(path, key, known_as="table.csv")


def test_rows_by_key_with_lines_and_cells(tmp_path: Path) -> None:
    table = _read(tmp_path, 'id,kind,text\n1,a,"x, ""y"""\n\n1,b,\n', ("id", "kind"))
    assert table.header == ("id", "kind", "text")
    assert list(table.rows) == [("1", "a"), ("1", "b")]
    first, second = table.rows.values()
    assert (first.line, first.cells) == (2, ("1", "a", 'x, "y"'))
    assert (second.line, table.cell(second, "text")) == (4, "")


def test_digest_is_of_the_bytes(tmp_path: Path) -> None:
    data = b"id,a\r\n1,2\r\n"
    assert _read(tmp_path, data).digest == hashlib.sha256(data).hexdigest()


def test_windows_line_ends_and_byte_order_mark_change_nothing(tmp_path: Path) -> None:
    plain = _read(tmp_path, "id,a\n1,2\n")
    other = _read(tmp_path, b"\xef\xbb\xbfid,a\r\n1,2\r\n")
    assert (other.header, other.rows) == (plain.header, plain.rows)


def test_a_cell_is_found_again_in_its_file(tmp_path: Path) -> None:
    table = _read(tmp_path, 'id,text,last\n1,"a,b",c\n')
    row = table.rows[("1",)]
    span = table.span(row, "last")
    assert (span.text, str(span.place)) == ("c", "table.csv:2:9")  # 1,"a,b", is eight characters
    assert table.span(row, "text").text == '"a,b"'


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("", "catalogue-unreadable", "empty"),
        ("id,a\n1,2,3\n", "catalogue-columns", "3 cells, the header has 2"),
        ("id,a\n1\n", "catalogue-columns", "1 cells, the header has 2"),
        ("id,a,a\n1,2,3\n", "catalogue-columns", "`a` stands twice"),
        ("name,a\n1,2\n", "catalogue-columns", "no column `id`"),
        ("id,a\n,2\n", "catalogue-key", "`id` is empty"),
        ("id,a\n1,2\n1,3\n", "catalogue-key", "two rows for 1"),
        ('id,a\n1,"2\n', "catalogue-unreadable", "not comma-separated"),
        ('id,a\n1,"2\n3"\n', "catalogue-unreadable", "over the end of the line"),
        ('id,a\n1,"2"x\n', "catalogue-unreadable", "not comma-separated"),
        (b"id,a\n1,\xff\n", "catalogue-unreadable", "line 2 is not UTF-8"),
    ],
)
def test_what_is_no_such_table_is_refused(
    tmp_path: Path, text: str | bytes, code: str, says: str
) -> None:
    with pytest.raises(Failure) as failure:
        _read(tmp_path, text)
    (found,) = failure.value.diagnostics
    assert found.code == code
    assert says in found.message
    assert found.help
    assert "table.csv" in found.render()


def test_all_bad_rows_are_told(tmp_path: Path) -> None:
    with pytest.raises(Failure) as failure:
        _read(tmp_path, "id,a\n1,2\n1,3\n,4\n5\n")
    places = [str(d.labels[0].at.place) for d in failure.value.diagnostics]  # type: ignore[union-attr]
    assert places == ["table.csv:3:1", "table.csv:4:1", "table.csv:5:1"]


def test_a_missing_file_and_one_too_large_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="No such file"):
        read_rows(tmp_path / "missing.csv", ("id",))
    large = tmp_path / "large.csv"
    with large.open("wb") as opened:
        opened.truncate(MAXIMUM_BYTES + 1)
    with pytest.raises(Failure, match="the limit is 16,777,216"):
        read_rows(large, ("id",))
