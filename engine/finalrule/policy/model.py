"""A resolved policy: what one year file says, every value typed by its unit, cited and placed."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from finalrule.citations import Citation
from finalrule.source import Span
from finalrule.values import Mode, Unit, Value

FigureUnit = Unit | Literal["codes", "date", "yes_no", "text"]
FIGURE_UNITS: tuple[FigureUnit, ...] = (*get_args(Unit), "codes", "date", "yes_no", "text")
Status = Literal["", "not_in_force", "to_be_announced"]
STATUSES: tuple[Status, ...] = ("not_in_force", "to_be_announced")


@dataclass(frozen=True, slots=True)
class Figure:
    """A parameter, or an assumed value.

    `value` is None exactly when `status` says why: a number in the unit's quantity (45 % is
    45/100), a frozenset of text (codes), a date, a bool (yes_no) or text. `text` is the value as
    written; codes are joined by `, `. `span` is the block's key, `value_span` and `cite_span` the
    value and the citation.
    """

    name: str
    unit: FigureUnit
    value: Value | None
    status: Status
    text: str
    cite: Citation
    unverified: bool
    carried_from: str
    note: str
    span: Span
    value_span: Span
    cite_span: Span


@dataclass(frozen=True, slots=True)
class RoundingFigure:
    """A rounding rule: `places` are decimal places of the unit's display (`45.67%` has two)."""

    name: str
    unit: Unit
    places: int
    mode: Mode
    cite: Citation
    unverified: bool
    note: str
    span: Span


@dataclass(frozen=True, slots=True)
class CellText:
    """A table's cell as written; it is typed by the table's declaration."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class RowCells:
    """A table's row. `cite` is the row's own or, where it has none, the table's; `unverified` holds
    for the row where it, or the table, says so. `span` is the row's name."""

    name: str
    cells: dict[str, CellText]
    cite: Citation
    unverified: bool
    note: str
    span: Span


@dataclass(frozen=True, slots=True)
class TableRows:
    """A table's rows by name, in the order of the file. `span` is the table's name."""

    name: str
    cite: Citation
    rows: dict[str, RowCells]
    note: str
    span: Span


@dataclass(frozen=True, slots=True)
class InForce:
    """What the year file says of a rule: the variant in force, or that it is not in force (then
    `variant` is empty). `span` is the rule's name, `variant_span` that of `variant` or
    `not_in_force`'s value."""

    name: str
    variant: str
    not_in_force: bool
    cite: Citation
    unverified: bool
    note: str
    span: Span
    variant_span: Span


@dataclass(frozen=True, slots=True)
class CatalogueFile:
    """A file of keyed records. `path` is relative to policies/ with `/`, `file` where it is found,
    `digest` the SHA-256 of its bytes."""

    name: str
    path: str
    file: Path
    digest: str
    cite: Citation
    unverified: bool
    note: str
    span: Span
    path_span: Span


@dataclass(frozen=True, slots=True)
class Published:
    """Where and when the policy was published."""

    title: str
    date: datetime.date
    cite: Citation


@dataclass(frozen=True, slots=True)
class Change:
    """A value that a scenario changed: its name, the base's text and the new text. `span` is the
    setting as given."""

    name: str
    was: str
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of one year's rules, as its year file states it. `base` is the id of the policy
    that `changes` were made to (the policy's own id when there are none). `span` is the id."""

    id: str
    title: str
    performance_year: int
    payment_year: int
    stage: str
    tracks: tuple[str, ...]
    published: Published
    parameters: dict[str, Figure]
    roundings: dict[str, RoundingFigure]
    tables: dict[str, TableRows]
    rules: dict[str, InForce]
    catalogues: dict[str, CatalogueFile]
    assumed: dict[str, Figure]
    span: Span
    base: str
    changes: tuple[Change, ...] = ()
