"""Small pieces of SQL as syntax trees, named for what the rule compiler means by them.

A tree that already stands somewhere is copied when it is used again. `NULL` is what is not
determined, so that AND, OR and NOT are Kleene's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlglot import exp

E = exp.Expr

# Types by their name. 128 bits are DECIMAL(38, 0) where there are no such integers.
TINY, INT, LONG, WIDE = "TINYINT", "INT", "BIGINT", "INT128"
TEXT, TRUTH = "VARCHAR", "BOOLEAN"
# Two conversions to DOUBLE and one division are off by less than 2**-50 of the result. Whole
# divisions of numbers that are not negative, with results below this, are marked as such.
ESTIMATED, NOT_NEGATIVE = 2**49, "not_negative"


def use(tree: E) -> E:
    """The tree, or a copy where it already has a place."""
    return tree.copy() if tree.parent is not None else tree


def column(name: str, table: str = "") -> exp.Column:
    return exp.column(name, table=table or None, quoted=False)


def number(value: int) -> E:
    return exp.Literal.number(value) if value >= 0 else exp.Neg(this=exp.Literal.number(-value))


def text(value: str) -> E:
    return exp.Literal.string(value)


def truth(value: bool) -> E:
    return exp.Boolean(this=value)


def null() -> E:
    return exp.Null()


def data_type(name: str) -> exp.DataType:
    return exp.DataType(this=exp.DataType.Type(name))


def cast(tree: E, to: str) -> E:
    return exp.Cast(this=use(tree), to=data_type(to))


def typed_null(to: str) -> E:
    return cast(null(), to)


def both(kind: type[exp.Binary], left: E, right: E) -> E:
    """A binary operation, its operands in brackets where they are operations themselves."""
    return kind(this=_bracketed(left), expression=_bracketed(right))


def _bracketed(tree: E) -> E:
    tree = use(tree)
    return (
        exp.Paren(this=tree) if isinstance(tree, exp.Binary | exp.Neg | exp.Not | exp.Is) else tree
    )


def negated(tree: E) -> E:
    if isinstance(tree, exp.Boolean):
        return truth(not tree.this)
    return exp.Not(this=_bracketed(tree))


def every(items: Iterable[E]) -> E:
    """AND; yes of nothing."""
    return _joined(exp.And, items, True)


def any_of(items: Iterable[E]) -> E:
    """OR; no of nothing."""
    return _joined(exp.Or, items, False)


def _joined(kind: type[exp.Connector], items: Iterable[E], neutral: bool) -> E:
    found: E | None = None
    for item in items:
        if isinstance(item, exp.Boolean):
            if item.this is neutral:
                continue
            return truth(not neutral)
        found = _bracketed(item) if found is None else kind(this=found, expression=_bracketed(item))
    return truth(neutral) if found is None else found


def is_null(tree: E) -> E:
    return exp.Is(this=_bracketed(tree), expression=null())


def not_null(tree: E) -> E:
    return exp.Not(this=is_null(tree))


def case(branches: Sequence[tuple[E, E]], otherwise: E | None) -> E:
    """The value of the first condition that is true."""
    kept: list[tuple[E, E]] = []
    for when, value in branches:
        if isinstance(when, exp.Boolean):
            if when.this is False:
                continue
            otherwise = value
            break
        kept.append((when, value))
    if not kept:
        return use(otherwise) if otherwise is not None else null()
    return exp.Case(
        ifs=[exp.If(this=use(when), true=use(value)) for when, value in kept],
        default=use(otherwise) if otherwise is not None else None,
    )


def coalesce(first: E, *others: E) -> E:
    return exp.Coalesce(this=use(first), expressions=[use(other) for other in others])


def among(tree: E, values: Sequence[E]) -> E:
    if not values:
        return truth(False)
    return exp.In(this=_bracketed(tree), expressions=[use(value) for value in values])


def call(name: str, *arguments: E) -> E:
    return exp.func(name, *(use(argument) for argument in arguments))


def alias(tree: E, name: str) -> E:
    return exp.alias_(use(tree), name, quoted=False)


# --- sets of texts: what an undetermined outcome needs --------------------------------------------


def no_texts() -> E:
    kind = exp.DataType(this=exp.DataType.Type.ARRAY, expressions=[data_type(TEXT)], nested=True)
    return exp.Cast(this=exp.Array(expressions=[]), to=kind)


def texts(*items: E) -> E:
    return exp.Array(expressions=[use(item) for item in items])


def united(items: Sequence[E]) -> E:
    """The texts of all sets; one may be there twice."""
    if not items:
        return no_texts()
    if len(items) == 1:
        return use(items[0])
    return exp.ArrayConcat(this=use(items[0]), expressions=[use(item) for item in items[1:]])


# --- as text --------------------------------------------------------------------------------------


def duckdb(tree: E) -> str:
    """The tree in DuckDB's words. Its division of 128 bits takes twenty times as long as that of
    DOUBLEs, which is less than one off: what is left over then says which way."""
    top = exp.Paren(this=tree.copy())
    for node in reversed(list(top.find_all(exp.IntDiv))):
        if NOT_NEGATIVE in node.meta:
            node.replace(_estimated(node.this, node.expression))
    written: str = top.this.sql(dialect="duckdb", copy=False)
    return written


def _estimated(above: E, under: E) -> E:
    share = both(exp.Div, cast(above, "DOUBLE"), cast(under, "DOUBLE"))
    near = cast(call("FLOOR", share), LONG)
    left = both(exp.Sub, above, both(exp.Mul, near, under))
    off = case(
        [(both(exp.LT, left, number(0)), number(-1)), (both(exp.GTE, left, under), number(1))],
        number(0),
    )
    return exp.Paren(this=both(exp.Add, near, off))
