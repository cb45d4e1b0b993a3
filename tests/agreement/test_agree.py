"""Random cases through the exact evaluator and every other reader: what is counted, what is found,
and faults put in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from sqlglot import exp

from finalrule.agreement.bench import Bench
from finalrule.agreement.processes import agree
from finalrule.agreement.reached import unreached
from finalrule.agreement.sql import SqlReader
from finalrule.core import ir
from finalrule.diagnostics import Failure
from finalrule.evaluate.neighbours import ALONE
from finalrule.evaluate.outcomes import winners
from finalrule.load import load_program
from finalrule.places import policies_root
from finalrule.population import sql
from finalrule.runtime.durable import unavailable
from runtime.small import ELIGIBILITY, FIGURES, program_of, two_clauses

READERS = ["duckdb"] if unavailable() else ["durable", "duckdb"]


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
    return Bench(program, folder, READERS)


def test_every_clause_wins_and_nothing_differs(bench: Bench, program: ir.Program) -> None:
    found = bench.run(1, range(1500), nothing)
    assert found.cases == 1500 and found.findings == {}
    missing = unreached(program, [rule.name for rule in program.rules], found)
    assert (missing.compared, missing.other, missing.impossible) == ([], [], [])
    # Each record is decided by one clause, or undetermined: the counts add up to the records.
    for rule in program.rules:
        assert all(found.won[rule.name, winner] for winner in winners(rule))


@pytest.mark.parametrize("policy", ["2019-final", "2020-proposed", "2020-final"])
def test_a_policy_as_sql(policy: str) -> None:
    """Outcomes, what decided them, numbers to the last digit, and what is missing."""
    found = Bench(load_program(policy), policies_root(), ["duckdb"]).run(11, range(250), nothing)
    assert found.cases == 250 and found.outcomes > 50_000
    assert found.findings == {}


def test_the_same_seed_gives_the_same_cases_in_any_number_of_processes(
    bench: Bench, program: ir.Program, folder: Path
) -> None:
    steps: list[int] = []
    apart = agree(program, folder, 170, 7, READERS, 2, steps.append)
    together = bench.run(7, range(170), nothing)
    assert (apart.won, apart.records, apart.outcomes) == (
        together.won,
        together.records,
        together.outcomes,
    )
    assert sum(steps) == 170


@pytest.mark.parametrize("place", range(len(READERS)), ids=READERS)
def test_faults_are_found_in_every_reader(bench: Bench, place: int) -> None:
    """In SQL these few rules have some 40."""
    found, missed = bench.find_faults(bench.readers[place], 50, 1, nothing)
    assert [fault.what for fault in missed] == []
    assert 35 <= len({fault.what for fault, _ in found}) == len(found)


def test_a_fault_is_given_up_after_so_many_cases(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 of all kinds and, of its own rules, as many as the documentation says, not more."""
    (reader,) = (one for one in bench.readers if isinstance(one, SqlReader))
    given: list[int] = []

    def finds_nothing(faults: object, cases: Sequence[object], *rest: object) -> dict[str, int]:
        given.append(len(cases))
        return {}

    monkeypatch.setattr(reader, "find", finds_nothing)
    found, missed = bench.find_faults(reader, 1, 1, nothing)
    assert (found, len(missed)) == ([], 1)
    assert sum(given) == 500 + 5_000


def test_a_rule_that_breaks_its_promise_is_found(tmp_path: Path) -> None:
    """Two clauses that hold together where the sum is 20: no compiler looks into sums."""
    made = two_clauses(tmp_path, "a + b <= 20", "a + b >= 20")
    found = Bench(made, tmp_path, READERS).run(1, range(500), nothing)
    assert {(one.rule, one.diagnostic.code) for one in found.findings.values()} == {
        ("decided", "clauses-overlap")
    }


def test_catalogues_that_cannot_be_opened_are_an_error(program: ir.Program, folder: Path) -> None:
    missing = ir.Catalogue("none", (), (), None, "", program.entities[0].place, path="none.csv")
    with pytest.raises(Failure, match="none"):
        agree(msgspec.structs.replace(program, catalogues=(missing,)), folder, 10, 1, READERS, 1)


def test_neighbours_are_compared_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQL that is wrong where a fact turns is found out by families of neighbours: in each case
    that another reading would find it in."""
    made = two_clauses(tmp_path, "a < 20", "a >= 20")
    bench = Bench(made, tmp_path, ["duckdb"])
    (reader,) = bench.readers
    assert isinstance(reader, SqlReader)
    for one in reader.plan.passes:
        for literal in one.query.find_all(exp.Literal):
            if literal.name == "20":
                literal.replace(sql.number(21))
    monkeypatch.setattr(SqlReader, "narrowed", lambda self, rule: self)
    numbers = range(ALONE, ALONE + 400)
    found = bench.run(1, numbers, nothing)
    members = [one.case.root for one in bench.families.members(1, numbers)]
    wrong = sum(one.facts["a"].value == 20 for one in members)
    assert wrong > 5 and list(found.times.values()) == [wrong]
