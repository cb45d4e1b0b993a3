"""Cases held against durable-rules: agreement, differences, the trace, and when it is not there."""

from __future__ import annotations

import dataclasses
import datetime
import os
import signal
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest

from finalrule.core import ir
from finalrule.diagnostics import Failure
from finalrule.evaluate.generate import Generator
from finalrule.evaluate.scalar import Evaluation, Evaluator
from finalrule.facts.case import Case, Given, Record
from finalrule.runtime import compare, worker
from finalrule.runtime.compare import crosscheck
from finalrule.runtime.compile import Rulesets, compile_rulesets
from finalrule.runtime.determine import Firing
from finalrule.runtime.durable import unavailable
from finalrule.runtime.ruleset import Comparison
from finalrule.runtime.worker import Worker
from finalrule.values import Value
from runtime.small import ELIGIBILITY, FIGURES, REFERENCES, program_of

needs_durable = pytest.mark.skipif(bool(unavailable()), reason=unavailable() or "available")


@pytest.fixture(scope="module")
def evaluator(tmp_path_factory: pytest.TempPathFactory) -> Evaluator:
    program = program_of(tmp_path_factory.mktemp("small"), ELIGIBILITY, FIGURES)
    return Evaluator(program, {})


def given(**facts: Value) -> dict[str, Given]:
    return {name: Given(value, "test") for name, value in facts.items()}


def unit(charges: str, patients: int, first_day: str = "2019-12-31") -> Case:
    """A unit with one segment and one clinician, which reports 3 of 4 cases (75 %)."""
    root = Record("unit", given(elects="no_election", reported=Fraction(3, 4)))
    amount = {} if charges == "unknown" else given(charges=Fraction(charges))
    root.add("segment", given(segment="first", patients=Fraction(patients)) | amount)
    root.add("clinician", given(npi="1", first_day=datetime.date.fromisoformat(first_day)))
    return Case(root, {"tin": "000123456", "npi": "0123456789"}, "")


def evaluated(evaluator: Evaluator, *cases: Case) -> list[Evaluation]:
    return [evaluator.evaluate(case) for case in cases]


@needs_durable
def test_agreement_with_the_trace_of_every_firing(evaluator: Evaluator) -> None:
    found = crosscheck(evaluator.context, evaluated(evaluator, unit("90000.01", 201)))
    assert (found.state, found.line) == ("agree", "durable-rules agrees on 6 determinations")
    assert found.firings == (
        (
            Firing(
                "segment_volume", "both", ("first",),
                (("segment.charges", "$90,000.01"), ("segment.patients", "201")),
            ),
            Firing("is_new", "old", ("1",), (("clinician.first_day", "2019-12-31"),)),
            Firing("enough", "enough", (), (("unit.reported >= params.limit.share", "yes"),)),
            Firing(
                "volume_status", "included", (),
                (("any(segment where segment_volume is excluded)", "no"),
                 ("any(segment where segment_volume is may_opt_in)", "no")),
            ),
            Firing(
                "status", "in", (),
                (("every(clinician where is_new)", "no"), ("enough", "enough: yes"),
                 ("volume_status", "included: included")),
            ),
            Firing(
                "counts", "counts", ("1",),
                (("status", "in: in"), ("is_new", "old: no")),
            ),
        ),
    )  # fmt: skip


@needs_durable
def test_thresholds_and_unknown_facts_agree(evaluator: Evaluator) -> None:
    """At the threshold, just above it, unknown: the three statuses of the segment, and what the
    others make of a segment that is undetermined."""
    cases = [
        unit(charges, patients, day)
        for charges in ("90000", "90000.01", "unknown")
        for patients in (200, 201)
        for day in ("2019-12-31", "2020-01-01")
    ]
    evaluations = evaluated(evaluator, *cases)
    assert crosscheck(evaluator.context, evaluations).state == "agree"
    # Charges unknown, 200 patients: excluded or may_opt_in, so the outcome is undetermined.
    winners = [evaluation.decision("segment_volume").winner for evaluation in evaluations[::2]]
    assert winners == ["neither", "one", "one", "both", "", ""]


@needs_durable
def test_a_case_without_records_below(evaluator: Evaluator) -> None:
    root = Record("unit", given(elects="no_election", reported=Fraction(1)))
    found = crosscheck(evaluator.context, evaluated(evaluator, Case(root, {}, "")))
    assert found.state == "agree"
    assert [firing.rule for firing in found.firings[0]] == ["enough", "volume_status", "status"]


@needs_durable
def test_what_records_point_at_agrees(tmp_path: Path) -> None:
    """Facts and conclusions of another record of the case, and of none."""
    evaluator = Evaluator(program_of(tmp_path, REFERENCES), {})
    generator = Generator(evaluator.program, {})
    evaluations = evaluated(evaluator, *(generator.case(f"references:{n}") for n in range(150)))
    found = crosscheck(evaluator.context, evaluations)
    assert (found.state, found.line) == ("agree", "durable-rules agrees on 5 determinations")
    decided = {
        (rule, decision.winner)
        for evaluation in evaluations
        for (rule, _), decision in evaluation.decisions.items()
    }
    reached = {winner for rule, winner in decided if rule == "standing"}
    assert reached == {"counts", "voluntary", "unclear", ""}


def with_fault(rulesets: Rulesets) -> Rulesets:
    """The limit of charges one cent too high."""

    def test(one: Comparison) -> Comparison:
        wrong = one.value + (one == Comparison("segment__charges", ">=", 9_000_001))
        return msgspec.structs.replace(one, value=wrong)

    made = msgspec.convert(msgspec.to_builtins(rulesets.rulesets[0]), type(rulesets.rulesets[0]))
    rules = tuple(
        msgspec.structs.replace(
            rule,
            patterns=tuple(
                msgspec.structs.replace(pattern, tests=tuple(test(one) for one in pattern.tests))
                for pattern in rule.patterns
            ),
        )
        for rule in made.rules
    )
    changed = msgspec.structs.replace(made, rules=rules)
    return dataclasses.replace(rulesets, rulesets=(changed, *rulesets.rulesets[1:]))


@needs_durable
def test_a_difference_names_the_rule_and_both_outcomes(
    evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(program: ir.Program) -> Rulesets:
        return with_fault(compile_rulesets(program))

    monkeypatch.setattr(compare, "compile_rulesets", wrong)
    found = crosscheck(
        evaluator.context, evaluated(evaluator, unit("90000.01", 201), unit("90000.02", 201))
    )
    assert found.state == "differ"
    # The segment, and everything that follows from it by durable-rules' own conclusions; the second
    # case is over both limits.
    assert [(one.rule.name, one.path) for one in found.differences] == [
        ("segment_volume", ("first",)),
        ("volume_status", ()),
        ("status", ()),
        ("counts", ("1",)),
    ]
    said = found.differences[0].diagnostic()
    assert said.code == "evaluators-differ"
    assert said.message == (
        "two evaluators differ on `segment_volume[first]`: included by both, "
        "but by durable-rules undetermined"
    )
    assert "small.rules" in said.render()


def test_where_durable_rules_is_not_there(
    evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "unavailable", lambda: "durable-rules is not installed")
    found = crosscheck(evaluator.context, evaluated(evaluator, unit("1", 1)))
    assert (found.state, found.differences) == ("unavailable", ())
    assert found.line == (
        "determinations are not checked a second time: durable-rules is not installed"
    )


# --- the process ---------------------------------------------------------------------------------


def process_of(running: Worker) -> int:
    assert running._process is not None and running._process.pid is not None
    return running._process.pid


@needs_durable
@pytest.mark.parametrize("crash", [signal.SIGSEGV, signal.SIGKILL])
def test_a_crash_names_the_subject_and_the_next_one_is_determined(
    evaluator: Evaluator, crash: signal.Signals
) -> None:
    rulesets = compile_rulesets(evaluator.program).rulesets
    with Worker(rulesets) as running:
        running.subject = {"tin": "000123456", "npi": "0123456789"}
        before = running.fire(0, [(9_000_001, 201, 1)])
        os.kill(process_of(running), crash)
        with pytest.raises(Failure) as failure:
            running.fire(0, [(9_000_001, 201, 1)])
        (diagnostic,) = failure.value.diagnostics
        assert diagnostic.code == "runtime-died"
        assert "failed on tin 000123456, npi 0123456789" in diagnostic.message
        assert f"exit code {-crash}" in diagnostic.message
        assert running.fire(0, [(9_000_001, 201, 1)]) == before


@needs_durable
def test_a_process_that_hangs_is_ended(
    evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Worker(compile_rulesets(evaluator.program).rulesets) as running:
        running.fire(0, [(0, 0, 1)])
        monkeypatch.setattr(worker, "TIME_LIMIT_SECONDS", 0.2)
        os.kill(process_of(running), signal.SIGSTOP)
        with pytest.raises(Failure, match="did not answer within"):
            running.fire(0, [(0, 0, 1)])


@needs_durable
def test_a_subject_that_cannot_be_determined_does_not_stop_the_others(
    evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Worker.fire
    asked: list[int] = []

    def once(self: Worker, ruleset: int, records: list[tuple[int, ...]]) -> object:
        asked.append(ruleset)
        if len(asked) == 1:
            self._fail("it is a test")
        return plain(self, ruleset, records)

    monkeypatch.setattr(Worker, "fire", once)
    found = crosscheck(evaluator.context, evaluated(evaluator, unit("1", 1), unit("2", 2)))
    assert found.state == "failed"
    assert found.line == "durable-rules failed on 1 of 2"
    assert [one.code for one in found.failures] == ["runtime-died"]
    assert [len(firings) > 0 for firings in found.firings] == [False, True]


@needs_durable
def test_a_fact_outside_its_type_is_an_error(evaluator: Evaluator) -> None:
    (evaluation,) = evaluated(evaluator, unit("0.005", 1))
    found = crosscheck(evaluator.context, [evaluation])
    assert found.state == "failed"
    assert "segment[first].charges cannot be asserted" in found.failures[0].message
