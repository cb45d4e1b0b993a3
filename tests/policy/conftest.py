"""A small folder of policies to read, copied so that it can be changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path `policies`, as errors show it, in a working directory that holds a copy."""
    shutil.copytree(HERE / "good" / "policies", tmp_path / "policies")
    monkeypatch.chdir(tmp_path)
    return Path("policies")
