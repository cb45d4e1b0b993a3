"""Tables between Parquet and DuckDB."""

from __future__ import annotations

from random import Random

import duckdb

from finalrule.runs.execute import as_integer

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
