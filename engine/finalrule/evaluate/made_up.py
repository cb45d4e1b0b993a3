"""Catalogues with records that nobody published, so that cases reach what a year's records do not.

A year may have no benchmark for a cost measure; the rule for one that has it must be right all the
same. Made-up codes are the same in every catalogue, so that they meet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from random import Random

from finalrule.catalogue.read import Row
from finalrule.evaluate.catalogues import DECILES, TypedCatalogue
from finalrule.evaluate.thresholds import Thresholds
from finalrule.values import Code, Enumeration, Number, Type, YesNo, decimal_text

MADE_UP = tuple(f"MADE_UP_{number}" for number in range(1, 13))
# Of the combinations of made-up keys, this share has a record.
_SHARE = 0.7


def with_made_up(
    catalogues: Mapping[str, TypedCatalogue], thresholds: Thresholds
) -> dict[str, TypedCatalogue]:
    """The catalogues, each with records of made-up keys and of keys that rules name; always the
    same for the same program."""
    return {
        name: _extended(one, _named(name, thresholds), Random(name))
        for name, one in catalogues.items()
    }


def _named(catalogue: str, thresholds: Thresholds) -> dict[int, set[str]]:
    """The codes that rules compare a key of the catalogue with, by the place of the key."""
    found: dict[int, set[str]] = {}
    for entity, bindings in thresholds.bindings.items():
        for binding in bindings:
            for place, fact in enumerate(binding.keys):
                if binding.catalogue == catalogue and isinstance(fact, str):
                    codes = thresholds.values.get((entity, fact), ())
                    found.setdefault(place, set()).update(str(code) for code in codes)
    return found


def _extended(
    catalogue: TypedCatalogue, named: Mapping[int, set[str]], random: Random
) -> TypedCatalogue:
    declared, file = catalogue.declared, catalogue.rows
    choices = [
        key.type.members
        if isinstance(key.type, Enumeration)
        else (*MADE_UP, *sorted(named.get(place, ())))
        for place, key in enumerate(declared.keys)
    ]
    rows = dict(file.rows)
    for keys in product(*choices):
        if keys in rows or random.random() >= _SHARE:
            continue
        cells = dict(zip((key.name for key in declared.keys), keys, strict=True))
        for field in declared.fields:
            cells[field.name] = _cell(field.type, random)
        if declared.bounds is not None:
            cells.update(_bounds(cells[declared.bounds.inverse] == "yes", random))
        line = len(file.rows) + len(rows) + 2
        rows[keys] = Row(line, tuple(cells.get(column, "") for column in file.header))
    return TypedCatalogue(declared, replace(file, rows=rows))


def _cell(type_: Type, random: Random) -> str:
    match type_:
        case YesNo():
            return random.choice(("yes", "no"))
        case Enumeration(members=members):
            return random.choice(members)
        case Number(low=low, unit=unit):
            return decimal_text(low * 100 if unit == "percent" else low)
        case Code():
            return random.choice(("", *MADE_UP))
        case _:
            return ""


def _bounds(inverse: bool, random: Random) -> dict[str, str]:
    """Lower bounds from worst to best; now and then the first is empty, or two are the same."""
    values = sorted((random.randrange(1, 100) for _ in DECILES), reverse=inverse)
    cells = {name: str(value) for name, value in zip(DECILES, values, strict=True)}
    if random.random() < 0.3:
        cells[DECILES[0]] = ""
    return cells
