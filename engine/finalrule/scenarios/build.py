"""From a scenario's text to a case, typed by the program that it runs under."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from finalrule.core import ir
from finalrule.core.expressions import constant_value
from finalrule.diagnostics import Report, suggest
from finalrule.evaluate.outcomes import OutcomeName, output_types, parse_outcome
from finalrule.facts.case import Case, Given, Record
from finalrule.policy.tree import Listing, Mapping, Node, Scalar
from finalrule.scenarios.read import Scenario
from finalrule.source import Span
from finalrule.values import (
    Date,
    Enumeration,
    Number,
    Type,
    Unit,
    Value,
    one_of,
    parse_value,
    show,
    type_name,
    within,
)  # fmt: skip

Assumed = dict[tuple[str, tuple[str, ...]], dict[str, Value]]
Paths = dict[str, list[tuple[str, ...]]]


def typed(scalar: Scalar, type_: Type, report: Report) -> Value | None:
    """A written value; `n/d` too where the type is an exact rational. Reports what is wrong."""
    value = parse_value(scalar.text, type_)
    if value is None and isinstance(type_, Number):
        value = _fraction(scalar.text, type_)
    if value is None or not within(value, type_):
        report.error(
            "scenario-value",
            f"`{scalar.text}` is no value of {type_name(type_)}",
            scalar.span,
            help=_written(type_)
            if value is None
            else "stay within the bounds that the rules declare",
        )
        return None
    return value


_EXAMPLES: dict[Unit, str] = {
    "percent": "`45%`", "points": "`7.5 points`", "usd": "`$90.50` (with a comma in quotes)",
    "count": "`20`", "ratio": "`0.5`", "rate": "`85.5`", "days": "`90 days`",
    "year": "`2020`",
}  # fmt: skip


def _written(type_: Type) -> str:
    """How a value of the type is written."""
    match type_:
        case Number(unit=unit):
            return f"write it as {_EXAMPLES[unit]}"
        case Enumeration(members=members):
            return f"write {one_of(members)}"
        case Date():
            return "write a date as `2020-01-31`"
        case _:
            return "write `yes` or `no`"


def _fraction(text: str, type_: Number) -> Fraction | None:
    top, slash, bottom = text.rstrip("%").partition("/")
    if not slash or not top.lstrip("-").isdigit() or not bottom.isdigit() or not int(bottom):
        return None
    divisor = 100 if type_.unit == "percent" and text.endswith("%") else 1
    return Fraction(int(top), int(bottom)) / divisor


class CaseBuilder:
    """Builds the case of one scenario under one program."""

    def __init__(self, program: ir.Program, report: Report) -> None:
        self.program, self.report = program, report
        self.entities = {entity.name: entity for entity in program.entities}
        self.facts: dict[str, dict[str, ir.FactDeclaration]] = {}
        for fact in program.facts:
            self.facts.setdefault(fact.entity, {})[fact.name] = fact
        self.rules = {rule.name: rule for rule in program.rules}
        self._references: list[tuple[Record, Scalar]] = []

    def case(self, scenario: Scenario) -> Case:
        """The case. What is wrong is in the report."""
        given = scenario.given.entries if scenario.given else {}
        first = next((name for name in given if name in self.entities), None)
        wanted = first or self._entity_of_first_rule(scenario)
        chain = self._chain(wanted)
        records: dict[str, Record] = {}
        for entity in chain:
            if self.entities[entity].keys or entity in given:
                break
            self._record(entity, None, records)
        for name, entry in given.items():
            if name not in self.entities:
                self.report.error(
                    "scenario-entity", f"unknown entity `{name}`", entry.key_span,
                    help=suggest(name, self.entities),
                )  # fmt: skip
                continue
            self._given(name, entry.key_span, entry.value, records)
        root = records.get(chain[0])
        if root is None:
            root = Record(chain[0], {})
        self._refer(root)
        for record in list(root.walk()):
            self._defaults(record)
        return Case(root, {"scenario": scenario.name}, "")

    def _entity_of_first_rule(self, scenario: Scenario) -> str:
        name = parse_outcome(scenario.expect[0].outcome)
        rule = self.rules.get(name.rule) if name else None
        return rule.entity if rule else self.program.entities[0].name

    def _chain(self, entity: str) -> list[str]:
        """From the root entity down to this one."""
        chain = [entity]
        while parent := self.entities[chain[0]].parent:
            chain.insert(0, parent)
        return chain

    def _record(
        self, entity: str, facts: dict[str, Given] | None, records: dict[str, Record]
    ) -> Record:
        parent = self.entities[entity].parent
        if parent and parent not in records:
            self._record(parent, None, records)
        made = records[parent].add(entity, facts or {}) if parent else Record(entity, facts or {})
        records[entity] = made
        return made

    def _given(self, entity: str, span: Span, node: Node, records: dict[str, Record]) -> None:
        parent, keys = self.entities[entity].parent, self.entities[entity].keys
        if parent and self.entities[parent].keys:
            self.report.error(
                "misplaced-record", f"records of `{entity}` stand inside their {parent}", span,
                help=f"write them under the record of `{parent}` that they belong to",
            )  # fmt: skip
            return
        items = node.items if isinstance(node, Listing) else (node,)
        if len(items) > 1 and not keys:
            self.report.error(
                "duplicate-record", f"there is one `{entity}`, and {len(items)} are given", span,
                help="keep one of them",
            )  # fmt: skip
            return
        for item in items:
            assert isinstance(item, Mapping)
            if entity in records and not keys:
                records[entity].facts.update(self._facts(entity, item, records[entity]))
            else:
                record = self._record(entity, {}, records)
                record.facts.update(self._facts(entity, item, record))
                self._check_keys(entity, record, item.span)

    def _check_keys(self, entity: str, record: Record, span: Span) -> None:
        keys = self.entities[entity].keys
        for key in keys:
            if key.name not in record.facts:
                self.report.error(
                    "record-without-key", f"this {entity} has no `{key.name}`", span,
                    help="a record states its keys",
                )  # fmt: skip
        own = self._keys_of(record)
        others = record.parent.children[entity] if record.parent else []
        if keys and any(self._keys_of(other) == own for other in others if other is not record):
            self.report.error(
                "duplicate-record", f"this {entity} is given twice: [{','.join(own)}]", span,
                help="keys are unique among the records of one parent",
            )  # fmt: skip

    def _keys_of(self, record: Record) -> tuple[str, ...]:
        keys = self.entities[record.entity].keys
        return tuple(
            show(record.facts[key.name].value, key.type) if key.name in record.facts else "?"
            for key in keys
        )

    def paths(self, case: Case) -> Paths:
        """The paths of a case's records by entity: each one's keys, below those of its parents."""
        found: Paths = {}
        for record, path in self._walk(case.root):
            found.setdefault(record.entity, []).append(path)
        return found

    def _walk(self, root: Record) -> list[tuple[Record, tuple[str, ...]]]:
        found = [(root, self._keys_of(root))]
        for record, path in found:  # grows: level by level
            for children in record.children.values():
                found.extend((child, (*path, *self._keys_of(child))) for child in children)
        return found

    def _facts(self, entity: str, node: Mapping, record: Record) -> dict[str, Given]:
        declared = self.facts.get(entity, {})
        found: dict[str, Given] = {}
        for name, entry in node.entries.items():
            child_of = self.entities[name].parent if name in self.entities else ""
            if child_of == entity and isinstance(entry.value, Listing):
                for item in entry.value.items:
                    assert isinstance(item, Mapping)
                    child = record.add(name, {})
                    child.facts.update(self._facts(name, item, child))
                    self._check_keys(name, child, item.span)
            elif name == self.entities[entity].refers and isinstance(entry.value, Scalar):
                self._references.append((record, entry.value))
            elif name not in declared or not isinstance(entry.value, Scalar):
                self.report.error(
                    "scenario-fact", f"{entity} has no fact `{name}`", entry.key_span,
                    help=suggest(name, declared) or "see `finalrule show facts`",
                )  # fmt: skip
            else:
                value = typed(entry.value, declared[name].type, self.report)
                if value is not None:
                    found[name] = Given(value, str(entry.value.span.place))
        return found

    def _refer(self, root: Record) -> None:
        """Point records at what they name: by its keys, below those of its parents."""
        for record, named in self._references:
            entity = self.entities[record.entity].refers
            there = {
                ",".join(path): found for found, path in self._walk(root) if found.entity == entity
            }
            record.refers = there.get(named.text)
            if record.refers is None:
                self.report.error(
                    "missing-record", f"the scenario has no {entity} `{named.text}`", named.span,
                    help=suggest(named.text, there) or f"give a record of `{entity}`",
                )  # fmt: skip
        self._references = []

    def _defaults(self, record: Record) -> None:
        for name, fact in self.facts.get(record.entity, {}).items():
            if fact.default is not None and name not in record.facts:
                origin = f"absent: {'; '.join(fact.cites)}"
                record.facts[name] = Given(constant_value(fact.default), origin)

    def outcome(
        self, text: str, span: Span, paths: Paths, whole: bool = False
    ) -> tuple[OutcomeName, ir.AnyRule] | None:
        """An outcome's name and rule; reports when there is none, or no record for it. `whole`: a
        table of several outputs may stand for all of them."""
        name = parse_outcome(text)
        rule = self.rules.get(name.rule) if name else None
        if name is None or rule is None:
            self.report.error(
                "scenario-rule", f"no rule in force in {self.program.policy} gives `{text}`", span,
                help=suggest(text.split("[")[0].split(".")[0], self.rules)
                or "write rule, table.output, or rule[keys]",
            )  # fmt: skip
            return None
        outputs = output_types(rule)
        if not name.output and len(outputs) == 1:
            name = replace(name, output=next(iter(outputs)))
        if name.output not in outputs and (name.output or not whole):
            said = f"has no output `{name.output}`" if name.output else "has several outputs"
            self.report.error(
                "scenario-output", f"`{rule.name}` {said}", span,
                help=suggest(name.output, outputs) or f"name one of {', '.join(outputs)}",
            )  # fmt: skip
            return None
        there = paths.get(rule.entity, [])
        if name.path not in there:
            named = ", ".join(f"[{','.join(path)}]" for path in sorted(there) if path)
            self.report.error(
                "missing-record", f"the scenario has no record for `{name}`", span,
                help=f"its records are {named}" if named else f"give a record of `{rule.entity}`",
            )  # fmt: skip
            return None
        return name, rule

    def assumed(self, scenario: Scenario, paths: Paths) -> Assumed:
        """The outcomes that the scenario takes as given."""
        found: Assumed = {}
        for text, entry in scenario.assume.entries.items() if scenario.assume else ():
            named = self.outcome(text, entry.key_span, paths)
            if named is None or not isinstance(entry.value, Scalar):
                continue
            name, rule = named
            value = typed(entry.value, output_types(rule)[name.output], self.report)
            if value is not None:
                found.setdefault((name.rule, name.path), {})[name.output] = value
        return found
