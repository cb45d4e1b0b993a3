"""Clauses exclude each other and leave no gap: decided here where the domains of what they test
decide it, and checked as the rule runs where they do not."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from finalrule.core import ir
from finalrule.core.declare import Declarations
from finalrule.core.lower import Lowered
from finalrule.diagnostics import Label, Report
from finalrule.values import Enumeration, Type

_MAXIMUM_ATOMS = 14


def check_clauses(one: Lowered, rule: ir.Choice, known: Declarations, report: Report) -> None:
    """Report the first combination for which two clauses hold, or none."""
    lets = {let.name: let.value for let in rule.lets}
    atoms: dict[str, ir.Expr] = {}
    for clause in rule.clauses:
        if clause.when is not None:
            _collect(clause.when, rule.entity, lets, atoms)
    if len(atoms) > _MAXIMUM_ATOMS or not _decided_by_domains(list(atoms.values()), known):
        return
    written = one.written.syntax.clauses
    spans = {clause.name.text: one.written.span(clause.name) for clause in written}
    complete = any(clause.kind != "when" for clause in rule.clauses)
    for said, values in _assignments(atoms, rule.entity, known):
        held = [
            clause.name
            for clause in rule.clauses
            if clause.when is not None and _truth(clause.when, rule.entity, lets, values)
        ]
        if len(held) > 1:
            report.error(
                "clauses-overlap",
                f"clauses of `{rule.name}` hold together when {said}",
                *[Label(spans[name], "holds") for name in held],
                help="add `and not ...` to one of the conditions",
            )
            return
        if not held and not complete:
            report.error(
                "clauses-gap",
                f"no clause of `{rule.name}` holds when {said}",
                one.written.span(one.written.syntax),
                help="add an `otherwise` clause, or a clause for it",
            )
            return


def _resolve(expr: ir.Expr, lets: Mapping[str, ir.Expr]) -> ir.Expr:
    while isinstance(expr, ir.Let) and expr.name in lets:
        expr = lets[expr.name]
    return expr


def _collect(
    expr: ir.Expr, entity: str, lets: Mapping[str, ir.Expr], atoms: dict[str, ir.Expr]
) -> None:
    """The parts of a condition that `and`, `or` and `not` join, by name."""
    expr = _resolve(expr, lets)
    if isinstance(expr, ir.Logic):
        for item in expr.items:
            _collect(item, entity, lets, atoms)
    elif not isinstance(expr, ir.Bool):
        atoms.setdefault(_name(expr, entity), expr)


def _name(expr: ir.Expr, entity: str) -> str:
    """An atom as messages name it; one name stands for one thing."""
    match expr:
        case ir.Fact(entity=owner, name=name):
            return name if owner == entity else f"{owner}.{name}"
        case ir.Outcome(rule=rule, output=output):
            return f"{rule}.{output}" if output else rule
        case ir.In(item=item, values=ir.CodeSet(values=values)):
            return f"{_name(item, entity)} in {{{', '.join(values)}}}"
    return repr(expr)


def _decided_by_domains(atoms: list[ir.Expr], known: Declarations) -> bool:
    """Whether nothing but their domains ties the atoms to each other: yes/no facts, and tests of
    which member a fact is. Outcomes may depend on each other and on facts: only the tests of one
    outcome alone are decided."""
    items = [atom.item if isinstance(atom, ir.In) else atom for atom in atoms]
    if any(isinstance(item, ir.Outcome) for item in items) and len(set(items)) > 1:
        return False
    return all(
        isinstance(atom, ir.Fact)
        or (
            isinstance(atom, ir.In)
            and isinstance(atom.values, ir.CodeSet)
            and isinstance(_type(atom.item, known), Enumeration)
        )
        for atom in atoms
    )


def _type(item: ir.Expr, known: Declarations) -> Type | None:
    match item:
        case ir.Fact(entity=entity, name=name):
            return known.facts[entity, name].type
        case ir.Outcome(rule=rule, output=output):
            return known.shapes[rule].outputs[output]
    return None


def _assignments(
    atoms: Mapping[str, ir.Expr], entity: str, known: Declarations
) -> Iterator[tuple[str, dict[str, bool]]]:
    """Every possible truth of the atoms, and what it means. Tests of one enumeration vary together,
    with its member."""
    choices: list[list[tuple[str, dict[str, bool]]]] = []
    tested: dict[str, list[tuple[str, ir.In]]] = {}
    for name, atom in atoms.items():
        if isinstance(atom, ir.In):
            tested.setdefault(_name(atom.item, entity), []).append((name, atom))
        else:
            choices.append([(f"{name} is yes", {name: True}), (f"{name} is no", {name: False})])
    for item, tests in tested.items():
        type_ = _type(tests[0][1].item, known)
        assert isinstance(type_, Enumeration)
        choices.append(
            [
                (f"{item} is {member}", {name: _is_in(member, atom) for name, atom in tests})
                for member in type_.members
            ]
        )
    for parts in itertools.product(*choices):
        said = ", ".join(text for text, _ in parts)
        yield said, {name: truth for _, part in parts for name, truth in part.items()}


def _is_in(member: str, atom: ir.In) -> bool:
    assert isinstance(atom.values, ir.CodeSet)
    return member in atom.values.values


def _truth(
    expr: ir.Expr, entity: str, lets: Mapping[str, ir.Expr], values: Mapping[str, bool]
) -> bool:
    expr = _resolve(expr, lets)
    if isinstance(expr, ir.Bool):
        return expr.value
    if not isinstance(expr, ir.Logic):
        return values[_name(expr, entity)]
    true = sum(_truth(item, entity, lets, values) for item in expr.items)
    match expr.op:
        case "all":
            return true == len(expr.items)
        case "any":
            return true > 0
        case "none":
            return true == 0
        case "at_least":
            return true >= expr.least
