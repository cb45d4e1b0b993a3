"""Units, types and exact numbers.

A number is a `Fraction` in the unit's quantity: 45 % is 45/100, 10 points are 10, $1.50 is 3/2.
Nothing is rounded here but by `round_to`, which the caller gives places and mode.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Literal

import msgspec

Unit = Literal["percent", "points", "usd", "count", "ratio", "rate", "days", "year"]
UNITS: tuple[Unit, ...] = ("percent", "points", "usd", "count", "ratio", "rate", "days", "year")
Mode = Literal["half_up", "half_even", "down", "up"]
MODES: tuple[Mode, ...] = ("half_up", "half_even", "down", "up")

DEFAULT_SCALE: dict[Unit, int] = {
    "percent": 6, "points": 6, "usd": 2, "count": 0, "ratio": 6, "rate": 6, "days": 0, "year": 0,
}  # fmt: skip


class Number(msgspec.Struct, frozen=True, tag="number"):
    """A number type: bounds in the unit's quantity (percent[0..100] has low 0, high 1), and the
    decimal places a fact may have in the unit's display; None means any rational."""

    unit: Unit
    low: Fraction
    high: Fraction
    scale: int | None = None


class YesNo(msgspec.Struct, frozen=True, tag="yes_no"):
    """True or false."""


class Code(msgspec.Struct, frozen=True, tag="code"):
    """An identifier: text that is only compared for equality."""


class Codes(msgspec.Struct, frozen=True, tag="codes"):
    """A set of codes; a parameter's type only."""


class Date(msgspec.Struct, frozen=True, tag="date"):
    """A calendar date."""


class Enumeration(msgspec.Struct, frozen=True, tag="enumeration"):
    """One of a few named members. `name` is the declared type's name, or empty."""

    members: tuple[str, ...]
    name: str = ""


Type = Number | YesNo | Code | Codes | Date | Enumeration

# A value as the evaluator has it. Enumeration members and codes are both text.
Value = Fraction | bool | str | datetime.date | frozenset[str]

YES_NO = YesNo()
CODE = Code()

_NUMBER_TEXT = re.compile(r"-?([0-9]{1,3}(,[0-9]{3})+|[0-9]+)(\.[0-9]+)?")
_DATE_TEXT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
MAXIMUM_DIGITS = 38
# Of an exact rational in a table of facts: of the quantity, which of 45 % is 9/20.
LARGEST_DENOMINATOR = 10**9
# Most records that an average over a nation is over: what 1 to 16 all divide is a denominator that
# the numbers of the rules still have room for in 38 digits; of 17 it is not.
MOST_AVERAGED = 16


def parse_decimal(text: str) -> Fraction | None:
    """A plain decimal (`1,200.50`, `-3`); None when it is not one or has over 38 digits."""
    if len(text) > MAXIMUM_DIGITS + 16 or not _NUMBER_TEXT.fullmatch(text):
        return None
    plain = text.replace(",", "")
    if sum(char.isdigit() for char in plain) > MAXIMUM_DIGITS:
        return None
    return Fraction(plain)


def parse_number(text: str, unit: Unit) -> Fraction | None:
    """A number written in a unit: `45%` or `45` (percent), `$90,000`, `10 points`, `90 days`, or
    a bare decimal. None when it is not a number or names another unit."""
    text = text.strip()
    sign = ""
    if text.startswith("-"):
        sign, text = "-", text[1:]
    if unit == "percent" and text.endswith("%"):
        text = text[:-1].rstrip()
    elif unit == "usd" and text.startswith("$") and not text.startswith("$-"):
        text = text[1:]
    elif unit in ("points", "days"):
        singular = unit[:-1]
        for word in (unit, singular):
            if text.endswith(" " + word):
                text = text[: -len(word)].rstrip()
                break
    number = parse_decimal(sign + text)
    if number is None:
        return None
    return number / 100 if unit == "percent" else number


def parse_value(text: str, type_: Type) -> Value | None:
    """A value of a type, as written in year files and scenarios; None when it is not one.
    Bounds are not checked here (`within`)."""
    match type_:
        case Number(unit=unit):
            return parse_number(text, unit)
        case YesNo():
            return {"yes": True, "no": False}.get(text)
        case Enumeration(members=members):
            return text if text in members else None
        case Date():
            try:
                return datetime.date.fromisoformat(text) if _DATE_TEXT.fullmatch(text) else None
            except ValueError:
                return None
        case Code():
            return text
        case Codes():
            return None  # a list: the reader of the file builds it


def within(value: Value, type_: Type) -> bool:
    """Whether a number lies within the bounds of its type, and an enumeration among its members."""
    if isinstance(type_, Number):
        return isinstance(value, Fraction) and type_.low <= value <= type_.high
    if isinstance(type_, Enumeration):
        return value in type_.members
    return True


def decimal_places(value: Fraction) -> int | None:
    """Decimal places of an exact decimal; None when the fraction does not end."""
    denominator, twos, fives = value.denominator, 0, 0
    while denominator % 2 == 0:
        denominator //= 2
        twos += 1
    while denominator % 5 == 0:
        denominator //= 5
        fives += 1
    return max(twos, fives) if denominator == 1 else None


def round_to(value: Fraction, places: int, mode: Mode) -> Fraction:
    """Round to decimal places of the number itself (a percent's caller adds two). `half_up` is half
    away from zero, `down` toward zero, `up` away from zero."""
    scaled = abs(value) * 10**places
    whole, rest = divmod(scaled.numerator, scaled.denominator)
    twice = 2 * rest
    up = {
        "half_up": twice >= scaled.denominator,
        "half_even": twice > scaled.denominator or (twice == scaled.denominator and whole % 2 == 1),
        "down": False,
        "up": rest > 0,
    }[mode]
    result = Fraction(whole + up, 10**places)
    return -result if value < 0 else result


def decimal_text(value: Fraction, places: int | None = None) -> str:
    """A decimal as text. Without places: exact when it ends, else `n/d`. With places: the value
    must already be rounded to them; trailing zeros are kept. Raises ValueError when it is not."""
    if places is None:
        places = decimal_places(value)
        if places is None:
            return f"{value.numerator}/{value.denominator}"
    scaled = value * 10**places
    if scaled.denominator != 1:
        raise ValueError(f"{value} has more than {places} decimal places")
    digits = str(abs(scaled.numerator)).rjust(places + 1, "0")
    sign = "-" if scaled < 0 else ""
    return sign + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)


def _grouped(text: str) -> str:
    whole, dot, rest = text.partition(".")
    sign = "-" if whole.startswith("-") else ""
    return f"{sign}{int(whole.lstrip('-')):,}{dot}{rest}" if whole.lstrip("-").isdigit() else text


def show(value: Value, type_: Type) -> str:
    """A value as people write it: `45%`, `$90,000.00`, `7.5 points`, `yes`. A fraction that does
    not end, or not within twelve places, is shown to six with `~` before it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Fraction):
        return _show_number(value, type_.unit if isinstance(type_, Number) else "ratio")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, frozenset):
        return ", ".join(sorted(value))
    return value


@lru_cache(maxsize=4096)
def _show_number(value: Fraction, unit: Unit) -> str:
    quantity = value * 100 if unit == "percent" else value
    places = decimal_places(quantity)
    about = ""
    if places is None or places > 12:
        quantity, places, about = round_to(quantity, 6, "half_up"), 6, "~"
    if unit == "usd":
        text = _grouped(decimal_text(abs(quantity), max(places, 2)))
        return f"{about}{'-' if quantity < 0 else ''}${text}"
    text = decimal_text(quantity, places)
    match unit:
        case "percent":
            return f"{about}{text}%"
        case "count":
            return about + _grouped(text)
        case "points" | "days":
            return f"{about}{text} {unit[:-1] if quantity == 1 else unit}"
        case _:
            return about + text


def exact(value: Fraction) -> str:
    """`n/d`, or `n` for a whole number: the form in which traces carry a number's exact value."""
    return str(value)


def type_name(type_: Type) -> str:
    """A type as the language writes it."""
    match type_:
        case Number(unit=unit, low=low, high=high):
            factor = 100 if unit == "percent" else 1
            return f"{unit}[{decimal_text(low * factor)}..{decimal_text(high * factor)}]"
        case Enumeration(members=members, name=name):
            return name or "one of {" + ", ".join(members) + "}"
        case YesNo():
            return "yes_no"
        case Code():
            return "code"
        case Codes():
            return "codes"
        case Date():
            return "date"


def one_of(words: Sequence[str]) -> str:
    """`a, b or c`, for messages."""
    quoted = [f"`{word}`" for word in words]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + " or " + quoted[-1]
