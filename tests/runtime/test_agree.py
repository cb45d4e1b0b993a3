"""Random cases through both evaluators: what is counted, what is found, and faults put in."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from finalrule.cli import agree as command
from finalrule.core import ir
from finalrule.diagnostics import Failure
from finalrule.evaluate.outcomes import winners
from finalrule.runtime import agree as module
from finalrule.runtime.agree import Agreement, Bench, Unreached, agree, unreached
from finalrule.runtime.compile import compile_rulesets
from finalrule.runtime.durable import unavailable
from finalrule.runtime.faults import seed_faults
from runtime.small import ELIGIBILITY, FIGURES, INVENTORY, KIND_FIGURES, KINDS, program_of

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable() or "available")


def nothing(number: int) -> None:
    pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("small")


@pytest.fixture(scope="module")
def program(folder: Path) -> ir.Program:
    return program_of(folder, ELIGIBILITY, FIGURES)


@pytest.fixture(scope="module")
def bench(program: ir.Program, folder: Path) -> Bench:
    return Bench(program, folder)


def test_every_clause_wins_and_nothing_differs(bench: Bench, program: ir.Program) -> None:
    found = bench.run(1, range(1500), nothing)
    assert found.cases == 1500 and found.findings == {}
    assert unreached(bench.rulesets, found) == Unreached([], [], [])
    # Each record is decided by one clause, or undetermined: the counts add up to the records.
    for rule in program.rules:
        assert all(found.won[rule.name, winner] for winner in winners(rule))
    units = sum(times for (rule, _), times in found.won.items() if rule == "status")
    assert units == 1500


def test_codes_tables_ranges_and_catalogues(tmp_path: Path) -> None:
    (tmp_path / "measures").mkdir()
    (tmp_path / "measures" / "inventory.csv").write_text(INVENTORY, encoding="utf-8")
    made = program_of(tmp_path, KINDS, KIND_FIGURES)
    bench = Bench(made, tmp_path)
    assert bench.rulesets.refused == ()
    decided = {"listed_item", "item_grade", "counted", "decision", "final"}
    assert set(bench.rulesets.results) == decided
    found = bench.run(1, range(2500), nothing)
    assert found.findings == {}
    assert unreached(bench.rulesets, found) == Unreached([], [], [])
    _, missed = bench.find_faults(150, 1, nothing)
    assert [fault.what for fault in missed] == []


def test_the_same_seed_gives_the_same_cases_in_any_number_of_processes(
    bench: Bench, program: ir.Program, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SHARE", 50)
    steps: list[int] = []
    apart = agree(program, folder, 170, 7, 2, steps.append)
    together = bench.run(7, range(170), nothing)
    assert (apart.won, apart.records, apart.firings) == (
        together.won,
        together.records,
        together.firings,
    )
    assert sorted(steps) == [20, 50, 50, 50]


def test_fifty_faults_are_found(bench: Bench) -> None:
    found, missed = bench.find_faults(50, 1, nothing)
    assert [fault.what for fault in missed] == []
    assert len({fault.what for fault, _ in found}) == 50


def test_faults_are_of_every_kind(bench: Bench) -> None:
    said = " ".join(fault.what for fault in seed_faults(bench.rulesets, 50, 1))
    for part in ("9000001 became", "> 201", "dropped", "swapped", "the negation lost"):
        assert part in said


def test_a_fault_is_shown_with_a_small_case(
    bench: Bench, program: ir.Program, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit one cent too high in the rulesets: the smallest case is a unit with one segment."""
    wrong = next(
        fault
        for fault in seed_faults(bench.rulesets, 1000, 1)
        if fault.what.endswith("segment__charges >= 9000001 became segment__charges >= 9000002")
    )
    faulty = Bench(program, folder)
    rulesets = list(faulty.rulesets.rulesets)
    rulesets[wrong.place] = wrong.ruleset
    monkeypatch.setattr(faulty, "engine", module.Engine(rulesets))
    found = faulty.run(1, range(300), nothing)
    finding = found.findings["evaluators-differ", "segment_volume"]
    assert found.times["evaluators-differ", "segment_volume"] > 1
    assert finding.diagnostic.code == "evaluators-differ"
    lines = [line.strip() for line in finding.case.splitlines()]
    assert lines.count("segment") == 1 and "clinician" not in lines
    assert "charges: $90,000.01" in lines


def test_a_rule_that_breaks_its_promise_is_found(tmp_path: Path) -> None:
    """Two clauses that hold together where the sum is 20: no compiler looks into sums."""
    rules = """
module mips.broken
entity unit
  describe "A unit"
fact unit.a: count[0..100]
  required
  describe "A"
fact unit.b: count[0..100]
  required
  describe "B"
rule broken for unit: yes_no
  cites "42 CFR 414.1305"
  clause low: no when a + b <= 20
  clause high: yes when a + b >= 20
"""
    made = program_of(tmp_path, rules)
    bench = Bench(made, tmp_path)
    found = bench.run(1, range(500), nothing)
    (finding,) = found.findings.values()
    assert (finding.rule, finding.diagnostic.code) == ("broken", "clauses-overlap")
    assert unreached(bench.rulesets, found) == Unreached([], [], [])


def test_what_wins_although_it_cannot_is_told(tmp_path: Path) -> None:
    """A fact cannot be two members at once: the harness itself is held to its word."""
    rules = """
module mips.never
entity unit
  describe "A unit"
fact unit.color: one of {red, green}
  required
  describe "Color"
rule decided for unit: yes_no
  cites "42 CFR 414.1305"
  clause both: yes when color is red and color is green
  clause other: no otherwise
"""
    rulesets = compile_rulesets(program_of(tmp_path, rules))
    won = Counter({("decided", "both"): 1, ("decided", "other"): 1})
    assert unreached(rulesets, Agreement(won=won)) == Unreached([], [], [("decided", "both")])
    del won["decided", "both"]
    assert unreached(rulesets, Agreement(won=won)) == Unreached([], [], [])


def test_a_process_that_dies_names_the_case(
    program: ir.Program, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SHARE", 50)

    def crash(done: int) -> None:
        for process in multiprocessing.active_children():
            os.kill(process.pid or 0, signal.SIGSEGV)

    with pytest.raises(Failure) as failure:
        agree(program, folder, 100_000, 3, 1, crash)
    (diagnostic,) = failure.value.diagnostics
    assert diagnostic.code == "runtime-died"
    assert "ended with exit code -11, at case 3:" in diagnostic.message


def test_catalogues_that_cannot_be_opened_are_an_error(program: ir.Program, folder: Path) -> None:
    missing = ir.Catalogue("none", (), (), None, "", program.entities[0].place, path="none.csv")
    with pytest.raises(Failure, match="none"):
        agree(msgspec.structs.replace(program, catalogues=(missing,)), folder, 10, 1, 1)


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture
def run(
    program: ir.Program, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str]]:
    def in_process(
        made: ir.Program, root: Path, cases: int, seed: int, processes: int, progress: object
    ) -> Agreement:
        return Bench(made, root).run(seed, range(cases), nothing)

    monkeypatch.setattr(command, "load_program", lambda policy: program)
    monkeypatch.setattr(command, "policies_root", lambda: folder)
    monkeypatch.setattr(command, "run_cases", in_process)

    def called(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(command.agree, ["--policy", "2020-final", *arguments])
        return result.exit_code, result.output

    return called


def test_the_command_counts_clauses_and_finds_faults(run: Callable[..., tuple[int, str]]) -> None:
    code, output = run("--cases", "1500", "--faults", "10")
    assert code == 0, output
    assert "5 of 15 conditions (33%) are computed before" in output
    assert "10 of 10 faults found" in output and output.endswith("no difference\n")


def test_the_command_fails_when_a_clause_never_won(run: Callable[..., tuple[int, str]]) -> None:
    code, output = run("--cases", "3", "--format", "json")
    assert code == 1
    assert "status.elected" in json.loads(output)["never_won"]


def test_the_command_says_when_durable_rules_is_not_there(
    run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "unavailable", lambda: "durable-rules is not installed")
    assert run() == (2, "error: durable-rules is not installed\n")
