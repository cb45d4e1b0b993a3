"""A subject's events as its case: what the rules read, and what it reads of other subjects.

A record's facts are the last ones said, by time and then by id, so that the order of arrival does
not matter. What only names records is replaced by signs in the order of the names: equal facts then
make equal messages, whoever they are of, and no identifier goes where errors are made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from finalrule.core.expressions import Known, Unknown, constant_value
from finalrule.evaluate.kinds import Decision
from finalrule.evaluate.outcomes import output_types
from finalrule.facts.case import Case, Given, Record
from finalrule.watch.event import Said, Stored, restore
from finalrule.watch.model import Model

# A sign that stands for a name: what is printable has no character of the private use area.
_SIGN = re.compile(b"\xee\x80\x80([0-9]+)\xee\x80\x80")

Keys = tuple[Stored, ...]


class View(msgspec.Struct, array_like=True):
    """A subject as others read it: facts and outcomes of its interface (an undetermined outcome is
    null), each with the clause, and the view of what it points at itself."""

    entity: str
    keys: Keys
    facts: dict[str, Stored]
    outcomes: dict[str, tuple[str, list[Stored | None]]]
    refers: View | None


class Node(msgspec.Struct, array_like=True):
    """A record as it is sent to be determined."""

    entity: str
    keys: Keys
    facts: dict[str, Stored]
    refers: View | None
    children: list[Node]


@dataclass(slots=True)
class Told:
    """What events came to for one record. `pointed` names what it points at, by that one's keys."""

    facts: dict[str, Stored | None] = field(default_factory=dict)
    there: bool = True
    pointed: Keys | None = None


@dataclass(frozen=True, slots=True)
class Folded:
    """A subject's records by entity and keys; only those that are there."""

    records: Mapping[tuple[str, tuple[Keys, ...]], Told]

    def pointed(self) -> Iterable[tuple[str, Keys]]:
        """What its records point at: the entity of the record that points, and keys."""
        for (entity, _), told in self.records.items():
            if told.pointed is not None:
                yield entity, told.pointed


def fold(model: Model, said: Iterable[Said]) -> Folded:
    """What events come to, given by time and id."""
    records: dict[tuple[str, tuple[Keys, ...]], Told] = {}
    for one in said:
        told = records.get((one.entity, one.keys))
        if told is None:
            told = records[one.entity, one.keys] = Told()
        told.there = one.there
        told.facts.update(one.facts)
    for entity, keys in [at for at, told in records.items() if not told.there]:
        level = len(keys)
        for at in [at for at in records if at[1][:level] == keys]:
            if model.paths[at[0]][level - 1] == entity:
                del records[at]
    for (entity, keys), told in list(records.items()):
        path = model.paths[entity]
        for level in range(1, len(path)):  # records that only those below speak of
            if (path[level - 1], keys[:level]) not in records:
                records[path[level - 1], keys[:level]] = Told()
        told.pointed = _pointed(model, entity, keys, told)
    return Folded(records)


def _pointed(model: Model, entity: str, keys: tuple[Keys, ...], told: Told) -> Keys | None:
    refers = model.refers[entity]
    if not refers:
        return None
    names = model.named_by.get(entity)
    if names is None:
        named = told.facts.pop(refers, None)
        return None if named is None else (named,)
    own = {name: key for level, values in zip(model.path_keys[entity], keys, strict=True)
           for name, key in zip(level, values, strict=True)}  # fmt: skip
    return tuple(own[name] for name in names)


# --- as a message --------------------------------------------------------------------------------

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Node).decode


def message(
    model: Model, folded: Folded, views: Mapping[tuple[str, Keys], View]
) -> tuple[bytes, list[str]]:
    """The subject's records as one tree, with what they point at, and the names that its signs
    stand for. Empty where there is no record. `views` are by entity and keys."""
    if not folded.records:
        return b"", []
    seen: set[Stored] = set()
    for (entity, keys), told in folded.records.items():
        seen.update([keys[-1][at] for at in model.named_at[entity]])
        if told.pointed is not None:
            view = views.get((model.refers[entity], told.pointed))
            while view is not None:
                seen.update([view.keys[at] for at in model.named_at[view.entity]])
                view = view.refers
    names = sorted(str(name) for name in seen)
    signs: dict[Stored, str] = {
        name: f"\ue000{place:06d}\ue000" for place, name in enumerate(names)
    }
    made: dict[tuple[str, tuple[Keys, ...]], Node] = {}
    ordered = sorted(folded.records, key=lambda at: (len(at[1]), at)) if len(
        folded.records) > 1 else list(folded.records)  # fmt: skip
    for entity, keys in ordered:
        told = folded.records[entity, keys]
        known = {name: value for name, value in sorted(told.facts.items()) if value is not None}
        view = None if told.pointed is None else views.get((model.refers[entity], told.pointed))
        node = Node(
            entity, _signed(model, entity, keys[-1], signs), known,
            None if view is None else _signed_view(model, view, signs), [],
        )  # fmt: skip
        made[entity, keys] = node
        if len(keys) > 1:
            made[model.parents[entity], keys[:-1]].children.append(node)
    return _encode(made[ordered[0]]), names


def named(data: bytes, names: list[str]) -> bytes:
    """JSON text with the names for their signs."""
    return _SIGN.sub(lambda match: _encode(names[int(match[1])])[1:-1], data)


def _signed(model: Model, entity: str, keys: Keys, signs: Mapping[Stored, str]) -> Keys:
    places = model.named_at[entity]
    if len(places) == len(keys):
        return tuple([signs[key] for key in keys])
    return tuple([signs[key] if at in places else key for at, key in enumerate(keys)])


def _signed_view(model: Model, view: View, signs: Mapping[Stored, str]) -> View:
    keys = _signed(model, view.entity, view.keys, signs)
    refers = None if view.refers is None else _signed_view(model, view.refers, signs)
    return View(view.entity, keys, view.facts, view.outcomes, refers)


# --- as a case -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SubjectCase:
    """A case of a subject, whose own record is `subject`, from `node`. The decisions of the records
    that it points at are `given`."""

    case: Case
    subject: Record
    node: Node
    given: dict[Record, dict[str, Decision]]


class Cases:
    """Makes cases of messages."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.types = {
            entity: {name: fact.type for name, fact in model.declared.facts[entity].items()}
            for entity in model.kind_of
        }
        self.outputs = {rule.name: output_types(rule) for rule in model.program.rules}
        self.supposed: Mapping[str, Given] = {}
        self.absent: dict[str, dict[str, Given]] = {}
        for fact in model.program.facts:
            if fact.default is not None:
                said = f"absent: {'; '.join(fact.cites)}"
                given = Given(constant_value(fact.default), said)
                self.absent.setdefault(fact.entity, {})[fact.name] = given
        for figure in model.program.assumed:
            entity, name = figure.name.rsplit(".", 1)
            if figure.value is not None:
                said = f"assumed by {figure.place} ({figure.cite})"
                given = Given(constant_value(figure.value), said)
                self.absent.setdefault(entity, {})[name] = given

    def case(self, data: bytes) -> SubjectCase:
        """The case of a message."""
        root, node = self.root(), _decode(data)
        given: dict[Record, dict[str, Decision]] = {}
        subject = self._record(node, root, root, given)
        return SubjectCase(Case(root, {}, ""), subject, node, given)

    def root(self) -> Record:
        """The record of the program as a whole."""
        return Record(self.model.root, {**self.absent.get(self.model.root, {}), **self.supposed})

    def _record(
        self, node: Node, parent: Record, root: Record, given: dict[Record, dict[str, Decision]]
    ) -> Record:
        record = parent.add(node.entity, self.facts(node.entity, node.keys, node.facts))
        if node.refers is not None:
            record.refers = self._pointed(node.refers, root, given)
        for child in node.children:
            self._record(child, record, root, given)
        return record

    def _pointed(
        self, view: View, root: Record, given: dict[Record, dict[str, Decision]]
    ) -> Record:
        record = root.add(view.entity, self._known(view.entity, view.keys, view.facts))
        if view.refers is not None:
            record.refers = self._pointed(view.refers, root, given)
        path = ",".join(str(key) for key in view.keys)
        given[record] = {
            rule: Decision(winner, self._values(rule, values, f"{rule}[{path}]"))
            for rule, (winner, values) in view.outcomes.items()
        }
        return record

    def facts(self, entity: str, keys: Keys, facts: Mapping[str, Stored]) -> dict[str, Given]:
        """A record's facts, with what the absence of others means."""
        return {**self.absent.get(entity, {}), **self._known(entity, keys, facts)}

    def _known(self, entity: str, keys: Keys, facts: Mapping[str, Stored]) -> dict[str, Given]:
        types = self.types[entity]
        own = dict(zip(self.model.keys[entity], keys, strict=True))
        return {
            name: Given(restore(value, types[name]), "")
            for name, value in (*own.items(), *facts.items())
        }

    def _values(self, rule: str, stored: list[Stored | None], label: str) -> dict[str, Known]:
        unknown = Unknown(frozenset((label,)))
        return {
            output: unknown if value is None else restore(value, type_)
            for (output, type_), value in zip(self.outputs[rule].items(), stored, strict=True)
        }
