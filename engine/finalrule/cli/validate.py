"""`finalrule validate`: every policy checked as a whole."""

from __future__ import annotations

import itertools
import json
import sys
from typing import Any

import click
import msgspec

from finalrule.columns import columns, paragraph
from finalrule.places import policies_root
from finalrule.validate import Validated, Validation
from finalrule.validate import validate as validate_policies


@click.command()
@click.argument("policies", nargs=-1, metavar="[POLICY]...")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text",
              show_default=True)  # fmt: skip
def validate(policies: tuple[str, ...], form: str) -> None:
    """Check all policies, or those named: compiled afresh through every stage, catalogues typed,
    carried figures held against the policies that they come from.

    Errors and warnings are grouped by policy and stage. Figures that nobody has checked are listed.
    At the end stands a line for each policy: the number of things that its year file states with a
    citation (parameters, rounding rules, table rows, variants, catalogues), how many of them are
    unverified, the rules in force, the digest. A variant that no policy uses is looked for where
    all policies are validated.

    \b
    Examples:
      finalrule validate
      finalrule validate 2020-proposed 2020-final --format json

    Exit codes: 0 no error (warnings do not count), 2 errors.
    """
    validation = validate_policies(policies, policies_root())
    if form == "json":
        click.echo(json.dumps(_as_data(validation), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(_text(validation)))
    sys.exit(2 if validation.errors else 0)


def _as_data(validation: Validation) -> dict[str, Any]:
    return {
        "format": "validate.v1",
        "errors": validation.errors,
        "warnings": validation.warnings,
        "findings": [
            {
                "policies": list(finding.policies),
                "stage": finding.stage,
                **finding.diagnostic.as_data(),
            }
            for finding in validation.findings
        ],
        "policies": msgspec.to_builtins(validation.policies),
    }


def _text(validation: Validation) -> list[str]:
    lines: list[str] = []
    grouped: dict[tuple[str, str], list[str]] = {}
    for finding in validation.findings:
        key = (", ".join(finding.policies), finding.stage)
        grouped.setdefault(key, []).append(finding.diagnostic.render())
    for (policies, stage), rendered in grouped.items():
        lines += [f"{policies}: {stage}", *itertools.chain(*([each, ""] for each in rendered))]
    for policy in validation.policies:
        lines += _unverified(policy)
    rows = [
        (
            policy.policy,
            f"{policy.figures} figures, {_checked(policy)} unverified",
            f"{policy.rules} rules in force",
            f"digest {policy.digest[:12]}",
        )
        for policy in validation.policies
    ]
    lines += itertools.chain(*columns(rows))
    return [*lines, *_failed(validation)]


def _checked(policy: Validated) -> int:
    return sum(not each.outside for each in policy.unverified)


def _unverified(policy: Validated) -> list[str]:
    if not policy.unverified:
        return []
    lines = [f"{policy.policy}: unverified"]
    places = columns([(each.side.cite, each.side.place) for each in policy.unverified], indent=6)
    for each, shown in zip(policy.unverified, places, strict=True):
        lines += paragraph(f"{each.name}: {each.side.text}", 2, hang=4)
        lines += shown
        note = ("assumed, outside the policy; " if each.outside else "") + each.side.note
        lines += paragraph(note.removesuffix("; "), 6)
    return [*lines, ""]


def _failed(validation: Validation) -> list[str]:
    """A line for each policy with errors."""
    errors: dict[str, int] = {}
    for finding in validation.findings:
        for policy in finding.policies:
            if finding.diagnostic.severity == "error":
                errors[policy] = errors.get(policy, 0) + 1
    return [
        f"{policy}  {number} error{'' if number == 1 else 's'}" for policy, number in errors.items()
    ]
