"""What is drawn: the same in Python and in SQL, and the hash that it says it is."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finalrule.synth.chance import (
    MILLION,
    below_million,
    between,
    decimal,
    define,
    draw,
    mix,
    skewed,
    state_sql,
    tent,
)

WORDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def sql() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    define(connection)
    return connection


def one(connection: duckdb.DuckDBPyConnection, expression: str) -> int:
    row = connection.execute(f"SELECT {expression}").fetchone()
    assert row is not None
    return int(row[0])


# The hash of no bytes with a seed is the last step alone, of the seed. These are published values
# of MurmurHash3_x86_32 for the empty key.
@pytest.mark.parametrize(("seed", "expected"), [(0, 0), (1, 0x514E28B7), (0xFFFF_FFFF, 0x81F16F39)])
def test_mix_is_the_last_step_of_murmur_hash_3(seed: int, expected: int) -> None:
    assert mix(seed) == expected


def test_states_and_draws_are_the_same_in_sql(sql: duckdb.DuckDBPyConnection) -> None:
    @given(WORDS, WORDS)
    def same(parent: int, number: int) -> None:
        state = mix(parent ^ number)
        assert one(sql, state_sql(str(parent), str(number))) == state
        drawn = one(sql, draw(f"{state}::UBIGINT", "a purpose"))
        assert drawn == below_million(state, "a purpose")
        assert 0 <= drawn < MILLION

    same()


def test_purposes_are_drawn_apart(sql: duckdb.DuckDBPyConnection) -> None:
    """Of 10,000 records about a quarter have both draws in the upper half."""
    both = one(
        sql,
        f"count(*) FILTER ({draw('h', 'one')} >= 500000 AND {draw('h', 'two')} >= 500000)"
        f" FROM (SELECT {state_sql('7', 'i')} AS h FROM range(10000) AS r(i))",
    )
    assert 2_300 < both < 2_700  # 2,500, and more than four standard deviations (43) to each side


def test_ranges(sql: duckdb.DuckDBPyConnection) -> None:
    """Every number from low to high comes, no other; the others keep to their bounds and mean."""
    rows = sql.execute(
        f"""SELECT min(a), max(a), count(DISTINCT a), min(t), max(t), avg(t), max(s), avg(s)
        FROM (SELECT {between("h", "a", 3, 7)} AS a, {tent("h", "t", 100)} AS t,
            {skewed("h", "s", 1000)} AS s
          FROM (SELECT {state_sql("1", "i")} AS h FROM range(20000) AS r(i)))"""
    ).fetchone()
    assert rows is not None
    low, high, many, least, most, middle, largest, mean = rows
    assert (low, high, many) == (3, 7, 5)
    assert -100 <= least < -90 and 90 < most <= 100 and abs(middle) < 2
    assert largest <= 4_000 and abs(mean - 1_000) < 25


def test_decimals_are_exact(sql: duckdb.DuckDBPyConnection) -> None:
    row = sql.execute(f"SELECT {decimal('12345678901', 2)}, {decimal('5', 6)}").fetchone()
    assert row is not None
    assert [str(value) for value in row] == ["123456789.01", "0.000005"]
