"""The `finalrule` block: facts that CMS's eligibility object lacks, by their declared names.

    "finalrule": {
      "average_hcc_risk_score": 1.2,         facts of the scoring unit
      "segment": [                           records of an entity below it, each with its keys
        {"segment": "first", "allowed_charges": "$90,000.01", "patients": 201}
      ],
      "clinician": [{"npi": "...", "clinician_segment": [{"segment": "first", "services": 80}]}]
    }

A key that ends with `?` is a note and is not read; null is not given.
"""

from __future__ import annotations

from finalrule.core import ir
from finalrule.diagnostics import Label, suggest
from finalrule.facts.declared import UNIT, Declared, read_fact
from finalrule.facts.identifiers import read_npi
from finalrule.facts.json_item import Item, Members, shown
from finalrule.facts.parts import Found, Part
from finalrule.values import Value

NAME = "finalrule"


def read_block(block: Item, tin: str, declared: Declared) -> Part | None:
    """What the block says of the scoring unit and of the records below it. `tin` is one of the
    practices that its file is about."""
    return _record(block, UNIT, tin, declared)


def _record(item: Item, entity: str, tin: str, declared: Declared) -> Part | None:
    facts, children = declared.facts[entity], declared.children[entity]
    if not isinstance(item.value, dict):
        item.wrong_type("an object")
        return None
    _refuse_unknown(item, entity, declared)
    read = {name for name in item.value if name in facts or name in children}
    members = item.members(read, ignored=tuple(item.value))
    if members is None:
        return None
    part = Part(entity, item.at, {}, [])
    for name in members:
        member = members.found[name]
        if name in facts:
            value: Value | None
            value = read_npi(member, tin) if name == "npi" else read_fact(member, facts[name])
            if value is not None:
                part.facts[name] = Found(value, member.at)
        else:
            part.children.extend(_records(member, name, tin, declared))
    if entity != UNIT and not (part.facts or part.children):
        return None  # all null, as in a template that is not filled in
    return part if _has_keys(members, declared.entities[entity]) else None


def _has_keys(members: Members, entity: ir.Entity) -> bool:
    needed = [
        members.need(key.name, f"it tells one {entity.name} from another") for key in entity.keys
    ]
    return None not in needed


def _records(listed: Item, entity: str, tin: str, declared: Declared) -> list[Part]:
    found: list[Part] = []
    places: dict[tuple[object, ...], Part] = {}
    for item in listed.items() or []:
        part = _record(item, entity, tin, declared)
        if part is None:
            continue
        keys = [part.facts.get(name) for name in declared.keys(entity)]
        key = tuple(fact.value for fact in keys if fact)
        if len(key) == len(keys) and key in places:
            item.fail(
                "fact-duplicate-record", f"two records of `{entity}` have the same key",
                Label(places[key].at, "first here"), help="put their facts into one record",
            )  # fmt: skip
            continue
        places[key] = part
        found.append(part)
    return found


def _refuse_unknown(item: Item, entity: str, declared: Declared) -> None:
    assert isinstance(item.value, dict)
    known = [*declared.facts[entity], *declared.children[entity]]
    for name in item.value:
        if name in known or name.endswith("?"):
            continue
        owners = [other for other, facts in declared.facts.items() if name in facts]
        owners.sort(key=lambda other: UNIT not in declared.path_to(other))
        help = suggest(name, known)
        if owners:
            help = f"it is a fact of `{owners[0]}`; write it in a record of that entity"
        item.below(name, None).fail(
            "fact-unknown",
            f"no fact of `{entity}` has the name `{shown(name)}`",
            help=help or "`finalrule show facts` lists the facts",
        )
