"""What a compiled policy states, by name, each with what makes it the same as another's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from finalrule.citations import Citation, parse_citation
from finalrule.compare.model import Side
from finalrule.core import ir
from finalrule.core.bind import unit_of
from finalrule.core.compile import Compiled
from finalrule.core.expressions import constant_value
from finalrule.core.readers import Read, readers
from finalrule.policy.model import Figure, RowCells, TableRows
from finalrule.source import Place
from finalrule.values import Number, Type, Value, decimal_text, show

_CFR = re.compile(r"^\d+ CFR \d+\.\d+")
_SECTION = re.compile(r"^\d+ CFR (\d+)\.(\d+)$")


@dataclass(frozen=True, slots=True)
class Stated:
    """One thing that a policy states. Two are the same when their `identity` is equal. `paragraph`
    is the paragraph of the regulation that it belongs to."""

    identity: object
    side: Side
    paragraph: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class StatedRow:
    """A table's row; `cells` by column, `gives` what it gives, as text."""

    stated: Stated
    cells: dict[str, Stated]
    gives: str


@dataclass(frozen=True, slots=True)
class StatedTable:
    """A table; `rows` by name."""

    stated: Stated
    rows: dict[str, StatedRow]


class Statements:
    """What one policy states, each kind by name. `path` is its year file, from policies/ on."""

    def __init__(self, compiled: Compiled) -> None:
        self.work = compiled.work
        self.policy, self.known = compiled.work.policy, compiled.work.known
        self.path = self.policy.span.place.path
        self._rules = {one.rule.name: one.rule for one in self.work.ordered}
        self._readers = readers(self.work.ordered)
        self.parameters = {
            name: self._figure(figure, self.known.parameters[name].type, Read("parameter", name))
            for name, figure in self.policy.parameters.items()
        }
        self.roundings = self._roundings()
        self.tables = self._tables()
        self.variants = self._variants()
        self.catalogues = self._catalogues()
        self.assumed = {}
        for name, figure in self.policy.assumed.items():
            entity, _, fact = name.partition(".")
            type_ = self.known.facts[entity, fact].type
            self.assumed[name] = self._figure(figure, type_, Read("fact", name))

    def paragraphs(self) -> Iterator[str]:
        """The paragraphs that statements belong to."""
        for kind in (
            self.parameters, self.roundings, self.variants, self.catalogues, self.assumed,
        ):  # fmt: skip
            yield from (stated.paragraph for stated in kind.values())
        for table in self.tables.values():
            yield table.stated.paragraph
            yield from (row.stated.paragraph for row in table.rows.values())

    def _paragraph(self, cite: Citation, *rules: str) -> str:
        """The citation where it is one of the regulation, else the first of the regulation that one
        of the rules cites, else the citation all the same."""
        cited = [cite.text, *(cited for rule in rules for cited in self._rules[rule].cites)]
        return next((each for each in cited if is_cfr(each)), cite.text)

    # --- figures ---------------------------------------------------------------------------------

    def _figure(self, figure: Figure, type_: Type, read: Read) -> Stated:
        text, value = figure.status.replace("_", " "), str(figure.status)
        if figure.value is not None:
            text, value = show(figure.value, type_), bare(figure.value, type_)
        return Stated(
            (figure.unit, figure.value, figure.status),
            Side(
                text, value, figure.cite.text, _at(figure.span.place), figure.unverified,
                figure.note,
            ),
            self._paragraph(figure.cite, *self._readers.get(read, ())),
            figure.unit,
        )  # fmt: skip

    def _roundings(self) -> dict[str, Stated]:
        found = {}
        for name, each in self.policy.roundings.items():
            places = f"{each.places} place{'' if each.places == 1 else 's'}"
            text, value = f"{places} of {each.unit}, {each.mode}", f"{each.places}, {each.mode}"
            place = _at(each.span.place)
            found[name] = Stated(
                (each.unit, each.places, each.mode),
                Side(text, value, each.cite.text, place, each.unverified, each.note),
                self._paragraph(each.cite, *self._readers.get(Read("rounding", name), ())),
                each.unit,
            )
        return found

    # --- tables ----------------------------------------------------------------------------------

    def _tables(self) -> dict[str, StatedTable]:
        # Several tables may have the rows of one in the year file.
        found: dict[str, StatedTable] = {}
        for one in self.work.ordered:
            if isinstance(one.rule, ir.Table) and one.rows and one.rows.name not in found:
                found[one.rows.name] = self._table(one.rule, one.rows)
        return {name: found[name] for name in self.policy.tables}

    def _table(self, table: ir.Table, stated: TableRows) -> StatedTable:
        count = f"{len(stated.rows)} row{'' if len(stated.rows) == 1 else 's'}"
        place = _at(stated.span.place)
        side = Side(count, count, stated.cite.text, place, note=stated.note)
        return StatedTable(
            Stated(None, side, self._paragraph(stated.cite, table.name)),
            {row.name: self._row(row, stated.rows[row.name], table) for row in table.rows},
        )

    def _row(self, row: ir.Row, stated: RowCells, table: ir.Table) -> StatedRow:
        paragraph = self._paragraph(stated.cite, table.name)
        cells: dict[str, Stated] = {}

        def side(text: str, value: str, place: Place) -> Side:
            return Side(text, value, stated.cite.text, _at(place), stated.unverified, stated.note)

        for key, cell in zip(table.given, row.cells, strict=True):
            written = stated.cells.get(key.name)
            text = written.text if written else "any"
            place = written.span.place if written else stated.span.place
            cells[key.name] = Stated(cell, side(text, text, place), paragraph, unit_of(key.type))
        for key, constant in zip(table.gives, row.values, strict=True):
            value = constant_value(constant)
            place = stated.cells[key.name].span.place
            shown = side(show(value, key.type), bare(value, key.type), place)
            cells[key.name] = Stated(constant, shown, paragraph, unit_of(key.type))
        said = [f"{column} {cell.side.text}" for column, cell in cells.items()]
        given, gives = (
            ", ".join(part) for part in (said[: len(row.cells)], said[len(row.cells) :])
        )
        text = f"{given} -> {gives}"
        whole = Stated(None, side(text, text, stated.span.place), paragraph)
        return StatedRow(whole, cells, gives)

    # --- rules and catalogues --------------------------------------------------------------------

    def _variants(self) -> dict[str, Stated]:
        found = {}
        for name, blocks in self.known.rules.items():
            written, said = self.work.in_force.get(name), self.policy.rules.get(name)
            block = written or blocks[0]
            variant = written.variant if written else ""
            text = (variant or "in force") if written else "not in force"
            cites = [cite.text for cite in block.syntax.cites]
            if said is None:
                place = block.span(block.syntax.name).place
                side = Side(text, text, cites[0], _at(place))
            else:
                place = said.span.place
                side = Side(text, text, said.cite.text, _at(place), said.unverified, said.note)
                cites = [said.cite.text, *cites]
            paragraph = next((cite for cite in cites if is_cfr(cite)), cites[0])
            found[name] = Stated((written is not None, variant), side, paragraph)
        return found

    def _catalogues(self) -> dict[str, Stated]:
        found = {}
        for name, file in self.policy.catalogues.items():
            place = _at(file.span.place)
            found[name] = Stated(
                name,  # what the files hold is compared by key and cell
                Side(file.path, file.path, file.cite.text, place, file.unverified, file.note),
                self._paragraph(file.cite, *self._readers.get(Read("catalogue", name), ())),
            )
        return found


def _at(place: Place) -> str:
    return f"{place.path}:{place.line}"


def is_cfr(cite: str) -> bool:
    """Whether a citation is of the Code of Federal Regulations."""
    return _CFR.match(cite) is not None


def part_of(paragraph: str) -> str:
    """What to group a citation by: the section of the regulation, else the work that is cited."""
    if match := _CFR.match(paragraph):
        return match[0]
    parsed = parse_citation(paragraph)
    return parsed.part if parsed else paragraph.partition(" ")[0]


def part_order(part: str) -> tuple[bool, int, int, str]:
    """The order of parts: sections of the regulation by number, then other works."""
    match = _SECTION.match(part)
    return (False, int(match[1]), int(match[2]), "") if match else (True, 0, 0, part)


def bare(value: Value, type_: Type) -> str:
    """A value without its unit: of a number the decimal in the unit's display."""
    if isinstance(value, Fraction) and isinstance(type_, Number):
        return decimal_text(value * 100 if type_.unit == "percent" else value)
    return show(value, type_)
