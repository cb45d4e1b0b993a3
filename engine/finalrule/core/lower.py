"""Fourth stage: the rules in force, lowered to the core."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from finalrule.core import ir
from finalrule.core.declare import Declarations, Written, as_constant, constant, declared_type
from finalrule.core.elaborate import catalogue_keys, elaborate
from finalrule.core.scope import Scope
from finalrule.diagnostics import Label, Report, suggest
from finalrule.language import syntax as s
from finalrule.policy.model import CellText, Policy, RowCells, TableRows
from finalrule.values import (
    YES_NO,
    Enumeration,
    Number,
    Type,
    YesNo,
    one_of,
    parse_number,
    parse_value,
    type_name,
    within,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lowered:
    """A rule in the core, and what only the checks need: the table's row checks, the curve's
    declared direction and jumps, the rows' places."""

    rule: ir.AnyRule
    written: Written
    checks: tuple[tuple[s.Expression, ir.Expr], ...] = ()
    never: str = ""
    jumps: tuple[tuple[s.JumpSyntax, ir.Expr], ...] = ()
    rows: TableRows | None = None


def lower(
    known: Declarations, policy: Policy, in_force: Mapping[str, Written], report: Report
) -> dict[str, Lowered]:
    """Every rule in force, by name. Variants that are not in force are checked all the same."""
    lowered: dict[str, Lowered] = {}
    names = frozenset(in_force)
    tables = {
        written.syntax.rows_of.text if written.syntax.rows_of else name
        for name, written in in_force.items()
        if written.syntax.kind == "table"
    }
    for name, table in policy.tables.items():
        if name not in tables:
            report.error(
                "unknown-table", f"no table in force is named `{name}`", table.span,
                help=suggest(name, tables) or "delete it, or declare the table in a rules file",
            )  # fmt: skip
    for name, blocks in known.rules.items():
        if name not in known.shapes:
            continue
        for written in blocks:
            chosen = in_force.get(name) is written
            one = _Lower(known, policy, written, names, report).rule(chosen)
            if one is not None and chosen:
                lowered[name] = one
    return lowered


class _Lower:
    def __init__(
        self,
        known: Declarations,
        policy: Policy,
        written: Written,
        in_force: frozenset[str],
        report: Report,
    ) -> None:
        self.known, self.policy, self.written, self.report = known, policy, written, report
        self.syntax = written.syntax
        self.scope = Scope(known, written.source, self.syntax.entity.text, in_force, report)

    def rule(self, chosen: bool) -> Lowered | None:
        """The rule; None when it is too broken to be lowered (reported)."""
        if not self.syntax.cites:
            self.report.error(
                "missing-citation", f"rule `{self.syntax.name.text}` has no citation",
                self.written.span(self.syntax), help='add a line `cites "42 CFR ..."`',
            )  # fmt: skip
        if self.syntax.prints and self.syntax.prints.text not in self.known.roundings:
            self.scope.error(
                "unknown-rounding", f"unknown rounding `{self.syntax.prints.text}`",
                self.syntax.prints, help=suggest(self.syntax.prints.text, self.known.roundings),
            )  # fmt: skip
        match self.syntax.kind:
            case "rule":
                return self._choice()
            case "table":
                return self._table(chosen)
            case "curve":
                return self._curve()
            case "deciles":
                return self._deciles()
            case _:
                return self._select()

    def _common(self) -> dict[str, object]:
        syntax, stated = self.syntax, self.policy.rules.get(self.syntax.name.text)
        return {
            "name": syntax.name.text,
            "entity": syntax.entity.text,
            "variant": self.written.variant,
            "title": syntax.title,
            "cites": tuple(cite.text for cite in syntax.cites),
            "prints": syntax.prints.text if syntax.prints else "",
            "lets": tuple(self._lets()),
            "place": self.written.span(syntax).place,
            "force_cite": str(stated.cite) if stated else "",
            "force_place": stated.span.place if stated else None,
        }

    def _lets(self) -> list[ir.Named]:
        named = []
        for let in self.syntax.lets:
            name = let.name.text
            taken = name in self.scope.lets or (self.scope.entity, name) in self.known.facts
            if taken or name in self.known.shapes:
                self.scope.error(
                    "name-taken", f"`{name}` is already a fact, rule or let here", let.name,
                    help="give the let another name",
                )  # fmt: skip
                continue
            typed = elaborate(let.value, self.scope)
            self.scope.lets[name] = typed.type
            named.append(ir.Named(name, typed.expr))
        return named

    def _output(self) -> Type:
        return self.known.shapes[self.syntax.name.text].outputs[""]

    def _unique(self, names: list[s.Name], what: str) -> None:
        seen: dict[str, s.Name] = {}
        for name in names:
            if name.text in seen:
                self.scope.error(
                    "declared-twice", f"two {what}s are named `{name.text}`",
                    name, seen[name.text], help="each needs a name of its own",
                )  # fmt: skip
            seen[name.text] = name

    # --- rule ----------------------------------------------------------------------------------

    def _choice(self) -> Lowered | None:
        common, output = self._common(), self._output()
        self._unique([clause.name for clause in self.syntax.clauses], "clause")
        clauses = []
        for clause in self.syntax.clauses:
            value = elaborate(clause.value, self.scope, output)
            when = elaborate(clause.when, self.scope, YES_NO).expr if clause.when else None
            clauses.append(
                ir.Clause(
                    clause.name.text, value.expr, when, clause.kind,  # type: ignore[arg-type]
                    clause.because, tuple(cite.text for cite in clause.cites),
                    self.written.span(clause).place,
                )  # fmt: skip
            )
        kinds = [clause.kind for clause in self.syntax.clauses]
        if not kinds:
            self._incomplete("it has no clause", "add `clause NAME: VALUE when CONDITION`")
            return None
        if kinds.count("otherwise") > 1 or ("always" in kinds and len(kinds) > 1):
            self._incomplete(
                "`always` stands alone and `otherwise` at most once", "use `when` for the others"
            )
        if kinds == ["otherwise"]:
            self._incomplete("`otherwise` needs another clause", "write `always`")
        return Lowered(
            ir.Choice(**common, type=output, clauses=tuple(clauses)),  # type: ignore[arg-type]
            self.written,
        )

    def _incomplete(self, message: str, help: str) -> None:
        self.scope.error(
            "incomplete-rule", f"rule `{self.syntax.name.text}`: {message}", self.syntax, help=help
        )

    # --- table ---------------------------------------------------------------------------------

    def _table(self, chosen: bool) -> Lowered | None:
        syntax = self.syntax
        common = self._common()
        lets: list[ir.Named] = list(common["lets"])  # type: ignore[call-overload]
        gather = self.known.shapes[syntax.name.text].outputs
        given = []
        columns = Scope(
            self.known, self.written.source, self.scope.entity, frozenset(), self.report
        )
        for column in syntax.given:
            type_ = self._column_type(column)
            assert column.value is not None
            lets.append(ir.Named(column.name.text, elaborate(column.value, self.scope, type_).expr))
            given.append(ir.Key(column.name.text, type_))
            columns.lets[column.name.text] = type_
        self._unique([c.name for c in (*syntax.given, *syntax.gives)], "column")
        where = elaborate(syntax.where, columns, YES_NO).expr if syntax.where else None
        outside = None
        if syntax.outside is not None:
            outside = self._outside(list(gather.values()))
        if (where is None) != (syntax.outside is None):
            self._incomplete("`where` and `outside gives` go together", "write both or neither")
        columns.lets.update(gather)
        checks = tuple(
            (check, elaborate(check, columns, YES_NO).expr) for check in syntax.checks
        )
        gives = tuple(ir.Key(name, type_) for name, type_ in gather.items())
        common["lets"] = tuple(lets)
        stated = self.policy.tables.get(syntax.rows_of.text if syntax.rows_of else syntax.name.text)
        if stated is None:
            if chosen:
                self.report.error(
                    "missing-table",
                    f"policy {self.policy.id} has no rows for table `{syntax.name.text}`",
                    Label(self.policy.span, "this policy"),
                    Label(self.written.span(syntax), "declared here"),
                    help="add the rows under `tables:`",
                )
            return None
        rows = tuple(self._row(row, tuple(given), gives) for row in stated.rows.values())
        table = ir.Table(
            **common, given=tuple(given), gives=gives, where=where, outside=outside, rows=rows,  # type: ignore[arg-type]
        )  # fmt: skip
        return Lowered(table, self.written, checks=checks, rows=stated)

    def _column_type(self, column: s.TypedName) -> Type:
        return declared_type(self.known, column.type, self.written.source, self.report)

    def _outside(self, types: list[Type]) -> tuple[ir.Constant, ...]:
        written = self.syntax.outside or ()
        if len(written) != len(types):
            self._incomplete(
                f"`outside gives` has {len(written)} values for {len(types)} outputs",
                "give one value for each output, in order",
            )
            return ()
        constants = [
            constant(value, type_, self.written.source, self.report)
            for value, type_ in zip(written, types, strict=True)
        ]
        return tuple(value for value in constants if value is not None)

    def _row(
        self, row: RowCells, given: tuple[ir.Key, ...], gives: tuple[ir.Key, ...]
    ) -> ir.Row:
        known = [key.name for key in (*given, *gives)]
        for name, cell in row.cells.items():
            if name not in known:
                self.report.error(
                    "unknown-column", f"table `{self.syntax.name.text}` has no column `{name}`",
                    cell.span, help=suggest(name, known) or f"its columns are {one_of(known)}",
                )  # fmt: skip
        missing = [name for name in known if name not in row.cells]
        if missing:
            self.report.error(
                "missing-column", f"row `{row.name}` has no {one_of(missing)}", row.span,
                help="a row states every column",
            )  # fmt: skip
        cells = tuple(self._cell(row.cells.get(key.name), key.type) for key in given)
        values = tuple(self._cell_value(row.cells.get(key.name), key.type) for key in gives)
        return ir.Row(row.name, cells, values, str(row.cite), row.span.place, row.unverified)

    def _cell_value(self, cell: CellText | None, type_: Type) -> ir.Constant:
        value = parse_value(cell.text, type_) if cell else None
        if value is None or not within(value, type_):
            if cell:
                self._wrong_cell(cell, type_)
            return ir.Bool(False)
        return as_constant(value, type_)

    def _wrong_cell(self, cell: CellText, type_: Type) -> None:
        self.report.error(
            "wrong-cell", f"`{cell.text}` is no value of {type_name(type_)}",
            cell.span, help=f"write a value of {type_name(type_)}",
        )  # fmt: skip

    def _cell(self, cell: CellText | None, type_: Type) -> ir.Cell:
        if cell is None or cell.text == "any":
            return ir.Cell()
        if isinstance(type_, YesNo | Enumeration):
            if parse_value(cell.text, type_) is None:
                self._wrong_cell(cell, type_)
            return ir.Cell(equals=cell.text)
        parsed = _range(cell.text, type_) if isinstance(type_, Number) else None
        if parsed is None:
            self._wrong_cell(cell, type_)
            return ir.Cell()
        return parsed

    # --- curve ---------------------------------------------------------------------------------

    def _curve(self) -> Lowered | None:
        syntax, common, output = self.syntax, self._common(), self._output()
        if not isinstance(output, Number) or syntax.of is None:
            self._incomplete("a curve is of a number and gives a number", "add `of EXPRESSION`")
            return None
        of = elaborate(syntax.of, self.scope)
        if not isinstance(of.type, Number):
            return None
        self._unique([piece.name for piece in syntax.pieces], "piece")
        pieces = tuple(self._piece(piece, of.type, output) for piece in syntax.pieces)
        jumps = tuple(
            (jump, elaborate(jump.place, self.scope, of.type).expr) for jump in syntax.jumps
        )
        curve = ir.Curve(**common, type=output, of=of.expr, pieces=pieces)  # type: ignore[arg-type]
        return Lowered(curve, self.written, never=syntax.never, jumps=jumps)

    def _piece(self, piece: s.PieceSyntax, of: Number, output: Number) -> ir.Piece:
        def x(node: s.Expression) -> ir.Expr:
            return elaborate(node, self.scope, of).expr

        def y(node: s.Expression) -> ir.Expr:
            return elaborate(node, self.scope, output).expr

        line = [(x(a), y(b)) for a, b in piece.points]
        return ir.Piece(
            piece.name.text, x(piece.low), piece.low_included, x(piece.high), piece.high_included,
            "line" if line else "flat",
            line[0][0] if line else None,
            line[0][1] if line else y(piece.flat) if piece.flat else ir.Bool(False),
            line[1][0] if line else None,
            line[1][1] if line else None,
            tuple(cite.text for cite in piece.cites), self.written.span(piece).place,
        )  # fmt: skip

    # --- deciles -------------------------------------------------------------------------------

    def _deciles(self) -> Lowered | None:
        syntax, common, output = self.syntax, self._common(), self._output()
        needed = (syntax.of, syntax.catalogue, syntax.rounding, syntax.below, syntax.none)
        if any(part is None for part in needed) or not isinstance(output, Number):
            self._incomplete(
                "deciles need `of`, `in`, `rounding`, `below gives` and `none gives`",
                "add the missing line",
            )
            return None
        assert syntax.of and syntax.catalogue and syntax.rounding and syntax.below and syntax.none
        found, keys = catalogue_keys(syntax.catalogue, syntax.keys, self.scope)
        if found is None or found.bounds is None:
            self._incomplete("its catalogue has no `bounds`", "name a catalogue with bounds")
            return None
        if syntax.rounding.text not in self.known.roundings:
            self.scope.error(
                "unknown-rounding", f"unknown rounding `{syntax.rounding.text}`", syntax.rounding,
                help=suggest(syntax.rounding.text, self.known.roundings),
            )  # fmt: skip
        deciles = ir.Deciles(
            **common, type=output, of=elaborate(syntax.of, self.scope, _rate()).expr,  # type: ignore[arg-type]
            catalogue=found.name, keys=keys, rounding=syntax.rounding.text,
            below=elaborate(syntax.below, self.scope, output).expr,
            none=elaborate(syntax.none, self.scope, output).expr,
        )  # fmt: skip
        return Lowered(deciles, self.written)

    # --- select --------------------------------------------------------------------------------

    def _select(self) -> Lowered | None:
        syntax, common = self.syntax, self._common()
        entity = self.known.entities[self.scope.entity]
        where = elaborate(syntax.where, self.scope, YES_NO).expr if syntax.where else None
        per = tuple(elaborate(key, self.scope).expr for key in syntax.per)
        by = tuple(
            ir.Order(elaborate(order.by, self.scope).expr, order.descending) for order in syntax.by
        )
        parent = Scope(
            self.known, self.written.source, entity.parent or entity.name,
            self.scope.in_force, self.report,
        )  # fmt: skip
        best: ir.Expr | None = None
        if syntax.best is not None:
            count = Number("count", Fraction(0), Fraction(0))
            best = elaborate(syntax.best, parent, count).expr
        elif not syntax.best_all:
            self._incomplete("it does not say how many", "add `best N` or `best all`")
        keys = {key.name for key in entity.keys}
        grouped = {key.name for key in per if isinstance(key, ir.Fact)}
        ties = tuple(name.text for name in syntax.ties)
        for name in syntax.ties:
            if name.text not in keys:
                self.scope.error(
                    "unknown-key", f"`{name.text}` is no key of {entity.name}", name,
                    help=suggest(name.text, keys) or "ties are broken by keys of the entity",
                )  # fmt: skip
        if not keys <= set(ties) | grouped:
            self._incomplete(
                "its order is not unique: two records may tie",
                f"end with `ties by {', '.join(key.name for key in entity.keys)}`",
            )
        select = ir.Select(
            **common, where=where, per=per, best=best, by=by, ties=ties,  # type: ignore[arg-type]
        )  # fmt: skip
        return Lowered(select, self.written)


def _rate() -> Number:
    return Number("rate", Fraction(0), Fraction(0))


def _range(text: str, type_: Number) -> ir.Cell | None:
    """`<= 15`, `> 15`, `16..24` or one number."""
    if match := re.match(r"^(<=|<|>=|>)\s*(.+)$", text):
        value = parse_number(match[2], type_.unit)
        if value is None:
            return None
        if match[1].startswith("<"):
            return ir.Cell(high=value, high_included=match[1] == "<=")
        return ir.Cell(low=value, low_included=match[1] == ">=")
    if ".." in text:
        low, high = (parse_number(part, type_.unit) for part in text.split("..", 1))
        return None if low is None or high is None else ir.Cell(low=low, high=high)
    value = parse_number(text, type_.unit)
    return None if value is None else ir.Cell(low=value, high=value)
