"""What one decision read: facts with their origin, figures with their citation, catalogue records,
and the outcomes of other rules; gathered while the decision is described."""

from __future__ import annotations

from dataclasses import dataclass, field

from finalrule.core import ir
from finalrule.core.expressions import Frame, Known, Unknown
from finalrule.evaluate.outcomes import OutcomeName
from finalrule.evaluate.plan import Data, Plans, shown
from finalrule.evaluate.scalar import Evaluation

# Of more related records than this, the others are counted and not shown.
MAXIMUM_RECORDS_SHOWN = 200


@dataclass(slots=True)
class Traced:
    """An evaluation that is being traced, and what several of its decisions show alike."""

    plans: Plans
    evaluation: Evaluation
    _facts: dict[tuple[Frame, str], Data] = field(default_factory=dict)
    _below: dict[tuple[Frame, str], list[Frame]] = field(default_factory=dict)

    def fact(self, frame: Frame, name: str) -> Data:
        """A fact of a record, with where it came from."""
        found = self._facts.get((frame, name))
        if found is None:
            given = self.evaluation.records[frame].facts.get(name)
            found = self._facts[frame, name] = {"name": frame.label(name)}
            if given is None:
                found["text"] = "unknown"
            else:
                type_ = self.plans.types.facts[frame.entity, name]
                found.update(shown(given.value, type_))
                found["from"] = given.origin
        return found

    def below(self, frame: Frame, entity: str) -> list[Frame]:
        """The related records, in the order of their keys, whatever their order in the case."""
        found = self._below.get((frame, entity))
        if found is None:
            records = frame.below.get(entity, [])
            found = self._below[frame, entity] = sorted(records, key=lambda record: record.path)
        return found


class Reading:
    """What one decision of a rule read."""

    def __init__(self, traced: Traced, rule: ir.AnyRule, frame: Frame) -> None:
        self.traced, self.frame = traced, frame
        self.plan = traced.plans.of(rule)
        frame.lets = {}
        self.outcomes: dict[tuple[str, Frame], None] = {}
        self._facts: dict[tuple[str, str], Data] = {}
        self._parameters: dict[str, Data] = {}
        self._roundings: dict[str, Data] = {}
        self._records: dict[tuple[str, tuple[str, ...]], Data] = {}
        self._lets: dict[str, Data] = {}
        self._left_out: dict[str, int] = {}

    def data(self) -> Data:
        """What was read, each list left out when it is empty."""
        found: Data = {}
        if self._lets:
            found["lets"] = list(self._lets.values())
        for name, entries in (
            ("facts", self._facts), ("parameters", self._parameters),
            ("roundings", self._roundings), ("catalogue", self._records),
        ):  # fmt: skip
            if entries:
                found[name] = [entries[key] for key in sorted(entries)]  # type: ignore[index]
        if self.outcomes:
            found["reads"] = [str(OutcomeName(rule, at.path)) for rule, at in self.outcomes]
        if self._left_out:
            found["left_out"] = self._left_out
        return found

    def says(self, expr: ir.Expr, frame: Frame | None = None) -> str:
        """An expression with the values of what it reads, which is gathered."""
        frame = frame or self.frame
        self.gather(expr, frame)
        return self.plan.of(expr).text(frame)

    def value(self, expr: ir.Expr, frame: Frame | None = None) -> Known:
        """The value of an expression."""
        return self.plan.of(expr).run(frame or self.frame)

    def shown(self, expr: ir.Expr, frame: Frame | None = None) -> Data:
        """The value of an expression as data."""
        planned = self.plan.of(expr)
        return shown(planned.run(frame or self.frame), planned.type)

    def keys(self, keys: tuple[ir.Expr, ...]) -> tuple[str, ...] | None:
        """The keys of a catalogue's record; None when one is not determined."""
        values = [self.value(key) for key in keys]
        return None if any(isinstance(v, Unknown) for v in values) else tuple(map(str, values))

    def first(self, records: list[Frame]) -> list[Frame]:
        """As many of the records as are shown; the others are counted."""
        if len(records) > MAXIMUM_RECORDS_SHOWN:
            self._left_out[records[0].entity] = len(records) - MAXIMUM_RECORDS_SHOWN
        return records[:MAXIMUM_RECORDS_SHOWN]

    def gather(self, expr: ir.Expr, frame: Frame) -> None:
        """Note everything that an expression reads at a frame."""
        reads = self.plan.of(expr).reads
        for fact in reads.facts:
            owner = frame.up.get(fact.entity)
            if owner is None:
                self._nowhere(frame, fact.entity)
                continue
            entry = self.traced.fact(owner, fact.name)
            self._facts[fact.entity, entry["name"]] = entry
        for rule, entity in reads.outcomes:
            found = frame.up.get(entity)
            if found is None:
                self._nowhere(frame, entity)
            else:
                self.outcomes[rule, found] = None
        for name in reads.parameters:
            self._parameters[name] = self.traced.plans.parameter(name)
        for name in reads.lets:
            self.let(name, frame)
        for name in reads.roundings:
            self.rounding(name)
        for node in reads.records:
            self._record(node, frame)
        for aggregate in reads.aggregates:
            self._aggregate(aggregate, frame)

    def _nowhere(self, frame: Frame, entity: str) -> None:
        """Note that a record points at nothing where what it refers to would be read."""
        for name in sorted(frame.missing(entity)):
            self._facts[frame.entity, name] = {"name": name, "text": "points at no record"}

    def let(self, name: str, frame: Frame) -> None:
        """Note a let and what it reads; of another record, only what it reads."""
        if frame is not self.frame:
            self.gather(self.plan.lets[name], frame)
        elif name not in self._lets:
            self._lets[name] = {}  # before those that it reads
            value = self.plan.lets[name]
            said = self.says(value)
            self._lets[name] = {"name": name, "says": said, **self.shown(value)}

    def rounding(self, name: str) -> None:
        """Note a rounding rule."""
        self._roundings[name] = self.traced.plans.rounding(name)

    def record(self, catalogue: str, keys: tuple[str, ...], fields: dict[str, str]) -> None:
        """Note a record of a catalogue, and what was read of it."""
        plans = self.traced.plans
        declared = plans.catalogues[catalogue]
        found = plans.context.catalogues[catalogue].record(keys) is not None
        entry = self._records.setdefault(
            (catalogue, keys),
            {"catalogue": catalogue, "keys": list(keys), "found": found, "file": declared.path,
             "cite": declared.cite, "fields": {}},
        )  # fmt: skip
        entry["fields"].update(fields)

    def _record(self, node: ir.Lookup | ir.Listed, frame: Frame) -> None:
        values = [self.value(key, frame) for key in node.keys]
        if not any(isinstance(value, Unknown) for value in values):
            keys = tuple(map(str, values))
            fields = {}
            if isinstance(node, ir.Lookup):
                fields[node.field] = self.shown(node, frame)["text"]
            self.record(node.catalogue, keys, fields)

    def _aggregate(self, node: ir.Aggregate, frame: Frame) -> None:
        for record in self.first(self.traced.below(frame, node.entity)):
            met = True if node.where is None else self.value(node.where, record)
            if node.where is not None:
                self.gather(node.where, record)
            if met is not False and node.item is not None:
                self.gather(node.item, record)
        if node.empty is not None:
            self.gather(node.empty, frame)
