"""Last stage: what must hold whatever the facts are. Tables hit exactly one row over their whole
domain, curves cover theirs and move only the declared way, clauses exclude each other and leave no
gap where the domains decide it, and no figure is read that the policy does not have."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from fractions import Fraction

from finalrule.core import ir
from finalrule.core.declare import Declarations
from finalrule.core.expressions import Context, Frame, Known, Unknown, constant_value, prepare
from finalrule.core.lower import Lowered
from finalrule.core.table_match import matches
from finalrule.core.walk import nodes
from finalrule.diagnostics import Label, Report
from finalrule.policy.model import Policy
from finalrule.values import Enumeration, Number, Type, Value, YesNo, show

_MAXIMUM_COMBINATIONS = 100_000
_MAXIMUM_ATOMS = 14


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
                _check_curve(one, one.rule, known, context, report)
            case ir.Choice():
                _check_clauses(one, one.rule, known, report)


def _figures_are_there(one: Lowered, policy: Policy, context: Context, report: Report) -> bool:
    missing = [
        node.name
        for node in nodes(one.rule)
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
        case Number(low=low, high=high):
            ends = {low, high}
            ends |= {end for cell in cells for end in (cell.low, cell.high) if end is not None}
            inside = sorted(end for end in ends if low <= end <= high)
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
    spans = {row.name: one.rows.rows[row.name].span for row in table.rows}
    gaps: list[str] = []
    overlaps: dict[tuple[str, ...], str] = {}
    combinations: Iterator[tuple[Value, ...]] = itertools.product(*columns)
    for values in itertools.islice(combinations, _MAXIMUM_COMBINATIONS):
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
            help="add a row for it",
        )
    for names, example in overlaps.items():
        report.error(
            "table-overlap",
            f"several rows of `{table.name}` hold for {example}",
            *[Label(spans[name], "holds") for name in names],
            help="make the rows exclude each other",
        )
    _check_rows(one, table, context, report)


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


# --- curves ------------------------------------------------------------------------------------


def _fact_corners(curve: ir.Curve, known: Declarations) -> Iterator[dict[str, dict[str, Value]]]:
    """Each combination of the lowest and highest value of the facts that the pieces read."""
    read = sorted(
        {
            (node.entity, node.name)
            for piece in curve.pieces
            for node in nodes(piece)
            if isinstance(node, ir.Fact)
        }
        | {
            (node.entity, node.name)
            for let in curve.lets
            for node in nodes(let)
            if isinstance(node, ir.Fact)
        }
    )
    ends = []
    for entity, name in read:
        type_ = known.facts[entity, name].type
        ends.append((type_.low, type_.high) if isinstance(type_, Number) else ())
    for values in itertools.product(*ends):
        facts: dict[str, dict[str, Value]] = {}
        for (entity, name), value in zip(read, values, strict=True):
            facts.setdefault(entity, {})[name] = value
        yield facts


def _check_curve(
    one: Lowered, curve: ir.Curve, known: Declarations, context: Context, report: Report
) -> None:
    for facts in _fact_corners(curve, known):
        before = len(report.diagnostics)
        _check_curve_at(one, curve, known, facts, context, report)
        if len(report.diagnostics) > before:
            return


def _curve_frame(
    curve: ir.Curve, known: Declarations, facts: dict[str, dict[str, Value]]
) -> Frame:
    frame: Frame | None = None
    for entity in reversed(known.ancestors(curve.entity)):
        frame = Frame(entity, (), facts.get(entity, {}), frame)
    assert frame is not None
    return frame


def _check_curve_at(
    one: Lowered,
    curve: ir.Curve,
    known: Declarations,
    facts: dict[str, dict[str, Value]],
    context: Context,
    report: Report,
) -> None:
    frame = _curve_frame(curve, known, facts)
    lets = {let.name: prepare(let.value, context) for let in curve.lets}

    def value(expr: ir.Expr | None) -> Fraction | None:
        found = prepare(expr, context, lets)(frame) if expr is not None else None
        return found if isinstance(found, Fraction) else None

    written = {piece.name.text: piece for piece in one.written.syntax.pieces}
    ends = [(value(piece.low), value(piece.high)) for piece in curve.pieces]
    spans = [one.written.span(written[piece.name]) for piece in curve.pieces]
    if any(low is None or high is None for low, high in ends):
        report.error(
            "curve-ends",
            f"the pieces of `{curve.name}` must end at figures, not at facts that vary",
            one.written.span(one.written.syntax),
            help="write the ends with parameters and constants only",
        )
        return
    ordered = sorted(range(len(ends)), key=lambda i: (ends[i][0], ends[i][1]))
    jumps = {value(expr): jump for jump, expr in one.jumps}
    reached: dict[Fraction, bool] = {}
    for before, after in itertools.pairwise(ordered):
        left, right = curve.pieces[before], curve.pieces[after]
        end, start = ends[before][1], ends[after][0]
        if end != start or left.high_included == right.low_included:
            overlap = end is not None and start is not None and end > start
            overlap = overlap or (end == start and left.high_included)
            report.error(
                "curve-overlap" if overlap else "curve-gap",
                f"pieces `{left.name}` and `{right.name}` "
                + ("both hold" if overlap else "leave a hole")
                + f" at {_x(start if overlap else end)}",
                Label(spans[before], f"ends at {_x(end)}"),
                Label(spans[after], f"begins at {_x(start)}"),
                help="end one with `up_to` or `through` where the other begins with `from` or `above`",
            )
            continue
        assert end is not None
        y_left, y_right = _height(left, end, value), _height(right, end, value)
        if y_left != y_right:
            reached[end] = True
            if end not in jumps:
                report.error(
                    "curve-jump",
                    f"`{curve.name}` jumps at {_x(end)}, from {_y(y_left, curve)} to "
                    f"{_y(y_right, curve)}, and declares no jump there",
                    Label(spans[before]),
                    Label(spans[after]),
                    help='declare it: `jump at ... because "..."`',
                )
    _check_direction(one, curve, ordered, ends, value, report)


def _x(value: Fraction | None) -> str:
    return "?" if value is None else str(float(value)) if value.denominator != 1 else str(value)


def _y(value: Fraction | None, curve: ir.Curve) -> str:
    return "?" if value is None else show(value, curve.type)


def _height(piece: ir.Piece, x: Fraction, value: object) -> Fraction | None:
    run = value if callable(value) else None
    assert run is not None
    y1 = run(piece.y1)
    if piece.shape == "flat":
        assert isinstance(y1, Fraction)
        return y1
    x1, x2, y2 = run(piece.x1), run(piece.x2), run(piece.y2)
    if x1 is None or x2 is None or y2 is None or x1 == x2:
        return None
    height: Fraction = y1 + (y2 - y1) * (x - x1) / (x2 - x1)
    return height


def _check_direction(
    one: Lowered,
    curve: ir.Curve,
    ordered: list[int],
    ends: list[tuple[Fraction | None, Fraction | None]],
    value: object,
    report: Report,
) -> None:
    if not one.never:
        return
    heights: list[tuple[Fraction, str]] = []
    for i in ordered:
        for end in ends[i]:
            assert end is not None
            height = _height(curve.pieces[i], end, value)
            if height is not None:
                heights.append((height, curve.pieces[i].name))
    sign = 1 if one.never == "decreasing" else -1
    for (a, first), (b, second) in itertools.pairwise(heights):
        if (b - a) * sign < 0:
            report.error(
                "curve-direction",
                f"`{curve.name}` must never be {one.never}, but goes from {_y(a, curve)} "
                f"(`{first}`) to {_y(b, curve)} (`{second}`)",
                one.written.span(one.written.syntax),
                help="correct the pieces or their figures",
            )
            return


# --- clauses -----------------------------------------------------------------------------------


def _check_clauses(
    one: Lowered, rule: ir.Choice, known: Declarations, report: Report
) -> None:
    """Overlaps and gaps that hold whatever the atoms of the conditions have to do with each other
    are decided here; the others are checked as the rule runs."""
    lets = {let.name: let.value for let in rule.lets}
    conditions = [clause.when for clause in rule.clauses]
    atoms: dict[str, ir.Expr] = {}
    for condition in conditions:
        if condition is not None:
            _collect(condition, lets, atoms)
    if len(atoms) > _MAXIMUM_ATOMS or not _independent(list(atoms.values())):
        return
    spans = {
        written.name.text: one.written.span(written.name)
        for written in one.written.syntax.clauses
    }
    complete = any(clause.kind != "when" for clause in rule.clauses)
    for values in _assignments(list(atoms.items()), known):
        held = [
            clause.name
            for clause in rule.clauses
            if clause.when is not None and _truth(clause.when, lets, values)
        ]
        said = ", ".join(f"{atom} is {'yes' if truth else 'no'}" for atom, truth in values.items())
        if len(held) > 1:
            report.error(
                "clauses-overlap",
                f"clauses of `{rule.name}` hold together when {said}",
                *[Label(spans[name], "holds") for name in held],
                help="add `and not ...` to one of the conditions",
            )
            return
        if not held and not complete:
            report.error(
                "clauses-gap",
                f"no clause of `{rule.name}` holds when {said}",
                one.written.span(one.written.syntax),
                help="add an `otherwise` clause",
            )
            return


def _resolve(expr: ir.Expr, lets: dict[str, ir.Expr]) -> ir.Expr:
    while isinstance(expr, ir.Let) and expr.name in lets:
        expr = lets[expr.name]
    return expr


def _collect(expr: ir.Expr, lets: dict[str, ir.Expr], atoms: dict[str, ir.Expr]) -> None:
    expr = _resolve(expr, lets)
    if isinstance(expr, ir.Logic):
        for item in expr.items:
            _collect(item, lets, atoms)
    elif not isinstance(expr, ir.Bool):
        atoms.setdefault(_atom_name(expr), expr)


def _atom_name(expr: ir.Expr) -> str:
    match expr:
        case ir.Fact(name=name):
            return name
        case ir.Outcome(rule=rule, output=output):
            return f"{rule}.{output}" if output else rule
        case ir.In(item=item, values=ir.CodeSet(values=values)):
            return f"{_atom_name(item)} in {{{', '.join(values)}}}"
    return repr(expr)


def _independent(atoms: list[ir.Expr]) -> bool:
    """Only yes/no facts, and enumeration tests of facts: nothing ties such atoms to each other, but
    the tests of one fact (told apart in `_assignments`)."""
    return all(
        isinstance(atom, ir.Fact)
        or (
            isinstance(atom, ir.In)
            and isinstance(atom.item, ir.Fact | ir.Outcome)
            and isinstance(atom.values, ir.CodeSet)
        )
        for atom in atoms
    )


def _assignments(
    atoms: list[tuple[str, ir.Expr]], known: Declarations
) -> Iterator[dict[str, bool]]:
    """Every possible truth of the atoms. Tests of one enumeration vary together, with its member."""
    items: dict[str, ir.Expr] = {}
    tested: dict[str, list[tuple[str, frozenset[str]]]] = {}
    plain: list[str] = []
    for name, atom in atoms:
        if isinstance(atom, ir.In) and isinstance(atom.values, ir.CodeSet):
            items[_atom_name(atom.item)] = atom.item
            tested.setdefault(_atom_name(atom.item), []).append(
                (name, frozenset(atom.values.values))
            )
        else:
            plain.append(name)
    choices: list[list[dict[str, bool]]] = [[{name: True}, {name: False}] for name in plain]
    for item, tests in tested.items():
        members = _members(items[item], known)
        choices.append([{name: member in values for name, values in tests} for member in members])
    for parts in itertools.product(*choices):
        yield {name: truth for part in parts for name, truth in part.items()}


def _members(item: ir.Expr, known: Declarations) -> tuple[str, ...]:
    match item:
        case ir.Fact(entity=entity, name=name):
            type_: Type = known.facts[entity, name].type
        case ir.Outcome(rule=rule, output=output):
            type_ = known.shapes[rule].outputs[output]
        case _:
            return ()
    return type_.members if isinstance(type_, Enumeration) else ()


def _truth(expr: ir.Expr, lets: dict[str, ir.Expr], values: dict[str, bool]) -> bool:
    expr = _resolve(expr, lets)
    if isinstance(expr, ir.Bool):
        return expr.value
    if not isinstance(expr, ir.Logic):
        return values[_atom_name(expr)]
    true = sum(_truth(item, lets, values) for item in expr.items)
    match expr.op:
        case "all":
            return true == len(expr.items)
        case "any":
            return true > 0
        case "none":
            return true == 0
        case "at_least":
            return true >= expr.least
