"""A run that is killed, at twenty random moments: there is a whole run in the end or none, what was
finished is not done again, and the bytes are those of an undisturbed run."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from finalrule.evaluate.scalar import Evaluator
from finalrule.tables.read import read_tables
from runs.conftest import UNITS_IN_A_PART, Whole, content

HERE = Path(__file__).parent
KILLS = 20


@pytest.fixture(scope="module")
def attempts(
    nation: Path, evaluator: Evaluator, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    """What came of each attempt. They have one thread, and another order of sets, than the
    undisturbed run."""
    folder = tmp_path_factory.mktemp("killed")
    read = read_tables(evaluator.program, nation, folder / "read", threads=2, memory="1GB",
                       program_facts={"whole_population": True})  # fmt: skip
    never_null = [(entity, fact) for entity, facts in read.never_null.items() for fact in facts]
    done = subprocess.run(
        [sys.executable, HERE / "attempts.py", nation, folder / "run", json.dumps(never_null),
         str(UNITS_IN_A_PART), "1", str(KILLS)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "7"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_there_is_a_whole_run_or_none(attempts: list[dict[str, Any]], whole: Whole) -> None:
    expected = {
        name: hashlib.sha256(data).hexdigest() for name, data in content(whole.path).items()
    }
    assert sum(one["killed"] for one in attempts) == KILLS
    ended = [one["files"] for one in attempts if one["files"] is not None]
    # The first was not disturbed, and of twenty moments some come late.
    assert len(ended) > 1
    for files in ended:
        assert files.pop("durations.json")
        assert files == expected


def test_what_is_finished_is_not_done_again(attempts: list[dict[str, Any]]) -> None:
    """The time of a stage's mark does not change from one attempt to the next."""
    kept = 0
    for before, after in zip(attempts, attempts[1:], strict=False):
        if after["files"] is None:
            assert before["marks"].items() <= after["marks"].items()
            kept += len(before["marks"])
    assert kept > 0
