"""What the compiler knows of a program: its declarations, the tables that are there so far, and the
shape that outcomes have in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from sqlglot import exp

from finalrule.core import ir
from finalrule.core.expressions import places_of
from finalrule.diagnostics import Label, Pointer, Report
from finalrule.population import sql
from finalrule.population.exclusive import proven
from finalrule.population.sql import E
from finalrule.values import Number


@dataclass(frozen=True, slots=True)
class Shape:
    """An outcome as columns of its entity's table: a number's numerator (`unit` and, where there is
    one, the column `divisor` divide it), or one column of another type. `shared` are columns of
    entities above, and how great they may be, of which `divisor` is the product."""

    column: str
    is_number: bool
    unknown: bool
    members: tuple[str, ...] | None = None
    unit: int = 1
    low: int = 0
    high: int = 0
    least: Fraction = Fraction(0)
    most: Fraction = Fraction(0)
    divisor: str = ""
    divisor_high: int = 1
    shared: tuple[tuple[str, str, int], ...] = ()

    @property
    def numerator(self) -> str:
        return f"{self.column}__n" if self.divisor else self.column

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.numerator, self.divisor) if self.divisor else (self.column,)


@dataclass(frozen=True, slots=True)
class Failing:
    """A rule that may not hold what it promises."""

    rule: str
    code: str
    message: str
    help: str


@dataclass(slots=True)
class Version:
    """An entity's table after some passes. `failed` are its columns that say which promises are
    broken."""

    name: str
    made: set[str] = field(default_factory=set)
    wanted: dict[str, None] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    before: Version | None = None

    def want(self, column: str) -> None:
        """The column is read: every table on the way from where it is made has it."""
        if column not in self.wanted:
            self.wanted[column] = None
            if self.before is not None and column not in self.made:
                self.before.want(column)

    def says(self, failed: Iterable[str]) -> None:
        """The table has columns that say which promises are broken."""
        for column in failed:
            self.failed.append(column)
            self.want(column)


@dataclass(frozen=True, slots=True)
class Dimension:
    """A catalogue as a table."""

    declared: ir.Catalogue
    table: str
    bounds_unit: int = 1
    bounds_high: int = 0


@dataclass(slots=True)
class Model:
    """A program as tables. `never_null` are facts of which every record has a value, by entity and
    name, though they may be unknown; `one_program` says that there is one program record."""

    program: ir.Program
    dimensions: Mapping[str, Dimension]
    with_needs: bool = False
    one_program: bool = True
    never_null: frozenset[tuple[str, str]] = frozenset()
    entities: dict[str, ir.Entity] = field(init=False)
    facts: dict[tuple[str, str], ir.FactDeclaration] = field(init=False)
    rules: dict[str, ir.AnyRule] = field(init=False)
    parameters: dict[str, ir.Parameter] = field(init=False)
    roundings: dict[str, ir.Rounding] = field(init=False)
    shapes: dict[tuple[str, str], Shape] = field(default_factory=dict)
    versions: dict[str, list[Version]] = field(default_factory=dict)
    # Columns that say whether records of an entity have the same facts, by these.
    shared: dict[tuple[str, tuple[ir.Expr, ...]], str] = field(default_factory=dict)
    root: str = "program"
    prefix: str = ""

    def __post_init__(self) -> None:
        self.entities = {one.name: one for one in self.program.entities}
        self.facts = {(one.entity, one.name): one for one in self.program.facts}
        self.rules = {one.name: one for one in self.program.rules}
        self.parameters = {one.name: one for one in self.program.parameters}
        self.roundings = {one.name: one for one in self.program.roundings}
        for entity in self.entities:
            self.versions[entity] = [Version(entity)]
        _refuse_names(self.program)

    def latest(self, entity: str) -> Version:
        return self.versions[entity][-1]

    def dimension(self, catalogue: str) -> Dimension:
        return self.dimensions[catalogue]

    def chain(self, entity: str) -> list[str]:
        """The entities from the root to this one."""
        found = [entity]
        while parent := self.entities[found[-1]].parent:
            found.append(parent)
        return found[::-1]

    def reached(self, entity: str) -> list[str]:
        """The entities whose ids a record of an entity has: those above it, and what it refers to
        with those above that."""
        refers = self.entities[entity].refers
        return [*self.chain(entity), *(self.chain(refers) if refers else ())]

    def is_referred(self, entity: str, other: str) -> bool:
        """Whether records of one entity reach the other only by what they refer to."""
        return other not in self.chain(entity)

    def may_be_unknown(self, declared: ir.FactDeclaration) -> bool:
        key = (declared.entity, declared.name)
        return declared.presence == "may_be_unknown" and key not in self.never_null

    def fact_unit(self, type_: Number) -> int:
        """What a fact's column is divided by."""
        assert type_.scale is not None
        return int(10 ** places_of(type_.scale, type_.unit))

    def program_match(self, source: Version, alias: str, program: str) -> E:
        """The condition that joins the program's record."""
        if self.one_program:
            return sql.truth(True)
        source.want("program_id")
        return sql.both(exp.EQ, sql.column("id", program), sql.column("program_id", alias))

    def proven(self, rule: ir.Choice) -> bool:
        """Whether exactly one clause of the rule holds, whatever the facts are."""
        return proven(rule, self.parameters)

    def entities_of(self, rules: Iterable[str]) -> set[str]:
        return {self.rules[name].entity for name in rules}


def _refuse_names(program: ir.Program) -> None:
    """Raise Failure for facts whose names their tables have for columns of their own: the ids of
    the record and of those that it stands below or refers to."""
    entities = {entity.name: entity for entity in program.entities}
    report = Report()
    for fact in program.facts:
        above = set[str]()
        todo = [entities[fact.entity].parent, entities[fact.entity].refers]
        while todo:
            name = todo.pop()
            if name and name not in above:
                above.add(name)
                todo.append(entities[name].parent)
        if fact.name in {"id", "case_id", *(f"{name}_id" for name in above)}:
            report.error(
                "not-for-sql",
                f"fact `{fact.name}` of {fact.entity} has a name that tables need themselves",
                Label(Pointer(str(fact.place), ""), f"fact {fact.entity}.{fact.name}"),
                help="call it otherwise",
            )
    report.stop_if_errors()
