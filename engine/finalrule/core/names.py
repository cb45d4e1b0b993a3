"""Names looked up: lets, facts, outcomes, figures, and members of an enumeration."""

from __future__ import annotations

from finalrule.core import ir
from finalrule.core.scope import WRONG, Scope, Typed
from finalrule.diagnostics import suggest
from finalrule.language import syntax as s
from finalrule.values import Enumeration, Type, one_of, type_name


def read(node: s.Path, scope: Scope, expected: Type | None) -> Typed:
    """What a name or a path means where it stands."""
    first, rest = node.parts[0], node.parts[1:]
    if first == "params" and rest:
        return _parameter(node, ".".join(rest), scope)
    if scope.columns_only:
        return _column(node, scope, expected)
    if not rest:
        return _bare_name(node, first, scope, expected)
    known = scope.known
    if first in known.entities and len(rest) == 1:
        return _of_entity(node, first, rest[0], scope)
    if first in known.shapes and len(rest) == 1:
        return _outcome(node, first, rest[0], scope)
    return scope.error(
        "unknown-name",
        f"unknown name `{'.'.join(node.parts)}`",
        node,
        help=suggest(first, [*known.entities, *known.shapes, "params"])
        or "a dotted name begins with an entity, a table or `params`",
    )


def _column(node: s.Path, scope: Scope, expected: Type | None) -> Typed:
    """A name in a table's `where` or `check`."""
    name = ".".join(node.parts)
    if name in scope.lets:
        return Typed(ir.Let(name), scope.lets[name])
    if isinstance(expected, Enumeration):
        return _member(node, name, expected, scope)
    return scope.error(
        "not-a-column",
        f"`{name}` is no column of the table that can be read here",
        node,
        help=suggest(name, scope.lets)
        or "only columns and figures can be read here: add a `given` column for it",
    )


def _member(node: s.Path, name: str, expected: Enumeration, scope: Scope) -> Typed:
    if name in expected.members:
        return Typed(ir.Text(name), expected)
    return scope.error(
        "unknown-member",
        f"`{name}` is no member of {type_name(expected)}",
        node,
        help=suggest(name, expected.members) or f"the members are {one_of(expected.members)}",
    )


def _parameter(node: s.Path, name: str, scope: Scope) -> Typed:
    parameter = scope.known.parameters.get(name)
    if parameter is None:
        return scope.error(
            "unknown-parameter",
            f"unknown parameter `{name}`",
            node,
            help=suggest(name, scope.known.parameters) or "declare it with `parameter`",
        )
    return Typed(ir.Param(name), parameter.type)


def _bare_name(node: s.Path, name: str, scope: Scope, expected: Type | None) -> Typed:
    if name in scope.lets:
        return Typed(ir.Let(name), scope.lets[name])
    if fact := scope.known.facts.get((scope.entity, name)):
        return Typed(ir.Fact(scope.entity, name), fact.type)
    if name in scope.known.shapes:
        return _outcome(node, name, "", scope)
    if isinstance(expected, Enumeration):
        return _member(node, name, expected, scope)
    if name in scope.hidden:
        return scope.error(
            "let-inside-aggregate",
            f"`{name}` is a let of the outer record and cannot be read inside an aggregate",
            node,
            help="make it a rule, or write the expression out",
        )
    return _nowhere(node, name, scope)


def _nowhere(node: s.Path, name: str, scope: Scope) -> Typed:
    """A name that cannot be read where it stands: perhaps another entity's fact."""
    above = scope.known.readable(scope.entity)[1:]
    owners = [entity for entity, fact in scope.known.facts if fact == name]
    for owner in owners:
        if owner in above:
            return scope.error(
                "unknown-name",
                f"`{name}` is a fact of {owner}, not of {scope.entity}",
                node,
                help=f"write `{owner}.{name}`",
            )
    for owner in owners:
        if scope.entity in scope.known.ancestors(owner):
            return scope.error(
                "out-of-reach",
                f"`{name}` is a fact of {owner}, which is below {scope.entity}",
                node,
                help=f"read it with an aggregate: sum({name} over {owner})",
            )
    here = [fact for entity, fact in scope.known.facts if entity == scope.entity]
    return scope.error(
        "unknown-name",
        f"unknown name `{name}`",
        node,
        help=suggest(name, [*here, *scope.known.shapes, *scope.lets])
        or f"{scope.entity} has no such fact, and no rule or let has this name",
    )


def _of_entity(node: s.Path, entity: str, name: str, scope: Scope) -> Typed:
    if entity not in scope.known.readable(scope.entity):
        return scope.error(
            "out-of-reach",
            f"{entity} is not {scope.entity} nor above it",
            node,
            help=f"read records below with an aggregate: sum(... over {entity})",
        )
    if fact := scope.known.facts.get((entity, name)):
        return Typed(ir.Fact(entity, name), fact.type)
    shape = scope.known.shapes.get(name)
    if shape and shape.entity == entity:
        return _outcome(node, name, "", scope)
    facts = [fact for owner, fact in scope.known.facts if owner == entity]
    return scope.error(
        "unknown-name",
        f"{entity} has no fact or rule `{name}`",
        node,
        help=suggest(name, facts) or "facts are declared with `fact`",
    )


def _outcome(node: s.Path, rule: str, output: str, scope: Scope) -> Typed:
    type_ = reached(node, rule, output, scope)
    if type_ is None:
        return WRONG
    if rule not in scope.in_force:
        return scope.error(
            "not-in-force",
            f"rule `{rule}` is not in force in this policy",
            node,
            help=f"write `if_in_force({'.'.join(node.parts)}, else ...)` or put the rule in force",
        )
    return Typed(ir.Outcome(rule, output), type_)


def reached(node: s.Path, rule: str, output: str, scope: Scope) -> Type | None:
    """The type of a rule's outcome where it can be read from here, in force or not."""
    shape = scope.known.shapes[rule]
    if shape.entity not in scope.known.readable(scope.entity):
        scope.error(
            "out-of-reach",
            f"rule `{rule}` is of {shape.entity}, which is not {scope.entity} nor above it",
            node,
            help=f"read it with an aggregate over {shape.entity}"
            if scope.entity in scope.known.ancestors(shape.entity)
            else f"{scope.entity} can read its own rules and those of what stands above it",
        )
        return None
    if output not in shape.outputs:
        listed = [f"{rule}.{name}" for name in shape.outputs if name]
        scope.error(
            "unknown-output",
            f"`{rule}` has no output `{output}`" if output else f"`{rule}` gives several values",
            node,
            help=f"write {one_of(listed)}" if listed else f"write `{rule}`",
        )
        return None
    return shape.outputs[output]
