"""The compiled rules on Apache Spark: the SQL in Spark's words, a local session, and a runner that
keeps every stage as Parquet. The only module that needs pyspark.

Spark's exact numbers are BIGINT and DECIMAL(38, 0). Of the latter three operations are not exact
and do not say so (measured with Spark 4.3): DIV keeps the low 64 bits of the quotient, and unary
minus and ABS round to 34 digits. `Exact` writes them in others that are exact or end in an error.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sqlglot import exp
from sqlglot.dialects.spark import Spark
from sqlglot.errors import UnsupportedError
from sqlglot.generators.spark import SparkGenerator

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

LONG = exp.DataType.Type.BIGINT
WIDE = exp.DataType.Type.INT128
_JAVA = 17
# What plans a query once does not pay for being compiled well, nor for many collecting threads.
_JAVA_OPTIONS = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -XX:+UseSerialGC"


def _negative(write: SparkGenerator, tree: exp.Neg) -> str:
    if isinstance(tree.this, exp.Literal):
        return f"-{write.sql(tree.this)}"
    return f"(0 - ({write.sql(tree.this)}))"


def _absolute(write: SparkGenerator, tree: exp.Abs) -> str:
    value = f"({write.sql(tree.this)})"
    return f"CASE WHEN {value} < 0 THEN 0 - {value} ELSE {value} END"


def _quotient(write: SparkGenerator, tree: exp.IntDiv) -> str:
    """Towards zero. A division that is annotated BIGINT has operands that fit one."""
    top, below = write.sql(tree.this), write.sql(tree.expression)
    if tree.is_type(LONG):
        return f"(CAST({top} AS BIGINT) DIV CAST({below} AS BIGINT))"
    # What is left after the remainder divides evenly, so that "/" has nothing to round; it ends in
    # an error where the quotient has more than 32 digits.
    top, below = (f"CAST({side} AS DECIMAL(38, 0))" for side in (top, below))
    return f"CAST(({top} - {top} % {below}) / {below} AS DECIMAL(38, 0))"


def _sum(write: SparkGenerator, tree: exp.Sum) -> str:
    """Wide, as DuckDB's sum of BIGINT is."""
    return f"SUM(CAST({write.sql(tree.this)} AS DECIMAL(38, 0)))"


def _united(write: SparkGenerator, tree: exp.ArrayConcat) -> str:
    """NULL is as an empty list, as it is to DuckDB."""
    lists = (f"COALESCE({write.sql(one)}, ARRAY())" for one in (tree.this, *tree.expressions))
    return f"CONCAT({', '.join(lists)})"


def _distinct(write: SparkGenerator, tree: exp.ArrayDistinct) -> str:
    """Without NULL, as DuckDB's; the order is no one's."""
    return f"ARRAY_DISTINCT(ARRAY_COMPACT({write.sql(tree.this)}))"


def _refused(write: SparkGenerator, tree: exp.Expr) -> str:
    raise UnsupportedError(f"{tree.key} is not the same in Spark and DuckDB: {tree.sql()}")


class Exact(Spark):
    """Spark's SQL with exact integers: INT128 is DECIMAL(38, 0), of which at most 38 digits."""

    class Generator(SparkGenerator):
        TYPE_MAPPING: ClassVar = {**SparkGenerator.TYPE_MAPPING, WIDE: "DECIMAL(38, 0)"}
        TRANSFORMS: ClassVar = {
            **SparkGenerator.TRANSFORMS,
            exp.Neg: _negative,
            exp.Abs: _absolute,
            exp.IntDiv: _quotient,
            exp.Sum: _sum,
            exp.ArrayConcat: _united,
            exp.ArrayDistinct: _distinct,
            exp.Div: _refused,
            exp.Avg: _refused,
            exp.ArgMax: _refused,
            exp.ArgMin: _refused,
        }


def spark_sql(tree: exp.Expr) -> str:
    """A query in Spark's words. Raises UnsupportedError on `/` and AVG, which are not exact, and on
    ARG_MAX and ARG_MIN, which differ from DuckDB's where the first argument is NULL."""
    return tree.sql(dialect=Exact)


def unavailable() -> str:
    """Why Spark cannot be used here, in one line; empty when it can."""
    if importlib.util.find_spec("pyspark") is None:
        return "pyspark is not installed (pip install 'finalrule[spark]')"
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else shutil.which("java")
    try:
        said = subprocess.run([java or "java", "-version"], capture_output=True, text=True).stderr
    except OSError:
        said = ""
    if (found := re.search(r'version "(\d+)', said)) and int(found[1]) >= _JAVA:
        return ""
    return f"Spark needs Java {_JAVA} or later (Debian: openjdk-{_JAVA}-jre-headless)"


def session(memory: str = "2g", threads: int = 2) -> SparkSession:
    """The local Spark session of this process; the one that is there, where there is one (its
    memory and threads are then those it was started with). It is set for many queries over few
    rows; a cluster is given to a runner with settings of its own. What Spark logs goes to a file
    among its temporary ones; what fails is raised."""
    from pyspark.logger import PySparkLogger
    from pyspark.sql import SparkSession

    active = SparkSession.getActiveSession()
    if active is not None:
        return active
    folder = tempfile.mkdtemp(prefix="finalrule-spark-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    PySparkLogger.getLogger("SQLQueryContextLogger").disabled = True
    settings = {
        "spark.driver.memory": memory,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": f"-Djava.io.tmpdir={folder} {_JAVA_OPTIONS}",
        "spark.local.dir": folder,
        "spark.sql.warehouse.dir": str(Path(folder, "warehouse")),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.default.parallelism": str(threads),
        "spark.sql.shuffle.partitions": str(threads),
        "spark.sql.session.timeZone": "UTC",
        # A plan is a few dozen wide queries, each run once: to make Java of its expressions takes
        # longer than to interpret them, and what runs shows nothing that planning did not know.
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.adaptive.enabled": "false",
        # Overflow, division by zero and casts out of range are errors, not NULL.
        "spark.sql.ansi.enabled": "true",
        "spark.sql.decimalOperations.allowPrecisionLoss": "true",
    }
    builder = SparkSession.builder.master(f"local[{threads}]").appName("finalrule")
    for name, value in settings.items():
        builder = builder.config(name, value)
    with _standard_error_to(Path(folder, "spark.log")):
        return builder.getOrCreate()


def errors() -> tuple[type[Exception], ...]:
    """What Spark raises where it cannot compute something, such as a number that does not fit."""
    from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
    from pyspark.errors import PySparkException

    return PySparkException, Py4JJavaError


@contextmanager
def _standard_error_to(file: Path) -> Iterator[None]:
    """Also for the processes that are started meanwhile, for as long as they live."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with file.open("wb") as log:
            os.dup2(log.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


class SparkRunner:
    """Runs stages; the result of each is a table of its own, in `directory/name`, so that the next
    one reads what was computed and not how."""

    def __init__(self, session: SparkSession, directory: Path) -> None:
        self._session, self._directory = session, directory

    def load(self, name: str, parquet: Path) -> None:
        """Give a Parquet file, or a directory of them, a name. Raises TypeError on a column that
        is not exact (DuckDB writes its 128-bit integers to Parquet as DOUBLE)."""
        self._name(name, self._session.read.parquet(str(parquet)))

    def _name(self, name: str, frame: DataFrame) -> None:
        _refuse_inexact(name, frame)
        frame.createOrReplaceTempView(name)

    def run(self, name: str, select: exp.Expr) -> None:
        """Compute a table. Raises TypeError when a column of it is not exact."""
        frame = self._session.sql(spark_sql(select))
        _refuse_inexact(name, frame)
        made = str(self.parquet(name))
        frame.write.mode("overwrite").parquet(made)
        # With its columns known, nothing is read before the next stage.
        self._name(name, self._session.read.schema(frame.schema).parquet(made))

    def ask(self, query: str) -> list[tuple[object, ...]]:
        """The rows of a query."""
        return [tuple(_plain(value) for value in row) for row in self._session.sql(query).collect()]

    def parquet(self, name: str) -> Path:
        """Where a computed table is: a directory of Parquet files."""
        return self._directory / name

    def rows(self, name: str) -> list[dict[str, object]]:
        """A whole table; integers of any width are `int`. For small ones."""
        return [
            {key: _plain(value) for key, value in row.asDict().items()}
            for row in self._session.table(name).collect()
        ]


def _refuse_inexact(name: str, frame: DataFrame) -> None:
    for field in frame.schema.fields:
        kind = field.dataType.simpleString()
        if kind in {"float", "double"} or re.fullmatch(r"decimal\(\d+,[1-9]\d*\)", kind):
            raise TypeError(f"{name}.{field.name} is {kind}, which is not exact")


def _plain(value: object) -> object:
    return int(value) if isinstance(value, Decimal) else value
