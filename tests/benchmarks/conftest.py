"""Results as `derive` takes them, and the policies under which it does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import duckdb
import pytest

from finalrule.benchmarks.derive import Derived, derive
from finalrule.benchmarks.published import Published
from finalrule.evaluate.scalar import Evaluator
from finalrule.load import load_evaluator

# Measure, collection type, rate in ten thousandths, whether it counts.
Row = tuple[str, str, int | None, bool | None]
Fill = Callable[[Iterable[Row]], str]


@pytest.fixture(scope="session")
def evaluator() -> Evaluator:
    return load_evaluator("2020-final")


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        yield made


@pytest.fixture
def fill(connection: duckdb.DuckDBPyConnection) -> Fill:
    """Make a table of results; its name."""

    def filled(rows: Iterable[Row]) -> str:
        columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
        connection.execute(
            """CREATE OR REPLACE TABLE results AS SELECT unnest($1::VARCHAR[]) AS measure_id,
            unnest($2::VARCHAR[]) AS collection_type, unnest($3::BIGINT[]) AS rate,
            unnest($4::BOOLEAN[]) AS counts""",
            [list(column) for column in columns],
        )
        return "results"

    return filled


@pytest.fixture
def derived(
    connection: duckdb.DuckDBPyConnection, fill: Fill, evaluator: Evaluator
) -> Callable[..., Derived]:
    """Benchmarks of rows under 2020-final."""

    def made(rows: Iterable[Row], previous: Published | None = None) -> Derived:
        return derive(connection, fill(rows), evaluator, previous)

    return made


def percents(measure: str, way: str, rates: Iterable[float | int]) -> list[Row]:
    """Results that count, by rates in percent of at most four places."""
    return [(measure, way, round(rate * 10_000), True) for rate in rates]
