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
