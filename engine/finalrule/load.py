"""Policies by their id, compiled, with their catalogues open: what every command begins with.

A compiled program is kept under the digest of everything that it was made from, so that the next
process reads it back without the grammar, the YAML reader or the schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from finalrule import cache
from finalrule.core import ir
from finalrule.diagnostics import Diagnostic, Failure, Report, suggest
from finalrule.evaluate.catalogues import open_catalogues
from finalrule.evaluate.scalar import Evaluator
from finalrule.places import grammar_root, policies_root

_ENGINE = Path(__file__).resolve().parent
# What checks a catalogue, beside its declaration and its file, whose digest is declared.
_CHECKS = (_ENGINE / "evaluate" / "catalogues.py", _ENGINE / "values.py")
_COMPILER = ("*.py", "core/*.py", "language/*.py", "policy/*.py")


def policy_ids(root: Path | None = None) -> list[str]:
    """The ids of all policies, in the order of their years."""
    folder = root or policies_root()
    return sorted(f"{path.parent.name}-{path.stem}" for path in folder.glob("[0-9]*/*.yaml"))


def policy_path(policy: str, root: Path | None = None) -> Path:
    """The year file of a policy. Raises Failure when there is none."""
    year, _, stage = policy.partition("-")
    path = (root or policies_root()) / year / f"{stage}.yaml"
    if not (year.isdigit() and stage and "/" not in stage and path.is_file()):
        known = policy_ids(root)
        raise Failure(
            [
                Diagnostic(
                    "unknown-policy",
                    f"there is no policy `{policy}`",
                    help=suggest(policy, known) or f"the policies are {', '.join(known)}",
                )
            ]
        )
    return path


def load_program(policy: str, settings: Sequence[str] = (), root: Path | None = None) -> ir.Program:
    """A policy compiled; `settings` are what-if changes (`NAME=VALUE`). Raises Failure with all
    errors of the stage that failed."""
    folder = root or policies_root()
    path = policy_path(policy, folder)
    named = [f"{part}\0".encode() + part.read_bytes() for part in _made_from(path, folder)]
    name = cache.key(policy, *named, *settings)
    kept: ir.Program | None = cache.load("program", name, ir.Program)
    if kept is None:
        kept = compile_program(policy, settings, folder)
        _check_catalogues(kept, folder)
        cache.keep("program", name, kept)
    return kept


def require_track(program: ir.Program, track: str) -> None:
    """Raise Failure where a policy does not have the rules of a track: `mips` or `apm`."""
    if track in program.tracks:
        return
    carried = " and ".join(program.tracks)
    raise Failure(
        [
            Diagnostic(
                "track-not-carried",
                f"{program.policy} has the rules of the track {carried}, not of {track}",
                help=f"`finalrule show` lists the policies; take one with the track {track}",
            )
        ]
    )


def _made_from(year_file: Path, root: Path) -> Iterator[Path]:
    """Every file that a compiled policy depends on, the compiler's own among them."""
    yield year_file
    yield root / "sources.yaml"
    for folder, patterns in (
        (root, ("rules/**/*.rules", "**/*.csv")),
        (grammar_root(), ("*",)),
        (_ENGINE, _COMPILER),
    ):
        for pattern in patterns:
            yield from sorted(path for path in folder.glob(pattern) if path.is_file())


def _check_catalogues(program: ir.Program, root: Path) -> None:
    """Raise Failure when a cell is no value of its declared type. Catalogues that were found right
    are not checked again."""
    declared = msgspec.json.encode(program.catalogues, enc_hook=cache.encode_hook)
    name = cache.key("catalogues", declared, *(path.read_bytes() for path in _CHECKS))
    if cache.load("catalogues", name, bool) is None:
        report = Report()
        for catalogue in open_catalogues(program, root).values():
            catalogue.check(report)
        report.stop_if_errors()
        cache.keep("catalogues", name, True)


def compile_program(policy: str, settings: Sequence[str], root: Path) -> ir.Program:
    """The same, always through every stage."""
    from finalrule.core.compile import compile_policy, read_rules
    from finalrule.policy.resolve import load_policy
    from finalrule.policy.settings import apply_settings
    from finalrule.policy.sources import load_sources

    resolved = load_policy(policy_path(policy, root), root)
    if settings:
        resolved = apply_settings(resolved, settings)
    rules = read_rules(root / "rules")
    return compile_policy(resolved, rules, load_sources(root)).program


def load_evaluator(
    policy: str, settings: Sequence[str] = (), root: Path | None = None, track: str = ""
) -> Evaluator:
    """A policy ready to evaluate cases; with the rules of a track, where one is named. Raises
    Failure."""
    program = load_program(policy, settings, root)
    if track:
        require_track(program, track)
    return Evaluator(program, open_catalogues(program, root or policies_root()))
