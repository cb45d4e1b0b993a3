"""A nation of 2,000 clinicians, the least that can be made, and one undisturbed run over it in two
parts of practices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from finalrule.evaluate.scalar import Evaluator
from finalrule.load import load_evaluator
from finalrule.runs import run as runs
from finalrule.synth.make import make_nation

POLICY = "2020-proposed"
# About half of its scoring units.
UNITS_IN_A_PART = 1_200


@pytest.fixture(scope="session")
def evaluator() -> Evaluator:
    return load_evaluator(POLICY)


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
        return Whole(out, runs.run(evaluator, nation, out, threads=2))


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs are in parts, as the undisturbed one is."""
    monkeypatch.setattr(runs, "UNITS_IN_A_PART", UNITS_IN_A_PART)
    yield


def content(run: Path) -> dict[str, bytes]:
    """Every file of a run but those that say how long it took."""
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in run.rglob("*")
        if path.is_file() and path.name != runs.DURATIONS
    }
