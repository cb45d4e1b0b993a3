"""The differences of two policies, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from finalrule.core.compile import Compiled

Kind = Literal[
    "parameter", "rounding", "table", "table_row", "table_cell", "variant", "catalogue", "assumed"
]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Side:
    """What one policy says of a name. `text` is for people, with its unit (`65%`); `value` is the
    bare value: of a number its decimal in the unit's display (`65`). `place` is path and line, the
    path from policies/ on."""

    text: str
    value: str
    cite: str
    place: str
    unverified: bool = False
    note: str = ""


def unit_note(unit: str, value: str) -> str:
    """What stands after a number that is shown without its unit: ` (ratio)`."""
    number = value.lstrip("-").replace(".", "", 1).isdigit()
    return f" ({unit})" if number and unit in ("count", "ratio", "rate") else ""


@dataclass(frozen=True, slots=True)
class Difference:
    """One name of which two policies say different things, or the same under other citations. A
    side is None where that policy does not have it. `part` is the section of the regulation,
    `paragraph` the citation that it was taken from; `unit` is empty but for figures and cells."""

    kind: Kind
    name: str
    part: str
    paragraph: str
    unit: str
    a: Side | None
    b: Side | None


@dataclass(frozen=True, slots=True)
class CatalogueDiff:
    """A catalogue whose files differ. `records` are the numbers of records on both sides;
    `read_cells` counts the changed cells in columns that the rules declare, of all `cells`."""

    name: str
    part: str
    paragraph: str
    a: Side
    b: Side
    records: tuple[int, int]
    only_a: int
    only_b: int
    cells: int
    read_cells: int
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two compiled policies and what they differ in. `differences` holds everything but catalogue
    records, in the order of the regulation, assumed values last; `citations` what is the same but
    cited otherwise, or unverified in one policy alone. `only_part` is the part that was asked for,
    or empty."""

    a: Compiled
    b: Compiled
    a_path: str
    b_path: str
    differences: tuple[Difference, ...]
    citations: tuple[Difference, ...]
    catalogues: tuple[CatalogueDiff, ...]
    only_part: str = ""

    def __bool__(self) -> bool:
        """Whether the policies differ."""
        return bool(self.differences or self.catalogues)
