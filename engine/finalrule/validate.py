"""Policies checked as a whole: each compiled afresh through every stage, its catalogues typed, and
what only shows beside the other policies."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from finalrule.catalogue.read import read_rows
from finalrule.compare.model import Side
from finalrule.compare.stated import Statements
from finalrule.core import ir
from finalrule.core.compile import STAGES, Compilation, Compiled, compile_policy, read_rules
from finalrule.core.readers import Read, readers
from finalrule.diagnostics import Diagnostic, Failure, Label, Report, suggest
from finalrule.evaluate.catalogues import TypedCatalogue
from finalrule.load import policy_path
from finalrule.policy.model import Figure, Policy
from finalrule.policy.resolve import find_policies, load_policy
from finalrule.policy.sources import load_sources
from finalrule.source import Source


@dataclass(frozen=True, slots=True)
class Finding:
    """An error or warning, the stage that made it, and the policies that have it."""

    policies: tuple[str, ...]
    stage: str
    diagnostic: Diagnostic


@dataclass(frozen=True, slots=True)
class Unverified:
    """Something of a year file that nobody has checked. `outside`: an assumed value."""

    name: str
    side: Side
    outside: bool


@dataclass(frozen=True, slots=True)
class Validated:
    """A policy without errors. `figures` counts what the year file states with a citation:
    parameters, rounding rules, table rows, variants and catalogues; assumed values aside."""

    policy: str
    figures: int
    unverified: tuple[Unverified, ...]
    rules: int
    digest: str


@dataclass(frozen=True, slots=True)
class Validation:
    """All findings, grouped by policies and stage, and the policies that have no error."""

    findings: tuple[Finding, ...]
    policies: tuple[Validated, ...]

    @property
    def errors(self) -> int:
        return sum(finding.diagnostic.severity == "error" for finding in self.findings)

    @property
    def warnings(self) -> int:
        return len(self.findings) - self.errors


def validate(names: Sequence[str], root: Path) -> Validation:
    """Validate the policies named, or all. What speaks of all policies (a variant that none uses)
    is looked for only where all are validated. Raises Failure for a name that is no policy's."""
    for name in names:
        policy_path(name, root)
    known = list(find_policies(root))
    with _nothing_kept():
        return _Validate(
            root, [name for name in known if not names or name in names], not names
        ).run()


@contextmanager
def _nothing_kept() -> Iterator[None]:
    """Without what earlier runs kept: everything is made afresh."""
    before = os.environ.get("FINALRULE_CACHE")
    os.environ["FINALRULE_CACHE"] = ""
    try:
        yield
    finally:
        if before is None:
            del os.environ["FINALRULE_CACHE"]
        else:
            os.environ["FINALRULE_CACHE"] = before


class _Validate:
    def __init__(self, root: Path, wanted: list[str], every: bool) -> None:
        self.root, self.wanted, self.every = root, wanted, every
        self.found: dict[tuple[str, Diagnostic], list[str]] = {}
        self.cited: Collection[str] = ()

    def run(self) -> Validation:
        resolved = self._resolve()
        self.cited = load_sources(self.root)
        rules = read_rules(self.root / "rules")
        compiled: dict[str, Compiled] = {}
        for name in self.wanted:
            if name in resolved and (one := self._compile(resolved[name], rules)):
                compiled[name] = one
        for name, one in compiled.items():
            self._catalogues(name, one.program)
            self._carried(one.work.policy, resolved)
            self._unread(one)
        if self.every and len(compiled) == len(self.wanted):
            self._unused_variants(list(compiled.values()))
        findings = [
            Finding(tuple(names), stage, diagnostic)
            for (stage, diagnostic), names in self.found.items()
        ]
        failed = {
            name
            for finding in findings
            for name in finding.policies
            if finding.diagnostic.severity == "error"
        }
        sound = [_validated(one) for name, one in compiled.items() if name not in failed]
        return Validation(tuple(findings), tuple(sound))

    def _add(self, policy: str, stage: str, diagnostics: Sequence[Diagnostic]) -> None:
        for diagnostic in diagnostics:
            self.found.setdefault((stage, diagnostic), []).append(policy)

    def _resolve(self) -> dict[str, Policy]:
        """All policies, the others too: figures are carried from them."""
        resolved = {}
        for name, path in find_policies(self.root).items():
            try:
                resolved[name] = load_policy(path, self.root)
            except Failure as failure:
                self._add(name, "read", failure.diagnostics)
        return resolved

    def _compile(self, policy: Policy, rules: list[Source]) -> Compiled | None:
        try:
            return compile_policy(policy, rules, self.cited)
        except Failure:
            work = Compilation(policy, rules, self.cited)
        for stage, run in STAGES:
            run(work)
            if work.report.has_errors:
                self._add(policy.id, stage, work.report.diagnostics)
                break
        return None

    def _catalogues(self, policy: str, program: ir.Program) -> None:
        report = Report()
        for declared in program.catalogues:
            keys = [key.name for key in declared.keys]
            try:
                rows = read_rows(self.root / declared.path, keys, f"policies/{declared.path}")
            except Failure as failure:
                report.diagnostics.extend(failure.diagnostics)
            else:
                TypedCatalogue(declared, rows).check(report)
        self._add(policy, "catalogues", report.diagnostics)

    def _carried(self, policy: Policy, resolved: dict[str, Policy]) -> None:
        report = Report()
        known = [name for name in find_policies(self.root) if name != policy.id]
        for kind in ("parameters", "assumed"):
            figures: dict[str, Figure] = getattr(policy, kind)
            for figure in figures.values():
                if figure.carried_from and figure.carried_from not in known:
                    report.error(
                        "carried-from-unknown",
                        f"`{figure.name}` is carried from `{figure.carried_from}`,"
                        " which is no other policy",
                        figure.span,
                        help=suggest(figure.carried_from, known)
                        or f"the other policies are {', '.join(known)}",
                    )
                elif figure.carried_from in resolved:
                    other: dict[str, Figure] = getattr(resolved[figure.carried_from], kind)
                    _check_carried(figure, other.get(figure.name), report)
        self._add(policy.id, "carried figures", report.diagnostics)

    def _unread(self, compiled: Compiled) -> None:
        report, policy = Report(), compiled.work.policy
        read = readers(compiled.work.ordered)
        for figure in policy.parameters.values():
            if figure.value is not None and Read("parameter", figure.name) not in read:
                report.warning(
                    "unread-parameter",
                    f"no rule in force in {policy.id} reads `{figure.name}`",
                    figure.span,
                    help="state `not_in_force` where the year does not have it,"
                    " or delete it with its declaration",
                )
        for rounding in policy.roundings.values():
            if Read("rounding", rounding.name) not in read:
                report.warning(
                    "unused-rounding",
                    f"no rule in force in {policy.id} rounds by `{rounding.name}`",
                    rounding.span,
                    help="use it with `round` or `prints`, or delete it with its declaration",
                )
        self._add(policy.id, "use", report.diagnostics)

    def _unused_variants(self, compiled: list[Compiled]) -> None:
        report = Report()
        written = {
            name: blocks for one in compiled for name, blocks in one.work.known.rules.items()
        }
        for name, blocks in written.items():
            used = {
                one.work.in_force[name].variant for one in compiled if name in one.work.in_force
            }
            for block in blocks:
                if block.variant in used:
                    continue
                what = f"variant `{block.variant}` of `{name}`" if block.variant else f"`{name}`"
                report.warning(
                    "unused-variant",
                    f"no policy has {what} in force",
                    block.span(block.syntax.name),
                    help="name it in a year file under `rules:`, or delete it",
                )
        for one in compiled:
            self._add(one.work.policy.id, "use", report.diagnostics)


def _check_carried(figure: Figure, other: Figure | None, report: Report) -> None:
    if other is None:
        report.error(
            "carried-from-unknown",
            f"{figure.carried_from} has no `{figure.name}` to carry",
            figure.span,
            help="delete `carried_from`, or correct the policy that it names",
        )
    elif (figure.unit, figure.value, figure.status) != (other.unit, other.value, other.status):
        report.error(
            "carried-value-differs",
            f"`{figure.name}` is carried from {figure.carried_from}, but is not what that says",
            Label(figure.value_span, "here"),
            Label(other.value_span, f"in {figure.carried_from}"),
            help="correct the value, or delete `carried_from` where the year changed it",
        )


def _validated(compiled: Compiled) -> Validated:
    stated = Statements(compiled)
    policy = compiled.work.policy
    inside = {
        **stated.parameters,
        **{f"rounding {name}": each for name, each in stated.roundings.items()},
        **{
            f"{name}.{row}": replace(each.stated, side=replace(each.stated.side, text=each.gives))
            for name, table in stated.tables.items()
            for row, each in table.rows.items()
        },
        **{f"rule {name}": stated.variants[name] for name in policy.rules},
        **{f"catalogue {name}": each for name, each in stated.catalogues.items()},
    }
    unverified = [
        Unverified(name, each.side, outside)
        for figures, outside in ((inside, False), (stated.assumed, True))
        for name, each in figures.items()
        if each.side.unverified
    ]
    return Validated(
        policy.id, len(inside), tuple(unverified), len(compiled.program.rules),
        compiled.program.digest,
    )  # fmt: skip
