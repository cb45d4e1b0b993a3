"""What an expression of the core is in SQL: a number (`Amount`), a truth, one of a few members, a
code, a date, or a set of codes. NULL is what is not determined; `needs` then is the set of facts
that it needs, as SQL, where the query is to give them (else None)."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from finalrule.population import amounts, sql
from finalrule.population.amounts import Amount
from finalrule.population.sql import E
from finalrule.values import Code, Date, Enumeration, Number, Type

EPOCH = datetime.date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Plain:
    """Anything but a number. `members` are those of an enumeration, whose values are their places
    among them; `literal` is a text that is not bound to a type yet."""

    tree: E
    unknown: bool = False
    needs: E | None = None
    members: tuple[str, ...] | None = None
    literal: str | None = None


@dataclass(frozen=True, slots=True)
class CodeList:
    values: tuple[str, ...]


Term = Amount | Plain | CodeList
T = TypeVar("T", Amount, Plain)


def main(term: Amount | Plain) -> E:
    """The tree that is NULL when the term is not determined."""
    return term.numerator if isinstance(term, Amount) else term.tree


def as_type(term: Plain, type_: Type) -> Plain:
    """A text as a value of the type of its place."""
    if term.literal is None or not isinstance(type_, Enumeration):
        return term
    return member(term.literal, type_.members)


def member(text: str, members: Sequence[str]) -> Plain:
    """One of an enumeration's members; a text that is none of them equals none."""
    place = members.index(text) if text in members else -1
    return Plain(sql.number(place), members=tuple(members))


def same_kind(left: Plain, right: Plain) -> tuple[Plain, Plain]:
    """Two terms to be compared, the text of one bound to the other's members."""
    if left.members is not None and right.literal is not None:
        return left, member(right.literal, left.members)
    if right.members is not None and left.literal is not None:
        return member(left.literal, right.members), right
    return left, right


def plain_type(type_: Type) -> tuple[str, ...] | None:
    return type_.members if isinstance(type_, Enumeration) else None


def sql_type(type_: Type) -> str:
    """The column type of a fact or of a record's field."""
    match type_:
        case Number():
            return sql.LONG
        case Enumeration():
            return sql.TINY
        case Code():
            return sql.TEXT
        case Date():
            return sql.INT
        case _:
            return sql.TRUTH


def needs_of(terms: Sequence[Amount | Plain]) -> E | None:
    """The facts that any of the terms needs; None where none can be undetermined."""
    sets = [term.needs for term in terms if term.needs is not None]
    return sql.united(sets) if sets else None


def only_when_unknown(tree: E, needs: E | None) -> E | None:
    """Needs that count only while the value is not there."""
    return None if needs is None else sql.case([(sql.is_null(tree), needs)], sql.no_texts())


def choose(
    branches: Sequence[tuple[E, Amount | Plain]],
    otherwise: Amount | Plain | None,
    name: Callable[[E, str], E],
) -> Amount | Plain:
    """The term of the first condition that is true; undetermined where none is."""
    terms = [term for _, term in branches] + ([otherwise] if otherwise is not None else [])
    if isinstance(terms[0], Amount):
        return amounts.chosen(
            [(when, term) for when, term in branches if isinstance(term, Amount)],
            otherwise if isinstance(otherwise, Amount) else None,
            name,
        )
    plain = [term for term in terms if isinstance(term, Plain)]
    members = next((term.members for term in plain if term.members is not None), None)
    if members is not None:
        plain = [term if term.literal is None else member(term.literal, members) for term in plain]
    unknown = otherwise is None or any(term.unknown for term in plain)
    whens = [when for when, _ in branches]
    rest = plain[-1] if otherwise is not None else None
    tree = sql.case(
        [(when, term.tree) for when, term in zip(whens, plain, strict=False)],
        rest.tree if rest else None,
    )
    needs = None
    if any(term.needs is not None for term in plain):
        sets = [term.needs if term.needs is not None else sql.no_texts() for term in plain]
        needs = sql.case(
            list(zip(whens, sets, strict=False)),
            sets[-1] if otherwise is not None else sql.no_texts(),
        )
    return Plain(tree, unknown, needs, members)
