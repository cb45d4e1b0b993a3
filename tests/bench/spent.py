"""What a command takes. Linux counts the memory of a process as that of those that it starts, until
they load a program; so a small process of its own starts the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds from beginning to end, seconds of processors, and the most memory in MB."""

    seconds: float
    cpu: float
    memory: float


def spent(*command: str) -> Spent:
    """Run a command, with the output that it has. Raises CalledProcessError where it fails."""
    with TemporaryDirectory() as folder:
        found = Path(folder) / "spent.json"
        subprocess.run([sys.executable, __file__, str(found), *command], check=True)
        return Spent(**json.loads(found.read_text()))


def _main(found: str, *command: str) -> int:
    began = time.perf_counter()
    with subprocess.Popen(command) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds, cpu = time.perf_counter() - began, used.ru_utime + used.ru_stime
    Path(found).write_text(
        json.dumps({"seconds": seconds, "cpu": cpu, "memory": used.ru_maxrss / 1e3})
    )
    return process.returncode


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
