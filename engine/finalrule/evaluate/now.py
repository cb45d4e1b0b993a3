"""What rules give for a case while its facts are being changed: an outcome is decided when it is
first asked for, and again only after a fact behind it has changed."""

from __future__ import annotations

from typing import Any

from finalrule.core import ir
from finalrule.core.expressions import Frame, Known, Run, Unknown, prepare
from finalrule.core.walk import nodes, reads
from finalrule.diagnostics import Failure
from finalrule.evaluate.scalar import Evaluation, Evaluator
from finalrule.evaluate.thresholds import FactName
from finalrule.facts.case import Case, Record

_UNKNOWN = Unknown(frozenset())


class Readers:
    """Which rules of a program read a fact or an outcome, and which depend on a fact."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        # Rules in their order, each once: by fact, and by the rule whose outcome they read.
        self.by_fact: dict[FactName, list[str]] = {}
        self.by_rule: dict[str, list[str]] = {}
        self._found: dict[FactName, frozenset[str]] = {}
        self._runs: dict[int, tuple[ir.Expr, Run]] = {}
        for rule in evaluator.program.rules:
            facts = {(one.entity, one.name) for one in nodes(rule) if isinstance(one, ir.Fact)}
            if isinstance(rule, ir.Select):
                facts |= {(rule.entity, name) for name in rule.ties}
            for fact in facts:
                self.by_fact.setdefault(fact, []).append(rule.name)
            for name in reads(rule):
                self.by_rule.setdefault(name, []).append(rule.name)

    def of(self, entity: str, name: str) -> frozenset[str]:
        """All rules with the fact behind them."""
        found = self._found.get((entity, name))
        if found is None:
            todo = list(self.by_fact.get((entity, name), ()))
            seen: set[str] = set()
            while todo:
                rule = todo.pop()
                if rule not in seen:
                    seen.add(rule)
                    todo += self.by_rule.get(rule, ())
            found = self._found[entity, name] = frozenset(seen)
        return found

    def run(self, expr: ir.Expr) -> Run:
        """An expression without lets as a function of a frame."""
        known = self._runs.get(id(expr))
        if known is None:
            known = self._runs[id(expr)] = (expr, prepare(expr, self.evaluator.context))
        return known[1]


class Now:
    """A case as it is. Whoever changes a fact says so (`changed`), and so does who changes a
    reference or the records that there are (`rebuilt`)."""

    def __init__(self, readers: Readers, root: Record) -> None:
        self.readers, self.case = readers, Case(root, {}, "")
        self._evaluation: Evaluation | None = None
        self._frames: dict[Record, Frame] = {}
        self._decided: dict[str, set[Frame]] = {}

    def value(self, expr: ir.Expr, record: Record) -> Known:
        """What an expression without lets comes to at a record; unknown too where a rule breaks a
        promise on the way."""
        try:
            return self.readers.run(expr)(self._frame(record))
        except Failure:
            return _UNKNOWN

    def winner(self, rule: str, record: Record) -> str:
        """What decides a rule at a record; empty where nothing does."""
        frame = self._frame(record)
        try:
            self.decide(rule, frame)
        except Failure:
            return ""
        assert self._evaluation is not None
        return self._evaluation.decision(rule, frame).winner

    def changed(self, record: Record, name: str) -> None:
        """A fact has another value, or is not known any more."""
        if self._evaluation is None:
            return
        frame = self._frames[record]
        given = record.facts.get(name)
        if given is None:
            frame.facts.pop(name, None)
        else:
            frame.facts[name] = given.value
        readers = self.readers.of(record.entity, name)
        for rule in [one for one in self._decided if one in readers]:
            for one in self._decided.pop(rule):
                one.outcomes.clear_rule(rule)  # type: ignore[attr-defined]

    def rebuilt(self) -> None:
        """Records are not those that they were."""
        self._evaluation = None

    def decide(self, rule: str, frame: Frame) -> None:
        """Decide a rule at a frame, if it is not."""
        assert self._evaluation is not None
        evaluator, evaluation = self.readers.evaluator, self._evaluation
        if frame in self._decided.get(rule, ()):
            return
        declared = evaluator.rules[rule]
        together = isinstance(declared, ir.Select)
        frames = evaluation.frames_of(declared.entity) if together else [frame]
        # Each may be in the middle of another rule, with lets of that.
        lets = [one.lets for one in frames]
        try:
            evaluator.once_more(evaluation, declared, frames)
        finally:
            for one, before in zip(frames, lets, strict=True):
                one.lets = before
        self._decided.setdefault(rule, set()).update(frames)

    def _frame(self, record: Record) -> Frame:
        if self._evaluation is None:
            evaluation = self.readers.evaluator.decide(self.case, (), {})
            self._evaluation, self._decided = evaluation, {}
            self._frames = {one: frame for frame, one in evaluation.records.items()}
            for frame in evaluation.frames:
                frame.outcomes = _Outcomes(self, frame)
        return self._frames[record]


class _Outcomes(dict[tuple[str, str], Known]):
    """A frame's outcomes, decided when they are asked for."""

    def __init__(self, now: Now, frame: Frame) -> None:
        super().__init__()
        self.now, self.frame = now, frame

    def get(self, wanted: tuple[str, str], default: Any = None) -> Any:
        found = super().get(wanted)
        if (
            found is None
            and self.now.readers.evaluator.rules[wanted[0]].entity == self.frame.entity
        ):
            self.now.decide(wanted[0], self.frame)
            found = super().get(wanted)
        return default if found is None else found

    def clear_rule(self, rule: str) -> None:
        for key in [one for one in self if one[0] == rule]:
            del self[key]
