"""Faults put into compiled queries on purpose: what does not find them would not find a real one.

Each fault is one change of one query's tree, of a kind that people who write SQL make, where it can
change an outcome: not in what guards a promise that is held, not in a condition that only lets in
what an earlier one has taken, and not where `unseen` shows that no outcome changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from sqlglot import exp

from finalrule.core import ir
from finalrule.evaluate.outcomes import winners
from finalrule.population import sql
from finalrule.population.plan import Pass, Plan, follows
from finalrule.population.sql import E
from finalrule.population.unseen import Unseen, asks_again

# Changes a node of a query of its own.
_Edit = Callable[[E], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """One pass's query, by its place among the passes, with one thing wrong; `what` says what, and
    `rules` are those that it can make wrong."""

    place: int
    query: exp.Select
    what: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Site:
    """A node of a query, by its number in walking the query, and what is done to it."""

    place: int
    node: int
    column: str
    what: str
    edit: _Edit


def seed_faults(
    plan: Plan, count: int, seed: int, never: Mapping[str, Collection[str]]
) -> list[Fault]:
    """So many faults in different places, of all kinds and in all passes alike as far as there are;
    fewer where there are no more. `never` names what cannot decide a rule, by rule."""
    random = Random(seed)
    kinds: dict[str, list[_Site]] = {}
    for place, one in enumerate(plan.passes):
        for name, site in _Sites(plan, place, one, never).found():
            kinds.setdefault(name, []).append(site)
    for sites in kinds.values():
        random.shuffle(sites)
    names = sorted(kinds)
    random.shuffle(names)
    taken: set[tuple[int, int]] = set()
    often: dict[int, int] = {}
    found: list[Fault] = []
    while len(found) < count and any(kinds.values()):
        for name in names:
            free = [site for site in kinds[name] if (site.place, site.node) not in taken]
            kinds[name] = free
            if free and len(found) < count:
                site = min(free, key=lambda one: often.get(one.place, 0))
                taken.add((site.place, site.node))
                often[site.place] = often.get(site.place, 0) + 1
                found.append(_made(plan.passes[site.place], site))
    return found


def _made(one: Pass, site: _Site) -> Fault:
    query = one.query.copy()
    node = list(query.walk())[site.node]
    read = [site.column, *(part.name for part in node.find_all(exp.Column))]
    rules = _made_wrong(one, read if re.match(r"by_", site.column) else read[:1])
    site.edit(node)
    return Fault(site.place, query, f"{one.target}, {site.column}: {site.what}", rules)


def _made_wrong(one: Pass, columns: Sequence[str]) -> tuple[str, ...]:
    """The rules of a pass that a fault in columns makes wrong: whose these are, or what is computed
    of them; all of the pass where that cannot be told."""
    owners = {name.partition("__")[0] for name in columns}
    if owned := tuple(rule for rule in one.rules if rule in owners):
        return owned
    used: dict[str, set[str]] = {}
    for alias in one.query.find_all(exp.Alias):
        for part in alias.this.find_all(exp.Column):
            used.setdefault(part.name, set()).add(alias.alias)
    found, todo = set(columns), list(columns)
    while todo:
        for name in used.get(todo.pop(), set()) - found:
            found.add(name)
            if name.partition("__")[0] not in one.rules:
                todo.append(name)
    wrong = {name.partition("__")[0] for name in found}
    return tuple(rule for rule in one.rules if rule in wrong) or one.rules


class _Sites:
    """What can be done wrong in one query."""

    def __init__(
        self, plan: Plan, place: int, one: Pass, never: Mapping[str, Collection[str]]
    ) -> None:
        self.plan, self.place, self.pass_, self.never = plan, place, one, never
        self.rules = {rule.name: rule for rule in plan.program.rules}
        facts = plan.program.facts
        self.enumerated = {
            fact.name: fact.type.members for fact in facts if hasattr(fact.type, "members")
        }
        known = {
            (self.rules[name].entity, column)
            for (name, _), shape in plan.shapes.items()
            if not shape.unknown
            for column in shape.columns
        }
        self.unseen = Unseen(plan.program, one.entity, one.query, known)
        self.numbers = {fact.name for fact in facts if hasattr(fact.type, "scale")}

    def found(self) -> Iterator[tuple[str, _Site]]:
        """Kind and site of each; one that differs only in a number is of the same kind."""
        for number, node in enumerate(self.pass_.query.walk()):
            column = _column(node)
            if column is None or re.match(r"failed_|.*__held(_\d+)?$", column):
                continue
            for name, edit in self.edits(node, column):
                kind = re.sub(r"[0-9]+", "", name)
                yield kind, _Site(self.place, number, column, f"{name}: {_text(node)}", edit)

    def edits(self, node: E, column: str) -> Iterator[tuple[str, _Edit]]:
        rule = self.rules.get(column.partition("__")[0])
        match node:
            case exp.LTE() | exp.GTE() if self.narrows(node, rule):
                strict = exp.LT if isinstance(node, exp.LTE) else exp.GT
                yield "equal left out", _becomes(strict)
                if self.threshold(node):
                    yield "threshold off by one", _stricter
            case exp.LT() | exp.GT() if self.narrows(node, rule) and self.threshold(node):
                yield "threshold off by one", _stricter
            case exp.And() if not isinstance(rule, ir.Curve | ir.Table):
                if not self.is_unseen(node, rule, column, exp.Or):
                    yield "or for and", _joins(exp.Or)
            case exp.Or() if not _is_zero_times(node):
                nothing = self.unseen.is_nothing_times(rule, column, node)
                if not nothing and not self.is_unseen(node, rule, column, exp.And):
                    yield "and for or", _joins(exp.And)
            case exp.Not() if not isinstance(node.this, exp.Is):
                if not self.unseen.decides_as_before(rule, column, node, node.this):
                    yield "not lost", _keep_operand
            case exp.EQ(this=exp.Column() as left, expression=exp.Literal()) if (
                left.name in self.enumerated and column != "position"
            ):
                yield "another member", _another_member(len(self.enumerated[left.name]))
            case exp.Case():
                yield from self.cases(node, column, rule)
            case exp.Coalesce():
                if not self.unseen.is_default(rule, column, node):
                    yield from _defaults(node)
            case exp.Count(this=exp.Case() as each):
                if not each.args["ifs"][0].this.find(exp.Null):
                    yield "condition of a count lost", _count_all
            case exp.Sum() if not self.unseen.is_of_one(node):
                yield "greatest for sum", _becomes(exp.Max)
            case exp.Max() if not _is_flag(node):
                yield "least for greatest", _becomes(exp.Min)
            case exp.Min():
                yield "greatest for least", _becomes(exp.Max)
            case exp.Add() if self.is_number(column):
                yield (
                    ("half lost in rounding", _keep_left)
                    if _is_half(node)
                    else ("minus for plus", _becomes(exp.Sub))
                )
            case exp.Sub() if self.is_number(column):
                yield "plus for minus", _becomes(exp.Add)
            case exp.Mul(expression=exp.Literal() as factor) if (
                not column.startswith("by_") and int(factor.name) % 10 == 0
            ):
                yield "unit ten times", _ten_times
            case exp.Greatest() | exp.Least() if not any(
                isinstance(part, exp.Literal) and part.name == "1" for part in node.expressions
            ):
                other = exp.Least if isinstance(node, exp.Greatest) else exp.Greatest
                yield "other end", _becomes(other)
            case exp.Ordered() if not _is_same_in_group(node):
                yield "order turned", _turn
            case exp.Window() if node.args.get("partition_by"):
                yield "partition by less", _partition_by_less
            case exp.Literal(is_string=True) if isinstance(node.parent, exp.Array):
                if not self.unseen.of_known(rule, column, node):
                    yield "another fact needed", _another_text
            case exp.Column() if re.fullmatch(r"bound_[2-9]", node.name):
                yield "another bound", _another_bound

    def is_unseen(self, node: E, rule: ir.AnyRule | None, column: str, other: type[E]) -> bool:
        """Whether no outcome changes where a condition's parts are joined otherwise."""
        unseen = self.unseen
        joined = other(this=node.this.copy(), expression=node.expression.copy())
        return (
            unseen.decides_as_before(rule, column, node, joined)
            or (isinstance(node.parent, exp.Alias) and unseen.holds_anyway(rule, column))
            or asks_again(node, column)
            or (column.endswith("_needs") and unseen.of_known(rule, column, node))
        )

    def is_number(self, column: str) -> bool:
        """Whether a column is part of a number's calculation, not of what decided."""
        return not re.match(r"by_|.*__(rows|held|truth|upper|best)(_\d+)?$", column)

    def narrows(self, node: E, rule: ir.AnyRule | None) -> bool:
        """Whether a comparison that holds less often changes something: where its value is in fact
        compared, and of pieces and rows that follow each other only at the upper end."""
        if isinstance(rule, ir.Curve | ir.Table):
            return isinstance(node, exp.LTE | exp.LT)
        return node.find_ancestor(exp.Having) is None and not _is_sign(node)

    def threshold(self, node: E) -> bool:
        """Whether a fact is compared with a figure in the fact's own unit."""
        left, right = node.this, node.expression
        name = left.name.rpartition("__")[2] if isinstance(left, exp.Column) else ""
        return name in self.numbers and isinstance(right, exp.Literal | exp.Neg)

    def is_known_anyway(
        self, node: E, unknown: Sequence[E], rule: ir.AnyRule | None, column: str
    ) -> bool:
        """Whether no outcome changes where what is not known is taken for no: it is always known,
        or something else is not known either."""
        unseen = self.unseen
        never = all(isinstance(one, exp.Is) and unseen.is_known(one.this) for one in unknown)
        twin = re.fullmatch(r".*__count(_\d+)?", column) and unseen.has_twin(rule, column)
        return never or bool(twin) or unseen.of_known(rule, column, node)

    def cases(
        self, node: exp.Case, column: str, rule: ir.AnyRule | None
    ) -> Iterator[tuple[str, _Edit]]:
        branches = node.args["ifs"]
        again = column.endswith("__by") and rule is not None and follows(rule)
        unknown = [one.this for one in branches if isinstance(one.args["true"], exp.Null)]
        if unknown and not again and not self.is_known_anyway(node, unknown, rule, column):
            yield "no for not known", _null_to_no
        if rule is None or not re.match(r".*__chosen(_\d+)?$", column):
            return
        names = winners(rule)
        numbers = [one.args["true"] for one in branches]
        can = [
            place
            for place, number in enumerate(numbers)
            if isinstance(number, exp.Literal)
            and int(number.name) <= len(names)
            and names[int(number.name) - 1] not in self.never.get(rule.name, ())
        ]
        for place in can:
            yield f"branch {place + 1} dropped", _drop(place)
        for one, other in pairwise(can):
            if numbers[one] != numbers[other]:
                yield f"winners {one + 1} and {other + 1} swapped", _swap(one, other)


# --- where a node stands -------------------------------------------------------------------------


def _column(node: E) -> str | None:
    """The column that a node helps to compute; None for one outside of any, such as in a join."""
    if (
        isinstance(node, exp.Ordered)
        or node.find_ancestor(exp.Ordered)
        or isinstance(node, exp.Window)
    ):
        window = node.find_ancestor(exp.Window) or node
        node = window
    above: E | None = node.parent
    while above is not None and not isinstance(above, exp.Select | exp.Join):
        if isinstance(above, exp.Alias):
            return above.alias
        above = above.parent
    return None


def _text(node: E) -> str:
    written = node.sql(dialect="duckdb")
    return written if len(written) <= 100 else f"{written[:97]}..."


def _is_sign(node: E) -> bool:
    """Whether a number is compared with zero for its sign alone."""
    inside = node.find_ancestor(exp.If)
    if inside is None or not isinstance(node.expression, exp.Literal):
        return False
    return node.expression.name == "0" and isinstance(inside.args["true"], exp.Neg)


def _is_half(node: exp.Add) -> bool:
    """Whether a sum is what is divided to be rounded: twice a number and its divisor."""
    return node.find_ancestor(exp.IntDiv) is not None


def _is_zero_times(node: exp.Or) -> bool:
    """Whether it is asked if one of two factors is zero: their product is zero then, unless the
    other one is not known."""
    inside = node.parent
    return isinstance(inside, exp.If) and inside.args["true"].name == "0"


def _is_same_in_group(node: exp.Ordered) -> bool:
    """Whether all that are ranked together have the same value."""
    window = node.find_ancestor(exp.Window)
    columns = {part.name for part in (window.args.get("partition_by") or ())} if window else set()
    return node.this.name in columns


def _is_flag(node: exp.Max) -> bool:
    """Whether all that the greatest is taken of is 1, or the same in all records of a group."""
    above = node.parent
    return node.find_ancestor(exp.Having) is not None or (
        isinstance(above, exp.Alias) and above.alias == "undetermined"
    )


# --- what is done wrong --------------------------------------------------------------------------


def _becomes(kind: type[E]) -> _Edit:
    def edit(node: E) -> None:
        node.replace(kind(**{name: part for name, part in node.args.items()}))

    return edit


def _joins(kind: type[E]) -> _Edit:
    """Joins two conditions otherwise, and these as they are with what stands beside them."""

    def edit(node: E) -> None:
        joined = sql.both(kind, node.this.copy(), node.expression.copy())  # type: ignore[arg-type]
        node.replace(exp.Paren(this=joined))

    return edit


def _stricter(node: E) -> None:
    up = isinstance(node, exp.GT | exp.GTE)
    right = node.expression
    value = -int(right.this.name) if isinstance(right, exp.Neg) else int(right.name)
    right.replace(sql.number(value + (1 if up else -1)))


def _keep_operand(node: E) -> None:
    node.replace(node.this)


def _keep_left(node: E) -> None:
    node.replace(node.this)


def _another_member(count: int) -> _Edit:
    def edit(node: E) -> None:
        node.expression.replace(sql.number((int(node.expression.name) + 1) % count))

    return edit


def _defaults(node: E) -> Iterator[tuple[str, _Edit]]:
    """A default that is another one, where what has it may be missing."""
    default = node.expressions[-1]
    if isinstance(default, exp.Boolean) and default.this:
        yield "no for what may be", lambda one: one.expressions[-1].replace(sql.truth(False))
    elif (
        isinstance(default, exp.Literal) and default.name == "0"
        and isinstance(node.parent, exp.Cast) and isinstance(node.this, exp.Column)
        and "__" in node.this.name and not node.this.name.endswith("__chosen")
    ):  # fmt: skip
        yield "one for nothing", lambda one: one.expressions[-1].replace(sql.number(1))


def _count_all(node: E) -> None:
    node.this.replace(sql.number(1))


def _null_to_no(node: E) -> None:
    assert isinstance(node, exp.Case)
    for one in node.args["ifs"]:
        if isinstance(one.args["true"], exp.Null):
            default = node.args.get("default")
            no = sql.truth(False) if _is_truth(node) else default
            one.args["true"].replace(no.copy() if no is not None else sql.number(0))


def _is_truth(node: exp.Case) -> bool:
    values = [one.args["true"] for one in node.args["ifs"]] + [node.args.get("default")]
    return any(isinstance(value, exp.Boolean) for value in values)


def _drop(place: int) -> _Edit:
    def edit(node: E) -> None:
        branches = node.args["ifs"]
        if len(branches) > 1:
            node.set("ifs", [one for number, one in enumerate(branches) if number != place])
        else:
            node.replace(node.args.get("default") or sql.null())

    return edit


def _swap(one: int, other: int) -> _Edit:
    def edit(node: E) -> None:
        first, second = (node.args["ifs"][place].args["true"] for place in (one, other))
        kept = second.copy()
        second.replace(first.copy())
        first.replace(kept)

    return edit


def _ten_times(node: E) -> None:
    node.expression.replace(sql.number(int(node.expression.name) * 10))


def _turn(node: E) -> None:
    node.set("desc", not node.args.get("desc"))


def _partition_by_less(node: E) -> None:
    node.set("partition_by", node.args["partition_by"][1:])


def _another_text(node: E) -> None:
    node.replace(sql.text(f"{node.name}_other"))


def _another_bound(node: E) -> None:
    assert isinstance(node, exp.Column)
    number = int(node.name.removeprefix("bound_"))
    node.replace(sql.column(f"bound_{number + 1}", node.table))
