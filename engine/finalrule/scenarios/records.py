"""Records of a catalogue that a scenario makes up, so that it need not wait for CMS to publish a
benchmark of just that shape."""

from __future__ import annotations

from collections.abc import Mapping as Map
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

from finalrule.catalogue.read import Row
from finalrule.diagnostics import Report, suggest
from finalrule.evaluate.catalogues import DECILES, TypedCatalogue, cell_value
from finalrule.policy.tree import Entry, Listing, Mapping, Scalar
from finalrule.scenarios.read import Scenario
from finalrule.values import Type, parse_decimal, type_name


def made_up(
    scenario: Scenario, catalogues: Map[str, TypedCatalogue], report: Report
) -> dict[str, TypedCatalogue]:
    """The catalogues to which the scenario adds records, or whose records it replaces; empty where
    it does neither. Reports what is wrong."""
    found: dict[str, TypedCatalogue] = {}
    for name, entry in scenario.catalogues.entries.items() if scenario.catalogues else ():
        if name not in catalogues:
            report.error(
                "scenario-catalogue", f"there is no catalogue `{name}`", entry.key_span,
                help=suggest(name, catalogues) or f"name one of {', '.join(catalogues)}",
            )  # fmt: skip
            continue
        base = catalogues[name]
        rows = dict(base.rows.rows)
        assert isinstance(entry.value, Listing)
        for item in entry.value.items:
            assert isinstance(item, Mapping)
            if _checked(item, base, report):
                cells = {key: _text(cell) for key, cell in item.entries.items()}
                keys = tuple(cells[key.name] for key in base.declared.keys)
                made = tuple(cells.get(column, "") for column in base.rows.header)
                rows[keys] = Row(item.span.place.line, made)
        found[name] = TypedCatalogue(base.declared, replace(base.rows, rows=rows))
    return found


def _text(entry: Entry) -> str:
    assert isinstance(entry.value, Scalar)
    return entry.value.text


def _checked(item: Mapping, base: TypedCatalogue, report: Report) -> bool:
    """Whether the record has its keys and no column but those declared, each with a value of its
    type."""
    declared = base.declared
    types: dict[str, Type | None] = {
        field.name: field.type for field in (*declared.keys, *declared.fields)
    }
    if declared.bounds is not None:
        types.update(dict.fromkeys(DECILES))
    sound = True
    for key in declared.keys:
        if key.name not in item.entries:
            report.error(
                "record-without-key", f"this {declared.name} has no `{key.name}`", item.span,
                help="a record states its keys",
            )  # fmt: skip
            sound = False
    for name, entry in item.entries.items():
        if name not in types:
            report.error(
                "scenario-catalogue", f"`{declared.name}` has no column `{name}`", entry.key_span,
                help=suggest(name, types) or f"its columns are {', '.join(types)}",
            )  # fmt: skip
            sound = False
            continue
        text, type_ = _text(entry), types[name]
        read = parse_decimal(text) if type_ is None else cell_value(text, type_)
        if read is None:
            what = "decimal number" if type_ is None else f"value of {type_name(type_)}"
            report.error(
                "scenario-value", f"`{text}` is no {what}", entry.value.span,
                help="write it as the catalogue's file would, or leave it out",
            )  # fmt: skip
            sound = False
    return sound and _bounds_checked(item, base, report)


def _bounds_checked(item: Mapping, base: TypedCatalogue, report: Report) -> bool:
    """Whether the bounds of deciles are all there or none (d1 may be missing), worst to best."""
    bounds = {
        name: parse_decimal(_text(item.entries[name])) or Fraction(0)
        for name in DECILES
        if name in item.entries
    }
    declared = base.declared.bounds
    if declared is None or not bounds:
        return True
    inverse = declared.inverse in item.entries and _text(item.entries[declared.inverse]) == "yes"
    sign = -1 if inverse else 1
    missing = [name for name in DECILES[1:] if name not in bounds]
    wrong = [b for a, b in pairwise(bounds) if (bounds[b] - bounds[a]) * sign < 0]
    if missing or wrong:
        said = f"has no {missing[0]}" if missing else f"has {wrong[0]} on the wrong side"
        report.error(
            "scenario-catalogue", f"this {base.declared.name} {said}", item.span,
            help="bounds go from worst to best, d2 to d10; d1 may be left out",
        )  # fmt: skip
        return False
    return True
