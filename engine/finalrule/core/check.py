"""Last stage: what must hold whatever the facts are. Tables hit exactly one row over their whole
domain, curves cover theirs and move only the declared way, clauses exclude each other and leave no
gap where the domains decide it, and no figure is read that the policy does not have."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from finalrule.core import ir
from finalrule.core.clauses import check_clauses
from finalrule.core.curves import check_curve
from finalrule.core.declare import Declarations
from finalrule.core.expressions import Context, Frame, Known, Unknown, constant_value, prepare
from finalrule.core.lower import Lowered
from finalrule.core.table_match import matches
from finalrule.core.walk import nodes
from finalrule.diagnostics import Label, Report
from finalrule.policy.model import Policy
from finalrule.values import Enumeration, Number, Type, Value, YesNo, show

_MAXIMUM_COMBINATIONS = 100_000


def check(
    rules: Sequence[Lowered], known: Declarations, policy: Policy, context: Context, report: Report
) -> None:
    """Check every rule in force."""
    for one in rules:
        if not _figures_are_there(one, policy, context, report):
            continue
        match one.rule:
            case ir.Table():
                _check_table(one, one.rule, context, report)
            case ir.Curve():
                check_curve(one, one.rule, known, context, report)
            case ir.Choice():
                check_clauses(one, one.rule, known, report)


def _figures_are_there(one: Lowered, policy: Policy, context: Context, report: Report) -> bool:
    parts = (one.rule, tuple(expr for _, expr in (*one.checks, *one.jumps)))
    missing = [
        node.name
        for node in nodes(parts)
        if isinstance(node, ir.Param) and context.parameters[node.name].value is None
    ]
    for name in dict.fromkeys(missing):
        report.error(
            "not-in-force",
            f"rule `{one.rule.name}` reads `{name}`, which is {context.parameters[name].status}",
            Label(policy.parameters[name].value_span, "no figure"),
            Label(one.written.span(one.written.syntax), "read by this rule"),
            help="state the figure, or put the rule out of force",
        )
    return not missing


def _run(expr: ir.Expr, context: Context, lets: dict[str, Known] | None = None) -> Known:
    """The value of an expression that reads constants, parameters and the given lets only."""
    frame = Frame("", (), {}, None)
    frame.lets = dict(lets or {})
    return prepare(expr, context)(frame)


# --- tables ------------------------------------------------------------------------------------


def _samples(type_: Type, cells: Sequence[ir.Cell]) -> list[Value]:
    """One value of each region that the column's cells tell apart."""
    match type_:
        case YesNo():
            return [True, False]
        case Enumeration(members=members):
            return list(members)
        case Number(low=low, high=high, scale=scale):
            ends = {low, high}
            ends |= {end for cell in cells for end in (cell.low, cell.high) if end is not None}
            if scale == 0:  # whole numbers: nothing lies between one and the next
                ends |= {end + step for end in ends for step in (-1, 1)}
            inside = sorted(end for end in ends if low <= end <= high)
            if scale == 0:
                return list(inside)
            between = [(a + b) / 2 for a, b in itertools.pairwise(inside)]
            return sorted([*inside, *between])
    raise TypeError(f"a column cannot be of {type_}")


def _combination(table: ir.Table, values: Sequence[Value]) -> str:
    pairs = zip(table.given, values, strict=True)
    return ", ".join(f"{key.name} {show(value, key.type)}" for key, value in pairs)


def _check_table(one: Lowered, table: ir.Table, context: Context, report: Report) -> None:
    assert one.rows is not None
    columns = [
        _samples(key.type, [row.cells[i] for row in table.rows])
        for i, key in enumerate(table.given)
    ]
    if math.prod(map(len, columns)) > _MAXIMUM_COMBINATIONS:
        report.error(
            "table-too-large",
            f"`{table.name}` has more than {_MAXIMUM_COMBINATIONS:,} combinations of its columns",
            one.written.span(one.written.syntax),
            help="split the table: every combination is checked",
        )
        return
    spans = {row.name: one.rows.rows[row.name].span for row in table.rows}
    gaps: list[str] = []
    overlaps: dict[tuple[str, ...], str] = {}
    combinations: Iterator[tuple[Value, ...]] = itertools.product(*columns)
    for values in combinations:
        named: dict[str, Known] = {
            key.name: value for key, value in zip(table.given, values, strict=True)
        }
        if table.where is not None and _run(table.where, context, named) is not True:
            continue
        hit = tuple(row.name for row in table.rows if matches(row, values))
        if not hit:
            gaps.append(_combination(table, values))
        elif len(hit) > 1:
            overlaps.setdefault(hit, _combination(table, values))
    if gaps:
        more = f" and {len(gaps) - 3} more" if len(gaps) > 3 else ""
        report.error(
            "table-gap",
            f"no row of `{table.name}` holds for {'; '.join(gaps[:3])}{more}",
            Label(one.rows.span, "these rows"),
            Label(one.written.span(one.written.syntax), "the table's domain"),
            help="add a row for it"
            + ("; ranges meet as `<= 15` and `> 15` do" if _has_numbers(table) else ""),
        )
    for names, example in overlaps.items():
        report.error(
            "table-overlap",
            f"several rows of `{table.name}` hold for {example}",
            *[Label(spans[name], "holds") for name in names],
            help="make the rows exclude each other",
        )
    _check_rows(one, table, context, report)


def _has_numbers(table: ir.Table) -> bool:
    return any(isinstance(key.type, Number) for key in table.given)


def _check_rows(one: Lowered, table: ir.Table, context: Context, report: Report) -> None:
    assert one.rows is not None
    for row in table.rows:
        named: dict[str, Known] = {
            key.name: constant_value(value)
            for key, value in zip(table.gives, row.values, strict=True)
        }
        for key, cell in zip(table.given, row.cells, strict=True):
            named[key.name] = (
                Unknown(frozenset((key.name,)))
                if cell.equals is None
                else {"yes": True, "no": False}.get(cell.equals, cell.equals)
            )
        for syntax, expr in one.checks:
            if _run(expr, context, named) is False:
                shown = ", ".join(
                    f"{key.name} {show(constant_value(value), key.type)}"
                    for key, value in zip(table.gives, row.values, strict=True)
                )
                report.error(
                    "table-check",
                    f"row `{row.name}` breaks a check of `{table.name}`: {shown}",
                    Label(one.rows.rows[row.name].span, "this row"),
                    Label(one.written.span(syntax), "this check"),
                    help="correct the row's cells",
                )
