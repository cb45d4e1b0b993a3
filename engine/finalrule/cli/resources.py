"""Options of commands that work on a whole population."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click

_MEMORY = re.compile(r"[0-9]+(\.[0-9]+)?[KMGT]i?B")


def resource_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--threads, --memory."""
    for option in (
        click.option("--memory", default="4GB", show_default=True, metavar="SIZE",
                     callback=_memory, help="What DuckDB may take; more is kept on disk."),
        click.option("--threads", type=click.IntRange(1, 256), default=2, show_default=True,
                     help="Threads to use; what is made does not depend on them."),
    ):  # fmt: skip
        command = option(command)
    return command


def _memory(context: click.Context, option: click.Parameter, value: str) -> str:
    if not _MEMORY.fullmatch(value):
        raise click.BadParameter(f"`{value}` is no size; write, for example, 3GB or 500MB")
    return value
