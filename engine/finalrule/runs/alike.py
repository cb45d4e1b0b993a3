"""One for all who are alike: what a run keeps so that a what-if of a late figure, such as the
performance threshold, takes a few TIN/NPIs with their scores and units for all of them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import duckdb

from finalrule.cache import whole_file
from finalrule.core import ir
from finalrule.core.walk import nodes
from finalrule.evaluate.scalar import Evaluator
from finalrule.facts.declared import UNIT
from finalrule.population.plan import Plan
from finalrule.runs.again import Again, compile_again, not_needed
from finalrule.runs.changed import Changed
from finalrule.runs.execute import with_decimals, with_integers
from finalrule.runs.kept import Kept
from finalrule.runs.late import ALIKE, late_rules, own_rules
from finalrule.runs.results import CLINICIANS, COLUMNS, SCORE, TIN_NPI, depends
from finalrule.tables.convert import files_at, literal
from finalrule.tables.internal import PROGRAM
from finalrule.tables.store import PARQUET

FOLDER = "alike"
_KEPT = (UNIT, SCORE, TIN_NPI)


def again_alike(
    connection: duckdb.DuckDBPyConnection, run: Path, now: Evaluator, change: Changed, kept: Kept
) -> Again | None:
    """What computes all late rules for those who are alike, with views on what it reads; None where
    other rules are changed too, or the run does not keep what is read."""
    late = late_rules(now.program)
    if not (run / FOLDER).is_dir() or not set(change.rules) <= set(late):
        return None
    found = compile_again(now, kept.plan, Changed(change.figures, change.written, late), alike=True)
    without = not_needed(now.program, kept.plan, _nothing(late))
    # What the run left out has to be what these figures leave out too.
    if found.without.keys() != without.keys() or not _reads_kept(found):
        return None
    own = own_rules(now.program, late)
    if len({found.stored.tables[one.rule] for one in COLUMNS if one.rule in own}) != 1:
        return None  # amounts are added up in one table
    columns = found.plan.columns
    for entity in (*_KEPT, ALIKE):
        source = f"read_parquet({files_at(run / FOLDER / f'{entity}.parquet')})"
        if entity in _KEPT:
            rows = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
            if kept.columns(entity, columns, late, found.before) - {name for name, *_ in rows}:
                return None
        query = with_integers(connection, source)
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {entity} AS {query}")
    kept.entity(PROGRAM, columns, late)
    return found


def write_alike(
    connection: duckdb.DuckDBPyConnection, run: Path, evaluator: Evaluator, stored: Plan
) -> None:
    """Keep for each TIN/NPI the first of those who are alike, with its own facts; of these first
    ones the results and the scores, and of units the first of those that are alike. Views on a
    run's tables are made in the connection."""
    program = evaluator.program
    late = late_rules(program)
    if not late:
        return
    again = compile_again(evaluator, stored, _nothing(late), alike=True)
    if not _reads_kept(again):
        return
    kept = Kept(connection, run, stored)
    columns = again.plan.columns | {f"{TIN_NPI}_id"}
    for entity in _KEPT:
        kept.entity(entity, columns, late, again.before, again.without.get(entity))
    _same(connection, "same_unit", f"SELECT * FROM {UNIT}")
    _same_scores(connection, program, late)
    own = own_rules(program, late)
    differing = ["tin", "npi", "covered_charges", *(c.name for c in COLUMNS if c.rule in own)]
    following = [c.name for c in COLUMNS if depends(c, late) and c.name not in differing]
    clinicians = f"""SELECT * EXCLUDE ({", ".join(differing)}) RENAME (file_row_number AS id)
        FROM read_parquet({files_at(run / CLINICIANS)}, file_row_number = true)"""
    _same(
        connection, "same",
        f"""SELECT n.* EXCLUDE ({", ".join(following)}), s.scores FROM ({clinicians}) n LEFT JOIN
          (SELECT {TIN_NPI}_id, LIST(a.first ORDER BY a.first) AS scores
          FROM scores JOIN same_score a USING (id) GROUP BY {TIN_NPI}_id) s
          ON s.{TIN_NPI}_id = n.id""",
    )  # fmt: skip

    def first(key: str, same: str) -> str:
        return f"{key} IN (SELECT first FROM {same})"

    (run / FOLDER).mkdir(exist_ok=True)
    for name, order, query in (
        (UNIT, "id", f"SELECT * FROM {UNIT} WHERE {first('id', 'same_unit')}"),
        (SCORE, f"{ALIKE}_id, id", f"""SELECT s.* EXCLUDE ({TIN_NPI}_id)
          REPLACE (u.first AS {UNIT}_id), s.{TIN_NPI}_id AS {ALIKE}_id
          FROM scores s LEFT JOIN same_unit u ON u.id = s.{UNIT}_id
          WHERE {first(f"s.{TIN_NPI}_id", "same")}"""),
        (ALIKE, "id", f"SELECT * FROM ({clinicians}) WHERE {first('id', 'same')}"),
        (TIN_NPI, f"{ALIKE}_id, id",
         f"SELECT t.*, a.first AS {ALIKE}_id FROM {TIN_NPI} t JOIN same a USING (id)"),
    ):  # fmt: skip
        with whole_file(run / FOLDER / f"{name}.parquet") as path:
            connection.execute(
                f"COPY ({with_decimals(connection, f'({query})')} ORDER BY {order}) "
                f"TO {literal(str(path))} {PARQUET}"
            )


def _same_scores(
    connection: duckdb.DuckDBPyConnection, program: ir.Program, late: Collection[str]
) -> None:
    """The tables `scores`, and `same_score` of those that are the same but for whose they are."""
    connection.execute(f"CREATE TEMP TABLE scores AS SELECT * FROM {SCORE}")
    ties, last = _telling_apart(program, late), ""
    if ties:
        listed = ", ".join([f"{TIN_NPI}_id", *ties[:-1]])
        key = ties[-1]
        last = f", CASE WHEN COUNT(*) OVER (PARTITION BY {listed}) > 1 THEN {key} END AS {key}"
    _same(
        connection, "same_score",
        f"SELECT s.* EXCLUDE ({TIN_NPI}_id) REPLACE (u.first AS {UNIT}_id{last}) FROM scores s "
        f"LEFT JOIN same_unit u ON u.id = s.{UNIT}_id",
    )  # fmt: skip


def _same(connection: duckdb.DuckDBPyConnection, table: str, query: str) -> None:
    """A table of records by `id` with the `first` of those that are the same."""
    connection.execute(
        f"""CREATE TEMP TABLE {table} AS SELECT UNNEST(ids) AS id, first
        FROM (SELECT LIST(id) AS ids, MIN(id) AS first, * EXCLUDE (id) FROM ({query}) GROUP BY ALL)
        """
    )


def _nothing(late: tuple[str, ...]) -> Changed:
    """Late rules as if what they read before were others."""
    return Changed(frozenset(), frozenset(), late)


def _reads_kept(again: Again) -> bool:
    return set(again.entities) <= {*_KEPT, ALIKE, PROGRAM}


def _telling_apart(program: ir.Program, late: Collection[str]) -> tuple[str, ...] | None:
    """The keys that rank scores where all else is equal, if nothing else reads the last of them:
    that has a meaning only beside another score of the same TIN/NPI that has the others alike."""
    selects = [
        rule for rule in program.rules
        if isinstance(rule, ir.Select) and rule.name in late and rule.entity == SCORE
    ]  # fmt: skip
    if len(selects) != 1 or not selects[0].ties:
        return None
    last = ir.Fact(SCORE, selects[0].ties[-1])
    read = any(last == node for rule in program.rules if rule.name in late for node in nodes(rule))
    return None if read else selects[0].ties
