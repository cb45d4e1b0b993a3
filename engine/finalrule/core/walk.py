"""Walking the core: every node of a rule, the parts of an expression, and what a rule reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import msgspec

from finalrule.core import ir


def nodes(part: Any) -> Iterator[ir.Node]:
    """Every expression node in a rule or in a part of one."""
    if isinstance(part, ir.Node):
        yield part
    if isinstance(part, msgspec.Struct):
        for name in part.__struct_fields__:
            yield from nodes(getattr(part, name))
    elif isinstance(part, tuple):
        for item in part:
            yield from nodes(item)


def parts(expr: ir.Expr) -> Iterator[ir.Expr]:
    """The expressions that an expression is made of, without what these are made of."""
    for name in expr.__struct_fields__:
        part = getattr(expr, name)
        for one in part if isinstance(part, tuple) else (part,):
            if isinstance(one, ir.Node):
                yield cast(ir.Expr, one)


def reads(rule: ir.AnyRule) -> tuple[str, ...]:
    """The rules whose outcomes a rule reads, in the order in which they stand, each once."""
    found = (node.rule for node in nodes(rule) if isinstance(node, ir.Outcome))
    return tuple(dict.fromkeys(found))
