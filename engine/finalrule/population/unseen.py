"""Changes of a query that change no result, whatever the facts are: no fault is made of these.

What is decided here is narrow. Each is of something that is not known, where another thing that is
not known for the same records makes the same of the outcome.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from itertools import product
from math import prod

from sqlglot import exp

from finalrule.core import ir
from finalrule.core.walk import nodes
from finalrule.evaluate.lets import inline, inlined_lets
from finalrule.population.sql import E

# Clauses, by rule, that decide only where all that their value reads is known, with the reason.
KNOWN: Mapping[tuple[str, str], str] = {
    ("assessed_marginal_risk", "average"): (
        "of levels of losses it is only known that they follow one another where it is known of "
        "each whether it counts; what it counts with is required, or known where it counts"
    ),
}
# What a column's name ends with where it is the last condition or value of a rule.
_CHOSEN, _VALUES = "chosen", ("value", "value_needs")
_CONSTANT = (ir.Num, ir.Param)
# Conditions that may hold in more ways than so many are not worked through.
_MOST_HELD = 3**6


class Unseen:
    """What no change of one query shows, of the rules that it computes. `known` are columns of
    outcomes that are never unknown, after their entities."""

    def __init__(
        self,
        program: ir.Program,
        entity: str,
        query: exp.Select,
        known: Collection[tuple[str, str]] = (),
    ) -> None:
        self.program, self.entity, self.query, self.known = program, entity, query, known
        self._required = {
            (fact.entity, fact.name) for fact in program.facts if fact.presence != "may_be_unknown"
        } | {(entity.name, key.name) for entity in program.entities for key in entity.keys}

    @cached_property
    def aliases(self) -> dict[str, E]:
        """The columns of the query that belong to rules, by name."""
        rules = {rule.name for rule in self.program.rules}
        return {
            one.alias: one.this
            for one in self.query.find_all(exp.Alias)
            if "__" in one.alias or one.alias in rules
        }

    @cached_property
    def _reads(self) -> dict[str, frozenset[str]]:
        """The columns that each of these is computed of."""
        return {
            name: frozenset(one.name for one in made.find_all(exp.Column))
            for name, made in self.aliases.items()
        }

    # --- the last clause ---------------------------------------------------------------------

    def holds_anyway(self, rule: ir.AnyRule | None, column: str) -> bool:
        """Whether it makes no difference that the condition of a rule's last clause, which a column
        has, also holds where it is not known: either everything is known, and one of the clauses
        holds, or the outcome is unknown and needs the same."""
        if not isinstance(rule, ir.Choice) or not self._hangs_on_one(rule):
            return False
        chosen = self.aliases.get(f"{rule.name}__{_CHOSEN}")
        return isinstance(chosen, exp.Case) and chosen.args["ifs"][-1].this.name == column

    def _hangs_on_one(self, rule: ir.Choice) -> bool:
        """Whether one comparison alone may be unknown in all conditions of a rule, on which the
        last clause depends, whose value needs all that it does."""
        whole: ir.Choice = inline(rule, inlined_lets(rule))
        conditions = [node for clause in whole.clauses for node in nodes(clause.when)]
        unknown = {
            node
            for node in conditions
            if isinstance(node, ir.Compare) and self._unknown(rule, node)
        }
        last = whole.clauses[-1]
        if len(whole.clauses) < 2 or len(unknown) != 1 or not isinstance(last.when, ir.Logic):
            return False
        (one,) = unknown
        hard = ir.Aggregate | ir.Lookup | ir.Listed | ir.FirstKnown
        strict = (ir.Arith, ir.Round, ir.Convert, ir.Negate, ir.Outcome, ir.Fact, *_CONSTANT)
        read = frozenset[ir.Fact | ir.Outcome]().union(
            *(self._unknown(rule, clause.when) for clause in whole.clauses)
        )
        return (
            not any(isinstance(node, hard) for node in conditions)
            and last.when.op == "all"
            and any(part in (one, ir.Logic("none", (one,))) for part in last.when.items)
            and read == self._unknown(rule, one) == self._unknown(rule, last.value)
            and all(isinstance(part, strict) for part in nodes(last.value))
        )

    def _unknown(self, rule: ir.AnyRule, part: object) -> frozenset[ir.Fact | ir.Outcome]:
        """What may be unknown of what is read."""
        return frozenset(
            node
            for node in nodes(part)
            if isinstance(node, ir.Outcome)
            or (
                isinstance(node, ir.Fact)
                and (node.entity != rule.entity or (node.entity, node.name) not in self._required)
            )
        )

    # --- what is always known ------------------------------------------------------------------

    def is_known(self, tree: E) -> bool:
        """Whether an expression is never NULL."""
        match tree:
            case exp.Literal() | exp.Boolean() | exp.Is():
                return True
            case exp.Column():
                made = self._made(tree)
                if made is not None:
                    return self.is_known(made)
                own = tree.table in ("", self.entity)
                outcome = (self.entity, tree.name) in self.known
                return own and (tree.name in self._facts or outcome)
            case exp.Coalesce():
                return self.is_known(tree.expressions[-1])
            case exp.Case():
                values = [one.args["true"] for one in tree.args["ifs"]]
                last = tree.args.get("default")
                checked = {
                    one.this.this.this.name
                    for one in tree.args["ifs"]
                    if isinstance(one.this, exp.Not) and isinstance(one.this.this, exp.Is)
                }
                return last is not None and all(
                    one.name in checked or self.is_known(one) for one in (*values, last)
                )
            case exp.Binary() | exp.Not() | exp.Paren() | exp.Cast() | exp.Neg():
                return all(self.is_known(part) for part in tree.iter_expressions()
                           if not isinstance(part, exp.DataType))  # fmt: skip
            case exp.In():
                return self.is_known(tree.this)
        return False

    @cached_property
    def _facts(self) -> set[str]:
        """The facts that are always there, by name, of whatever entity."""
        never = {fact.name for fact in self.program.facts if fact.presence == "may_be_unknown"}
        return {name for _, name in self._required} - never

    def _made(self, column: exp.Column) -> E | None:
        """What a column of a rule is computed of; None for one of a table."""
        return None if column.table else self.aliases.get(column.name)

    def decides_as_before(self, rule: ir.AnyRule | None, column: str, node: E, changed: E) -> bool:
        """Whether the same clause decides, or none as before, whatever the facts are, with one part
        of a condition changed: often a condition only keeps out what an earlier one has taken, or
        is unknown exactly where another one is. Only where the column is read for nothing else; if
        all that the conditions ask is always known, also for what they would need."""
        name = f"{rule.name}__{_CHOSEN}" if rule is not None else ""
        chosen = self.aliases.get(name)
        if not isinstance(rule, ir.Choice) or not isinstance(chosen, exp.Case):
            return False
        if column not in self._behind([name]):
            return False
        # Each that may be unknown is true, false or unknown, without regard to the others: more
        # than there can be, so that what is the same in all of these always is.
        atoms: dict[str, bool] = {}
        seen: set[int] = set()
        for tree in (*_conditions(chosen), changed):
            self._asks(tree, atoms, seen)
        unknown = any(atoms.values())
        if id(node) not in seen or not self._only_decides(rule, column, unknown):
            return False
        values = [(True, False, None) if one else (True, False) for one in atoms.values()]
        if prod(map(len, values)) > _MOST_HELD:
            return False
        swapped = {id(node): changed}
        for held in product(*values):
            facts = dict(zip(atoms, held, strict=True))
            if self._decided(chosen, facts, {}) != self._decided(chosen, facts, swapped):
                return False
        return True

    def _only_decides(self, rule: ir.Choice, column: str, unknown: bool) -> bool:
        """Whether a column is read for what decides a rule and for nothing that does not go by
        that, save for what is needed where nothing is unknown."""
        chosen = f"{rule.name}__{_CHOSEN}"
        if not unknown:
            values = {rule.name, f"{rule.name}__value"} & self.aliases.keys()
            return column == chosen or not any(
                column in self._behind([value], stop=chosen) for value in values
            )
        above, todo = {column}, [column] if column != chosen else []
        while todo:
            more = self._readers.get(todo.pop(), set()) - above
            above |= more
            todo += more - {chosen}
        return above <= self._behind([chosen]) and above.isdisjoint(self._outside)

    @cached_property
    def _readers(self) -> dict[str, set[str]]:
        """The columns, of rules or not, that are computed of each."""
        found: dict[str, set[str]] = {}
        for one in self.query.find_all(exp.Alias):
            for part in one.this.find_all(exp.Column):
                found.setdefault(part.name, set()).add(one.alias)
        return found

    @cached_property
    def _outside(self) -> frozenset[str]:
        """The columns by which rows are joined, kept, grouped or ordered."""
        parts = self.query.find_all(exp.Where, exp.Join, exp.Having, exp.Group, exp.Order)
        return frozenset(one.name for part in parts for one in part.find_all(exp.Column))

    def _asks(self, tree: E, atoms: dict[str, bool], seen: set[int]) -> None:
        """Note what a condition asks, and whether that may be unknown; and what was walked."""
        seen.add(id(tree))
        match tree:
            case exp.And() | exp.Or() | exp.Not() | exp.Paren():
                for part in tree.iter_expressions():
                    self._asks(part, atoms, seen)
            case exp.Is(expression=exp.Null()):
                self._asks(tree.this, atoms, seen)
            case exp.Boolean():
                pass
            case exp.Column() if (made := self._made(tree)) is not None:
                self._asks(made, atoms, seen)
            case _:
                atoms[tree.sql()] = not self.is_known(tree)

    def _decided(
        self, decides: E | None, facts: Mapping[str, bool | None], swapped: Mapping[int, E]
    ) -> str:
        """What decides, where each atom has a value and some nodes are other ones."""

        def holds(tree: E) -> bool | None:
            tree = swapped.get(id(tree), tree)
            match tree:
                case exp.And() | exp.Or():
                    decisive = isinstance(tree, exp.Or)
                    pair = holds(tree.this), holds(tree.expression)
                    if decisive in pair:
                        return decisive
                    return None if None in pair else not decisive
                case exp.Not():
                    held = holds(tree.this)
                    return None if held is None else not held
                case exp.Is(expression=exp.Null()):
                    return holds(tree.this) is None
                case exp.Paren():
                    return holds(tree.this)
                case exp.Boolean():
                    return bool(tree.this)
                case exp.Column() if (made := self._made(tree)) is not None:
                    return holds(made)
            return facts[tree.sql()]

        if isinstance(decides, exp.Case):
            for one in decides.args["ifs"]:
                if holds(one.this):
                    return self._decided(one.args["true"], facts, swapped)
            return self._decided(decides.args.get("default"), facts, swapped)
        return "" if decides is None or isinstance(decides, exp.Null) else str(decides.sql())

    # --- counts ------------------------------------------------------------------------------

    def has_twin(self, rule: ir.AnyRule | None, column: str) -> bool:
        """Whether a number of records, some of which may be unknown, is unknown where another one
        is that stands in the same sum: that of the same records with another member. The rule's
        value is all that it decides, so that this is unknown then as well."""
        if not isinstance(rule, ir.Choice) or len(rule.clauses) != 1:
            return False
        value = inline(rule.clauses[0].value, inlined_lets(rule))
        strict = (ir.Arith, ir.Extreme, ir.Outcome, ir.Fact, ir.Aggregate)
        above = [node for node in nodes(value) if not _is_inside_aggregate(node, value)]
        if not all(isinstance(one, (*strict, *_CONSTANT)) for one in above):
            return False
        own = self._counted(column)
        return own is not None and any(
            self._counted(other) == own
            for other in self.aliases
            if other != column and re.fullmatch(rf"{rule.name}__count(_\d+)?", other)
        )

    def _counted(self, column: str) -> str | None:
        """The condition of a count without the members that it asks for, as text, where only what
        is asked for may be unknown."""
        count = self.aliases.get(column)
        many = next(count.find_all(exp.GT), None) if isinstance(count, exp.Case) else None
        found = self.aliases.get(many.this.name) if many is not None else None
        name = next(found.find_all(exp.Column), None) if found is not None else None
        made = next(
            (
                one for one in self.query.find_all(exp.Alias)
                if name is not None and one.alias == name.name and one.find(exp.Count)
            ),
            None,
        )  # fmt: skip
        select = made.find_ancestor(exp.Select) if made is not None else None
        if made is None or select is None:
            return None
        asked = next(made.find_all(exp.Column)).name
        truth = next((one for one in select.find_all(exp.Alias) if one.alias == asked), None)
        if truth is None or not isinstance(truth.this, exp.And):
            return None
        condition = truth.this.copy()
        for column_ in list(condition.find_all(exp.Column)):
            above = column_.parent
            if isinstance(above, exp.In) and column_.name not in self._facts:
                above.replace(exp.Is(this=column_.copy(), expression=exp.Null()))
            elif column_.name not in self._facts:
                return None
        return condition.sql()

    # --- clauses that decide only what is known ------------------------------------------------

    def of_known(self, rule: ir.AnyRule | None, column: str, node: E) -> bool:
        """Whether a node of a column only says what is not known in the value of a clause that
        decides where all of it is."""
        if not isinstance(rule, ir.Choice):
            return False
        places = {
            place
            for place, clause in enumerate(rule.clauses, 1)
            if (rule.name, clause.name) in KNOWN
        }
        if self._hangs_on_one(rule):
            places.add(len(rule.clauses))
        if column.removeprefix(f"{rule.name}__") not in _VALUES:
            return bool(places) and column in self._only_in(rule, places)
        above = node.find_ancestor(exp.If)
        while above is not None:
            if _number(above.this) in places:
                return True
            above = above.find_ancestor(exp.If)
        return False

    def is_nothing_times(self, rule: ir.AnyRule | None, column: str, node: E) -> bool:
        """Whether a condition asks if one of two factors is zero, for what their product needs, and
        this is read only where the product, all of a clause's value that may be unknown, is not
        known: where neither is zero."""
        above = node.parent
        whole = above.parent if isinstance(above, exp.If) else None
        if not isinstance(rule, ir.Choice) or not column.endswith("_needs"):
            return False
        if not isinstance(whole, exp.Case) or not isinstance(whole.parent, exp.Alias):
            return False
        product = column.removesuffix("_needs")
        made = self.aliases.get(product)
        zero = made.args["ifs"][0] if isinstance(made, exp.Case) else None
        if zero is None or zero.this != node or zero.args["true"].name != "0":
            return False
        places = self._places_of(rule, "needs", column) | self._places_of(
            rule, "value_needs", column
        )
        read = self._readers.get(column, set()) - {f"{rule.name}__needs"}
        value = self.aliases.get(f"{rule.name}__value", self.aliases.get(rule.name))
        branches = [one for one in _branches(value) if _number(one.this) in places]
        return (
            bool(branches)
            and None not in places
            and read <= {f"{rule.name}__value_needs"}
            and all(self._hangs_on(one.args["true"], product) for one in branches)
        )

    def is_of_one(self, node: exp.Sum) -> bool:
        """Whether at most one record has a part in a total: those below one above them of which
        one is selected, or one has the key that is asked for."""
        each = node.this
        select = node.find_ancestor(exp.Select)
        if not isinstance(each, exp.Case) or select is None:
            return False
        group = select.args.get("group")
        names = [one.name for one in group.expressions] if group is not None else []
        when = each.args["ifs"][0].this
        if not isinstance(when, exp.Column):
            return False
        rule = next((one for one in self.program.rules if one.name == when.name), None)
        if isinstance(rule, ir.Select):
            parent = next(one.parent for one in self.program.entities if one.name == rule.entity)
            one = isinstance(rule.best, ir.Num) and rule.best.value == 1
            return one and not rule.per and parent == self.entity and names == [f"{parent}_id"]
        tables = {re.sub(r"_[0-9]+$", "", one.name) for one in select.find_all(exp.Table)}
        made = [one.this for one in select.find_all(exp.Alias) if one.alias == when.name]
        asked = made[0] if len(made) == 1 else None
        return (
            isinstance(asked, exp.In)
            and len(asked.expressions) == 1
            and names == [f"{self.entity}_id"]
            and any(
                entity.name in tables
                and entity.parent == self.entity
                and [key.name for key in entity.keys] == [asked.this.name]
                for entity in self.program.entities
            )
        )

    def is_average_of_none(self, column: str) -> bool:
        """Whether a number of records is read only to average over them, where there are none of
        which nothing comes: it divides a total, and is at least one there; and it is asked whether
        it is zero, for a zero, which the total is as well. Also how many are too many."""
        average = self.aliases.get(re.sub(r"__met(_[0-9]+)?$", r"__average\1", column))
        total = average.this if isinstance(average, exp.Mul) else None
        one_of_them = self._counts_when(total, exp.Sum)
        if one_of_them is None or one_of_them != self._counts_when(exp.column(column), exp.Count):
            return False
        assert average is not None
        for one in self.query.find_all(exp.Column):
            above = one.parent
            if one.name != column or isinstance(above, exp.Select):
                continue
            zero = isinstance(above, exp.EQ) and above.expression.name == "0"
            branch = above.parent if above is not None else None
            inside = any(above is part for part in average.walk())
            if not (
                (isinstance(above, exp.Greatest) and inside)
                or (isinstance(above, exp.GT) and int(above.expression.name) > 0)
                or (zero and isinstance(branch, exp.If) and branch.args["true"].name == "0")
            ):
                return False
        return True

    def is_total_of_none(self, column: str) -> bool:
        """Whether a total of numbers that are always known is read only for an average, which is
        read only where there are some."""
        name = re.sub(r"__sum(_[0-9]+)?$", r"__average\1", column)
        many = re.sub(r"__sum(_[0-9]+)?$", r"__met\1", column)
        when = self._counts_when(exp.column(column), exp.Sum)
        if name == column or when is None or self._readers.get(column) != {name}:
            return False
        if when != self._counts_when(exp.column(many), exp.Count):
            return False
        read = [one for one in self.query.find_all(exp.Column) if one.name == name]
        cases = [one.parent for one in read if not isinstance(one.parent, exp.Select)]
        return bool(cases) and all(
            isinstance(one, exp.Case)
            and len(one.args["ifs"]) == 1
            and isinstance(one.args["ifs"][0].this, exp.EQ)
            and one.args["ifs"][0].this.this.name == many
            and one.args["ifs"][0].this.expression.name == "0"
            for one in cases
        )

    def _counts_when(self, tree: E | None, kind: type[E]) -> str | None:
        """The condition on which records have a part in a total, of none of which zero comes."""
        if not isinstance(tree, exp.Column):
            return None
        made = self._made(tree)
        within = made.this if isinstance(made, exp.Cast) else None
        if not isinstance(within, exp.Coalesce) or within.expressions[-1].name != "0":
            return None
        each = getattr(self._total(within.this, kind), "this", None)
        if not isinstance(each, exp.Case):
            return None
        item = each.args["ifs"][0].args["true"]
        always = self._facts | {column for _, column in self.known}
        known = isinstance(item, exp.Literal) or item.name in always
        return each.args["ifs"][0].this.sql() if known else None

    def is_default(self, rule: ir.AnyRule | None, column: str, node: exp.Coalesce) -> bool:
        """Whether nothing changes with what stands in for what is missing."""
        return (
            self.is_known(node.this)
            or self.is_there(rule, column, node)
            or (
                isinstance(node.parent, exp.Cast)
                and (self.is_average_of_none(column) or self.is_total_of_none(column))
            )
        )

    def is_there(self, rule: ir.AnyRule | None, column: str, node: exp.Coalesce) -> bool:
        """Whether a total, with something else where there are no records, is read only for the
        value of a clause that asks for records: all of them, of which each has a part in it."""
        total = self._total(node.this, exp.Sum)
        if not isinstance(rule, ir.Choice) or total is None:
            return False
        name = total.find_ancestor(exp.Alias)
        part = name.this.this if name is not None and isinstance(name.this, exp.Sum) else None
        chosen = self.aliases.get(f"{rule.name}__{_CHOSEN}")
        places = self._places_of(rule, "value", column)
        always = self._facts | {column for _, column in self.known}
        if not isinstance(part, exp.Column) or part.name not in always or not places:
            return False
        if None in places or not isinstance(chosen, exp.Case):
            return False
        read = self._readers.get(column, set())
        return read == {f"{rule.name}__value"} and all(
            self._asks_for_records(one.this, total.find_ancestor(exp.Select))
            for one in chosen.args["ifs"]
            if int(one.args["true"].name) in places
        )

    def _total(self, tree: E, kind: type[E]) -> E | None:
        """What a column of totals by record is computed with."""
        name = tree.name if isinstance(tree, exp.Column) else ""
        found = [
            one.this
            for one in self.query.find_all(exp.Alias)
            if one.alias == name and isinstance(one.this, kind)
        ]
        return found[0] if len(found) == 1 else None

    def _asks_for_records(self, tree: E, select: E | None) -> bool:
        """Whether a condition is that a count of all rows of a query is not zero."""
        while isinstance(tree, exp.Column) and (made := self._made(tree)) is not None:
            tree = made
        if not isinstance(tree, exp.GT) or tree.expression.name != "0":
            return False
        many: E | None = tree.this
        while isinstance(many, exp.Cast | exp.Coalesce | exp.Column):
            many = self._made(many) if isinstance(many, exp.Column) else many.this
        return (
            isinstance(many, exp.Count)
            and isinstance(many.this, exp.Star)
            and many.find_ancestor(exp.Select) is select
        )

    def _places_of(self, rule: ir.Choice, name: str, column: str) -> set[int | None]:
        """The clauses for whose values a column is read in another one; None for elsewhere."""
        found: set[int | None] = set()
        within = self.aliases.get(f"{rule.name}__{name}")
        for one in within.find_all(exp.Column) if within is not None else ():
            if one.name == column:
                above = one.find_ancestor(exp.If)
                found.add(_number(above.this) if above is not None else None)
        return found

    def _hangs_on(self, value: E, column: str) -> bool:
        """Whether a value is unknown only where a column is."""
        return value.find(exp.Case, exp.Coalesce, exp.Nullif) is None and all(
            one.name == column or self.is_known(one) for one in value.find_all(exp.Column)
        )

    def _only_in(self, rule: ir.Choice, places: Collection[int]) -> set[str]:
        """The columns that are read for the values of clauses and for nothing else."""
        inside: set[str] = set()
        outside = {f"{rule.name}__{_CHOSEN}"}
        for name in _VALUES:
            value = self.aliases.get(f"{rule.name}__{name}")
            for branch in _branches(value):
                read = {one.name for one in branch.args["true"].find_all(exp.Column)}
                number = _number(branch.this)
                (inside if number in places else outside).update(read)
                if number is None:
                    outside.update(one.name for one in branch.this.find_all(exp.Column))
        return self._behind(inside) - self._behind(outside)

    def _behind(self, names: Collection[str], stop: str = "") -> set[str]:
        """The columns that some are computed of, and these; not what one is at which it stops."""
        found, todo = set(names), list(names)
        while todo:
            name = todo.pop()
            more = self._reads.get(name, frozenset()) - found if name != stop else frozenset()
            found |= more
            todo.extend(more)
        return found


def asks_again(node: E, column: str) -> bool:
    """Whether a condition of what an outcome needs asks again whether all of several things are not
    known: what it needs is read where the outcome is not known, which then none of them is."""
    if not re.search(r"__(value_)?needs$", column) or not all(
        isinstance(part, exp.Is) for part in node.flatten()
    ):
        return False
    above = node.parent
    while isinstance(above, exp.If | exp.Case | exp.Paren):
        above = above.parent
    return isinstance(above, exp.Alias)


def _is_inside_aggregate(node: ir.Node, value: ir.Node) -> bool:
    return any(
        one is node
        for total in nodes(value)
        if isinstance(total, ir.Aggregate)
        for one in nodes((total.item, total.where))
    )


def _conditions(decides: E | None) -> Iterator[E]:
    """The conditions by which it is decided, also those of a decision within another one."""
    if isinstance(decides, exp.Case):
        for one in decides.args["ifs"]:
            yield one.this
            yield from _conditions(one.args["true"])
        yield from _conditions(decides.args.get("default"))


def _branches(value: E | None) -> list[exp.If]:
    """The branches of a value that say which clause decided, also within the one for none."""
    return [
        one
        for one in (value.find_all(exp.If) if value is not None else ())
        if _number(one.this) is not None or one.find_ancestor(exp.If) is None
    ]


def _number(when: E) -> int | None:
    """The clause that a condition asks for."""
    if isinstance(when, exp.EQ) and when.this.name.endswith(f"__{_CHOSEN}"):
        return int(when.expression.name)
    return None
