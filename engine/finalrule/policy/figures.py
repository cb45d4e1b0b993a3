"""A value as written, typed by its unit; a citation as written, parsed."""

from __future__ import annotations

import re
from collections.abc import Collection

from finalrule.citations import Citation, parse_citation
from finalrule.diagnostics import Label, Report, suggest
from finalrule.policy.model import STATUSES, FigureUnit, Status
from finalrule.policy.tree import Listing, Node, Scalar
from finalrule.source import Span
from finalrule.values import (
    MAXIMUM_DIGITS,
    UNITS,
    Code,
    Date,
    Type,
    Value,
    YesNo,
    parse_number,
    parse_value,
)

_OTHER_TYPES: dict[FigureUnit, Type] = {"date": Date(), "yes_no": YesNo(), "text": Code()}
_WRITTEN_UNIT = re.compile(
    r"^-?(?P<usd>\$)|(?P<percent>%)$| (?P<points>points?)$| (?P<days>days?)$"
)
_KEY = re.compile(r"^[A-Z][A-Z0-9]*(-[A-Z0-9]+)*(?= |$)")

_EXPECTED: dict[FigureUnit, str] = {
    "percent": "a percentage such as `45%`",
    "points": "a number of points such as `10 points`",
    "usd": "an amount such as `$90,000`",
    "count": "a whole number such as `200`",
    "ratio": "a decimal such as `0.203`",
    "rate": "a decimal such as `62.5`",
    "days": "a whole number of days such as `90 days`",
    "year": "a year such as `2020`",
    "codes": "a list of codes such as `[19, 21]`",
    "date": "a date such as `2020-01-31`",
    "yes_no": "`yes` or `no`",
    "text": "text",
}
_CITATION_HELP = (
    "write `42 CFR 414.1405(b)(7)`, `84 FR 63031`, `42 U.S.C. 1395w-4(q)(6)`,"
    " or a key of policies/sources.yaml and the place"
)


def read_value(
    node: Node, unit: FigureUnit, declared: Label, report: Report
) -> tuple[Value | None, Status]:
    """The value and status of a figure; `declared` is where its unit stands. The value is None
    where a status stands in its place, and after an error."""
    if isinstance(node, Scalar):
        for status in STATUSES:
            if node.text == status:
                return None, status
    if unit == "codes":
        return _codes(node, declared, report), ""
    value = _typed(value_text(node), unit) if isinstance(node, Scalar) else None
    if value is None:
        _report_unreadable(node, unit, declared, report)
    return value, ""


def value_text(node: Node) -> str:
    """A value as written, on one line; codes are joined by `, `."""
    if isinstance(node, Listing):
        return ", ".join(value_text(item) for item in node.items)
    return " ".join(node.text.split()) if isinstance(node, Scalar) else ""


def read_citation(
    text: str, span: Span, sources: Collection[str], report: Report
) -> Citation | None:
    """A citation; None after an error that underlines it."""
    citation = parse_citation(text, sources)
    if citation is not None:
        return citation
    key = _KEY.match(text.strip())
    if key and ("-" in key[0] or suggest(key[0], sources)):
        known = ", ".join(sources)
        report.error(
            "unknown-source",
            f"policies/sources.yaml names no source `{key[0]}`",
            span,
            help=suggest(key[0], sources) or f"the sources are {known}",
        )
    else:
        report.error(
            "unreadable-citation", f"`{text}` is not a citation", span, help=_CITATION_HELP
        )
    return None


def _typed(text: str, unit: FigureUnit) -> Value | None:
    if unit in _OTHER_TYPES:
        return parse_value(text, _OTHER_TYPES[unit])
    number = parse_number(text, unit) if unit in UNITS else None
    if number is not None and unit in ("count", "days", "year") and number.denominator != 1:
        return None
    return number


def _codes(node: Node, declared: Label, report: Report) -> frozenset[str] | None:
    if not isinstance(node, Listing):
        _report_unreadable(node, "codes", declared, report)
        return None
    first: dict[str, Span] = {}
    for item in node.items:
        text = value_text(item)
        if not text:
            help = "write the code, or take a comma away"
            report.error("unreadable-value", "a code is empty", item.span, declared, help=help)
        elif text in first:
            report.error(
                "duplicate-code",
                f"the code `{text}` is written twice",
                Label(item.span, "again here"),
                Label(first[text], "first here"),
                help="keep one of them",
            )
        first.setdefault(text, item.span)
    return frozenset(first)


def _report_unreadable(node: Node, unit: FigureUnit, declared: Label, report: Report) -> None:
    text = value_text(node)
    said = f"`{text}`" if isinstance(node, Scalar) else "a list"
    written = _WRITTEN_UNIT.search(text)
    written_unit = written.lastgroup if written and isinstance(node, Scalar) else None
    if written_unit is not None and unit in UNITS and written_unit != unit:
        report.error(
            "wrong-unit",
            f"{said} is written in {written_unit}, but its unit is {unit}",
            node.span,
            declared,
            help=f"write {_EXPECTED[unit]}, or change the unit",
        )
        return
    digits = sum(char.isdigit() for char in text)
    report.error(
        "unreadable-value",
        f"{said} is not {_EXPECTED[unit]}",
        node.span,
        declared,
        help=f"a number has at most {MAXIMUM_DIGITS} digits"
        if digits > MAXIMUM_DIGITS and unit in UNITS
        else "write the value in its unit, or `not_in_force` or `to_be_announced`",
    )
