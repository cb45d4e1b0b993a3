"""What changed between two policies, by name: figures, table cells, variants, catalogue records.

Lines, order and formatting do not count; nor do notes and `carried_from`. What is the same under
another citation, or marked `unverified` in one policy alone, is told apart: it is no difference of
the policies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from finalrule.compare.model import KINDS, Comparison, Difference, Kind
from finalrule.compare.records import catalogue_diffs
from finalrule.compare.stated import (
    Stated,
    StatedRow,
    StatedTable,
    Statements,
    is_cfr,
    part_of,
    part_order,
)
from finalrule.core.compile import Compiled, compile_policy, read_rules
from finalrule.diagnostics import Diagnostic, Failure, suggest
from finalrule.load import policy_path
from finalrule.places import policies_root
from finalrule.policy.resolve import load_policy
from finalrule.policy.sources import load_sources


def compile_named(policy: str, root: Path | None = None) -> Compiled:
    """A policy by its id, compiled through every stage, with what the compiler knows beside the
    program. Raises Failure."""
    folder = root or policies_root()
    resolved = load_policy(policy_path(policy, folder), folder)
    return compile_policy(resolved, read_rules(folder / "rules"), load_sources(folder))


def compile_both(a: str, b: str, root: Path | None = None) -> tuple[Compiled, Compiled]:
    """Two policies compiled. Raises Failure with the errors of both."""
    compiled: list[Compiled] = []
    found: list[Diagnostic] = []
    for policy in (a, b):
        try:
            compiled.append(compile_named(policy, root))
        except Failure as failure:
            found += [one for one in failure.diagnostics if one not in found]
    if found:
        raise Failure(found)
    first, second = compiled
    return first, second


def compare(a: Compiled, b: Compiled, part: str = "") -> Comparison:
    """What two policies that were compiled from the same rules differ in; with `part`, only what
    belongs to that section or paragraph. Raises Failure where a catalogue's file cannot be read,
    and where neither policy states anything of the part."""
    one, other = Statements(a), Statements(b)
    _check_part(part, {*one.paragraphs(), *other.paragraphs()})
    catalogues = [d for d in catalogue_diffs(one, other) if is_within(d.paragraph, part)]
    other_files = {catalogue.name for catalogue in catalogues}
    differences: list[Difference] = []
    citations: list[Difference] = []
    for differs, found in _all(one, other):
        if not is_within(found.paragraph, part) or found.name in other_files:
            continue
        (differences if differs else citations).append(found)
    return Comparison(
        a, b, one.path, other.path, tuple(sorted(differences, key=_order)),
        tuple(sorted(citations, key=_order)), tuple(catalogues), part,
    )  # fmt: skip


def is_within(paragraph: str, part: str) -> bool:
    """Whether a citation is of a part of the regulation, or of a paragraph below it."""
    rest = paragraph.removeprefix(part)
    return not part or (rest != paragraph and (not rest or rest[0] in "( "))


def _check_part(part: str, paragraphs: set[str]) -> None:
    if part and not any(is_within(paragraph, part) for paragraph in paragraphs):
        sections = sorted({part_of(paragraph) for paragraph in paragraphs})
        raise Failure(
            [
                Diagnostic(
                    "unknown-part",
                    f"neither policy states anything of `{part}`",
                    help=suggest(part, {*sections, *paragraphs})
                    or f"the parts are {', '.join(sections)}",
                )
            ]
        )


def _order(found: Difference) -> tuple[bool, tuple[bool, int, int, str], int]:
    """Assumed values last; then by part, and by kind as the kinds are listed."""
    return (found.kind == "assumed", part_order(found.part), KINDS.index(found.kind))


_Found = Iterator[tuple[bool, Difference]]


def _all(a: Statements, b: Statements) -> _Found:
    yield from _pairs("parameter", a.parameters, b.parameters)
    yield from _pairs("rounding", a.roundings, b.roundings)
    for name in _names(a.tables, b.tables):
        yield from _table(name, a.tables.get(name), b.tables.get(name))
    yield from _pairs("variant", a.variants, b.variants)
    yield from _pairs("catalogue", a.catalogues, b.catalogues)
    yield from _pairs("assumed", a.assumed, b.assumed)


def _names(a: Iterable[str], b: Iterable[str]) -> list[str]:
    """All names once: those of b in its order, then those of a alone."""
    return list(dict.fromkeys((*b, *a)))


def _pairs(kind: Kind, a: Mapping[str, Stated], b: Mapping[str, Stated]) -> _Found:
    for name in _names(a, b):
        yield from _pair(kind, name, a.get(name), b.get(name))


def _pair(kind: Kind, name: str, a: Stated | None, b: Stated | None) -> _Found:
    differs = a is None or b is None or a.identity != b.identity
    if differs or _cited(a) != _cited(b):
        yield differs, _difference(kind, name, a, b)


def _cited(stated: Stated | None) -> tuple[str, bool] | None:
    return None if stated is None else (stated.side.cite, stated.side.unverified)


def _difference(kind: Kind, name: str, a: Stated | None, b: Stated | None) -> Difference:
    there = [stated for stated in (b, a) if stated is not None]
    paragraph = next(
        (each.paragraph for each in there if is_cfr(each.paragraph)), there[0].paragraph
    )
    sides = [None if stated is None else stated.side for stated in (a, b)]
    return Difference(kind, name, part_of(paragraph), paragraph, there[0].unit, *sides)


def _table(name: str, a: StatedTable | None, b: StatedTable | None) -> _Found:
    if a is None or b is None:
        yield True, _difference("table", name, _head(a), _head(b))
        return
    for row in _names(a.rows, b.rows):
        yield from _row(f"{name}.{row}", a.rows.get(row), b.rows.get(row))


def _row(name: str, a: StatedRow | None, b: StatedRow | None) -> _Found:
    if a is None or b is None:
        yield True, _difference("table_row", name, _head(a), _head(b))
        return
    changed = [
        column
        for column in _names(a.cells, b.cells)
        if column not in a.cells
        or column not in b.cells
        or a.cells[column].identity != b.cells[column].identity
    ]
    for column in changed:
        here, there = a.cells.get(column), b.cells.get(column)
        yield True, _difference("table_cell", f"{name}.{column}", here, there)
    if not changed and _cited(a.stated) != _cited(b.stated):
        yield False, _difference("table_row", name, a.stated, b.stated)


def _head(found: StatedTable | StatedRow | None) -> Stated | None:
    return None if found is None else found.stated
