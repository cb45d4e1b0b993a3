"""Processes that determine subjects, so that all cores work and a crash in the C code of
durable-rules costs one batch, and names the subject."""

from __future__ import annotations

import multiprocessing
import signal
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Protocol

import msgspec

from finalrule.diagnostics import Diagnostic, Failure
from finalrule.watch.derive import Deriver
from finalrule.watch.model import Model

# A share is answered within a second or two; durable-rules hangs where its limits are passed.
TIME_LIMIT_SECONDS = 120.0
_STOP_SECONDS = 5.0
_KEPT = 20_000

_encode = msgspec.json.Encoder().encode

# Messages that are given together, and of each the name of its subject, for errors.
Share = tuple[Sequence[bytes], Sequence[str]]


class Determines(Protocol):
    """What determines the subjects of a watch."""

    def derive(self, shares: Iterable[Share]) -> Iterator[list[bytes]]:
        """The answers to shares of messages, in their order."""


class Here:
    """Determines in this process, where another one watches over it already; equal messages once,
    as a pool does."""

    def __init__(self, deriver: Deriver) -> None:
        self._answer = lru_cache(_KEPT)(lambda data: _encode(deriver.derive(data)))

    def derive(self, shares: Iterable[Share]) -> Iterator[list[bytes]]:
        for messages, _ in shares:
            yield [self._answer(data) for data in messages]


def serve(connection: Connection, model: Model) -> None:
    """The other process: answer shares of messages until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    deriver = Deriver(model)
    while True:
        try:
            share: list[bytes] = connection.recv()
            connection.send([_encode(deriver.derive(data)) for data in share])
        except (EOFError, ConnectionError):
            return


class _Worker:
    """One process, begun when it is needed."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.process: SpawnProcess | None = None
        self.connection: Connection | None = None

    def send(self, share: Sequence[bytes]) -> None:
        if self.connection is None:
            context = multiprocessing.get_context("spawn")
            self.connection, theirs = context.Pipe()
            self.process = context.Process(target=serve, args=(theirs, self.model), daemon=True)
            self.process.start()
            theirs.close()
        with suppress(ConnectionError):  # that it is gone is found when its answer is asked for
            self.connection.send(share)

    def receive(self) -> list[bytes] | str:
        """The answers, or why there are none; then the process is gone."""
        assert self.connection is not None and self.process is not None
        try:
            if not self.connection.poll(TIME_LIMIT_SECONDS):
                self.close()
                return f"it did not answer within {TIME_LIMIT_SECONDS:.0f} seconds"
            found: list[bytes] = self.connection.recv()
            return found
        except (EOFError, ConnectionError):
            self.process.join(_STOP_SECONDS)
            why = f"its process ended with exit code {self.process.exitcode}"
            self.close()
            return why

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
        if self.process is not None:
            self.process.kill()
            self.process.join()
        self.connection = self.process = None


@dataclass(slots=True)
class _Share:
    """Messages that were given: the answers that were known, and who works on the others."""

    messages: Sequence[bytes]
    names: Sequence[str]
    found: dict[bytes, bytes]
    missing: list[bytes]
    worker: _Worker


class Pool:
    """Determines messages; equal ones once, as long as they are remembered: what a subject comes to
    depends on its facts alone, not on who it is."""

    def __init__(self, model: Model, processes: int) -> None:
        self._workers = [_Worker(model) for _ in range(processes)]
        self._turn = 0
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.close()

    def derive(self, shares: Iterable[Share]) -> Iterator[list[bytes]]:
        """The answers to shares of messages, in their order. No process has more than one share.
        Raises Failure where a process died of a message, and died of it again alone."""
        given: deque[_Share] = deque()
        for messages, names in shares:
            if len(given) == len(self._workers):
                yield self._take(given.popleft())
            given.append(self._give(messages, names))
        while given:
            yield self._take(given.popleft())

    def _give(self, messages: Sequence[bytes], names: Sequence[str]) -> _Share:
        found: dict[bytes, bytes] = {}
        missing: dict[bytes, str] = {}
        for data, name in zip(messages, names, strict=True):
            known = self._kept.get(data)
            if known is None:
                missing[data] = name
            else:
                self._kept.move_to_end(data)
                found[data] = known
        if missing:
            self._turn = (self._turn + 1) % len(self._workers)
            self._workers[self._turn].send(list(missing))
        worker = self._workers[self._turn]
        return _Share(messages, list(missing.values()), found, list(missing), worker)

    def _take(self, share: _Share) -> list[bytes]:
        if share.missing:
            answers = share.worker.receive()
            if isinstance(answers, str):
                answers = list(self._one_by_one(share))
            for data, answer in zip(share.missing, answers, strict=True):
                share.found[data] = self._kept[data] = answer
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return [share.found[data] for data in share.messages]

    def _one_by_one(self, share: _Share) -> Iterator[bytes]:
        """The answers of a share of which a process died."""
        for data, name in zip(share.missing, share.names, strict=True):
            share.worker.send([data])
            answers = share.worker.receive()
            if isinstance(answers, str):
                raise Failure([Diagnostic(
                    "runtime-died", f"{name} could not be determined: {answers}",
                    help="what was written stands; retract the subject's last event, and report it",
                )])  # fmt: skip
            yield answers[0]
