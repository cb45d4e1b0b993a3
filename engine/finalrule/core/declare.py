"""Second stage: what all modules declare, gathered by name; the first look at every name."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Literal, cast

from finalrule.core import ir
from finalrule.core.types import BUILT_IN, constant, type_of
from finalrule.diagnostics import Label, Report, suggest
from finalrule.language import syntax as s
from finalrule.policy.figures import read_citation
from finalrule.source import Place, Source, Span
from finalrule.values import UNITS, YES_NO, Enumeration, Type, Unit, YesNo, type_name


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

    def readable(self, entity: str) -> list[str]:
        """The entities whose facts and outcomes the entity's rules read: its own and those above,
        then what one of them refers to and what stands above that."""
        found = self.ancestors(entity)
        for one in found:  # grows: what is referred to may refer further
            if target := self.entities[one].refers:
                found.extend(name for name in self.ancestors(target) if name not in found)
        return found


def declare(
    modules: list[tuple[Source, s.Module]], report: Report, cited: Collection[str] | None = None
) -> Declarations:
    """Gather the declarations of all modules. `cited` are the keys of the named sources that a
    citation may begin with; None lets any key pass.

    Reported are names declared twice, unknown types and entities, what is not cited or not so that
    it can be read, and variants that differ in entity or type.
    """
    found = Declarations()
    gather = _Gather(found, report, cited)
    for kind in (
        s.TypeDeclaration,
        s.EntityDeclaration,
        s.FactSyntax,
        s.CatalogueDeclaration,
        s.ParameterDeclaration,
        s.RoundingDeclaration,
        s.RuleSyntax,
    ):
        for source, module in modules:
            for statement in module.statements:
                if isinstance(statement, kind):
                    gather.take(source, statement)
    gather.finish()
    return found


class _Gather:
    def __init__(self, found: Declarations, report: Report, cited: Collection[str] | None) -> None:
        self.found, self.report, self.cited = found, report, cited
        self.unknown: dict[str, list[Span]] = {}

    def take(self, source: Source, statement: s.Statement) -> None:
        match statement:
            case s.TypeDeclaration():
                self._type(statement, source)
            case s.EntityDeclaration():
                self._entity(statement, source)
            case s.FactSyntax():
                self._fact(statement, source)
            case s.CatalogueDeclaration():
                self._catalogue(statement, source)
            case s.ParameterDeclaration():
                if self._new("parameter", statement.name, source):
                    name, type_ = statement.name.text, self.type(statement.type, source, codes=True)
                    place = source.span(*statement.name.at).place
                    self.found.parameters[name] = ir.Parameter(
                        name, type_, None, "", "", statement.describe, place
                    )
            case s.RoundingDeclaration():
                unit = self._unit(statement.unit, source)
                if self._new("rounding", statement.name, source) and unit:
                    place = source.span(*statement.name.at).place
                    self.found.roundings[statement.name.text] = (unit, place)
            case s.RuleSyntax():
                self._rule(statement, source)

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

    def type(self, written: s.TypeSyntax, source: Source, codes: bool = False) -> Type:
        return type_of(written, self.found.types, source, self.report, codes)

    def _known_entity(self, name: s.Name, source: Source) -> bool:
        if name.text in self.found.entities:
            return True
        self.unknown.setdefault(name.text, []).append(source.span(*name.at))
        return False

    def _type(self, statement: s.TypeDeclaration, source: Source) -> None:
        name = statement.name
        if name.text in (*BUILT_IN, *UNITS):
            self._taken(name, "a type of the language", source)
        elif self._new("type", name, source):
            type_ = self.type(statement.type, source)
            if isinstance(type_, Enumeration):
                type_ = Enumeration(type_.members, name.text)
            self.found.types[name.text] = type_

    def _taken(self, name: s.Name, what: str, source: Source) -> None:
        self.report.error(
            "name-taken",
            f"`{name.text}` is {what}",
            source.span(*name.at),
            help="choose another name",
        )

    def _cites(self, cites: tuple[s.Name, ...], source: Source) -> tuple[str, ...]:
        """The citations as text; one that cannot be read is reported."""
        for cite in cites:
            keys = (cite.text.partition(" ")[0],) if self.cited is None else self.cited
            read_citation(cite.text, source.span(*cite.at), keys, self.report)
        return tuple(cite.text for cite in cites)

    def _keys(self, written: tuple[s.TypedName, ...], source: Source) -> tuple[ir.Key, ...]:
        return tuple(ir.Key(key.name.text, self.type(key.type, source)) for key in written)

    def _entity(self, statement: s.EntityDeclaration, source: Source) -> None:
        if not self._new("entity", statement.name, source):
            return
        name, place = statement.name.text, source.span(*statement.name.at).place
        keys = self._keys(statement.keys, source)
        self.found.entities[name] = ir.Entity(
            name, statement.parent.text if statement.parent else "", keys, statement.describe,
            place, statement.refers.text if statement.refers else "",
        )  # fmt: skip
        if statement.parent:
            self.found.spans["parent", name] = source.span(*statement.parent.at)
        if statement.refers:
            self.found.spans["refers", name] = source.span(*statement.refers.at)
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
        before = len(self.report.diagnostics)
        type_ = self.type(statement.type, source)
        default: ir.Constant | None = None
        if statement.default is not None and len(self.report.diagnostics) == before:
            default = constant(statement.default, type_, source, self.report)
        self.found.facts[entity, name] = ir.FactDeclaration(
            entity,
            name,
            type_,
            cast(Literal["required", "absent_means", "may_be_unknown"], statement.presence),
            default,
            self._cites(statement.cites, source),
            statement.describe,
            source.span(*statement.name.at).place,
        )

    def _catalogue(self, statement: s.CatalogueDeclaration, source: Source) -> None:
        if not self._new("catalogue", statement.name, source):
            return
        name = statement.name.text
        fields = self._keys(statement.fields, source)
        for column in (*statement.keys, *statement.fields):
            self._new("column", column.name, source, f"{name}.")
        self.found.catalogues[name] = ir.Catalogue(
            name,
            self._keys(statement.keys, source),
            fields,
            self._bounds(statement, fields, source),
            statement.describe,
            source.span(*statement.name.at).place,
        )

    def _bounds(
        self, statement: s.CatalogueDeclaration, fields: tuple[ir.Key, ...], source: Source
    ) -> ir.Bounds | None:
        """The decile bounds of a catalogue, if it has any: rates, and a yes/no field that says
        whether lower is better."""
        bounds, inverse = statement.bounds, statement.inverse
        if bounds is None or inverse is None:
            return None
        if not (isinstance(bounds.type, s.NamedType) and bounds.type.name == "rate"):
            self.report.error(
                "wrong-type",
                "the bounds of deciles are rates",
                source.span(*bounds.type.at),
                help="write `rate`",
            )
        named = next((field for field in fields if field.name == inverse.text), None)
        if named is None:
            self.report.error(
                "unknown-field",
                f"`{inverse.text}` is no field of the catalogue",
                source.span(*inverse.at),
                help=suggest(inverse.text, [field.name for field in fields])
                or "declare it with `field`",
            )
        elif not isinstance(named.type, YesNo):
            self.report.error(
                "wrong-type",
                f"`{inverse.text}` is of type {type_name(named.type)}, but yes_no is needed",
                source.span(*inverse.at),
                help="declare it as `yes_no`",
            )
        return ir.Bounds(bounds.name.text, inverse.text)

    def _rule(self, rule: s.RuleSyntax, source: Source) -> None:
        if not self._known_entity(rule.entity, source):
            return
        written = Written(rule, source)
        name = rule.name.text
        if name in self.found.entities:
            self._taken(rule.name, "an entity", source)
        if not rule.cites:
            self.report.error(
                "not-cited",
                f"rule `{name}` has no citation",
                written.span(rule),
                help='add a line `cites "42 CFR ..."`',
            )
        of_clauses = [clause.cites for clause in rule.clauses]
        of_pieces = [piece.cites for piece in rule.pieces]
        for cites in (rule.cites, *of_clauses, *of_pieces):
            self._cites(cites, source)
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
        self._shape(written)

    def _shape(self, written: Written) -> None:
        rule, source = written.syntax, written.source
        outputs: dict[str, Type]
        if rule.kind == "select":
            outputs = {"": YES_NO}
        elif rule.kind == "table":
            outputs = {out.name.text: self.type(out.type, source) for out in rule.gives}
        else:
            assert rule.type is not None
            outputs = {"": self.type(rule.type, source)}
        shape = RuleShape(rule.name.text, rule.entity.text, outputs)
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
        """What needs all declarations: names that are no entity, and who stands above whom."""
        for name, entity in self.found.entities.items():
            for kind, other in (("refers", entity.refers), ("parent", entity.parent)):
                if other and other not in self.found.entities:
                    self.unknown.setdefault(other, []).insert(0, self.found.spans[kind, name])
        for name, spans in self.unknown.items():
            more = f", named in {len(spans)} places" if len(spans) > 1 else ""
            self.report.error(
                "unknown-entity",
                f"unknown entity `{name}`{more}",
                spans[0],
                help=suggest(name, self.found.entities) or "declare it with `entity`",
            )
        circles: set[frozenset[str]] = set()
        for name in self.found.entities:
            path = list(self._upwards(name))
            if path[-1] == name and len(path) > 1 and frozenset(path) not in circles:
                circles.add(frozenset(path))
                self.report.error(
                    "entity-cycle",
                    "entities stand above each other: " + " of ".join(path),
                    *[Label(self.found.spans["parent", each]) for each in path[:-1]],
                    help="one of them is the root: it has no `of`",
                )
        if not circles:
            self._references()

    def _references(self) -> None:
        """A record is read through a reference as if it stood above: what is referred to must stand
        elsewhere, and must not lead back."""
        known = self.found
        for name, entity in known.entities.items():
            target = entity.refers
            if target not in known.entities:
                continue
            if name == target:
                why = "itself"
            elif target in self._upwards(name):
                why = f"{target}, which stands above it"
            elif name in self._upwards(target):
                why = f"{target}, which stands below it"
            elif name in self._before(target):
                why = f"{target}, from which references lead back"
            else:
                continue
            self.report.error(
                "wrong-reference",
                f"{name} refers to {why}",
                known.spans["refers", name],
                help="an entity refers to one that stands elsewhere, and that does not refer back",
            )

    def _before(self, entity: str) -> list[str]:
        """The entity, and all that stands above it or is referred to on the way."""
        found = [entity]
        for name in found:  # grows
            one = self.found.entities.get(name)
            above = (one.parent, one.refers) if one else ()
            found.extend(other for other in above if other and other not in found)
        return found

    def _upwards(self, name: str) -> Iterator[str]:
        """The entity and those above it; ends with one that came before, if they go in a circle."""
        seen: list[str] = []
        while name:
            yield name
            if name in seen:
                return
            seen.append(name)
            entity = self.found.entities.get(name)
            name = entity.parent if entity else ""
