"""Rules without lets: each let's value written where the let is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from finalrule.core import ir
from finalrule.core.walk import nodes


def inline(part: Any, lets: Mapping[str, ir.Expr]) -> Any:
    """A rule, an expression or a part of one with each let replaced by its value."""
    if isinstance(part, ir.Let):
        return lets.get(part.name, part)
    if isinstance(part, tuple):
        made = tuple(inline(item, lets) for item in part)
        return part if all(a is b for a, b in zip(made, part, strict=True)) else made
    if isinstance(part, msgspec.Struct):
        changed = {}
        for name in part.__struct_fields__:
            before = getattr(part, name)
            after = inline(before, lets)
            if after is not before:
                changed[name] = after
        return msgspec.structs.replace(part, **changed) if changed else part
    return part


def inlined_lets(rule: ir.AnyRule) -> dict[str, ir.Expr]:
    """A rule's lets, each without lets in it."""
    lets: dict[str, ir.Expr] = {}
    for let in rule.lets:
        lets[let.name] = inline(let.value, lets)
    return lets


def is_constant(expr: ir.Expr) -> bool:
    """Whether an expression has one value under a policy, whatever the facts are."""
    varying = ir.Fact | ir.Outcome | ir.Let | ir.Lookup | ir.Listed | ir.Aggregate
    return not any(isinstance(node, varying) for node in nodes(expr))
