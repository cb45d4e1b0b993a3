"""Facts with which a rule breaks its promise: nothing is determined of their subject, all of the
others, and it is made good when they are corrected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import pytest

from finalrule.evaluate.scalar import Evaluator
from finalrule.runtime.durable import Engine, unavailable
from finalrule.watch.derive import Deriver
from finalrule.watch.model import Model, model_of
from finalrule.watch.pool import Here, Pool, Share
from runtime.small import program_of
from watch.conftest import watched
from watch.plain import Event
from watch.test_determinations import UNIT, totals

RULES = """
module mips.small
entity program
  describe "All"
entity qp_unit of program
  describe "A unit"
  key unit: code
fact qp_unit.amount: usd[0..100]
  may be unknown
  describe "An amount"
entity eligible_clinician of program
  describe "A clinician"
  key npi: code
entity qp_participation of eligible_clinician refers to qp_unit
  describe "A clinician in a unit"
  key unit: code
rule limited for qp_unit: usd[0..10]
  cites "42 CFR 414.1305"
  clause limited: amount always
rule large for qp_unit: yes_no
  cites "42 CFR 414.1305"
  clause large: limited >= $5 always
rule in_a_large_one for eligible_clinician: yes_no
  cites "42 CFR 414.1305"
  clause any: any(qp_participation where large) always
"""


def amount(id_: str, unit: str, value: int, day: int) -> Event:
    return {"id": id_, "at": f"2020-01-0{day}T00:00:00Z", "kind": "unit",
            "subject": {"unit": unit}, "facts": {"amount": value}}  # fmt: skip


def test_a_broken_promise_is_its_subjects_alone(tmp_path: Path) -> None:
    program = program_of(tmp_path, RULES)
    model = model_of(program, ["large"])
    batches = [
        [amount("a", "A", 7, 1), amount("b", "B", 7, 1)],
        [amount("c", "A", 50, 2), amount("d", "B", 1, 2)],
        [amount("e", "C", 50, 1)],
        [amount("f", "A", 3, 3)],
    ]
    with Pool(model, 1) as pool:
        found = watched(model, Evaluator(program, {}), pool, tmp_path / "out", batches)
    problem = "rule `limited` gave $50.00, outside usd[0..10]"
    no_longer = {"was": {"value": "yes", "clause": "large"}, "is": None, "problem": problem}
    said = [
        {name: line.get(name) for name in ("outcome", "was", "is", "problem")}
        for line in found.determinations
    ]
    assert said[2] == {"outcome": "large[A]", **no_longer}
    assert [line["outcome"] for line in said[:2]] == ["large[A]", "large[B]"]
    assert said[3]["outcome"] == "large[B]" and said[3]["is"]["value"] == "no"
    # Nothing was determined of C before: its line names the subject.
    assert found.determinations[4] == {
        "subject": {"unit": "C"}, "problem": problem, "events": ["e"],
    }  # fmt: skip
    assert said[5]["outcome"] == "large[A]" and said[5]["is"]["value"] == "no"
    assert found.counts["problem:outcome-out-of-bounds"] == 1
    assert found.outcomes == {"large[A]": (("no",), "large"), "large[B]": (("no",), "large")}
    assert found.different == []


def test_who_points_at_a_broken_one_is_undetermined(tmp_path: Path) -> None:
    program = program_of(tmp_path, RULES)
    model = model_of(program, ["large", "in_a_large_one"])
    listed = {"id": "p", "at": "2020-01-01T00:00:00Z", "kind": "participation",
              "subject": {"npi": "1234567893", "unit": "A"}}  # fmt: skip
    batches = [[amount("a", "A", 7, 1), listed], [amount("c", "A", 50, 2)]]
    with Pool(model, 1) as pool:
        found = watched(model, Evaluator(program, {}), pool, tmp_path / "out", batches)
    assert found.changes("in_a_large_one") == [(None, "yes"), ("yes", None)]
    assert found.determinations[-1]["is"] == {
        "value": None, "needs": ["qp_participation[1234567893,A].qp_unit"],
    }  # fmt: skip
    assert found.determinations[-1]["events"] == ["c"]
    assert found.different == []


@pytest.mark.skipif(bool(unavailable()), reason=unavailable() or "available")
def test_nothing_is_written_on_which_two_evaluators_differ(
    model: Model, evaluator: Evaluator, tmp_path: Path
) -> None:
    """durable-rules is given a standing whose results QP and Partial QP are exchanged."""
    deriver = Deriver(model)
    assert deriver.engine is not None
    names = [result.winner for result in deriver.rulesets.results["unit_standing"]]
    exchanged = {names.index("qp") + 1: names.index("partial_qp") + 1}
    exchanged.update({new: old for old, new in exchanged.items()})
    wrong = [
        msgspec.structs.replace(
            ruleset,
            rules=tuple(
                msgspec.structs.replace(rule, result=exchanged.get(rule.result, rule.result))
                if rule.determination == "unit_standing"
                else rule
                for rule in ruleset.rules
            ),
        )
        for ruleset in deriver.rulesets.rulesets
    ]
    deriver.engine = Engine(wrong)
    found = watched(model, evaluator, Here(deriver), tmp_path, [[UNIT], [totals("t1", 500)]])
    assert found.outcomes == {}
    last = found.determinations[-1]
    assert last["is"] is None and last["events"] == ["t1"]
    assert last["problem"].startswith("two evaluators differ on `unit_standing[")
    assert found.counts["problem:evaluators-differ"] == 1
    assert "qp by qp, but by durable-rules partial_qp by partial_qp" in last["problem"]


class Counting(Here):
    """How many messages are determined."""

    count = 0

    def derive(self, shares: Iterable[Share]) -> Iterator[list[bytes]]:
        for answers in super().derive(shares):
            self.count += len(answers)
            yield answers


def test_who_has_no_other_facts_is_not_determined_again(
    model: Model, evaluator: Evaluator, tmp_path: Path
) -> None:
    counting = Counting(Deriver(model))
    late = {**totals("t0", 100), "at": "2020-01-01T00:00:00Z"}
    same = {**totals("t2", 500), "at": "2020-06-01T00:00:00Z"}
    batches = [[UNIT, totals("t1", 500)], [late], [same]]
    found = watched(model, evaluator, counting, tmp_path, batches)
    assert (found.counts["taken"], counting.count) == (4, 1)
