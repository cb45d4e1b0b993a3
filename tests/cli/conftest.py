"""Commands on the small policies of tests/compare/small, in this process."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from finalrule import places
from finalrule.cli.main import main

SMALL = Path(__file__).parents[1] / "compare" / "small"
Run = Callable[..., Result]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the small policies, in the place of the project's own."""
    (tmp_path / "grammar").symlink_to(places.grammar_root())
    shutil.copytree(SMALL, tmp_path / "policies")
    monkeypatch.setattr(places, "_root", lambda: tmp_path)
    return tmp_path / "policies"


@pytest.fixture
def run(root: Path) -> Run:
    """`finalrule ARGUMENTS` on the small policies."""

    def invoke(*arguments: str) -> Result:
        result = CliRunner().invoke(main, list(arguments))
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return invoke


@pytest.fixture
def edit(root: Path) -> Callable[[str, str, str], None]:
    """Replace a text that stands once in a file below policies/."""

    def change(path: str, old: str, new: str) -> None:
        text = (root / path).read_text(encoding="utf-8")
        assert text.count(old) == 1, old
        (root / path).write_text(text.replace(old, new), encoding="utf-8")

    return change
