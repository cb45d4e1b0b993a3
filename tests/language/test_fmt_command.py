"""`finalrule fmt`: what it writes, what it says, and what it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from finalrule.cli import fmt as command
from finalrule.cli.main import main

LAID_OUT = """module mips.small

entity scoring_unit
  key tin: code  -- one for each
"""
OTHERWISE = "module mips.small\nentity   scoring_unit\n\n\nkey tin:code   -- one for each\n"
BROKEN = "module mips.small\nentity scoring_unit of\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with three rules files, of which one has a syntax error."""
    (tmp_path / "a.rules").write_text(LAID_OUT)
    (tmp_path / "b.rules").write_text(OTHERWISE)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "c.rules").write_text(BROKEN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["fmt", *arguments])


def test_writes_the_layout(folder: Path) -> None:
    result = run("a.rules", "b.rules")
    assert (result.exit_code, result.stdout) == (
        0,
        "formatted: b.rules\n2 rules files, 1 changed\n",
    )
    assert (folder / "b.rules").read_text() == LAID_OUT
    assert run("a.rules", "b.rules").stdout == "2 rules files, 0 changed\n"


def test_check_writes_nothing(folder: Path) -> None:
    result = run("--check", "a.rules", "b.rules")
    assert (result.exit_code, result.stdout) == (
        1,
        "would change: b.rules\n2 rules files, 1 to change\n",
    )
    assert (folder / "b.rules").read_text() == OTHERWISE
    assert run("--check", "a.rules").exit_code == 0


def test_syntax_errors_leave_a_file_as_it_is(folder: Path) -> None:
    result = run(".")
    assert result.exit_code == 2
    assert "something is missing before the end of the file" in result.stderr
    assert "deep/c.rules:2:21" in result.stderr
    assert (folder / "deep" / "c.rules").read_text() == BROKEN
    assert (folder / "b.rules").read_text() == LAID_OUT  # the others are written all the same


def test_what_is_not_text_is_left_alone(folder: Path) -> None:
    (folder / "a.rules").write_bytes(b"module mips.small \xff\n")
    result = run("a.rules")
    assert (result.exit_code, "error[not-utf-8]" in result.stderr) == (2, True)
    assert (folder / "a.rules").read_bytes() == b"module mips.small \xff\n"


def test_line_ends_become_one_kind(folder: Path) -> None:
    (folder / "a.rules").write_bytes(LAID_OUT.replace("\n", "\r\n").encode())
    assert run("a.rules").exit_code == 0
    assert (folder / "a.rules").read_bytes() == LAID_OUT.encode()


def test_a_file_that_cannot_be_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(command, "write_whole", refuse)
    result = run("b.rules")
    assert result.exit_code == 2
    assert result.stderr.strip() == (
        "error[cannot-write-file]: cannot write b.rules: No space left on device"
    )


def test_json(folder: Path) -> None:
    data = json.loads(run("--check", "--format", "json", ".").stdout)
    assert (data["files"], data["changed"], data["written"]) == (3, ["b.rules"], False)
    assert [error["code"] for error in data["errors"]] == ["syntax"]


def test_without_paths_all_rules_are_meant(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(command, "policies_root", lambda: folder)
    (folder / "rules").mkdir()
    (folder / "rules" / "d.rules").write_text(OTHERWISE)
    assert run("--check").stdout.splitlines() == [
        "would change: rules/d.rules",
        "1 rules file, 1 to change",
    ]
