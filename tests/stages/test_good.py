"""What each stage makes of the programs in STAGE/good/ stands beside them, places left out."""

from __future__ import annotations

import datetime
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest

from finalrule.core.compile import Compilation
from finalrule.language.syntax import Name
from finalrule.source import Place
from stages.small import HERE, compile_small

GOOD = sorted(HERE.glob("*/good/*.rules"))


def made(stage: str, work: Compilation) -> dict[str, Any]:
    """What the stage has made, by name."""
    known = work.known
    match stage:
        case "parse":
            return {module.name: module.statements for _, module in work.modules}
        case "declare":
            return {
                "types": known.types,
                "entities": tuple(known.entities.values()),
                "facts": tuple(known.facts.values()),
                "catalogues": tuple(known.catalogues.values()),
                "parameters": tuple(known.parameters.values()),
                "roundings": {name: unit for name, (unit, _) in known.roundings.items()},
                "rules": {name: f"of {shape.entity}" for name, shape in known.shapes.items()},
            }
        case "bind":
            return {
                "parameters": tuple(work.parameters),
                "assumed": tuple(work.assumed),
                "roundings": tuple(work.roundings),
                "in_force": {
                    name: block.variant or "without variants"
                    for name, block in work.in_force.items()
                },
            }
        case "lower":
            return {name: one.rule for name, one in work.lowered.items()}
        case _:
            return {"rules": tuple(one.rule.name for one in work.ordered)}


def shown(value: Any, indent: str = "") -> str:
    """A value on one line where it fits, else each part on a line of its own."""
    one_line = _one_line(value)
    if len(indent) + len(one_line) <= 96 or not _parts(value):
        return one_line
    inner = indent + "  "
    head, parts = _parts(value)
    lines = [f"{inner}{name}{shown(part, inner)}" for name, part in parts]
    return "\n".join([head, *lines])


def _parts(value: Any) -> tuple[str, list[tuple[str, Any]]] | None:
    if isinstance(value, msgspec.Struct):
        fields = [(field, getattr(value, field.name)) for field in msgspec.structs.fields(value)]
        return type(value).__name__, [
            (f"{field.name} ", part)
            for field, part in fields
            if field.name != "at"
            and not isinstance(part, Place)
            and part != field.default
            and part not in ("", (), None)
        ]
    if isinstance(value, dict):
        return "", [(f"{name}: ", part) for name, part in value.items()]
    if isinstance(value, tuple):
        return "", [("- ", part) for part in value]
    return None


def _one_line(value: Any) -> str:
    value = value.text if isinstance(value, Name) else value
    found = _parts(value)
    if found is None:
        plain = isinstance(value, bool | int | Fraction | datetime.date)
        return str(value) if plain else f"`{value}`"
    head, parts = found
    inside = ", ".join(f"{name}{_one_line(part)}".removeprefix("- ") for name, part in parts)
    return f"{head}({inside})" if head else f"[{inside}]"


@pytest.mark.parametrize("rules", GOOD, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_good(rules: Path, tmp_path: Path) -> None:
    failed, work = compile_small(rules, tmp_path)
    assert not failed, str(work.report)
    parts = [f"{k}: {shown(v)}" for k, v in made(rules.parts[-3], work).items() if v]
    text = re.sub(" +$", "", "\n\n".join(parts), flags=re.M)
    assert text + "\n" == rules.with_suffix(".txt").read_text(encoding="utf-8")
