"""Faults put into compiled queries on purpose: what does not find them would not find a real one.

A compiler is wrong wherever it writes the same construct. So a fault is one kind of change, of
those that people who write SQL make, at every place of its kind among the columns of one rule (or
of one joined query) in a pass's query; a few kinds are changed in all of the query.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from sqlglot import exp

from finalrule.core import ir
from finalrule.evaluate.outcomes import winners
from finalrule.population import sql
from finalrule.population.plan import Pass, Plan
from finalrule.population.sql import E

# Changes a node of a query of its own.
_Edit = Callable[[E], None]

# Kinds of which a single place often shows in no outcome, so that they are changed in all of a
# query where that has several: a condition that only keeps out what an earlier one has taken, what
# is not known together with something else, a total of what one record has at most or that is read
# only where there are records, a number that is zero under the policy.
_OR_FOR_AND, _AND_FOR_OR, _NO_FOR_UNKNOWN = "OR for AND", "AND for OR", "no for not known"
_MAX_FOR_SUM, _ONE_FOR_NOTHING, _TEN_TIMES = "MAX for SUM", "one for nothing", "unit ten times"
_WIDE = frozenset(
    {_OR_FOR_AND, _AND_FOR_OR, _NO_FOR_UNKNOWN, _MAX_FOR_SUM, _ONE_FOR_NOTHING, _TEN_TIMES}
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One pass's query, by its place among the passes, with one thing wrong; `what` says what,
    in how many places, and the first of these, `rules` are those that it can make wrong."""

    place: int
    query: exp.Select
    what: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Site:
    """A node of a query, by its number in walking the query, what it helps to compute, and what is
    done to it."""

    node: int
    column: str
    edit: _Edit


@dataclass(slots=True)
class _Change:
    """One kind of change in a pass, by its place among the passes; `scope` is the rule or the
    joined query, nothing for all of the query."""

    place: int
    scope: str
    name: str
    sites: list[_Site]

    @property
    def kind(self) -> str:
        """One that differs only in a number is of the same kind."""
        return re.sub(r"[0-9]+", "", self.name)


def seed_faults(
    plan: Plan, count: int, seed: int, never: Mapping[str, Collection[str]]
) -> list[Fault]:
    """So many faults, of all kinds and in all passes alike as far as there are; fewer where there
    are no more. `never` names what cannot decide a rule, by rule."""
    random = Random(seed)
    kinds: dict[str, list[_Change]] = {}
    for place, one in enumerate(plan.passes):
        for change in _changes(plan, place, one, never):
            kinds.setdefault(change.kind, []).append(change)
    for changes in kinds.values():
        random.shuffle(changes)
    names = sorted(kinds)
    random.shuffle(names)
    often: dict[int, int] = {}
    found: list[Fault] = []
    while len(found) < count and any(kinds.values()):
        for name in names:
            if kinds[name] and len(found) < count:
                change = min(kinds[name], key=lambda one: often.get(one.place, 0))
                kinds[name].remove(change)
                often[change.place] = often.get(change.place, 0) + 1
                found.append(_made(plan.passes[change.place], change))
    return found


def _changes(
    plan: Plan, place: int, one: Pass, never: Mapping[str, Collection[str]]
) -> list[_Change]:
    """All that can be done wrong in a query."""
    sites = _Sites(plan, never)
    found: dict[tuple[str, str], _Change] = {}
    for number, node in enumerate(one.query.walk()):
        column = _column(node)
        # What guards a promise shows only where that is broken; what packs what decided is wrong
        # in every row.
        if column is None or re.match(r"failed_|by_|.*__held(_\d+)?$", column):
            continue
        for name, edit in sites.edits(node, column):
            scope = "" if name in _WIDE else _scope(node, column)
            change = found.setdefault((scope, name), _Change(place, scope, name, []))
            change.sites.append(_Site(number, column, edit))
    return [change for change in found.values() if change.scope or len(change.sites) > 1]


def _made(one: Pass, change: _Change) -> Fault:
    """The query with a change. Nodes are walked from above: from the last to the first, what
    stands in another one is changed before that."""
    query = one.query.copy()
    nodes = list(query.walk())
    first = _text(nodes[change.sites[0].node])
    for site in reversed(change.sites):
        site.edit(nodes[site.node])
    many = len(change.sites)
    scope = f"{one.target}, {change.scope}" if change.scope else one.target
    what = f"{scope}: {change.name} ({many} {'place' if many == 1 else 'places'}): {first}"
    return Fault(change.place, query, what, _made_wrong(one, change))


def _made_wrong(one: Pass, change: _Change) -> tuple[str, ...]:
    """The rules of a pass that a change makes wrong: whose columns these are, or what is computed
    of them; all of the pass where that cannot be told."""
    columns = dict.fromkeys(site.column for site in change.sites)
    wrong = {name.partition("__")[0] for name in columns}
    used: dict[str, set[str]] = {}
    for alias in one.query.find_all(exp.Alias):
        for part in alias.this.find_all(exp.Column):
            used.setdefault(part.name, set()).add(alias.alias)
    found = set(columns)
    todo = [name for name in columns if name.partition("__")[0] not in one.rules]
    while todo:
        for name in used.get(todo.pop(), set()) - found:
            found.add(name)
            wrong.add(name.partition("__")[0])
            if name.partition("__")[0] not in one.rules:
                todo.append(name)
    return tuple(rule for rule in one.rules if rule in wrong) or one.rules


class _Sites:
    """What can be done wrong at a node."""

    def __init__(self, plan: Plan, never: Mapping[str, Collection[str]]) -> None:
        self.never = never
        self.rules = {rule.name: rule for rule in plan.program.rules}
        facts = plan.program.facts
        self.enumerated = {
            fact.name: fact.type.members for fact in facts if hasattr(fact.type, "members")
        }
        self.numbers = {fact.name for fact in facts if hasattr(fact.type, "scale")}

    def edits(self, node: E, column: str) -> Iterator[tuple[str, _Edit]]:
        """What can be done wrong at a node of a column, by name."""
        match node:
            case exp.LTE() | exp.GTE() | exp.LT() | exp.GT():
                yield from self.comparisons(node)
            case exp.And() if not _asks_again(node):
                yield _OR_FOR_AND, _joins(exp.Or)
            case exp.Or() if not _is_zero_times(node):
                yield _AND_FOR_OR, _joins(exp.And)
            case exp.Not():
                yield "NOT lost", _keep_first
            case exp.EQ(this=exp.Column() as left, expression=exp.Literal()) if (
                left.name in self.enumerated
            ):
                yield "another member", _another_member(len(self.enumerated[left.name]))
            case exp.Case():
                yield from self.cases(node, column)
            case exp.Coalesce():
                yield from _defaults(node)
            case exp.Count(this=exp.Case()):
                yield "condition of a count lost", _count_all
            case exp.Sum() if not self.is_of_one(node):
                yield _MAX_FOR_SUM, _becomes(exp.Max)
            case exp.Max() if not _is_flag(node):
                yield "MIN for MAX", _becomes(exp.Min)
            case exp.Min():
                yield "MAX for MIN", _becomes(exp.Max)
            case exp.Add() if _is_half(node):
                yield "half lost in rounding", _keep_first
            case exp.Add():
                yield "- for +", _becomes(exp.Sub)
            case exp.Sub():
                yield "+ for -", _becomes(exp.Add)
            case exp.Mul(expression=exp.Literal() as factor) if int(factor.name) % 10 == 0:
                yield _TEN_TIMES, _ten_times
            case exp.Greatest():
                yield "LEAST for GREATEST", _becomes(exp.Least)
            case exp.Least():
                yield "GREATEST for LEAST", _becomes(exp.Greatest)
            case exp.Ordered():
                yield "order turned", _turn
            case exp.Window() if node.args.get("partition_by"):
                yield "partition by less", _partition_by_less
            case exp.Literal(is_string=True) if isinstance(node.parent, exp.Array):
                yield "another fact needed", _another_text
            case exp.Column() if re.fullmatch(r"bound_[2-9]", node.name):
                yield "another bound", _another_bound

    def is_of_one(self, node: exp.Sum) -> bool:
        """Whether a total is over records that a rule selects of which there is one at most."""
        each = node.this
        when = each.args["ifs"][0].this if isinstance(each, exp.Case) else None
        rule = self.rules.get(when.name) if isinstance(when, exp.Column) else None
        if not isinstance(rule, ir.Select) or rule.per:
            return False
        return isinstance(rule.best, ir.Num) and rule.best.value == 1

    def comparisons(self, node: E) -> Iterator[tuple[str, _Edit]]:
        """A comparison that holds less often; of a fact with a figure in the fact's own unit also
        by one unit. Not where a number is asked for its sign: that of the least one is lost in
        rounding anyway."""
        if _is_sign(node):
            return
        if isinstance(node, exp.LTE):
            yield "< for <=", _becomes(exp.LT)
        elif isinstance(node, exp.GTE):
            yield "> for >=", _becomes(exp.GT)
        left, right = node.this, node.expression
        name = left.name.rpartition("__")[2] if isinstance(left, exp.Column) else ""
        if name in self.numbers and isinstance(right, exp.Literal | exp.Neg):
            yield "threshold off by one", _stricter

    def cases(self, node: exp.Case, column: str) -> Iterator[tuple[str, _Edit]]:
        """What is not known taken for no; a branch of what decides dropped, or two mixed up."""
        branches = node.args["ifs"]
        numbers = [one.args["true"] for one in branches]
        if any(isinstance(one, exp.Null) for one in numbers):
            yield _NO_FOR_UNKNOWN, _null_to_no
        rule = self.rules.get(column.partition("__")[0])
        if rule is None or not re.match(r".*__chosen(_\d+)?$", column):
            return
        names = winners(rule)
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


def _scope(node: E, column: str) -> str:
    """The rule that a column belongs to; in a query that is joined, the rule or the entity after
    which that is called."""
    joined: E | None = node.find_ancestor(exp.Join)
    while joined is not None:
        column, joined = joined.this.alias_or_name, joined.find_ancestor(exp.Join)
    return column.partition("__")[0]


def _text(node: E) -> str:
    written = node.sql(dialect="duckdb")
    return written if len(written) <= 100 else f"{written[:97]}..."


def _asks_again(node: exp.And) -> bool:
    """Whether it is asked if several things are all not known, as is asked for what is needed: that
    is read where the first known of these is not there, which says the same."""
    return all(isinstance(part, exp.Is) for part in node.flatten())


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
    other one is not known. The same of what the product needs, which is read only where it is not
    known."""
    inside = node.parent
    return isinstance(inside, exp.If) and inside.args["true"] in (sql.number(0), sql.no_texts())


def _is_flag(node: exp.Max) -> bool:
    """Whether all that the greatest is taken of is 1."""
    return isinstance(node.parent, exp.Alias) and node.parent.alias == "undetermined"


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


def _keep_first(node: E) -> None:
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
        yield _ONE_FOR_NOTHING, lambda one: one.expressions[-1].replace(sql.number(1))


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
