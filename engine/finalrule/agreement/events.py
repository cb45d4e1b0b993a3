"""`finalrule watch` as a reader: each case told event by event, in any order of arrival, many cases
in one stream; then what the watch holds and what it wrote, against the exact evaluator on the case.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from finalrule.agreement.telling import Path as Keys
from finalrule.agreement.telling import Teller
from finalrule.core import ir
from finalrule.core.expressions import Frame, Unknown
from finalrule.core.walk import nodes
from finalrule.diagnostics import Diagnostic, Failure, Label, Pointer
from finalrule.evaluate.generate import Generator
from finalrule.evaluate.outcomes import OutcomeName, output_types
from finalrule.evaluate.scalar import Evaluation
from finalrule.facts.case import Case, Given, Record
from finalrule.runtime.compare import DIFFERENCE
from finalrule.values import Number, show
from finalrule.watch.derive import Derived, Deriver
from finalrule.watch.model import Model, everything, model_of
from finalrule.watch.pool import Here
from finalrule.watch.watch import DETERMINATIONS, REJECTED, Watch

# What is said to people of the reader's name.
NAME = "events"
# A stream is taken in so many batches: a subject's facts come in some of them, and it is determined
# again after each.
_BATCHES = 3
# Whose numbers are shown: APM Entities with what else is assessed alone, and clinicians.
TOLD = ("qp_unit", "eligible_clinician", "payment_model", "other_payer_arrangement")
# What becomes of events that are told on purpose; no other answer may be given.
_EXPECTED = {"duplicate", "unknown-subject", "retracts-unknown"}

# An outcome's texts, one for each output, and what decided it; by rule and path.
State = tuple[tuple[str | None, ...], str]
States = dict[tuple[str, Keys], State]


class _Is(msgspec.Struct):
    value: Any
    clause: str = ""


class _Line(msgspec.Struct):
    """What is compared of a line of determinations."""

    outcome: str = ""
    now: _Is | None = msgspec.field(default=None, name="is")


class _Rejected(msgspec.Struct):
    answer: str
    reason: str
    message: str
    id: str = ""


_line = msgspec.json.Decoder(_Line).decode
_rejected = msgspec.json.Decoder(_Rejected).decode
_derived = msgspec.json.Decoder(Derived).decode
_keys = msgspec.json.Decoder(list[str]).decode


@dataclass(frozen=True, slots=True)
class EventDifference:
    """An outcome that is another one by the watch."""

    rule: ir.AnyRule
    path: Keys
    exact: str
    found: str

    def diagnostic(self) -> Diagnostic:
        """As an error at the rule."""
        name = OutcomeName(self.rule.name, self.path)
        return Diagnostic(
            DIFFERENCE,
            f"two evaluators differ on `{name}`: {self.exact}, but told by events {self.found}",
            (Label(Pointer(str(self.rule.place), ""), f"rule {self.rule.name}"),),
            "do not use this outcome: one of the two is wrong; report the rule",
        )


@dataclass(slots=True)
class _Told:
    """What came of a case: outcomes as the watch has them; errors' codes and messages of subjects
    of which nothing is determined; what is wrong with what it wrote."""

    records: list[tuple[Record, Keys]]
    states: States = field(default_factory=dict)
    problems: list[tuple[str, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def track_of(program: ir.Program) -> ir.Program:
    """The part of a program that events tell of: the rules that can be watched, what they read, and
    records of no others. Raises Failure where there is none, or facts cannot be said."""
    model = _model(program)
    entities = tuple(one for one in program.entities
                     if one.name in model.kind_of or one.name == model.root)  # fmt: skip
    names = {one.name for one in entities}
    facts = tuple(fact for fact in program.facts if fact.entity in names)
    rules = model.program.rules
    return msgspec.structs.replace(program, entities=entities, facts=facts, rules=rules)


def _model(program: ir.Program) -> Model:
    """What is watched. Raises Failure where that is nothing, or facts cannot be said."""
    rules = everything(program)
    if not rules:
        raise Failure([Diagnostic(
            "nothing-to-watch",
            f"reader {NAME}: {program.policy} determines nothing of a subject of events",
            help="take a policy with the track apm, or other readers",
        )])  # fmt: skip
    model = model_of(program, rules)
    if wrong := list(_not_to_be_told(model)):
        raise Failure(wrong)
    return model


def _not_to_be_told(model: Model) -> Iterator[Diagnostic]:
    """The facts of a program whose cases cannot be told by events so that they are the same."""
    for fact in model.program.facts:
        if fact.entity not in model.kind_of:
            continue
        name = f"`{fact.entity}.{fact.name}`"
        if isinstance(fact.type, Number) and fact.type.scale is None:
            yield Diagnostic(
                "cannot-be-told",
                f"reader {NAME}: an event says decimals, and {name} may be any fraction",
                help="declare how many decimal places it has (`scale 6`), or take other readers",
            )
        renamed = model.parents[fact.entity] == model.root or fact.entity in model.named_by
        if renamed and fact.name in model.keys[fact.entity] and (
            (fact.entity, fact.name) not in model.identity
        ):  # fmt: skip
            yield Diagnostic(
                "cannot-be-told",
                f"reader {NAME}: a rule reads {name}, which is another name as events are told",
                help="let rules read a fact of the record, or take other readers",
            )


class EventsReader:
    """A program as it is watched, every rule's outcomes written. Facts of the program as a whole,
    which no event says, are given as they are in the case."""

    name = NAME
    small = 25

    def __init__(self, program: ir.Program, generator: Generator) -> None:
        self.model = model = _model(program)
        self.rules = model.shown
        self.fired = 0
        # Of the cases that it has: events, what became of them, and those of whom they tell.
        self.counts: Counter[str] = Counter()
        self.deriver = Deriver(model)
        self._teller = Teller(model, generator)
        self._supposed = sorted(
            {
                node.name
                for node in nodes(model.program.rules)
                if isinstance(node, ir.Fact) and node.entity == model.root
            }
        )
        self._outputs = {name: output_types(model.rules[name]) for name in model.shown}
        self._by_entity: dict[str, list[ir.AnyRule]] = {}
        for rule in model.program.rules:
            if rule.name in model.shown:
                self._by_entity.setdefault(rule.entity, []).append(rule)
        self._told: list[_Told] = []

    def begin(self, cases: Sequence[Case], follows: Sequence[bool] = ()) -> None:
        self._told = [_Told([]) for _ in cases]
        self.counts = Counter()
        streams: dict[tuple[Given | None, ...], list[int]] = {}
        for place, case in enumerate(cases):
            facts = tuple(case.root.facts.get(name) for name in self._supposed)
            streams.setdefault(facts, []).append(place)
        for given, places in streams.items():
            named = zip(self._supposed, given, strict=True)
            try:
                self.deriver.suppose({name: one for name, one in named if one is not None})
            except Failure as failure:
                for place in places:
                    self._told[place].problems += [(e.code, e.message) for e in failure.diagnostics]
            else:
                self._stream(cases, places)

    def differences(
        self, place: int, evaluation: Evaluation, changed: Collection[Frame] | None = None
    ) -> Sequence[EventDifference]:
        told = self._told[place]
        if told.problems:
            raise Failure([Diagnostic(code, said) for code, said in told.problems])
        if told.wrong:
            raise Failure([Diagnostic(DIFFERENCE, said) for said in told.wrong])
        return list(self._compared(told, evaluation))

    def refuses(self, place: int, code: str, rule: str) -> bool:
        return rule not in self.model.rules or any(
            one == code for one, _ in self._told[place].problems
        )

    def narrowed(self, rule: str) -> EventsReader:
        return self

    def seed(self, count: int, seed: int) -> Sequence[Any]:
        """None: it runs the rulesets of durable-rules, whose faults are that reader's."""
        return []

    def find(
        self, faults: Sequence[Any], cases: Sequence[Case],
        evaluate: Callable[[Case], Evaluation], note: Callable[[int], None],
    ) -> Mapping[str, int]:  # fmt: skip
        return {}

    # --- a stream --------------------------------------------------------------------------------

    def _stream(self, cases: Sequence[Case], places: Sequence[int]) -> None:
        """Tell some cases, whose program's facts are the same, as one stream."""
        lines: list[tuple[float, bytes]] = []
        for place in places:
            told = self._teller.tell(cases[place], f"{place}/")
            self._told[place].records = told.records
            lines += told.lines
            self.counts.update(one.entity for one in cases[place].root.walk()
                               if one.entity in self._teller.tops)  # fmt: skip
        lines.sort()
        size = max(-(-len(lines) // _BATCHES), 1)
        numbered = list(enumerate((line for _, line in lines), 1))
        with TemporaryDirectory() as name:
            folder = Path(name)
            with Watch(self.model, folder, Here(self.deriver)) as watch:
                for start in range(0, len(numbered), size):
                    watch.take(numbered[start : start + size])
                self._read(watch, folder)

    def _read(self, watch: Watch, folder: Path) -> None:
        """What the watch holds, what it wrote, and which events it did not take."""
        self.counts.update(watch.counts)
        with (folder / REJECTED).open("rb") as file:
            for answer in map(_rejected, file):
                if answer.reason not in _EXPECTED:
                    why = f"{answer.answer} ({answer.reason}): {answer.message}"
                    self._told[_place(answer.id)].wrong.append(f"an event of a case was {why}")
        written: dict[str, _Is] = {}
        with (folder / DETERMINATIONS).open("rb") as file:
            for line in map(_line, file):
                if line.now is not None:
                    written[line.outcome] = line.now
                else:
                    written.pop(line.outcome, None)
        for subject in watch.store.subjects():
            told = self._told[_place(_keys(subject.keys)[0])]
            derived = _derived(subject.determined)
            if derived.problem:
                told.problems.append((derived.code, derived.problem))
            for one in derived.outcomes:
                path, name = tuple(one.path), str(OutcomeName(one.rule, tuple(one.path)))
                state = told.states[one.rule, path] = tuple(one.values), one.winner
                last = written.pop(name, None)
                if last is None or self._state(one.rule, last) != state:
                    told.wrong.append(f"what was last written of {name} is not what is held")
        for outcome in written:
            place = _place(outcome.partition("[")[2])
            self._told[place].wrong.append(f"{outcome} was written, and is not held")

    def _state(self, rule: str, last: _Is) -> State:
        outputs = tuple(self._outputs[rule])
        if outputs == ("",):
            return (last.value,), last.clause
        return tuple([last.value[name] for name in outputs]), last.clause

    # --- against the exact evaluator -------------------------------------------------------------

    def _compared(self, told: _Told, evaluation: Evaluation) -> Iterator[EventDifference]:
        frames = {record: frame for frame, record in evaluation.records.items()}
        # A neighbour's evaluation has the records of its own case: those that were told.
        left = dict(told.states)
        for record, path in told.records:
            for rule in self._by_entity.get(record.entity, ()):
                decision = evaluation.decisions[rule.name, frames[record]]
                types = self._outputs[rule.name]
                texts = tuple(
                    [
                        None if isinstance(value, Unknown) else show(value, types[output])
                        for output, value in decision.values.items()
                    ]
                )
                exact = texts, decision.winner
                found = left.pop((rule.name, path), None)
                if found != exact:
                    yield EventDifference(rule, path, _said(exact), _said(found))
        for (name, path), found in left.items():
            yield EventDifference(self.model.rules[name], path, "no record", _said(found))


def _place(name: str) -> int:
    """Of which case a name is."""
    return int(name.partition("/")[0])


def _said(state: State | None) -> str:
    if state is None:
        return "nothing"
    texts, winner = state
    return f"{', '.join(text or 'undetermined' for text in texts)} by {winner or 'nothing'}"
