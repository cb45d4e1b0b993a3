"""What the rules of one entity read, as columns of one query: facts, outcomes, catalogues, and what
is aggregated over the records below."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import lcm

from sqlglot import exp

from finalrule.core import ir
from finalrule.population import amounts, sql, terms
from finalrule.population.amounts import Amount, Divisor
from finalrule.population.layers import Columns
from finalrule.population.model import Failing, Model, Shape
from finalrule.population.sql import E
from finalrule.population.terms import Plain, Term
from finalrule.population.translate import Translator
from finalrule.values import LARGEST_DENOMINATOR, MOST_AVERAGED, Enumeration, Number

# An average is over one of so many numbers of records, so that averages have one denominator.
_AVERAGE_UNIT = lcm(*range(1, MOST_AVERAGED + 1))
# Most records of an entity below one of the program, and below any other.
_MOST_OF_PROGRAM, _MOST = 10**7, 10**5


class Reading:
    """One query over an entity's table."""

    def __init__(self, model: Model, entity: str) -> None:
        self.model, self.entity = model, entity
        self.source = model.latest(entity)
        self.columns = Columns(self.source.name, entity)
        self.translate = Translator(self)
        self.rule = ""
        self.lets: dict[str, ir.Expr] = {}
        self._let_terms: dict[str, Term] = {}
        self.computed: dict[tuple[str, str], Amount | Plain] = {}
        self.made: dict[tuple[str, str], Shape] = {}
        # What decided each rule, by number: 0 where it is not determined.
        self.by: dict[str, E] = {}
        self._below: dict[str, Below] = {}
        self.failing: list[tuple[Failing, E]] = []

    # --- what the translator asks for --------------------------------------------------------

    @property
    def with_needs(self) -> bool:
        return self.model.with_needs

    @property
    def parameters(self) -> dict[str, ir.Parameter]:
        return self.model.parameters

    @property
    def roundings(self) -> dict[str, ir.Rounding]:
        return self.model.roundings

    def name(self, tree: E, hint: str) -> E:
        if isinstance(tree, exp.Column | exp.Literal | exp.Boolean | exp.Null):
            return tree
        return self.columns.define(f"{self.rule}__{hint}" if self.rule else hint, tree)

    def own(self, column: str) -> exp.Column:
        """A column of the entity's own table."""
        self.source.want(column)
        return self.columns.input(column, sql.column(column, self.entity))

    def from_entity(self, entity: str, column: str) -> exp.Column:
        """A column of the entity's own table, or of that of one above it or referred to."""
        if entity == self.entity:
            return self.own(column)
        if entity not in self.model.reached(self.entity):
            raise NotImplementedError(f"{entity} is read through what a record above refers to")
        version = self.model.latest(entity)
        version.want(column)
        version.want("id")
        if entity == self.model.root:
            on = self.model.program_match(self.source, self.entity, entity)
        else:
            key = f"{entity}_id"
            self.source.want(key)
            on = sql.both(exp.EQ, sql.column("id", entity), sql.column(key, self.entity))
        self.columns.join(entity, exp.to_table(version.name), on)
        return self.columns.input(f"{entity}__{column}", sql.column(column, entity))

    def fact(self, entity: str, name: str) -> Amount | Plain:
        declared = self.model.facts[entity, name]
        referred = self.model.is_referred(self.entity, entity)
        unknown = referred or self.model.may_be_unknown(declared)
        needs = (
            self._fact_needs(entity, declared, referred) if unknown and self.with_needs else None
        )
        if isinstance(declared.type, Number):
            return self._number(entity, name, declared.type, unknown, needs)
        members = terms.plain_type(declared.type)
        return Plain(self.from_entity(entity, name), unknown, needs, members)

    def _number(
        self, entity: str, name: str, type_: Number, unknown: bool, needs: E | None
    ) -> Amount:
        if type_.scale is None:
            numerator = self.from_entity(entity, f"{name}__n")
            divisor = self.from_entity(entity, f"{name}__d")
            if unknown:
                divisor = self.columns.define(
                    f"{divisor.name}1", sql.coalesce(divisor, sql.number(1))
                )
            most = LARGEST_DENOMINATOR
            high = max(abs(type_.low), abs(type_.high)) * most
            found = Amount(
                numerator, -int(high) if type_.low < 0 else 0, int(high), 1, type_.low, type_.high,
                (Divisor(divisor.name, most),), unknown, needs,
            )  # fmt: skip
            return amounts.bounded(found, type_.low, type_.high)
        unit = self.model.fact_unit(type_)
        low, high = type_.low * unit, type_.high * unit
        tree = self.from_entity(entity, name)
        return Amount(
            tree, int(low), int(high), unit, type_.low, type_.high, (), unknown, needs
        )  # fmt: skip

    def _fact_needs(self, entity: str, declared: ir.FactDeclaration, referred: bool) -> E:
        exact = isinstance(declared.type, Number) and declared.type.scale is None
        tree = self.from_entity(entity, f"{declared.name}__n" if exact else declared.name)
        label = self.label(entity, declared.name)
        found = sql.case([(sql.is_null(tree), sql.texts(label))], sql.no_texts())
        return self._reference_needs(found) if referred else found

    def _reference_needs(self, otherwise: E) -> E:
        """Where the record refers to nothing, that is what is needed."""
        refers = self.model.entities[self.entity].refers
        pointer = self.own(f"{refers}_id")
        label = self.label(self.entity, refers)
        return sql.case([(sql.is_null(pointer), sql.texts(label))], otherwise)

    def label(self, entity: str, name: str) -> E:
        """A fact of a record as messages name it: `entity[keys].fact`."""
        keys = [
            self._key_text(one, key) for one in self.model.chain(entity)
            for key in self.model.entities[one].keys
        ]  # fmt: skip
        if not keys:
            return sql.text(f"{entity}.{name}")
        parts: list[E] = [sql.text(f"{entity}[")]
        for place, key in enumerate(keys):
            parts += [sql.text(","), key] if place else [key]
        return sql.call("CONCAT", *parts, sql.text(f"].{name}"))

    def _key_text(self, entity: str, key: ir.Key) -> E:
        column = self.from_entity(entity, key.name)
        if not isinstance(key.type, Enumeration):
            return column
        members = [
            (sql.both(exp.EQ, column, sql.number(place)), sql.text(member))
            for place, member in enumerate(key.type.members)
        ]
        return sql.case(members, None)

    def outcome(self, rule: str, output: str) -> Amount | Plain:
        found = self.computed.get((rule, output))
        if found is not None:
            return found
        shape = self.model.shapes[rule, output]
        entity = self.model.rules[rule].entity
        referred = self.model.is_referred(self.entity, entity)
        return self.shaped(shape, entity, referred)

    def shaped(self, shape: Shape, entity: str, referred: bool = False) -> Amount | Plain:
        """An outcome of an earlier pass."""
        unknown = shape.unknown or referred
        needs = None
        if unknown and self.with_needs:
            needs = (
                self.from_entity(entity, f"{shape.column}__needs")
                if shape.unknown
                else sql.no_texts()
            )
            needs = sql.coalesce(needs, sql.no_texts())
            if referred:
                needs = self._reference_needs(needs)
        if shape.members is not None or not shape.is_number:
            return Plain(self.from_entity(entity, shape.column), unknown, needs, shape.members)
        tree = self.from_entity(entity, shape.numerator)
        return Amount(
            tree, shape.low, shape.high, shape.unit, shape.least, shape.most,
            self._divisors(shape, entity, referred), unknown, needs,
        )  # fmt: skip

    def _divisors(self, shape: Shape, entity: str, referred: bool) -> tuple[Divisor, ...]:
        if not shape.divisor:
            return ()
        if shape.shared and not referred:
            return tuple(
                Divisor(self.from_entity(owner, column).name, high, (owner, column))
                for owner, column, high in shape.shared
            )
        column: E = self.from_entity(entity, shape.divisor)
        if referred:
            column = self.columns.define(f"{shape.divisor}1", sql.coalesce(column, sql.number(1)))
        above = not referred and entity != self.entity
        origin = (entity, shape.divisor) if above else None
        return (Divisor(column.name, shape.divisor_high, origin),)

    def let(self, name: str) -> Term:
        if name not in self._let_terms:
            found = self.translate.term(self.lets[name])
            self._let_terms[name] = self.named(found, f"let_{name}")
        return self._let_terms[name]

    def named(self, term: Term, hint: str) -> Term:
        """A term whose trees are columns, so that it can be read many times."""
        if isinstance(term, Amount):
            if term.constant is not None:
                return term
            tree = self.name(term.numerator, hint)
            needs = self.name(term.needs, f"{hint}_needs") if term.needs is not None else None
            return amounts.known_as(amounts.with_numerator(term, tree), term.unknown, needs)
        if isinstance(term, Plain) and term.literal is None:
            needs = self.name(term.needs, f"{hint}_needs") if term.needs is not None else None
            return Plain(self.name(term.tree, hint), term.unknown, needs, term.members)
        return term

    def begin(self, rule: ir.AnyRule) -> None:
        """What is read now is read by this rule."""
        self.rule = rule.name
        self.lets = {let.name: let.value for let in rule.lets}
        self._let_terms = {}

    # --- catalogues --------------------------------------------------------------------------

    def record(self, catalogue: str, keys: Sequence[Plain]) -> str:
        dimension = self.model.dimension(catalogue)
        declared = dimension.declared.keys
        trees = [terms.as_type(key, one.type).tree for key, one in zip(keys, declared, strict=True)]
        alias = "_".join([catalogue, *(_word(tree) for tree in trees)])
        on = sql.every(
            sql.both(exp.EQ, sql.column(one.name, alias), self._source(tree))
            for one, tree in zip(declared, trees, strict=True)
        )
        self.columns.join(alias, exp.to_table(dimension.table), on)
        return alias

    def _source(self, key: E) -> E:
        """A key where it is read from its table; a constant as it is."""
        if not isinstance(key, exp.Column):
            return key
        return self.columns.source(key.name)

    def field(self, alias: str, catalogue: str, field: str) -> tuple[E, ir.Key]:
        declared = self.model.dimension(catalogue).declared
        key = next(one for one in (*declared.keys, *declared.fields) if one.name == field)
        return self.columns.input(f"{alias}__{field}", sql.column(field, alias)), key

    def listed(self, alias: str, catalogue: str) -> E:
        first = self.model.dimension(catalogue).declared.keys[0].name
        found = self.columns.input(f"{alias}__{first}", sql.column(first, alias))
        return sql.not_null(found)

    # --- records below -----------------------------------------------------------------------

    def aggregate(self, node: ir.Aggregate) -> Amount | Plain:
        if node.entity not in self._below:
            self._below[node.entity] = Below(self, node.entity)
        return self._below[node.entity].aggregate(node)

    def fail(self, code: str, message: str, help: str, when: E) -> None:
        """The rule does not hold what it promises where the condition is true."""
        failing = Failing(self.rule, code, message, help)
        self.failing.append((failing, when))


def _word(tree: E) -> str:
    """A key as part of a name."""
    return "".join(char if char.isalnum() else "_" for char in tree.name or tree.sql())


class Below:
    """The records of an entity below, grouped by the record above that reads them."""

    def __init__(self, above: Reading, entity: str) -> None:
        self.above, self.entity = above, entity
        self.reading = Reading(above.model, entity)
        self._names: dict[str, str] = {}
        self._trees: dict[str, E] = {}
        # The records that something is aggregated of; None when that is all.
        self._taken: list[E] | None = []
        self.alias = f"{entity}__all"
        model = above.model
        self.group: E | None
        if above.entity == model.root and model.one_program:
            self.group, on = None, sql.truth(True)
        else:
            key = f"{above.entity}_id"
            self.group = self.reading.own(key)
            above.source.want("id")
            on = sql.both(exp.EQ, sql.column(key, self.alias), sql.column("id", above.entity))
        above.columns.join(self.alias, self.query, on)

    def query(self) -> E:
        """The grouped query, once everything is asked for."""
        reads = [] if self.group is None else [self.group.name]
        taken = list(dict.fromkeys(self._taken or ()))
        for tree in (*self._trees.values(), *taken):
            reads += [one.name for one in tree.find_all(exp.Column)]
        inner = self.reading.columns.select(reads or [self.reading.own("id").name])
        made = [sql.alias(tree, name) for name, tree in self._trees.items()]
        keys = [] if self.group is None else [sql.use(self.group)]
        found = exp.select(*keys, *made).from_(inner.subquery("below", copy=False), copy=False)
        if taken:
            found = found.where(sql.any_of(taken), copy=False)
        grouped = found.group_by(*(sql.use(key) for key in keys), copy=False) if keys else found
        return grouped.subquery(copy=False)

    def _column(self, hint: str, tree: E, taken: E | None = None) -> E:
        """An aggregate as a column of the record above; NULL where there is no record below, and
        none that meets a condition where one is given."""
        if taken is None or (isinstance(taken, exp.Boolean) and taken.this):
            self._taken = None
        elif self._taken is not None:
            self._taken.append(taken)
        written = tree.sql()
        if written not in self._names:
            name = f"{self.entity}__{hint}_{len(self._names) + 1}"
            self._names[written] = name
            self._trees[name] = tree
        name = self._names[written]
        return self.above.columns.input(name, sql.column(name, self.alias))

    def _counted(self, hint: str, when: E | None, among: E | None = None) -> E:
        """How many records meet a condition, which none does but `among` those of another one."""
        value: E = exp.Count(this=exp.Star())
        if when is not None:
            value = exp.Count(this=sql.case([(when, sql.number(1))], None))
        taken = among if among is not None else when
        tree = sql.coalesce(self._column(hint, value, taken), sql.number(0))
        return self.above.name(sql.cast(tree, sql.LONG), hint)

    @property
    def most(self) -> int:
        return _MOST_OF_PROGRAM if self.above.entity == self.above.model.root else _MOST

    def aggregate(self, node: ir.Aggregate) -> Amount | Plain:
        inner = self.reading
        where = inner.named(inner.translate.plain(node.where), "matching") if node.where else None
        assert where is None or isinstance(where, Plain)
        met = where.tree if where is not None else None
        open_ = None
        if where is not None and where.unknown:
            open_ = self._counted("open", sql.is_null(where.tree))
        needs = self._needs(where.needs if where is not None else None)
        is_open = sql.both(exp.GT, open_, sql.number(0)) if open_ is not None else sql.truth(False)
        match node.op:
            case "any":
                true = sql.both(exp.GT, self._counted("met", met), sql.number(0))
                if open_ is None:
                    return Plain(true)
                tree = self.above.name(
                    sql.case([(true, sql.truth(True)), (is_open, sql.null())], sql.truth(False)),
                    "any",
                )
                return Plain(tree, True, terms.only_when_unknown(tree, needs))
            case "every":
                no = sql.truth(False) if met is None else sql.negated(met)
                false = sql.both(exp.GT, self._counted("not_met", no), sql.number(0))
                if open_ is None:
                    return Plain(sql.negated(false))
                tree = self.above.name(
                    sql.case([(false, sql.truth(False)), (is_open, sql.null())], sql.truth(True)),
                    "every",
                )
                return Plain(tree, True, terms.only_when_unknown(tree, needs))
            case "count":
                return self._count(met, open_, is_open, needs)
            case "share":
                assert node.empty is not None
                part = self._count(met, open_, is_open, needs)
                whole = amounts.whole(self._counted("all", None), 0, self.most)
                empty = self.above.translate.amount(node.empty)
                return amounts.divided(part, whole, empty, self.above.name)
        return self._folded(node, where, is_open)

    def _count(self, met: E | None, open_: E | None, is_open: E, needs: E | None) -> Amount:
        tree = self._counted("met" if met is not None else "all", met)
        if open_ is None:
            return amounts.whole(tree, 0, self.most)
        tree = self.above.name(sql.case([(is_open, sql.null())], tree), "count")
        return amounts.whole(tree, 0, self.most, True, terms.only_when_unknown(tree, needs))

    def _needs(self, needs: E | None) -> E | None:
        """All that the records need."""
        if needs is None:
            return None
        gathered = exp.Flatten(this=exp.ArrayAgg(this=sql.use(needs)))
        found = exp.ArrayDistinct(this=gathered)
        return sql.coalesce(self._column("needs", found), sql.no_texts())

    def _folded(self, node: ir.Aggregate, where: Plain | None, is_open: E) -> Amount:
        inner, above = self.reading, self.above
        assert node.item is not None
        item = inner.named(inner.translate.amount(node.item), "item")
        assert isinstance(item, Amount)
        divisors = self._shared(item)
        considered = where.tree if where is not None else None
        taken = (
            item.numerator if considered is None else sql.case([(considered, item.numerator)], None)
        )
        unknown, opened = where is not None and where.unknown, [is_open]
        if item.unknown:
            unknown = True
            parts = [sql.is_null(item.numerator)] + ([considered] if considered is not None else [])
            missing = self._counted("missing", sql.every(parts), considered)
            opened.append(sql.both(exp.GT, missing, sql.number(0)))
        needs = None
        if unknown and above.with_needs:
            sets = []
            if where is not None and where.needs is not None:
                sets.append(where.needs)
            if item.needs is not None:
                of_item = item.needs
                if considered is not None:
                    of_item = sql.case([(considered, of_item)], sql.no_texts())
                sets.append(of_item)
            needs = self._needs(sql.united(sets)) if sets else None
        found = self._fold(node, item, taken, divisors, considered)
        if unknown:
            is_unknown = sql.any_of(opened)
            tree = above.name(sql.case([(is_unknown, sql.null())], found.numerator), node.op)
            if needs is not None and found.needs is not None:
                # What an aggregate over nothing gives is asked for when there is surely nothing.
                needs = sql.case([(is_unknown, needs)], found.needs)
            found = amounts.known_as(
                amounts.with_numerator(found, tree), True, terms.only_when_unknown(tree, needs)
            )
        return found

    def _shared(self, item: Amount) -> tuple[Divisor, ...]:
        """The item's divisors, which must be the same for all records of a group: those of a
        record above."""
        found = []
        for one in item.divisors:
            if one.origin is None or one.origin[0] not in self.above.model.chain(self.above.entity):
                raise NotImplementedError("records whose numbers have different denominators")
            column = self.above.from_entity(*one.origin).name
            above = one.origin if one.origin[0] != self.above.entity else None
            found.append(Divisor(column, one.high, above))
        return tuple(found)

    def _fold(
        self, node: ir.Aggregate, item: Amount, taken: E, divisors: tuple[Divisor, ...],
        considered: E | None,
    ) -> Amount:  # fmt: skip
        above = self.above

        def counted() -> E:
            return self._counted("met" if considered is not None else "all", considered)

        if node.op in ("greatest", "least"):
            kind = exp.Max if node.op == "greatest" else exp.Min
            best = self._column(node.op, kind(this=taken), considered)
            found = Amount(best, item.low, item.high, item.unit, item.least, item.most, divisors)
            return self._or_empty(node, found, counted())
        # A sum that 128 bits do not hold ends in an error, in every engine.
        low = max(min(0, item.low * self.most), -amounts.WIDEST)
        high = min(max(0, item.high * self.most), amounts.WIDEST)
        wide = amounts.is_wide(low, high)
        if wide and not item.wide:
            taken = sql.cast(taken, sql.WIDE)
        tree = self._column("sum", exp.Sum(this=taken), considered)
        tree = sql.cast(sql.coalesce(tree, sql.number(0)), sql.WIDE if wide else sql.LONG)
        tree = above.name(tree, "sum")
        total = Amount(
            tree, low, high, item.unit, min(item.least * self.most, Fraction(0)),
            max(item.most * self.most, Fraction(0)), divisors,
        )  # fmt: skip
        if node.op == "sum":
            return total
        count = counted()
        too_many = sql.both(exp.GT, count, sql.number(MOST_AVERAGED))
        above.fail(
            "too-many-averaged", f"an average is over more than {MOST_AVERAGED} records",
            "leave out the records of it that do not belong there; `finalrule score` averages any "
            "number", too_many,
        )  # fmt: skip
        share = sql.both(
            exp.IntDiv, sql.number(_AVERAGE_UNIT), sql.call("GREATEST", count, sql.number(1))
        )
        low, high = item.low * _AVERAGE_UNIT, item.high * _AVERAGE_UNIT
        if amounts.is_wide(low, high) and not wide:
            tree = sql.cast(tree, sql.WIDE)
        found = Amount(
            above.name(sql.both(exp.Mul, tree, share), "average"), low, high,
            item.unit * _AVERAGE_UNIT, item.least, item.most, divisors,
        )  # fmt: skip
        return self._or_empty(node, found, count)

    def _or_empty(self, node: ir.Aggregate, found: Amount, count: E) -> Amount:
        assert node.empty is not None
        empty = self.above.translate.amount(node.empty)
        none = sql.both(exp.EQ, count, sql.number(0))
        chosen = amounts.chosen([(none, empty)], found, self.above.name)
        return amounts.known_as(chosen, empty.unknown, chosen.needs)
