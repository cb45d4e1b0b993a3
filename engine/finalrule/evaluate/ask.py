"""Conditions made to hold: facts are set as a condition asks, from it back through the outcomes
that it reads to facts.

What is set once stays, so that of several ways one is found that goes together with what was asked
before. Where none is, the condition may not hold: whether it does is for the evaluator to say.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fractions import Fraction

from finalrule.core import ir
from finalrule.core.expressions import constant_value
from finalrule.evaluate.change import ADDED
from finalrule.evaluate.lets import is_constant
from finalrule.evaluate.reach import CONDITIONS, DEEP, MIRRORED, Reaching, holds
from finalrule.facts.case import Record
from finalrule.values import Enumeration, Number, Value, YesNo, within

_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
# Catalogue records that are tried.
_RECORDS = 20
# How often a code is to be one that a certain other catalogue has.
_LISTED = 0.8


class Asking(Reaching):
    """One question, of one case. Each step says whether what it was asked for should hold now."""

    # --- outcomes ------------------------------------------------------------------------------

    def win(self, name: str, winner: str, record: Record, deep: int) -> bool:
        """Make a clause, row or piece decide a rule of a record."""
        rule = self.plan.rules[name]
        match rule:
            case ir.Choice():
                (clause,) = (clause for clause in rule.clauses if clause.name == winner)
                return self.clause(rule, clause, record, deep)
            case ir.Table():
                return self.row(rule, winner, record, deep)
            case ir.Curve():
                (piece,) = (piece for piece in rule.pieces if piece.name == winner)
                low = ">=" if piece.low_included else ">"
                high = "<=" if piece.high_included else "<"
                return self.compare(rule.of, low, piece.low, record, deep) and self.compare(
                    rule.of, high, piece.high, record, deep
                )
            case ir.Select(where=ir.Node() as where, per=per):
                each = self._rivals(record, per, deep) if winner == "passed_over" else [record]
                want = winner != "not_considered"
                return all(self.make(where, want, one, deep) for one in each)
        return False

    def _rivals(self, record: Record, per: Sequence[ir.Expr], deep: int) -> list[Record]:
        """The records that are ranked with one: all beside it or, where only those are that have
        something alike, another one that is made so."""
        if record.parent is None:
            return [record]
        beside = record.parent.children[record.entity]
        if not per:
            return beside
        shared = [(key, self.value(key, record)) for key in per]

        def alike(one: Record) -> bool:
            return all(
                value is not None and self.give(key, value, one, deep) for key, value in shared
            )

        others = [one for one in beside if one is not record]
        self.random.shuffle(others)
        if (another := self.more(record.entity, record.parent)) is not None:
            others.append(another)
        for other in others:
            if self.one_of([other], alike):
                return [record, other]
        return [record]

    def clause(self, rule: ir.Choice, clause: ir.Clause, record: Record, deep: int) -> bool:
        """Make a clause hold; for `otherwise`, none of the others."""
        if clause.when is not None:
            return self.make(clause.when, True, record, deep)
        others = [other.when for other in rule.clauses if other.when is not None]
        return all(self.make(other, False, record, deep) for other in others)

    def row(self, rule: ir.Table, winner: str, record: Record, deep: int) -> bool:
        """Make a table's row decide, or bring the record outside of what the table answers."""
        inside = True
        if rule.where is not None:
            inside = self.make(rule.where, winner != "outside", record, deep)
        lets = self.plan.lets[rule.name]
        return inside and all(
            self.cell(lets[key.name], key, cell, record, deep)
            for row in rule.rows
            if row.name == winner
            for key, cell in zip(rule.given, row.cells, strict=True)
        )

    def cell(self, expr: ir.Expr, key: ir.Key, cell: ir.Cell, record: Record, deep: int) -> bool:
        """Bring what a table is given to one of a row's cells."""
        if cell.equals is not None:
            value = cell.equals == "yes" if isinstance(key.type, YesNo) else cell.equals
            return self.give(expr, value, record, deep)
        done = True
        for op, end in (
            (">=" if cell.low_included else ">", cell.low),
            ("<=" if cell.high_included else "<", cell.high),
        ):
            if end is not None and isinstance(key.type, Number):
                number = ir.Num(end, key.type.unit)
                done = self.compare(expr, op, number, record, deep) and done
        return done

    # --- conditions ----------------------------------------------------------------------------

    def make(self, expr: ir.Expr, want: bool, record: Record, deep: int) -> bool:
        """Make a condition true, or not."""
        deep, self.conditions = deep + 1, self.conditions + 1
        if deep > DEEP or self.conditions > CONDITIONS:
            return False
        if not isinstance(expr, ir.Fact) and self.now.value(expr, record) is want:
            self.keep(expr, record)
            return True
        match expr:
            case ir.Bool(value=value):
                return value is want
            case ir.Logic(op=op, items=items):
                each = want is not (op == "none")
                wanted = {"all": len(items) if want else 1, "at_least": expr.least}.get(
                    op, 1 if each else len(items)
                )
                if op == "at_least" and not want:
                    wanted = len(items) - expr.least + 1
                return self.several(wanted, items, each, record, deep)
            case ir.Compare(left=left, right=right):
                sign = expr.op if want else _OPPOSITE[expr.op]
                return self.compare(left, sign, right, record, deep)
            case ir.In(item=item, values=values):
                listed = self.plan.constant(values)
                assert isinstance(listed, frozenset)
                return self.among(item, sorted(listed), want, record, deep)
            case ir.Fact() | ir.Outcome() | ir.FirstKnown() | ir.Lookup():
                return self.give(expr, want, record, deep)
            case ir.Aggregate(op="any" | "every" as op, where=ir.Node() as where):
                if (op == "any") is want:
                    return self.count(expr, where, 1, want, record, deep)
                return all(self.make(where, want, one, deep) for one in self.below(record, expr))
            case ir.Aggregate(op="any", where=None):
                return bool(self.below(record, expr)) is want
            case ir.Listed(catalogue=catalogue, keys=keys):
                if not want:
                    return self.record(keys, [()], record)
                rows = self.plan.generator.catalogues[catalogue]
                return self.record(keys, rows.fit(self.wanted(keys, record)), record)
        return False

    def keep(self, expr: ir.Expr, record: Record) -> None:
        """Let the facts that a condition names itself stay."""
        for fact in self.plan.named(expr):
            self.hold(fact, record)

    def count(
        self, expr: ir.Aggregate, where: ir.Expr, wanted: int, each: bool, record: Record, deep: int
    ) -> bool:
        """Make a condition true, or not, for so many records below; more of them where there are
        too few."""
        left = self.below(record, expr)
        for _ in range(wanted):

            def done(one: Record) -> bool:
                made = self.one_of(
                    self.targets(one) if each else [one.refers],
                    lambda target: self.point(one, target) and self.make(where, each, one, deep),
                    lambda target: target is one.refers,
                )
                if made:
                    left.remove(one)
                return made

            if not self.one_of(left, done, lambda one: self.truth(where, one) is each):
                more = self.more(expr.entity, record)
                if more is None or not self.make(where, each, more, deep):
                    return False
        return True

    def wanted(self, keys: Sequence[ir.Expr], record: Record) -> tuple[str | None, ...]:
        """What the keys of a catalogue's record must be: constants, and facts that stay."""
        return tuple(
            key.value if isinstance(key, ir.Text) else
            self.stays(key.entity, key.name, record) if isinstance(key, ir.Fact) else None
            for key in keys
        )  # fmt: skip

    def listed_elsewhere(self, key: ir.Expr, record: Record) -> list[Collection[str]]:
        """The codes of a fact with which some of the catalogues that it is a key of have a record,
        given the facts that stay."""
        found: list[Collection[str]] = []
        if isinstance(key, ir.Fact):
            generator = self.plan.generator
            for binding in generator.thresholds.bindings.get(key.entity, ()):
                if key.name in binding.keys and self.random.random() < _LISTED:
                    wanted = tuple(
                        one.value if isinstance(one, ir.Text) else
                        self.stays(key.entity, one, record)
                        for one in binding.keys
                    )  # fmt: skip
                    place = binding.keys.index(key.name)
                    found.append(generator.catalogues[binding.catalogue].codes(wanted, place))
        return found

    def record(
        self, keys: Sequence[ir.Expr], choices: Sequence[Sequence[str]], record: Record
    ) -> bool:
        """Set the facts that are the keys of a catalogue's record to those of one of some, most
        often of one that other catalogues have too; to what is none's where they are empty."""

        def chosen(values: Sequence[str]) -> bool:
            pairs = zip(keys, values or ["OTHER"] * len(keys), strict=True)
            return all(
                self.set(key.entity, key.name, value, record)
                if isinstance(key, ir.Fact)
                else isinstance(key, ir.Text) and key.value == value
                for key, value in pairs
            )

        listed = [self.listed_elsewhere(key, record) for key in keys]
        choices = [
            one for one in choices
            if all(code in codes for code, sets in zip(one, listed, strict=False) for codes in sets)
        ] or choices  # fmt: skip
        few = self.random.sample(list(choices), min(_RECORDS, len(choices)))
        return self.one_of(few, chosen)

    def several(
        self, wanted: int, items: Sequence[ir.Expr], each: bool, record: Record, deep: int
    ) -> bool:
        """Make so many of some conditions true, or not: facts first, they leave no choice."""
        if wanted == len(items):
            ordered = sorted(items, key=lambda item: not isinstance(item, ir.Fact))
            return all(self.make(item, each, record, deep) for item in ordered)
        left = list(items)
        for _ in range(wanted):

            def done(item: ir.Expr) -> bool:
                made = self.make(item, each, record, deep)
                if made:
                    left.remove(item)
                return made

            if not self.one_of(left, done, lambda item: self.truth(item, record) is each):
                return False
        return True

    def truth(self, expr: ir.Expr, record: Record) -> bool | None:
        """What a condition on facts alone is now; None for others."""
        match expr:
            case ir.Logic(op="all" | "any" | "none" as op, items=items):
                truths = [self.truth(item, record) for item in items]
                decisive = op != "all"
                if decisive in truths:
                    return decisive is not (op == "none")
                return None if None in truths else (op in ("all", "none"))
            case ir.Compare(op="==" | "!=" as op, left=left, right=right):
                value, other = self.value(left, record), self.plan.constant(right)
                return None if value is None or other is None else (value == other) is (op == "==")
            case ir.In(item=item, values=values):
                value, listed = self.value(item, record), self.plan.constant(values)
                return value in listed if value and isinstance(listed, frozenset) else None
        found = self.value(expr, record)
        return found if isinstance(found, bool) else None

    def among(
        self, item: ir.Expr, listed: Sequence[str], want: bool, record: Record, deep: int
    ) -> bool:
        """Make something one of some codes or members, or another one."""
        choices = list(listed)
        if not want:
            type_ = self.plan.types.of(item, {})
            members = type_.members if isinstance(type_, Enumeration) else ("OTHER",)
            choices = [one for one in members if one not in listed]
            now = self.value(item, record)
            if isinstance(now, str) and now not in (*listed, *choices):
                choices.append(now)
        return self.one_of(choices, lambda one: self.give(item, one, record, deep))

    def give(self, expr: ir.Expr, value: Value, record: Record, deep: int) -> bool:
        """Make something that is no number have a value."""
        match expr:
            case ir.Fact(entity=entity, name=name):
                return self.set(entity, name, value, record)
            case ir.FirstKnown(items=(first, *_)):
                return self.give(first, value, record, deep)
            case ir.Lookup(catalogue=catalogue, field=field, keys=keys, none=none):
                rows = self.plan.generator.catalogues[catalogue]
                fit = rows.fit(self.wanted(keys, record), field, value)
                if not fit and self.plan.constant(none) == value:
                    fit = [()]
                return self.record(keys, fit, record)
            case ir.Outcome(rule=name, output=output):
                owner = self.owner(record, self.plan.rules[name].entity)
                if owner is None or self.conditions > CONDITIONS:
                    return False
                return self.outcome(self.plan.rules[name], output, value, owner, deep + 1)
        return isinstance(value, bool) and self.make(expr, value, record, deep)

    def outcome(
        self, rule: ir.AnyRule, output: str, value: Value, record: Record, deep: int
    ) -> bool:
        """Make a rule, which gives no number, come to a value."""
        match rule:
            case ir.Choice(clauses=clauses):
                ways = [
                    clause
                    for clause in clauses
                    if self.plan.constant(clause.value) in (None, value)
                ]

                def decided(clause: ir.Clause) -> bool:
                    return self.clause(rule, clause, record, deep) and (
                        is_constant(clause.value) or self.give(clause.value, value, record, deep)
                    )

                return self.one_of(ways, decided)
            case ir.Table(gives=gives, rows=rows):
                place = next(place for place, key in enumerate(gives) if key.name == output)
                names = [row.name for row in rows if constant_value(row.values[place]) == value]
                return self.one_of(names, lambda name: self.row(rule, name, record, deep))
            case ir.Select():
                winner = "selected" if value else "not_considered"
                return self.win(rule.name, winner, record, deep)
        return False

    # --- numbers ---------------------------------------------------------------------------------

    def compare(self, left: ir.Expr, op: str, right: ir.Expr, record: Record, deep: int) -> bool:
        """Make a comparison hold."""
        figure = self.plan.constant(right)
        if figure is None and (mirrored := self.plan.constant(left)) is not None:
            figure, left, right, op = mirrored, right, left, MIRRORED[op]
        if isinstance(figure, bool):
            return self.give(left, figure is (op == "=="), record, deep)
        if isinstance(figure, str):
            return self.among(left, [figure], op == "==", record, deep)
        if (
            isinstance(left, ir.Aggregate)
            and left.op == "count"
            and left.where is not None
            and isinstance(figure, Fraction)
            and figure <= ADDED
        ):
            return self.counted(left, left.where, op, figure, record, deep)
        if figure is not None:
            met = self.meet(left, op, figure, record)
            if met is not None:
                return met
        return self.numbers(left, op, right, record, deep)

    def meet(self, expr: ir.Expr, op: str, figure: Value, record: Record) -> bool | None:
        """Set the fact that a number or a date is, so that the comparison with a figure holds; None
        where it is no fact."""
        match expr:
            case ir.Convert(item=item) | ir.Round(item=item):
                return self.meet(item, op, figure, record)
            case ir.FirstKnown(items=(first, *_)):
                return self.meet(first, op, figure, record)
            case ir.Fact(entity=entity, name=name):
                type_ = self.plan.facts[entity, name].type
                choices = [*self.plan.known(entity, name), figure]
                if isinstance(type_, Number):
                    choices += [type_.low, type_.high]
                choices = [one for one in choices if holds(one, op, figure) and within(one, type_)]
                return self.one_of(choices, lambda one: self.set(entity, name, one, record))
        return None
