"""Options that `score` and `explain` share, and the cases that they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import click

from finalrule.diagnostics import Diagnostic, Report
from finalrule.evaluate.scalar import Evaluator, with_assumed
from finalrule.facts.assemble import read_cases
from finalrule.facts.case import Case
from finalrule.facts.units import STANDARD_INPUT
from finalrule.load import load_evaluator
from finalrule.values import parse_decimal

_PATH = click.Path(path_type=Path, allow_dash=True)


def case_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """SUBMISSION..., --facts, --cost, --given, --as-year, --set."""
    for option in (
        click.option("--set", "settings", multiple=True, metavar="NAME=VALUE",
                     help="A what-if: change a figure of the policy."),
        click.option("--as-year", is_flag=True,
                     help="Read files of another performance year as if of the policy's."),
        click.option("--given", multiple=True, metavar="CATEGORY=PERCENT",
                     help="A category score that was made elsewhere, e.g. quality=95.5."),
        click.option("--cost", multiple=True, type=_PATH,
                     help="Results of cost measures, CSV or JSON."),
        click.option("--facts", multiple=True, type=_PATH,
                     help="What CMS knows of the clinician or group, JSON."),
        click.argument("submissions", nargs=-1, required=True, metavar="SUBMISSION...", type=_PATH),
    ):  # fmt: skip
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Input:
    """The files and given scores that were named."""

    submissions: tuple[Path, ...]
    facts: tuple[Path, ...]
    cost: tuple[Path, ...]
    given: tuple[str, ...]
    as_year: bool
    settings: tuple[str, ...]

    def __post_init__(self) -> None:
        """Standard input can be read for one file."""
        named = [path for path in (*self.submissions, *self.facts) if str(path) == STANDARD_INPUT]
        if len(named) > 1:
            raise click.UsageError("standard input (-) can stand for one file only")
        if any(str(path) == STANDARD_INPUT for path in self.cost):
            raise click.BadParameter("name a file", param_hint="--cost")

    def cases(self, evaluator: Evaluator) -> tuple[list[Case], list[Diagnostic]]:
        """The cases under a policy, with its assumed values. Raises Failure."""
        catalogues = {name: typed.rows for name, typed in evaluator.catalogues.items()}
        cases, warnings = read_cases(
            evaluator.program, catalogues, self.submissions, self.facts, self.cost,
            self._scores(), self.as_year,
        )  # fmt: skip
        return [with_assumed(case, evaluator.program) for case in cases], warnings

    def _scores(self) -> dict[str, Fraction]:
        report = Report()
        scores: dict[str, Fraction] = {}
        for text in self.given:
            category, _, number = (part.strip() for part in text.partition("="))
            value = parse_decimal(number.removesuffix("%").rstrip())
            if value is None:
                report.error(
                    "given-score", f"`--given {text}` gives no percentage",
                    help="write, for example, --given quality=95.5",
                )  # fmt: skip
            elif category in scores:
                report.error(
                    "given-score", f"the score of `{category}` is given twice",
                    help="keep one of them",
                )  # fmt: skip
            else:
                scores[category] = value / 100
        report.stop_if_errors()
        return scores


def policies_of(text: str, settings: tuple[str, ...], track: str = "mips") -> list[Evaluator]:
    """The policies named, comma-separated, ready to evaluate; each once. Raises Failure where one
    does not have the rules of the track."""
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise click.BadParameter("name at least one policy", param_hint="--policy")
    return [load_evaluator(name, settings, track=track) for name in names]


def subject_text(subject: dict[str, str]) -> str:
    """A scoring unit in one line: `individual, TIN 000456789, NPI 1234567893`."""
    words = {"tin": "TIN", "npi": "NPI", "performance_year": "performance year"}
    parts = [subject.get("entity_type", "")]
    parts += [f"{word} {subject[key]}" for key, word in words.items() if key in subject]
    return ", ".join(part for part in parts if part)
