"""Tables between Parquet and DuckDB."""

from __future__ import annotations

from pathlib import Path
from random import Random

import duckdb

from evaluate.small import small
from finalrule.population.plan import compile_population
from finalrule.runs.execute import Execution, as_integer, connect

_DIGITS = 38


def test_a_decimal_is_the_same_integer() -> None:
    """Around every power of two and of ten that 38 digits hold, and anywhere between."""
    random = Random(1)
    edges = [2**k for k in range(127)] + [10**k for k in range(_DIGITS + 1)]
    found = {sign * (edge + off) for edge in edges for off in (-1, 0, 1) for sign in (-1, 1)}
    found |= {random.getrandbits(random.randint(1, 126)) for _ in range(5_000)}
    numbers = sorted(one for one in found if abs(one) < 10**_DIGITS)
    with duckdb.connect() as connection:
        connection.execute(
            f"CREATE TABLE given AS SELECT text, CAST(text AS DECIMAL({_DIGITS}, 0)) AS number "
            "FROM (SELECT unnest(?) AS text)", [[*map(str, numbers), None]],
        )  # fmt: skip
        wrong = connection.execute(
            f"SELECT text, made FROM (SELECT text, {as_integer('number')} AS made FROM given) "
            "WHERE CAST(made AS VARCHAR) IS DISTINCT FROM text OR typeof(made) <> 'HUGEINT'"
        ).fetchall()
    assert not wrong


WORDS = """entity scoring_unit
fact scoring_unit.x: count[0..1000000000000000000] required
rule limit for scoring_unit: count[0..1000000000000000000000000000000000000]
  cites "42 CFR 414.1380"
  clause only: x * x always
rule order for scoring_unit: yes_no
  cites "42 CFR 414.1380"
  clause only: limit > x always
"""


def test_rules_with_names_that_sql_has(tmp_path: Path) -> None:
    """(10^18)^2 = 10^36, a number of 128 bits."""
    plan = compile_population(small(WORDS).evaluator.program, {})
    facts = tmp_path / "facts" / "scoring_unit"
    facts.mkdir(parents=True)
    with connect(1, "500MB", tmp_path / "scratch") as connection:
        connection.execute(
            f"COPY (SELECT 0::BIGINT AS id, {10**18}::BIGINT AS x) TO '{facts}/all.parquet'"
        )
        Execution(connection, plan, {}, facts.parent, tmp_path / "outcomes").group(
            plan.passes, None
        )
        (path,) = (tmp_path / "outcomes" / plan.tables["limit"]).iterdir()
        query = f"""SELECT "limit"::VARCHAR, "order" FROM '{path}'"""
        assert connection.execute(query).fetchall() == [(str(10**36), True)]
