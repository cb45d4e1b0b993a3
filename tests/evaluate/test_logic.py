"""Three-valued logic: a condition is determined exactly when no unknown fact could change it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate.small import small
from finalrule.core import ir
from finalrule.core.expressions import Context, Frame, Known, Unknown, prepare
from finalrule.core.walk import nodes
from finalrule.values import Value

Meaning = Callable[[bool, bool, bool], object]
CONDITIONS: dict[str, tuple[str, Meaning]] = {
    "not": ("not a", lambda a, b, c: not a),
    "and": ("a and b and c", lambda a, b, c: a and b and c),
    "or": ("a or b or c", lambda a, b, c: a or b or c),
    "and_or": ("a and b or c", lambda a, b, c: (a and b) or c),
    "and_not": ("a and not b", lambda a, b, c: a and not b),
    "all": ("all of (a, b, c)", lambda a, b, c: a and b and c),
    "any": ("any of (a, b, c)", lambda a, b, c: a or b or c),
    "none": ("none of (a, b, c)", lambda a, b, c: not (a or b or c)),
    "one": ("at least 1 of (a, b, c)", lambda a, b, c: a + b + c >= 1),
    "two": ("at least 2 of (a, b, c)", lambda a, b, c: a + b + c >= 2),
    "three": ("at least 3 of (a, b, c)", lambda a, b, c: a + b + c >= 3),
    "nested": ("any of (a, none of (b, c))", lambda a, b, c: a or not (b or c)),
}
RULES = (
    "entity unit\n"
    "fact unit.a: yes_no may be unknown\n"
    "fact unit.b: yes_no may be unknown\n"
    "fact unit.c: yes_no may be unknown\n"
    + "".join(
        f'rule {name}_holds for unit: yes_no cites "42 CFR 414.1305" clause it: {text} always\n'
        for name, (text, _) in CONDITIONS.items()
    )
)
STATES = (True, False, None)


@pytest.mark.parametrize("name", CONDITIONS)
def test_truth_tables(name: str) -> None:
    """All 27 combinations of yes, no and unknown against the plain meaning of all completions."""
    program = small(RULES)
    meant = CONDITIONS[name][1]
    for a, b, c in itertools.product(STATES, repeat=3):
        possible = {
            bool(meant(*values))
            for values in itertools.product(
                *([x] if x is not None else [True, False] for x in (a, b, c))
            )
        }
        value = program.value(f"{name}_holds", a=a, b=b, c=c)
        if len(possible) == 1:
            assert value is possible.pop(), (a, b, c)
        else:
            assert isinstance(value, Unknown), (a, b, c)


def test_the_facts_that_are_needed() -> None:
    program = small(RULES)
    # `a` is no, so that only b and c are open; with one of three needed, both may decide.
    value = program.value("any_holds", a=False)
    assert isinstance(value, Unknown)
    assert value.needs == {"unit.b", "unit.c"}
    # Two of three with one yes: each of the others may decide.
    value = program.value("two_holds", a=True)
    assert isinstance(value, Unknown)
    assert value.needs == {"unit.b", "unit.c"}
    # In `a and b or c`, b does not matter where a is no.
    value = program.value("and_or_holds", a=False)
    assert isinstance(value, Unknown)
    assert value.needs == {"unit.c"}


# --- any condition in which each fact stands once -------------------------------------------------


@st.composite
def conditions(draw: st.DrawFn, depth: int = 3) -> ir.Expr:
    """A tree of all, any, none, at least; its facts are named later."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return ir.Fact("unit", "")
    items = tuple(draw(st.lists(conditions(depth=depth - 1), min_size=1, max_size=3)))
    op = draw(st.sampled_from(["all", "any", "none", "at_least"]))
    least = draw(st.integers(1, len(items))) if op == "at_least" else 0
    return ir.Logic(op, items, least)  # type: ignore[arg-type]


def named(expr: ir.Expr, names: Iterator[str]) -> ir.Expr:
    if isinstance(expr, ir.Fact):
        return ir.Fact("unit", next(names))
    assert isinstance(expr, ir.Logic)
    return ir.Logic(expr.op, tuple(named(item, names) for item in expr.items), expr.least)


def plain(expr: ir.Expr, facts: dict[str, bool]) -> bool:
    """What a condition means of facts that are all known."""
    if isinstance(expr, ir.Fact):
        return facts[expr.name]
    assert isinstance(expr, ir.Logic)
    true = sum(plain(item, facts) for item in expr.items)
    match expr.op:
        case "all":
            return true == len(expr.items)
        case "any":
            return true >= 1
        case "none":
            return true == 0
        case "at_least":
            return true >= expr.least


def run(expr: ir.Expr, facts: dict[str, bool]) -> Known:
    known: dict[str, Value] = dict(facts)
    return prepare(expr, Context({}, {}))(Frame("unit", (), known, None))


@settings(max_examples=600, deadline=None)
@given(conditions(), st.data())
def test_determined_exactly_when_all_completions_agree(expr: ir.Expr, data: st.DataObject) -> None:
    expr = named(expr, (f"f{n}" for n in itertools.count()))
    names = [node.name for node in nodes(expr) if isinstance(node, ir.Fact)][:10]
    states = {name: data.draw(st.sampled_from(STATES), label=name) for name in names}
    known = {name: state for name, state in states.items() if state is not None}
    # Facts beyond the tenth are known, so that there are at most 1,024 completions.
    rest = [n.name for n in nodes(expr) if isinstance(n, ir.Fact) and n.name not in states]
    known |= {name: data.draw(st.booleans()) for name in rest}
    unknown = [name for name in names if name not in known]
    completions = [
        known | dict(zip(unknown, values, strict=True))
        for values in itertools.product((True, False), repeat=len(unknown))
    ]
    possible = {plain(expr, facts) for facts in completions}
    value = run(expr, known)
    if not isinstance(value, Unknown):
        assert possible == {value}
        return
    assert len(possible) == 2
    # What it needs is unknown, and is enough.
    needed = {need.removeprefix("unit.") for need in value.needs}
    assert needed <= set(unknown)
    for facts in completions:
        told = known | {name: facts[name] for name in needed}
        assert run(expr, told) is plain(expr, facts)
