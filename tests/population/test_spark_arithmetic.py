"""What compiled rules rely on, held to be so on real Spark and on DuckDB alike. Expected values are
Python's integers, or stand beside their arithmetic."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest
from sqlglot import exp, parse_one
from sqlglot.errors import UnsupportedError

from finalrule.population.spark import SparkRunner, spark_sql

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

GREATEST = 10**38 - 1
LONG = 2**63 - 1

Rows = list[tuple[object, ...]]


def cut(a: int, b: int) -> int:
    """The quotient towards zero."""
    size = abs(a) // abs(b)
    return size if (a < 0) == (b < 0) else -size


def plain(row: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(int(value) if isinstance(value, Decimal) else value for value in row)


class Both:
    """The same tree run on both engines, over tables that both were given."""

    def __init__(self, session: SparkSession, folder: Path) -> None:
        self.folder = folder
        self.session, self.runner = session, SparkRunner(session, folder / "stages")
        self.duck = duckdb.connect()

    def table(self, name: str, query: str) -> None:
        """A table out of DuckDB's SQL. Wide columns travel as DECIMAL(38, 0)."""
        file = self.folder / f"{name}.parquet"
        self.duck.execute(f"COPY ({query}) TO '{file}' (FORMAT parquet)")
        kinds = self.duck.execute(f"DESCRIBE SELECT * FROM '{file}'").fetchall()
        columns = [
            f"{column}::HUGEINT AS {column}" if kind == "DECIMAL(38,0)" else column
            for column, kind, *_ in kinds
        ]
        self.duck.execute(f"CREATE TABLE {name} AS SELECT {', '.join(columns)} FROM '{file}'")
        self.runner.load(name, file)

    def on_duckdb(self, tree: exp.Expr) -> Rows:
        return [plain(row) for row in self.duck.execute(tree.sql(dialect="duckdb")).fetchall()]

    def on_spark(self, tree: exp.Expr) -> Rows:
        return [plain(row) for row in self.session.sql(spark_sql(tree)).collect()]

    def rows(self, query: str) -> Rows:
        """What both give (the query is written in DuckDB's SQL)."""
        tree = parse_one(query, read="duckdb")
        found = self.on_duckdb(tree)
        assert self.on_spark(tree) == found
        return found


def pairs(count: int) -> Iterator[tuple[int, int]]:
    """Whole numbers of up to 38 digits, with the ends."""
    some = random.Random(2020)
    ends = [0, 1, -1, 7, -7, LONG, LONG + 1, -LONG - 1, 10**34, 10**34 + 1, GREATEST, -GREATEST]
    yield from ((a, b) for a in ends for b in ends)
    for _ in range(count):
        a, b = (some.randrange(10 ** some.randint(1, 38)) for _ in range(2))
        yield some.choice((a, -a)), some.choice((b, -b))


WORDS = """
    SELECT * FROM (VALUES
      (1, 1::BIGINT, true, 'a', ['x', 'y']),
      (2, NULL, false, 'b', []),
      (3, 3, NULL, NULL, NULL),
      (4, -3, true, 'B', ['y', 'z']),
      (5, 3, false, 'é', ['x', NULL, 'x'])
    ) AS v(id, n, f, s, l)"""


@pytest.fixture(scope="module")
def both(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Both:
    made = Both(spark, tmp_path_factory.mktemp("both"))
    values = ", ".join(f"('{a}', '{b}')" for a, b in pairs(400))
    made.table("pairs", f"SELECT row_number() OVER () - 1 AS id, a::DECIMAL(38,0) AS a, "
               f"b::DECIMAL(38,0) AS b FROM (VALUES {values}) AS v(a, b)")  # fmt: skip
    made.table("long", f"SELECT {LONG}::BIGINT AS x, 1::BIGINT AS one, 0::BIGINT AS zero, "
               f"7::BIGINT AS seven, 127::TINYINT AS tiny, {GREATEST}::DECIMAL(38,0) AS wide, "
               "0::DECIMAL(38,0) AS nought")  # fmt: skip
    made.table("words", WORDS)
    return made


def fits(value: int) -> bool:
    return abs(value) <= GREATEST


@pytest.mark.parametrize(
    ("written", "meant", "asked"),
    [
        ("a + b", lambda a, b: a + b, lambda a, b: fits(a + b)),
        ("a - b", lambda a, b: a - b, lambda a, b: fits(a - b)),
        ("a * b", lambda a, b: a * b, lambda a, b: fits(a * b)),
        ("-a", lambda a, b: -a, lambda a, b: True),
        ("abs(a)", lambda a, b: abs(a), lambda a, b: True),
        ("a % b", lambda a, b: a - b * cut(a, b), lambda a, b: b != 0),
        ("a // b", cut, lambda a, b: b != 0 and abs(cut(a, b)) < 10**32),
        ("a < b", lambda a, b: a < b, lambda a, b: True),
        ("a = b", lambda a, b: a == b, lambda a, b: True),
        ("greatest(a, b)", max, lambda a, b: True),
        ("least(a, b)", min, lambda a, b: True),
        ("cast(cast(a as bigint) as hugeint)", lambda a, b: a,
         lambda a, b: -LONG - 1 <= a <= LONG),
        ("cast(a as bigint) // cast(b as bigint)", cut,
         lambda a, b: b != 0 and max(abs(a), abs(b)) <= LONG),
    ],
)  # fmt: skip
def test_numbers_of_up_to_38_digits_are_pythons(
    both: Both,
    written: str,
    meant: Callable[[int, int], object],
    asked: Callable[[int, int], bool],
) -> None:
    all_pairs = list(pairs(400))
    wanted = [number for number, pair in enumerate(all_pairs) if asked(*pair)]
    assert len(wanted) > 100
    found = both.rows(f"SELECT id, {written} AS it FROM pairs WHERE id IN "
                      f"({', '.join(map(str, wanted))}) ORDER BY id")  # fmt: skip
    assert found == [(number, meant(*all_pairs[number])) for number in wanted]


def test_a_division_known_to_fit_is_done_in_64_bits(both: Both) -> None:
    division = exp.IntDiv(this=exp.column("x"), expression=exp.column("seven"))
    division.type = exp.DataType.build("bigint")
    tree = exp.select(exp.alias_(division, "it")).from_("long")
    assert "DECIMAL" not in spark_sql(tree)
    assert both.on_spark(tree) == both.on_duckdb(tree) == [(LONG // 7,)]


@pytest.mark.parametrize(
    "written",
    [
        "x + one",
        "x * 2",
        "-1 - x - x",
        "tiny * tiny",
        "wide * wide",
        "wide + wide",
        "-wide - wide",
        "cast(wide as bigint)",
        "cast(x as tinyint)",
        "seven // zero",
        "wide // nought",
        "seven % zero",
        "wide % nought",
        "cast(2 * sum(x) as bigint)",
        "sum(wide) + sum(wide)",
    ],
)
def test_what_does_not_fit_is_an_error(both: Both, written: str) -> None:
    from pyspark.errors import ArithmeticException

    tree = parse_one(f"SELECT {written} AS it FROM long", read="duckdb")
    with pytest.raises(duckdb.Error, match=r"Out of Range|Conversion|Division by zero"):
        both.on_duckdb(tree)
    with pytest.raises(ArithmeticException):
        both.on_spark(tree)


def test_a_quotient_too_great_for_spark_is_an_error(both: Both) -> None:
    from pyspark.errors import ArithmeticException

    with pytest.raises(ArithmeticException):
        both.on_spark(parse_one("SELECT wide // one AS it FROM long", read="duckdb"))


def test_sums_are_wide(both: Both) -> None:
    two = "(SELECT x, wide, tiny FROM long UNION ALL SELECT x, wide - wide, tiny FROM long)"
    query = f"SELECT sum(x) AS a, sum(wide) AS b, sum(tiny) AS c FROM {two} AS t"
    assert both.rows(query) == [(2 * LONG, GREATEST, 254)]
    assert both.rows("SELECT sum(x) AS a, max(x) AS b, count(*) AS c FROM long WHERE false") == [
        (None, None, 0)
    ]


@pytest.mark.parametrize("written", ["x / one", "avg(x)", "arg_max(x, one)", "arg_min(x, one)"])
def test_what_differs_is_refused(written: str) -> None:
    with pytest.raises(UnsupportedError):
        spark_sql(parse_one(f"SELECT {written} FROM long", read="duckdb"))


def test_unknown_is_carried(both: Both) -> None:
    unknown = "cast(null as boolean)"
    assert both.rows(f"""
        SELECT {unknown} AND false AS a, {unknown} AND true AS b, {unknown} OR true AS c,
               {unknown} OR false AS d, NOT {unknown} AS e,
               CASE WHEN {unknown} THEN 1 WHEN NOT {unknown} THEN 2 ELSE 3 END AS f
    """) == [(False, None, True, None, None, 3)]
    assert both.rows("""
        SELECT id, n = 3 AS a, n IN (3, NULL) AS b, n IS DISTINCT FROM 3 AS c,
               f IS NOT TRUE AS d, n + 1 AS e, coalesce(n, 0) AS f, greatest(n, 2) AS g
        FROM words ORDER BY id NULLS LAST
    """) == [
        (1, False, None, True, False, 2, 1, 2),
        (2, None, None, True, True, None, 0, 2),
        (3, True, True, False, True, 4, 3, 3),
        (4, False, None, True, False, -2, -3, 2),
        (5, True, True, False, True, 4, 3, 3),
    ]


def test_a_branch_not_taken_is_not_computed(both: Both) -> None:
    found = both.rows("""
        SELECT CASE WHEN n IS NULL THEN 0 ELSE 6 // n END AS a, coalesce(n, 1 // (id - 2)) AS b
        FROM (SELECT id, n FROM words WHERE id <> 2) AS t ORDER BY id NULLS LAST
    """)
    assert found == [(6, 1), (2, 3), (-2, -3), (2, 3)]


def test_filtered_aggregates(both: Both) -> None:
    # f: yes for 1 and 4, no for 2 and 5, not known for 3.
    assert both.rows("""
        SELECT count(*) FILTER (WHERE f) AS a, sum(n) FILTER (WHERE f) AS b,
               max(n) FILTER (WHERE NOT f) AS c, bool_or(f) FILTER (WHERE id = 3) AS d,
               bool_and(f) AS e, bool_or(f) AS g, bit_or(id) AS h, max(f) AS i
        FROM words
    """) == [(2, -2, 3, None, False, True, 7, True)]


@pytest.mark.parametrize(
    ("order", "ids"),
    [
        # n: 1, NULL, 3, -3, 3; f: yes, no, NULL, yes, no; s: a, b, NULL, B, é
        ("n ASC NULLS LAST", [4, 1, 3, 5, 2]),
        ("n ASC NULLS FIRST", [2, 4, 1, 3, 5]),
        ("n DESC NULLS LAST", [3, 5, 1, 4, 2]),
        ("n DESC NULLS FIRST", [2, 3, 5, 1, 4]),
        ("f ASC NULLS FIRST", [3, 2, 5, 1, 4]),
        ("f DESC NULLS LAST", [1, 4, 2, 5, 3]),
        ("s ASC NULLS LAST", [4, 1, 2, 5, 3]),
        ("s DESC NULLS FIRST", [3, 5, 2, 1, 4]),
    ],
)
def test_places_in_an_order(both: Both, order: str, ids: list[int]) -> None:
    found = both.rows(f"""
        SELECT id FROM (
          SELECT id, row_number() OVER (ORDER BY {order}, id ASC NULLS LAST) AS place FROM words
        ) AS t ORDER BY place ASC NULLS LAST""")
    assert [row[0] for row in found] == ids


def test_sets_of_texts(both: Both) -> None:
    none = "cast([] as text[])"
    found = both.rows(f"""
        SELECT list_sort(list_distinct(list_concat(l, ['q', 'x']))) AS a,
               list_sort(list_distinct(list_concat({none}, l, l))) AS b,
               array_length(l) AS c, array_contains(l, 'x') AS d,
               CASE WHEN f THEN [s, 'k'] ELSE {none} END AS e
        FROM words ORDER BY id NULLS LAST""")
    assert found == [
        (["q", "x", "y"], ["x", "y"], 2, True, ["a", "k"]),
        (["q", "x"], [], 0, False, []),
        (["q", "x"], [], None, None, []),
        (["q", "x", "y", "z"], ["y", "z"], 2, False, ["B", "k"]),
        (["q", "x"], ["x"], 3, True, []),
    ]


def test_sets_of_texts_of_a_group(both: Both) -> None:
    found = both.rows("""
        SELECT f, list_sort(list_distinct(flatten(list(l) FILTER (WHERE l IS NOT NULL)))) AS a,
               array_length(coalesce(list(s) FILTER (WHERE s IS NOT NULL), cast([] as text[]))) AS b
        FROM words WHERE f IS NOT NULL GROUP BY f ORDER BY f NULLS LAST""")
    assert found == [(False, ["x"], 2), (True, ["x", "y", "z"], 2)]


def test_stages_are_parquet_that_duckdb_reads(both: Both) -> None:
    both.runner.run("first", parse_one("SELECT wide AS w, l, x FROM words, long WHERE id = 1"))
    both.runner.run("second", parse_one("SELECT -w AS w, l, x // 2 AS half FROM first",
                                        read="duckdb"))  # fmt: skip
    expected = {"w": -GREATEST, "l": ["x", "y"], "half": LONG // 2}
    assert both.runner.rows("second") == [expected]
    read = both.duck.execute(
        f"SELECT w::HUGEINT, l, half::BIGINT FROM '{both.runner.parquet('second')}/*.parquet'"
    )
    assert read.fetchall() == [tuple(expected.values())]


def test_columns_that_are_not_exact_are_refused(both: Both) -> None:
    file = both.folder / "inexact.parquet"
    # DuckDB has no 128-bit integers in Parquet, and writes them as DOUBLE.
    both.duck.execute(f"COPY (SELECT {GREATEST}::HUGEINT AS w) TO '{file}' (FORMAT parquet)")
    with pytest.raises(TypeError, match=r"inexact\.w is double"):
        both.runner.load("inexact", file)
    with pytest.raises(TypeError, match=r"signs\.it is double"):
        both.runner.run("signs", parse_one("SELECT sign(x) AS it FROM long"))
