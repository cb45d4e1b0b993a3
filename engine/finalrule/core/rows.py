"""A year file's row as a table's row: every cell typed by its column."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sized

from finalrule.core import ir
from finalrule.core.types import as_constant
from finalrule.diagnostics import Report, suggest
from finalrule.policy.model import CellText, RowCells
from finalrule.values import (
    Enumeration,
    Number,
    Type,
    YesNo,
    one_of,
    parse_number,
    parse_value,
    type_name,
    within,
)


def lower_rows(
    rows: Iterable[RowCells],
    table: str,
    given: tuple[ir.Key, ...],
    gives: tuple[ir.Key, ...],
    report: Report,
) -> tuple[ir.Row, ...]:
    """The rows in the core. Cells that are missing, of no column or no value are reported."""
    known = [key.name for key in (*given, *gives)]
    unknown: dict[str, list[CellText]] = {}
    missing: dict[str, list[RowCells]] = {}
    lowered = []
    for row in rows:
        for name, cell in row.cells.items():
            if name not in known:
                unknown.setdefault(name, []).append(cell)
        for name in known:
            if name not in row.cells:
                missing.setdefault(name, []).append(row)
        cells = tuple(_cell(row.cells.get(key.name), key.type, report) for key in given)
        values = tuple(_value(row.cells.get(key.name), key.type, report) for key in gives)
        place = row.span.place
        lowered.append(ir.Row(row.name, cells, values, str(row.cite), place, row.unverified))
    for name, found in unknown.items():
        report.error(
            "unknown-column",
            f"table `{table}` has no column `{name}`{_in_rows(found)}",
            found[0].span,
            help=suggest(name, known) or f"its columns are {one_of(known)}",
        )
    for name, lacking in missing.items():
        report.error(
            "missing-column",
            f"row `{lacking[0].name}` of `{table}` has no `{name}`{_in_rows(lacking)}",
            lacking[0].span,
            help="a row states every column",
        )
    return tuple(lowered)


def _in_rows(found: Sized) -> str:
    return f" ({len(found)} rows)" if len(found) > 1 else ""


def _value(cell: CellText | None, type_: Type, report: Report) -> ir.Constant:
    """What the row gives: one value."""
    value = parse_value(cell.text, type_) if cell else None
    if value is not None and within(value, type_):
        return as_constant(value, type_)
    if cell:
        _wrong(cell, f"`{cell.text}` is no value of {type_name(type_)}", "write one value", report)
    return ir.Bool(False)


def _cell(cell: CellText | None, type_: Type, report: Report) -> ir.Cell:
    """What the row tests: any value, one value, or a range of numbers."""
    if cell is None or cell.text == "any":
        return ir.Cell()
    if isinstance(type_, Number):
        found = _range(cell.text, type_)
        shown = "write one value, `<= X`, `> X`, `X..Y` or `any`"
    else:
        assert isinstance(type_, YesNo | Enumeration)
        known = parse_value(cell.text, type_) is not None
        found = ir.Cell(equals=cell.text) if known else None
        shown = "write one value, or `any`"
    if found is None:
        _wrong(cell, f"`{cell.text}` tests no value of {type_name(type_)}", shown, report)
    return found or ir.Cell()


def _wrong(cell: CellText, message: str, help: str, report: Report) -> None:
    report.error("wrong-cell", message, cell.span, help=help)


def _range(text: str, type_: Number) -> ir.Cell | None:
    """`<= 15`, `> 15`, `16..24` or one number."""
    if match := re.match(r"^(<=|<|>=|>)\s*(.+)$", text):
        value = parse_number(match[2], type_.unit)
        if value is None:
            return None
        if match[1].startswith("<"):
            return ir.Cell(high=value, high_included=match[1] == "<=")
        return ir.Cell(low=value, low_included=match[1] == ">=")
    if ".." in text:
        low, high = (parse_number(part, type_.unit) for part in text.split("..", 1))
        return None if low is None or high is None or low > high else ir.Cell(low=low, high=high)
    value = parse_number(text, type_.unit)
    return None if value is None else ir.Cell(low=value, high=value)
