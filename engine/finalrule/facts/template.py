"""What a policy's facts files may say: every declared fact as data, and a file to fill in."""

from __future__ import annotations

import json
from dataclasses import dataclass

from finalrule.core.expressions import constant_value
from finalrule.core.ir import FactDeclaration, Program
from finalrule.facts.block import NAME
from finalrule.facts.clinician import API_FACTS
from finalrule.facts.declared import UNIT, Declared
from finalrule.facts.fact_sources import in_block, where_from
from finalrule.facts.json_item import Json
from finalrule.values import Enumeration, show, type_name


@dataclass(frozen=True, slots=True)
class FactLine:
    """One fact of the listing, in words. `absent` says what holds when it is not given."""

    entity: str
    name: str
    type: str
    absent: str
    source: str
    describe: str


def fact_lines(program: Program) -> list[FactLine]:
    """Every fact that a case of the program may have, keys aside, in the order of declaration."""
    declared = Declared(program)
    return [
        FactLine(
            fact.entity, fact.name, _type(fact), _absent(fact),
            where_from(fact.entity, fact.name), fact.describe,
        )
        for entity in _entities(declared, UNIT)
        for name, fact in declared.facts[entity].items()
        if name not in declared.keys(entity)
    ]  # fmt: skip


def template(program: Program) -> str:
    """A facts file with everything null, as JSON text: the fields of CMS's eligibility interface
    that are read, and the `finalrule` block. Before each fact of the block stands a note, a key
    that ends with `?`. Null is not given: the file can be used once TIN and NPI are filled in."""
    declared = Declared(program)
    content: dict[str, Json] = {"data": _data(), NAME: _record(declared, UNIT)}
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _entities(declared: Declared, entity: str) -> list[str]:
    found = [entity]
    for child in declared.children[entity]:
        found.extend(_entities(declared, child))
    return found


def _type(fact: FactDeclaration) -> str:
    """The type with an enumeration's members written out."""
    if isinstance(fact.type, Enumeration):
        return "one of " + ", ".join(fact.type.members)
    return type_name(fact.type)


def _absent(fact: FactDeclaration) -> str:
    if fact.default is not None:
        cites = ", ".join(fact.cites)
        return f"absent means {show(constant_value(fact.default), fact.type)} ({cites})"
    return "required" if fact.presence == "required" else "may be unknown"


def _data() -> Json:
    """The interface's answer, cut down to the fields that are read."""
    data: dict[str, Json] = {"npi": None}
    own: dict[str, Json] = {}
    group: dict[str, Json] = {}
    organization: dict[str, Json] = {"TIN": None}
    for row in API_FACTS:
        places = {
            "data": [data], "organization": [organization], "own": [own], "group": [group],
            "unit": [own, group],
        }[row.where]  # fmt: skip
        for place in places:
            for path in row.path.split(" & "):
                _put(place, path.split("."))
    organization["individualScenario"] = own
    organization["groupScenario"] = group
    data["organizations"] = [organization]
    return data


def _put(place: dict[str, Json], path: list[str]) -> None:
    for name in path[:-1]:
        inner = place.setdefault(name, {})
        assert isinstance(inner, dict)
        place = inner
    place.setdefault(path[-1], None)


def _record(declared: Declared, entity: str) -> dict[str, Json]:
    """One record: its keys, its facts, one record of each kind below that has any; each with a
    note. Empty when there is nothing to give."""
    keys = declared.keys(entity)
    made: dict[str, Json] = {}
    for name, fact in declared.facts[entity].items():
        if name in keys or not in_block(entity, name):
            continue
        made[f"{name}?"] = f"{_type(fact)}; {_absent(fact)}. {fact.describe}"
        made[name] = None
    for child in declared.children[entity]:
        if below := _record(declared, child):
            made[f"{child}?"] = f"a list of records. {declared.entities[child].describe}"
            made[child] = [below]
    if not made:
        return {}
    noted: dict[str, Json] = {}
    for name in keys:
        noted[f"{name}?"] = f"{_type(declared.facts[entity][name])}; the record's key"
        noted[name] = None
    return noted | made
