"""What showing an expression takes, worked out once for each expression of a program: its text with
a slot for each value that is written into it, its type, and what it reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

from finalrule.core import ir
from finalrule.core.expressions import (
    Context,
    Frame,
    Known,
    Run,
    Unknown,
    constant_value,
    prepare,
)
from finalrule.core.text import expression_text, names_in
from finalrule.core.walk import nodes
from finalrule.evaluate.kinds import prepare_lets
from finalrule.evaluate.outcomes import output_types
from finalrule.evaluate.types import Types
from finalrule.values import Type, exact, show

Data = dict[str, Any]

_NOTED = ir.Fact | ir.Outcome | ir.Let | ir.Lookup | ir.Aggregate
_MARK = "\x00"


def value_text(value: Known, type_: Type) -> str:
    """A value as people write it."""
    return "undetermined" if isinstance(value, Unknown) else show(value, type_)


@dataclass(slots=True)
class Reads:
    """What an expression reads, in the order in which it stands there; what is read inside an
    aggregate is the aggregate's. Facts and outcomes with the entity that has them."""

    facts: list[ir.Fact]
    outcomes: list[tuple[str, str]]
    parameters: list[str]
    lets: list[str]
    roundings: list[str]
    records: list[ir.Lookup | ir.Listed]
    aggregates: list[ir.Aggregate]


class Planned:
    """One expression of a rule. What shows it is made when it is first shown."""

    def __init__(self, expr: ir.Expr, plan: RulePlan) -> None:
        self.expr, self._plan = expr, plan
        self.run: Run = prepare(expr, plan.context, plan.runs)
        self.type = plan.types.of(expr, plan.lets)

    def text(self, frame: Frame) -> str:
        """The expression with the values that it has at a frame."""
        pieces, slots = self._slots
        said = [pieces[0]]
        for slot, piece in zip(slots, pieces[1:], strict=True):
            said.append(f" ({value_text(slot.run(frame), slot.type)}){piece}")
        return "".join(said)

    @cached_property
    def _slots(self) -> tuple[list[str], list[Planned]]:
        slots: list[Planned] = []

        def mark(node: ir.Expr) -> str:
            if isinstance(node, ir.Param):
                return f" ({self._plan.plans.parameter(node.name)['text']})"
            if not isinstance(node, _NOTED):
                return ""
            slots.append(self._plan.of(node))
            return _MARK

        expected = self._plan.expected.get(id(self.expr))
        text = expression_text(self.expr, mark, self._plan.names, expected)
        return text.split(_MARK), slots

    @cached_property
    def parts(self) -> tuple[Planned, ...]:
        """The smallest conditions that must all hold for this one to hold; itself where it is not
        made of such."""
        if not (isinstance(self.expr, ir.Logic) and self.expr.op == "all"):
            return (self,)
        return tuple(part for item in self.expr.items for part in self._plan.of(item).parts)

    @cached_property
    def reads(self) -> Reads:
        """What the expression reads."""
        found = Reads([], [], [], [], [], [], [])
        inside: set[int] = set()
        for node in nodes(self.expr):
            if id(node) in inside:
                continue
            match node:
                case ir.Fact():
                    found.facts.append(node)
                case ir.Outcome(rule=rule):
                    found.outcomes.append((rule, self._plan.plans.entities[rule]))
                case ir.Param(name=name):
                    found.parameters.append(name)
                case ir.Let(name=name):
                    found.lets.append(name)
                case ir.Round(rounding=rounding):
                    found.roundings.append(rounding)
                case ir.Lookup() | ir.Listed():
                    found.records.append(node)
                case ir.Aggregate(item=item, where=where):
                    found.aggregates.append(node)
                    parts = [part for part in (item, where) if part is not None]
                    inside.update(id(one) for part in parts for one in nodes(part))
        return found


class RulePlan:
    """The expressions of one rule, and what does not change of its entry in a trace."""

    def __init__(self, rule: ir.AnyRule, plans: Plans) -> None:
        self.rule, self.plans = rule, plans
        self.context, self.types = plans.context, plans.types
        self.lets = {let.name: let.value for let in rule.lets}
        self.runs = prepare_lets(rule, self.context)
        self.names = replace(plans.names, entity=rule.entity, lets=self.lets)
        self.outputs = output_types(rule)
        clauses = rule.clauses if isinstance(rule, ir.Choice) else ()
        self.expected = {id(clause.value): self.outputs[""] for clause in clauses}
        self._known: dict[int, Planned] = {}

    def of(self, expr: ir.Expr) -> Planned:
        """The plan of an expression of this rule."""
        known = self._known.get(id(expr))
        if known is None:
            known = self._known[id(expr)] = Planned(expr, self)
        return known

    def text(self, expr: ir.Expr) -> str:
        """An expression of this rule without values."""
        return expression_text(expr, names=self.names)

    @cached_property
    def head(self) -> Data:
        """What an entry begins with: the rule, its citations and its place."""
        rule = self.rule
        head: Data = {
            "rule": rule.name, "kind": rule.__struct_config__.tag, "title": rule.title,
            "entity": rule.entity, "cites": list(rule.cites), "place": str(rule.place),
        }  # fmt: skip
        if rule.variant:
            head["variant"] = rule.variant
        if rule.force_cite:
            head["in_force"] = {"cite": rule.force_cite, "place": str(rule.force_place)}
        return head


class Plans:
    """The plans of a program's rules, made as they are asked for."""

    def __init__(self, program: ir.Program, context: Context) -> None:
        self.context, self.types = context, Types(program)
        self.names = names_in(program, program.rules[0])
        self.entities = {rule.name: rule.entity for rule in program.rules}
        self.catalogues = {catalogue.name: catalogue for catalogue in program.catalogues}
        self._rules: dict[str, RulePlan] = {}
        self._parameters: dict[str, Data] = {}

    def of(self, rule: ir.AnyRule) -> RulePlan:
        """The plan of a rule."""
        if rule.name not in self._rules:
            self._rules[rule.name] = RulePlan(rule, self)
        return self._rules[rule.name]

    def parameter(self, name: str) -> Data:
        """A figure as traces show it; the same object every time."""
        if name not in self._parameters:
            parameter = self.context.parameters[name]
            assert parameter.value is not None
            value = constant_value(parameter.value)
            self._parameters[name] = {
                "name": name, **shown(value, parameter.type), "cite": parameter.cite,
                "place": str(parameter.place), **unverified(parameter.unverified),
            }  # fmt: skip
        return self._parameters[name]

    def rounding(self, name: str) -> Data:
        """A rounding rule as traces show it."""
        rule = self.context.roundings[name]
        return {
            "name": name, "places": rule.places, "mode": rule.mode, "cite": rule.cite,
            "place": str(rule.place), **unverified(rule.unverified),
        }  # fmt: skip


def shown(value: Known, type_: Type) -> Data:
    """A value as data: its text, and the exact fraction of a number."""
    if isinstance(value, Unknown):
        return {"text": "undetermined", "needs": sorted(value.needs)}
    data: Data = {"text": show(value, type_)}
    if isinstance(value, Fraction):
        data["exact"] = exact(value)
    return data


def unverified(flag: bool) -> Data:
    """The mark of what nobody has checked; nothing for what somebody has."""
    return {"unverified": True} if flag else {}
