"""In which order entities are passed over, and what each pass computes: as few passes over as few
rows as there can be."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from finalrule.core import ir
from finalrule.core.walk import nodes
from finalrule.core.walk import reads as rules_read

# How many rows an entity has beside others, roughly: what a pass over it costs.
_WEIGHTS: Mapping[str, int] = {
    "measure_result": 8, "clinician_segment": 4, "services_by_place": 6, "segment": 3,
    "clinician": 3, "scoring_unit": 2, "program": 1,
}  # fmt: skip
_OTHER = 2


@dataclass(frozen=True, slots=True)
class Step:
    """One pass over an entity: the rules that it computes, in dependency order."""

    entity: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Reads:
    """What a rule reads of its own record, and what has to be there before the pass begins."""

    own: frozenset[str]
    before: frozenset[str]


def schedule(
    program: ir.Program, wanted: Collection[str], scopes: Mapping[str, str]
) -> tuple[Step, ...]:
    """The passes that compute the wanted rules; the outcomes of others are there. Passes over
    entities of one scope follow each other where that can be.

    An entity is passed over when waiting would add nothing to the pass: whatever else of it is to
    be computed needs what this pass computes. Where all entities would gain, that with the fewest
    rules that would is taken.
    """
    rules = {rule.name: rule for rule in program.rules}
    order = [rule.name for rule in program.rules if rule.name in wanted]
    reads = {name: _reads(rules[name], rules, set(order)) for name in order}
    needs: dict[str, frozenset[str]] = {}
    for name in order:
        direct = reads[name].own | reads[name].before
        needs[name] = direct.union(*(needs[one] for one in direct))
    by_entity: dict[str, list[str]] = {}
    for name in order:
        by_entity.setdefault(rules[name].entity, []).append(name)
    done: set[str] = set()
    steps: list[Step] = []
    while len(done) < len(order):
        found: list[tuple[int, bool, int, str, tuple[str, ...]]] = []
        last = scopes[steps[-1].entity] if steps else ""
        for entity, names in by_entity.items():
            made = _ready(names, reads, done)
            if made:
                left = [name for name in names if name not in done and name not in made]
                gain = sum(needs[name].isdisjoint(made) for name in left)
                weight = _WEIGHTS.get(entity, _OTHER)
                found.append((gain, scopes[entity] != last, weight, entity, made))
        *_, entity, made = min(found)
        steps.append(Step(entity, made))
        done.update(made)
    return tuple(steps)


def _ready(
    names: Sequence[str], reads: Mapping[str, _Reads], done: Collection[str]
) -> tuple[str, ...]:
    made: list[str] = []
    for name in names:
        if name not in done:
            need = reads[name]
            if need.before <= set(done) and all(one in done or one in made for one in need.own):
                made.append(name)
    return tuple(made)


def _reads(rule: ir.AnyRule, rules: Mapping[str, ir.AnyRule], waited: Collection[str]) -> _Reads:
    own: set[str] = set()
    before: set[str] = set()

    def note(part: object, inside: bool) -> None:
        for node in nodes(part):
            if isinstance(node, ir.Outcome) and node.rule in waited and node.rule != rule.name:
                # A select ranks records by what an earlier pass has left of all of them.
                same = rules[node.rule].entity == rule.entity and not isinstance(rule, ir.Select)
                (own if same and not inside else before).add(node.rule)
            if isinstance(node, ir.Aggregate):
                for inner in (node.item, node.where):
                    if inner is not None:
                        note_inside(inner)

    def note_inside(part: object) -> None:
        for node in nodes(part):
            if isinstance(node, ir.Outcome) and node.rule in waited:
                before.add(node.rule)

    note(rule, False)
    return _Reads(frozenset(own - before), frozenset(before))


def closure(program: ir.Program, changed: Iterable[str]) -> tuple[str, ...]:
    """The rules named, and those that read one of them, over any number of steps."""
    found = set(changed)
    for rule in program.rules:
        if any(isinstance(node, ir.Outcome) and node.rule in found for node in nodes(rule)):
            found.add(rule.name)
    return tuple(rule.name for rule in program.rules if rule.name in found)


def needed(program: ir.Program, wanted: Iterable[str]) -> tuple[str, ...]:
    """The rules that the rules named read, over any number of steps, and these themselves."""
    found = set(wanted)
    for rule in reversed(program.rules):
        if rule.name in found:
            found.update(rules_read(rule))
    return tuple(rule.name for rule in program.rules if rule.name in found)
