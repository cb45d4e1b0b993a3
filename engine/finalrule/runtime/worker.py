"""durable-rules in a process of its own, so that a crash in its C code is an error with a name.

The two processes speak in messages of JSON over a pipe: the rulesets first, then records of one
ruleset at a time, and for each message what the records came to.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import TracebackType

import msgspec

from finalrule.diagnostics import Diagnostic, Failure
from finalrule.runtime.durable import Concluded, Engine, EngineError
from finalrule.runtime.ruleset import Ruleset

# One message is answered within milliseconds; the engine is known to hang where limits are passed.
TIME_LIMIT_SECONDS = 60.0
_STOP_SECONDS = 5.0


class _Request(msgspec.Struct):
    """Records of a ruleset, by its place."""

    ruleset: int
    records: list[tuple[int, ...]]


class _Answer(msgspec.Struct):
    """What the records came to, or why they came to nothing."""

    concluded: list[Concluded] = []
    error: str = ""


def serve(connection: Connection) -> None:
    """The other process: answer until the pipe is closed. An interrupt is for the first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    encode = msgspec.json.Encoder().encode
    engine: Engine | None = None
    while True:
        try:
            message = connection.recv_bytes()
        except EOFError:
            return
        try:
            if engine is None:
                engine = Engine(msgspec.json.decode(message, type=list[Ruleset]))
                answer = _Answer()
            else:
                asked = msgspec.json.decode(message, type=_Request)
                answer = _Answer(engine.fire(asked.ruleset, asked.records))
        except EngineError as problem:
            answer = _Answer(error=str(problem))
        connection.send_bytes(encode(answer))


class Worker:
    """The process, begun when it is needed and again after it died. `subject` is whose facts are
    sent: an error names it."""

    def __init__(self, rulesets: Sequence[Ruleset]) -> None:
        self._rulesets = list(rulesets)
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self.subject: Mapping[str, str] = {}

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def fire(self, ruleset: int, records: Sequence[tuple[int, ...]]) -> list[Concluded]:
        """What the records come to. Raises Failure when the process died, did not answer in time or
        met what the engine should not do; the next call begins a new one."""
        if self._connection is None:
            self._start()
        return self._ask(_Request(ruleset, list(records))).concluded

    def close(self) -> None:
        """End the process."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.join(_STOP_SECONDS)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()
            self._process.close()
        self._connection = self._process = None

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self._ask(self._rulesets)

    def _ask(self, message: object) -> _Answer:
        assert self._connection is not None and self._process is not None
        try:
            self._connection.send_bytes(msgspec.json.encode(message))
            if not self._connection.poll(TIME_LIMIT_SECONDS):
                self._fail(f"it did not answer within {TIME_LIMIT_SECONDS:.0f} seconds")
            answer = msgspec.json.decode(self._connection.recv_bytes(), type=_Answer)
        except (EOFError, ConnectionError):
            self._process.join(_STOP_SECONDS)
            self._fail(f"its process ended with exit code {self._process.exitcode}")
        if answer.error:
            self._fail(answer.error)
        return answer

    def _fail(self, why: str) -> None:
        if self._process is not None and self._process.is_alive():
            self._process.kill()
        self.close()
        named = ", ".join(f"{key} {value}" for key, value in self.subject.items())
        raise Failure(
            [
                Diagnostic(
                    "runtime-died",
                    f"durable-rules failed on {named or 'its rulesets'}: {why}",
                    help="the outcomes of this subject are not checked a second time; report it",
                )
            ]
        )
