"""Third stage: a policy's figures against what the rules declare, and which rules are in force."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from finalrule.core import ir
from finalrule.core.declare import Declarations, Written
from finalrule.core.types import as_constant
from finalrule.diagnostics import Label, Report, suggest
from finalrule.policy.model import Figure, Policy
from finalrule.source import Span
from finalrule.values import Codes, Date, Number, Type, YesNo, one_of, type_name, within


def unit_of(type_: Type) -> str:
    """The unit that a year file writes for a type."""
    match type_:
        case Number(unit=unit):
            return unit
        case Codes():
            return "codes"
        case Date():
            return "date"
        case YesNo():
            return "yes_no"
        case _:
            return "text"


def _unknown(code: str, given: Mapping[str, Any], declared: Iterable[str], report: Report) -> None:
    """Report each name that the year file states and no rule declares."""
    names, what = list(declared), code.removeprefix("unknown-")
    for name, figure in given.items():
        if name not in names:
            report.error(
                code,
                f"no rule declares the {what} `{name}`",
                figure.span,
                help=suggest(name, names) or "delete it, or declare it in a rules file",
            )


def _missing(code: str, name: str, declared: Span | None, policy: Policy, report: Report) -> None:
    what = code.removeprefix("missing-")
    labels = [Label(policy.span, "this policy does not state it")]
    if declared:
        labels.append(Label(declared, "declared here"))
    report.error(
        code,
        f"policy {policy.id} has no {what} `{name}`",
        *labels,
        help="add it, or state `not_in_force` with its citation"
        if what == "parameter"
        else "add it to the year file",
    )


def bind_parameters(known: Declarations, policy: Policy, report: Report) -> list[ir.Parameter]:
    """Each declared parameter with the policy's value, unit and bounds checked."""
    _unknown("unknown-parameter", policy.parameters, known.parameters, report)
    bound = []
    for name, declared in known.parameters.items():
        span = known.spans["parameter", name]
        figure = policy.parameters.get(name)
        if figure is None:
            _missing("missing-parameter", name, span, policy, report)
            continue
        _check_figure(figure, declared.type, span, report)
        bound.append(_bound(declared, figure))
    return bound


def _bound(declared: ir.Parameter, figure: Figure) -> ir.Parameter:
    value = None if figure.value is None else as_constant(figure.value, declared.type)
    return ir.Parameter(
        declared.name,
        declared.type,
        value,
        figure.status,
        str(figure.cite),
        declared.describe,
        figure.span.place,
        figure.unverified,
        figure.note,
    )


def _check_figure(figure: Figure, type_: Type, declared: Span, report: Report) -> None:
    if figure.unit != unit_of(type_):
        report.error(
            "unit-differs",
            f"`{figure.name}` is given in {figure.unit}, but it is declared in {unit_of(type_)}",
            Label(figure.value_span, figure.unit),
            Label(declared, unit_of(type_)),
            help=f"write the value and `unit: {unit_of(type_)}`",
        )
    elif figure.value is not None and not within(figure.value, type_):
        report.error(
            "out-of-bounds",
            f"`{figure.name}` is {figure.text}, outside {type_name(type_)}",
            Label(figure.value_span, "this value"),
            Label(declared, "declared here"),
            help="correct the figure, or the declared bounds",
        )


def bind_assumed(known: Declarations, policy: Policy, report: Report) -> list[ir.Parameter]:
    """The assumed values of facts (`program.scaling_factor`) that hold without a population."""
    names = {f"{entity}.{name}": (entity, name) for entity, name in known.facts}
    _unknown("unknown-fact", policy.assumed, names, report)
    bound = []
    for name, figure in policy.assumed.items():
        if name not in names:
            continue
        fact = known.facts[names[name]]
        _check_figure(figure, fact.type, known.spans["name", name], report)
        declared = ir.Parameter(name, fact.type, None, "", "", fact.describe, fact.place)
        bound.append(_bound(declared, figure))
    return bound


def bind_roundings(known: Declarations, policy: Policy, report: Report) -> list[ir.Rounding]:
    """Each declared rounding rule with the policy's places and mode."""
    _unknown("unknown-rounding", policy.roundings, known.roundings, report)
    bound = []
    for name, (unit, _) in known.roundings.items():
        span = known.spans["rounding", name]
        figure = policy.roundings.get(name)
        if figure is None:
            _missing("missing-rounding", name, span, policy, report)
            continue
        if figure.unit != unit:
            report.error(
                "unit-differs",
                f"rounding `{name}` is given in {figure.unit}, but it is declared in {unit}",
                Label(figure.span, figure.unit),
                Label(span, unit),
                help=f"write `unit: {unit}`",
            )
        bound.append(
            ir.Rounding(
                name,
                unit,
                figure.places,
                figure.mode,
                str(figure.cite),
                figure.span.place,
                figure.unverified,
            )
        )
    return bound


def bind_catalogues(known: Declarations, policy: Policy, report: Report) -> list[ir.Catalogue]:
    """Each declared catalogue with the policy's file."""
    _unknown("unknown-catalogue", policy.catalogues, known.catalogues, report)
    bound = []
    for name, declared in known.catalogues.items():
        file = policy.catalogues.get(name)
        if file is None:
            _missing("missing-catalogue", name, known.spans["catalogue", name], policy, report)
            continue
        bound.append(
            msgspec.structs.replace(
                declared, path=file.path, digest=file.digest, cite=str(file.cite)
            )
        )
    return bound


def rules_in_force(known: Declarations, policy: Policy, report: Report) -> dict[str, Written]:
    """For each rule the block in force; rules not in force are left out."""
    _unknown("unknown-rule", policy.rules, known.shapes, report)
    chosen: dict[str, Written] = {}
    for name in known.shapes:
        blocks = known.rules[name]
        variants = {block.variant: block for block in blocks}
        stated = policy.rules.get(name)
        if stated is None:
            if "" in variants:
                chosen[name] = variants[""]
                continue
            report.error(
                "no-variant-in-force",
                f"policy {policy.id} does not say which variant of `{name}` is in force",
                Label(policy.span, "this policy"),
                *[Label(block.span(block.syntax.name), block.variant) for block in blocks],
                help=f"add `{name}: {{variant: {blocks[0].variant}, cite: ...}}` under `rules:`",
            )
        elif stated.not_in_force:
            continue
        elif stated.variant in variants:
            chosen[name] = variants[stated.variant]
        else:
            named = [variant for variant in variants if variant]
            listed = (
                f"its variants are {one_of(named)}" if named else "it has none: delete the entry"
            )
            report.error(
                "unknown-variant",
                f"rule `{name}` has no variant `{stated.variant}`",
                Label(stated.variant_span, "unknown"),
                Label(blocks[0].span(blocks[0].syntax.name), "the rule"),
                help=suggest(stated.variant, named) or listed,
            )
    return chosen
