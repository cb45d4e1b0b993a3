"""A nation of 2,000 clinicians, the least that can be made, and one undisturbed run over it in two
parts of practices."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from finalrule.cli.main import main
from finalrule.cli.run import summarized
from finalrule.core import ir
from finalrule.evaluate.scalar import Evaluator
from finalrule.load import load_evaluator
from finalrule.population.model import Dimension
from finalrule.population.plan import Plan, compile_population
from finalrule.runs import run as runs
from finalrule.synth.make import make_nation

POLICY = "2020-proposed"
# About half of its scoring units.
UNITS_IN_A_PART = 1_200


@pytest.fixture(scope="session")
def evaluator() -> Evaluator:
    return load_evaluator(POLICY)


@pytest.fixture(scope="session", autouse=True)
def compiled_once() -> Iterator[None]:
    """What a policy compiles to depends on these three alone; it takes as long as a small run."""
    known: dict[object, Plan] = {}

    def compiled(
        program: ir.Program, dimensions: Mapping[str, Dimension], *,
        only: Collection[str], never_null: Collection[tuple[str, str]],
    ) -> Plan:  # fmt: skip
        key = program.digest, frozenset(only), frozenset(never_null)
        if key not in known:
            known[key] = compile_population(program, dimensions, only=only, never_null=never_null)
        return known[key]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(runs, "compile_population", compiled)
        yield


@pytest.fixture(scope="session")
def nation(evaluator: Evaluator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The facts, which no test changes."""
    out = tmp_path_factory.mktemp("nation") / "facts"
    make_nation(evaluator.program, 2_000, 1, out, threads=2)
    return out


@dataclass(frozen=True)
class Whole:
    """A run, and what it said at the end of each stage."""

    path: Path
    ran: runs.Ran


@pytest.fixture(scope="session")
def whole(nation: Path, evaluator: Evaluator, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """The undisturbed run, with two threads."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(runs, "UNITS_IN_A_PART", UNITS_IN_A_PART)
        out = tmp_path_factory.mktemp("whole") / "run"
        return Whole(out, runs.run(evaluator, nation, out, threads=2, summarize=summarized))


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs are in parts, as the undisturbed one is."""
    monkeypatch.setattr(runs, "UNITS_IN_A_PART", UNITS_IN_A_PART)
    yield


class Stopped(Exception):
    """The end of an attempt."""


def stop(*arguments: object, **options: object) -> None:
    """In the place of what an attempt does not come to."""
    raise Stopped


def content(run: Path) -> dict[str, bytes]:
    """Every file of a run but those that say how long it took."""
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in run.rglob("*")
        if path.is_file() and path.name != runs.DURATIONS
    }


def finalrule(*arguments: str | Path) -> Result:
    """A command. Nothing but its own exit ends it."""
    done = CliRunner().invoke(main, [str(one) for one in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done


def refused(done: Result, code: str, out: Path | None = None) -> str:
    """Why a command was refused, and that it left nothing."""
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error[{code}]: ") and "Traceback" not in done.stderr
    assert out is None or not out.exists()
    return done.stderr
