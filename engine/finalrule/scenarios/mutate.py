"""Scenarios against mutants: which changes of a policy no scenario notices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from finalrule.diagnostics import Report, suggest
from finalrule.evaluate.scalar import Evaluator
from finalrule.policy.positioned import load, read_source
from finalrule.policy.read import schema
from finalrule.policy.tree import Listing, Mapping, Scalar
from finalrule.scenarios.mutants import Kind, Mutant, mutants
from finalrule.scenarios.run import Prepared, prepare_scenario, run_prepared
from finalrule.scenarios.suite import Suite, load_suite
from finalrule.source import Place, Span

EQUIVALENTS = "equivalent_mutants.yaml"
_CHUNK = 20


@dataclass(frozen=True, slots=True)
class Tried:
    """A mutant tried. `killed_by` names a scenario that notices it (empty: none does, out of
    `scenarios` that evaluate what was changed); `equivalent` says why no scenario can."""

    policy: str
    name: str
    kind: Kind
    place: Place
    killed_by: str
    scenarios: int
    equivalent: str = ""

    @property
    def survived(self) -> bool:
        return not self.killed_by and not self.equivalent


@dataclass(frozen=True, slots=True)
class Equivalent:
    """A mutant that is said to change nothing that can be asserted."""

    name: str
    policies: tuple[str, ...]
    because: str
    span: Span

    def means(self, tried: Tried) -> bool:
        return self.name == tried.name and (not self.policies or tried.policy in self.policies)


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker process needs to make the same mutants: paths, not programs."""

    paths: tuple[Path, ...]
    root: Path
    module: str


class Hunt:
    """The mutants of one policy and the scenarios that may notice them. Scenarios must pass."""

    def __init__(self, suite: Suite, policy: str, module: str = "") -> None:
        self.evaluator = suite.evaluators[policy]
        self.policy = policy
        self.mutants = mutants(self.evaluator.program, module)
        self.prepared: list[Prepared] = []
        self.size: list[int] = []
        self.evaluating: dict[str, list[int]] = {}
        self.asserting: dict[str, set[int]] = {}
        for scenario, under in suite.pairs():
            if under == policy:
                self._add(prepare_scenario(scenario, self.evaluator))

    def _add(self, prepared: Prepared) -> None:
        evaluation = run_prepared(prepared, self.evaluator).evaluation
        assert evaluation is not None
        index = len(self.prepared)
        self.prepared.append(prepared)
        decided = {rule for (rule, _), one in evaluation.decisions.items() if not one.assumed}
        self.size.append(len(decided))
        for rule in decided:
            self.evaluating.setdefault(rule, []).append(index)
        for check in prepared.checks:
            self.asserting.setdefault(check.name.rule, set()).add(index)

    def try_one(self, number: int) -> Tried:
        """Run the scenarios that evaluate what the mutant changed until one fails."""
        mutant = self.mutants[number]
        evaluator = Evaluator(mutant.program, self.evaluator.catalogues)
        order = self._order(mutant)
        for index in order:
            if not _passes(self.prepared[index], evaluator):
                return self._tried(mutant, self.prepared[index].scenario.name, len(order))
        return self._tried(mutant, "", len(order))

    def _tried(self, mutant: Mutant, killed_by: str, scenarios: int) -> Tried:
        return Tried(self.policy, mutant.name, mutant.kind, mutant.place, killed_by, scenarios)

    def _order(self, mutant: Mutant) -> list[int]:
        """First those that assert the changed rule, then those that evaluate the fewest rules."""
        found = {index for rule in mutant.readers for index in self.evaluating.get(rule, ())}
        asserting = {index for rule in mutant.readers for index in self.asserting.get(rule, ())}
        return sorted(found, key=lambda index: (index not in asserting, self.size[index], index))


def _passes(prepared: Prepared, evaluator: Evaluator) -> bool:
    try:
        return run_prepared(prepared, evaluator).passed
    except ZeroDivisionError:  # a divisor that only the mutant lets be zero
        return False


def mutate(suite: Suite, job: Job, counts: dict[str, int], processes: int = 2) -> Iterator[Tried]:
    """Try every mutant of every policy of the suite (`counts`: how many each has), in `processes`
    processes. The scenarios must all pass."""
    tasks = [(job, policy, number) for policy, count in counts.items() for number in range(count)]
    if processes < 2 or len(tasks) < 2 * _CHUNK:
        hunts = {policy: Hunt(suite, policy, job.module) for policy in counts}
        yield from (hunts[policy].try_one(number) for _, policy, number in tasks)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(_work, tasks, chunksize=_CHUNK)


@cache
def _suite(job: Job) -> Suite:
    return load_suite(job.paths, (), job.root)


@cache
def _hunt(job: Job, policy: str) -> Hunt:
    return Hunt(_suite(job), policy, job.module)


def _work(task: tuple[Job, str, int]) -> Tried:
    job, policy, number = task
    return _hunt(job, policy).try_one(number)


# --- mutants that change nothing ---------------------------------------------------------------


def read_equivalents(root: Path) -> list[Equivalent]:
    """The mutants that ROOT/cases/equivalent_mutants.yaml lists; none where there is no such file.
    Raises Failure with everything that is wrong in its shape."""
    path = root / "cases" / EQUIVALENTS
    if not path.is_file():
        return []
    tree = load(read_source(path, f"policies/cases/{EQUIVALENTS}"), schema("equivalent_mutants"))
    assert isinstance(tree, Mapping)
    listed = tree.entries["equivalent"].value
    assert isinstance(listed, Listing)
    found = []
    for item in listed.items:
        assert isinstance(item, Mapping)
        because = item.entries["because"].value
        assert isinstance(because, Scalar)
        policies = tuple(one.text for one in _scalars(item, "policies"))
        for name in _scalars(item, "mutants"):
            found.append(Equivalent(name.text, policies, because.text, name.span))
    return found


def _scalars(item: Mapping, key: str) -> list[Scalar]:
    """The texts of a list; none where the key is not there."""
    listed = item.entries[key].value if key in item.entries else None
    if not isinstance(listed, Listing):
        return []
    return [one for one in listed.items if isinstance(one, Scalar)]


def judge(
    tried: Sequence[Tried], equivalents: Sequence[Equivalent], whole: bool
) -> tuple[list[Tried], Report]:
    """The mutants with why they are equivalent, where they are listed; and errors for each entry of
    the list that a scenario notices after all, or that names no mutant (this only when `whole`: all
    scenarios ran under all policies)."""
    report = Report()
    judged: list[Tried] = []
    used: set[str] = set()
    for one in tried:
        entry = next((entry for entry in equivalents if entry.means(one)), None)
        if entry is None:
            judged.append(one)
            continue
        used.add(entry.name)
        if one.killed_by:
            report.error(
                "not-equivalent",
                f"`{one.killed_by}` notices this mutant of {one.policy}",
                entry.span,
                help="delete it from the list",
            )
        judged.append(
            Tried(
                one.policy, one.name, one.kind, one.place, one.killed_by, one.scenarios,
                "" if one.killed_by else entry.because,
            )
        )  # fmt: skip
    for entry in equivalents if whole else ():
        if entry.name not in used:
            report.error(
                "unknown-mutant",
                f"no policy has a mutant `{entry.name}`",
                entry.span,
                help=suggest(entry.name, [one.name for one in tried]) or "delete it from the list",
            )
    return judged, report
