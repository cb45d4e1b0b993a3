"""Cells of tables: a number as people read it, and as a program does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from finalrule.values import decimal_text, round_to

Amount = int | Decimal | Fraction

_MILLION = 1_000_000
_PLAIN_PLACES = 6
MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"


@dataclass(frozen=True, slots=True)
class Cell:
    """What is shown, and what a CSV file has: plain decimals without signs of units."""

    shown: str
    plain: str
    number: bool = True


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its title, its name in a CSV file (which ends in the unit), and the title that it
    shares with its neighbours."""

    title: str
    name: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """Cells in the order of the columns; the first says what the row is. `total` rows sum up those
    above them; one `beside` another is compared with the row before it."""

    cells: tuple[Cell, ...]
    total: bool = False
    beside: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table with everything that it takes to read it alone."""

    name: str
    title: str
    units: str
    columns: tuple[Column, ...]
    rows: Sequence[Row]
    cites: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def text(value: str) -> Cell:
    """Words."""
    return Cell(value, value, number=False)


def nothing(shown: str = DASH) -> Cell:
    """No number: there is none, or it is not determined."""
    return Cell(shown, "")


def count(value: Amount) -> Cell:
    """A number of things; a published one that is scaled is rounded to a whole one."""
    return Cell(_grouped(value, 0), _plain(value, 0))


def millions(value: Amount | None) -> Cell:
    """Dollars, shown in millions."""
    if value is None:
        return nothing()
    return Cell(_grouped(Fraction(value) / _MILLION, 1), _plain(value, 2))


def usd(value: Amount | None) -> Cell:
    """Dollars and cents."""
    if value is None:
        return nothing("undetermined")
    shown = _grouped(value, 2)
    sign, digits = (MINUS, shown[1:]) if shown.startswith(MINUS) else ("", shown)
    return Cell(f"{sign}${digits}", _plain(value, 2))


def share(value: Amount | None, places: int = 1, signed: bool = False) -> Cell:
    """A part of one, shown in percent. What is too small to show is no zero."""
    if value is None:
        return nothing()
    shown = _grouped(Fraction(value) * 100, places)
    if shown.strip("0."):
        shown = f"+{shown}" if signed and value > 0 else shown
    elif value > 0 and not signed:
        shown = f"<0.{'1'.rjust(places, '0')}"
    return Cell(f"{shown}%", _plain(Fraction(value) * 100, _PLAIN_PLACES))


def percent(value: Amount | None) -> Cell:
    """A factor that is in percent already."""
    if value is None:
        return nothing()
    return Cell(f"{_grouped(value, 2)}%", _plain(value, 2))


def points(value: Amount | None) -> Cell:
    """A score."""
    return nothing() if value is None else Cell(_grouped(value, 2), _plain(value, 2))


def factor(value: Amount | None) -> Cell:
    """A ratio, to six places; `~` where it has more."""
    if value is None:
        return nothing("undetermined")
    shown = _grouped(value, 6).rstrip("0").rstrip(".")
    about = "" if round_to(Fraction(value), 6, "half_up") == value else "~"
    return Cell(about + shown, _plain(value, 12))


def off(value: Amount, published: Amount | None) -> Cell:
    """How far a figure is from the published one, in percent of it."""
    if not published:
        return nothing()
    return share(Fraction(value) / Fraction(published) - 1, 1, signed=True)


def _plain(value: Amount, places: int) -> str:
    return decimal_text(round_to(Fraction(value), places, "half_up"), places)


def _grouped(value: Amount, places: int) -> str:
    plain = _plain(value, places)
    whole, dot, rest = plain.lstrip("-").partition(".")
    negative = plain.startswith("-") and plain.strip("-0.")
    return f"{MINUS if negative else ''}{int(whole):,}{dot}{rest}"
