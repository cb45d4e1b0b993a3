"""A program compiled to SQL: passes over entities, each one query that makes the entity's next
table out of its last one, and how outcomes are found in what they leave."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sqlglot import exp

from finalrule.core import ir
from finalrule.diagnostics import Diagnostic, Failure, Label, Pointer
from finalrule.evaluate.outcomes import winners
from finalrule.population import sql
from finalrule.population.amounts import TooWide
from finalrule.population.model import Dimension, Failing, Model, Shape, Version
from finalrule.population.reading import Reading
from finalrule.population.rules import compile_rule
from finalrule.population.schedule import Step, schedule
from finalrule.population.selects import mark_shared
from finalrule.population.sql import E

_WORD_BITS, _HALF_BITS = 62, 30
_UNIT = "scoring_unit"


@dataclass(frozen=True, slots=True)
class Packed:
    """Where what decided a rule is kept: some bits of a column, 0 for not determined."""

    column: str
    shift: int
    bits: int


@dataclass(frozen=True)
class Pass:
    """One query: the entity's next table. Passes of one `group` follow each other over entities of
    one scope. Where one `follows` that right before it, of the same entity, nothing else reads what
    that one makes, and its own table says, too, which promises that one breaks."""

    entity: str
    group: int
    target: str
    query: exp.Select
    rules: tuple[str, ...]
    failing: tuple[Failing, ...]
    follows: bool = False

    @cached_property
    def duckdb(self) -> str:
        """The query in DuckDB's words."""
        return sql.duckdb(self.query)

    @cached_property
    def reads(self) -> frozenset[str]:
        """The tables that the query reads."""
        return frozenset(table.name for table in self.query.find_all(exp.Table))

    @cached_property
    def columns(self) -> frozenset[str]:
        """The names of the columns that the query reads or makes."""
        return frozenset(column.name for column in self.query.find_all(exp.Column))


@dataclass(frozen=True, slots=True)
class Plan:
    """A program as passes, in order. `shapes` are the outcomes' columns, `packed` says where what
    decided is kept; `results` names the columns of results of each table that is left. `tables` is
    where a rule's results are, `scopes` what the root of each entity is: units of which each stands
    alone, or the whole program."""

    program: ir.Program
    passes: tuple[Pass, ...]
    shapes: Mapping[tuple[str, str], Shape]
    packed: Mapping[str, Packed]
    results: Mapping[str, tuple[str, ...]]
    tables: Mapping[str, str]
    scopes: Mapping[str, str]

    @property
    def columns(self) -> frozenset[str]:
        """The names of all columns that the passes read or make."""
        return frozenset[str]().union(*(one.columns for one in self.passes))

    def groups(self) -> list[tuple[Pass, ...]]:
        """The passes by group."""
        found: dict[int, list[Pass]] = {}
        for one in self.passes:
            found.setdefault(one.group, []).append(one)
        return [tuple(passes) for passes in found.values()]

    def reads(self, passes: Sequence[Pass]) -> set[str]:
        """The tables that passes read."""
        return {table for one in passes for table in one.reads}

    def leaves(self, passes: Sequence[Pass]) -> dict[str, tuple[str, ...]]:
        """The tables of a group that are kept, with the columns kept of each: those of results, and
        those that passes of other groups read."""
        later = [one for one in self.passes if one.group != passes[0].group]
        found = {}
        for one in passes:
            names = {"id", *self.results.get(one.target, ())}
            for each in later:
                if one.target in each.reads:
                    names |= each.columns
            names -= {failed_column(each.target) for each in self.passes}
            if len(names) > 1:
                found[one.target] = tuple(n for n in one.query.named_selects if n in names)
        return found


@dataclass(slots=True)
class _Making:
    step: Step
    group: int
    reading: Reading
    version: Version
    results: tuple[str, ...]
    follows: bool = False


def compile_population(
    program: ir.Program,
    dimensions: Mapping[str, Dimension],
    *,
    only: Collection[str] | None = None,
    with_needs: bool = False,
    one_program: bool = True,
    never_null: Collection[tuple[str, str]] = (),
    stored: Plan | None = None,
    results: Collection[str] | None = None,
    decided: Collection[str] | None = None,
    carried: Collection[tuple[str, str]] = (),
) -> Plan:
    """Compile a program's rules, or only those named. What other rules came to is read from tables
    that have it: `stored` says in what shape; then all is one group. `with_needs` adds what
    undetermined outcomes need; `one_program` says that there is one program record, `never_null` of
    which facts every record has a value. Where `results` names rules, only what these came to is
    kept, and all of that as columns of its own; where `decided` does, what decided is kept of no
    others. `carried` are facts, by entity and name, that the last table of an entity has too.
    Raises Failure for a rule that SQL cannot compute exactly."""
    model = Model(program, dimensions, with_needs, one_program, frozenset(never_null))
    if stored is not None:
        model.shapes.update(stored.shapes)
    model.prefix = "" if stored is None else "changed_"
    wanted = [rule.name for rule in program.rules] if only is None else only
    scopes = {one.name: _scope(model.chain(one.name)) for one in program.entities}
    packed: dict[str, Packed] = {}
    making: list[_Making] = []
    group, last = 0, ""
    for step in schedule(program, wanted, scopes):
        scope = scopes[step.entity]
        # What comes before the first units is a group of its own: those are taken in parts.
        first = bool(making) and not any(scopes[one.step.entity] for one in making)
        group += scope != last and (bool(last) or first) and stored is None
        last = scope
        made = _make(model, step, group, packed, results, decided, wanted)
        made.follows = bool(making) and making[-1].version is made.version.before
        if made.follows:
            made.version.says(making[-1].version.failed)
        making.append(made)
    columns, tables = _results(making, together=stored is not None)
    for entity, name in carried:
        model.latest(entity).want(name)
    return Plan(program, _written(making), dict(model.shapes), packed, columns, tables, scopes)


def _scope(chain: Sequence[str]) -> str:
    """The scoring unit for what is below it; nothing for what is above, or beside."""
    return _UNIT if _UNIT in chain else ""


def _results(
    making: Sequence[_Making], together: bool
) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """The columns of results of each table, asked for; and the table of each rule. That is the
    first one that is left from its pass on, so that results are not carried along. Where they are
    to be `together`, it is the last one of the entity in the group."""
    columns: dict[str, list[str]] = {}
    tables: dict[str, str] = {}
    left: dict[tuple[int, str], Version] = {}
    for one, after in zip(reversed(making), [None, *reversed(making)], strict=False):
        key = one.group, one.step.entity
        if key not in left or not (together or (after is not None and after.follows)):
            left[key] = one.version
        table = left[key]
        columns[table.name] = ["id", *one.results, *columns.get(table.name, ["id"])[1:]]
        for name in columns[table.name]:
            table.want(name)
        tables.update(dict.fromkeys(one.step.rules, table.name))
    return {table: tuple(names) for table, names in columns.items()}, tables


def _make(
    model: Model, step: Step, group: int, packed: dict[str, Packed], only: Collection[str] | None,
    decided: Collection[str] | None, wanted: Collection[str],
) -> _Making:  # fmt: skip
    reading = Reading(model, step.entity)
    for name in step.rules:
        rule = model.rules[name]
        try:
            compile_rule(reading, rule)
        except (TooWide, NotImplementedError) as wrong:
            raise _refused(rule, wrong) from wrong
    number = len(model.versions[step.entity])
    version = Version(f"{model.prefix}{step.entity}_{number}", before=reading.source)
    if number == 1:
        for rule in model.rules.values():
            later = rule.name in wanted and rule.name not in step.rules
            if isinstance(rule, ir.Select) and rule.entity == step.entity and later:
                key = rule.entity, rule.per
                shared = model.shared.get(key) or mark_shared(reading, rule)
                if shared is not None:
                    model.shared[key] = shared
                    version.made.add(shared)
    kept = [name for name in step.rules if only is None or name in only]
    by = [name for name in kept if decided is None or name in decided]
    columns = _pack(reading, model, by, number, packed)
    for (name, _), shape in reading.made.items():
        version.made.update((*shape.columns, f"{shape.column}__needs"))
        if name not in kept:
            continue
        if only is not None or not follows(model.rules[name]):
            columns += shape.columns
        if model.with_needs and shape.unknown:
            columns.append(f"{shape.column}__needs")
    if reading.failing:
        failed = sql.case(
            [(when, sql.number(place)) for place, (_, when) in enumerate(reading.failing, 1)], None
        )
        column = failed_column(version.name)
        reading.columns.define(column, failed)
        version.made.add(column)
        version.says([column])
    version.made.update(columns)
    model.shapes.update(reading.made)
    model.versions[step.entity].append(version)
    return _Making(step, group, reading, version, tuple(columns))


def failed_column(table: str) -> str:
    """The column of a pass's table that says which of its promises a record breaks, by number."""
    return f"failed_{table.rpartition('_')[2]}"


def follows(rule: ir.AnyRule) -> bool:
    """Whether the value of a rule is known from what decided it alone."""
    match rule:
        case ir.Choice():
            return all(isinstance(clause.value, ir.Constant | ir.Param) for clause in rule.clauses)
        case ir.Table() | ir.Select():
            return True
    return False


def _pack(
    reading: Reading, model: Model, rules: Sequence[str], number: int, packed: dict[str, Packed]
) -> list[str]:
    """What decided, as bits of a few columns."""
    words: list[tuple[int, list[tuple[int, int, E]]]] = []
    for name in rules:
        bits = len(winners(model.rules[name])).bit_length()
        if not words or words[-1][0] + bits > _WORD_BITS:
            words.append((0, []))
        shift, parts = words[-1]
        parts.append((shift, bits, reading.by[name]))
        packed[name] = Packed(f"by_{number}_{len(words)}", shift, bits)
        words[-1] = (shift + bits, parts)
    return [
        reading.columns.define(f"by_{number}_{place}", _word(parts)).name
        for place, (_, parts) in enumerate(words, 1)
    ]


def _word(parts: Sequence[tuple[int, int, E]]) -> E:
    """Numbers as one: each is shifted by so many bits and takes so many. They are added up in
    32 bits as far as these go: that is quicker than in 64."""
    halves: dict[int, list[E]] = {}
    low = 0
    for shift, bits, by in parts:
        if shift + bits - low > _HALF_BITS:
            low = shift
        placed = sql.both(exp.Mul, by, sql.number(2 ** (shift - low))) if shift > low else by
        halves.setdefault(low, []).append(placed)
    found = []
    for low, terms in halves.items():
        half = sql.cast(_sum(terms), sql.LONG)
        found.append(sql.both(exp.Mul, half, sql.number(2**low)) if low else half)
    return _sum(found)


def _sum(parts: Sequence[E]) -> E:
    total = parts[0]
    for part in parts[1:]:
        total = sql.both(exp.Add, total, part)
    return total


def _written(making: Sequence[_Making]) -> tuple[Pass, ...]:
    """The queries. A table has what later ones want of it; asking goes from the last to the first,
    so that all of it is known when a query is written."""
    for one in reversed(making):
        for name in one.version.wanted:
            if name not in one.version.made:
                one.reading.own(name)
    found = []
    for one in making:
        names = [name for name in one.version.wanted if name in one.reading.columns]
        found.append(
            Pass(
                one.step.entity,
                one.group,
                one.version.name,
                one.reading.columns.select(names),
                one.step.rules,
                tuple(failing for failing, _ in one.reading.failing),
                one.follows,
            )
        )
    return tuple(found)


def _refused(rule: ir.AnyRule, wrong: Exception) -> Failure:
    if isinstance(wrong, TooWide):
        message = f"rule `{rule.name}` may need {wrong.digits} digits; SQL has 38"
        help = "narrow bounds of what it reads, round on the way, or give figures fewer decimals"
    else:
        message, help = (
            f"rule `{rule.name}` cannot be written as SQL: {wrong}",
            "write it otherwise",
        )
    label = Label(Pointer(str(rule.place), ""), f"rule {rule.name}")
    return Failure([Diagnostic("not-for-sql", message, (label,), help)])
