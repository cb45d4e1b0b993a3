"""Outcomes made unknown: of what a rule reads one thing is not known, and the rest is such that it
matters: of several conditions that must hold all others do, of a fact and what stands in for it
neither is there.

Where a rule cannot be made unknown in this way its facts are as they were, or little else.
"""

from __future__ import annotations

from finalrule.core import ir
from finalrule.core.expressions import Unknown
from finalrule.core.walk import parts
from finalrule.evaluate.ask import Asking
from finalrule.evaluate.lets import is_constant
from finalrule.evaluate.reach import CONDITIONS, DEEP
from finalrule.facts.case import Record

# How often it is the value of a clause that is made unknown, where that is no constant.
_VALUE = 0.4


class Doubting(Asking):
    """One question, of one case."""

    def doubt(self, name: str, record: Record, deep: int) -> bool:
        """Make a rule of a record unknown."""
        rule = self.plan.rules[name]
        deep += 1
        match rule:
            case ir.Choice(clauses=clauses):
                values = [one for one in clauses if not is_constant(one.value)]
                whens = [one.when for one in clauses if one.when is not None]
                if values and (not whens or self.random.random() < _VALUE):
                    clause = self.random.choice(values)
                    return self.unsure(clause.value, record, deep) and self.clause(
                        rule, clause, record, deep
                    )
                return self.one_of(whens, lambda one: self.unsure(one, record, deep))
            case ir.Table(given=given):
                lets = self.plan.lets[name]
                return self.one_of(given, lambda one: self.unsure(lets[one.name], record, deep))
            case ir.Select(where=where, by=by):
                ways = [*([where] if where is not None else ()), *(one.by for one in by)]
                return self.one_of(ways, lambda one: self._ranked(where, one, record, deep))
            case ir.Curve(of=of) | ir.Deciles(of=of):
                return self.unsure(of, record, deep)
        return False

    def unsure(self, expr: ir.Expr, record: Record, deep: int) -> bool:
        """Make an expression unknown."""
        deep, self.conditions = deep + 1, self.conditions + 1
        if deep > DEEP or self.conditions > CONDITIONS or is_constant(expr):
            return False
        if isinstance(self.now.value(expr, record), Unknown):
            return True
        match expr:
            case ir.Fact(entity=entity, name=name):
                return self._forget(entity, name, record)
            case ir.Outcome(rule=name):
                owner = self.owner(record, self.plan.rules[name].entity)
                if owner is None or name not in self.plan.doubtful:
                    return False
                made = self.doubt(name, owner, deep)
            case ir.FirstKnown(items=items):
                made = all(self.unsure(one, record, deep) for one in items)
            case ir.Logic(items=items):
                made = self.one_of(items, lambda one: self.unsure(one, record, deep))
                self._rest(expr, record, deep)
            case ir.Aggregate():
                if not self.below(record, expr):
                    self.more(expr.entity, record)
                made = self.one_of(
                    self.below(record, expr), lambda one: self._member(expr, one, record, deep)
                )
            case _:
                made = self.one_of(parts(expr), lambda one: self.unsure(one, record, deep))
        return made and isinstance(self.now.value(expr, record), Unknown)

    def _forget(self, entity: str, name: str, record: Record) -> bool:
        owner = self.owner(record, entity)
        if owner is None or self.plan.facts[entity, name].presence != "may_be_unknown":
            return False
        if (owner, name) in self.held:
            return name not in owner.facts
        self.held[owner, name] = owner.facts.get(name)
        self._put(owner, name, None)
        return True

    def _rest(self, expr: ir.Logic, record: Record, deep: int) -> None:
        """Let the conditions that are known not settle what the others would."""
        known = [one for one in expr.items if not isinstance(self.now.value(one, record), Unknown)]
        self.random.shuffle(known)
        held = {"all": len(known), "at_least": expr.least - 1}.get(expr.op, 0)
        for place, one in enumerate(known):
            self.make(one, place < held, record, deep)

    def _ranked(self, where: ir.Expr | None, expr: ir.Expr, record: Record, deep: int) -> bool:
        """Make it unknown whether a record is considered, or by what it is ranked, where it is."""
        considered = expr is where or where is None or self.make(where, True, record, deep)
        return considered and self.unsure(expr, record, deep)

    def _member(self, expr: ir.Aggregate, one: Record, record: Record, deep: int) -> bool:
        """Make it unknown of one record below whether it counts, or with what."""
        if expr.where is not None and (expr.item is None or self.random.random() < _VALUE):
            if expr.op in ("any", "every"):
                for other in self.below(record, expr):
                    if other is not one:
                        self.make(expr.where, expr.op == "every", other, deep)
            return self.unsure(expr.where, one, deep)
        return (
            expr.item is not None
            and (expr.where is None or self.make(expr.where, True, one, deep))
            and self.unsure(expr.item, one, deep)
        )
