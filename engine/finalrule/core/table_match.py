"""Whether a table's row holds for given values: the one meaning of a cell."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from finalrule.core import ir
from finalrule.values import Value


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
