"""Processes that determine, and do not survive it."""

from __future__ import annotations

import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

from finalrule.watch import pool
from finalrule.watch.model import Model

serve = pool.serve
POISON = b'"given_attributed_patients":[13,1]'


class _Poisoned:
    """Passes messages on, and dies of some."""

    def __init__(self, connection: Connection, died: Path | None) -> None:
        self.connection, self.died = connection, died

    def recv(self) -> list[bytes]:
        share: list[bytes] = self.connection.recv()
        if any(POISON in data for data in share) and not (self.died and self.died.exists()):
            if self.died:
                self.died.touch()
            os.kill(os.getpid(), signal.SIGSEGV)
        return share

    def send(self, answers: list[bytes]) -> None:
        self.connection.send(answers)


def always(connection: Connection, model: Model) -> None:
    serve(_Poisoned(connection, None), model)  # type: ignore[arg-type]


def once(connection: Connection, model: Model) -> None:
    """Dies of the first only: FINALRULE_DIED is the file by which it knows."""
    serve(_Poisoned(connection, Path(os.environ["FINALRULE_DIED"])), model)  # type: ignore[arg-type]
