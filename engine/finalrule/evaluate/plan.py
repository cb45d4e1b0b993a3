"""What showing an expression takes, worked out once for each expression of a program: its text with
a slot for each value that is written into it, its type, and the nodes that it reads."""

from __future__ import annotations

from dataclasses import dataclass, replace

from finalrule.core import ir
from finalrule.core.expressions import Context, Frame, Known, Run, Unknown, prepare
from finalrule.core.text import Names, expression_text, names_in
from finalrule.core.walk import nodes
from finalrule.evaluate.scalar import prepare_lets
from finalrule.evaluate.types import Types
from finalrule.values import Type, show

_NOTED = (ir.Fact, ir.Outcome, ir.Param, ir.Let, ir.Lookup, ir.Aggregate)
_READ = (*_NOTED, ir.Round, ir.Listed)
_MARK = "\x00"


def value_text(value: Known, type_: Type) -> str:
    """A value as people write it."""
    return "undetermined" if isinstance(value, Unknown) else show(value, type_)


@dataclass(frozen=True, slots=True)
class Planned:
    """One expression. `pieces` are the texts between the slots. `reads` are the nodes whose facts,
    figures and outcomes it reads; what stands inside an aggregate is the aggregate's."""

    expr: ir.Expr  # kept, so that its id stays its own
    run: Run
    type: Type
    pieces: tuple[str, ...]
    slots: tuple[Planned, ...]
    reads: tuple[ir.Node, ...]

    def text(self, frame: Frame) -> str:
        """The expression with the values that it has at a frame."""
        said = [self.pieces[0]]
        for slot, piece in zip(self.slots, self.pieces[1:], strict=True):
            said.append(f" ({value_text(slot.run(frame), slot.type)}){piece}")
        return "".join(said)


class RulePlan:
    """The expressions of one rule."""

    def __init__(self, rule: ir.AnyRule, context: Context, types: Types, names: Names) -> None:
        self.rule, self.context, self.types = rule, context, types
        self.lets = {let.name: let.value for let in rule.lets}
        self.runs = prepare_lets(rule, context)
        self.names = replace(names, entity=rule.entity, lets=self.lets)
        self._known: dict[int, Planned] = {}

    def of(self, expr: ir.Expr) -> Planned:
        """The plan of an expression of this rule."""
        known = self._known.get(id(expr))
        if known is None:
            known = self._known[id(expr)] = self._plan(expr)
        return known

    def _plan(self, expr: ir.Expr) -> Planned:
        slots: list[Planned] = []

        def mark(node: ir.Expr) -> str:
            if not isinstance(node, _NOTED):
                return ""
            slots.append(self._leaf(node) if node is expr else self.of(node))
            return _MARK

        text = expression_text(expr, mark, self.names)
        return replace(
            self._leaf(expr), pieces=tuple(text.split(_MARK)), slots=tuple(slots)
        )

    def _leaf(self, expr: ir.Expr) -> Planned:
        run = prepare(expr, self.context, self.runs)
        return Planned(
            expr, run, self.types.of(expr, self.lets), ("",), (), tuple(_reads(expr))
        )


class Plans:
    """The plans of a program's rules, made as they are asked for."""

    def __init__(self, program: ir.Program, context: Context) -> None:
        self.context, self.types = context, Types(program)
        self.names = names_in(program, program.rules[0])
        self._rules: dict[str, RulePlan] = {}

    def of(self, rule: ir.AnyRule) -> RulePlan:
        """The plan of a rule."""
        if rule.name not in self._rules:
            self._rules[rule.name] = RulePlan(rule, self.context, self.types, self.names)
        return self._rules[rule.name]


def _reads(expr: ir.Expr) -> list[ir.Node]:
    """The nodes that an expression reads by name, but not those inside an aggregate."""
    inside: set[int] = set()
    found: list[ir.Node] = []
    for node in nodes(expr):
        if id(node) in inside:
            continue
        if isinstance(node, ir.Aggregate):
            parts = (node.item, node.where)
            inside.update(id(part) for half in parts if half is not None for part in nodes(half))
        if isinstance(node, _READ):
            found.append(node)
    return found
