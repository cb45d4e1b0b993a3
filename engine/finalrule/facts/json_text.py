"""Bounded reading of JSON text, with numbers as they were written.

Numbers come back as int or Decimal, never float, so that 82.50 keeps its two decimals. Refused,
each with its own error: more than 16 MiB, nesting beyond 64, bytes that are not UTF-8, text that is
not JSON, a key twice in one object, NaN and Infinity, numbers beyond 38 digits, half a character (a
lone surrogate).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO

from finalrule.diagnostics import Pointer, Report
from finalrule.facts.json_item import Item
from finalrule.source import Source, Span
from finalrule.values import MAXIMUM_DIGITS

MAXIMUM_BYTES = 16 * 1024 * 1024
MAXIMUM_NESTING = 64
_MAXIMUM_EXPONENT = 40

# A string (also one that nobody closed, so that the scan stays linear), or a bracket.
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
_LONG_DIGITS = re.compile(r"\d{9,}")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def read_json(file: Path | BinaryIO, known_as: str, report: Report) -> Item | None:
    """The content of a file or open binary stream; None when anything was wrong with it, and then
    every fault that can be told apart is in the report."""
    data = read_bytes(file, known_as, report)
    return None if data is None else parse_json(data, known_as, report)


def read_bytes(file: Path | BinaryIO, known_as: str, report: Report) -> bytes | None:
    """The bytes of a file or stream, at most 16 MiB; None after the fault is reported."""
    at = Pointer(known_as, "")
    try:
        if isinstance(file, Path):
            with file.open("rb") as stream:
                data = stream.read(MAXIMUM_BYTES + 1)
        else:
            data = file.read(MAXIMUM_BYTES + 1)
    except OSError as error:
        why = error.strerror or type(error).__name__
        report.error(
            "cannot-read-file", f"the file cannot be read: {why}", at,
            help="check the path, and that you may read the file",
        )  # fmt: skip
        return None
    if len(data) > MAXIMUM_BYTES:
        report.error(
            "input-too-large",
            f"the file is larger than {MAXIMUM_BYTES // 1024 // 1024} MiB, the most that is read",
            at,
            help="give one file for each clinician or group",
        )
        return None
    return data


def decode(data: bytes, known_as: str, report: Report) -> str | None:
    """UTF-8 bytes as text (a byte order mark is allowed); None after the fault is reported."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        report.error(
            "not-utf-8",
            f"the file is not UTF-8 text: byte {error.start + 1} does not belong to a character",
            Pointer(known_as, ""),
            help="save the file as UTF-8",
        )
        return None


def parse_json(data: bytes, known_as: str, report: Report) -> Item | None:
    """The JSON value in UTF-8 bytes; None after every fault is reported."""
    text = decode(data, known_as, report)
    if text is None:
        return None
    # What errors show of the text: the same columns, digit runs that may be a TIN or an NPI hidden.
    source = Source(known_as, _LONG_DIGITS.sub(lambda match: "#" * len(match[0]), text))
    if not _nesting_is_bounded(text, source, report):
        return None
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_number(int),
            parse_float=_number(Decimal),
            parse_constant=lambda name: _Refused(f"{name} is not a number of JSON"),
        )
    except json.JSONDecodeError as error:
        reason, help = _reason(error, text)
        report.error(
            "json-syntax", f"this is not JSON: {reason}", _place(source, error.pos), help=help
        )
        return None
    before = len(report.diagnostics)
    _refuse(value, Item(None, known_as, "", report))
    return Item(value, known_as, "", report) if len(report.diagnostics) == before else None


def _reason(error: json.JSONDecodeError, text: str) -> tuple[str, str]:
    """Why a text is not JSON, and what to do."""
    if not text.strip():
        return "the file is empty", "name the file that holds the data"
    if text.lstrip().startswith("<"):
        return "the file is XML", "CMS's converter makes JSON of a QRDA III document"
    reason = error.msg[:1].lower() + error.msg[1:]
    return (
        f"{reason} (line {error.lineno}, column {error.colno})",
        "a JSON formatter or an editor shows what is amiss",
    )


def _place(source: Source, offset: int) -> Span:
    """The character itself; the last one where the text ends too early."""
    at = min(offset, max(len(source.text) - 1, 0))
    return source.span(at, at + 1)


def _nesting_is_bounded(text: str, source: Source, report: Report) -> bool:
    depth = 0
    for match in _TOKEN.finditer(text):
        if match[0] in "[{":
            depth += 1
            if depth > MAXIMUM_NESTING:
                report.error(
                    "json-too-deep",
                    f"objects and lists are nested more than {MAXIMUM_NESTING} deep, the most that "
                    "is read",
                    _place(source, match.start()),
                    help="nothing that is read here is nested more than ten deep",
                )
                return False
        elif match[0] in "]}":
            depth -= 1
    return True


class _Repeated(dict[str, object]):
    """An object in which a key stands more than once."""

    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Refused:
    """A number that is not taken, and why."""

    why: str


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    seen: set[str] = set()
    repeated: dict[str, None] = {}
    for name, _ in pairs:
        if name in seen:
            repeated[name] = None
        seen.add(name)
    marked = _Repeated(made)
    marked.names = tuple(repeated)
    return marked


def _number(make: Callable[[str], int | Decimal]) -> Callable[[str], int | Decimal | _Refused]:
    def parse(text: str) -> int | Decimal | _Refused:
        digits, _, exponent = text.lower().partition("e")
        if sum(char.isdigit() for char in digits) > MAXIMUM_DIGITS:
            return _Refused(f"it has more than {MAXIMUM_DIGITS} digits")
        if len(exponent) > 4 or abs(int(exponent or "0")) > _MAXIMUM_EXPONENT:
            return _Refused(f"its power of ten is beyond {_MAXIMUM_EXPONENT}")
        return make(text)

    return parse


def _refuse(value: object, item: Item) -> None:
    """Report what the parser takes and we do not, each with its place."""
    if isinstance(value, _Refused):
        item.fail(
            "json-number", f"the number cannot be taken: {value.why}",
            help="write a plain decimal, such as 82.5",
        )  # fmt: skip
    elif isinstance(value, str):
        _refuse_surrogates(value, item)
    elif isinstance(value, list):
        for index, element in enumerate(value):
            _refuse(element, item.below(str(index), None))
    elif isinstance(value, dict):
        for name in value.names if isinstance(value, _Repeated) else ():
            item.below(name, None).fail(
                "json-duplicate-key", "this key stands more than once in its object",
                help="keep one of them",
            )  # fmt: skip
        for name, member in value.items():
            _refuse_surrogates(name, item)
            _refuse(member, item.below(name, None))


def _refuse_surrogates(text: str, item: Item) -> None:
    if _SURROGATE.search(text):
        item.fail(
            "json-half-character", "the text holds half a character (a lone surrogate)",
            help="write the character itself, or both halves of its escape",
        )  # fmt: skip
