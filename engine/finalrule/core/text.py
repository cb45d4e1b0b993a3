"""Expressions of the core as the language writes them, with no more parentheses than they need.

Parsed and elaborated again where it stood, the text gives the same expression. It need not be what
somebody wrote: `a and b` and `all of (a, b)` are one in the core.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from finalrule.core import ir
from finalrule.values import CODE, YES_NO, Enumeration, Type, decimal_text

# How tightly an expression holds together, loosest first, as in the grammar.
_OR, _AND, _NOT, _COMPARISON, _SUM, _PRODUCT, _UNARY, _CAST, _ATOM = range(9)

_MEMBER = re.compile(r"[a-z][a-z0-9_]*")
_NOTHING: dict[str, ir.Expr] = {}

Note = Callable[[ir.Expr], str]


@dataclass(frozen=True, slots=True)
class Names:
    """What is known of names where an expression stands. `entity` is that whose facts are written
    bare; `lets` are those of the expression's rule."""

    entity: str
    facts: dict[tuple[str, str], Type]
    outcomes: dict[tuple[str, str], tuple[str, Type]]
    fields: dict[tuple[str, str], Type]
    keys: dict[str, tuple[Type, ...]]
    lets: dict[str, ir.Expr] = field(default_factory=lambda: _NOTHING)


def names_in(program: ir.Program, rule: ir.AnyRule) -> Names:
    """The names as an expression of a rule reads them."""
    return Names(
        rule.entity,
        {(fact.entity, fact.name): fact.type for fact in program.facts},
        {
            (other.name, output): (other.entity, type_)
            for other in program.rules
            for output, type_ in _outputs(other)
        },
        {(c.name, field.name): field.type for c in program.catalogues for field in c.fields},
        {c.name: tuple(key.type for key in c.keys) for c in program.catalogues},
        {let.name: let.value for let in rule.lets},
    )


def _outputs(rule: ir.AnyRule) -> list[tuple[str, Type]]:
    match rule:
        case ir.Table():
            return [(key.name, key.type) for key in rule.gives]
        case ir.Select():
            return [("", YES_NO)]
        case _:
            return [("", rule.type)]


def expression_text(
    expr: ir.Expr,
    note: Note | None = None,
    names: Names | None = None,
    expected: Type | None = None,
) -> str:
    """An expression in the language's words.

    `note` says what to write after a part (empty: nothing). It is not asked about what stands
    inside an aggregate, which is read for other records. Without `names` every fact is written with
    its entity, and a text in small letters is taken for a member of an enumeration. `expected` is
    the type that the expression's place asks for.
    """
    return _Writer(note, names).text(expr, _OR, expected)


@dataclass(frozen=True, slots=True)
class _Writer:
    note: Note | None
    names: Names | None

    def text(self, expr: ir.Expr, least: int = _OR, expected: Type | None = None) -> str:
        """The expression, in parentheses where it holds together less tightly than `least`."""
        written, level = self._written(expr, expected)
        if self.note is not None and (said := self.note(expr)):
            written += said
        return f"({written})" if level < least else written

    def _written(self, expr: ir.Expr, expected: Type | None) -> tuple[str, int]:
        match expr:
            case ir.Num():
                return _number(expr), _UNARY if expr.value < 0 else _ATOM
            case ir.Bool(value=value):
                return "yes" if value else "no", _ATOM
            case ir.Text(value=text):
                return self._constant(text, expected), _ATOM
            case ir.Day(value=day):
                return day.isoformat(), _ATOM
            case ir.CodeSet(values=values):
                return self._set(values, expected), _ATOM
            case ir.Param(name=name):
                return f"params.{name}", _ATOM
            case ir.Fact(entity=entity, name=name):
                own = self.names is not None and self.names.entity == entity
                return name if own else f"{entity}.{name}", _ATOM
            case ir.Outcome():
                return self._outcome(expr), _ATOM
            case ir.Let(name=name):
                return name, _ATOM
            case ir.Lookup():
                return self._lookup(expr), _ATOM
            case ir.Listed(catalogue=catalogue, keys=keys):
                return f"listed({catalogue} by ({self._keys(catalogue, keys)}))", _ATOM
            case ir.Arith():
                return self._arithmetic(expr)
            case ir.Negate(item=item):
                inner = self.text(item, _UNARY)
                # Two signs would begin a comment.
                return f"-({inner})" if inner.startswith("-") else f"-{inner}", _UNARY
            case ir.Extreme(op=op, items=items):
                return f"{op}({self._list(items)})", _ATOM
            case ir.Round(item=item, rounding=rounding):
                return f"round({self.text(item)}, {rounding})", _ATOM
            case ir.Convert(item=item, unit=unit):
                return f"{self.text(item, _CAST)} as {unit}", _CAST
            case ir.DaysBetween(first=first, second=second):
                return f"days_between({self._list((first, second))})", _ATOM
            case ir.Compare(op=op, left=left, right=right):
                sides = (self.text(left, _SUM, CODE), self.text(right, _SUM, CODE))
                return f" {op} ".join(sides), _COMPARISON
            case ir.Logic():
                return self._logic(expr)
            case ir.In():
                return self._in(expr), _COMPARISON
            case ir.FirstKnown(items=items):
                type_ = self._type(items[0]) or expected
                first, *others = items
                said = [self.text(first, _OR, expected)]
                said += [self.text(other, _OR, type_) for other in others]
                return f"first_known({', '.join(said)})", _ATOM
            case ir.Aggregate():
                return self._aggregate(expr), _ATOM
        assert_never(expr)

    def _list(self, items: Sequence[ir.Expr]) -> str:
        return ", ".join(self.text(item) for item in items)

    # --- constants and names ---------------------------------------------------------------------

    def _constant(self, text: str, expected: Type | None) -> str:
        if self.names is None and expected is None:
            return text if _MEMBER.fullmatch(text) else f'"{text}"'
        return text if isinstance(expected, Enumeration) else f'"{text}"'

    def _set(self, values: Sequence[str], expected: Type | None) -> str:
        return "{" + ", ".join(self._constant(value, expected) for value in values) + "}"

    def _outcome(self, expr: ir.Outcome) -> str:
        if expr.output:
            return f"{expr.rule}.{expr.output}"
        if self.names is not None and (self.names.entity, expr.rule) in self.names.facts:
            return f"{self.names.outcomes[expr.rule, ''][0]}.{expr.rule}"
        return expr.rule

    def _type(self, expr: ir.Expr) -> Type | None:
        """The type of what may be a code or an enumeration's member; None for anything else, and
        where no names are known."""
        if self.names is None:
            return None
        match expr:
            case ir.Fact(entity=entity, name=name):
                return self.names.facts[entity, name]
            case ir.Outcome(rule=rule, output=output):
                return self.names.outcomes[rule, output][1]
            case ir.Let(name=name):
                return self._type(self.names.lets[name]) if name in self.names.lets else None
            case ir.Lookup(catalogue=catalogue, field=name):
                return self.names.fields[catalogue, name]
            case ir.FirstKnown(items=items):
                return next((type_ for item in items if (type_ := self._type(item))), None)
        return None

    # --- catalogues ------------------------------------------------------------------------------

    def _keys(self, catalogue: str, keys: Sequence[ir.Expr]) -> str:
        types: Sequence[Type | None] = [None] * len(keys)
        if self.names is not None:
            types = self.names.keys[catalogue]
        pairs = zip(keys, types, strict=True)
        return ", ".join(self.text(key, _OR, type_) for key, type_ in pairs)

    def _lookup(self, expr: ir.Lookup) -> str:
        none = self.text(expr.none, _OR, self._type(expr))
        keys = self._keys(expr.catalogue, expr.keys)
        return f"lookup({expr.catalogue}.{expr.field} by ({keys}), none gives {none})"

    # --- arithmetic and logic --------------------------------------------------------------------

    def _arithmetic(self, expr: ir.Arith) -> tuple[str, int]:
        level = _SUM if expr.op in "+-" else _PRODUCT
        said = f"{self._operand(expr.left, level)} {expr.op} {self._operand(expr.right, level + 1)}"
        if expr.zero is not None:
            said += f" zero gives {self.text(expr.zero, _UNARY)}"
        return said, level

    def _operand(self, expr: ir.Expr, least: int) -> str:
        # `a / b zero gives 0 * c` would be read rightly by the parser, but not by people.
        divides = isinstance(expr, ir.Arith) and expr.zero is not None
        return self.text(expr, _UNARY if divides else least)

    def _logic(self, expr: ir.Logic) -> tuple[str, int]:
        items = expr.items
        if expr.op == "at_least":
            return f"at least {expr.least} of ({self._list(items)})", _ATOM
        if expr.op == "none" and len(items) == 1:
            (item,) = items
            if isinstance(item, ir.In) and (member := self._one_member(item)):
                return f"{self.text(item.item, _SUM)} is not {member}", _COMPARISON
            return f"not {self.text(item, _NOT)}", _NOT
        if expr.op == "none" or len(items) == 1:
            return f"{expr.op} of ({self._list(items)})", _ATOM
        if expr.op == "all":
            return " and ".join(self._joined(item, "all", _NOT) for item in items), _AND
        return " or ".join(self._joined(item, "any", _AND) for item in items), _OR

    def _joined(self, item: ir.Expr, op: str, least: int) -> str:
        """An item of an `and` or `or`. One of the same kind would melt into it."""
        if isinstance(item, ir.Logic) and item.op == op:
            return f"{op} of ({self._list(item.items)})"
        return self.text(item, least)

    def _in(self, expr: ir.In) -> str:
        item = self.text(expr.item, _SUM)
        if member := self._one_member(expr):
            return f"{item} is {member}"
        return f"{item} in {self.text(expr.values, _ATOM, self._type(expr.item))}"

    def _one_member(self, expr: ir.In) -> str:
        """The enumeration's member where there is but one; empty for several, and for codes."""
        if not isinstance(expr.values, ir.CodeSet) or len(expr.values.values) != 1:
            return ""
        said = self._constant(expr.values.values[0], self._type(expr.item))
        return "" if said.startswith('"') else said

    # --- related records -------------------------------------------------------------------------

    def _aggregate(self, expr: ir.Aggregate) -> str:
        names = self.names and replace(self.names, entity=expr.entity, lets=_NOTHING)
        inner = _Writer(None, names)
        said = "" if expr.item is None else f"{inner.text(expr.item)} over "
        said += expr.entity
        if expr.where is not None:
            said += f" where {inner.text(expr.where)}"
        if expr.empty is not None:
            said += f", empty gives {self.text(expr.empty)}"
        return f"{expr.op}({said})"


def _number(number: ir.Num) -> str:
    """A literal. Numbers of the language are decimals, so that every one ends."""
    size = decimal_text(abs(number.value) * (100 if number.unit == "percent" else 1))
    match number.unit:
        case "percent":
            said = f"{size}%"
        case "usd":
            whole, point, rest = size.partition(".")
            said = f"${int(whole):,}{point}{rest}"
        case "points" | "days":
            said = f"{size} {number.unit[:-1] if size == '1' else number.unit}"
        case _:
            said = size
    return f"-{said}" if number.value < 0 else said
