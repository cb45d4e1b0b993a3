"""A derived set is a catalogue like any other: a policy that names it scores against it."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from benchmarks.conftest import percents
from finalrule.benchmarks.derive import Derived, as_file
from finalrule.benchmarks.published import read_published
from finalrule.evaluate.scalar import Evaluation, Evaluator
from finalrule.facts.case import Case, Given, Record
from finalrule.load import load_evaluator
from finalrule.places import policies_root
from finalrule.values import Value

HEADER = (
    "measure_id,collection_type,benchmark_year,metric_type,inverse,topped_out,topped_out_cap,"
    "d1,d2,d3,d4,d5,d6,d7,d8,d9,d10\n"
)


def result(measure: str, rate: int) -> dict[str, Value]:
    return {
        "measure_id": measure,
        "collection_type": "ecqm",
        "case_count": Fraction(20),
        "has_performance_rate": True,
        "performance_rate": Fraction(rate),
        "has_reporting_rate": True,
        "reporting_rate": Fraction(1),
        "performance_start": datetime.date(2020, 1, 1),
        "performance_end": datetime.date(2020, 12, 31),
    }


@pytest.fixture
def evaluation(derived: Callable[..., Derived], evaluator: Evaluator, tmp_path: Path) -> Evaluation:
    """Results scored under 2020-final with a derived set for its benchmarks."""
    previous = tmp_path / "2019.csv"
    previous.write_text(
        f"{HEADER}134,ecqm,2019,single_performance_rate,no,yes,no,,95,95,96,96,97,97,98,98,99\n",
        encoding="utf-8",
    )
    found = derived(
        [
            # bounds 41, 43, 45 ... 57
            *percents("112", "ecqm", range(40, 60)),
            # topped out, after a year of it: bounds 80.1, 80.2, then 96.25, 96.75 ... 99.25
            *percents(
                "134", "ecqm", [80, 80.1, 80.2, 80.2, *(96 + each / 4 for each in range(16))]
            ),
            # bounds 29, 27, 25, 23 ... 13 of an inverse measure
            *percents("001", "ecqm", [rate + 10 for rate in range(1, 21)]),
        ],
        read_published(previous, evaluator.program),
    )
    root = tmp_path / "policies"
    shutil.copytree(policies_root(), root, ignore=shutil.ignore_patterns("cases"))
    (root / "measures/2020/benchmarks.csv").write_bytes(as_file(found))
    unit = Record("scoring_unit", {"entity_type": Given("group", "test")})
    for measure, rate in (("112", 44), ("134", 98), ("001", 24), ("110", 50)):
        facts = result(measure, rate).items()
        unit.add("measure_result", {name: Given(value, "test") for name, value in facts})
    program = Record("program", {}, children={"scoring_unit": [unit]})
    unit.parent = program
    return load_evaluator("2020-final", root=root).evaluate(
        Case(program, {}, ""), ["measure_points", "decile_points", "measure_class"]
    )


def test_points(evaluation: Evaluation) -> None:
    points = {
        frame.facts["measure_id"]: (
            evaluation.value("decile_points", frame),
            evaluation.value("measure_points", frame),
        )
        for frame in evaluation.frames_of("measure_result")
    }
    assert points == {
        # decile 3 begins at 43, decile 4 at 45: 44 is halfway
        "112": (Fraction(7, 2), Fraction(7, 2)),
        # ranks 12 and 14 of 20 are 97.75 and 98.25: 98 is halfway through decile 7; capped at 7
        "134": (Fraction(15, 2), 7),
        # 30 down to 11: decile 4 begins at rank 6, 25, decile 5 at rank 8, 23
        "001": (Fraction(9, 2), Fraction(9, 2)),
        # no benchmark was made of it: class 2
        "110": (0, 3),
    }
    classes = [
        evaluation.value("measure_class", frame) for frame in evaluation.frames_of("measure_result")
    ]
    assert classes == ["class_1", "class_1", "class_1", "class_2"]
