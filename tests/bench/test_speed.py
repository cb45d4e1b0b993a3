"""How fast, as ratios against something named that runs in the same minute. `make bench` prints the
figures; the guards are wide, so that they catch a change of kind and not a busy machine."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from finalrule import cache
from finalrule.cli.given import Input
from finalrule.evaluate.outcomes import OutcomeName
from finalrule.evaluate.trace import trace
from finalrule.load import compile_program, load_evaluator, load_program
from finalrule.places import policies_root
from finalrule.runtime.compare import crosscheck
from finalrule.runtime.durable import unavailable
from finalrule.score import ScoreObject, unit_rules

ROOT = Path(__file__).resolve().parents[2]
SUBMISSION, CLINICIAN = (
    ROOT / "examples/2020/submission.json",
    ROOT / "examples/2020/clinician.json",
)
POLICY = "2020-final"
SCORE = ["-m", "finalrule", "score", str(SUBMISSION), "--facts", str(CLINICIAN), "--policy", POLICY]


def median_ms(run: Callable[[], Any], times: int = 7) -> float:
    """The median of several runs, in milliseconds."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        taken.append((time.perf_counter() - start) * 1000)
    return statistics.median(taken)


def process(*arguments: str, cache_folder: Path) -> Callable[[], None]:
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT / "engine"), "FINALRULE_CACHE": str(cache_folder),
    }  # fmt: skip

    def run() -> None:
        subprocess.run([sys.executable, *arguments], env=environment, check=True,
                       stdout=subprocess.DEVNULL, cwd=ROOT)  # fmt: skip

    return run


def report(what: str, ms: float, against: str, base: float) -> float:
    ratio = ms / base
    print(f"\n{what}: {ms:.1f} ms, {ratio:.2f} x {against} ({base:.2f} ms)")
    return ratio


@pytest.fixture(scope="module")
def interpreter(tmp_path_factory: pytest.TempPathFactory) -> float:
    """A new interpreter that imports yaml and ends."""
    folder = tmp_path_factory.mktemp("none")
    return median_ms(process("-c", "import yaml", cache_folder=folder))


def test_a_new_process_scores_one_submission(interpreter: float, tmp_path: Path) -> None:
    run = process(*SCORE, cache_folder=tmp_path)
    start = time.perf_counter()
    run()
    first = (time.perf_counter() - start) * 1000
    print(f"\nscore, the first ever (nothing kept): {first:.0f} ms")
    ms = median_ms(run)
    ratio = report(
        "score, compiled policy kept", ms, "an interpreter that imports yaml", interpreter
    )
    assert ratio < 25
    assert first / interpreter < 100


def test_loading_a_policy(
    interpreter: float, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FINALRULE_CACHE", "")
    cold = median_ms(lambda: compile_program(POLICY, (), policies_root()), 3)
    monkeypatch.setenv("FINALRULE_CACHE", str(tmp_path))
    load_program(POLICY)
    kept = median_ms(lambda: load_program(POLICY))
    report("compile a policy, nothing kept", cold, "an interpreter that imports yaml", interpreter)
    ratio = report("read the compiled policy back", kept, "an interpreter that imports yaml",
                   interpreter)  # fmt: skip
    assert ratio < 4
    assert kept < cold
    assert cache.load("program", "none", dict) is None


def by_hand(
    submission: dict[str, Any], clinician: dict[str, Any], benchmarks: dict[str, Any]
) -> str:
    """The example scored by plain code that knows only this case: six eCQMs, three activities, one
    set of PI data, no cost."""
    sets = {one["category"]: one for one in submission["measurementSets"]}
    earned = []
    for one in sets["quality"]["measurements"]:
        value = one["value"]
        met, not_met = value["performanceMet"], value["performanceNotMet"]
        rate = round(Fraction(100 * met, met + not_met), 4)
        bounds, inverse, capped = benchmarks[one["measureId"]]
        decile = 0
        for number, bound in enumerate(bounds, 2):
            if rate <= bound if inverse else rate >= bound:
                decile = number
        points = Fraction(decile)
        if decile < 10:
            low, high = bounds[decile - 2], bounds[decile - 1]
            points += round((rate - low) / (high - low), 4)
        points = max(points, Fraction(3))
        earned.append(min(points, Fraction(7)) if capped else points)
    quality = (sum(sorted(earned)[-6:]) + 3 + 6) / 60
    activities = {"IA_EPA_1": 20, "IA_PM_13": 10, "IA_CC_1": 10}
    ia = Fraction(sum(activities[m["measureId"]] for m in sets["ia"]["measurements"]), 40)
    reports = {m["measureId"]: m["value"] for m in sets["pi"]["measurements"]}
    pi = 15
    for name, worth in (("PI_EP_1", 10), ("PI_HIE_4", 20), ("PI_PEA_1", 60)):
        share = Fraction(worth * reports[name]["numerator"], reports[name]["denominator"])
        pi += max(1, int(share + Fraction(1, 2)))
    facts = clinician["finalrule"]
    risk = Fraction(str(facts["average_hcc_risk_score"]))
    bonus = 2 * (risk + 5 * Fraction(str(facts["dual_eligible_ratio"])))
    total = quality * 55 + ia * 15 + Fraction(pi, 100) * 30 + min(bonus, 10)
    hundredths = int(total * 100 + Fraction(1, 2))
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def test_the_determinations_by_durable_rules() -> None:
    if why := unavailable():
        pytest.skip(why)
    evaluator = load_evaluator(POLICY)
    (case,), _ = Input((SUBMISSION,), (CLINICIAN,), (), (), False, ()).cases(evaluator)
    rules = unit_rules(evaluator.program)
    exact = median_ms(lambda: evaluator.evaluate(case, rules), 50)
    evaluation = evaluator.evaluate(case, rules)
    one = median_ms(lambda: crosscheck(evaluator.context, [evaluation]), 5)
    many = median_ms(lambda: crosscheck(evaluator.context, [evaluation] * 201), 3)
    report("durable-rules, one unit with its worker process", one, "the exact evaluator", exact)
    ratio = report(
        "durable-rules, each further unit", (many - one) / 200, "the exact evaluator", exact
    )
    assert ratio < 20


def test_one_clinician_with_full_trace() -> None:
    evaluator = load_evaluator(POLICY)
    inputs = Input((SUBMISSION,), (CLINICIAN,), (), (), False, ())
    (case,), _ = inputs.cases(evaluator)
    rules = unit_rules(evaluator.program)
    submission, clinician = json.loads(SUBMISSION.read_text()), json.loads(CLINICIAN.read_text())
    table = evaluator.catalogues["benchmark"]
    benchmarks = {}
    for one in submission["measurementSets"][0]["measurements"]:
        bounds = table.bounds((one["measureId"], "ecqm"))
        record = table.record((one["measureId"], "ecqm"))
        assert bounds is not None and record is not None
        benchmarks[one["measureId"]] = (
            list(bounds.lower[1:]), bounds.inverse, record["topped_out_cap"],
        )  # fmt: skip
    plain = median_ms(lambda: by_hand(submission, clinician, benchmarks), 200)
    evaluation = evaluator.evaluate(case, rules)
    assert ScoreObject(evaluator, evaluation).data()["final_score"] == by_hand(
        submission, clinician, benchmarks
    )
    ms = median_ms(lambda: evaluator.evaluate(case, rules), 50)
    ratio = report("one clinician, every decision recorded", ms, "plain code for this case", plain)
    wanted = (OutcomeName("final_score", ()), OutcomeName("total_adjustment", ()))
    written = median_ms(lambda: trace(evaluator, evaluation, *wanted))
    report("writing its trace.v1 out of the record", written, "plain code for this case", plain)
    assert ratio < 200
