"""What a policy says of a name, as JSON-ready data: the shape `show.v1` (docs/show.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from finalrule.catalogue.read import Catalogue, read_rows
from finalrule.compare.data import policy_head
from finalrule.compare.stated import Stated, Statements, part_of, part_order
from finalrule.core import ir
from finalrule.core.bind import rules_in_force
from finalrule.core.compile import Compiled
from finalrule.core.expressions import constant_value
from finalrule.core.readers import Read, Sort, read_by, readers
from finalrule.diagnostics import Failure, Report
from finalrule.policy.model import Policy
from finalrule.policy.resolve import find_policies, load_policy
from finalrule.show.rules import block_text, clauses
from finalrule.source import Place
from finalrule.values import DEFAULT_SCALE, Enumeration, Number, Type, show, type_name

FORMAT = "show.v1"
Data = dict[str, Any]


class Shown:
    """One compiled policy as data. `root` is the folder that holds all policies."""

    def __init__(self, compiled: Compiled, root: Path) -> None:
        self.compiled, self.root = compiled, root
        self.work, self.program = compiled.work, compiled.program
        self.policy, self.known = compiled.work.policy, compiled.work.known
        self.statements = Statements(compiled)
        self.lowered = {one.rule.name: one for one in self.work.ordered}
        self._readers = readers(self.work.ordered)

    def readers(self, sort: Sort, name: str) -> list[str]:
        """The rules in force that read something."""
        return list(self._readers.get(Read(sort, name), ()))

    # --- the policy ------------------------------------------------------------------------------

    def head(self) -> Data:
        """The policy's id, title, years and publication."""
        return policy_head(self.compiled, self.policy.span.place.path)

    def whole(self) -> Data:
        """Everything that the year file states; parameters by part of the regulation."""
        stated = self.statements
        parts: dict[str, list[Data]] = {}
        for name, parameter in stated.parameters.items():
            parts.setdefault(part_of(parameter.paragraph), []).append(_stated(name, parameter))
        said = [name for name in self.known.rules if name in self.policy.rules]
        return {
            "kind": "policy",
            **self.head(),
            "parameters": [
                {"part": part, "parameters": parts[part]} for part in sorted(parts, key=part_order)
            ],
            "roundings": [_stated(name, each) for name, each in stated.roundings.items()],
            "tables": [_stated(name, each.stated) for name, each in stated.tables.items()],
            "rules": [_stated(name, stated.variants[name]) for name in said],
            "rules_in_force": len(self.program.rules),
            "catalogues": [_stated(name, each) for name, each in stated.catalogues.items()],
            "assumed": [_stated(name, each) for name, each in stated.assumed.items()],
        }

    # --- figures ---------------------------------------------------------------------------------

    def parameter(self, name: str) -> Data:
        figure, declared = self.policy.parameters[name], self.known.parameters[name]
        return {
            "kind": "parameter",
            **_stated(name, self.statements.parameters[name]),
            "type": typed(declared.type),
            "describe": declared.describe,
            "carried_from": figure.carried_from,
            "declared": _at(declared.place),
            "read_by": self.readers("parameter", name),
        }

    def rounding(self, name: str) -> Data:
        return {
            "kind": "rounding",
            **_stated(name, self.statements.roundings[name]),
            "read_by": self.readers("rounding", name),
        }

    # --- tables and rules ------------------------------------------------------------------------

    def table(self, name: str, only_row: str = "") -> Data:
        """A table's rows as the year file has them."""
        stated = self.statements.tables[name]
        using = [one for one in self.work.ordered if one.rows and one.rows.name == name]
        table = using[0].rule
        assert isinstance(table, ir.Table)
        return {
            "kind": "table",
            **_stated(name, stated.stated),
            "given": [{"name": key.name, "type": typed(key.type)} for key in table.given],
            "gives": [{"name": key.name, "type": typed(key.type)} for key in table.gives],
            "rows": [
                {
                    **_stated(row_name, row.stated),
                    "cells": {column: cell.side.text for column, cell in row.cells.items()},
                }
                for row_name, row in stated.rows.items()
                if only_row in ("", row_name)
            ],
            "used_by": [one.rule.name for one in using],
        }

    def rule(self, name: str) -> Data:
        """A rule: its text as in force, what it reads, who reads it, its variants."""
        data: Data = {"kind": "rule", **_stated(name, self.statements.variants[name])}
        data["entity"] = self.known.shapes[name].entity
        one = self.lowered.get(name)
        if one is not None:
            module = next(m for source, m in self.work.modules if source is one.written.source)
            reads: dict[str, list[str]] = {}
            for read in read_by(one):
                reads.setdefault(read.sort, []).append(read.name)
            parameters = self.statements.parameters
            data |= {
                "sort": one.rule.__struct_config__.tag,
                "title": one.rule.title,
                "cites": list(one.rule.cites),
                "declared": _at(one.rule.place),
                "source": block_text(one.written, module),
                "parameters": [
                    _stated(each, parameters[each]) for each in reads.get("parameter", ())
                ],
                "clauses": clauses(self.program, one.rule),
                "reads": reads,
                "read_by": self.readers("rule", name),
            }
            if one.rows is not None:
                data["rows"] = one.rows.name
        data["variants"] = self._variants(name)
        return data

    def _variants(self, name: str) -> list[Data]:
        """Each variant, with the policies in which it is in force; the variant '' is that of a rule
        without variants. Policies in which the rule is not in force stand under `not_in_force`."""
        found: list[Data] = [
            {
                "variant": block.variant,
                "declared": _at(block.span(block.syntax.name).place),
                "policies": [],
            }
            for block in self.known.rules[name]
        ]
        nowhere: Data = {"not_in_force": True, "policies": []}
        for policy in self._policies():
            written = rules_in_force(self.known, policy, Report()).get(name)
            said = policy.rules.get(name)
            entry = {"policy": policy.id, "cite": said.cite.text if said else ""}
            variant = None if written is None else written.variant
            chosen = next((each for each in found if each["variant"] == variant), nowhere)
            chosen["policies"].append(entry)
        return [*found, nowhere] if nowhere["policies"] else found

    def _policies(self) -> list[Policy]:
        """All policies that can be read; one that cannot is for `finalrule validate` to report."""
        found = []
        for policy, path in find_policies(self.root).items():
            try:
                found.append(
                    self.policy if policy == self.policy.id else load_policy(path, self.root)
                )
            except Failure:
                continue
        return found

    # --- catalogues ------------------------------------------------------------------------------

    def catalogue(self, name: str) -> Data:
        declared = self.known.catalogues[name]
        rows = self.rows(name)
        read = [*declared.keys, *declared.fields]
        bounds = declared.bounds
        return {
            "kind": "catalogue",
            **_stated(name, self.statements.catalogues[name]),
            "describe": declared.describe,
            "digest": rows.digest,
            "records": len(rows.rows),
            "keys": [{"name": key.name, "type": typed(key.type)} for key in declared.keys],
            "fields": [{"name": each.name, "type": typed(each.type)} for each in declared.fields],
            "bounds": {"name": bounds.name, "inverse": bounds.inverse} if bounds else None,
            "not_read": [
                column
                for column in rows.header
                if column not in [each.name for each in read]
                and not (bounds and column.startswith("d") and column[1:].isdigit())
            ],
            "declared": _at(declared.place),
            "read_by": self.readers("catalogue", name),
        }

    def rows(self, name: str) -> Catalogue:
        """A catalogue's file. Raises Failure when it cannot be read."""
        file, keys = self.policy.catalogues[name], self.known.catalogues[name].keys
        return read_rows(file.file, [key.name for key in keys], f"policies/{file.path}")

    def record(self, name: str, key: tuple[str, ...]) -> Data:
        """One record of a catalogue, all its cells."""
        rows = self.rows(name)
        row = rows.rows[key]
        return {
            "kind": "record",
            "name": ".".join((name, *key)),
            "cells": dict(zip(rows.header, row.cells, strict=True)),
            "cite": self.policy.catalogues[name].cite.text,
            "place": f"{rows.source.path}:{row.line}",
            "read_by": self.readers("catalogue", name),
        }

    # --- facts -----------------------------------------------------------------------------------

    def facts(self, only_entity: str = "") -> Data:
        """Every fact that a rule in force reads, and the keys of their entities; those that no rule
        reads are named apart."""
        entities = []
        unread = []
        for entity in self.known.entities.values():
            if only_entity not in ("", entity.name):
                continue
            keys = {key.name for key in entity.keys}
            facts = []
            for (owner, name), fact in self.known.facts.items():
                if owner != entity.name:
                    continue
                if name in keys or self.readers("fact", f"{owner}.{name}"):
                    facts.append(self.fact(fact, name in keys))
                else:
                    unread.append(f"{owner}.{name}")
            if facts:
                entities.append(
                    {
                        "entity": entity.name,
                        "parent": entity.parent,
                        "refers": entity.refers,
                        "describe": entity.describe,
                        "keys": [key.name for key in entity.keys],
                        "facts": facts,
                    }
                )
        return {"kind": "facts", "entities": entities, "read_by_no_rule": unread}

    def fact(self, fact: ir.FactDeclaration, key: bool) -> Data:
        """One fact: what it is, and what holds when it is not given."""
        name = f"{fact.entity}.{fact.name}"
        default = None if fact.default is None else show(constant_value(fact.default), fact.type)
        assumed = self.statements.assumed.get(name)
        return {
            "kind": "fact",
            "entity": fact.entity,
            "name": fact.name,
            "key": key,
            "type": typed(fact.type),
            "members": list(fact.type.members) if isinstance(fact.type, Enumeration) else [],
            "presence": fact.presence,
            "default": default,
            "cites": list(fact.cites),
            "describe": "" if key else fact.describe,
            "assumed": None if assumed is None else _stated(name, assumed),
            "declared": _at(fact.place),
            "read_by": self.readers("fact", name),
        }


def typed(type_: Type) -> str:
    """A type as the language writes it, with the scale where it is not the unit's usual one."""
    name = type_name(type_)
    if isinstance(type_, Number) and type_.scale != DEFAULT_SCALE[type_.unit]:
        return f"{name} exact" if type_.scale is None else f"{name} scale {type_.scale}"
    return name


def _at(place: Place) -> str:
    return f"{place.path}:{place.line}"


def _stated(name: str, stated: Stated) -> Data:
    side = stated.side
    return {
        "name": name,
        "text": side.text,
        "value": side.value,
        "unit": stated.unit,
        "cite": side.cite,
        "place": side.place,
        "unverified": side.unverified,
        "note": side.note,
    }
