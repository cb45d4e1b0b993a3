"""Catalogues as tables: keys and fields as facts are kept, and the bounds of deciles as whole
numbers of one unit, those of inverse measures with the other sign, so that more is better."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from finalrule.evaluate.catalogues import DECILES, TypedCatalogue
from finalrule.population.model import Dimension
from finalrule.population.terms import EPOCH, sql_type
from finalrule.values import Enumeration, Number, Type, Value

Cell = int | bool | str | None


@dataclass(frozen=True, slots=True)
class Rows:
    """A catalogue's rows: the columns by name, each with its SQL type."""

    dimension: Dimension
    columns: Mapping[str, str]
    rows: tuple[tuple[Cell, ...], ...]


def catalogue_rows(catalogues: Mapping[str, TypedCatalogue]) -> dict[str, Rows]:
    """Every catalogue as the rows of a table `catalogue_<name>`."""
    return {name: _rows(one) for name, one in catalogues.items()}


def _rows(catalogue: TypedCatalogue) -> Rows:
    declared = catalogue.declared
    # A number of a catalogue is not looked up in SQL.
    named = [field for field in declared.fields if not isinstance(field.type, Number)]
    fields = (*declared.keys, *named)
    columns = {field.name: sql_type(field.type) for field in fields}
    with_bounds = declared.bounds is not None
    keys = list(catalogue.rows.rows)
    unit = 1
    found = {key: catalogue.bounds(key) for key in keys} if with_bounds else {}
    known = [bound for one in found.values() if one for bound in one.lower if bound is not None]
    for bound in known:
        unit = math.lcm(unit, bound.denominator)
    if with_bounds:
        columns |= {f"bound_{number}": "BIGINT" for number in range(1, len(DECILES) + 1)}
        columns["is_inverse"] = "BOOLEAN"
    rows = []
    for key in keys:
        record = catalogue.record(key) or {}
        row = [_cell(record.get(field.name), field.type) for field in fields]
        if with_bounds:
            bounds = found[key]
            sign = -1 if bounds is not None and bounds.inverse else 1
            lower = bounds.lower if bounds is not None else (None,) * len(DECILES)
            row += [None if bound is None else int(bound * unit) * sign for bound in lower]
            row.append(bool(bounds is not None and bounds.inverse))
        rows.append(tuple(row))
    high = max((abs(int(bound * unit)) for bound in known), default=0)
    dimension = Dimension(declared, f"catalogue_{declared.name}", unit, high)
    return Rows(dimension, columns, tuple(rows))


def _cell(value: Value | None, type_: Type) -> Cell:
    if value is None:
        return None
    if isinstance(type_, Enumeration):
        return type_.members.index(str(value))
    if isinstance(value, datetime.date):
        return (value - EPOCH).days
    if isinstance(value, bool | str):
        return value
    if isinstance(value, Fraction) and value.denominator == 1:
        return int(value)
    raise NotImplementedError(f"{value} in a catalogue")
