"""Going on with a run: what it takes over, and what it refuses to."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import threading
from pathlib import Path

import duckdb
import pytest

from finalrule.diagnostics import Failure
from finalrule.evaluate.scalar import Evaluator
from finalrule.load import load_evaluator
from finalrule.runs import run as runs
from finalrule.runs.request import Progress
from finalrule.runs.storage import writing
from runs.conftest import POLICY, Stopped, Whole, content, finalrule, refused, stop

STAGES = (
    "read", "pass-0", "pass-1-00000", "pass-1-00001", "pass-2", "pass-3", "clinicians"
)  # fmt: skip


def test_what_is_finished_is_taken_over(
    nation: Path, whole: Whole, evaluator: Evaluator, tmp_path: Path, in_parts: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    out = tmp_path / "run"
    begun: list[str] = []

    def note(stage: str, done: int, of: int) -> None:
        begun.append(stage)
        if stage == "pass-1-00001":
            raise Stopped

    with pytest.raises(Stopped):
        runs.run(evaluator, nation, out, note=note)
    assert tuple(dict.fromkeys(stage for stage in begun if stage in STAGES)) == STAGES[:4]
    with monkeypatch.context() as patched, pytest.raises(Stopped):
        patched.setattr(Progress, "complete", stop)
        runs.run(evaluator, nation, out, resume=True)
    assert [path.name for path in tmp_path.iterdir()] == [".run.partial"]
    done = finalrule("run", "--policy", POLICY, "--facts", nation, "--out", out, "--resume")
    assert done.exit_code == 0
    assert f"taken over from an earlier attempt: {', '.join(STAGES)}\n" in done.stdout
    assert content(out) == content(whole.path)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.fixture
def begun(
    nation: Path, evaluator: Evaluator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """An attempt that has read the facts: where its run would be."""
    with monkeypatch.context() as patched, pytest.raises(Stopped):
        patched.setattr(runs, "compile_population", stop)
        runs.run(evaluator, nation, tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--policy", "2020-final"), f"the policy was {POLICY}"),
        (("--set", "performance_threshold=60"), "the policy was 2020-proposed"),
        (("--rejected", "2"), "--rejected was 1"),
    ],
)
def test_something_else_is_not_resumed(
    begun: Path, nation: Path, options: tuple[str, ...], said: str
) -> None:
    asked = ("run", "--facts", nation, "--out", begun, "--resume")
    policy = () if "--policy" in options else ("--policy", POLICY)
    error = refused(finalrule(*asked, *policy, *options), "cannot-resume", begun)
    assert f": {said}\n" in error
    # What was finished is still there.
    assert (Progress(begun).folder / "facts").is_dir()


def test_other_facts_are_not_resumed(begun: Path, nation: Path, tmp_path: Path) -> None:
    facts = Path(shutil.copytree(nation, tmp_path / "facts"))
    asked = ("run", "--policy", POLICY, "--facts", facts, "--out", begun, "--resume")
    (facts / "practices.parquet").touch()
    assert "the facts have changed since: practices.parquet\n" in refused(
        finalrule(*asked), "cannot-resume", begun
    )
    (facts / "cost_results.parquet").unlink()
    assert "since: cost_results.parquet, practices.parquet\n" in refused(
        finalrule(*asked), "cannot-resume", begun
    )


def test_an_edited_policy_is_not_resumed(begun: Path, nation: Path) -> None:
    asked = Progress(begun).hidden / "request.json"
    data = json.loads(asked.read_bytes())
    asked.write_text(json.dumps({**data, "policy_digest": "0" * 64, "engine_version": "0.0.0"}))
    done = finalrule("run", "--policy", POLICY, "--facts", nation, "--out", begun, "--resume")
    error = refused(done, "cannot-resume", begun)
    assert f"policy {POLICY} was another: digest 000000000000" in error
    assert "it was begun by finalrule 0.0.0" in error
    asked.write_text("{")
    done = finalrule("run", "--policy", POLICY, "--facts", nation, "--out", begun, "--resume")
    assert "what was asked cannot be read" in refused(done, "cannot-resume", begun)


def test_one_process_at_a_time(begun: Path, nation: Path) -> None:
    handle = os.open(Progress(begun).hidden, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for resume in ((), ("--resume",)):
            refused(
                finalrule("run", "--policy", POLICY, "--facts", nation, "--out", begun, *resume),
                "run-in-progress", begun,
            )  # fmt: skip
    finally:
        os.close(handle)


def test_settings_in_another_order_are_another_request(begun: Path, nation: Path) -> None:
    """They are read one after the other, so that what they come to could differ."""
    settings = ("performance_threshold=60", "applicable_percent=5%")
    with pytest.raises(Failure) as caught:
        runs.run(load_evaluator(POLICY, settings), nation, begun, settings=settings, resume=True)
    assert [one.code for one in caught.value.diagnostics] == ["cannot-resume"]


def test_facts_that_change_while_they_are_read(
    nation: Path, evaluator: Evaluator, tmp_path: Path
) -> None:
    facts = Path(shutil.copytree(nation, tmp_path / "facts"))

    def note(stage: str, done: int, of: int) -> None:
        if stage == "read cost_results":
            (facts / "practices.parquet").touch()

    with pytest.raises(Failure) as caught:
        runs.run(evaluator, facts, tmp_path / "run", note=note)
    assert [one.code for one in caught.value.diagnostics] == ["facts-changed"]
    assert [path.name for path in tmp_path.iterdir()] == ["facts"]


def test_an_interrupt_is_one_while_duckdb_works(tmp_path: Path) -> None:
    """DuckDB ends a query with an error of its own. This one takes minutes; with more threads than
    one it would be waited for, because `range` is read by one thread in one go."""
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    query = "SELECT count(*) FROM range(100_000_000_000) t(i) WHERE hash(i) % 7 = 3"
    # A shell's background job begins with interrupts ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with (
            pytest.raises(KeyboardInterrupt), writing(tmp_path, "1GB"),
            duckdb.connect(config={"threads": 1}) as connection,
        ):  # fmt: skip
            timer.start()
            connection.execute(query).fetchall()
        timer.join()
    finally:
        signal.signal(signal.SIGINT, before)
