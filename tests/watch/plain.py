"""Events as the watch means them, said a second time and plainly: all of them at once, every record
whole in one case, evaluated once. Nothing of the watch is used."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from fractions import Fraction
from typing import Any

from finalrule.core import ir
from finalrule.core.expressions import Unknown, constant_value
from finalrule.evaluate.outcomes import OutcomeName, output_types
from finalrule.evaluate.scalar import Evaluator
from finalrule.facts.case import Case, Given, Record
from finalrule.values import Date, Number, Type, Value, parse_number, show

PATHS = {
    frozenset(("model",)): ["payment_model"],
    frozenset(("unit",)): ["qp_unit"],
    frozenset(("unit", "snapshot")): ["qp_unit", "qp_snapshot"],
    frozenset(("unit", "snapshot", "payer")): ["qp_unit", "qp_snapshot", "other_payer"],
    frozenset(("npi",)): ["eligible_clinician"],
    frozenset(("npi", "unit")): ["eligible_clinician", "qp_participation"],
}
OWN_KEY = {
    "payment_model": "model", "qp_unit": "unit", "qp_snapshot": "snapshot",
    "other_payer": "payer", "eligible_clinician": "npi", "qp_participation": "unit",
}  # fmt: skip
TOPS = ["payment_model", "qp_unit", "eligible_clinician"]

Event = dict[str, Any]
State = tuple[tuple[str | None, ...], str]
Path = tuple[tuple[str, str], ...]


def outcomes(
    evaluator: Evaluator, rules: Iterable[str], events: Iterable[Event]
) -> dict[str, State]:
    """Every outcome of some rules after the events, in whichever order they are given: what it is
    and which clause decided, by name."""
    shown = frozenset(rules)
    root = _case(evaluator.program, _facts(list(events)))
    evaluation = evaluator.evaluate(Case(root, {}, ""), shown)
    found: dict[str, State] = {}
    for (rule, frame), decision in evaluation.decisions.items():
        if rule in shown:
            types = output_types(evaluator.rules[rule])
            values = tuple(None if isinstance(value, Unknown) else show(value, types[output])
                           for output, value in decision.values.items())  # fmt: skip
            found[str(OutcomeName(rule, frame.path))] = values, decision.winner
    return found


def _facts(events: list[Event]) -> dict[Path, dict[str, Any]]:
    """Of each record that is there, the last that was said of each fact. A retraction takes back
    what is of its own subject and no retraction itself."""
    first: dict[str, Event] = {}
    for event in events:
        first.setdefault(event["id"], event)
    whose = {id_: _path(event)[0] for id_, event in first.items()}
    gone = {
        event["retracts"] for event in first.values() if event["kind"] == "retraction"
        and event["retracts"] in first and whose[event["retracts"]] == whose[event["id"]]
    }  # fmt: skip
    records: dict[Path, dict[str, Any]] = {}
    absent: set[Path] = set()
    for event in sorted(
        first.values(), key=lambda one: (datetime.fromisoformat(one["at"]), one["id"])
    ):
        if event["kind"] == "retraction" or event["id"] in gone:
            continue
        path = _path(event)
        records.setdefault(path, {}).update(event.get("facts", {}))
        (absent.discard if event.get("there", True) else absent.add)(path)
    there = {path: facts for path, facts in records.items()
             if not any(path[: len(one)] == one for one in absent)}  # fmt: skip
    for path in list(there):
        for level in range(1, len(path)):
            there.setdefault(path[:level], {})
    return there


def _path(event: Event) -> Path:
    """The entities and keys that lead to the record of an event."""
    subject: Mapping[str, str] = event["subject"]
    return tuple((entity, subject[OWN_KEY[entity]]) for entity in PATHS[frozenset(subject)])


def _case(program: ir.Program, facts: dict[Path, dict[str, Any]]) -> Record:
    declared = {(fact.entity, fact.name): fact for fact in program.facts}
    root = Record("program", {})
    made: dict[Path, Record] = {}
    order = sorted(facts, key=lambda path: (len(path), TOPS.index(path[0][0]), path))
    for path in order:
        entity, key = path[-1]
        given = {name: value for name, value in facts[path].items() if value is not None}
        pointed = given.pop("payment_model", None)
        typed = {name: _typed(value, declared[entity, name].type) for name, value in given.items()}
        typed[OWN_KEY[entity]] = key
        record = (made[path[:-1]] if len(path) > 1 else root).add(
            entity, {name: Given(value, "") for name, value in typed.items()}
        )
        made[path] = record
        if entity == "qp_participation":
            record.refers = made.get((("qp_unit", key),))
        elif pointed is not None:
            record.refers = made.get((("payment_model", pointed),))
    for record in root.walk():
        for (entity, name), fact in declared.items():
            if entity == record.entity and fact.default is not None:
                record.facts.setdefault(name, Given(constant_value(fact.default), ""))
    return root


def _typed(value: Any, type_: Type) -> Value:
    match type_:
        case Number():
            found = parse_number(value, type_.unit) if isinstance(value, str) else Fraction(value)
            assert found is not None
            return found
        case Date():
            return date.fromisoformat(value)
    assert isinstance(value, bool | str)
    return value


def lines(events: Iterable[Event]) -> bytes:
    """Events as a file has them."""
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)
