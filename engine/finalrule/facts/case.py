"""A case: one root record with every record that is reached from it, each fact with its origin.

This is what the readers of files make and what the evaluators take.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from finalrule.values import Value


@dataclass(frozen=True, slots=True)
class Given:
    """A fact's value and where it came from: `submission.json#/measurementSets/0/...`, a table's
    row, `year file (assumed)`, or the citation of what its absence means."""

    value: Value
    origin: str


@dataclass(slots=True, eq=False)
class Record:
    """One record. `facts` holds what is known (keys too); a fact that is not there is unknown.
    `children` holds records by entity name, each list in a fixed order. `refers` is the record of
    the same case that this one points at, where its entity refers to another. `name` is what
    outcomes are named by, where that is not the record's keys."""

    entity: str
    facts: dict[str, Given]
    parent: Record | None = None
    children: dict[str, list[Record]] = field(default_factory=dict)
    refers: Record | None = None
    name: tuple[str, ...] = ()

    def add(self, entity: str, facts: dict[str, Given]) -> Record:
        """Append a child record and return it."""
        child = Record(entity, facts, parent=self)
        self.children.setdefault(entity, []).append(child)
        return child

    def walk(self) -> Iterator[Record]:
        """This record and all below it, depth first."""
        yield self
        for records in self.children.values():
            for record in records:
                yield from record.walk()


@dataclass(frozen=True, slots=True)
class Case:
    """`root` is the record of the root entity; `subject` names the scoring unit as the user knows
    it (entity type, TIN, NPI or entity id); `facts_digest` is the SHA-256 of what was read."""

    root: Record
    subject: dict[str, str]
    facts_digest: str
