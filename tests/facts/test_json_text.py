"""Bounded reading of JSON: each kind of bad text gives one error that says what and where."""

from __future__ import annotations

import io
import time
from decimal import Decimal
from pathlib import Path

import pytest

from finalrule.diagnostics import Diagnostic, Pointer, Report
from finalrule.facts.json_item import Item
from finalrule.facts.json_text import MAXIMUM_BYTES, MAXIMUM_NESTING, parse_json, read_json
from finalrule.source import Span


def read(data: bytes) -> tuple[Item | None, Report]:
    report = Report()
    return parse_json(data, "file.json", report), report


def the_error(data: bytes) -> Diagnostic:
    item, report = read(data)
    assert item is None
    assert len(report.diagnostics) == 1
    return report.diagnostics[0]


def test_numbers_stay_as_written() -> None:
    item, _ = read(b'{"rate": 82.50, "count": 9007199254740993, "tenth": 0.1}')
    assert item
    # 2^53 + 1 and 0.1 have no exact float.
    assert item.value == {
        "rate": Decimal("82.50"), "count": 9007199254740993, "tenth": Decimal("0.1"),
    }  # fmt: skip
    assert isinstance(item.value, dict)
    assert item.below("rate", item.value["rate"]).decimals == 2
    assert item.below("count", item.value["count"]).decimals == 0


def test_byte_order_mark_is_allowed() -> None:
    item, _ = read(b"\xef\xbb\xbf[1]")
    assert item
    assert item.value == [1]


def test_syntax_error_is_underlined() -> None:
    error = the_error(b'{"a": 1,\n  "b" 2}')
    assert error.code == "json-syntax"
    at = error.labels[0].at
    assert isinstance(at, Span)
    assert str(at.place) == "file.json:2:7"
    assert '2 |   "b" 2}' in error.render()
    assert "|       ^" in error.render()


def test_syntax_error_in_a_long_line_names_the_column() -> None:
    error = the_error(b"[" + b"1," * 100_000 + b"x]")
    assert error.code == "json-syntax"
    assert "line 1, column 200002" in error.message
    assert "1,1,1,x]" in error.render()
    assert len(error.render()) < 600


def test_syntax_error_hides_what_may_be_an_npi() -> None:
    error = the_error(b'{"npi": "1234567893" "tin": "000456789"}')
    assert "1234567893" not in error.render()
    assert "000456789" not in error.render()
    assert '"##########"' in error.render()


def test_xml_is_told_what_makes_json_of_it() -> None:
    error = the_error(b'<?xml version="1.0"?>\n<ClinicalDocument/>')
    assert error.code == "json-syntax"
    assert error.message == "this is not JSON: the file is XML"
    assert "CMS's converter makes JSON of a QRDA III document" in error.help


@pytest.mark.parametrize("data", [b"", b"  \n", b"\xef\xbb\xbf"])
def test_empty(data: bytes) -> None:
    error = the_error(data)
    assert error.code == "json-syntax"
    assert "the file is empty" in error.message


@pytest.mark.parametrize(("data", "byte"), [(b'{"a": "\xff"}', 8), (b"\xff\xfe{\x00", 1)])
def test_not_utf8(data: bytes, byte: int) -> None:
    error = the_error(data)
    assert error.code == "not-utf-8"
    assert f"byte {byte} " in error.message


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_have(text: str) -> None:
    error = the_error(b'{"a": [1, ' + text.encode() + b"]}")
    assert error.code == "json-number"
    assert error.labels[0].at == Pointer("file.json", "/a/1")
    assert text in error.message


@pytest.mark.parametrize("text", ["1" * 39, "0." + "1" * 38, "1e41", "1e-41", "1e999999999"])
def test_numbers_beyond_what_is_exact(text: str) -> None:
    assert the_error(b"[" + text.encode() + b"]").code == "json-number"


@pytest.mark.parametrize("text", ["1" * 38, "1e40", "1e-40", "-0.0", "1E+2"])
def test_numbers_at_the_bounds_are_taken(text: str) -> None:
    item, _ = read(b"[" + text.encode() + b"]")
    assert item
    assert item.value == [Decimal(text)]


def test_key_twice() -> None:
    error = the_error(b'{"a": {"x/y": 1, "z": 2, "x/y": 1}}')
    assert error.code == "json-duplicate-key"
    assert error.labels[0].at == Pointer("file.json", "/a/x~1y")


@pytest.mark.parametrize("data", [b'["\\ud800"]', b'{"\\udfff": 1}'])
def test_half_a_character(data: bytes) -> None:
    assert the_error(data).code == "json-half-character"


def test_every_fault_of_the_text_is_told() -> None:
    _, report = read(b'{"a": NaN, "b": 1, "b": Infinity}')
    assert sorted(error.code for error in report.diagnostics) == [
        "json-duplicate-key", "json-number", "json-number",
    ]  # fmt: skip


def test_nesting_at_the_bound_and_beyond() -> None:
    item, _ = read(b"[" * MAXIMUM_NESTING + b"]" * MAXIMUM_NESTING)
    assert item
    deep = MAXIMUM_NESTING + 1
    assert the_error(b"[" * deep + b"]" * deep).code == "json-too-deep"


def test_brackets_in_text_do_not_nest() -> None:
    item, _ = read(b'["' + b"[{" * 100 + b'\\"[[[", "]"]')
    assert item


@pytest.mark.parametrize("data", [b"[" * 10_000_000, b'{"a":' * 2_000_000])
def test_ten_megabytes_of_brackets(data: bytes) -> None:
    start = time.perf_counter()
    error = the_error(data)
    assert error.code == "json-too-deep"
    assert "more than 64 deep" in error.message
    assert len(error.render()) < 600
    assert time.perf_counter() - start < 5


def test_text_that_nobody_closed_is_scanned_once() -> None:
    # Quadratic scanning of three million quotes would take hours.
    start = time.perf_counter()
    assert the_error(b'"' + b'\\"' * 3_000_000).code == "json-syntax"
    assert time.perf_counter() - start < 10


def test_too_large(tmp_path: Path) -> None:
    report = Report()
    at_the_bound = io.BytesIO(b"[" + b" " * (MAXIMUM_BYTES - 2) + b"]")
    assert read_json(at_the_bound, "file.json", report)
    beyond = tmp_path / "beyond.json"
    beyond.write_bytes(b"[" + b" " * (MAXIMUM_BYTES - 1) + b"]")
    assert read_json(beyond, "beyond.json", report) is None
    assert [error.code for error in report.diagnostics] == ["input-too-large"]
    assert "16 MiB" in report.diagnostics[0].message


def test_unreadable(tmp_path: Path) -> None:
    report = Report()
    assert read_json(tmp_path / "none.json", "none.json", report) is None
    assert read_json(tmp_path, "folder", report) is None
    assert [error.code for error in report.diagnostics] == ["cannot-read-file"] * 2
    assert report.diagnostics[0].message == "the file cannot be read: No such file or directory"


def test_long_keys_are_cut() -> None:
    error = the_error(b'{"' + b"a" * 61 + b'": NaN, "' + b"b" * 60 + b'": 1}')
    assert error.labels[0].at == Pointer("file.json", "/" + "a" * 57 + "...")
    error = the_error(b'{"' + b"a" * 60 + b'": NaN}')
    assert error.labels[0].at == Pointer("file.json", "/" + "a" * 60)


def test_keys_that_may_be_an_npi_are_hidden_in_pointers() -> None:
    error = the_error(b'{"1234567893": NaN}')
    assert error.labels[0].at == Pointer("file.json", "/##########")
