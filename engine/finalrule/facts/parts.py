"""Pieces of a case as one source gives them, before the sources are put together."""

from __future__ import annotations

from dataclasses import dataclass, field

from finalrule.diagnostics import Pointer
from finalrule.values import Value


@dataclass(frozen=True, slots=True)
class Found:
    """A fact's value and the place that it was read from."""

    value: Value
    at: Pointer


@dataclass(frozen=True, slots=True)
class Part:
    """What one source says of one record: its facts (keys too) and the records below it. `at` is
    where the record stands in the source."""

    entity: str
    at: Pointer
    facts: dict[str, Found]
    children: list[Part] = field(default_factory=list)
