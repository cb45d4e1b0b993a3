"""The determinations of a case by durable-rules: facts go in, rules fire, outcomes are concluded.

What the rulesets decide is read back from their own conclusions, record by record, never from the
exact evaluator; only scores, choices among records and rules outside the subset are taken from it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from finalrule.core import ir
from finalrule.core.expressions import Context, Frame, Known, Unknown, prepare
from finalrule.core.text import expression_text
from finalrule.diagnostics import Diagnostic, Failure
from finalrule.evaluate.outcomes import output_types
from finalrule.evaluate.scalar import Evaluation
from finalrule.runtime.compile import Rulesets
from finalrule.runtime.conditions import Input
from finalrule.runtime.durable import Concluded, Fire
from finalrule.runtime.ruleset import PHASE, RECORD, Ruleset

_UNDETERMINED = Unknown(frozenset())
_UNDETERMINED_RESULT = 0


class RecordFrame(Frame):
    """A record as the computed conditions read it, with the number of each conclusion."""

    __slots__ = ("results",)

    def __init__(self, frame: Frame, parent: Frame | None, refers: Frame | None) -> None:
        super().__init__(frame.entity, frame.path, frame.facts, parent, refers)
        self.nowhere = frame.nowhere
        self.results: dict[str, int] = {}


Read = Callable[[RecordFrame], int]


@dataclass(frozen=True, slots=True)
class Firing:
    """One event of the trace: a rule fired for the record at `path` and concluded its clause, or
    with an empty one that it is undetermined. `facts`: name and value of what it matched."""

    rule: str
    clause: str
    path: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Run:
    """What one ruleset came to for one record. `record` holds the numbers of its inputs."""

    ruleset: int
    frame: Frame
    record: tuple[int, ...]
    concluded: Concluded


class Determiner:
    """Rulesets made ready to determine cases. `context` has the catalogues."""

    def __init__(self, rulesets: Rulesets, context: Context) -> None:
        self.rulesets = rulesets
        self._entities = {rule.name: rule.entity for rule in rulesets.program.rules}
        self._outputs = {rule.name: tuple(output_types(rule)) for rule in rulesets.program.rules}
        self._context = context
        read = {name: self._reader(one) for name, one in rulesets.inputs.items()}
        self._readers = [[read[name] for name in one.inputs] for one in rulesets.rulesets]

    def determine(
        self, evaluation: Evaluation, fire: Fire, given: Collection[Frame] = ()
    ) -> list[Run]:
        """Every ruleset for every record of the case that `evaluation` is of, in order, but for
        those of `given`, whose decisions are taken as they are. The evaluation must have every rule
        of the others. Raises Failure when a fact is outside its type, and what `fire` raises."""
        frames = self._frames(evaluation, given)
        runs = []
        for place, ruleset in enumerate(self.rulesets.rulesets):
            found = [
                (own, frame)
                for frame, own in frames.items()
                if own.entity == ruleset.entity and frame not in given
            ]
            readers = self._readers[place]
            records = [tuple([read(own) for read in readers]) for own, _ in found]
            if not records:
                continue
            concluded = fire(place, records)
            for (own, frame), record, one in zip(found, records, concluded, strict=True):
                self._take_over(own, ruleset, one)
                runs.append(Run(place, frame, record, one))
        return runs

    def _frames(self, evaluation: Evaluation, given: Collection[Frame]) -> dict[Frame, RecordFrame]:
        """The case's frames afresh, with the outcomes that no ruleset determines, or all of them
        where they are given."""
        made: dict[Frame, RecordFrame] = {}
        for frame in evaluation.frames:
            parent = None if frame.parent is None else made[frame.parent]
            own = RecordFrame(frame, parent, made[frame.refers] if frame.refers else None)
            for (rule, output), value in frame.outcomes.items():
                if rule not in self.rulesets.results:
                    own.outcomes[rule, output] = value
                elif frame in given:
                    own.outcomes[rule, output] = value
                    number = self.rulesets.number(rule, evaluation.decisions[rule, frame])
                    own.results[rule] = number or _UNDETERMINED_RESULT
            made[frame] = own
        return made

    def _take_over(self, own: RecordFrame, ruleset: Ruleset, concluded: Concluded) -> None:
        for rule in ruleset.determinations:
            numbers = concluded.results.get(rule, (0,))
            number = own.results[rule] = numbers[0]
            result = self.rulesets.results[rule][number - 1] if number else None
            for output in self._outputs[rule]:
                value = _UNDETERMINED if result is None else result.values[output]
                own.outcomes[rule, output] = value

    def _reader(self, source: Input) -> Read:
        code = source.coding.coder()
        match source.source:
            case ir.Outcome(rule=rule) if source.concluded:
                return _result(self._entities[rule], rule)
            case ir.Fact(entity=entity, name=name):
                return _fact(entity, name, code, source.coding.low)
            case ir.Outcome(rule=rule, output=output):
                return _outcome(self._entities[rule], (rule, output), code)
            case _:
                run = prepare(source.source, self._context)
                return lambda frame: code(run(frame))

    # --- the trace -----------------------------------------------------------------------------

    def firings(self, run: Run) -> list[Firing]:
        """What fired for a record, with what each rule matched."""
        ruleset = self.rulesets.rulesets[run.ruleset]
        values = dict(zip(ruleset.inputs, run.record, strict=True))
        events = []
        for fired in run.concluded.fired:
            rule = ruleset.rules[fired.rule]
            facts: dict[str, str] = {}
            for pattern in rule.patterns:
                if pattern.type == RECORD:
                    for test in pattern.tests:
                        facts[self._name(test.name)] = self._text(test.name, values[test.name])
                elif pattern.type != PHASE and not pattern.negated:
                    number = run.concluded.results[pattern.type][0]
                    facts[self._name(pattern.type)] = self._text(pattern.type, number)
            events.append(
                Firing(rule.determination, rule.clause, run.frame.path, tuple(facts.items()))
            )
        return events

    def _name(self, name: str) -> str:
        return expression_text(self.rulesets.inputs[name].source)

    def _text(self, name: str, number: int) -> str:
        return self.rulesets.inputs[name].coding.text(number)


def _result(entity: str, rule: str) -> Read:
    def result(frame: RecordFrame) -> int:
        owner = frame.up.get(entity)
        if owner is None:
            return _UNDETERMINED_RESULT
        assert isinstance(owner, RecordFrame)
        return owner.results[rule]

    return result


def _fact(entity: str, name: str, code: Callable[[Known], int], unknown: int) -> Read:
    def fact(frame: RecordFrame) -> int:
        owner = frame.up.get(entity)
        if owner is None:
            return unknown
        value = owner.facts.get(name)
        try:
            return unknown if value is None else code(value)
        except ValueError as problem:
            message = f"{owner.label(name)} cannot be asserted: {problem}"
            help = "give a value of the declared type"
            raise Failure([Diagnostic("value-out-of-bounds", message, help=help)]) from None

    return fact


def _outcome(entity: str, wanted: tuple[str, str], code: Callable[[Known], int]) -> Read:
    def outcome(frame: RecordFrame) -> int:
        owner = frame.up.get(entity)
        return code(_UNDETERMINED if owner is None else owner.outcomes[wanted])

    return outcome
