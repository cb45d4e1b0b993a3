"""A whole policy on a real local Spark session: every rule's outcome, what decided it, each number
to the last digit and what is missing, as the exact evaluator has them. The cases are generated to
lie on the thresholds of the rules, beside them, and where facts are unknown or records absent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finalrule.agreement.bench import Bench
from finalrule.agreement.sql import OnSpark, SqlReader
from finalrule.evaluate.neighbours import ALONE
from finalrule.load import load_program
from finalrule.places import policies_root

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Cases each of which is on its own, and then such as differ from the one before in a few facts: of
# these only the rows are read that are other ones.
NUMBERS = range(ALONE - 20, ALONE + 40)


def test_a_policy_on_spark(spark: SparkSession) -> None:
    program = load_program("2020-final")
    bench = Bench(program, policies_root(), ["spark"])
    (reader,) = bench.readers
    assert isinstance(reader, SqlReader) and isinstance(reader.engine, OnSpark)
    assert reader.rules == {rule.name for rule in program.rules}
    found = bench.run(63, NUMBERS, lambda number: None)
    assert found.cases == len(NUMBERS) and found.outcomes > 10_000
    assert found.findings == {}
    # The cases are not all alike: most rules were decided by more than one of their clauses.
    winners = {rule: {name for one, name in found.won if one == rule} for rule, _ in found.won}
    assert sum(len(names) > 1 for names in winners.values()) > len(winners) / 2
    # What was compared is what Spark made.
    assert spark.table(next(iter(reader.plan.results))).count() > 0
