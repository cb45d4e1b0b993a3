"""Values as whole numbers: the only numbers that a durable-rules fact carries here.

The engine takes 1, True and '1' for equal and compares its floats inexactly, so that a number is
asserted in its smallest unit (cents, millionths of a point), a date as its day, a member of an
enumeration or a code as its place in a list. What is not known has a number of its own, just below
the others.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from finalrule.core.expressions import Known, Unknown, places_of
from finalrule.values import (
    Code,
    Codes,
    Date,
    Enumeration,
    Number,
    Type,
    Value,
    YesNo,
    show,
    type_name,
)

EXACT_LIMIT = 2**53


class OutsideSubset(Exception):
    """Why something cannot be said in the part of durable-rules that is exact."""


@dataclass(frozen=True, slots=True)
class Coding:
    """Values of a type as the whole numbers from `low` + 1 to `high`; `low` means not known.
    `members` are those of an enumeration, or the codes that rules name (any other code is `high`).
    """

    type: Type
    low: int
    high: int
    factor: int = 1
    members: tuple[str, ...] = ()

    def coder(self) -> Callable[[Known], int]:
        """A function from values to their numbers. It raises ValueError for what is no value of the
        type."""
        low, high, plain = self.low, self.high, self._plain()

        def code(value: Known) -> int:
            if isinstance(value, Unknown):
                return low
            number = plain(value)
            if not low < number <= high:
                raise ValueError(f"{show(value, self.type)} is not of {type_name(self.type)}")
            return number

        return code

    def _plain(self) -> Callable[[Any], int]:
        """A function from known values to numbers; `low` for what is no value of the type."""
        low, factor = self.low, self.factor
        match self.type:
            case YesNo():
                return lambda flag: 2 if flag else 1
            case Date():
                return datetime.date.toordinal
            case Number():

                def scaled(value: Fraction) -> int:
                    number = value * factor
                    return number.numerator if number.denominator == 1 else low

                return scaled
        places = {member: place for place, member in enumerate(self.members, 1)}
        other = self.high if isinstance(self.type, Code) else low
        return lambda member: places.get(member, other)

    def text(self, number: int) -> str:
        """A number as people write its value."""
        if number == self.low:
            return "not known"
        value: Value
        match self.type:
            case YesNo():
                value = number == 2
            case Date():
                value = datetime.date.fromordinal(number)
            case Number():
                value = Fraction(number, self.factor)
            case _:
                named = number <= len(self.members)
                value = self.members[number - 1] if named else "another code"
        return show(value, self.type)


def coding_of(type_: Type, codes: tuple[str, ...] = ()) -> Coding:
    """The coding of a type; `codes` are those that rules name, for a type of codes. Raises
    OutsideSubset when a value would not be exact."""
    match type_:
        case YesNo():
            return Coding(type_, 0, 2)
        case Enumeration(members=members):
            return Coding(type_, 0, len(members), members=members)
        case Code():
            return Coding(type_, 0, len(codes) + 1, members=codes)
        case Date():
            return Coding(type_, 0, datetime.date.max.toordinal())
        case Codes():
            raise OutsideSubset("a set of codes is no single value")
        case Number(unit=unit, scale=scale):
            if scale is None:
                raise OutsideSubset("a number of any scale has no smallest unit")
            factor = 10 ** places_of(scale, unit)
            low, high = type_.low * factor, type_.high * factor
            if max(abs(low - 1), abs(high)) >= EXACT_LIMIT:
                raise OutsideSubset(
                    f"its numbers go to {show(type_.high, type_)} with {scale} decimal places, "
                    "which is beyond 2**53 of the smallest unit"
                )
            return Coding(type_, -(-low.numerator // low.denominator) - 1,
                          high.numerator // high.denominator, factor)  # fmt: skip
