"""Where the project's own files are: beside the package when installed, beside `engine/` in a
checkout. Nothing is looked for in the working directory."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


@cache
def _root() -> Path:
    """The folder that holds `policies/` and `grammar/`."""
    installed = _PACKAGE / "data"
    return installed if installed.is_dir() else _PACKAGE.parent.parent


def policies_root() -> Path:
    """The folder of year files, rules, measures and scenarios."""
    return _root() / "policies"


def grammar_root() -> Path:
    """The folder of the grammar and the JSON schemas."""
    return _root() / "grammar"
