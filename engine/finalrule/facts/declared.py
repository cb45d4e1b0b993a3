"""The entities and facts that a program declares, and values typed by their declarations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property

from finalrule.core import ir
from finalrule.facts.json_item import Item, shown
from finalrule.values import (
    Code,
    Codes,
    Date,
    Enumeration,
    Number,
    Type,
    Value,
    YesNo,
    decimal_places,
    parse_number,
    show,
    type_name,
    within,
)

UNIT = "scoring_unit"


@dataclass(frozen=True)
class Declared:
    """A program's entities and facts by name."""

    program: ir.Program

    @cached_property
    def entities(self) -> Mapping[str, ir.Entity]:
        return {entity.name: entity for entity in self.program.entities}

    @cached_property
    def facts(self) -> Mapping[str, Mapping[str, ir.FactDeclaration]]:
        """By entity, then by name; keys are among them."""
        found: dict[str, dict[str, ir.FactDeclaration]] = {name: {} for name in self.entities}
        for fact in self.program.facts:
            found[fact.entity][fact.name] = fact
        return found

    @cached_property
    def children(self) -> Mapping[str, tuple[str, ...]]:
        """The entities right below each entity, in the order of declaration."""
        return {
            name: tuple(e.name for e in self.program.entities if e.parent == name)
            for name in self.entities
        }

    def keys(self, entity: str) -> tuple[str, ...]:
        return tuple(key.name for key in self.entities[entity].keys)

    def path_to(self, entity: str) -> list[str]:
        """The entities from the one below the root down to this one; empty for a root."""
        path: list[str] = []
        while parent := self.entities[entity].parent:
            path.insert(0, entity)
            entity = parent
        return path

    def root_of(self, entity: str) -> str:
        """The entity at the top of the tree that an entity is in."""
        path = self.path_to(entity)
        return self.entities[path[0]].parent if path else entity


def read_fact(item: Item, declaration: ir.FactDeclaration) -> Value | None:
    """A fact's value as its declaration types it: numbers as JSON numbers, or as text with their
    unit (`85%`, `$90,000.50`); yes and no as true and false, or as those words. Bounds are not
    checked here (`unfit`). None after the fault is reported."""
    match declaration.type:
        case Number():
            return _number(item, declaration.type)
        case YesNo():
            if item.value in ("yes", "no"):
                return item.value == "yes"
            return item.yes_no()
        case Date():
            return item.date()
        case Enumeration(members=members):
            return item.member(members)
        case Code():
            return item.text()
        case Codes():
            raise ValueError(f"a fact cannot be a set of codes: {declaration.name}")


def _number(item: Item, type_: Number) -> Fraction | None:
    if isinstance(item.value, str):
        value = parse_number(item.value, type_.unit)
    elif isinstance(item.value, bool) or not isinstance(item.value, int | Decimal):
        value = None
    else:
        value = Fraction(item.value) / (100 if type_.unit == "percent" else 1)
    if value is None:
        text = f"`{shown(item.value)}`" if isinstance(item.value, str) else "another kind of value"
        item.fail(
            "json-wrong-type", f"{item.name} must be a number ({type_.unit}); it is {text}",
            help=f"write {_EXAMPLES[type_.unit]}",
        )  # fmt: skip
        return None
    return value


_EXAMPLES = {
    "percent": '85 or "85%"', "points": "7.5", "usd": '90000.50 or "$90,000.50"', "count": "200",
    "ratio": "0.25", "rate": "82.5", "days": "90", "year": "2020",
}  # fmt: skip


def unfit(value: Value, type_: Type) -> str:
    """What is wrong with a value for its type's bounds and decimal places; empty for nothing."""
    if not within(value, type_):
        return f"must be of {type_name(type_)}; it is {show(value, type_)}"
    if isinstance(type_, Number) and type_.scale is not None and isinstance(value, Fraction):
        places = decimal_places(value * 100 if type_.unit == "percent" else value)
        if places is None or places > type_.scale:
            return f"may have {type_.scale} decimal places"
    return ""
