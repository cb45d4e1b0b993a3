"""A watch that is killed at twenty random moments: nothing is lost and nothing is written twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from watch.stream import events

KILLS = 20
WRITTEN = ("determinations.jsonl", "rejected.jsonl")


def begin(stream: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "finalrule", "watch", str(stream), "--policy", "2020-final",
               "--out", str(out), "--batch", "64"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def written(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in WRITTEN}


def lengths(out: Path) -> int:
    return sum((out / name).stat().st_size for name in WRITTEN if (out / name).exists())


def test_killed_twenty_times(tmp_path: Path) -> None:
    stream = tmp_path / "events.jsonl"
    stream.write_bytes(b"".join(events(20, 10, 3000)))
    began = time.monotonic()
    with begin(stream, tmp_path / "whole") as process:
        said, errors = process.communicate()
    assert (process.returncode, errors) == (0, b"")
    duration = time.monotonic() - began

    chance = random.Random(4)
    out = tmp_path / "killed"
    kills = in_the_middle = 0
    while kills < KILLS:
        with begin(stream, out) as process:
            before = lengths(out)
            # A moment at which it is at work: what it wrote grows.
            while lengths(out) == before and process.poll() is None:
                time.sleep(0.01)
            time.sleep(chance.uniform(0, duration / KILLS / 4))
            process.send_signal(signal.SIGKILL)
            process.wait()
        if process.returncode != -signal.SIGKILL:  # it had come to its end
            assert written(out) == written(tmp_path / "whole")
            for path in out.iterdir():
                path.unlink()
            continue
        kills += 1
        # What was committed is the beginning of the whole; the rest is cut off when it goes on.
        in_the_middle += 0 < lengths(out) < lengths(tmp_path / "whole")
    with begin(stream, out) as process:
        again, errors = process.communicate()
    assert (process.returncode, errors) == (0, b"")
    assert in_the_middle >= KILLS // 2
    assert written(out) == written(tmp_path / "whole")
    assert again == said
