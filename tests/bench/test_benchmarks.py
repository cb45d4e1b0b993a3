"""Benchmarks of ten million results, against DuckDB's plain sorting of the same rates."""

from __future__ import annotations

import time

import duckdb

from finalrule.benchmarks.derive import as_file, derive
from finalrule.load import load_evaluator

RESULTS = 10_000_000


def test_ten_million_results() -> None:
    evaluator = load_evaluator("2020-final")
    with duckdb.connect() as connection:
        # Shares of up to 300 cases, as rates are, of every quality measure.
        connection.execute("CREATE TABLE measures (place BIGINT, measure_id VARCHAR)")
        ids = [key for (key,) in evaluator.catalogues["quality_measure"].rows.rows]
        connection.executemany("INSERT INTO measures VALUES (?, ?)", list(enumerate(ids)))
        connection.execute(
            f"""CREATE TABLE results AS SELECT measure_id, 'mips_cqm' AS collection_type,
              1000000 * (hash(row * 3) % (cases + 1))::BIGINT // cases AS rate,
              hash(row * 5) % 10 < 9 AS counts
            FROM (SELECT range AS row, (hash(range) % {len(ids)})::BIGINT AS place,
              (1 + hash(range * 7) % 300)::BIGINT AS cases FROM range({RESULTS}))
            JOIN measures USING (place)"""
        )
        start = time.perf_counter()
        connection.execute(
            "CREATE TEMP TABLE sorted AS SELECT * FROM results ORDER BY measure_id, rate"
        )
        base = time.perf_counter() - start
        start = time.perf_counter()
        derived = derive(connection, "results", evaluator)
        content = as_file(derived)
        taken = time.perf_counter() - start
    assert content.count(b"\n") == len(ids) + 1
    print(
        f"\nbenchmarks of {RESULTS:,} results: {taken:.2f} s;"
        f" sorting them: {base:.2f} s; {taken / base:.2f} times"
    )
    assert taken < 5 * base
