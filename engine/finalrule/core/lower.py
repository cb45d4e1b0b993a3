"""Fourth stage: the rules in force, lowered to the core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, TypedDict, cast

from finalrule.core import ir
from finalrule.core.declare import Declarations, Written
from finalrule.core.elaborate import catalogue_keys, elaborate
from finalrule.core.rows import lower_rows
from finalrule.core.scope import Scope, a
from finalrule.core.types import constant, type_of
from finalrule.diagnostics import Label, Report, suggest
from finalrule.language import syntax as s
from finalrule.policy.model import Policy, TableRows
from finalrule.source import Place
from finalrule.values import (
    YES_NO,
    Date,
    Enumeration,
    Number,
    Type,
    YesNo,
)


@dataclass(frozen=True, slots=True)
class Lowered:
    """A rule in the core, and what only the checks need: the table's row checks, the curve's
    declared direction and jumps and the domain of its argument, the rows' places."""

    rule: ir.AnyRule
    written: Written
    checks: tuple[tuple[s.Expression, ir.Expr], ...] = ()
    never: str = ""
    jumps: tuple[tuple[s.JumpSyntax, ir.Expr], ...] = ()
    domain: Number | None = None
    rows: TableRows | None = None


def lower(
    known: Declarations, policy: Policy, in_force: Mapping[str, Written], report: Report
) -> dict[str, Lowered]:
    """Every rule in force, by name. Variants that are not in force are checked all the same."""
    lowered: dict[str, Lowered] = {}
    names, all_names = frozenset(in_force), frozenset(known.shapes)
    tables = {
        written.syntax.rows_of.text if written.syntax.rows_of else name
        for name, written in in_force.items()
        if written.syntax.kind == "table"
    }
    for name, table in policy.tables.items():
        if name not in tables:
            report.error(
                "unknown-table",
                f"no table in force is named `{name}`",
                table.span,
                help=suggest(name, tables) or "delete it, or declare the table in a rules file",
            )
    for name, blocks in known.rules.items():
        if name not in known.shapes:
            continue
        for written in blocks:
            chosen = in_force.get(name) is written
            # What is not in force may read what is not: it need only be sound.
            readable = names if chosen else all_names
            one = _Lower(known, policy, written, readable, report).rule(chosen)
            if one is not None and chosen:
                lowered[name] = one
    return lowered


class _Common(TypedDict):
    """The fields that every kind of rule has."""

    name: str
    entity: str
    variant: str
    title: str
    cites: tuple[str, ...]
    prints: str
    lets: tuple[ir.Named, ...]
    place: Place
    force_cite: str
    force_place: Place | None


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
        if self.syntax.prints:
            self._check_rounding(
                self.syntax.prints, self.known.shapes[self.syntax.name.text].outputs
            )
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

    def _common(self) -> _Common:
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

    def _check_rounding(self, name: s.Name, outputs: Mapping[str, Type]) -> None:
        """Report a rounding rule that is not declared, or not for numbers of these outputs."""
        declared = self.known.roundings.get(name.text)
        if declared is None:
            self.scope.unknown("unknown-rounding", name, self.known.roundings)
            return
        for type_ in outputs.values():
            if not isinstance(type_, Number) or type_.unit != declared[0]:
                self.scope.error(
                    "unit-mismatch",
                    f"`{name.text}` rounds {declared[0]}, but the outcome is {a(type_)}",
                    name,
                    help=f"name a rounding rule of {type_.unit}"
                    if isinstance(type_, Number)
                    else "only numbers are rounded: delete it",
                )
                return

    def _lets(self) -> list[ir.Named]:
        named = []
        for let in self.syntax.lets:
            if self._is_free(let.name):
                typed = elaborate(let.value, self.scope)
                self.scope.lets[let.name.text] = typed.type
                named.append(ir.Named(let.name.text, typed.expr))
            else:
                # It means what its author thinks: no errors where it is read.
                self.scope.lets[let.name.text] = None
        return named

    def _is_free(self, name: s.Name) -> bool:
        """Whether a let may have this name; reported when not."""
        taken = {
            "a let": name.text in self.scope.lets,
            "a fact": (self.scope.entity, name.text) in self.known.facts,
            "a rule": name.text in self.known.shapes,
        }
        what = next((kind for kind, yes in taken.items() if yes), "")
        if what:
            self.scope.error(
                "name-taken", f"`{name.text}` is already {what}", name, help="choose another name"
            )
        return not what

    def _output(self) -> Type:
        return self.known.shapes[self.syntax.name.text].outputs[""]

    def _unique(self, names: list[s.Name], what: str) -> None:
        seen: dict[str, s.Name] = {}
        for name in names:
            if name.text in seen:
                self.scope.error(
                    "declared-twice",
                    f"two {what}s are named `{name.text}`",
                    name,
                    seen[name.text],
                    help="each needs a name of its own",
                )
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
                    clause.name.text,
                    value.expr,
                    when,
                    cast(Literal["when", "otherwise", "always"], clause.kind),
                    clause.because,
                    tuple(cite.text for cite in clause.cites),
                    self.written.span(clause).place,
                )
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
            ir.Choice(**common, type=output, clauses=tuple(clauses)),
            self.written,
        )

    def _incomplete(self, message: str, help: str) -> None:
        self.scope.error(
            "incomplete-rule",
            f"{self.syntax.kind} `{self.syntax.name.text}`: {message}",
            self.syntax,
            help=help,
        )

    # --- table ---------------------------------------------------------------------------------

    def _table(self, chosen: bool) -> Lowered | None:
        syntax = self.syntax
        common = self._common()
        lets = list(common["lets"])
        gather = self.known.shapes[syntax.name.text].outputs
        given = []
        columns = replace(self.scope, lets={}, columns_only=True)
        for column in syntax.given:
            type_ = self._column_type(column)
            assert column.value is not None
            if column.name.text in self.scope.lets:
                self.scope.error(
                    "name-taken",
                    f"`{column.name.text}` is already a let",
                    column.name,
                    help="choose another name",
                )
            lets.append(ir.Named(column.name.text, elaborate(column.value, self.scope, type_).expr))
            given.append(ir.Key(column.name.text, type_ or YES_NO))
            columns.lets[column.name.text] = type_
        if not syntax.gives:
            self._incomplete("it gives nothing", "add `gives NAME: TYPE`")
        self._unique([c.name for c in (*syntax.given, *syntax.gives)], "column")
        where = elaborate(syntax.where, columns, YES_NO).expr if syntax.where else None
        outside = None
        if syntax.outside is not None:
            outside = self._outside(list(gather.values()))
        if (where is None) != (syntax.outside is None):
            self._incomplete("`where` and `outside gives` go together", "write both or neither")
        columns.lets.update(gather)
        checks = tuple((check, elaborate(check, columns, YES_NO).expr) for check in syntax.checks)
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
        rows = lower_rows(stated.rows.values(), syntax.name.text, tuple(given), gives, self.report)
        table = ir.Table(
            **common,
            given=tuple(given),
            gives=gives,
            where=where,
            outside=outside,
            rows=rows,
        )
        return Lowered(table, self.written, checks=checks, rows=stated)

    def _column_type(self, column: s.TypedName) -> Type | None:
        type_ = type_of(column.type, self.known.types, self.written.source, self.report)
        if isinstance(type_, YesNo | Enumeration | Number):
            return type_
        self.scope.error(
            "wrong-type",
            f"rows cannot test {a(type_)}",
            column.type,
            help="a given column is yes or no, an enumeration or a number",
        )
        return None

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

    # --- curve ---------------------------------------------------------------------------------

    def _curve(self) -> Lowered | None:
        syntax, common, output = self.syntax, self._common(), self._output()
        if not isinstance(output, Number) or syntax.of is None:
            self._incomplete(
                "a curve is of a number and gives a number",
                "add `of EXPRESSION`" if syntax.of is None else "give it a number type",
            )
            return None
        of = elaborate(syntax.of, self.scope)
        if not isinstance(of.type, Number):
            if of.type is not None:
                self._incomplete("a curve is of a number", "name a number after `of`")
            return None
        if not syntax.pieces:
            self._incomplete("it has no piece", "add `piece NAME: from X through Y: ...`")
        self._unique([piece.name for piece in syntax.pieces], "piece")
        pieces = tuple(self._piece(piece, of.type, output) for piece in syntax.pieces)
        jumps = tuple(
            (jump, elaborate(jump.place, self.scope, of.type).expr) for jump in syntax.jumps
        )
        curve = ir.Curve(**common, type=output, of=of.expr, pieces=pieces)
        return Lowered(curve, self.written, never=syntax.never, jumps=jumps, domain=of.type)

    def _piece(self, piece: s.PieceSyntax, of: Number, output: Number) -> ir.Piece:
        def x(node: s.Expression) -> ir.Expr:
            return elaborate(node, self.scope, of).expr

        def y(node: s.Expression) -> ir.Expr:
            return elaborate(node, self.scope, output).expr

        line = [(x(a), y(b)) for a, b in piece.points]
        return ir.Piece(
            piece.name.text,
            x(piece.low),
            piece.low_included,
            x(piece.high),
            piece.high_included,
            "line" if line else "flat",
            line[0][0] if line else None,
            line[0][1] if line else y(piece.flat) if piece.flat else ir.Bool(False),
            line[1][0] if line else None,
            line[1][1] if line else None,
            tuple(cite.text for cite in piece.cites),
            self.written.span(piece).place,
        )

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
        if found is None:
            return None
        if found.bounds is None:
            self._incomplete("its catalogue has no `bounds`", "name a catalogue with bounds")
            return None
        self._check_rounding(syntax.rounding, {"": output})
        deciles = ir.Deciles(
            **common,
            type=output,
            of=elaborate(syntax.of, self.scope, _rate()).expr,
            catalogue=found.name,
            keys=keys,
            rounding=syntax.rounding.text,
            below=elaborate(syntax.below, self.scope, output).expr,
            none=elaborate(syntax.none, self.scope, output).expr,
        )
        return Lowered(deciles, self.written)

    # --- select --------------------------------------------------------------------------------

    def _select(self) -> Lowered | None:
        syntax, common = self.syntax, self._common()
        entity = self.known.entities[self.scope.entity]
        if not entity.parent:
            self._incomplete(
                f"{entity.name} is below no entity among whose records to choose",
                "select from an entity that is `of` another",
            )
            return None
        where = elaborate(syntax.where, self.scope, YES_NO).expr if syntax.where else None
        per = tuple(elaborate(key, self.scope).expr for key in syntax.per)
        by = tuple(ir.Order(self._rank(order.by), order.descending) for order in syntax.by)
        best: ir.Expr | None = None
        if syntax.best is not None:
            parent = replace(self.scope, entity=entity.parent, lets={})
            count = Number("count", Fraction(0), Fraction(0))
            best = elaborate(syntax.best, parent, count).expr
        elif not syntax.best_all:
            self._incomplete("it does not say how many", "add `best N` or `best all`")
        ties = self._ties(entity, per)
        select = ir.Select(
            **common,
            where=where,
            per=per,
            best=best,
            by=by,
            ties=ties,
        )
        return Lowered(select, self.written)

    def _rank(self, by: s.Expression) -> ir.Expr:
        ranked = elaborate(by, self.scope)
        if ranked.type is not None and not isinstance(ranked.type, Number | Date | YesNo):
            self.scope.error(
                "wrong-type",
                f"records cannot be ranked by {a(ranked.type)}",
                by,
                help="rank by numbers, dates, or yes before no",
            )
        return ranked.expr

    def _ties(self, entity: ir.Entity, per: tuple[ir.Expr, ...]) -> tuple[str, ...]:
        """The keys that break ties; with those that `per` groups by, they make the order unique."""
        keys = [key.name for key in entity.keys]
        ties = tuple(name.text for name in self.syntax.ties)
        for name in self.syntax.ties:
            if name.text not in keys:
                self.scope.error(
                    "not-a-key",
                    f"`{name.text}` is no key of {entity.name}",
                    name,
                    help=suggest(name.text, keys) or f"its keys are {', '.join(keys) or 'none'}",
                )
        grouped = {
            key.name for key in per if isinstance(key, ir.Fact) and key.entity == entity.name
        }
        if set(ties) <= set(keys) and not set(keys) <= set(ties) | grouped:
            self._incomplete(
                "its order is not unique: two records may tie",
                f"end with `ties by {', '.join(keys)}`",
            )
        return ties


def _rate() -> Number:
    return Number("rate", Fraction(0), Fraction(0))
