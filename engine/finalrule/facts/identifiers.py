"""Taxpayer identification numbers and national provider identifiers. Neither is ever shown."""

from __future__ import annotations

from finalrule.facts.json_item import Item

# An NPI's check digit is the Luhn digit of 80840 (the health industry in the United States) and
# the NPI (45 CFR 162.406).
_NPI_PREFIX = "80840"
# TINs that begin with 000 belong to nobody; CMS's preview environment takes only those.
_TEST_TIN = "000"


def read_tin(item: Item) -> str | None:
    """A TIN: nine digits."""
    return _digits(item, 9, "a TIN")


def read_npi(item: Item, tin: str | None) -> str | None:
    """An NPI: ten digits, the last of which checks the others. Beside a test TIN (or none that can
    be read) a wrong check digit is a warning."""
    npi = _digits(item, 10, "an NPI")
    if npi is None or check_digit_holds(npi):
        return npi
    message = f"{item.name} is not an NPI: its last digit does not check the others"
    help = "compare it with the NPI registry"
    if tin is None or tin.startswith(_TEST_TIN):
        item.warn("npi-check-digit", message, help=help)
        return npi
    item.fail("npi-check-digit", message, help=help)
    return None


def check_digit_holds(npi: str) -> bool:
    """Whether the last of an NPI's ten digits is the Luhn digit of the others."""
    total = 0
    for place, digit in enumerate(reversed(_NPI_PREFIX + npi)):
        doubled = int(digit) * (2 if place % 2 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def _digits(item: Item, count: int, what: str) -> str | None:
    text = item.text()
    if text is None:
        return None
    if len(text) == count and text.isascii() and text.isdigit():
        return text
    item.fail(
        "identifier-shape", f"{item.name} must be {what}: {count} digits as text",
        help=f"write the {count} digits, leading zeros too, without spaces or hyphens",
    )  # fmt: skip
    return None
