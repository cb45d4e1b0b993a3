"""A run that is killed, at twenty random moments: there is a whole run in the end or none, what was
finished is not done again, and the bytes are those of an undisturbed run."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

from finalrule.evaluate.scalar import Evaluator
from finalrule.tables.read import read_tables
from runs.conftest import UNITS_IN_A_PART, Whole, content

HERE = Path(__file__).parent
KILLS = 20


def attempts(nation: Path, evaluator: Evaluator, folder: Path) -> list[dict[str, Any]]:
    """What came of each attempt. They have one thread, and another order of sets, than the
    undisturbed run."""
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


def test_a_run_that_is_killed(
    nation: Path, evaluator: Evaluator, whole: Whole, tmp_path: Path
) -> None:
    expected = {
        name: hashlib.sha256(data).hexdigest() for name, data in content(whole.path).items()
    }
    found = attempts(nation, evaluator, tmp_path)
    assert sum(one["killed"] for one in found) == KILLS
    ended = [one["files"] for one in found if one["files"] is not None]
    # The first was not disturbed, and of twenty moments some come late.
    assert len(ended) > 1
    for files in ended:
        assert files.pop("durations.json")
        assert files == expected
    # What is finished is not done again: the time of its mark stays.
    kept = 0
    for before, after in pairwise(found):
        if after["files"] is None:
            assert before["marks"].items() <= after["marks"].items()
            kept += len(before["marks"])
    assert kept > 0
