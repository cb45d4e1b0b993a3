"""From a year file and the rules files to a `Program`, in named stages.

Each stage collects all its errors; the next does not start on broken input.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from finalrule import __version__, cache
from finalrule.core import bind, ir
from finalrule.core.check import check
from finalrule.core.declare import Declarations, Written, declare
from finalrule.core.expressions import Context
from finalrule.core.lower import Lowered, lower
from finalrule.core.order import order
from finalrule.diagnostics import Diagnostic, Failure, Report
from finalrule.language import syntax as s
from finalrule.language.parse import parse
from finalrule.policy.digest import policy_digest
from finalrule.policy.model import Policy
from finalrule.policy.positioned import read_source
from finalrule.source import Source, Span


@dataclass(slots=True)
class Compilation:
    """What the stages have made so far."""

    policy: Policy
    sources: list[Source]
    cited: Collection[str] | None = None
    report: Report = field(default_factory=Report)
    modules: list[tuple[Source, s.Module]] = field(default_factory=list)
    known: Declarations = field(default_factory=Declarations)
    parameters: list[ir.Parameter] = field(default_factory=list)
    assumed: list[ir.Parameter] = field(default_factory=list)
    roundings: list[ir.Rounding] = field(default_factory=list)
    catalogues: list[ir.Catalogue] = field(default_factory=list)
    in_force: dict[str, Written] = field(default_factory=dict)
    lowered: dict[str, Lowered] = field(default_factory=dict)
    ordered: list[Lowered] = field(default_factory=list)


# The tracks of the program, as year files name them.
TRACKS = ("mips", "apm")


def _parse(work: Compilation) -> None:
    """rules files -> syntax trees, of the policy's tracks and of what is common to all"""
    for source in work.sources:
        if module := parse(source, work.report):
            track = module.name.partition(".")[0]
            if track not in TRACKS or track in work.policy.tracks:
                work.modules.append((source, module))


def _declare(work: Compilation) -> None:
    """syntax trees -> names and types"""
    work.known = declare(work.modules, work.report, work.cited)


def _bind(work: Compilation) -> None:
    """the policy's figures against the declarations; the variants in force"""
    known, policy, report = work.known, work.policy, work.report
    work.parameters = bind.bind_parameters(known, policy, report)
    work.assumed = bind.bind_assumed(known, policy, report)
    work.roundings = bind.bind_roundings(known, policy, report)
    work.catalogues = bind.bind_catalogues(known, policy, report)
    work.in_force = bind.rules_in_force(known, policy, report)


def _lower(work: Compilation) -> None:
    """rules -> core, names looked up and units checked"""
    work.lowered = lower(work.known, work.policy, work.in_force, work.report)


def _order(work: Compilation) -> None:
    """dependency order"""
    work.ordered = order(work.lowered, work.report)


def _check(work: Compilation) -> None:
    """what must hold whatever the facts are"""
    context = Context(
        {parameter.name: parameter for parameter in work.parameters},
        {rounding.name: rounding for rounding in work.roundings},
    )
    check(work.ordered, work.known, work.policy, context, work.report)


STAGES: tuple[tuple[str, Callable[[Compilation], None]], ...] = (
    ("parse", _parse),
    ("declare", _declare),
    ("bind", _bind),
    ("lower", _lower),
    ("order", _order),
    ("check", _check),
)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A program, and what the compiler knows beyond it."""

    program: ir.Program
    work: Compilation


def compile_policy(
    policy: Policy, rules: list[Source], cited: Collection[str] | None = None
) -> Compiled:
    """Compile through every stage. `cited` are the keys of the named sources that citations may
    begin with; None lets any pass. Raises Failure with all errors of a stage."""
    work = Compilation(policy, rules, cited)
    run_stages(work)
    work.report.stop_if_errors()
    return Compiled(_program(work), work)


def run_stages(work: Compilation) -> str:
    """Run the stages, up to the one that finds errors: its name, empty when none does. The findings
    of a stage come in the order of the files and their lines."""
    files = {source.path: i for i, source in enumerate(work.sources)}

    def place(finding: Diagnostic) -> tuple[int, int]:
        at = finding.labels[0].at if finding.labels else None
        return (files.get(at.source.path, -1), at.start) if isinstance(at, Span) else (-1, 0)

    for name, stage in STAGES:
        stage(work)
        work.report.diagnostics.sort(key=place)
        if work.report.has_errors:
            return name
    return ""


def _program(work: Compilation) -> ir.Program:
    policy, known = work.policy, work.known
    rules = tuple(one.rule for one in work.ordered)
    program = ir.Program(
        policy=policy.id,
        title=policy.title,
        performance_year=policy.performance_year,
        payment_year=policy.payment_year,
        stage=policy.stage,
        tracks=policy.tracks,
        digest="",
        engine=__version__,
        entities=tuple(known.entities.values()),
        facts=tuple(known.facts.values()),
        catalogues=tuple(work.catalogues),
        parameters=tuple(work.parameters),
        roundings=tuple(work.roundings),
        rules=rules,
        assumed=tuple(work.assumed),
    )
    return msgspec.structs.replace(program, digest=_digest(policy, program))


def _digest(policy: Policy, program: ir.Program) -> str:
    """The digest of the policy and of the rules in force: places, titles and assumed values are
    left out, so that formatting does not count."""
    bare = msgspec.to_builtins(program, enc_hook=cache.encode_hook)
    for part in ("digest", "engine", "title", "assumed"):
        del bare[part]
    _without_places(bare)
    data = msgspec.json.encode(bare, order="sorted")
    return hashlib.sha256(policy_digest(policy).encode() + data).hexdigest()


def _without_places(data: object) -> None:
    if isinstance(data, dict):
        for key in ("place", "force_place", "title", "describe", "note"):
            data.pop(key, None)
        for value in data.values():
            _without_places(value)
    elif isinstance(data, list | tuple):
        for value in data:
            _without_places(value)


def read_rules(folder: Path, known_as: str = "policies/rules") -> list[Source]:
    """Every rules file below a folder, in the order of their paths. Raises Failure with every file
    that cannot be read or is not UTF-8."""
    sources, report = [], Report()
    for path in sorted(folder.rglob("*.rules")):
        try:
            sources.append(read_source(path, f"{known_as}/{path.relative_to(folder).as_posix()}"))
        except Failure as failure:
            report.diagnostics.extend(failure.diagnostics)
    report.stop_if_errors()
    return sources
