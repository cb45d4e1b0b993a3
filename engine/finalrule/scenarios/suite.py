"""All scenarios under all policies that they name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from finalrule.core import ir
from finalrule.diagnostics import Diagnostic, Failure, Report, suggest
from finalrule.evaluate.scalar import Evaluator
from finalrule.load import load_evaluator, policy_ids
from finalrule.places import policies_root
from finalrule.scenarios.read import Scenario, ScenarioFile, read_scenarios
from finalrule.scenarios.run import Result, run_scenario


@dataclass(slots=True)
class Suite:
    """Scenario files and the policies that they run under, by id."""

    files: tuple[ScenarioFile, ...]
    evaluators: dict[str, Evaluator]

    def pairs(self) -> list[tuple[Scenario, str]]:
        """Each scenario with each of the suite's policies that it names, in the files' order."""
        return [
            (scenario, policy.text)
            for file in self.files
            for scenario in file.scenarios
            for policy in scenario.policies
            if policy.text in self.evaluators
        ]

    def run(self, pairs: Iterable[tuple[Scenario, str]]) -> Iterator[Result]:
        """The results, one after the other."""
        for scenario, policy in pairs:
            yield run_scenario(scenario, self.evaluators[policy])


def scenario_paths(paths: Sequence[Path], root: Path) -> list[Path]:
    """The files named, and those below the folders named; without any, those in the years' folders
    of ROOT/cases. Raises Failure when there is none."""
    folders = list(paths) or sorted((root / "cases").glob("[0-9]*"))
    found: list[Path] = []
    for folder in folders:
        found.extend(sorted(folder.rglob("*.yaml")) if folder.is_dir() else [folder])
    if not found:
        where = ", ".join(map(str, folders)) or str(root / "cases")
        raise Failure(
            [
                Diagnostic(
                    "no-scenarios",
                    f"there is no scenario file in {where}",
                    help="name a scenario file, or a folder that holds some",
                )
            ]
        )
    return list(dict.fromkeys(found))


def load_suite(
    paths: Sequence[Path] = (), policies: Sequence[str] = (), root: Path | None = None
) -> Suite:
    """Read scenario files and compile the policies that they name (only `policies`, where given).
    Raises Failure with everything that is wrong in the files, or in a policy."""
    folder = root or policies_root()
    known, report = policy_ids(folder), Report()
    files: list[ScenarioFile] = []
    for path in scenario_paths(paths, folder):
        try:
            files.append(read_scenarios(path, known_as(path, folder)))
        except Failure as failure:
            report.diagnostics.extend(failure.diagnostics)
    wanted: dict[str, None] = {}
    for file in files:
        for scenario in file.scenarios:
            for policy in scenario.policies:
                if policy.text not in known:
                    report.error(
                        "scenario-policy",
                        f"there is no policy `{policy.text}`",
                        policy.span,
                        help=suggest(policy.text, known) or f"the policies are {', '.join(known)}",
                    )
                elif not policies or policy.text in policies:
                    wanted[policy.text] = None
    report.stop_if_errors()
    return Suite(tuple(files), {policy: load_evaluator(policy, (), folder) for policy in wanted})


def known_as(path: Path, root: Path) -> str:
    """A file below the policies' folder by its place there, any other as it was named."""
    resolved = path.resolve()
    inside = resolved.is_relative_to(root.resolve())
    return f"policies/{resolved.relative_to(root.resolve()).as_posix()}" if inside else str(path)


def in_module(rule: ir.AnyRule, module: str) -> bool:
    """Whether a rule stands in a rules file of this name (without `.rules`); every rule does where
    no module is named."""
    return not module or Path(rule.place.path).stem == module
