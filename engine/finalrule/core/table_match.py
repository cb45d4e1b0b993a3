"""Whether a table's row holds for given values: the one meaning of a cell."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from finalrule.core import ir
from finalrule.values import Number, Value, show


def cell_holds(cell: ir.Cell, value: Value) -> bool:
    """Whether a cell's test holds for a known value."""
    if cell.equals is not None:
        return value == {"yes": True, "no": False}.get(cell.equals, cell.equals)
    if cell.low is None and cell.high is None:
        return True
    assert isinstance(value, Fraction)
    above = cell.low is None or value > cell.low or (cell.low_included and value == cell.low)
    below = cell.high is None or value < cell.high or (cell.high_included and value == cell.high)
    return above and below


def matches(row: ir.Row, values: Sequence[Value]) -> bool:
    """Whether all cells of a row hold."""
    return all(cell_holds(cell, value) for cell, value in zip(row.cells, values, strict=True))


def cell_text(cell: ir.Cell, column: ir.Key) -> str:
    """A cell's test as a condition on its column: `size > 15`; empty where any value passes."""
    if cell.equals is not None:
        return f"{column.name} is {cell.equals}"
    ends = []
    if cell.low is not None:
        ends.append((">=" if cell.low_included else ">", cell.low))
    if cell.high is not None:
        ends.append(("<=" if cell.high_included else "<", cell.high))
    if cell.low is not None and cell.low == cell.high:
        ends = [("==", cell.low)]
    assert not ends or isinstance(column.type, Number)
    return " and ".join(f"{column.name} {op} {show(end, column.type)}" for op, end in ends)
