"""Cases made smaller while they still show what they were found for, and written for people."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice

from finalrule.core import ir
from finalrule.core.expressions import constant_value
from finalrule.evaluate.generate import GENERATED
from finalrule.evaluate.types import Types
from finalrule.facts.case import Case, Given, Record
from finalrule.values import Value, show

# A case of a dozen records is small after some hundred tries.
MAXIMUM_TRIES = 2000

# Of cases in a row the place of the first that still shows it; None where none does.
First = Callable[[Sequence[Case]], int | None]


def shrink(case: Case, program: ir.Program, shows: Callable[[Case], bool]) -> Case:
    """The smallest case found that still shows it."""

    def first(cases: Sequence[Case]) -> int | None:
        return next((place for place, one in enumerate(cases) if shows(one)), None)

    return shrink_by(case, program, first, 1)


def shrink_by(case: Case, program: ir.Program, first: First, batch: int) -> Case:
    """The same, trying a number of cases at a time."""
    tries = 0
    while tries < MAXIMUM_TRIES:
        candidates = smaller(case, program)
        while tried := list(islice(candidates, batch)):
            tries += len(tried)
            place = first(tried)
            if place is not None:
                case = tried[place]
                break
            if tries >= MAXIMUM_TRIES:
                return case
        else:
            return case
    return case


def case_text(case: Case, program: ir.Program) -> str:
    """Every record with its facts, children indented."""
    return "\n".join(_lines(case.root, program, Types(program), ""))


def _lines(record: Record, program: ir.Program, types: Types, indent: str) -> Iterator[str]:
    yield f"{indent}{record.entity}"
    for name, given in record.facts.items():
        value = show(given.value, types.facts[record.entity, name])
        yield f"{indent}  {name}: {value}"
    if record.refers is not None:
        yield f"{indent}  {record.refers.entity}: {_place(record.refers)}"
    for children in record.children.values():
        for child in children:
            yield from _lines(child, program, types, indent + "  ")


def _place(record: Record) -> str:
    """Where a record stands: the number of each record on the way, among its siblings."""
    places: list[str] = []
    while record.parent is not None:
        siblings = record.parent.children[record.entity]
        number = next(n for n, each in enumerate(siblings, 1) if each is record)
        places.insert(0, f"{record.entity} {number}")
        record = record.parent
    return " / ".join(places)


def smaller(case: Case, program: ir.Program) -> Iterator[Case]:
    """The case with less, each a case that may be, much less first: without the records of an
    entity below a record, without one record, without what a record does not need, without one fact
    that may be unknown, with one default more, without one reference."""
    keyless = {entity.name for entity in program.entities if not entity.keys}
    declared = {(fact.entity, fact.name): fact for fact in program.facts}

    def without(*paths: _Path) -> Case:
        return Case(_changed(case.root, paths, {}), case.subject, "")

    paths = list(_paths(case.root))
    for path in paths:
        for entity, records in _at(case.root, path).children.items():
            if len(records) > 1:
                kept = 1 if entity in keyless else 0
                yield without(*((*path, (entity, place)) for place in range(kept, len(records))))
    for path in paths:
        if path:
            entity = path[-1][0]
            if entity not in keyless or len(_at(case.root, path[:-1]).children[entity]) > 1:
                yield without(path)
    single = []
    for path in paths:
        record = _at(case.root, path)
        less: dict[str, Value | None] = {}
        for name, given in record.facts.items():
            fact = declared[record.entity, name]
            default = None if fact.default is None else constant_value(fact.default)
            if fact.presence != "required" and given.value != default:
                less[name] = default
        if len(less) > 1:
            yield Case(_changed(case.root, (), {path: less}), case.subject, "")
        single += [{path: {name: value}} for name, value in less.items()]
    for one in single:
        yield Case(_changed(case.root, (), one), case.subject, "")
    for path in paths:
        if _at(case.root, path).refers is not None:
            root = _changed(case.root, (), {})
            _at(root, path).refers = None
            yield Case(root, case.subject, "")


_Path = tuple[tuple[str, int], ...]
# What becomes of facts of the records at some paths; None: no value.
_Facts = Mapping[_Path, Mapping[str, Value | None]]


def _paths(record: Record) -> Iterator[_Path]:
    yield ()
    for entity, records in record.children.items():
        for place, child in enumerate(records):
            for rest in _paths(child):
                yield ((entity, place), *rest)


def _at(record: Record, path: _Path) -> Record:
    for entity, place in path:
        record = record.children[entity][place]
    return record


def _changed(root: Record, without: Collection[_Path], facts: _Facts) -> Record:
    """A copy without the records at some paths, and with other facts. What pointed at a record that
    is not there points at nothing."""
    copies: dict[Record, Record] = {}
    copied = _copied(root, (), without, facts, copies)
    for record, copy in copies.items():
        copy.refers = copies.get(record.refers) if record.refers is not None else None
    return copied


def _copied(
    record: Record,
    path: _Path,
    without: Collection[_Path],
    facts: _Facts,
    copies: dict[Record, Record],
) -> Record:
    copied = copies[record] = Record(record.entity, dict(record.facts), name=record.name)
    for name, value in facts.get(path, {}).items():
        copied.facts.pop(name)
        if value is not None:
            copied.facts[name] = Given(value, GENERATED)
    for entity, records in record.children.items():
        for place, child in enumerate(records):
            below = (*path, (entity, place))
            if below not in without:
                made = _copied(child, below, without, facts, copies)
                made.parent = copied
                copied.children.setdefault(entity, []).append(made)
    return copied
