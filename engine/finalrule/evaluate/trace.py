"""The trace of an outcome: data in which every number ends at a fact and a citation.

`trace.v1`: the outcomes that a given one rests on, each with what decided it, what the others
failed on, the facts, figures, roundings and catalogue records that it read with where they came
from, and the outcomes that it read in turn. grammar/trace.schema.json describes it; showing it is
another module's work.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import Any

from finalrule.core import ir
from finalrule.core.expressions import Frame, Known, Unknown, constant_value
from finalrule.core.text import expression_text
from finalrule.evaluate.outcomes import OutcomeName, output_types
from finalrule.evaluate.scalar import Evaluation, Evaluator
from finalrule.evaluate.plan import Plans
from finalrule.evaluate.types import number_of
from finalrule.values import Type, exact, show

FORMAT = "trace.v1"
_MAXIMUM_RECORDS_SHOWN = 200


def trace(evaluator: Evaluator, evaluation: Evaluation, *wanted: OutcomeName) -> dict[str, Any]:
    """The trace of outcomes, as JSON-ready data. Raises KeyError when one was not evaluated."""
    return _Tracer(evaluator, evaluation, _plans(evaluator)).trace(wanted)


@lru_cache(maxsize=8)
def _plans(evaluator: Evaluator) -> Plans:
    return Plans(evaluator.program, evaluator.context)


def shown(value: Known, type_: Type) -> dict[str, Any]:
    """A value as data: its text, and the exact fraction of a number."""
    if isinstance(value, Unknown):
        return {"text": "undetermined", "needs": sorted(value.needs)}
    data: dict[str, Any] = {"text": show(value, type_)}
    if isinstance(value, Fraction):
        data["exact"] = exact(value)
    return data


class _Tracer:
    def __init__(self, evaluator: Evaluator, evaluation: Evaluation, plans: Plans) -> None:
        self.evaluator, self.evaluation, self.plans = evaluator, evaluation, plans
        self.program = evaluator.program
        self.facts = {(fact.entity, fact.name): fact for fact in self.program.facts}
        self.order = {rule.name: i for i, rule in enumerate(self.program.rules)}
        self.frames: dict[tuple[str, tuple[str, ...]], Frame] = {}
        for rule, frame in evaluation.decisions:
            self.frames[rule, frame.path] = frame

    def trace(self, wanted: tuple[OutcomeName, ...]) -> dict[str, Any]:
        todo = [(name.rule, self.frames[name.rule, name.path]) for name in wanted]
        done: dict[tuple[str, Frame], dict[str, Any]] = {}
        while todo:
            rule, frame = todo.pop()
            if (rule, frame) in done:
                continue
            entry, reads = self._entry(self.evaluator.rules[rule], frame)
            done[rule, frame] = entry
            todo.extend(reads)
        ordered = sorted(done, key=lambda key: (self.order[key[0]], key[1].path))
        case = self.evaluation.case
        return {
            "format": FORMAT,
            "policy": self.program.policy,
            "policy_digest": self.program.digest,
            "engine": self.program.engine,
            "facts_digest": case.facts_digest,
            "subject": dict(sorted(case.subject.items())),
            "wanted": [str(OutcomeName(name.rule, name.path)) for name in wanted],
            "outcomes": [done[key] for key in ordered],
        }

    def _entry(
        self, rule: ir.AnyRule, frame: Frame
    ) -> tuple[dict[str, Any], list[tuple[str, Frame]]]:
        decision = self.evaluation.decisions[rule.name, frame]
        types = output_types(rule)
        entry: dict[str, Any] = {
            "outcome": str(OutcomeName(rule.name, frame.path)),
            "rule": rule.name,
            "kind": rule.__struct_config__.tag,
            "title": rule.title,
            "entity": rule.entity,
            "keys": list(frame.path),
            "cites": list(rule.cites),
            "place": str(rule.place),
            "values": {
                name: shown(value, types[name]) for name, value in decision.values.items()
            },
        }
        if rule.variant:
            entry["variant"] = rule.variant
        if rule.force_cite:
            entry["in_force"] = {"cite": rule.force_cite, "place": str(rule.force_place)}
        if decision.assumed:
            entry["assumed"] = True
            return entry, []
        reading = _Reading(self, rule, frame)
        reading.decision(decision.winner, entry)
        entry.update(reading.data())
        return entry, list(reading.reads)


class _Reading:
    """What one decision read, gathered while its parts are described."""

    def __init__(self, tracer: _Tracer, rule: ir.AnyRule, frame: Frame) -> None:
        self.tracer, self.rule, self.frame = tracer, rule, frame
        self.context = tracer.evaluator.context
        self.plan = tracer.plans.of(rule)
        self.lets = self.plan.lets
        frame.lets = {}
        self.reads: dict[tuple[str, Frame], None] = {}
        self.facts: dict[tuple[str, str], dict[str, Any]] = {}
        self.parameters: dict[str, dict[str, Any]] = {}
        self.roundings: dict[str, dict[str, Any]] = {}
        self.records: dict[tuple[str, tuple[str, ...]], dict[str, Any]] = {}
        self.named: dict[str, dict[str, Any]] = {}

    def data(self) -> dict[str, Any]:
        """What was read, each list left out when it is empty."""
        found: dict[str, Any] = {
            "lets": list(self.named.values()),
            "facts": [self.facts[key] for key in sorted(self.facts)],
            "parameters": [self.parameters[key] for key in sorted(self.parameters)],
            "roundings": [self.roundings[key] for key in sorted(self.roundings)],
            "catalogue": [self.records[key] for key in sorted(self.records)],
            "reads": [str(OutcomeName(rule, frame.path)) for rule, frame in self.reads],
        }
        return {name: value for name, value in found.items() if value}

    # --- what decided ----------------------------------------------------------------------------

    def decision(self, winner: str, entry: dict[str, Any]) -> None:
        """Describe what decided, and what each of the others failed on."""
        match self.rule:
            case ir.Choice():
                self._choice(self.rule, winner, entry)
            case ir.Table():
                self._table(self.rule, winner, entry)
            case ir.Curve():
                self._curve(self.rule, winner, entry)
            case ir.Deciles():
                self._deciles(self.rule, winner, entry)
            case ir.Select():
                self._select(self.rule, winner, entry)

    def _choice(self, rule: ir.Choice, winner: str, entry: dict[str, Any]) -> None:
        others = []
        for clause in rule.clauses:
            if clause.name == winner:
                decided: dict[str, Any] = {"name": clause.name, "place": str(clause.place)}
                if clause.because:
                    decided["because"] = clause.because
                if clause.cites:
                    decided["cites"] = list(clause.cites)
                if clause.when is not None:
                    decided["when"] = self.says(clause.when)
                decided["gives"] = self.says(clause.value)
                entry["decided_by"] = decided
            elif clause.when is not None:
                others.append({"name": clause.name, **self._why_not(clause.when)})
        if others:
            entry["others"] = others

    def _table(self, rule: ir.Table, winner: str, entry: dict[str, Any]) -> None:
        for key in rule.given:
            self._let(key.name, self.frame)
        if rule.where is not None:
            self.says(rule.where)
        row = next((row for row in rule.rows if row.name == winner), None)
        if row is not None:
            decided: dict[str, Any] = {
                "name": row.name, "place": str(row.place), "cites": [row.cite],
            }  # fmt: skip
            if row.unverified:
                decided["unverified"] = True
            entry["decided_by"] = decided
        elif winner:
            entry["decided_by"] = {"name": winner, "place": str(rule.place)}

    def _curve(self, rule: ir.Curve, winner: str, entry: dict[str, Any]) -> None:
        entry["of"] = self.says(rule.of)
        for piece in rule.pieces:
            if piece.name != winner:
                continue
            low, high = self.says(piece.low), self.says(piece.high)
            begins = "from" if piece.low_included else "above"
            ends = "through" if piece.high_included else "up to"
            said = f"{begins} {low} {ends} {high}: "
            if piece.x1 is None or piece.x2 is None or piece.y2 is None:
                said += f"flat at {self.says(piece.y1)}"
            else:
                said += (
                    f"line from ({self.says(piece.x1)}, {self.says(piece.y1)}) "
                    f"to ({self.says(piece.x2)}, {self.says(piece.y2)})"
                )
            entry["decided_by"] = {
                "name": piece.name, "place": str(piece.place), "gives": said,
                **({"cites": list(piece.cites)} if piece.cites else {}),
            }  # fmt: skip

    def _deciles(self, rule: ir.Deciles, winner: str, entry: dict[str, Any]) -> None:
        entry["of"] = self.says(rule.of)
        keys = self._keys(rule.keys, self.frame)
        if keys is not None:
            bounds = self.context.catalogues[rule.catalogue].bounds(keys)
            self._record(rule.catalogue, keys, {})
            if bounds is not None:
                entry["bounds"] = {
                    "inverse": bounds.inverse,
                    "lower": [None if b is None else str(b) if b.denominator == 1 else
                              show(b, number_of("rate")) for b in bounds.lower],
                }  # fmt: skip
        if winner.startswith("decile_"):
            self._rounding(rule.rounding)
        if winner:
            decided: dict[str, Any] = {"name": winner, "place": str(rule.place)}
            if winner in ("below", "none"):
                decided["gives"] = self.says(rule.below if winner == "below" else rule.none)
            entry["decided_by"] = decided

    def _select(self, rule: ir.Select, winner: str, entry: dict[str, Any]) -> None:
        if rule.where is not None:
            entry["where"] = self.says(rule.where)
        if winner == "not_considered":
            entry["decided_by"] = {"name": winner, "place": str(rule.place)}
            return
        parent = self.frame.parent or self.frame
        if rule.best is not None:
            entry["best"] = self._in(parent, rule.best)
        # The rivals: the records of the group, with the keys that they were ranked by.
        rivals = []
        for frame in parent.below.get(rule.entity, [])[:_MAXIMUM_RECORDS_SHOWN]:
            other = self.tracer.evaluation.decisions.get((rule.name, frame))
            if other is None or other.winner == "not_considered":
                continue
            frame.lets = {}
            same = [self._value(key, frame) for key in rule.per]
            if same != [self._value(key, self.frame) for key in rule.per]:
                continue
            ranked = [
                {"by": expression_text(order.by, names=self.plan.names), **self._shown(order.by, frame)}
                for order in rule.by
            ]
            for order in rule.by:
                self._gather(order.by, frame)
            rivals.append({"keys": list(frame.path), "outcome": other.winner, "ranked": ranked})
        if rivals:
            entry["rivals"] = rivals
        if winner:
            entry["decided_by"] = {"name": winner, "place": str(rule.place)}

    # --- conditions ------------------------------------------------------------------------------

    def _why_not(self, when: ir.Expr) -> dict[str, Any]:
        """The parts of a condition that did not hold, or are undetermined."""
        failed = [self.says(part) for part in self._parts(when, False)]
        if failed:
            return {"failed": failed}
        return {"undetermined": [self.says(part) for part in self._parts(when, None)]}

    def _parts(self, expr: ir.Expr, wanted: bool | None) -> Iterator[ir.Expr]:
        """The smallest parts of a condition that make it no (False) or leave it open (None)."""
        truth = self._value(expr, self.frame)
        state = None if isinstance(truth, Unknown) else truth
        if state is not wanted:
            return
        if isinstance(expr, ir.Logic) and expr.op == "all":
            parts = [part for item in expr.items for part in self._parts(item, wanted)]
            yield from parts or [expr]
        else:
            yield expr

    # --- expressions -----------------------------------------------------------------------------

    def says(self, expr: ir.Expr) -> str:
        """An expression with the values of what it reads, which is gathered."""
        return self._in(self.frame, expr)

    def _in(self, frame: Frame, expr: ir.Expr) -> str:
        self._gather(expr, frame)
        return self.plan.of(expr).text(frame)

    def _value(self, expr: ir.Expr, frame: Frame) -> Known:
        return self.plan.of(expr).run(frame)

    def _shown(self, expr: ir.Expr, frame: Frame) -> dict[str, Any]:
        planned = self.plan.of(expr)
        return shown(planned.run(frame), planned.type)

    def _keys(self, keys: tuple[ir.Expr, ...], frame: Frame) -> tuple[str, ...] | None:
        values = [self._value(key, frame) for key in keys]
        return None if any(isinstance(v, Unknown) for v in values) else tuple(map(str, values))

    def _record(self, catalogue: str, keys: tuple[str, ...], fields: dict[str, str]) -> None:
        declared = next(c for c in self.tracer.program.catalogues if c.name == catalogue)
        found = self.context.catalogues[catalogue].record(keys) is not None
        entry = self.records.setdefault(
            (catalogue, keys),
            {"catalogue": catalogue, "keys": list(keys), "found": found, "file": declared.path,
             "cite": declared.cite, "fields": {}},
        )  # fmt: skip
        entry["fields"].update(fields)

    def _rounding(self, name: str) -> None:
        rule = self.context.roundings[name]
        self.roundings[name] = {
            "name": name, "places": rule.places, "mode": rule.mode, "cite": rule.cite,
            "place": str(rule.place), **({"unverified": True} if rule.unverified else {}),
        }  # fmt: skip

    def _gather(self, expr: ir.Expr, frame: Frame) -> None:
        """Note everything that an expression reads at a frame."""
        for node in self.plan.of(expr).reads:
            match node:
                case ir.Fact(entity=entity, name=name):
                    self._fact(frame.up[entity], name)
                case ir.Param(name=name):
                    self._parameter(name)
                case ir.Outcome(rule=rule):
                    self._outcome(rule, frame)
                case ir.Let(name=name):
                    self._let(name, frame)
                case ir.Round(rounding=rounding):
                    self._rounding(rounding)
                case ir.Lookup(catalogue=catalogue, field=field, keys=keys):
                    values = self._keys(keys, frame)
                    if values is not None:
                        self._record(catalogue, values, {field: self._shown(node, frame)["text"]})
                case ir.Listed(catalogue=catalogue, keys=keys):
                    values = self._keys(keys, frame)
                    if values is not None:
                        self._record(catalogue, values, {})
                case ir.Aggregate():
                    self._aggregate(node, frame)

    def _let(self, name: str, frame: Frame) -> None:
        if name in self.named or name not in self.lets:
            return
        self.named[name] = {}
        value = self.lets[name]
        said = self._in(frame, value)
        self.named[name] = {"name": name, "says": said, **self._shown(value, frame)}

    def _fact(self, frame: Frame, name: str) -> None:
        given = self.tracer.evaluation.records[frame].facts.get(name)
        declared = self.tracer.facts[frame.entity, name]
        label = frame.label(name)
        if given is None:
            self.facts[frame.entity, label] = {"name": label, "text": "unknown"}
        else:
            self.facts[frame.entity, label] = {
                "name": label, **shown(given.value, declared.type), "from": given.origin,
            }  # fmt: skip

    def _parameter(self, name: str) -> None:
        parameter = self.context.parameters[name]
        assert parameter.value is not None
        value = constant_value(parameter.value)
        self.parameters[name] = {
            "name": name, **shown(value, parameter.type), "cite": parameter.cite,
            "place": str(parameter.place), **({"unverified": True} if parameter.unverified else {}),
        }  # fmt: skip

    def _outcome(self, rule: str, frame: Frame) -> None:
        entity = self.tracer.evaluator.rules[rule].entity
        self.reads[rule, frame.up[entity]] = None

    def _aggregate(self, node: ir.Aggregate, frame: Frame) -> None:
        records = frame.below.get(node.entity, [])[:_MAXIMUM_RECORDS_SHOWN]
        for record in records:
            met = True if node.where is None else self._value(node.where, record)
            if node.where is not None:
                self._gather(node.where, record)
            if met is not False and node.item is not None:
                self._gather(node.item, record)
        if node.empty is not None:
            self._gather(node.empty, frame)
