"""From the core to rulesets: which determinations durable-rules decides, and in which order.

A determination is a rule whose outcome is a yes or no or a member of an enumeration, or a table's
row. Each is placed in a ruleset of its entity that stands after all that it needs: what another
record's determination gave, or what is computed from such, is a property of the record's fact; a
determination of the same ruleset is a fact that joins.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from finalrule.core import ir
from finalrule.core.expressions import Known, Unknown, constant_value
from finalrule.core.walk import nodes
from finalrule.diagnostics import Diagnostic, Failure, Label, Pointer
from finalrule.evaluate.kinds import Decision
from finalrule.runtime.boxes import (
    ALWAYS,
    MAXIMUM_BOXES,
    Alternatives,
    Numbers,
    TooManyBoxes,
    both,
)  # fmt: skip
from finalrule.runtime.coding import OutsideSubset
from finalrule.runtime.conditions import Conditions, Input, Result
from finalrule.runtime.ruleset import (
    MAXIMUM_PATTERNS,
    MAXIMUM_PROPERTIES,
    MAXIMUM_RULES,
    PHASE,
    RECORD,
    RESULT,
    STEP,
    Comparison,
    EngineRule,
    Pattern,
    Ruleset,
    problems,
)  # fmt: skip
from finalrule.values import Enumeration, YesNo

# Between two runs of numbers, at most so many are left out one by one; else there are two rules.
_MAXIMUM_LEFT_OUT = 6


@dataclass(frozen=True)
class Rulesets:
    """A program's determinations compiled. `rulesets` stand in the order in which they are run;
    `results` are each determination's by number from 1 on; `refused` says what stayed outside and
    why. Of `tests` different tests in the conditions, `tests_before` are of what is computed
    before."""

    program: ir.Program
    rulesets: tuple[Ruleset, ...]
    inputs: Mapping[str, Input]
    results: Mapping[str, tuple[Result, ...]]
    refused: tuple[Diagnostic, ...]
    tests: int
    tests_before: int

    def number(self, rule: str, decision: Decision) -> int | None:
        """The number of a decision's result, 0 when it is undetermined; None when there is no such
        result."""
        values = tuple(decision.values.values())
        if any(isinstance(value, Unknown) for value in values):
            return 0
        return self._numbers.get((rule, decision.winner, values))

    @cached_property
    def _numbers(self) -> Mapping[tuple[str, str, tuple[Known, ...]], int]:
        return {
            (rule, result.winner, tuple(result.values.values())): number
            for rule, results in self.results.items()
            for number, result in enumerate(results, 1)
        }


@dataclass(frozen=True, slots=True)
class _Determination:
    """A rule worked out: when each result comes about."""

    rule: ir.AnyRule
    alternatives: tuple[tuple[Result, Alternatives], ...]

    @property
    def used(self) -> list[str]:
        return list(
            dict.fromkeys(n for _, boxes in self.alternatives for box in boxes for n in box)
        )

    @property
    def certain(self) -> bool:
        """Whether it has one result, whatever the facts are."""
        return len(self.alternatives) == 1 and self.alternatives[0][1] == ALWAYS


@dataclass(slots=True)
class _Draft:
    """A ruleset that is being filled."""

    entity: str
    members: list[_Determination] = field(default_factory=list)
    inputs: dict[str, None] = field(default_factory=dict)
    depth: dict[str, int] = field(default_factory=dict)
    size: int = 0


def compile_rulesets(program: ir.Program) -> Rulesets:
    """Compile a program's determinations. Raises Failure when a ruleset leaves the part of
    durable-rules that is exact in a way that leaving single rules out does not mend."""
    return _Compiler(program).compile()


def is_determination(rule: ir.AnyRule) -> bool:
    """Whether a rule's outcome is a status or a table's row."""
    if isinstance(rule, ir.Choice):
        return isinstance(rule.type, YesNo | Enumeration)
    return isinstance(rule, ir.Table)


class _Compiler:
    def __init__(self, program: ir.Program) -> None:
        self.program = program
        self.conditions = Conditions(program)
        self.drafts: list[_Draft] = []
        self.placed: dict[str, int] = {}
        self.entities = {rule.name: rule.entity for rule in program.rules}
        self.refused: list[Diagnostic] = []

    def compile(self) -> Rulesets:
        for rule in self.program.rules:
            if not is_determination(rule):
                continue
            self.conditions.begin(rule)
            try:
                made = _Determination(rule, results_of(rule, self.conditions))
                self._place(made)
            except OutsideSubset as why:
                self._refuse(rule, str(why))
            except TooManyBoxes:
                self._refuse(rule, f"its conditions have over {MAXIMUM_BOXES} alternatives")
        rulesets = tuple(self._ruleset(n, draft) for n, draft in enumerate(self.drafts, 1))
        _check(rulesets)
        tests = {
            key: before for key, before in self.conditions.tests.items() if key[0] in self.placed
        }
        return Rulesets(
            self.program, rulesets, self.conditions.inputs, self.conditions.results,
            tuple(self.refused), len(tests), sum(tests.values()),
        )  # fmt: skip

    def _refuse(self, rule: ir.AnyRule, why: str) -> None:
        self.refused.append(
            Diagnostic(
                "outside-runtime",
                f"durable-rules does not determine `{rule.name}`: {why}",
                (Label(Pointer(str(rule.place), ""), f"rule {rule.name}"),),
                "the exact evaluator's outcome stands; it is not checked a second time",
                "warning",
            )
        )

    # --- placing -------------------------------------------------------------------------------

    def _place(self, made: _Determination) -> None:
        """Put a determination into the first ruleset of its entity that has room and stands behind
        all that it needs."""
        size = sum(len(_split(boxes, self.conditions)) for _, boxes in made.alternatives)
        size += not made.certain
        if size > MAXIMUM_RULES:
            raise OutsideSubset(f"it needs {size} rules, of which {MAXIMUM_RULES} may match a fact")
        rule = made.rule
        after, beside = self._needs(made)
        start = max([after + 1, *(self.placed[name] for name in beside)])
        for place in range(start, len(self.drafts)):
            if self.drafts[place].entity == rule.entity and self._fits(made, size, place):
                break
        else:
            place = len(self.drafts)
            self.drafts.append(_Draft(rule.entity))
        draft = self.drafts[place]
        draft.members.append(made)
        draft.size += size
        draft.inputs.update(dict.fromkeys(self._properties(made, place)))
        joined = [draft.depth[name] for name in beside if self.placed[name] == place]
        draft.depth[rule.name] = max(joined, default=0) + 1
        self.placed[rule.name] = place
        self.conditions.results[rule.name] = tuple(result for result, _ in made.alternatives)

    def _needs(self, made: _Determination) -> tuple[int, list[str]]:
        """The last ruleset that must be run before, and the determinations of the same entity that
        may be in the same ruleset."""
        after, beside = -1, []
        for name in made.used:
            source = self.conditions.inputs[name]
            if source.concluded and self.entities[name] == made.rule.entity:
                beside.append(name)
                continue
            read = [node.rule for node in nodes(source.source) if isinstance(node, ir.Outcome)]
            after = max([after, *(self.placed[rule] for rule in read if rule in self.placed)])
        return after, beside

    def _joins(self, name: str, place: int) -> bool:
        return self.conditions.inputs[name].concluded and self.placed[name] == place

    def _properties(self, made: _Determination, place: int) -> list[str]:
        return [name for name in made.used if not self._joins(name, place)]

    def _fits(self, made: _Determination, size: int, place: int) -> bool:
        draft = self.drafts[place]
        properties = {*draft.inputs, *self._properties(made, place)}
        joined = max(
            (sum(self._joins(name, place) for name in box)
             for _, boxes in made.alternatives for box in boxes), default=0,
        )  # fmt: skip
        return (
            draft.size + size <= MAXIMUM_RULES
            and len(properties) <= MAXIMUM_PROPERTIES
            and joined < MAXIMUM_PATTERNS
        )

    # --- writing -------------------------------------------------------------------------------

    def _ruleset(self, number: int, draft: _Draft) -> Ruleset:
        rules = [rule for made in draft.members for rule in self._rules(made, draft)]
        return Ruleset(
            f"{number}_{draft.entity}", draft.entity, tuple(draft.inputs),
            tuple(made.rule.name for made in draft.members), max(draft.depth.values()),
            tuple(rules),
        )  # fmt: skip

    def _rules(self, made: _Determination, draft: _Draft) -> list[EngineRule]:
        name = made.rule.name
        rules: list[EngineRule] = []
        for result, (ended, boxes) in enumerate(made.alternatives, 1):
            for tests in _split(boxes, self.conditions):
                patterns = _patterns(tests, draft)
                place = f"{name}.{len(rules) + 1}"
                rules.append(EngineRule(place, name, ended.winner, result, patterns))
        if not made.certain:
            phase = Pattern(PHASE, (Comparison(STEP, "==", draft.depth[name]),))
            nothing = Pattern(name, negated=True)
            rules.append(EngineRule(f"{name}.undetermined", name, "", 0, (phase, nothing)))
        return rules


def _check(rulesets: Sequence[Ruleset]) -> None:
    found = [
        Diagnostic("runtime-limit", f"ruleset {ruleset.name}: {why}")
        for ruleset in rulesets
        for why in problems(ruleset)
    ]
    if found:
        raise Failure(found)


# --- results -----------------------------------------------------------------------------------


def results_of(rule: ir.AnyRule, conditions: Conditions) -> tuple[tuple[Result, Alternatives], ...]:
    """When each result comes about; results that never do are left out. Those of one value stand
    together, so that a test of the value is a test of a range."""
    found = _rows(rule, conditions) if isinstance(rule, ir.Table) else _clauses(rule, conditions)
    possible = [(result, boxes) for result, boxes in found if boxes]
    order = {result.winner: n for n, (result, _) in enumerate(possible)}
    return tuple(
        sorted(possible, key=lambda one: (str(one[0].values.values()), order[one[0].winner]))
    )


def _clauses(rule: ir.AnyRule, conditions: Conditions) -> list[tuple[Result, Alternatives]]:
    assert isinstance(rule, ir.Choice)
    others = [clause.when for clause in rule.clauses if clause.when is not None]
    found = []
    for clause in rule.clauses:
        if clause.when is not None:
            when = conditions.surely(clause.when)
        else:
            when = both(*(conditions.surely_not(other) for other in others))
        for value, boxes in _values(clause.value, rule, conditions):
            found.append((Result(clause.name, {"": value}), both(when, boxes)))
    return found


def _values(
    expr: ir.Expr, rule: ir.Choice, conditions: Conditions
) -> list[tuple[bool | str, Alternatives]]:
    """The values that a clause may give, and when."""
    if isinstance(rule.type, YesNo):
        return [(True, conditions.surely(expr)), (False, conditions.surely_not(expr))]
    assert isinstance(rule.type, Enumeration)
    return [(member, conditions.is_member(expr, member)) for member in rule.type.members]


def _rows(rule: ir.Table, conditions: Conditions) -> list[tuple[Result, Alternatives]]:
    """A row comes about when all its cells surely hold: rows exclude each other and cover the
    domain, so that a row which an unknown column leaves in doubt is not alone."""
    inside = ALWAYS if rule.where is None else conditions.surely(rule.where)
    outside = () if rule.where is None else conditions.surely_not(rule.where)
    names = [key.name for key in rule.gives]
    found = []
    for row in rule.rows:
        cells = zip(rule.given, row.cells, strict=True)
        boxes = both(inside, *(conditions.cell(column, cell) for column, cell in cells))
        values = [constant_value(value) for value in row.values]
        found.append((Result(row.name, dict(zip(names, values, strict=True))), boxes))
    if rule.outside is not None:
        values = [constant_value(value) for value in rule.outside]
        found.append((Result("outside", dict(zip(names, values, strict=True))), outside))
    return found


# --- patterns ----------------------------------------------------------------------------------


def _split(boxes: Alternatives, conditions: Conditions) -> list[dict[str, tuple[Comparison, ...]]]:
    """The tests of each engine rule, by input: a box, or several where a set of numbers is in parts
    that no few tests describe."""
    found: list[dict[str, tuple[Comparison, ...]]] = []
    for box in boxes:
        parts: list[dict[str, tuple[Comparison, ...]]] = [{}]
        for name, numbers in box.items():
            ways = _tests(name, numbers, conditions.inputs[name])
            parts = [{**part, name: tests} for part in parts for tests in ways]
        found.extend(parts)
    return found


def _tests(name: str, numbers: Numbers, source: Input) -> list[tuple[Comparison, ...]]:
    gaps = [
        number
        for (_, high), (low, _) in itertools.pairwise(numbers)
        for number in range(high + 1, min(low, high + 2 + _MAXIMUM_LEFT_OUT))
    ]
    if len(gaps) > _MAXIMUM_LEFT_OUT:
        return [tests for span in numbers for tests in _tests(name, (span,), source)]
    low, high = numbers[0][0], numbers[-1][1]
    if low == high:
        return [(Comparison(name, "==", low),)]
    tests = []
    if low > source.coding.low:
        tests.append(Comparison(name, ">=", low))
    if high < source.coding.high:
        tests.append(Comparison(name, "<=", high))
    tests.extend(Comparison(name, "!=", gap) for gap in gaps)
    return [tuple(tests)]


def _patterns(tests: Mapping[str, tuple[Comparison, ...]], draft: _Draft) -> tuple[Pattern, ...]:
    """The record's fact with its tests, then the facts that join. A rule of neither has the
    record's fact alone."""
    own = tuple(test for name, found in tests.items() if name in draft.inputs for test in found)
    joined = [
        Pattern(name, tuple(Comparison(RESULT, test.op, test.value) for test in found))
        for name, found in tests.items()
        if name not in draft.inputs
    ]
    return (Pattern(RECORD, own), *joined) if own or not joined else tuple(joined)
