"""Results into files that the user names."""

from __future__ import annotations

from pathlib import Path

from finalrule.cache import write_whole
from finalrule.diagnostics import Failure, Pointer, Report


def write_output(path: Path, data: bytes) -> None:
    """Write a file whole or not at all. Raises Failure when it cannot be written."""
    try:
        write_whole(path, data)
    except OSError as error:
        report = Report()
        why = error.strerror or type(error).__name__
        report.error(
            "cannot-write-file", f"the file cannot be written: {why}", Pointer(str(path), ""),
            help="check that its folder is there, and that you may write to it",
        )  # fmt: skip
        raise Failure(report.diagnostics) from error
