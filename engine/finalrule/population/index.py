"""Where a run's outcomes are, kept with it: with this a program's decisions are read back without
compiling it to SQL again."""

from __future__ import annotations

import msgspec

from finalrule.cache import decode_hook, encode_hook
from finalrule.core import ir
from finalrule.population.model import Shape
from finalrule.population.plan import Packed, Plan


class Index(msgspec.Struct, frozen=True):
    """A plan without its passes; shapes are by `rule` or `table.output`."""

    shapes: dict[str, Shape]
    packed: dict[str, Packed]
    results: dict[str, tuple[str, ...]]
    tables: dict[str, str]
    scopes: dict[str, str]


def written(plan: Plan) -> bytes:
    """A plan's index as JSON."""
    shapes = {_name(*key): shape for key, shape in plan.shapes.items()}
    index = Index(
        shapes, dict(plan.packed), dict(plan.results), dict(plan.tables), dict(plan.scopes)
    )
    return msgspec.json.encode(index, enc_hook=encode_hook)


def read(program: ir.Program, data: bytes) -> Plan:
    """The plan of an index, with no passes. Raises msgspec.MsgspecError when it is none."""
    index = msgspec.json.decode(data, type=Index, dec_hook=decode_hook)
    shapes = {_key(name): shape for name, shape in index.shapes.items()}
    return Plan(program, (), shapes, index.packed, index.results, index.tables, index.scopes)


def _name(rule: str, output: str) -> str:
    return f"{rule}.{output}" if output else rule


def _key(name: str) -> tuple[str, str]:
    rule, _, output = name.partition(".")
    return rule, output
