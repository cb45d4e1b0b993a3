"""Changes of a query that change no result, whatever the facts are: no fault is made of these.

What is decided here is narrow. Each is of something that is not known, where another thing that is
not known for the same records makes the same of the outcome.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import cached_property
from itertools import product

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
# Conditions that ask more are not worked through.
_MOST_ATOMS = 8


class Unseen:
    """What no change of one query shows, of the rules that it computes."""

    def __init__(self, program: ir.Program, entity: str, query: exp.Select) -> None:
        self.program, self.entity, self.query = program, entity, query
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
                return tree.table in ("", self.entity) and tree.name in self._facts
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
        """Whether the same clause decides, whatever the facts are, with one part of a condition
        changed: often a condition only keeps out what an earlier one has taken. Only where all that
        the conditions ask is always known, and the column is read for nothing else than these and
        what they would need."""
        chosen = self.aliases.get(f"{rule.name}__{_CHOSEN}") if rule is not None else None
        if not isinstance(rule, ir.Choice) or not isinstance(chosen, exp.Case):
            return False
        values = {rule.name, f"{rule.name}__value"} & self.aliases.keys()
        if column not in self._behind([f"{rule.name}__{_CHOSEN}"]) or any(
            column in self._behind([value], stop=f"{rule.name}__{_CHOSEN}") for value in values
        ):
            return False
        atoms: dict[str, None] = {}
        swapped = {id(node): changed}
        for tree in (node, changed, *(one.this for one in chosen.args["ifs"])):
            if not self._asks(tree, atoms):
                return False
        if len(atoms) > _MOST_ATOMS:
            return False
        for held in product((False, True), repeat=len(atoms)):
            facts = dict(zip(atoms, held, strict=True))
            if self._decided(chosen, facts, {}) != self._decided(chosen, facts, swapped):
                return False
        return True

    def _asks(self, tree: E, atoms: dict[str, None]) -> bool:
        """Note what a condition asks; False where some of it may be unknown."""
        match tree:
            case exp.And() | exp.Or() | exp.Not() | exp.Paren():
                return all(self._asks(part, atoms) for part in tree.iter_expressions())
            case exp.Boolean():
                return True
            case exp.Column() if (made := self._made(tree)) is not None:
                return self._asks(made, atoms)
        atoms[tree.sql()] = None
        return self.is_known(tree)

    def _decided(
        self, chosen: exp.Case, facts: Mapping[str, bool], swapped: Mapping[int, E]
    ) -> str:
        """What decides, where each atom has a value and some nodes are other ones."""

        def holds(tree: E) -> bool:
            tree = swapped.get(id(tree), tree)
            match tree:
                case exp.And():
                    return holds(tree.this) and holds(tree.expression)
                case exp.Or():
                    return holds(tree.this) or holds(tree.expression)
                case exp.Not():
                    return not holds(tree.this)
                case exp.Paren():
                    return holds(tree.this)
                case exp.Boolean():
                    return bool(tree.this)
                case exp.Column() if (made := self._made(tree)) is not None:
                    return holds(made)
            return facts[tree.sql()]

        for one in chosen.args["ifs"]:
            if holds(one.this):
                return str(one.args["true"].sql())
        last = chosen.args.get("default")
        return str(last.sql()) if last is not None else ""

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
