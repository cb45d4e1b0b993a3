"""Everybody determined again at once from the facts that are kept, by the exact evaluator alone:
whole records instead of views, no sharing of equal facts, no durable-rules. What was written on the
way must be what comes out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice

import msgspec

from finalrule.core.expressions import Unknown
from finalrule.diagnostics import Failure
from finalrule.evaluate.outcomes import OutcomeName, output_types
from finalrule.evaluate.scalar import Evaluation, Evaluator
from finalrule.facts.case import Case, Record
from finalrule.values import show
from finalrule.watch.case import Cases, Folded, Keys, fold
from finalrule.watch.derive import Derived
from finalrule.watch.model import Model
from finalrule.watch.store import Store, Subject

_SHARE = 256

# An outcome's values and what decided it.
State = tuple[tuple[str | None, ...], str]

_derived = msgspec.json.Decoder(Derived).decode


def differences(model: Model, evaluator: Evaluator, store: Store) -> Iterator[str]:
    """The names of the outcomes that come out otherwise than they were written. `evaluator` is of
    the policy."""
    subjects = store.subjects()
    while share := list(islice(subjects, _SHARE)):
        was = {name: state for subject in share for name, state in written(subject)}
        found = dict(afresh(model, evaluator, store, share))
        yield from (name for name in sorted({*was, *found}) if was.get(name) != found.get(name))


def written(subject: Subject) -> Iterator[tuple[str, State]]:
    """A subject's outcomes as they were last written, by name."""
    for one in _derived(subject.determined).outcomes:
        yield str(OutcomeName(one.rule, tuple(one.path))), (tuple(one.values), one.winner)


def afresh(
    model: Model, evaluator: Evaluator, store: Store, subjects: Sequence[Subject]
) -> Iterator[tuple[str, State]]:
    """Subjects' outcomes as they come out now, by name. A subject whose facts break a rule's
    promise has none, and is for those who point at it as if it were not there."""
    try:
        yield from _outcomes(model, evaluator, store, subjects)
        return
    except Failure:
        if len(subjects) > 1:
            for subject in subjects:
                yield from afresh(model, evaluator, store, [subject])
            return
    whole = WholeCase(model, store)
    whole.record(subjects[0])
    broken: set[int] = set()
    for other in sorted(whole.subjects, key=lambda one: one.kind):
        try:
            found = _outcomes(model, evaluator, store, [other], broken)
        except Failure:
            broken.add(other.id)
        else:
            if other.id == subjects[0].id:
                yield from found


def _outcomes(
    model: Model, evaluator: Evaluator, store: Store, subjects: Sequence[Subject],
    without: Collection[int] = (),
) -> list[tuple[str, State]]:  # fmt: skip
    whole = WholeCase(model, store, without)
    tops = [whole.record(subject) for subject in subjects]
    own = {record for top in tops if top is not None for record in top.walk()}
    near = [kind.near for kind in model.subjects if kind.near]
    evaluation = evaluator.evaluate(Case(whole.root, {}, ""), [*model.shown, *near])
    return list(states(model, evaluation, own))


def states(model: Model, evaluation: Evaluation, own: set[Record]) -> Iterator[tuple[str, State]]:
    """The outcomes that are written of some of a case's records."""
    types = {name: output_types(model.rules[name]) for name in model.shown}
    for (rule, frame), decision in evaluation.decisions.items():
        if rule in model.shown and evaluation.records[frame] in own:
            values = tuple(
                None if isinstance(value, Unknown) else show(value, types[rule][output])
                for output, value in decision.values.items()
            )
            yield str(OutcomeName(rule, frame.path)), (values, decision.winner)


class WholeCase:
    """Subjects with all that they point at, whole, in one case; some, by id, are left out."""

    def __init__(self, model: Model, store: Store, without: Collection[int] = ()) -> None:
        self.model, self.store, self.cases = model, store, Cases(model)
        self.root = self.cases.root()
        self.subjects: list[Subject] = []
        self._made: dict[int, Record | None] = dict.fromkeys(without)

    def record(self, subject: Subject) -> Record | None:
        """The subject's own record; None where there is none."""
        if subject.id not in self._made:
            self.subjects.append(subject)
            folded = fold(self.model, self.store.said(subject.id))
            self._made[subject.id] = self._build(folded) if folded.records else None
        return self._made[subject.id]

    def _build(self, folded: Folded) -> Record:
        made: dict[tuple[str, tuple[Keys, ...]], Record] = {}
        top = self.root
        for entity, keys in sorted(folded.records, key=lambda at: (len(at[1]), at[1])):
            told = folded.records[entity, keys]
            above = made[self.model.parents[entity], keys[:-1]] if len(keys) > 1 else self.root
            known = {name: value for name, value in told.facts.items() if value is not None}
            record = above.add(entity, self.cases.facts(entity, keys[-1], known))
            made[entity, keys] = record
            if len(keys) == 1:
                top = record
            if told.pointed is not None:
                kind = self.model.kind_of[self.model.refers[entity]]
                (other,) = self.store.load((self.store.subject(kind, told.pointed)[0],))
                record.refers = self.record(other)
        return top
