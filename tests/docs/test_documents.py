"""What the documents show is what the commands print.

A block marked with a file's path is quoted from it. A block marked `console` holds commands
(`$ finalrule ...`) and what they print (on standard output, else on standard error). The commands
of a document follow each other in one folder, where everything of the repository is, and what they
make stays as long as the test. A line `...` in the output stands for any lines that are left out.
With FINALRULE_WRITE_DOCS set, blocks without such a line are written anew, and nothing is compared.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
QUOTED = re.compile(r"^```\w+ (\S+/\S+)\n(.*?)^```$", re.M | re.S)
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.M | re.S)
DOCUMENTS = sorted(
    path
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    if BLOCK.search(path.read_text(encoding="utf-8"))
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the commands are given."""
    for path in ROOT.iterdir():
        if not path.name.startswith("."):
            (tmp_path / path.name).symlink_to(path)
    return tmp_path


def output_of(command: str, folder: Path) -> str:
    arguments = shlex.split(command)[1:]
    done = subprocess.run(
        [sys.executable, "-m", "finalrule", *arguments],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT / "engine")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout or done.stderr


def commands_of(block: str) -> list[tuple[str, str]]:
    """Each command of a block with the output that the document shows."""
    found: list[tuple[str, str]] = []
    for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
        command, _, shown = part.partition("\n")
        while command.endswith("\\"):
            more, _, shown = shown.partition("\n")
            command = command[:-1] + " " + more.strip()
        found.append((command, shown.strip("\n")))
    return found


def matches(shown: str, printed: str) -> bool:
    """Whether the printed text is what is shown, `...` standing for any lines."""
    pieces = [re.escape(piece.strip("\n")) for piece in re.split(r"^\.\.\.$", shown, flags=re.M)]
    return (
        re.fullmatch(r"\n?(?:.*\n)*".join(pieces) + r"\n?", printed.strip("\n") + "\n") is not None
    )


def rewritten(block: str, folder: Path) -> str:
    lines = []
    for part in re.split(r"^(?=\$ )", block, flags=re.M):
        head = re.match(r"\$ (?:.*\\\n)*.*\n?", part)
        if head is None:
            lines.append(part)
            continue
        ((command, _),) = commands_of(part)
        printed = output_of(command, folder).strip("\n")
        if re.search(r"^\.\.\.$", part, flags=re.M):
            lines.append(part)
        else:
            lines.append(f"{head.group().rstrip()}\n\n{printed}\n\n")
    return "".join(lines).rstrip("\n") + "\n"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_blocks_show_what_is_printed(document: Path, folder: Path) -> None:
    text = document.read_text(encoding="utf-8")
    if os.environ.get("FINALRULE_WRITE_DOCS"):
        fresh = BLOCK.sub(lambda match: f"```console\n{rewritten(match[1], folder)}```", text)
        document.write_text(fresh, encoding="utf-8")
        return
    for block in BLOCK.findall(text):
        for command, shown in commands_of(block):
            printed = output_of(command, folder)
            assert matches(shown, printed), f"{command}\n--- printed ---\n{printed}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_quoted_files_say_so(document: Path) -> None:
    """A block marked with a file's path is a stretch of that file."""
    for path, quoted in QUOTED.findall(document.read_text(encoding="utf-8")):
        assert quoted in (ROOT / path).read_text(encoding="utf-8"), path
