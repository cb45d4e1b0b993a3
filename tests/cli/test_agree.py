"""`finalrule agree`: what it prints and how it ends, for a small program."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlglot import exp

from finalrule.agreement.bench import Agreement, Bench
from finalrule.agreement.sql import SqlReader
from finalrule.cli import agree as command
from finalrule.core import ir
from finalrule.diagnostics import Failure
from finalrule.load import load_program
from finalrule.places import policies_root
from finalrule.population import sql
from finalrule.runtime.durable import unavailable
from runtime.small import ELIGIBILITY, FIGURES, program_of

# As the command is called: the policy's place is taken by the small program.
Called = Callable[..., Result]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("small")


@pytest.fixture(scope="module")
def program(folder: Path) -> ir.Program:
    return program_of(folder, ELIGIBILITY, FIGURES)


@pytest.fixture
def call(program: ir.Program, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Called:
    def in_process(
        made: ir.Program, root: Path, cases: int, seed: int, readers: Sequence[str],
        processes: int, progress: Callable[[int], None],
    ) -> Agreement:  # fmt: skip
        found = command.Bench(made, root, readers).run(seed, range(cases), lambda number: None)
        progress(cases)
        return found

    monkeypatch.setattr(command, "load_program", lambda policy: program)
    monkeypatch.setattr(command, "policies_root", lambda: folder)
    monkeypatch.setattr(command, "run_cases", in_process)
    return lambda *arguments: CliRunner().invoke(
        command.agree, ["--policy", "2020-final", *arguments]
    )


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQL in which more than 200 patients are more than 201."""

    class WrongBench(Bench):
        def __init__(self, program: ir.Program, root: Path, readers: Sequence[str]) -> None:
            super().__init__(program, root, readers)
            for reader in self.readers:
                assert isinstance(reader, SqlReader)
                for one in reader.plan.passes:
                    for more in one.query.find_all(exp.GT):
                        if "patients" in more.this.sql() and more.expression.name == "200":
                            more.expression.replace(sql.number(201))

    # What makes a case small takes a reader of its own, with the same thing wrong.
    monkeypatch.setattr(SqlReader, "narrowed", lambda self, rule: self)
    monkeypatch.setattr(command, "Bench", WrongBench)


def test_all_agree(call: Called) -> None:
    done = call("--cases", "1500", "--readers", "duckdb")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    # Rule by rule what decided it, then what was compared.
    assert lines[0] == "segment_volume"
    assert [line.split()[0] for line in lines[1:5]] == ["both", "one", "neither", "(undetermined)"]
    assert any(line.startswith("6 rules as ") and line.endswith("of DuckDB") for line in lines)
    assert any(line.startswith("1,500 cases with ") for line in lines)
    assert lines[-1] == "no difference"
    assert done.stderr == ""  # progress is for a terminal


def test_progress_on_a_terminal(call: Called, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda self: True)
    done = call("--cases", "20", "--readers", "duckdb")
    assert "cases" in done.stderr and "cases  [" not in done.stdout


def test_json(call: Called) -> None:
    done = call("--cases", "1500", "--readers", "duckdb", "--faults", "5", "--format", "json")
    data = json.loads(done.stdout)
    assert done.exit_code == 0
    assert (data["policy"], data["seed"], data["readers"]) == ("2020-final", 1, ["DuckDB"])
    assert data["cases"] == 1500 and data["rules"] == 6
    assert data["findings"] == data["never_won"] == data["won_though_impossible"] == []
    # One unit a case: what decided its status adds up to the cases.
    assert sum(data["won"]["status"].values()) == 1500
    assert (len(data["faults_found"]["DuckDB"]), data["faults_missed"]["DuckDB"]) == (5, [])


def test_a_clause_that_never_won_is_an_error(call: Called) -> None:
    done = call("--cases", "3", "--readers", "duckdb")
    assert done.exit_code == 1
    assert "never won: elected of status" in done.stdout
    assert done.stdout.endswith("no difference\n")
    assert "status.elected" in json.loads(
        call("--cases", "3", "--readers", "duckdb", "--format", "json").stdout
    )["never_won"]  # fmt: skip


@pytest.mark.usefixtures("wrong")
def test_a_difference_is_shown_with_its_smallest_case(call: Called) -> None:
    """201 patients in one segment are enough to show it; no clinician is needed."""
    done = call("--cases", "400", "--readers", "duckdb")
    assert done.exit_code == 1
    shown = done.stdout[done.stdout.index("error[evaluators-differ]") :]
    assert "segment_volume[" in shown and "but by DuckDB" in shown
    assert "the smallest found:" in shown and "no difference" not in shown
    case = [line.strip() for line in shown.splitlines()]
    assert case.count("segment") == 1 and "clinician" not in case
    assert "patients: 201" in case


@pytest.mark.usefixtures("wrong")
def test_a_difference_in_json(call: Called) -> None:
    done = call("--cases", "400", "--readers", "duckdb", "--format", "json")
    assert done.exit_code == 1
    first = json.loads(done.stdout)["findings"][0]
    assert (first["code"], first["reader"]) == ("evaluators-differ", "DuckDB")
    assert first["times"] > 1 and "patients: 201" in first["case"]


def test_an_unknown_reader(call: Called) -> None:
    done = call("--readers", "duckdb,postgres")
    assert done.exit_code == 2
    assert "name one or more of durable, duckdb, spark" in done.stderr


@pytest.mark.parametrize("name", ["durable", "spark"])
def test_a_reader_that_is_not_there(
    call: Called, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(getattr(command, name), "unavailable", lambda: f"no {name} here")
    done = call("--readers", f"{name},duckdb")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"error: no {name} here (without it: --readers duckdb)\n"


@pytest.mark.parametrize("readers", ["events", "spark", "spark,events"])
def test_faults_of_readers_that_have_none_of_their_own(
    call: Called, monkeypatch: pytest.MonkeyPatch, readers: str
) -> None:
    """Said before a policy is read or a case made, whether the reader is there or not."""
    monkeypatch.setattr(command, "load_program", lambda policy: pytest.fail("it began"))
    done = call("--readers", readers, "--faults", "50")
    assert isinstance(done.exception, Failure) and done.stdout == ""
    assert str(done.exception).splitlines() == [
        "error[no-faults]: --faults puts faults into durable and duckdb, not into "
        + readers.replace(",", " or "),
        f"  help: name one of those too, for example --readers duckdb,{readers}",
    ]
    if readers == "events":
        page = Path(__file__).parents[2] / "docs" / "errors" / "no-faults.md"
        assert f"```text\n{done.exception}\n```\n" in page.read_text(encoding="utf-8")


@pytest.mark.skipif(bool(unavailable()), reason=unavailable() or "available")
def test_both_readers(call: Called) -> None:
    done = call("--cases", "1500")
    assert done.exit_code == 0, done.output
    assert "5 of 15 conditions (33%) are computed before" in done.stdout
    assert "of DuckDB" in done.stdout and "rules fired" in done.stdout


@pytest.mark.skipif(bool(unavailable()), reason=unavailable() or "available")
def test_events_alone_take_cases_of_their_track(
    call: Called, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = load_program("2020-final")
    monkeypatch.setattr(command, "load_program", lambda policy: program)
    monkeypatch.setattr(command, "policies_root", policies_root)
    done = call("--cases", "20", "--readers", "events", "--format", "json")
    data = json.loads(done.stdout)
    assert (data["readers"], data["findings"]) == (["events"], [])
    assert data["told"]["lines"] > 400 and data["told"]["eligible_clinician"] > 10
    assert "qp_status" in data["won"] and "final_score" not in data["won"]
    # Of so few cases: clauses of the rules that are watched, and none of MIPS.
    assert done.exit_code == 1 and "qp_status.qp_alone" in data["never_won"]
    shown = call("--cases", "3", "--readers", "events").stdout
    assert "rules as they are watched" in shown and "told by " in shown


@pytest.mark.skipif(bool(unavailable()), reason=unavailable() or "available")
def test_events_of_a_policy_without_the_track(call: Called) -> None:
    done = call("--cases", "20", "--readers", "durable,events")
    assert isinstance(done.exception, Failure)  # exit code 2 by the command above this one
    assert "reader events" in str(done.exception)
