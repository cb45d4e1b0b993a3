"""A query made of named columns: each column is computed where all that it reads is there.

Columns that read only what the tables hold stand in the innermost SELECT, those that read them in
the next one, and so on. What nothing asks for is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlglot import exp

from finalrule.population import sql
from finalrule.population.sql import E


class Columns:
    """The columns of one query over one table, with what is joined to it."""

    def __init__(self, table: str, alias: str) -> None:
        self.table, self.alias = table, alias
        self.where: E | None = None
        self._joins: dict[str, tuple[E | Callable[[], E], E]] = {}
        self._inputs: dict[str, E] = {}
        self._defined: dict[str, E] = {}
        self._reads: dict[str, tuple[str, ...]] = {}
        self._level: dict[str, int] = {}
        self._notes: dict[str, str] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._inputs or name in self._defined

    def join(self, alias: str, table: E | Callable[[], E], on: E) -> None:
        """Join a table, or a query that is written when this one is, once (LEFT JOIN: what has no
        partner is NULL)."""
        self._joins.setdefault(alias, (table, on))

    def input(self, name: str, tree: E) -> exp.Column:
        """A column that is read from a table, under its name in this query."""
        if name not in self._inputs:
            self._inputs[name] = tree
            self._level[name] = 0
        return sql.column(name)

    def source(self, name: str) -> E:
        """Where an input is read from."""
        return self._inputs[name]

    def define(self, name: str, tree: E, note: str = "") -> exp.Column:
        """A column that is computed. Another name is made where this one is taken."""
        if isinstance(tree, exp.Column) and not note:
            return tree
        free, number = name, 1
        while free in self._level:
            number += 1
            free = f"{name}_{number}"
        reads = tuple(dict.fromkeys(one.name for one in tree.find_all(exp.Column)))
        self._defined[free], self._reads[free] = sql.use(tree), reads
        self._level[free] = 1 + max((self._level[one] for one in reads), default=0)
        if note:
            self._notes[free] = note
        return sql.column(free)

    def select(self, wanted: Iterable[str]) -> exp.Select:
        """The query that gives the columns, in this order."""
        wanted = list(dict.fromkeys(wanted))
        needed: set[str] = set()
        todo = list(wanted)
        while todo:
            name = todo.pop()
            if name not in needed:
                needed.add(name)
                todo.extend(self._reads.get(name, ()))
        query = exp.select(*(
            tree if isinstance(tree, exp.Column) and tree.name == name else sql.alias(tree, name)
            for name, tree in self._inputs.items() if name in needed
        )).from_(exp.to_table(self.table).as_(self.alias))  # fmt: skip
        for alias, (table, on) in self._joins.items():
            written = table() if callable(table) else sql.use(table)
            joined = exp.alias_(written, alias, table=True)
            query = query.join(joined, on=sql.use(on), join_type="LEFT", copy=False)
        if self.where is not None:
            query = query.where(sql.use(self.where), copy=False)
        levels: dict[int, list[str]] = {}
        for name in self._defined:
            if name in needed:
                levels.setdefault(self._level[name], []).append(name)
        last_use = self._last_uses(needed, levels, wanted)
        alive = [name for name in self._inputs if name in needed]
        for level in sorted(levels):
            alive = [name for name in alive if last_use[name] >= level]
            made = []
            for name in levels[level]:
                one = sql.alias(self._defined[name], name)
                if name in self._notes:
                    one.add_comments([self._notes[name]])
                made.append(one)
            kept = [sql.column(name) for name in alive if last_use[name] > level]
            query = exp.select(*kept, *made).from_(
                query.subquery(f"l{level - 1}", copy=False), copy=False
            )
            alive = [name for name in alive if last_use[name] > level] + levels[level]
        if [one.alias_or_name for one in query.expressions] != wanted:
            query = exp.select(*(sql.column(name) for name in wanted)).from_(
                query.subquery("made", copy=False), copy=False
            )
        return query

    def _last_uses(
        self, needed: set[str], levels: dict[int, list[str]], wanted: Iterable[str]
    ) -> dict[str, int]:
        """The last level at which each column is read; those wanted are read after all."""
        found = dict.fromkeys(needed, 0)
        for level, names in levels.items():
            for name in names:
                for read in self._reads[name]:
                    found[read] = max(found[read], level)
        end = max(levels, default=0) + 1
        return {**found, **dict.fromkeys(wanted, end)}
