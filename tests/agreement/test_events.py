"""Cases told event by event to the watch: they come to what the exact evaluator says of each case,
and what goes wrong on the way of events is found."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest

from finalrule.agreement import bench as benches
from finalrule.agreement.bench import Bench
from finalrule.agreement.events import EventsReader, track_of
from finalrule.agreement.telling import Teller
from finalrule.core import ir
from finalrule.core.expressions import constant_value
from finalrule.diagnostics import Failure
from finalrule.evaluate import shrink
from finalrule.evaluate.neighbours import ALONE
from finalrule.facts.case import Case, Given, Record
from finalrule.load import load_program
from finalrule.places import policies_root
from finalrule.runtime.durable import Engine, unavailable
from finalrule.watch.change import Changes
from finalrule.watch.event import Reader
from finalrule.watch.store import Store
from finalrule.watch.watch import Watch
from runtime.small import ELIGIBILITY, FIGURES, program_of, two_clauses

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable() or "available")

CASES = 50


def nothing(number: int) -> None:
    pass


def bench_of(policy: str) -> Bench:
    return Bench(track_of(load_program(policy)), policies_root(), ["events"])


@pytest.fixture
def bench() -> Bench:
    return bench_of("2017-final")


def reader_of(bench: Bench) -> EventsReader:
    (reader,) = bench.readers
    assert isinstance(reader, EventsReader)
    return reader


@pytest.mark.parametrize("policy", ["2017-final", "2020-final"])
def test_cases_told_by_events_come_to_the_same(policy: str) -> None:
    bench = bench_of(policy)
    found = bench.run(3, range(ALONE - 40, ALONE + 40), nothing)
    assert found.cases == 80 and found.findings == {}
    # Every way of telling was taken: late, twice, taken back before and after it came.
    told = found.told
    assert told["lines"] > 20 * found.cases and told["late"] > told["lines"] / 4
    for some in ("ignored duplicate", "retracted", "kept retracts-unknown", "kept unknown-subject"):
        assert told[some] > 10
    assert not any(name.startswith(("refused", "problem")) for name in told)
    assert told["qp_unit"] > 50 and told["eligible_clinician"] > 50
    # Numbers are compared too, and what stands behind the usual determinations.
    compared = reader_of(bench).rules
    assert {"qp_status", "unit_standing", "payment_threshold_score", "first_listed"} <= compared


# What is done wrong on the way: each is patched in, and must be found in some cases.
Wrong = Callable[[pytest.MonkeyPatch, Bench], None]


def _by_arrival(patch: pytest.MonkeyPatch, bench: Bench) -> None:
    """Whatever came last holds, instead of what was last so."""
    read, arrived = Reader.read, iter(range(10**9))
    patch.setattr(Reader, "read", lambda self, line: replace(read(self, line), at=next(arrived)))


def _retractions_do_nothing(patch: pytest.MonkeyPatch, bench: Bench) -> None:
    said = Store.said

    def all_of_it(self: Store, subject: int) -> Any:
        self.run("UPDATE event SET retracted = 0 WHERE said NOT LIKE '[\"retraction\"%'")
        return said(self, subject)

    patch.setattr(Store, "said", all_of_it)


def _nothing_is_ever_gone(patch: pytest.MonkeyPatch, bench: Bench) -> None:
    read = Reader.read

    def always_there(self: Reader, line: bytes) -> Any:
        event = read(self, line)
        return replace(event, said=msgspec.structs.replace(event.said, there=True))

    patch.setattr(Reader, "read", always_there)


def _units_do_not_reach_their_clinicians(patch: pytest.MonkeyPatch, bench: Bench) -> None:
    patch.setattr(Watch, "_touch", lambda self, subject, events: None)


def _a_fact_is_dropped(patch: pytest.MonkeyPatch, bench: Bench) -> None:
    facts = Reader._facts

    def fewer(self: Reader, entity: str, given: Any, only: tuple[str, ...]) -> Any:
        found = facts(self, entity, given, only)
        found.pop("listed_june_30", None)
        return found

    patch.setattr(Reader, "_facts", fewer)


def _a_ruleset_lacks_a_rule(patch: pytest.MonkeyPatch, bench: Bench) -> None:
    """Of durable-rules: the clause `never` of a clinician's lists."""
    deriver = reader_of(bench).deriver
    rulesets = [
        msgspec.structs.replace(one, rules=tuple(
            rule for rule in one.rules
            if (rule.determination, rule.clause) != ("clinician_first_listed", "never")
        ))
        for one in deriver.rulesets.rulesets
    ]  # fmt: skip
    deriver.engine = Engine(rulesets)


def _a_change_is_not_written(patch: pytest.MonkeyPatch, bench: Bench) -> None:
    lines = Changes.lines

    def some(self: Changes, *given: Any) -> Any:
        said = f'"is":{json.dumps({"value": "partial_qp"})[:-1]}'.replace(" ", "").encode()
        return (line for line in lines(self, *given) if said not in line)

    patch.setattr(Changes, "lines", some)


WRONG = (
    _by_arrival, _retractions_do_nothing, _nothing_is_ever_gone,
    _units_do_not_reach_their_clinicians, _a_fact_is_dropped, _a_ruleset_lacks_a_rule,
    _a_change_is_not_written,
)  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_what_goes_wrong_with_events_is_found(
    wrong: Wrong, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benches, "_MADE_SMALL", 0)
    wrong(monkeypatch, bench)
    found = bench.run(3, range(CASES), nothing)
    assert found.times and {(code, by) for code, _, by in found.times} == {
        ("evaluators-differ", "events")
    }


def test_a_difference_is_shown_with_a_small_case(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benches, "_MADE_SMALL", 1)
    monkeypatch.setattr(shrink, "MAXIMUM_TRIES", 150)
    _a_fact_is_dropped(monkeypatch, bench)
    found = bench.run(3, range(CASES), nothing)
    finding = found.findings["evaluators-differ", "first_listed", "events"]
    assert "by june_30, but told by events" in finding.diagnostic.message
    assert "listed_june_30: yes" in finding.case


# --- what is told --------------------------------------------------------------------------------


def the_case(program: ir.Program) -> Case:
    """A clinician in one unit twice and in none once, and one of whom nothing is said."""
    root = Record("program", {})
    unit = root.add("qp_unit", {
        "unit": Given("U", ""), "kind": Given("apm_entity", ""), "in_advanced_apm": Given(True, ""),
    })  # fmt: skip
    clinician = root.add("eligible_clinician", {"npi": Given("N", "")})
    for key, refers in (("a", unit), ("b", None), ("c", unit)):
        clinician.add("qp_participation", {"unit": Given(key, "")}).refers = refers
    silent = root.add("eligible_clinician", {"npi": Given("S", "")})
    silent.children["qp_participation"] = []
    for record in root.walk():
        for fact in program.facts:
            if fact.entity == record.entity and fact.default is not None:
                record.facts.setdefault(fact.name, Given(constant_value(fact.default), ""))
    return Case(root, {"case": "by hand"}, "")


def test_a_unit_that_is_pointed_at_twice_is_told_twice(bench: Bench) -> None:
    reader, case = reader_of(bench), the_case(bench.program)
    told = Teller(reader.model, bench.cases.generator).tell(case, "7/")
    units = [path for record, path in told.records if record.entity == "qp_unit"]
    assert len(units) == 2 and ("7/U",) in units
    in_units = [path for record, path in told.records if record.entity == "qp_participation"]
    assert [path[0] for path in in_units] == ["7/N"] * 3
    of = [(path[1],) for path in in_units]
    assert [one in units for one in of] == [True, False, True] and len(set(of)) == 3


def test_who_is_only_named_is_told(bench: Bench) -> None:
    """In whichever order: so often that all that is left to chance happens."""
    reader = reader_of(bench)
    root = the_case(bench.program).root
    cases = [Case(root, {"case": str(number)}, "") for number in range(60)]
    reader.begin(cases)
    for place, case in enumerate(cases):
        assert list(reader.differences(place, bench.evaluator.evaluate(case))) == []


def test_the_same_case_is_always_told_alike(bench: Bench) -> None:
    teller = Teller(reader_of(bench).model, bench.cases.generator)
    case, other = (bench.cases.case(f"9:{number}") for number in (1, 2))
    assert teller.tell(case, "1/").lines == teller.tell(case, "1/").lines
    again = Case(case.root, other.subject, "")
    assert Counter(teller.tell(case, "1/").lines) != Counter(teller.tell(again, "1/").lines)


# --- what cannot be told -------------------------------------------------------------------------


def test_a_policy_without_the_track_is_an_error(tmp_path: Path) -> None:
    program = program_of(tmp_path, ELIGIBILITY, FIGURES)
    with pytest.raises(Failure, match="reader events: 2020-final determines nothing"):
        Bench(program, tmp_path, ["events"])
    with pytest.raises(Failure, match="reader events"):
        track_of(program)


UNITS = """entity program
  describe "A program"
entity qp_unit of program
  describe "A unit"
  key unit: code
"""


def of_a_unit(folder: Path, low: str, high: str, type_: str) -> ir.Program:
    return two_clauses(folder, low, high, type_, "qp_unit", UNITS)


def test_a_promise_that_is_broken_is_broken_by_events_too(tmp_path: Path) -> None:
    """Two clauses hold together where the sum is 20: no compiler looks into sums."""
    program = of_a_unit(tmp_path, "a + b <= 20", "a + b >= 20", "count[0..100]")
    found = Bench(program, tmp_path, ["events"]).run(1, range(300), nothing)
    assert set(found.times) == {("clauses-overlap", "decided", "")}


def test_a_promise_of_the_program_that_is_broken_is_one_finding(tmp_path: Path) -> None:
    """What the program's own facts come to is given to the watch, before any event is told."""
    rules = """
module mips.program
entity program
  describe "A program"
entity qp_unit of program
  describe "A unit"
  key unit: code
fact program.asked: count[0..100]
  may be unknown
  describe "What is asked"
fact qp_unit.a: count[0..100]
  required
  describe "A"
rule level for program: yes_no
  cites "42 CFR 414.1305"
  clause low: no when asked + asked <= 40
  clause high: yes when asked + asked >= 40
rule reached for qp_unit: yes_no
  cites "42 CFR 414.1305"
  clause reached: level when a >= 20
  clause not_reached: no when a < 20
"""
    bench = Bench(program_of(tmp_path, rules), tmp_path, ["events"])
    found = bench.run(1, range(200), nothing)
    assert set(found.times) == {("clauses-overlap", "level", "")}
    # The other cases, in which twice what is asked is not 40, are told as ever.
    assert found.won["reached", "reached"] > 20 < found.won["reached", "not_reached"]


def test_numbers_of_any_size_are_told_to_the_last_digit(tmp_path: Path) -> None:
    """36 digits, and below zero: more than a decimal has unless it is asked for more."""
    most = 10**33
    program = of_a_unit(tmp_path, "a + b <= $20", "a + b > $20", f"usd[-{most}..{most}] scale 3")
    bench = Bench(program, tmp_path, ["events"])
    root = Record("program", {})
    for name, a in (("up", "20.001"), ("at", "20")):
        facts = {"a": Given(Fraction(a) - most, ""), "b": Given(Fraction(most), "")}
        root.add("qp_unit", {"unit": Given(name, ""), **facts})
    cases = [Case(root, {"case": str(number)}, "") for number in range(20)]
    (reader,) = bench.readers
    reader.begin(cases)
    for place, case in enumerate(cases):
        evaluation = bench.evaluator.evaluate(case)
        assert list(reader.differences(place, evaluation)) == []
        winners = [one.winner for one in evaluation.decisions.values()]
        assert winners == ["high", "low"]


def test_facts_that_no_event_can_say_are_an_error(tmp_path: Path) -> None:
    program = of_a_unit(tmp_path, "a + b <= 1", "a + b > 1", "ratio[0..1] exact")
    with pytest.raises(Failure) as raised:
        Bench(program, tmp_path, ["events"])
    assert [(one.code, one.message) for one in raised.value.diagnostics] == [
        ("cannot-be-told",
         f"reader events: an event says decimals, and `qp_unit.{name}` may be any fraction")
        for name in ("a", "b")
    ]  # fmt: skip


def test_a_name_that_a_rule_reads_is_an_error(tmp_path: Path) -> None:
    program = of_a_unit(tmp_path, "a <= b", 'a > b and unit == "A"', "count[0..1]")
    with pytest.raises(Failure, match=r"a rule reads `qp_unit\.unit`, which is another name"):
        Bench(program, tmp_path, ["events"])
