"""Choosing among records: the best of each group, ranked only where there are too many.

A record whose group has a place for everybody is selected without a look at the others, which is
what most are. The others are ranked by a query over the entity's last table, joined by id.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from finalrule.core import ir
from finalrule.population import amounts, sql, terms
from finalrule.population.amounts import Amount
from finalrule.population.reading import Reading
from finalrule.population.sql import E
from finalrule.population.terms import Plain
from finalrule.values import Number

_SELECTED, _PASSED_OVER, _NOT_CONSIDERED = 1, 2, 3
_MOST = 10**7


def select(reading: Reading, rule: ir.Select) -> tuple[Plain, E]:
    """Whether a record is selected, and what decided."""
    where = _where(reading, rule)
    possible = _possible(reading, where)
    by: E
    if rule.best is None:
        by, unknown, needs = _taken(where), where.unknown, where.needs
    else:
        ranks = _Ranks(reading, rule)
        by, unknown, needs = ranks.decided(where)
    by = sql.case([(sql.negated(possible), sql.number(_NOT_CONSIDERED))], by)
    by = reading.name(by, "chosen")
    chosen = sql.both(exp.EQ, by, sql.number(_SELECTED))
    return Plain(chosen, unknown, needs), by


def _where(reading: Reading, rule: ir.Select) -> Plain:
    if rule.where is None:
        return Plain(sql.truth(True))
    found = reading.named(reading.translate.plain(rule.where), "considered")
    assert isinstance(found, Plain)
    return found


def _possible(reading: Reading, where: Plain) -> E:
    """Whether a record is or may be considered."""
    if not where.unknown:
        return where.tree
    return reading.name(sql.coalesce(where.tree, sql.truth(True)), "possible")


def _taken(where: Plain) -> E:
    """Who is considered is selected."""
    if not where.unknown:
        return sql.number(_SELECTED)
    return sql.case([(where.tree, sql.number(_SELECTED))], None)


def mark_shared(reading: Reading, rule: ir.Select) -> str | None:
    """A column that says whether another record below the same one has the same facts, where a
    rule groups by facts: few do, and only these are ranked in later passes."""
    model, facts = reading.model, [key for key in rule.per if isinstance(key, ir.Fact)]
    own = [key.name for key in facts if key.entity == rule.entity]
    numbers = any(isinstance(model.facts[rule.entity, name].type, Number) for name in own)
    if not own or len(own) < len(rule.per) or numbers:
        return None
    keys = [f"{model.entities[rule.entity].parent}_id", *own]
    inner, name = Reading(model, rule.entity), f"shares_{'_'.join(own)}"
    alias = f"{name}__all"
    on = sql.every(
        sql.both(exp.EQ, sql.column(key, alias), reading.columns.source(reading.own(key).name))
        for key in keys
    )
    listed = [inner.own(key) for key in keys]

    def query() -> E:
        found = exp.select(*keys).from_(
            inner.columns.select(keys).subquery("every", copy=False), copy=False
        )
        many = sql.both(exp.GT, exp.Count(this=exp.Star()), sql.number(1))
        grouped = found.group_by(*(sql.use(one) for one in listed), copy=False)
        return grouped.having(many, copy=False).subquery(copy=False)

    reading.columns.join(alias, query, on)
    shared = reading.columns.input(f"{alias}__{keys[0]}", sql.column(keys[0], alias))
    return reading.columns.define(name, sql.not_null(shared)).name


class _Ranks:
    """The ranks of the records of groups that have more records than places."""

    def __init__(self, reading: Reading, rule: ir.Select) -> None:
        self.reading, self.rule = reading, rule
        self.alias = f"{rule.name}__ranks"
        # What ranks is read from the last table once more: only some of its records are ranked.
        inner = self.inner = Reading(reading.model, reading.entity)
        inner.begin(rule)
        parent = reading.model.entities[rule.entity].parent
        self.parent = inner.own(f"{parent}_id")
        self.where = _where(inner, rule)
        self.possible = _possible(inner, self.where)
        assert rule.best is not None
        self.best = inner.translate.amount(rule.best)
        self.per = [self._named(inner.translate.value(key), "per") for key in rule.per]
        self.by = [self._named(inner.translate.value(order.by), "by") for order in rule.by]
        self.open = [one for one in (self.where, *self.by) if one.unknown]
        if any(one.unknown for one in self.per):
            raise NotImplementedError("the group of a record may be undetermined")
        # All that the query reads is asked for now; it is written when the table is known.
        self.keys = [self.parent, *(inner.name(terms.main(one), "per") for one in self.per)]
        # A record that is alone has a place where there is one.
        known = self.best.constant is not None and self.best.constant >= 1
        shared = reading.model.shared.get((rule.entity, rule.per)) if known else None
        self.shared = inner.own(shared) if shared is not None else sql.truth(True)
        self.flag, self.gathered = self._flag(), self._gathered()
        self.order = self._order()
        inner.own("id")
        reading.source.want("id")
        on = sql.both(exp.EQ, sql.column("id", self.alias), sql.column("id", reading.entity))
        reading.columns.join(self.alias, self._query, on)

    def _named(self, term: Amount | Plain, hint: str) -> Amount | Plain:
        found = self.inner.named(term, hint)
        assert isinstance(found, Amount | Plain)
        return found

    def _column(self, name: str) -> E:
        """A column of the ranks; NULL for a record whose group has a place for everybody."""
        return self.reading.columns.input(f"{self.alias}__{name}", sql.column(name, self.alias))

    def decided(self, where: Plain) -> tuple[E, bool, E | None]:
        """What decides, whether it may be undetermined, and what it then needs."""
        best = self.reading.translate.amount(self.rule.best) if self.rule.best is not None else None
        assert best is not None
        rank = self._column("position")
        fits = sql.is_null(rank)
        within = amounts.compared(exp.LTE, amounts.whole(rank, 1, _MOST), best)
        branches = [(fits, _taken(where))]
        if self.open or best.unknown:
            branches.append((sql.not_null(self._column("undetermined")), sql.null()))
        branches.append((within, sql.number(_SELECTED)))
        by = sql.case(branches, sql.number(_PASSED_OVER))
        unknown = bool(self.open) or best.unknown
        if not (unknown and self.reading.with_needs):
            return by, unknown, None
        own = where.needs if where.needs is not None else sql.no_texts()
        of_best = best.needs if best.needs is not None else sql.no_texts()
        of_group = sql.coalesce(self._column("needs"), sql.no_texts())
        return by, True, sql.case([(fits, own)], sql.united([of_best, of_group]))

    def _order(self) -> list[exp.Ordered]:
        """What ranks, best first."""
        ties = [self.inner.fact(self.inner.entity, key) for key in self.rule.ties]
        ranked = [
            (term, order.descending) for term, order in zip(self.by, self.rule.by, strict=True)
        ]
        return [
            exp.Ordered(this=sql.use(_sort_key(term)), desc=descending, nulls_first=False)
            for term, descending in (*ranked, *((tie, False) for tie in ties))
        ]

    def _query(self) -> E:
        keys, flag, gathered, ordered = self.keys, self.flag, self.gathered, self.order
        best = self.best
        ranked = sql.every((self.shared, self.possible))
        trees = [*keys, *(one.this for one in ordered), ranked]
        trees += [
            tree
            for tree in (flag, gathered, best.numerator, *best_divisors(best))
            if tree is not None
        ]
        names: dict[str, None] = {"id": None}
        for tree in trees:
            names.update(dict.fromkeys(one.name for one in tree.find_all(exp.Column)))

        def considered(columns: Sequence[str], alias: str) -> exp.Select:
            inner = self.inner.columns.select(columns)
            found = exp.select("*").from_(inner.subquery(alias, copy=False), copy=False)
            if isinstance(ranked, exp.Boolean):
                return found
            return found.where(ranked.copy(), copy=False)

        grouped = (*keys, ranked, flag, gathered, best.numerator)
        group_columns = dict.fromkeys(
            one.name for tree in grouped if tree is not None for one in tree.find_all(exp.Column)
        )
        made = [sql.alias(sql.use(key), f"key_{place}") for place, key in enumerate(keys)]
        count: E = exp.Count(this=exp.Star())
        crowded = self._crowded(count)
        columns: list[E] = []
        if flag is not None:
            columns.append(sql.alias(exp.Max(this=sql.use(flag)), "undetermined"))
        if gathered is not None:
            columns.append(sql.alias(gathered, "needs"))
        groups = (
            exp.select(*made, *columns)
            .from_(
                considered(list(group_columns), "grouped").subquery("considered", copy=False),
                copy=False,
            )
            .group_by(*(sql.use(key) for key in keys), copy=False)
            .having(crowded, copy=False)
        )
        rank = exp.Window(
            this=exp.RowNumber(),
            partition_by=[sql.column(one.name, "r") for one in keys],
            order=exp.Order(expressions=[one.copy() for one in ordered]),
        )
        on = sql.every(
            sql.both(exp.EQ, sql.column(one.name, "r"), sql.column(f"key_{place}", "crowded"))
            for place, one in enumerate(keys)
        )
        carried = [sql.column(one.alias, "crowded") for one in columns]
        return (
            exp.select(sql.column("id", "r"), sql.alias(rank, "position"), *carried)
            .from_(considered(list(names), "ranked").subquery("r", copy=False), copy=False)
            .join(groups.subquery("crowded", copy=False), on=on, join_type="INNER", copy=False)
            .subquery(copy=False)
        )

    def _crowded(self, count: E) -> E:
        """Whether a group has more records than places, or may have."""
        best = self.best
        if best.constant is None:
            known = amounts.with_numerator(best, exp.Max(this=sql.use(best.numerator)))
            best = known
        more = amounts.compared(exp.GT, amounts.whole(count, 0, _MOST), best)
        if not self.best.unknown:
            return more
        return sql.any_of((more, sql.is_null(best.numerator)))

    def _flag(self) -> E | None:
        """1 where something that ranks a record is not determined."""
        parts = [sql.is_null(terms.main(one)) for one in self.open]
        if self.best.unknown:
            parts.append(sql.is_null(self.best.numerator))
        if not parts:
            return None
        return self.inner.name(sql.case([(sql.any_of(parts), sql.number(1))], None), "open")

    def _gathered(self) -> E | None:
        """All that the records of a group need."""
        sets = terms.needs_of(self.open)
        if sets is None:
            return None
        listed = exp.ArrayAgg(this=self.inner.name(sets, "needs"))
        return exp.ArrayDistinct(this=exp.Flatten(this=listed))


def best_divisors(best: Amount) -> list[E]:
    """The columns that divide a number of places."""
    return [one.tree for one in best.divisors]


def _sort_key(term: Amount | Plain) -> E:
    if isinstance(term, Amount):
        if term.divisors:
            raise NotImplementedError("an order by numbers with different denominators")
        return term.numerator
    return term.tree if term.members is None else _by_name(term.tree, term.members)


def _by_name(tree: E, members: Sequence[str]) -> E:
    """Members in the order of their names, as the exact evaluator sorts them."""
    ranks = [sorted(members).index(member) for member in members]
    if ranks == sorted(ranks):
        return tree
    branches = [
        (sql.both(exp.EQ, tree, sql.number(place)), sql.number(rank))
        for place, rank in enumerate(ranks)
    ]
    return sql.case(branches, None)
