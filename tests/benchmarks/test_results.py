"""Results out of tables: what SQL finds of each is what the exact evaluator says."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from pathlib import Path

import duckdb

from finalrule.benchmarks.derive import rate_places
from finalrule.benchmarks.results import RELATION, make_results
from finalrule.core.expressions import Unknown
from finalrule.evaluate.generate import Generator
from finalrule.evaluate.scalar import Evaluator
from finalrule.tables.from_cases import write_cases

CASES = 300


def test_agree_with_the_exact_evaluator(evaluator: Evaluator, tmp_path: Path) -> None:
    program = evaluator.program
    generator = Generator(program, evaluator.catalogues)
    cases = [generator.case(f"7:{number}") for number in range(CASES)]
    # A third of them without anything that may be unknown of the unit itself.
    open_facts = {
        fact.name for fact in program.facts
        if fact.entity in ("scoring_unit", "segment") and fact.presence == "may_be_unknown"
    }  # fmt: skip
    for case in cases[::3]:
        for record in case.root.walk():
            if record.entity in ("scoring_unit", "segment"):
                for name in open_facts & record.facts.keys():
                    del record.facts[name]
    with duckdb.connect() as connection:
        write_cases(program, cases, connection)
        for entity in program.entities:
            (tmp_path / entity.name).mkdir()
            path = tmp_path / entity.name / "all.parquet"
            connection.execute(f"COPY {entity.name} TO '{path}' (FORMAT parquet)")
            connection.execute(f"DROP TABLE {entity.name}")
        make_results(connection, evaluator, tmp_path)
        found = Counter(connection.execute(f"SELECT * FROM {RELATION}").fetchall())
    scale = 10 ** rate_places(program)
    expected: Counter[tuple[object, ...]] = Counter()
    for case in cases:
        evaluation = evaluator.evaluate(case, ["benchmark_reporter", "assessed_rate"])
        for frame in evaluation.frames_of("measure_result"):
            rate = evaluation.value("assessed_rate", frame)
            counts = evaluation.value("benchmark_reporter", frame)
            expected[
                frame.facts["measure_id"],
                frame.facts["collection_type"],
                int(rate * scale) if isinstance(rate, Fraction) else None,
                None if isinstance(counts, Unknown) else counts,
            ] += 1
    assert found == expected
    # There was something to agree on.
    assert {row[3] for row in expected} == {True, False, None}
