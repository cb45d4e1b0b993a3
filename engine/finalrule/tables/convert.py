"""Columns of files as columns of internal tables: the SQL of each value, and of each check that it
must pass first.

Checks are conditions that are true for a bad row; false and NULL are both fine. Values are only
read of rows that passed, so that no conversion can fail. Nothing is rounded.

A DOUBLE x counts as the decimal that it is written as. With s decimal places that is r/10^s for
r = round(x * 10^s), if r/10^s is x again and |r| is at most 10^15: r and 10^s are then DOUBLEs
without error, so that their quotient is the DOUBLE nearest to the decimal r/10^s, and of the
decimals of up to 15 digits no two have the same nearest DOUBLE. This is what x's shortest text
says, at a fraction of its price. Any other x has more decimal places.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from pathlib import Path
from typing import Literal

from finalrule.core import ir
from finalrule.core.expressions import constant_value
from finalrule.tables.internal import encoder, fact_columns, factor_of, is_exact
from finalrule.tables.schema import TableColumn
from finalrule.values import (
    LARGEST_DENOMINATOR,
    Code,
    Codes,
    Date,
    Enumeration,
    Number,
    Type,
    Value,
    YesNo,
    decimal_text,
)

_LARGEST_DOUBLE = "1e15"

_INTEGERS = frozenset(
    f"{sign}{size}" for sign in ("", "U") for size in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
)
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_PLAIN = "-?[0-9]+([.][0-9]+)?"


@dataclass(frozen=True, slots=True)
class Check:
    """`bad` is SQL, true for a row to reject; `value` is SQL for what is shown of it as text."""

    bad: str
    reason: str
    column: str
    value: str


@dataclass(frozen=True, slots=True)
class Given:
    """How a file gives a column: the SQL of its one or two columns, their DuckDB types (`text` for
    a CSV file's) and names. Nothing where the file does not have it."""

    names: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    @property
    def sql(self) -> tuple[str, ...]:
        return tuple(f"t.{quoted(name)}" for name in self.names)


TEXT = "text"


def quoted(name: str) -> str:
    """A name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"


def files_at(path: Path, pattern: str = "") -> str:
    """In SQL, one file whatever signs its path has, or those of a pattern in a directory: DuckDB
    takes the path itself for a pattern."""
    itself = re.sub(r"[*?[]", lambda sign: f"[{sign[0]}]", str(path))
    return literal(f"{itself}/{pattern}" if pattern else itself)


def fits(type_: Type, sql_type: str) -> bool:
    """Whether a column of a Parquet file may hold values of the type."""
    if sql_type == TEXT:
        return True
    match type_:
        case YesNo():
            return sql_type == "BOOLEAN"
        case Date():
            return sql_type == "DATE"
        case Number():
            return _number_kind(sql_type) is not None
        case _:
            return sql_type == "VARCHAR"


def wanted(type_: Type) -> str:
    """The Parquet types that `fits` takes, for help."""
    match type_:
        case YesNo():
            return "BOOLEAN"
        case Date():
            return "DATE"
        case Number():
            return "an integer, DECIMAL or DOUBLE"
        case _:
            return "text (UTF8)"


def _number_kind(sql_type: str) -> Literal["integer", "decimal", "double", "text"] | None:
    if sql_type == TEXT:
        return "text"
    if sql_type in _INTEGERS:
        return "integer"
    if sql_type == "DOUBLE":
        return "double"
    return "decimal" if _DECIMAL.fullmatch(sql_type) else None


def checks_of(column: TableColumn, given: Given) -> list[Check]:
    """Every check of one column, in the order in which they are reported."""
    if not given.names:
        return []
    found: list[Check] = []
    shown = given.sql[0]
    if len(given.names) == 2:
        found += _pair_checks(column, given)
    if column.presence == "required":
        found.append(Check(f"{_present(given)} IS NULL", "value_missing", given.names[0], "NULL"))
    if len(given.names) == 1:
        for fact_type in dict.fromkeys([column.type, *(fact.type for fact in column.facts)]):
            for bad, reason in _form_checks(fact_type, given):
                found.append(Check(bad, reason, given.names[0], f"CAST({shown} AS VARCHAR)"))
    return found


def values_of(fact: ir.FactDeclaration, given: Given) -> list[str]:
    """The SQL of a fact's one or two internal columns, in their types."""
    if not given.names:
        return [f"CAST({text} AS {column.sql})" for text, column in
                zip(_default(fact), fact_columns(fact), strict=True)]  # fmt: skip
    values = _pair(fact.type, given) if len(given.names) == 2 else _single(fact.type, given)
    if fact.default is not None:
        missing = f"{_present(given)} IS NULL"
        values = [f"CASE WHEN {missing} THEN {default} ELSE {value} END"
                  for value, default in zip(values, _default(fact), strict=True)]  # fmt: skip
    return [f"CAST({value} AS {column.sql})"
            for value, column in zip(values, fact_columns(fact), strict=True)]  # fmt: skip


def key_value(type_: Type, given: Given) -> str:
    """The SQL of a key's internal column."""
    (value,) = _single(type_, given)
    return value


def member_place(type_: Enumeration, c: str) -> str:
    """The SQL of a member's place."""
    cases = " ".join(
        f"WHEN {literal(member)} THEN {place}" for place, member in enumerate(type_.members)
    )
    return f"CAST(CASE {c} {cases} END AS TINYINT)"


def _present(given: Given) -> str:
    """SQL that is NULL where the column is not given: empty text is nothing."""
    first = given.sql[0]
    return f"nullif({first}, '')" if given.types[0] in (TEXT, "VARCHAR") else first


def _default(fact: ir.FactDeclaration) -> list[str]:
    """The SQL of what a fact's absence means."""
    value = None if fact.default is None else constant_value(fact.default)
    return constant_sql(fact, value)


def constant_sql(fact: ir.FactDeclaration, value: Value | None) -> list[str]:
    """The SQL of a fact's one or two columns where it has this value, None for unknown."""
    if value is None:
        return ["NULL"] * len(fact_columns(fact))
    if is_exact(fact.type):
        assert isinstance(value, Fraction)
        return [str(value.numerator), str(value.denominator)]
    coded = encoder(fact.type)(value)
    return [literal(coded) if isinstance(coded, str) else str(coded)]


# --- one column ----------------------------------------------------------------------------------


def _form_checks(type_: Type, given: Given) -> list[tuple[str, str]]:
    c, sql_type = given.sql[0], given.types[0]
    match type_:
        case YesNo():
            if sql_type != TEXT:
                return []
            return [(f"lower({c}) NOT IN ('yes', 'no', 'true', 'false')", "value_form")]
        case Date():
            if sql_type != TEXT:
                return []
            form = f"regexp_full_match({c}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}')"
            return [(f"{c} IS NOT NULL AND (NOT {form} OR TRY_CAST({c} AS DATE) IS NULL)",
                     "value_form")]  # fmt: skip
        case Enumeration(members=members):
            listed = ", ".join(literal(member) for member in members)
            return [(f"{_present(given)} NOT IN ({listed})", "value_member")]
        case Number():
            scale = _scale(type_)
            return _Scaled.of(c, sql_type, scale).checks(*_bounds(type_, scale))
        case _:
            return []


def _single(type_: Type, given: Given) -> list[str]:
    c, sql_type = given.sql[0], given.types[0]
    match type_:
        case YesNo():
            return [f"lower({c}) IN ('yes', 'true')" if sql_type == TEXT else c]
        case Date():
            day = f"CAST({c} AS DATE)" if sql_type == TEXT else c
            return [f"CAST({day} - DATE '1970-01-01' AS INTEGER)"]
        case Enumeration():
            return [member_place(type_, c)]
        case Code():
            return [_present(given)]
        case Codes():
            raise TypeError("a fact cannot be a set of codes")
        case Number(scale=scale, unit=unit):
            places = _scale(type_)
            number = _Scaled.of(c, sql_type, places, max(map(abs, _bounds(type_, places))))
            if scale is not None:
                return [number.value()]
            # The quantity of 45 % is 45/100.
            denominator = 10**number.places * (100 if unit == "percent" else 1)
            return [number.shortest(), f"CASE WHEN {c} IS NOT NULL THEN {denominator} END"]


def _largest_denominator(type_: Number) -> int:
    """Of an exact number as it is given: what is then divided by is at most LARGEST_DENOMINATOR."""
    return LARGEST_DENOMINATOR // (100 if type_.unit == "percent" else 1)


def _scale(type_: Number) -> int:
    if type_.scale is None:
        return len(str(_largest_denominator(type_))) - 1
    factor_of(type_)  # refuses what does not fit
    return type_.scale


def _bounds(type_: Number, scale: int) -> tuple[int, int]:
    """A number's bounds in the unit's display, times 10^scale, as whole numbers."""
    factor = 10**scale * (100 if type_.unit == "percent" else 1)
    return ceil(type_.low * factor), floor(type_.high * factor)


@dataclass(frozen=True, slots=True)
class _Scaled:
    """A number in a file's column, to become a whole number of 10^-scale, at most `most` where its
    bounds are checked. `width` and `written` are the digits and decimal places of a DECIMAL."""

    c: str
    kind: Literal["integer", "decimal", "double", "text"]
    scale: int
    width: int = 0
    written: int = 0
    most: int = 10**38

    @property
    def places(self) -> int:
        """The decimal places that the number can have there, at most `scale`."""
        if self.kind == "integer":
            return 0
        return min(self.written, self.scale) if self.kind == "decimal" else self.scale

    @property
    def too_fine(self) -> bool:
        """Whether a DECIMAL can have more places than `scale`."""
        return self.written > self.scale

    @classmethod
    def of(cls, c: str, sql_type: str, scale: int, most: int = 10**38) -> _Scaled:
        kind = _number_kind(sql_type)
        assert kind is not None
        matched = _DECIMAL.fullmatch(sql_type)
        if matched is None:
            return cls(c, kind, scale)
        return cls(c, kind, scale, int(matched[1]), int(matched[2]), most)

    def checks(self, low: int, high: int) -> list[tuple[str, str]]:
        """Conditions of a bad number with their reasons; bounds times 10^scale."""
        c, scale = self.c, self.scale
        match self.kind:
            case "integer":
                least, most = -(-low // 10**scale), high // 10**scale
                return [(f"{c} NOT BETWEEN {least} AND {most}", "value_domain")]
            case "decimal":
                outside = self._outside(Fraction(low, 10**scale), Fraction(high, 10**scale))
                found = [(outside, "value_domain")] if outside else []
                if self.too_fine:
                    found.append((f"{c} <> round({c}, {scale})", "value_places"))
                return found
            case "double":
                r = f"round({c} * 1e{scale})"
                differs = f"{r} / 1e{scale} <> {c}"
                return [
                    (f"{r} NOT BETWEEN {low}::DOUBLE AND {high}::DOUBLE", "value_domain"),
                    (f"abs({r}) > {_LARGEST_DOUBLE} OR {differs}", "value_places"),
                ]
            case "text":
                fine = f"NOT regexp_full_match({c}, '-?[0-9]+([.][0-9]{{0,{scale}}}0*)?')"
                d = f"TRY_CAST({c} AS DECIMAL(38, {scale}))"
                ends = f"{_decimal(low, scale)} AND {_decimal(high, scale)}"
                return [
                    (f"NOT regexp_full_match({c}, '{_PLAIN}')", "value_form"),
                    (fine, "value_places"),
                    (f"{c} IS NOT NULL AND ({d} IS NULL OR {d} NOT BETWEEN {ends})",
                     "value_domain"),
                ]  # fmt: skip

    def _outside(self, low: Fraction, high: Fraction) -> str:
        """SQL: a DECIMAL lies outside the bounds, written so that they have its type; bounds that
        its type cannot exceed are left out."""
        room, unit = 10 ** (self.width - self.written), 10**self.written
        sides = []
        if low > -room:
            sides.append(f"{self.c} < {_decimal(ceil(low * unit), self.written)}")
        if high < room:
            sides.append(f"{self.c} > {_decimal(floor(high * unit), self.written)}")
        return " OR ".join(sides)

    def value(self) -> str:
        """SQL of the number times 10^scale."""
        return self._times(self.scale)

    def shortest(self) -> str:
        """SQL of the number times 10^places."""
        return self._times(self.places)

    def _times(self, places: int) -> str:
        c, factor = self.c, 10**places
        match self.kind:
            case "integer":
                return f"CAST({c} AS BIGINT) * {factor}" if places else f"CAST({c} AS BIGINT)"
            case "decimal":
                whole = f"round({c}, {self.scale})" if self.too_fine else c
                if not places:
                    return f"CAST({whole} AS BIGINT)"
                # DuckDB gives a product of two narrow DECIMALs 18 digits at most; wide ones take
                # twenty times as long.
                written = min(self.written, self.scale)
                digits = len(str(self.most // 10 ** (self.scale - written)))
                size = digits if digits + places <= 18 else 38
                return f"CAST(CAST({whole} AS DECIMAL({size}, {written})) * {factor} AS BIGINT)"
            case "double":
                return f"CAST(round({c} * 1e{places}) AS BIGINT)"
            case "text":
                return f"CAST(CAST({c} AS DECIMAL(38, {self.scale})) * {factor} AS BIGINT)"


def _decimal(scaled: int, scale: int) -> str:
    return decimal_text(Fraction(scaled, 10**scale))


# --- numerator and denominator -------------------------------------------------------------------


def _pair_checks(column: TableColumn, given: Given) -> list[Check]:
    """Both there or neither, whole numbers, and their quotient within the bounds."""
    type_ = column.type
    assert isinstance(type_, Number)
    (n, d), (n_name, d_name) = given.sql, given.names
    shown = f"concat({n}, '/', {d})"
    found = [Check(f"({n} IS NULL) <> ({d} IS NULL)", "pair_incomplete", n_name, shown)]
    most = _largest_denominator(type_)
    largest = ceil(max(abs(end) for end in _ends(type_))) * most
    for bad, reason in _Scaled.of(n, given.types[0], 0).checks(-largest, largest):
        found.append(Check(bad, reason, n_name, f"CAST({n} AS VARCHAR)"))
    for bad, reason in _Scaled.of(d, given.types[1], 0).checks(1, most):
        reason = "pair_denominator" if reason == "value_domain" else reason
        found.append(Check(bad, reason, d_name, f"CAST({d} AS VARCHAR)"))
    numerator, denominator = (
        _Scaled.of(c, sql_type, 0).value()
        for c, sql_type in zip(given.sql, given.types, strict=True)
    )
    low, high = _ends(type_)
    outside = (
        f"{numerator} * {low.denominator} < {denominator} * {low.numerator} OR "
        f"{numerator} * {high.denominator} > {denominator} * {high.numerator}"
    )
    found.append(Check(outside, "value_domain", n_name, shown))
    return found


def _ends(type_: Number) -> tuple[Fraction, Fraction]:
    """Bounds in the unit's display."""
    factor = 100 if type_.unit == "percent" else 1
    return type_.low * factor, type_.high * factor


def _pair(type_: Type, given: Given) -> list[str]:
    assert isinstance(type_, Number)
    numerator, denominator = (
        _Scaled.of(c, sql_type, 0).value()
        for c, sql_type in zip(given.sql, given.types, strict=True)
    )
    return [numerator, f"{denominator} * 100" if type_.unit == "percent" else denominator]


# --- rows ----------------------------------------------------------------------------------------


def first_failed(checks: Sequence[Check]) -> str:
    """SQL: the number of the first check that a row fails, NULL for a good row."""
    if not checks:
        return "NULL"
    cases = " ".join(f"WHEN {check.bad} THEN {place}" for place, check in enumerate(checks))
    return f"CASE {cases} END"


def period_checks(year: int, start: Given, end: Given) -> list[Check]:
    """Days of the performance year, the first not after the last."""
    found = []
    first, last = (datetime.date(year, *day).isoformat() for day in ((1, 1), (12, 31)))
    days = []
    for given in (start, end):
        if not given.names:
            return []
        day = given.sql[0] if given.types[0] != TEXT else f"TRY_CAST({given.sql[0]} AS DATE)"
        outside = f"{day} NOT BETWEEN DATE '{first}' AND DATE '{last}'"
        shown = f"CAST({given.sql[0]} AS VARCHAR)"
        found.append(Check(outside, "period_outside_year", given.names[0], shown))
        days.append(day)
    shown = f"concat({start.sql[0]}, ' to ', {end.sql[0]})"
    return [*found, Check(f"{days[0]} > {days[1]}", "period_reversed", start.names[0], shown)]
