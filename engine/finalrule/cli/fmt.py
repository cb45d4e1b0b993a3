"""`finalrule fmt`: rules files in their one layout."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from finalrule.cache import write_whole
from finalrule.diagnostics import Diagnostic, Failure
from finalrule.language.format import format_source
from finalrule.places import policies_root
from finalrule.policy.positioned import read_source


def rules_files(paths: tuple[Path, ...]) -> list[Path]:
    """The files named, those below the folders named, or all of policies/rules/; each once."""
    found: dict[Path, None] = {}
    for path in paths or (policies_root() / "rules",):
        below = sorted(path.rglob("*.rules")) if path.is_dir() else [path]
        found.update(dict.fromkeys(below))
    return list(found)


def _shown(path: Path) -> str:
    """The path as a person in this folder would write it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def format_file(path: Path, check: bool) -> bool:
    """Whether the file's layout is another; then it is written, but for `check`. Raises Failure,
    and the file is as it was, when it cannot be read or written or has syntax errors."""
    text = format_source(read_source(path, _shown(path))).encode()
    if text == path.read_bytes():
        return False
    if not check:
        try:
            write_whole(path, text)
        except OSError as problem:
            said = f"cannot write {_shown(path)}: {problem.strerror or problem}"
            raise Failure([Diagnostic("cannot-write-file", said)]) from None
    return True


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--check", is_flag=True, help="Write nothing; name the files that would change.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text",
              show_default=True)  # fmt: skip
def fmt(paths: tuple[Path, ...], check: bool, form: str) -> None:
    """Put rules files into their one layout: the files named, those below the folders named, or
    all of policies/rules/.

    Only white space changes: names, texts, comments and their order stay. A file with syntax
    errors is reported and left as it is; the others are written all the same.

    \b
    Examples:
      finalrule fmt
      finalrule fmt policies/rules/mips/payment.rules --check

    Exit codes: 0 done, 1 with --check when a file would change, 2 errors.
    """
    files = rules_files(paths)
    changed: list[str] = []
    errors: list[Diagnostic] = []
    for path in files:
        try:
            if format_file(path, check):
                changed.append(_shown(path))
        except Failure as failure:
            errors.extend(failure.diagnostics)
    if form == "json":
        findings = [error.as_data() for error in errors]
        data = {"files": len(files), "changed": changed, "written": not check, "errors": findings}
        click.echo(json.dumps(data, indent=2))
    else:
        for name in changed:
            click.echo(f"{'would change' if check else 'formatted'}: {name}")
        for error in errors:
            click.echo(error.render() + "\n", err=True)
        count = f"{len(files)} rules file{'' if len(files) == 1 else 's'}"
        click.echo(f"{count}, {len(changed)} {'to change' if check else 'changed'}")
    sys.exit(2 if errors else 1 if check and changed else 0)
