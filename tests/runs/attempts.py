"""Attempts at a run, killed: `python attempts.py FACTS OUT NEVER_NULL UNITS SEED KILLS`.

Each attempt is a process of its own that resumes the run in OUT; it is killed at a random moment.
What is printed for each, as a line of JSON: whether it was killed, the marks of finished stages
with their times, and, where there is a whole run now, its files with their digests; that is then
taken away, and the next attempt begins anew. It ends after so many kills.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

from finalrule.cli.run import summarized
from finalrule.load import load_evaluator
from finalrule.population.dimensions import catalogue_rows
from finalrule.population.plan import compile_population
from finalrule.runs import run as runs

POLICY = "2020-proposed"


def main(facts: Path, out: Path, never_null: str, units: int, seed: int, kills: int) -> None:
    chance = random.Random(seed)
    attempt = Attempt(facts, out, {(entity, fact) for entity, fact in json.loads(never_null)})
    runs.UNITS_IN_A_PART = units
    began = time.monotonic()
    attempt.end(attempt.begin(), float("inf"))
    whole = time.monotonic() - began
    attempt.say(False)
    while kills:
        killed = attempt.end(attempt.begin(), chance.uniform(0, whole))
        attempt.say(killed)
        kills -= killed


class Attempt:
    """The policy is read and compiled once; an attempt is a copy of this process."""

    def __init__(self, facts: Path, out: Path, never_null: set[tuple[str, str]]) -> None:
        self.facts, self.out = facts, out
        self.marks = out.with_name(f".{out.name}.partial") / "stages"
        self.evaluator = load_evaluator(POLICY)
        program, catalogues = self.evaluator.program, catalogue_rows(self.evaluator.catalogues)
        dimensions = {name: one.dimension for name, one in catalogues.items()}
        plan = compile_population(
            program, dimensions, never_null=never_null, only=runs.rules_of(program)
        )
        assert all(one.duckdb for one in plan.passes)

        def compiled(*arguments: object, **options: object) -> object:
            assert options["never_null"] == never_null
            return plan

        runs.compile_population = compiled  # type: ignore[assignment]

    def begin(self) -> int:
        process = os.fork()
        if not process:
            code = 1
            try:
                runs.run(
                    self.evaluator, self.facts, self.out, resume=True, threads=1,
                    summarize=summarized,
                )  # fmt: skip
                code = 0
            finally:
                os._exit(code)
        return process

    def end(self, process: int, seconds: float) -> bool:
        """Wait so long, then kill; whether it had not ended before."""
        last = time.monotonic() + seconds
        while time.monotonic() < last:
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                assert os.waitstatus_to_exitcode(status) == 0
                return False
            time.sleep(0.002)
        os.kill(process, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) != 0

    def say(self, killed: bool) -> None:
        marks = {path.stem: path.stat().st_mtime_ns for path in self.marks.glob("*.json")}
        files = None
        if self.out.exists():
            files = {
                str(path.relative_to(self.out)): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in self.out.rglob("*") if path.is_file()
            }  # fmt: skip
            shutil.rmtree(self.out)
        said = {"killed": killed, "marks": marks, "files": files}
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    FACTS, OUT, NEVER_NULL, UNITS, SEED, KILLS = sys.argv[1:]
    main(Path(FACTS), Path(OUT), NEVER_NULL, int(UNITS), int(SEED), int(KILLS))
