"""One line of the stream as an event, or why it is none.

An event says facts of one record, whose keys are its `subject`, or takes back an earlier event. The
rules' declarations say which facts there are and which values they may have.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec

from finalrule.core import ir
from finalrule.diagnostics import suggest
from finalrule.facts.declared import unfit
from finalrule.facts.json_item import shown
from finalrule.values import (
    MAXIMUM_DIGITS,
    Code,
    Codes,
    Date,
    Enumeration,
    Number,
    Type,
    Value,
    YesNo,
    one_of,
    parse_number,
    parse_value,
    type_name,
)
from finalrule.watch.model import KINDS, RETRACTION, Model

MAXIMUM_LINE = 1024 * 1024
_MAXIMUM_TEXT = 200
_MAXIMUM_EXPONENT = 40
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)

# A value as it is stored and sent: a number as [numerator, denominator], a date as its day.
Stored = bool | str | int | tuple[int, int]


class Said(msgspec.Struct, frozen=True, array_like=True):
    """What an event says: of the record of `entity` at `keys` (by level, the subject's own first).
    A fact that is null is no longer known; `there` says whether there is such a record."""

    kind: str
    entity: str
    keys: tuple[tuple[Stored, ...], ...]
    facts: dict[str, Stored | None] = {}
    there: bool = True
    retracts: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """An event as read: `at` in microseconds from 1970 (UTC), `subject` by place of its kind."""

    id: str
    at: int
    subject: int
    said: Said


class Refused(Exception):
    """Why a line is not taken: a reason in one word, a sentence, and what to do."""

    def __init__(self, reason: str, message: str, help: str = "", id: str = "") -> None:
        super().__init__(message)
        self.reason, self.message, self.help, self.id = reason, message, help, id


def store(value: Value) -> Stored:
    """A fact's value as it is stored."""
    match value:
        case Fraction():
            return value.numerator, value.denominator
        case datetime.date():
            return value.toordinal()
        case bool() | str():
            return value
    raise TypeError(f"a fact cannot be a set of codes: {value}")


def restore(stored: Any, type_: Type) -> Value:
    """The reverse of `store`."""
    match type_:
        case Number():
            return Fraction(*stored)
        case Date():
            return datetime.date.fromordinal(stored)
        case _:
            value: Value = stored
            return value


class Reader:
    """Reads events of what a model watches."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.kinds = {
            kind: {
                frozenset(name for names in model.path_keys[entity] for name in names): entity
                for entity in entities
                if entity in model.kind_of
            }
            for kind, entities in KINDS.items()
        }
        self.kinds = {kind: found for kind, found in self.kinds.items() if found}
        self.kinds[RETRACTION] = {
            keys: entity for found in self.kinds.values() for keys, entity in found.items()
        }
        self._decode = json.JSONDecoder(
            object_pairs_hook=_object, parse_int=_whole, parse_float=_decimal,
            parse_constant=_constant,
        ).decode  # fmt: skip

    def read(self, line: bytes) -> Event:
        """The event in a line. Raises Refused."""
        if len(line) > MAXIMUM_LINE:
            raise Refused("too-long", "the line is longer than 1 MiB", "an event is a short line")
        try:
            value = self._decode(line.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise Refused("not-utf-8", f"byte {error.start + 1} is not UTF-8 text",
                          "save the file as UTF-8") from None  # fmt: skip
        except json.JSONDecodeError as error:
            raise Refused("not-json", f"this is not JSON: {error.msg} (column {error.colno})",
                          "an event is one JSON object on one line") from None  # fmt: skip
        except RecursionError:
            raise Refused("not-json", "objects and lists are nested too deep",
                          "an event is flat but for `subject` and `facts`") from None  # fmt: skip
        if not isinstance(value, dict):
            raise Refused("not-an-event", "the line is not an object",
                          'an event begins {"id": "...", "at": ...')  # fmt: skip
        own = value.get("id")
        try:
            return self._event(value)
        except Refused as refused:
            refused.id = own if isinstance(own, str) and len(own) <= _MAXIMUM_TEXT else ""
            raise

    def _event(self, value: Mapping[str, Any]) -> Event:
        kind = _text(value, "kind")
        if kind not in self.kinds:
            raise Refused("unknown-kind", f"there is no kind of event `{shown(kind)}`",
                          suggest(kind, self.kinds)
                          or f"write {one_of(sorted(self.kinds))}")  # fmt: skip
        own = ("retracts",) if kind == RETRACTION else ("facts", "there")
        for name in value.keys() - {"id", "at", "kind", "subject", *own}:
            raise Refused("unknown-key", f"a {kind} event has no `{shown(name)}`",
                          suggest(name, (*_KEYS, *own))
                          or f"its keys are {one_of((*_KEYS, *own))}")  # fmt: skip
        id_, at = _text(value, "id"), _time(_text(value, "at"))
        entity, keys = self._subject(kind, value.get("subject"))
        subject = self.model.kind_of[entity]
        if kind == RETRACTION:
            target = _text(value, "retracts")
            if target == id_:
                raise Refused("retracts-itself", "an event does not retract itself",
                              "name the event that was wrong")  # fmt: skip
            return Event(id_, at, subject, Said(kind, entity, keys[:1], retracts=target))
        there = value.get("there", True)
        if not isinstance(there, bool):
            raise Refused("wrong-type", "`there` must be true or false", "leave it out")
        facts = self._facts(entity, value.get("facts", {}), KINDS[kind][entity])
        if facts and not there:
            raise Refused("facts-of-nothing", "an event says facts of a record, or that it is gone",
                          "leave `facts` out, or `there`")  # fmt: skip
        return Event(id_, at, subject, Said(kind, entity, keys, facts, there))

    def _subject(self, kind: str, given: Any) -> tuple[str, tuple[tuple[Stored, ...], ...]]:
        if not isinstance(given, dict):
            raise Refused("missing-key", "`subject` is missing: the keys of a record",
                          'write, for example, "subject": {"unit": "A1001"}')  # fmt: skip
        entity = self.kinds[kind].get(frozenset(given))
        if entity is None:
            ways = [" and ".join(sorted(keys)) for keys in self.kinds[kind]]
            raise Refused("unknown-subject-keys", f"no record of a {kind} event is named by "
                          f"{one_of([shown(name) for name in sorted(given)] or ['nothing'])}",
                          f"name it by {'; or by '.join(ways)}")  # fmt: skip
        facts = self.model.declared.facts
        return entity, tuple(
            [
                tuple([_key(given[name], facts[level][name]) for name in self.model.keys[level]])
                for level in self.model.paths[entity]
            ]
        )

    def _facts(self, entity: str, given: Any, only: tuple[str, ...]) -> dict[str, Stored | None]:
        if not isinstance(given, dict):
            raise Refused("wrong-type", "`facts` must be an object",
                          'write "facts": {"name": value}')  # fmt: skip
        declared = self.model.declared.facts[entity]
        keys, refers = self.model.keys[entity], self.model.refers[entity]
        found: dict[str, Stored | None] = {}
        for name in sorted(given):
            value = given[name]
            if only and name not in only and name in declared:
                raise Refused("fact-of-another-kind", f"this kind of event does not say `{name}`",
                              f"it says {one_of(only)}")  # fmt: skip
            if name == refers and entity not in self.model.named_by:
                found[name] = None if value is None else _code(value, name)
            elif name not in declared or name in keys:
                known = [
                    *(one for one in declared if one not in keys),
                    *([refers] if refers else []),
                ]
                raise Refused("unknown-fact", f"{entity} has no fact `{shown(name)}`",
                              suggest(name, known) or "see `finalrule show facts`")  # fmt: skip
            else:
                found[name] = (
                    None if value is None else store(_value(value, name, declared[name].type))
                )
        return found


_KEYS = ("id", "at", "kind", "subject")


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value.get(name)
    if text is None:
        raise Refused("missing-key", f"`{name}` is missing", f"add `{name}`")
    return _code(text, name)


def _code(text: Any, name: str) -> str:
    if not isinstance(text, str):
        raise Refused("wrong-type", f"`{shown(name)}` must be text", "write it in quotes")
    if not text.strip() or len(text) > _MAXIMUM_TEXT or not text.isprintable():
        raise Refused("wrong-text", f"`{shown(name)}` must be 1 to {_MAXIMUM_TEXT} printable signs",
                      "write a short name")  # fmt: skip
    return text


def _time(text: str) -> int:
    try:
        if not _TIME.fullmatch(text):
            raise ValueError
        return (datetime.datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        raise Refused("wrong-time", f"`at` is no time of the calendar: `{shown(text)}`",
                      "write it as 2020-04-15T09:30:00Z, or with an offset") from None  # fmt: skip


def _key(value: Any, declaration: ir.FactDeclaration) -> Stored:
    if isinstance(declaration.type, Code):
        return _code(value, declaration.name)
    return store(_value(value, declaration.name, declaration.type))


def _value(given: Any, name: str, type_: Type) -> Value:
    """A value of a type: a number as JSON number or as text with its unit, yes and no as true and
    false or as those words. Raises Refused."""
    value: Value | None = None
    match type_:
        case Number():
            value = _number(given, type_)
        case YesNo() if isinstance(given, bool):
            value = given
        case Code():
            value = _code(given, name)
        case YesNo() | Date() | Enumeration() if isinstance(given, str):
            value = parse_value(given, type_)
        case Codes():
            raise TypeError(f"a fact cannot be a set of codes: {name}")
    if value is None:
        said = f"`{shown(given)}`" if isinstance(given, str) else _kind(given)
        help = suggest(given, type_.members) if isinstance(type_, Enumeration) and isinstance(
            given, str) else ""  # fmt: skip
        raise Refused("wrong-value", f"`{name}` must be of {type_name(type_)}; it is {said}",
                      help or f"write {_example(type_)}")  # fmt: skip
    if wrong := unfit(value, type_):
        raise Refused("value-out-of-bounds", f"`{name}` {wrong}", "correct the figure")
    return value


def _number(given: Any, type_: Number) -> Fraction | None:
    if isinstance(given, str):
        return parse_number(given, type_.unit)
    if isinstance(given, bool) or not isinstance(given, int | Decimal):
        return None
    return Fraction(given) / 100 if type_.unit == "percent" else Fraction(given)


def _example(type_: Type) -> str:
    match type_:
        case Enumeration(members=members):
            return one_of(members)
        case YesNo():
            return "true or false"
        case Date():
            return "a date, such as 2020-03-31"
        case Number(unit=unit):
            return f"a number of {unit}"
    return "text"


def _kind(value: Any) -> str:
    return {bool: "true or false", int: "a number", Decimal: "a number", str: "text",
            list: "a list", dict: "an object"}.get(type(value), "null")  # fmt: skip


# --- JSON ----------------------------------------------------------------------------------------


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise Refused("duplicate-key", "a key stands more than once in its object", "keep one")
    return made


def _whole(text: str) -> int:
    if len(text) > MAXIMUM_DIGITS:
        raise Refused("wrong-number", "a number has more than 38 digits", "write a plain decimal")
    return int(text)


def _decimal(text: str) -> Decimal:
    digits, _, exponent = text.lower().partition("e")
    if len(digits) > MAXIMUM_DIGITS + 2 or len(exponent) > 4 or (
        abs(int(exponent or "0")) > _MAXIMUM_EXPONENT
    ):  # fmt: skip
        raise Refused("wrong-number", "a number has more than 38 digits", "write a plain decimal")
    return Decimal(text)


def _constant(name: str) -> None:
    raise Refused("wrong-number", f"{name} is not a number of JSON", "write a plain decimal")
