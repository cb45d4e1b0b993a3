"""Second stage: what all modules declare, gathered by name; the first look at every name."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from fractions import Fraction

from finalrule.core import ir
from finalrule.diagnostics import Label, Report, suggest
from finalrule.language import syntax as s
from finalrule.source import Place, Source, Span
from finalrule.values import (
    CODE,
    DEFAULT_SCALE,
    UNITS,
    YES_NO,
    Codes,
    Date,
    Enumeration,
    Number,
    Type,
    Unit,
    parse_value,
    within,
)  # fmt: skip

_BUILT_IN: dict[str, Type] = {
    "yes_no": YES_NO, "code": CODE, "codes": Codes(), "date": Date(),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Written:
    """A rule as written, and the file it stands in."""

    syntax: s.RuleSyntax
    source: Source

    def span(self, node: s.Syntax) -> Span:
        return self.source.span(*node.at)

    @property
    def variant(self) -> str:
        return self.syntax.variant.text if self.syntax.variant else ""


@dataclass(frozen=True, slots=True)
class RuleShape:
    """What other rules may know of a rule: where it lives and what it gives. `outputs` has one
    entry named '' but for a table."""

    name: str
    entity: str
    outputs: dict[str, Type]
    track: str


@dataclass(slots=True)
class Declarations:
    """Everything that the modules declare. `spans` is where each name was declared, by kind."""

    types: dict[str, Type] = field(default_factory=dict)
    entities: dict[str, ir.Entity] = field(default_factory=dict)
    facts: dict[tuple[str, str], ir.FactDeclaration] = field(default_factory=dict)
    catalogues: dict[str, ir.Catalogue] = field(default_factory=dict)
    parameters: dict[str, ir.Parameter] = field(default_factory=dict)
    roundings: dict[str, tuple[Unit, Place]] = field(default_factory=dict)
    rules: dict[str, list[Written]] = field(default_factory=dict)
    shapes: dict[str, RuleShape] = field(default_factory=dict)
    spans: dict[tuple[str, str], Span] = field(default_factory=dict)

    def ancestors(self, entity: str) -> list[str]:
        """The entity and those above it, nearest first."""
        found = [entity]
        while (parent := self.entities[found[-1]].parent) and parent not in found:
            found.append(parent)
        return found


def declare(modules: list[tuple[Source, s.Module]], report: Report) -> Declarations:
    """Gather the declarations of all modules; report names declared twice, unknown types and
    entities, and variants that differ in entity or type."""
    found = Declarations()
    gather = _Gather(found, report)
    for kind in (
        s.TypeDeclaration, s.EntityDeclaration, s.FactSyntax, s.CatalogueDeclaration,
        s.ParameterDeclaration, s.RoundingDeclaration, s.RuleSyntax,
    ):  # fmt: skip
        for source, module in modules:
            for statement in module.statements:
                if isinstance(statement, kind):
                    gather.take(source, statement, module.name.split(".")[0])
    gather.finish()
    return found


class _Gather:
    def __init__(self, found: Declarations, report: Report) -> None:
        self.found, self.report = found, report

    def take(self, source: Source, statement: s.Statement, track: str) -> None:
        match statement:
            case s.TypeDeclaration():
                if self._new("type", statement.name, source):
                    type_ = self.type(statement.type, source)
                    if isinstance(type_, Enumeration):
                        type_ = Enumeration(type_.members, statement.name.text)
                    self.found.types[statement.name.text] = type_
            case s.EntityDeclaration():
                self._entity(statement, source)
            case s.FactSyntax():
                self._fact(statement, source)
            case s.CatalogueDeclaration():
                self._catalogue(statement, source)
            case s.ParameterDeclaration():
                if self._new("parameter", statement.name, source):
                    name = statement.name.text
                    self.found.parameters[name] = ir.Parameter(
                        name, self.type(statement.type, source), None, "", "", statement.describe,
                        source.span(*statement.name.at).place,
                    )  # fmt: skip
            case s.RoundingDeclaration():
                unit = self._unit(statement.unit, source)
                if self._new("rounding", statement.name, source) and unit:
                    place = source.span(*statement.name.at).place
                    self.found.roundings[statement.name.text] = (unit, place)
            case s.RuleSyntax():
                self._rule(statement, source, track)

    def _new(self, kind: str, name: s.Name, source: Source, within: str = "") -> bool:
        """Record where a name is declared; report it when it is declared already."""
        span, key = source.span(*name.at), (kind, within + name.text)
        if key in self.found.spans:
            self.report.error(
                "declared-twice",
                f"{kind} `{name.text}` is declared twice",
                Label(span, "here"),
                Label(self.found.spans[key], "and here"),
                help="delete one, or give it another name",
            )
            return False
        self.found.spans[key] = span
        return True

    def _unit(self, name: s.Name, source: Source) -> Unit | None:
        for unit in UNITS:
            if name.text == unit:
                return unit
        self.report.error(
            "unknown-type",
            f"`{name.text}` is no unit",
            source.span(*name.at),
            help=suggest(name.text, UNITS) or f"the units are {', '.join(UNITS)}",
        )
        return None

    def type(self, written: s.TypeSyntax, source: Source) -> Type:
        """The type as written; errors are reported and give yes_no."""
        if isinstance(written, s.EnumerationType):
            return Enumeration(tuple(member.text for member in written.members))
        span = source.span(*written.at)
        if written.name in UNITS:
            unit: Unit = written.name
            if not written.high:
                self.report.error(
                    "missing-bounds",
                    f"`{written.name}` needs bounds",
                    span,
                    help=f"write for example `{written.name}[0..100]`",
                )
                return Number(unit, Fraction(0), Fraction(1))
            divisor = 100 if unit == "percent" else 1
            low, high = Fraction(written.low) / divisor, Fraction(written.high) / divisor
            if low > high:
                self.report.error(
                    "empty-bounds", "the lower bound is above the upper", span,
                    help="write the smaller number first",
                )  # fmt: skip
            scale = {-1: DEFAULT_SCALE[unit], -2: None}.get(written.scale, written.scale)
            return Number(unit, low, high, scale)
        known = {**_BUILT_IN, **self.found.types}
        if written.name in known:
            return known[written.name]
        self.report.error(
            "unknown-type",
            f"unknown type `{written.name}`",
            span,
            help=suggest(written.name, [*known, *UNITS]) or "declare it with `type`",
        )
        return YES_NO

    def _known_entity(self, name: s.Name, source: Source) -> bool:
        if name.text in self.found.entities:
            return True
        self.report.error(
            "unknown-entity",
            f"unknown entity `{name.text}`",
            source.span(*name.at),
            help=suggest(name.text, self.found.entities) or "declare it with `entity`",
        )
        return False

    def _keys(self, written: tuple[s.TypedName, ...], source: Source) -> tuple[ir.Key, ...]:
        return tuple(ir.Key(key.name.text, self.type(key.type, source)) for key in written)

    def _entity(self, statement: s.EntityDeclaration, source: Source) -> None:
        if not self._new("entity", statement.name, source):
            return
        name, place = statement.name.text, source.span(*statement.name.at).place
        keys = self._keys(statement.keys, source)
        self.found.entities[name] = ir.Entity(
            name, statement.parent.text if statement.parent else "", keys, statement.describe, place
        )
        if statement.parent:
            self.found.spans["parent", name] = source.span(*statement.parent.at)
        for key, written in zip(keys, statement.keys, strict=True):
            self._new("name", written.name, source, f"{name}.")
            self.found.facts[name, key.name] = ir.FactDeclaration(
                name, key.name, key.type, "required", None, (), "key", place
            )

    def _fact(self, statement: s.FactSyntax, source: Source) -> None:
        if not self._known_entity(statement.entity, source):
            return
        entity, name = statement.entity.text, statement.name.text
        if not self._new("name", statement.name, source, f"{entity}."):
            return
        type_ = self.type(statement.type, source)
        default: ir.Constant | None = None
        if statement.default is not None:
            default = constant(statement.default, type_, source, self.report)
            if not statement.cites:
                self.report.error(
                    "missing-citation", f"what the absence of `{name}` means is not cited",
                    source.span(*statement.default.at), help='add `cites "..."`',
                )  # fmt: skip
        presence = {"required": "required", "absent_means": "absent_means"}.get(
            statement.presence, "may_be_unknown"
        )
        self.found.facts[entity, name] = ir.FactDeclaration(
            entity, name, type_, presence, default,  # type: ignore[arg-type]
            tuple(cite.text for cite in statement.cites), statement.describe,
            source.span(*statement.name.at).place,
        )  # fmt: skip

    def _catalogue(self, statement: s.CatalogueDeclaration, source: Source) -> None:
        if not self._new("catalogue", statement.name, source):
            return
        bounds = None
        if statement.bounds and statement.inverse:
            bounds = ir.Bounds(statement.bounds.name.text, statement.inverse.text)
            if statement.inverse.text not in {f.name.text for f in statement.fields}:
                self.report.error(
                    "unknown-field", f"`{statement.inverse.text}` is no field of the catalogue",
                    source.span(*statement.inverse.at), help="declare it with `field`",
                )  # fmt: skip
        self.found.catalogues[statement.name.text] = ir.Catalogue(
            statement.name.text, self._keys(statement.keys, source),
            self._keys(statement.fields, source), bounds, statement.describe,
            source.span(*statement.name.at).place,
        )  # fmt: skip

    def _rule(self, rule: s.RuleSyntax, source: Source, track: str) -> None:
        if not self._known_entity(rule.entity, source):
            return
        written = Written(rule, source)
        name = rule.name.text
        others = self.found.rules.setdefault(name, [])
        same = [other for other in others if other.variant == written.variant]
        bare = [other for other in others if not other.variant or not written.variant]
        if same or bare:
            self.report.error(
                "declared-twice",
                f"rule `{name}`"
                + (f" variant `{written.variant}`" if written.variant else "")
                + " is declared twice",
                Label(source.span(*rule.name.at), "here"),
                Label((same or bare)[0].span((same or bare)[0].syntax.name), "and here"),
                help="several blocks of one rule need different `variant` names",
            )
            return
        others.append(written)
        if not others[1:]:
            self._new("name", rule.name, source, f"{rule.entity.text}.")
        self._shape(written, track)

    def _shape(self, written: Written, track: str) -> None:
        rule, source = written.syntax, written.source
        outputs: dict[str, Type]
        if rule.kind == "select":
            outputs = {"": YES_NO}
        elif rule.kind == "table":
            outputs = {out.name.text: self.type(out.type, source) for out in rule.gives}
        else:
            assert rule.type is not None
            outputs = {"": self.type(rule.type, source)}
        shape = RuleShape(rule.name.text, rule.entity.text, outputs, track)
        first = self.found.shapes.setdefault(shape.name, shape)
        if (first.entity, first.outputs) != (shape.entity, shape.outputs):
            other = self.found.rules[shape.name][0]
            self.report.error(
                "variants-differ",
                f"the variants of `{shape.name}` differ in entity or type",
                Label(source.span(*rule.at), "here"),
                Label(other.span(other.syntax), "and here"),
                help="all variants of a rule have one entity and one type",
            )

    def finish(self) -> None:
        """What needs all declarations: parents."""
        for name, entity in list(self.found.entities.items()):
            if entity.parent and entity.parent not in self.found.entities:
                self.report.error(
                    "unknown-entity",
                    f"unknown entity `{entity.parent}`",
                    self.found.spans["parent", name],
                    help=suggest(entity.parent, self.found.entities) or "declare it",
                )
                del self.found.entities[name]


def declared_type(
    known: Declarations, written: s.TypeSyntax, source: Source, report: Report
) -> Type:
    """A type as written where all declarations are known (a table's given column)."""
    return _Gather(known, report).type(written, source)


def constant(
    written: s.Expression, type_: Type, source: Source, report: Report
) -> ir.Constant | None:
    """A constant written where a type is known (defaults, `outside gives`)."""
    text, span = "", source.span(*written.at)
    negative = isinstance(written, s.Unary) and written.op == "-"
    inner = written.item if isinstance(written, s.Unary) and negative else written
    match inner:
        case s.Literal(sort="code", text=quoted):
            text = quoted[1:-1]
        case s.Literal(text=plain):
            text = plain
        case s.Path(parts=(member,)):
            text = member
    value = parse_value(("-" if negative else "") + text, type_) if text else None
    if value is None or not within(value, type_):
        report.error(
            "wrong-value",
            f"`{span.text}` is no value of this type",
            span,
            help=f"write a {type(type_).__name__.lower()} constant",
        )
        return None
    return as_constant(value, type_)


def as_constant(value: object, type_: Type) -> ir.Constant:
    """A value as a constant node."""
    if isinstance(value, bool):
        return ir.Bool(value)
    if isinstance(value, Fraction) and isinstance(type_, Number):
        return ir.Num(value, type_.unit)
    if isinstance(value, frozenset):
        return ir.CodeSet(tuple(sorted(value)))
    if isinstance(value, str):
        return ir.Text(value)
    assert isinstance(value, datetime.date)
    return ir.Day(value)
