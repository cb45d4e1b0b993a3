"""What changed of a subject, as lines: who, what it was, what it is, by which clause and citation,
and which events led to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from finalrule.core import ir
from finalrule.evaluate.outcomes import OutcomeName, output_types
from finalrule.watch.derive import Derived, Outcome
from finalrule.watch.model import Model

# Events that one line names; of more, their number is said.
NAMED_EVENTS = 100

_encode = msgspec.json.Encoder().encode


class Changes:
    """Writes changes of what a model's rules determine."""

    def __init__(self, model: Model) -> None:
        self.laws: dict[tuple[str, str], dict[str, Any]] = {}
        self.outputs: dict[str, tuple[str, ...]] = {}
        self.keys = [model.declared.keys(kind.entity) for kind in model.subjects]
        for rule in model.program.rules:
            if rule.name in model.shown:
                self.outputs[rule.name] = tuple(output_types(rule))
                for winner, because, cites in _deciding(rule):
                    said = {"because": because} if because else {}
                    law = {"clause": winner, **said, "cites": list(cites or rule.cites)}
                    self.laws[rule.name, winner] = law

    def lines(
        self, kind: int, keys: Sequence[Any], before: Derived, after: Derived,
        events: Sequence[str],
    ) -> Iterator[bytes]:  # fmt: skip
        """A line for each outcome that is another, or was decided otherwise; one for the subject
        where nothing could be determined."""
        subject = dict(zip(self.keys[kind], keys, strict=True))
        led: dict[str, Any] = {"events": list(events[:NAMED_EVENTS])}
        if len(events) > NAMED_EVENTS:
            led["events_in_all"] = len(events)
        was = {(one.rule, tuple(one.path)): one for one in before.outcomes}
        problem = {"problem": after.problem} if after.problem else {}
        if after.problem and after.problem != before.problem and not was:
            yield _encode({"subject": subject, **problem, **led})
        for one in after.outcomes:
            old = was.pop((one.rule, tuple(one.path)), None)
            if old is None or (old.winner, old.values) != (one.winner, one.values):
                states = {"was": self._brief(old), "is": self._full(one)}
                yield _encode({"subject": subject, "outcome": _name(one), **states, **led})
        for old in was.values():
            changed: dict[str, Any] = {"was": self._brief(old), "is": None, **problem}
            yield _encode({"subject": subject, "outcome": _name(old), **changed, **led})

    def _value(self, outcome: Outcome) -> Any:
        names = self.outputs[outcome.rule]
        if names == ("",):
            return outcome.values[0]
        return dict(zip(names, outcome.values, strict=True))

    def _brief(self, outcome: Outcome | None) -> Mapping[str, Any] | None:
        if outcome is None:
            return None
        said = {"clause": outcome.winner} if outcome.winner else {}
        return {"value": self._value(outcome), **said}

    def _full(self, outcome: Outcome) -> Mapping[str, Any]:
        if not outcome.winner:
            return {"value": self._value(outcome), "needs": outcome.needs}
        return {"value": self._value(outcome), **self.laws[outcome.rule, outcome.winner]}


def _name(outcome: Outcome) -> str:
    return str(OutcomeName(outcome.rule, tuple(outcome.path)))


def _deciding(rule: ir.AnyRule) -> Iterator[tuple[str, str, Sequence[str]]]:
    """What can decide a rule: its name, why, and its own citations."""
    match rule:
        case ir.Choice():
            yield from ((clause.name, clause.because, clause.cites) for clause in rule.clauses)
        case ir.Table():
            yield from ((row.name, "", (row.cite,)) for row in rule.rows)
            yield "outside", "", ()
        case ir.Curve():
            yield from ((piece.name, "", piece.cites) for piece in rule.pieces)
        case ir.Deciles():
            names = ("below", "none", *(f"decile_{number}" for number in range(1, 11)))
            yield from ((name, "", ()) for name in names)
        case ir.Select():
            yield from ((name, "", ()) for name in ("selected", "passed_over", "not_considered"))
