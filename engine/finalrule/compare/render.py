"""A comparison to be read: as text and as Markdown. Both list the names that the data lists."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence

from finalrule.columns import columns, paragraph
from finalrule.compare.data import counts, is_listed
from finalrule.compare.model import CatalogueDiff, Comparison, Difference, Side, unit_note
from finalrule.core.compile import Compiled

_NOT_THERE = "(not there)"
_ASSUMED = "Assumed values, outside the policy"
_SAME = "The same, cited otherwise"
_CATALOGUES = "Catalogues"
_WORDS = {
    "parameter": ("parameter", "parameters"),
    "rounding": ("rounding rule", "rounding rules"),
    "table": ("table", "tables"),
    "table_row": ("table row", "table rows"),
    "table_cell": ("table cell", "table cells"),
    "variant": ("rule variant", "rule variants"),
    "catalogue": ("catalogue record or cell", "catalogue records and cells"),
    "assumed": ("assumed value (outside the policy)", "assumed values (outside the policy)"),
}


def summary(comparison: Comparison) -> str:
    """One line with the counts."""
    found = counts(comparison)
    otherwise = found.pop("same_but_cited_otherwise")
    total = sum(found.values())
    if total:
        shown = [_counted(n, *_WORDS[kind]) for kind, n in found.items() if n]
        said = f"{_counted(total, 'difference', 'differences')}: {', '.join(shown)}."
    else:
        said = "No difference."
    return f"{said} {otherwise:,} the same but cited otherwise." if otherwise else said


def _counted(number: int, one: str, several: str) -> str:
    return f"{number:,} {one if number == 1 else several}"


def _groups(comparison: Comparison) -> Iterator[tuple[str, list[Difference]]]:
    """The differences under their headings; those of catalogues aside."""

    def heading(difference: Difference) -> str:
        return _ASSUMED if difference.kind == "assumed" else difference.part

    for title, group in itertools.groupby(comparison.differences, heading):
        yield title, list(group)


def _label(difference: Difference) -> str:
    """What stands before a name where that alone does not tell what it is."""
    return {"rounding": "rounding ", "variant": "rule ", "table": "table "}.get(difference.kind, "")


def _unit(difference: Difference) -> str:
    notes = (
        unit_note(difference.unit, side.value) for side in (difference.a, difference.b) if side
    )
    return next((note for note in notes if note), "")


def _cite(side: Side) -> str:
    return f"{side.cite}, unverified" if side.unverified else side.cite


def _policies(comparison: Comparison) -> list[tuple[str, Compiled, str]]:
    return [
        (compiled.work.policy.id, compiled, path)
        for compiled, path in (
            (comparison.a, comparison.a_path), (comparison.b, comparison.b_path),
        )
    ]  # fmt: skip


def _about(compiled: Compiled, path: str) -> list[str]:
    policy = compiled.work.policy
    return [
        policy.title,
        f"performance year {policy.performance_year}, payment year {policy.payment_year}",
        f"published {policy.published.date.isoformat()}, {policy.published.cite.text}",
        f"{path}, digest {compiled.program.digest[:12]}",
    ]


# --- text ----------------------------------------------------------------------------------------


def text(comparison: Comparison, all_records: bool) -> str:
    """The comparison as text of 100 columns."""
    lines: list[str] = []
    width = max(len(policy) for policy, _, _ in _policies(comparison))
    for policy, compiled, path in _policies(comparison):
        for label, said in zip([policy, "", "", ""], _about(compiled, path), strict=True):
            lines += paragraph(said, 0, f"{label:{width}}  ")
    for title, group in _groups(comparison):
        lines += ["", title, ""]
        lines += _blocks(group, comparison)
    if comparison.catalogues:
        lines += ["", _CATALOGUES]
        for catalogue in comparison.catalogues:
            lines += ["", *_catalogue(catalogue, comparison, all_records)]
    if comparison.citations:
        lines += ["", _SAME, "", *_citations(comparison)]
    return "\n".join([*lines, "", *paragraph(summary(comparison), 0)])


def _blocks(group: Sequence[Difference], comparison: Comparison) -> list[str]:
    """Each difference: its name, and a line for each policy."""
    ids = [policy for policy, _, _ in _policies(comparison)]
    sides = [side for difference in group for side in (difference.a, difference.b)]
    rows = [
        (policy, side.text, _cite(side), side.place) if side else (policy, _NOT_THERE, "", "")
        for policy, side in zip(itertools.cycle(ids), sides)
    ]
    aligned = iter(columns(rows, indent=4))
    lines: list[str] = []
    for difference in group:
        lines.append(f"  {_label(difference)}{difference.name}{_unit(difference)}")
        for side in (difference.a, difference.b):
            lines += next(aligned)
            if side is not None and side.note:
                lines += paragraph(side.note, 6 + max(map(len, ids)), "note: ")
    return lines


def _catalogue(catalogue: CatalogueDiff, comparison: Comparison, all_records: bool) -> list[str]:
    lines = [f"  {catalogue.name}", *paragraph(_changes(catalogue, comparison), 4)]
    ids = [policy for policy, _, _ in _policies(comparison)]
    files = [
        (policy, f"policies/{side.text}", _cite(side))
        for policy, side in zip(ids, (catalogue.a, catalogue.b), strict=True)
    ]
    lines += itertools.chain.from_iterable(columns(files, indent=4))
    if is_listed(catalogue, all_records):
        rows = [_record(difference) for difference in catalogue.differences]
        lines += itertools.chain.from_iterable(columns(rows, indent=4))
    else:
        lines.append("    --catalogues lists them")
    return lines


def _changes(catalogue: CatalogueDiff, comparison: Comparison) -> str:
    first, second = (policy for policy, _, _ in _policies(comparison))
    parts = [
        f"{catalogue.only_a:,} only in {first}" if catalogue.only_a else "",
        f"{catalogue.only_b:,} only in {second}" if catalogue.only_b else "",
        f"{_counted(catalogue.cells, 'cell', 'cells')} changed,"
        f" {catalogue.read_cells:,} in columns that rules may read"
        if catalogue.cells
        else "",
    ]
    before, after = catalogue.records
    return f"{before:,} and {after:,} records; " + ", ".join(part for part in parts if part)


def _record(difference: Difference) -> tuple[str, str, str, str]:
    """A record or cell as a row: what happened to it, its name, its cells, its lines."""
    a, b = difference.a, difference.b
    if a is not None and b is not None:
        lines = f"lines {_line(a)}, {_line(b)}"
        return "~", difference.name, f"{a.text} -> {b.text}", lines
    side = a or b
    assert side is not None
    return "+" if a is None else "-", difference.name, side.text, f"line {_line(side)}"


def _line(side: Side) -> str:
    return side.place.rpartition(":")[2]


def _citations(comparison: Comparison) -> list[str]:
    """Each name with what both say, and a line for the citation of each policy."""
    ids = [policy for policy, _, _ in _policies(comparison)]
    sides = [side for each in comparison.citations for side in (each.a, each.b) if side]
    rows = zip(itertools.cycle(ids), map(_cite, sides), (side.place for side in sides))
    aligned = iter(columns(list(rows), indent=4))
    lines: list[str] = []
    for each in comparison.citations:
        shown = _same(each)
        name = f"{_label(each)}{each.name}{_unit(each)}"
        lines += paragraph(f"{name}: {shown}" if shown else name, 2, hang=4)
        lines += [*next(aligned), *next(aligned)]
    return lines


def _same(difference: Difference) -> str:
    """What both policies say; a whole row or file is not repeated."""
    side = difference.b
    return side.text if side and difference.kind not in ("table_row", "catalogue") else ""


# --- Markdown ------------------------------------------------------------------------------------


def markdown(comparison: Comparison, all_records: bool) -> str:
    """The comparison as Markdown, a table for each part of the regulation."""
    policies = _policies(comparison)
    ids = [policy for policy, _, _ in policies]
    abouts = [_about(compiled, path) for _, compiled, path in policies]
    lines = [f"# {ids[0]} and {ids[1]}", "", _escaped(summary(comparison)), ""]
    heads = zip(("Title", "Years", "Published", "Year file"), *abouts, strict=True)
    lines += _table(("", *ids), [[_escaped(cell) for cell in row] for row in heads])
    for title, group in _groups(comparison):
        lines += ["", f"## {_escaped(title)}", ""]
        lines += _table(("Name", *ids), [_row(difference) for difference in group])
    for catalogue in comparison.catalogues:
        lines += ["", f"## Catalogue {_code(catalogue.name)}", ""]
        lines += [_escaped(_changes(catalogue, comparison)) + ".", ""]
        rows = [["file", _cell(catalogue.a), _cell(catalogue.b)]]
        if is_listed(catalogue, all_records):
            rows += [_row(difference) for difference in catalogue.differences]
        lines += _table(("Name", *ids), rows)
    if comparison.citations:
        lines += ["", f"## {_SAME}", ""]
        lines += _table(("Name", *ids), [_row(each) for each in comparison.citations])
    return "\n".join(lines)


def _row(difference: Difference) -> list[str]:
    name = f"{_label(difference)}{_code(difference.name)}{_unit(difference)}"
    return [name, _cell(difference.a), _cell(difference.b)]


def _cell(side: Side | None) -> str:
    if side is None:
        return _NOT_THERE
    parts = [f"**{_escaped(side.text)}**", _escaped(_cite(side)), _code(side.place)]
    if side.note:
        parts.append(f"note: {_escaped(side.note)}")
    return "<br>".join(parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        "|" + "---|" * len(head),
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def _code(name: str) -> str:
    return f"`{name}`"


def _escaped(said: str) -> str:
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", said)
