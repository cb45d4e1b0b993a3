"""What derived benchmarks change against another set of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from finalrule.benchmarks.derive import Derived, cells
from finalrule.benchmarks.distribution import Key
from finalrule.benchmarks.published import Published
from finalrule.catalogue.layout import DECILES
from finalrule.values import parse_decimal


@dataclass(frozen=True, slots=True)
class Change:
    """A cell that another set has otherwise. `moved` is by how much a bound moved; None for one
    that is not there on one side, and for what is no bound."""

    column: str
    was: str
    now: str
    moved: Fraction | None


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs from the set at `path`, which has `records` benchmarks. `changed` names the
    changes of those that both have."""

    path: str
    records: int
    new: tuple[Key, ...]
    gone: tuple[Key, ...]
    changed: Mapping[Key, tuple[Change, ...]]

    def __bool__(self) -> bool:
        return bool(self.new or self.gone or self.changed)

    @property
    def moved(self) -> list[Fraction]:
        """By how much each bound that both sets have moved."""
        changes = (one for each in self.changed.values() for one in each)
        return [one.moved for one in changes if one.moved is not None]

    def turned(self, column: str, now: bool) -> int:
        """How many benchmarks have a flag now (or no longer) that the other set has otherwise."""
        text = "yes" if now else "no"
        changes = (one for each in self.changed.values() for one in each)
        return sum(one.column == column and one.now == text for one in changes)


def compare(derived: Derived, other: Published) -> Difference:
    """The differences in the order of the keys; numbers are compared as numbers (20.0 is 20). The
    year of the benchmarks is not compared."""
    there = sorted(other.keys)
    changed = {}
    for key, one in derived.benchmarks.items():
        if key in there:
            changes = _changes(cells(one), {c: other.text(key, c) for c in other.rows.header})
            if changes:
                changed[key] = changes
    return Difference(
        other.path,
        len(there),
        tuple(key for key in derived.benchmarks if key not in there),
        tuple(key for key in there if key not in derived.benchmarks),
        changed,
    )


def _changes(now: Mapping[str, str], was: Mapping[str, str]) -> tuple[Change, ...]:
    found = []
    for column in ("metric_type", "inverse", "topped_out", "topped_out_cap"):
        if was[column] != now[column]:
            found.append(Change(column, was[column], now[column], None))
    for column in DECILES:
        before, after = parse_decimal(was[column]), parse_decimal(now.get(column, ""))
        if before != after:
            moved = None if before is None or after is None else after - before
            found.append(Change(column, was[column], now.get(column, ""), moved))
    return tuple(found)
