"""How a decision came about: what decided, and for each of the others the condition that failed."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from finalrule.core import ir
from finalrule.core.expressions import DecileBounds, Frame, Known, Unknown
from finalrule.core.table_match import cell_holds, cell_text
from finalrule.evaluate.kinds import best_decile, ranked
from finalrule.evaluate.plan import Data, unverified, value_text
from finalrule.evaluate.reading import Reading
from finalrule.evaluate.types import number_of
from finalrule.values import show

_RATE = number_of("rate")


def describe(rule: ir.AnyRule, winner: str, reading: Reading) -> Data:
    """What decided an outcome, and what each of the others failed on; `winner` is empty when the
    outcome is not determined. What is read is gathered on the way."""
    match rule:
        case ir.Choice():
            return _choice(rule, winner, reading)
        case ir.Table():
            return _table(rule, winner, reading)
        case ir.Curve():
            return _curve(rule, winner, reading)
        case ir.Deciles():
            return _deciles(rule, winner, reading)
        case ir.Select():
            return _select(rule, winner, reading)


def _with_others(entry: Data, others: list[Data]) -> Data:
    return {**entry, "others": others} if others else entry


def _why_not(name: str, failed: list[str], open_: list[str]) -> Data:
    """One that did not decide: what of it does not hold, else what is not determined."""
    return {"name": name, "failed": failed} if failed else {"name": name, "undetermined": open_}


# --- clauses -------------------------------------------------------------------------------------


def _choice(rule: ir.Choice, winner: str, reading: Reading) -> Data:
    entry: Data = {}
    held = winner or _holding(rule, reading)
    others = []
    for clause in rule.clauses:
        if clause.name == held:
            decided: Data = {"name": clause.name, "place": str(clause.place)}
            if clause.because:
                decided["because"] = clause.because
            if clause.cites:
                decided["cites"] = list(clause.cites)
            if clause.when is not None:
                decided["when"] = reading.says(clause.when)
            decided["gives"] = reading.says(clause.value)
            entry["decided_by"] = decided
        elif clause.when is not None:
            others.append(_condition(clause.name, clause.when, reading))
        else:
            others.append(_otherwise(rule, clause.name, held, reading))
    return _with_others(entry, others)


def _holding(rule: ir.Choice, reading: Reading) -> str:
    """The clause that surely decides, though its value is not determined."""
    rest = ""
    for clause in rule.clauses:
        met = True if clause.when is None else reading.value(clause.when)
        if clause.when is None:
            rest = clause.name
        elif met is True:
            return clause.name
        elif isinstance(met, Unknown):
            return ""
    return rest


def _otherwise(rule: ir.Choice, name: str, held: str, reading: Reading) -> Data:
    if held:
        return _why_not(name, [f"no other clause holds ({held} does)"], [])
    open_ = [
        clause.name
        for clause in rule.clauses
        if clause.when is not None and isinstance(reading.value(clause.when), Unknown)
    ]
    return _why_not(name, [], [f"whether no other clause holds ({', '.join(open_)} may)"])


def _condition(name: str, when: ir.Expr, reading: Reading) -> Data:
    """The smallest parts of a condition that make it no, else those that leave it open."""
    parts = [(part, part.run(reading.frame)) for part in reading.plan.of(when).parts]
    failed = [reading.says(part.expr) for part, truth in parts if truth is False]
    open_ = [] if failed else [
        reading.says(part.expr) for part, truth in parts if isinstance(truth, Unknown)
    ]  # fmt: skip
    return _why_not(name, failed, open_)


# --- tables --------------------------------------------------------------------------------------


def _table(rule: ir.Table, winner: str, reading: Reading) -> Data:
    entry: Data = {}
    for key in rule.given:
        reading.let(key.name, reading.frame)
    others: list[Data] = []
    if rule.where is not None:
        entry["where"] = reading.says(rule.where)
        if winner == "outside":
            others = [_condition(row.name, rule.where, reading) for row in rule.rows]
        else:
            inside = reading.value(rule.where)
            said = [f"outside of the table's domain: not ({entry['where']})"]
            others.append(_why_not("outside", said if inside is True else [], said))
    if winner != "outside":
        values = [reading.plan.runs[key.name](reading.frame) for key in rule.given]
        others = [
            *(_row(rule, row, values) for row in rule.rows if row.name != winner), *others,
        ]  # fmt: skip
    row = next((row for row in rule.rows if row.name == winner), None)
    if row is not None:
        entry["decided_by"] = {
            "name": row.name, "place": str(row.place), "cites": [row.cite],
            **unverified(row.unverified),
        }  # fmt: skip
    elif winner:
        entry["decided_by"] = {"name": winner, "place": str(rule.place)}
    return _with_others(entry, others)


def _row(rule: ir.Table, row: ir.Row, values: Sequence[Known]) -> Data:
    failed, open_ = [], []
    for key, cell, value in zip(rule.given, row.cells, values, strict=True):
        said = f"{cell_text(cell, key)} ({value_text(value, key.type)})"
        if isinstance(value, Unknown):
            if cell_text(cell, key):
                open_.append(said)
        elif not cell_holds(cell, value):
            failed.append(said)
    return _why_not(row.name, failed, open_)


# --- curves --------------------------------------------------------------------------------------


def _curve(rule: ir.Curve, winner: str, reading: Reading) -> Data:
    entry: Data = {"of": reading.says(rule.of), "at": reading.shown(rule.of)}
    held = winner or _piece_at(rule, reading)
    others = []
    for piece in rule.pieces:
        low, high = reading.says(piece.low), reading.says(piece.high)
        begins = "from" if piece.low_included else "above"
        ends = "through" if piece.high_included else "up to"
        where = f"{begins} {low} {ends} {high}"
        if piece.name == held:
            if piece.x1 is None or piece.x2 is None or piece.y2 is None:
                shape = f"flat at {reading.says(piece.y1)}"
            else:
                shape = (
                    f"line from ({reading.says(piece.x1)}, {reading.says(piece.y1)}) "
                    f"to ({reading.says(piece.x2)}, {reading.says(piece.y2)})"
                )
            entry["decided_by"] = {
                "name": piece.name, "place": str(piece.place), "gives": f"{where}: {shape}",
                **({"cites": list(piece.cites)} if piece.cites else {}),
            }  # fmt: skip
        else:
            said = [f"{entry['of']} is {where}"]
            known = not isinstance(reading.value(rule.of), Unknown)
            others.append(_why_not(piece.name, said if known else [], said))
    return _with_others(entry, others)


def _piece_at(rule: ir.Curve, reading: Reading) -> str:
    """The piece that holds, though its value is not determined."""
    x = reading.value(rule.of)
    for piece in rule.pieces:
        low, high = reading.value(piece.low), reading.value(piece.high)
        if isinstance(x, Fraction) and isinstance(low, Fraction) and isinstance(high, Fraction):
            cell = ir.Cell(None, low, piece.low_included, high, piece.high_included)
            if cell_holds(cell, x):
                return piece.name
    return ""


# --- deciles -------------------------------------------------------------------------------------


def _deciles(rule: ir.Deciles, winner: str, reading: Reading) -> Data:
    entry: Data = {"of": reading.says(rule.of), "at": reading.shown(rule.of)}
    for key in rule.keys:
        reading.gather(key, reading.frame)
    keys, bounds = reading.keys(rule.keys), None
    if keys is not None:
        bounds = reading.plan.context.catalogues[rule.catalogue].bounds(keys)
        reading.record(rule.catalogue, keys, {})
    if bounds is not None:
        entry["bounds"] = {
            "inverse": bounds.inverse,
            "lower": [None if bound is None else show(bound, _RATE) for bound in bounds.lower],
        }
    value = reading.value(rule.of)
    names = ("below", "none", *(f"decile_{number}" for number in range(1, 11)))
    if keys is None:
        said = f"which record of {rule.catalogue} it is"
        return _with_others(entry, [_why_not(name, [], [said]) for name in names])
    named = f"{rule.catalogue}[{','.join(keys)}]"
    if bounds is None:
        entry["decided_by"] = {
            "name": "none", "place": str(rule.place), "gives": reading.says(rule.none),
        }  # fmt: skip
        failed = [f"{named} has bounds"]
        return _with_others(entry, [_why_not(name, failed, []) for name in names if name != "none"])
    without = _why_not("none", [f"{named} has no bounds"], [])
    if not isinstance(value, Fraction):
        open_ = [entry["of"]]
        others = [_why_not(name, [], open_) for name in names if name != "none"]
        return _with_others(entry, [*others, without])
    best, _ = best_decile(value, bounds)
    decided: Data = {"name": f"decile_{best}" if best else "below", "place": str(rule.place)}
    if best:
        decided["gives"] = _points(best, value, bounds, rule.rounding, reading)
    else:
        decided["gives"] = reading.says(rule.below)
    entry["decided_by"] = decided
    others = [_decile(number, best, entry["of"], bounds) for number in range(11) if number != best]
    return _with_others(entry, [*others, without])


def _points(
    best: int, value: Fraction, bounds: DecileBounds, rounding: str, reading: Reading
) -> str:
    """How points come of a decile."""
    low, high = bounds.lower[best - 1], bounds.lower[best] if best < 10 else None
    if low is None or high is None:
        return str(best)
    reading.rounding(rounding)
    here, first, following = (show(number, _RATE) for number in (value, low, high))
    return f"{best} + ({here} - {first}) / ({following} - {first}), rounded by {rounding}"


def _decile(number: int, best: int, of: str, bounds: DecileBounds) -> Data:
    """Why another decile is not the one (0: below all of them)."""
    name = f"decile_{number}" if number else "below"
    meets, misses = ("<=", ">") if bounds.inverse else (">=", "<")
    own = bounds.lower[number - 1] if number else None
    if number and own is None:
        failed = f"decile {number} has a bound"
    elif own is not None and number > best:
        failed = f"{of} {meets} {show(own, _RATE)}"
    else:  # it would be the one if the next bound were missed
        following = next(bound for bound in bounds.lower[number:] if bound is not None)
        failed = f"{of} {misses} {show(following, _RATE)}"
    return _why_not(name, [failed], [])


# --- selects -------------------------------------------------------------------------------------


def _select(rule: ir.Select, winner: str, reading: Reading) -> Data:
    entry: Data = {}
    parent = reading.frame.parent or reading.frame
    if rule.where is not None:
        entry["where"] = reading.says(rule.where)
    if winner == "not_considered":
        assert rule.where is not None
        entry["decided_by"] = {"name": winner, "place": str(rule.place)}
        others = [_condition(name, rule.where, reading) for name in ("selected", "passed_over")]
        return _with_others(entry, others)
    if rule.best is not None:
        entry["best"] = reading.says(rule.best, parent)
    rivals = _rivals(rule, reading, parent)
    entry["rivals"] = [_rival(rule, reading, frame) for frame in _shown(rivals, reading)]
    if not winner:
        return entry
    entry["decided_by"] = {"name": winner, "place": str(rule.place)}
    rank = f"it is {rivals.index(reading.frame) + 1} of {len(rivals)}"
    wanted = "all" if rule.best is None else entry["best"]
    other = "passed_over" if winner == "selected" else "selected"
    beyond = "beyond" if winner == "selected" else "within"
    others = [_why_not(other, [f"{rank}, {beyond} the best {wanted}"], [])]
    if rule.where is not None:
        others.append(_why_not("not_considered", [f"not ({entry['where']})"], []))
    return _with_others(entry, others)


def _rivals(rule: ir.Select, reading: Reading, parent: Frame) -> list[Frame]:
    """The records of the same group that are or may be considered, best first; in the order of
    their keys while the order is not determined."""
    decisions = reading.traced.evaluation.decisions
    found = []
    group = [reading.value(key) for key in rule.per]
    for frame in reading.traced.below(parent, rule.entity):
        decision = decisions.get((rule.name, frame))
        if decision is None or decision.winner == "not_considered":
            continue
        if frame is not reading.frame:
            frame.lets = {}
        if [reading.value(key, frame) for key in rule.per] == group:
            found.append(frame)
    keys = {frame: [reading.value(order.by, frame) for order in rule.by] for frame in found}
    if any(isinstance(value, Unknown) for values in keys.values() for value in values):
        return found
    return ranked(rule, found, keys)


def _shown(rivals: list[Frame], reading: Reading) -> list[Frame]:
    """The first of the rivals, and the record itself."""
    first = reading.first(rivals)
    return first if reading.frame in first else [*first[:-1], reading.frame]


def _rival(rule: ir.Select, reading: Reading, frame: Frame) -> Data:
    decision = reading.traced.evaluation.decisions[rule.name, frame]
    for order in rule.by:
        reading.gather(order.by, frame)
    entry: Data = {
        "keys": list(frame.path),
        "outcome": decision.winner,
        "ranked": [
            {"by": reading.plan.text(order.by), **reading.shown(order.by, frame)}
            for order in rule.by
        ],
    }
    if rule.where is not None and isinstance(reading.value(rule.where, frame), Unknown):
        entry["where"] = reading.says(rule.where, frame)
    return entry
