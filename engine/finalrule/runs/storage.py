"""What goes wrong with memory, disks and files, as one error for people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import msgspec

from finalrule.diagnostics import Diagnostic, Failure, Label, Pointer
from finalrule.tables.store import system_said

_FULL = "No space left on device"


@contextmanager
def writing(out: Path, memory: str) -> Iterator[None]:
    """Raise Failure where the memory or the disk does not suffice for what becomes `out`."""
    try:
        with _interruptible():
            yield
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        raise no_memory(memory) from error
    except duckdb.IOException as error:
        raise _cannot_write(out, system_said(str(error))) from error
    except OSError as error:
        raise _cannot_write(out, error.strerror or type(error).__name__) from error


@contextmanager
def reading(run: Path, memory: str) -> Iterator[None]:
    """Raise Failure where a finished run's files cannot be read, or the memory does not suffice."""
    try:
        with _interruptible():
            yield
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        raise no_memory(memory) from error
    except (OSError, duckdb.Error, msgspec.MsgspecError) as error:
        if _FULL in str(error):  # what does not fit into memory is written somewhere
            raise no_memory(memory) from error
        raise unreadable(run) from error


@contextmanager
def _interruptible() -> Iterator[None]:
    """An interrupt from the keyboard is one, whether or not DuckDB is at work."""
    try:
        yield
    except RuntimeError as error:
        if str(error) != "Query interrupted":
            raise
        raise KeyboardInterrupt from error


def no_memory(memory: str) -> Failure:
    """DuckDB's memory does not suffice."""
    return Failure([Diagnostic(
        "run-memory", f"{memory} of memory does not suffice", (),
        "give more with --memory; a run goes on with --resume",
    )])  # fmt: skip


def unreadable(run: Path) -> Failure:
    """The files of a run are not what they must be."""
    return Failure([Diagnostic(
        "run-unreadable", "the run's files cannot be read, or are not whole",
        (Label(Pointer(str(run), "")),), "run the policy again",
    )])  # fmt: skip


def _cannot_write(out: Path, why: str) -> Failure:
    return Failure([Diagnostic(
        "cannot-write-file", f"the run cannot be written: {why}", (Label(Pointer(str(out), "")),),
        "make room, or choose another directory; --resume goes on with what is finished",
    )])  # fmt: skip
