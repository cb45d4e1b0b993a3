"""A rule that does not hold what it promises for some record: which rule, and which record."""

from __future__ import annotations

import duckdb
import pytest

from evaluate.small import small
from finalrule.diagnostics import Failure
from finalrule.population.duckdb import run_passes
from finalrule.population.plan import compile_population

RULES = """entity unit
fact unit.x: points[0..100] scale 0 required
rule overlapping for unit: yes_no
  cites "42 CFR 414.1305"
  clause many: yes when x > 10 points
  clause more: no when x > 20 points
  clause few: no otherwise
"""

# What is ranked has to be there for all records: two passes over `result`, one statement.
FOLLOWING = """entity unit
entity result of unit
  key measure: code
fact result.x: points[0..100] scale 0 required
rule worth for result: points[0..100]
  cites "42 CFR 414.1380"
  clause many: x when x > 10 points
  clause more: 1 point when x > 20 points
  clause few: 0 points otherwise
select best from result
  cites "42 CFR 414.1380"
  best 1
  by worth descending
  ties by measure
rule counted for result: yes_no
  cites "42 CFR 414.1380"
  clause best: yes when best
  clause much: no when x > 50 points
  clause other: no otherwise
"""


def failure(*rows: tuple[int, int], facts: str = "") -> str:
    plan = compile_population(small(RULES).evaluator.program, {})
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE unit (id BIGINT, x BIGINT)")
        connection.executemany("INSERT INTO unit VALUES (?, ?)", rows)
        with pytest.raises(Failure) as caught:
            run_passes(connection, plan, plan.passes, facts=facts)
    (found,) = caught.value.diagnostics
    assert found.code == "clauses-overlap"
    return found.render()


def test_the_first_record_is_named() -> None:
    said = failure((4, 21), (3, 15), (2, 30), (1, 5), facts="run/facts/")
    assert "  --> small.rules:4:6: rule overlapping\n" in said
    assert "  --> run/facts/unit#id=2: the first of 2 records\n" in said


def test_the_only_one() -> None:
    assert "  --> unit#id=4: the only record\n" in failure((4, 21), (3, 15))


def following(*rows: tuple[int, int, str, int]) -> list[str]:
    """What is said of rules that break a promise; where none does, the tables that are left and
    their columns that say so."""
    plan = compile_population(small(FOLLOWING).evaluator.program, {})
    assert [(one.target, one.follows) for one in plan.passes] == [
        ("result_1", False), ("result_2", True),
    ]  # fmt: skip
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE result (id INT, unit_id INT, measure TEXT, x BIGINT)")
        connection.executemany("INSERT INTO result VALUES (?, ?, ?, ?)", rows)
        try:
            run_passes(connection, plan, plan.passes)
        except Failure as failed:
            return [one.render() for one in failed.diagnostics]
        left = connection.execute(
            "SELECT table_name || '.' || column_name FROM duckdb_columns() "
            "WHERE table_name LIKE 'result_%' AND column_name LIKE 'failed%'"
        ).fetchall()
    return [name for (name,) in left]


def test_passes_that_follow_each_other_are_one_statement_that_keeps_all_promises() -> None:
    # `worth` has two clauses for more than 20, `counted` has two for a best one above 50.
    worth, counted = following((1, 1, "a", 5), (2, 1, "b", 60), (3, 1, "c", 30))
    assert "rule worth\n" in worth and "result#id=2: the first of 2 records\n" in worth
    assert "rule counted\n" in counted and "result#id=2: the only record\n" in counted
    assert following((1, 1, "a", 5), (2, 1, "b", 15)) == ["result_2.failed_2"]


SUMMED = """entity program
entity unit of program
fact unit.x: count[0..1000000000000000000] required
fact unit.y: count[0..1000000000000000000] required
rule product for unit: count[0..1000000000000000000000000000000000000]
  cites "42 CFR 414.1380"
  clause only: x * y always
rule any_product for unit: yes_no
  cites "42 CFR 414.1380"
  clause any: yes when product > 0
  clause none: no otherwise
rule total for program: count[0..10000000000000000000000000000000000000]
  cites "42 CFR 414.1380"
  clause only: sum(product over unit) always
"""


def test_a_sum_that_does_not_fit() -> None:
    """10^18 * 10^18 * 200 has 39 digits. The error names the rule that sums, and no number."""
    plan = compile_population(small(SUMMED).evaluator.program, {})
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE program AS SELECT 0::BIGINT AS id")
        connection.execute(
            "CREATE TABLE unit AS SELECT range AS id, 0::BIGINT AS program_id, "
            "10::BIGINT ** 18 AS x, 10::BIGINT ** 18 AS y FROM range(200)"
        )
        connection.execute(
            "ALTER TABLE unit ALTER x TYPE BIGINT; ALTER TABLE unit ALTER y TYPE BIGINT"
        )
        with pytest.raises(Failure) as caught:
            run_passes(connection, plan, plan.passes)
    (found,) = caught.value.diagnostics
    assert (found.code, [label.text for label in found.labels]) == ("not-for-sql", ["rule total"])
