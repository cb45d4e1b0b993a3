"""The internal tables: one for each entity, which compiled SQL reads.

Every row has `id`, `<ancestor>_id` for each ancestor but the program, for an entity that refers to
another one `<referred>_id` and the ids of that one's ancestors (NULL where it points at nothing),
then the keys and facts by their declared names. NULL is unknown.

    yes_no        BOOLEAN
    enumeration   TINYINT, the place among the declared members, from 0
    code          VARCHAR
    date          INTEGER, days since 1970-01-01
    number        BIGINT, the quantity times 10 to the power of its places: 45 % with six decimal
                  places in the display is 45000000
    exact number  <fact>__n and <fact>__d BIGINT, the quantity is n/d and d > 0
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from finalrule.core import ir
from finalrule.core.expressions import places_of
from finalrule.facts.declared import Declared
from finalrule.values import Code, Codes, Date, Enumeration, Number, Type, Value, YesNo, show

PROGRAM = "program"
LARGEST = 2**63 - 1
EPOCH = datetime.date(1970, 1, 1)
NUMERATOR, DENOMINATOR = "__n", "__d"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an internal table; `sql` is its DuckDB type."""

    name: str
    sql: str


@dataclass(frozen=True)
class Layout:
    """The internal tables of a program."""

    program: ir.Program

    @cached_property
    def declared(self) -> Declared:
        return Declared(self.program)

    def ancestors(self, entity: str) -> tuple[str, ...]:
        """The entities above one, the nearest first; the program is not among them."""
        found: list[str] = []
        while (entity := self.declared.entities[entity].parent) not in ("", PROGRAM):
            found.append(entity)
        return tuple(found)

    def referred(self, entity: str) -> tuple[str, ...]:
        """The entity that one refers to and those above that, without its own ancestors."""
        target = self.declared.entities[entity].refers
        if not target:
            return ()
        own = self.ancestors(entity)
        return tuple(name for name in (target, *self.ancestors(target)) if name not in own)

    def ids(self, entity: str) -> tuple[str, ...]:
        """The names of the id columns of a table, its own first."""
        above = (*self.ancestors(entity), *self.referred(entity))
        return ("id", *(id_of(name) for name in above))

    def facts(self, entity: str) -> tuple[ir.FactDeclaration, ...]:
        """Keys first, then the other facts, as declared."""
        facts, keys = self.declared.facts[entity], self.declared.keys(entity)
        rest = (name for name in facts if name not in keys)
        return tuple(facts[name] for name in (*keys, *rest))

    def columns(self, entity: str) -> tuple[Column, ...]:
        """Every column of an entity's table, ids first."""
        ids = (Column(name, "BIGINT") for name in self.ids(entity))
        facts = (column for fact in self.facts(entity) for column in fact_columns(fact))
        return (*ids, *facts)


def id_of(entity: str) -> str:
    """The column that points at a record of an entity."""
    return f"{entity}_id"


def is_exact(type_: Type) -> bool:
    """Whether a fact of the type is any rational: two columns."""
    return isinstance(type_, Number) and type_.scale is None


def factor_of(type_: Number) -> int:
    """What a number with a declared scale is multiplied by. Raises ValueError when its bounds do
    not fit a BIGINT then."""
    assert type_.scale is not None
    factor: int = 10 ** places_of(type_.scale, type_.unit)
    if max(abs(type_.low), abs(type_.high)) * factor > LARGEST:
        raise ValueError(f"numbers up to {show(type_.high, type_)} do not fit 64 bits")
    return factor


def fact_columns(fact: ir.FactDeclaration) -> tuple[Column, ...]:
    """The one or two columns of a fact."""
    if is_exact(fact.type):
        return (Column(fact.name + NUMERATOR, "BIGINT"), Column(fact.name + DENOMINATOR, "BIGINT"))
    return (Column(fact.name, sql_type(fact.type)),)


def sql_type(type_: Type) -> str:
    """The DuckDB type of a fact that is one column."""
    match type_:
        case YesNo():
            return "BOOLEAN"
        case Enumeration():
            return "TINYINT"
        case Code():
            return "VARCHAR"
        case Date():
            return "INTEGER"
        case Number():
            return "BIGINT"
        case Codes():
            raise TypeError("a fact cannot be a set of codes")


def encoder(type_: Type) -> Callable[[Any], Value | int]:
    """A function from a fact's value to what its column holds; not for exact numbers. It raises
    ValueError for a value that its type does not have."""
    match type_:
        case YesNo() | Code():
            return lambda value: value
        case Enumeration(members=members):
            return members.index
        case Date():
            return lambda day: (day - EPOCH).days
        case Number():
            factor = factor_of(type_)

            def scaled(value: Fraction) -> int:
                number = value * factor
                if number.denominator != 1:
                    raise ValueError(f"{show(value, type_)} has too many decimal places")
                return number.numerator

            return scaled
        case Codes():
            raise TypeError("a fact cannot be a set of codes")
