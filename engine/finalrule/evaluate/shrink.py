"""Cases made smaller while they still show what they were found for, and written for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from finalrule.core import ir
from finalrule.core.expressions import constant_value
from finalrule.evaluate.generate import GENERATED
from finalrule.evaluate.types import Types
from finalrule.facts.case import Case, Given, Record
from finalrule.values import Value, show

# A case of a dozen records is small after some hundred tries.
MAXIMUM_TRIES = 2000


def shrink(case: Case, program: ir.Program, shows: Callable[[Case], bool]) -> Case:
    """The smallest case found that still shows it."""
    tries = 0
    while True:
        for candidate in smaller(case, program):
            tries += 1
            if tries > MAXIMUM_TRIES:
                return case
            if shows(candidate):
                case = candidate
                break
        else:
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
    """The case with a little less, each a case that may be: without one record, without one fact
    that may be unknown, with one default more, without one reference."""
    keyless = {entity.name for entity in program.entities if not entity.keys}
    declared = {(fact.entity, fact.name): fact for fact in program.facts}
    paths = list(_paths(case.root))
    for path in paths:
        if path and path[-1][0] not in keyless:
            yield Case(_changed(case.root, path, None), case.subject, "")
    for path in paths:
        record = _at(case.root, path)
        if record.refers is not None:
            root = _changed(case.root, _ELSEWHERE, None)
            _at(root, path).refers = None
            yield Case(root, case.subject, "")
        for name, given in record.facts.items():
            fact = declared[record.entity, name]
            default = None if fact.default is None else constant_value(fact.default)
            if fact.presence != "required" and given.value != default:
                yield Case(_changed(case.root, path, (name, default)), case.subject, "")


_Path = tuple[tuple[str, int], ...]
_ELSEWHERE: _Path = (("", -1),)


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


def _changed(root: Record, path: _Path, fact: tuple[str, Value | None] | None) -> Record:
    """A copy in which the record at a path is not there, or has a fact's value or no value. What
    pointed at a record that is not there points at nothing."""
    copies: dict[Record, Record] = {}
    copied = _copied(root, path, fact, copies)
    for record, copy in copies.items():
        copy.refers = copies.get(record.refers) if record.refers is not None else None
    return copied


def _copied(
    record: Record,
    path: _Path,
    fact: tuple[str, Value | None] | None,
    copies: dict[Record, Record],
) -> Record:
    copied = copies[record] = Record(record.entity, dict(record.facts), name=record.name)
    if not path and fact is not None:
        name, value = fact
        copied.facts.pop(name)
        if value is not None:
            copied.facts[name] = Given(value, GENERATED)
    for entity, records in record.children.items():
        for place, child in enumerate(records):
            on_path = bool(path) and path[0] == (entity, place)
            if on_path and len(path) == 1 and fact is None:
                continue
            made = _copied(child, path[1:] if on_path else _ELSEWHERE, fact, copies)
            made.parent = copied
            copied.children.setdefault(entity, []).append(made)
    return copied
