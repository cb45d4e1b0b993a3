"""Cases shared out to processes, each of which generates, evaluates and compares. The same seed
gives the same cases, however many processes there are."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from finalrule.agreement.bench import BATCHES, Agreement, Bench
from finalrule.core import ir
from finalrule.diagnostics import Diagnostic, Failure

# For a share, which takes seconds, or minutes when many cases are made small; and for each case.
TIME_LIMIT_SECONDS, _SECONDS_FOR_A_CASE = 900.0, 0.5


def agree(
    program: ir.Program,
    root: Path,
    cases: int,
    seed: int,
    readers: Sequence[str],
    processes: int = 2,
    progress: Callable[[int], None] = lambda cases: None,
) -> Agreement:
    """Run cases in processes of their own. `progress` is told how many more are done. Raises
    Failure when the catalogues cannot be opened, when a rule cannot be compiled for a reader, and
    when a process dies, naming the case."""
    context = multiprocessing.get_context("spawn")
    share = min(max(BATCHES[name] for name in readers), -(-cases // processes))
    limit = TIME_LIMIT_SECONDS + share * _SECONDS_FOR_A_CASE
    shares = iter(range(start, min(start + share, cases)) for start in range(0, cases, share))
    total = Agreement()
    workers: dict[Connection, tuple[SpawnProcess, Any]] = {}
    try:
        for _ in range(processes):
            ours, theirs = context.Pipe()
            current = context.Value("q", -1)
            process = context.Process(
                target=_serve, args=(theirs, current, program, root, seed, readers), daemon=True
            )
            process.start()
            theirs.close()
            workers[ours] = (process, current)
            _give(ours, shares, workers)
        while workers:
            ready = wait(list(workers), limit)
            if not ready:
                _, current = next(iter(workers.values()))
                why = f"did not come to an end within {limit:.0f} seconds"
                raise _died(why, seed, current.value)
            for connection in ready:
                assert isinstance(connection, Connection)
                try:
                    done = connection.recv()
                except (EOFError, ConnectionError):
                    process, current = workers[connection]
                    process.join()
                    why = f"ended with exit code {process.exitcode}"
                    raise _died(why, seed, current.value) from None
                if not isinstance(done, Agreement):
                    raise Failure(done)
                total.add(done)
                progress(done.cases)
                _give(connection, shares, workers)
    finally:
        for process, _ in workers.values():
            process.kill()
    return total


def _give(connection: Connection, shares: Iterator[range], workers: dict[Connection, Any]) -> None:
    """The next share; when there is none, the process ends."""
    share = next(shares, None)
    if share is None:
        connection.close()
        del workers[connection]
    else:
        connection.send(share)


def _died(why: str, seed: int, number: int) -> Failure:
    case = f"at case {seed}:{number}" if number >= 0 else "before its first case"
    message = f"a process that compares evaluators {why}, {case}"
    return Failure(
        [Diagnostic("runtime-died", message, help="run it again with this seed, and report it")]
    )


def _serve(
    connection: Connection,
    current: Any,
    program: ir.Program,
    root: Path,
    seed: int,
    readers: Sequence[str],
) -> None:
    """The other process: run shares until the pipe is closed. An interrupt is for the first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        bench = Bench(program, root, readers)
    except Failure as failure:
        connection.send(failure.diagnostics)
        return

    def note(number: int) -> None:
        current.value = number

    while True:
        try:
            numbers = connection.recv()
        except EOFError:
            return
        connection.send(bench.run(seed, numbers, note))
