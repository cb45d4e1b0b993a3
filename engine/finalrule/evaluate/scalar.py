"""The exact evaluator: one case, every rule, exact rationals. This is what the rules mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from finalrule.core import ir
from finalrule.core.expressions import Context, Frame, Known, Unknown, constant_value
from finalrule.core.walk import reads
from finalrule.evaluate.catalogues import TypedCatalogue
from finalrule.evaluate.kinds import Decide, Decision, Select, prepare_rule
from finalrule.facts.case import Case, Given, Record
from finalrule.values import show


@dataclass(slots=True)
class Evaluation:
    """A case evaluated. `root` is the frame of the root record, `records` the case's records by
    frame, `decisions` every rule's by rule and frame."""

    program: ir.Program
    case: Case
    root: Frame
    frames: list[Frame]
    records: dict[Frame, Record] = field(default_factory=dict)
    decisions: dict[tuple[str, Frame], Decision] = field(default_factory=dict)

    def frames_of(self, entity: str) -> list[Frame]:
        """The frames of an entity, in the order of the case."""
        return [frame for frame in self.frames if frame.entity == entity]

    def value(self, rule: str, frame: Frame | None = None, output: str = "") -> Known:
        """A rule's outcome at a frame; at the only frame of its entity when none is given.
        Raises KeyError when the rule was not evaluated."""
        return self.decision(rule, frame).values[output]

    def decision(self, rule: str, frame: Frame | None = None) -> Decision:
        """A rule's decision at a frame; at the only frame of its entity when none is given."""
        if frame is not None:
            return self.decisions[rule, frame]
        found = [decision for (name, _), decision in self.decisions.items() if name == rule]
        if len(found) != 1:
            raise KeyError(f"{rule} has {len(found)} records")
        return found[0]


class Evaluator:
    """A program made ready to be evaluated for any number of cases."""

    def __init__(self, program: ir.Program, catalogues: Mapping[str, TypedCatalogue]) -> None:
        self.program, self.catalogues = program, catalogues
        self.context = Context(
            {parameter.name: parameter for parameter in program.parameters},
            {rounding.name: rounding for rounding in program.roundings},
            catalogues,
            {rule.name: rule.entity for rule in program.rules},
        )
        self.rules = {rule.name: rule for rule in program.rules}
        self.parents = {entity.name: entity.parent for entity in program.entities}
        self.keys = {entity.name: entity.keys for entity in program.entities}
        self.referred = {entity.name: entity.refers for entity in program.entities}
        self._reached = {name: self.readable(target) for name, target in self.referred.items()}
        self._decide: dict[str, Decide] = {}
        self._selects: dict[str, Select] = {}
        self._needs: dict[str, tuple[str, ...]] = {}

    def evaluate(
        self,
        case: Case,
        only: Iterable[str] | None = None,
        assume: Mapping[tuple[str, tuple[str, ...]], Mapping[str, Known]] | None = None,
        origin: str = "",
    ) -> Evaluation:
        """Evaluate a case: every rule, or only those named and what they need. `assume` gives
        outcomes, by rule and record path, that are taken as they are instead of being computed;
        `origin` says where from. Raises Failure when two clauses hold at once, none does, or an
        outcome leaves its bounds."""
        evaluation = self._frames(case)
        wanted = None if only is None else self.needed(only, assume or {})
        by_entity: dict[str, list[Frame]] = {}
        for frame in evaluation.frames:
            by_entity.setdefault(frame.entity, []).append(frame)
        for rule in self.program.rules:
            if wanted is not None and rule.name not in wanted:
                continue
            frames = by_entity.get(rule.entity, [])
            given = {path: values for (name, path), values in (assume or {}).items()
                     if name == rule.name}  # fmt: skip
            self._decide_all(rule, frames, given, origin, evaluation)
        return evaluation

    def again(self, evaluation: Evaluation, rules: Iterable[str]) -> None:
        """Decide rules of an evaluation again after facts of its frames were changed: all that
        depend on these. Raises Failure as `evaluate` does."""
        wanted = set(rules)
        for rule in self.program.rules:
            if rule.name in wanted:
                self.once_more(evaluation, rule, evaluation.frames_of(rule.entity))

    def once_more(self, evaluation: Evaluation, rule: ir.AnyRule, frames: list[Frame]) -> None:
        """Decide a rule again, given all frames of its entity. Raises Failure as `evaluate`."""
        self._decide_all(rule, frames, {}, "", evaluation)

    def decide(
        self,
        case: Case,
        rules: Iterable[ir.AnyRule],
        given: Mapping[Record, Mapping[str, Decision]],
    ) -> Evaluation:
        """Decide some rules of a case, which must stand in their order. A record of `given` has the
        decisions that are given for it by rule, and no others. Raises Failure as `evaluate`."""
        evaluation = self._frames(case)
        by_entity: dict[str, list[Frame]] = {}
        for frame, record in evaluation.records.items():
            if record not in given:
                by_entity.setdefault(frame.entity, []).append(frame)
                continue
            for rule, decision in given[record].items():
                evaluation.decisions[rule, frame] = decision
                for output, value in decision.values.items():
                    frame.outcomes[rule, output] = value
        for each in rules:
            self._decide_all(each, by_entity.get(each.entity, []), {}, "", evaluation)
        return evaluation

    def readable(self, entity: str) -> tuple[str, ...]:
        """The entities that are read through a record of an entity: itself, and what stands above
        it or is referred to on the way. None where there is no entity (an empty name)."""
        found = [entity] if entity else []
        for name in found:  # grows
            above = (self.parents[name], self.referred[name])
            found.extend(one for one in above if one and one not in found)
        return tuple(found)

    def needed(
        self, only: Iterable[str], assume: Mapping[tuple[str, tuple[str, ...]], object]
    ) -> set[str]:
        """The named rules and all that they read. What is assumed for the only record of its entity
        needs nothing."""
        given = {name for name, path in assume if not path}
        found: set[str] = set()
        todo = list(only)
        while todo:
            name = todo.pop()
            if name in found or name not in self.rules:
                continue
            found.add(name)
            if name not in given:
                if name not in self._needs:
                    self._needs[name] = reads(self.rules[name])
                todo.extend(self._needs[name])
        return found

    def _frames(self, case: Case) -> Evaluation:
        records: list[tuple[Record, Record | None]] = [(case.root, None)]
        for record, _ in records:  # grows: level by level
            for children in record.children.values():
                records.extend((child, record) for child in children)
        # What is referred to before what refers to it, else in the order of the case.
        records.sort(key=lambda item: self._turn(item[0].entity))
        made: dict[Record, Frame] = {}
        for record, parent in records:
            above = None if parent is None else made[parent]
            refers = None if record.refers is None else made[record.refers]
            made[record] = self._frame(record, above, refers)
        frames = list(made.values())
        by_frame = {frame: record for record, frame in made.items()}
        return Evaluation(self.program, case, made[case.root], frames, by_frame)

    def _turn(self, entity: str) -> int:
        """Of how many references, one after the other, the way to an entity's records consists."""
        parent, referred = self.parents[entity], self.referred[entity]
        above = self._turn(parent) if parent else 0
        return max(above, self._turn(referred) + 1) if referred else above

    def _frame(self, record: Record, parent: Frame | None, refers: Frame | None) -> Frame:
        facts = {name: given.value for name, given in record.facts.items()}
        own = record.name or tuple(
            show(facts[key.name], key.type) if key.name in facts else "?"
            for key in self.keys[record.entity]
        )
        path = (*(parent.path if parent else ()), *own)
        return Frame(record.entity, path, facts, parent, refers, self._reached[record.entity])

    def _decide_all(
        self,
        rule: ir.AnyRule,
        frames: list[Frame],
        given: Mapping[tuple[str, ...], Mapping[str, Known]],
        origin: str,
        evaluation: Evaluation,
    ) -> None:
        selected = None
        if isinstance(rule, ir.Select) and len(given) < len(frames):
            if rule.name not in self._selects:
                self._selects[rule.name] = Select(rule, self.context)
            selected = self._selects[rule.name].decide(frames)
        for frame in frames:
            if frame.path in given:
                decision = Decision("", _whole(rule, given[frame.path]), True, origin)
            elif selected is not None:
                decision = selected[frame]
            else:
                decision = self._decision(rule)(frame)
            evaluation.decisions[rule.name, frame] = decision
            for output, value in decision.values.items():
                frame.outcomes[rule.name, output] = value

    def _decision(self, rule: ir.AnyRule) -> Decide:
        if rule.name not in self._decide:
            self._decide[rule.name] = prepare_rule(rule, self.context)
        return self._decide[rule.name]


def _whole(rule: ir.AnyRule, given: Mapping[str, Known]) -> Mapping[str, Known]:
    """Assumed values; a table's other outputs are undetermined."""
    if not isinstance(rule, ir.Table):
        return given
    return {
        key.name: given.get(key.name, Unknown(frozenset((f"{rule.name}.{key.name}",))))
        for key in rule.gives
    }


def with_assumed(case: Case, program: ir.Program) -> Case:
    """The case with the year file's assumed values on records that do not have them: they stand in
    for what only a population can give."""
    for figure in program.assumed:
        entity, name = figure.name.rsplit(".", 1)
        for record in case.root.walk():
            if record.entity == entity and name not in record.facts and figure.value is not None:
                origin = f"assumed by {figure.place} ({figure.cite})"
                record.facts[name] = Given(constant_value(figure.value), origin)
    return case
