"""A JSON value together with its place, and typed reading of it.

Each reading method returns None after it has reported what was expected, so that a reader goes on
and every fault of a file is shown at once. A null counts as a value that is not there.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from finalrule.diagnostics import Label, Pointer, Report, suggest
from finalrule.values import decimal_text, one_of

Json = dict[str, "Json"] | list["Json"] | str | bool | int | Decimal | None

MAXIMUM_COUNT = 100_000_000
MAXIMUM_FINDINGS = 1_000
_LONG_DIGITS = re.compile(r"\d{9,}")


def shown(text: str) -> str:
    """Text from a file as it may stand in a message: one short line, and runs of nine digits or
    more hidden, since they may be a TIN or an NPI."""
    plain = "".join(char if char.isprintable() else "?" for char in text)
    hidden = _LONG_DIGITS.sub(lambda match: "#" * len(match[0]), plain)
    return hidden if len(hidden) <= 60 else hidden[:57] + "..."


def pointer_token(name: str) -> str:
    """A key as a token of a JSON pointer (RFC 6901), fit to be shown."""
    return shown(name).replace("~", "~0").replace("/", "~1")


@dataclass(frozen=True, slots=True)
class Item:
    """A value, the file that it is in, its JSON pointer there, and where faults are reported."""

    value: Json
    path: str
    pointer: str
    report: Report

    @property
    def at(self) -> Pointer:
        return Pointer(self.path, self.pointer)

    @property
    def name(self) -> str:
        """The key or index that leads here, as messages name it."""
        above, _, token = self.pointer.rpartition("/")
        if token.isdigit() and above:
            return f"`{above.rpartition('/')[2]}[{token}]`"
        return f"`{token.replace('~1', '/').replace('~0', '~')}`" if token else "the document"

    def fail(self, code: str, message: str, *others: Label, help: str = "") -> None:
        """Report an error at this value; `others` are further places that contributed. Raises
        Failure when there are a thousand findings already: nobody reads on from there."""
        self.report.error(code, message, self.at, *others, help=help)
        if len(self.report.diagnostics) >= MAXIMUM_FINDINGS:
            self.report.error(
                "too-many-findings",
                f"reading stopped after {MAXIMUM_FINDINGS:,} findings",
                help="correct what the first ones say; the rest is often their consequence",
            )
            self.report.stop_if_errors()

    def warn(self, code: str, message: str, *others: Label, help: str = "") -> None:
        """Report a warning at this value."""
        self.report.warning(code, message, self.at, *others, help=help)

    def below(self, name: str, value: Json) -> Item:
        """The item of a member of this object."""
        return Item(value, self.path, f"{self.pointer}/{pointer_token(name)}", self.report)

    def wrong_type(self, expected: str) -> None:
        self.fail(
            "json-wrong-type",
            f"{self.name} must be {expected}; it is {_kind(self.value)}",
            help=f"write {expected} here",
        )

    def members(
        self, known: Collection[str], ignored: Collection[str] = (), lenient: bool = False
    ) -> Members | None:
        """The members of an object. Keys that are neither known nor ignored are errors. With
        `lenient` they are warnings, and notes (keys that end with `?`) are left alone."""
        if not isinstance(self.value, dict):
            self.wrong_type("an object")
            return None
        for name in self.value:
            if name in known or name in ignored or (lenient and name.endswith("?")):
                continue
            message = f"`{shown(name)}` is not a key that is read here"
            near = suggest(name, known)
            if lenient:
                near = near or "what it says is not used"
                self.below(name, None).warn("json-unread-key", message, help=near)
            else:
                near = near or f"the keys are {one_of(sorted(known))}"
                self.below(name, None).fail("json-unknown-key", message, help=near)
        found = {
            name: self.below(name, value)
            for name, value in self.value.items()
            if name in known and value is not None
        }
        return Members(self, found)

    def items(self) -> list[Item] | None:
        """The elements of a list."""
        if not isinstance(self.value, list):
            self.wrong_type("a list")
            return None
        return [
            Item(value, self.path, f"{self.pointer}/{index}", self.report)
            for index, value in enumerate(self.value)
        ]

    def text(self) -> str | None:
        """Text that is not empty."""
        if not isinstance(self.value, str):
            self.wrong_type("text")
            return None
        if not self.value.strip():
            self.fail("json-missing-key", f"{self.name} is empty", help="write the value")
            return None
        return self.value

    def yes_no(self) -> bool | None:
        if not isinstance(self.value, bool):
            self.wrong_type("true or false")
            return None
        return self.value

    def number(self, low: int | None = None, high: int | None = None) -> Fraction | None:
        """An exact number between two bounds, both included."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | Decimal):
            self.wrong_type("a number")
            return None
        number = Fraction(self.value)
        below, above = low is not None and number < low, high is not None and number > high
        if below or above:
            bounds = f"at least {low:,}" if high is None else f"from {low:,} to {high:,}"
            self.fail(
                "value-out-of-bounds",
                f"{self.name} must be {bounds}; it is {decimal_text(number)}",
                help="correct the figure",
            )
            return None
        return number

    def count(self) -> int | None:
        """A whole number from 0 to 100 million."""
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            self.wrong_type("a whole number")
            return None
        return None if self.number(0, MAXIMUM_COUNT) is None else self.value

    def date(self) -> datetime.date | None:
        """A date written as 2019-12-31."""
        if not isinstance(self.value, str):
            self.wrong_type("a date, such as 2019-12-31")
            return None
        try:
            return datetime.datetime.strptime(self.value, "%Y-%m-%d").date()
        except ValueError:
            self.fail(
                "value-date", f"{self.name} is not a date of the calendar: `{shown(self.value)}`",
                help="write year, month and day, such as 2019-12-31",
            )  # fmt: skip
            return None

    def member(self, names: Collection[str]) -> str | None:
        """One of a few names."""
        text = self.text()
        if text is None or text in names:
            return text
        self.fail(
            "value-unknown",
            f"{self.name} must be {one_of(sorted(names))}; it is `{shown(text)}`",
            help=suggest(text, names) or "write one of these",
        )
        return None

    @property
    def decimals(self) -> int:
        """Decimal places as written: 82.50 has two."""
        if not isinstance(self.value, Decimal):
            return 0
        exponent = self.value.as_tuple().exponent
        return max(0, -exponent) if isinstance(exponent, int) else 0


@dataclass(frozen=True, slots=True)
class Members:
    """The members of an object that are known and not null."""

    owner: Item
    found: Mapping[str, Item]

    def get(self, name: str) -> Item | None:
        return self.found.get(name)

    def need(self, name: str, what: str) -> Item | None:
        """A member that must be there; `what` says in the report what it is."""
        item = self.found.get(name)
        if item is None:
            self.owner.fail(
                "json-missing-key", f"`{name}` is missing: {what}", help=f"add `{name}`"
            )
        return item

    def __iter__(self) -> Iterator[str]:
        return iter(self.found)


def _kind(value: Json) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return "a whole number"
        case Decimal():
            return "a decimal"
        case str():
            return "text"
        case list():
            return "a list"
        case dict():
            return "an object"
