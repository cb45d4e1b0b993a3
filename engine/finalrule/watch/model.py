"""What is watched of a policy: kinds of events, who is determined, by which rules, from what.

A subject is a record right below the root: a payment model, a unit, an eligible clinician, each
with all records below it. Where a subject's records point at another subject's, its rules read
facts and outcomes of that one: those, and no others, are the other one's interface, and only when
they change is the subject determined again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import msgspec

from finalrule.core import ir
from finalrule.core.walk import nodes, reads
from finalrule.diagnostics import Diagnostic, Failure, suggest
from finalrule.facts.declared import Declared
from finalrule.values import Code

RETRACTION = "retraction"

# Kinds of events: the entities of which each says facts, and which; none named means all.
KINDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "payment_model": {"payment_model": ()},
    "arrangement": {"other_payer_arrangement": (), "loss_level": ()},
    "unit": {"qp_unit": ()},
    "clinician": {"eligible_clinician": ()},
    "claim_totals": {"qp_snapshot": (), "other_payer": (), "base_period_tin": ()},
    "claim": {"beneficiary": (), "claim": (), "base_period_payment": ()},
    "participation": {"qp_participation": ()},
    "election": {"qp_unit": ("elects_mips",), "eligible_clinician": ("elects_mips",)},
    "submission": {
        "qp_unit": ("all_payer_requested", "all_payer_information_complete",
                    "all_payer_information_on"),
    },
    "exception": {
        "payment_model": ("minimum_loss_rate_exception", "no_outcome_measure_available"),
        "qp_unit": ("starts_or_ends_in_period", "tested_from", "tested_to"),
    },
    "termination": {"qp_unit": ("terminated", "terminated_on", "terminated_before_risk")},
}  # fmt: skip
# The outcomes that are written where none are asked for.
SHOWN = ("unit_assessment", "unit_standing", "unit_all_payer_standing", "qp_status",
         "partial_qp_elects")  # fmt: skip
# By entity: how much is missing to a threshold. No determination rests on it, so that it may change
# without anybody else being determined again.
NEAR: Mapping[str, str] = {"qp_unit": "unit_shortfall"}


@dataclass(frozen=True, slots=True)
class SubjectKind:
    """Subjects of one entity. `entities` are those of its records, `rules` decide them, in order;
    `referred` says whether others point at it; `facts` and `outcomes` are its interface; `near`
    is the rule that says what is missing, or empty; `needs_own` says whether its own record has
    required facts."""

    entity: str
    entities: tuple[str, ...]
    rules: tuple[ir.AnyRule, ...]
    referred: bool
    facts: tuple[str, ...]
    outcomes: tuple[str, ...]
    near: str
    needs_own: bool


@dataclass(frozen=True)
class Model:
    """A program as it is watched. `program` has the rules that are watched and no others."""

    program: ir.Program
    declared: Declared
    subjects: tuple[SubjectKind, ...]
    fixed: tuple[ir.AnyRule, ...]
    shown: frozenset[str]

    @cached_property
    def root(self) -> str:
        return self.declared.root_of(self.subjects[0].entity)

    @cached_property
    def kind_of(self) -> Mapping[str, int]:
        """The place of the subject kind to which an entity's records belong."""
        return {name: at for at, kind in enumerate(self.subjects) for name in kind.entities}

    @cached_property
    def rules(self) -> Mapping[str, ir.AnyRule]:
        return {rule.name: rule for rule in self.program.rules}

    @cached_property
    def path_keys(self) -> Mapping[str, tuple[tuple[str, ...], ...]]:
        """The names of the keys that lead to an entity's record, by level."""
        return {
            entity: tuple(self.declared.keys(one) for one in path)
            for entity, path in self.paths.items()
        }

    @cached_property
    def paths(self) -> Mapping[str, tuple[str, ...]]:
        """The entities that lead to an entity's record, from the subject's own down."""
        return {entity: tuple(self.declared.path_to(entity)) for entity in self.kind_of}

    @cached_property
    def parents(self) -> Mapping[str, str]:
        return {entity: self.declared.entities[entity].parent for entity in self.kind_of}

    @cached_property
    def refers(self) -> Mapping[str, str]:
        """The entity that records of an entity point at; empty for none."""
        return {entity: self.declared.entities[entity].refers for entity in self.kind_of}

    @cached_property
    def keys(self) -> Mapping[str, tuple[str, ...]]:
        """The names of an entity's own keys."""
        return {entity: self.declared.keys(entity) for entity in self.kind_of}

    @cached_property
    def named_at(self) -> Mapping[str, tuple[int, ...]]:
        """The places of an entity's own keys that only name a record."""
        return {
            entity: tuple(at for at, name in enumerate(names) if (entity, name) in self.identity)
            for entity, names in self.keys.items()
        }

    @cached_property
    def identity(self) -> frozenset[tuple[str, str]]:
        """Keys, by entity, that only name a record: no rule reads them."""
        read = {(node.entity, node.name) for node in nodes(self.program.rules)
                if isinstance(node, ir.Fact)}  # fmt: skip
        return frozenset(
            (entity, key.name)
            for entity in self.kind_of
            for key in self.declared.entities[entity].keys
            if isinstance(key.type, Code) and (entity, key.name) not in read
        )

    @cached_property
    def named_by(self) -> Mapping[str, tuple[str, ...]]:
        """Of entities that refer to one whose keys are among their own: the names of those keys."""
        found = {}
        for entity in self.kind_of:
            refers = self.declared.entities[entity].refers
            own = {name for names in self.path_keys[entity] for name in names}
            keys = self.declared.keys(refers) if refers else ()
            if refers and own.issuperset(keys):
                found[entity] = keys
        return found


def everything(program: ir.Program) -> list[str]:
    """The rules whose outcomes a watch can write: those of subjects that do not need everybody's.
    None where there is nothing to watch."""
    return _watchable(program, _owners(_trees(program, Declared(program))))


def model_of(program: ir.Program, shown: Iterable[str] = ()) -> Model:
    """What is watched of a program: the rules named in `shown` (without any: SHOWN), and all that
    they read. Raises Failure where one is not a rule of a subject, or there is nothing to watch."""
    declared = Declared(program)
    trees = _trees(program, declared)
    owners = _owners(trees)
    written = _shown(program, shown, owners)
    near = [rule.name for rule in program.rules if rule.name == NEAR.get(rule.entity)]
    rules = _closure(program, (*written, *near))
    kept = tuple(rule for rule in program.rules if rule.name in rules)
    entities = {rule.name: rule.entity for rule in kept}
    facts: dict[str, set[str]] = {top: set() for top in trees}
    outcomes: dict[str, set[str]] = {top: set() for top in trees}
    for rule in kept:
        for node in nodes(rule):
            match node:
                case ir.Fact(entity=entity, name=name) if _other(rule.entity, entity, owners):
                    facts[entity].add(name)
                case ir.Outcome(rule=name) if _other(rule.entity, entities[name], owners):
                    outcomes[entities[name]].add(name)
    subjects = tuple(
        SubjectKind(
            top, trees[top], tuple(rule for rule in kept if owners.get(rule.entity) == top),
            any(entity.refers == top for entity in program.entities if entity.name in owners),
            tuple(sorted(facts[top])), tuple(sorted(outcomes[top])),
            NEAR[top] if NEAR.get(top) in near else "",
            any(fact.presence == "required" and name not in declared.keys(top)
                for name, fact in declared.facts[top].items()),
        )
        for top in _in_order(trees, declared, owners)
    )  # fmt: skip
    fixed = tuple(rule for rule in kept if rule.entity not in owners)
    watched = msgspec.structs.replace(program, rules=kept)
    return Model(watched, declared, subjects, fixed, written)


def _trees(program: ir.Program, declared: Declared) -> dict[str, tuple[str, ...]]:
    """The entities of each kind of subject, by the entity of its own record."""
    wanted = [name for names in KINDS.values() for name in names]
    return {
        entity.name: tuple(_tree(declared, entity.name))
        for entity in program.entities
        if entity.name in wanted and entity.keys and not declared.path_to(entity.parent)
    }


def _owners(trees: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    return {name: top for top, tree in trees.items() for name in tree}


def _tree(declared: Declared, entity: str) -> Iterable[str]:
    yield entity
    for child in declared.children[entity]:
        yield from _tree(declared, child)


def _watchable(program: ir.Program, owners: Mapping[str, str]) -> list[str]:
    everybody: set[str] = set()  # rules that need all subjects, such as what makes a total come out
    for rule in program.rules:
        needs_all = rule.entity not in owners and any(
            isinstance(node, ir.Aggregate) for node in nodes(rule)
        )
        if needs_all or everybody.intersection(reads(rule)):
            everybody.add(rule.name)
    return [rule.name for rule in program.rules
            if rule.entity in owners and rule.name not in everybody]  # fmt: skip


def _shown(program: ir.Program, wanted: Iterable[str], owners: Mapping[str, str]) -> frozenset[str]:
    """The rules whose outcomes are written."""
    there = _watchable(program, owners)
    for name in wanted:
        if name not in there:
            raise Failure([Diagnostic(
                "unknown-rule", f"no rule `{name}` of a subject of events is in force",
                help=suggest(name, there) or "`finalrule show rules` lists the rules",
            )])  # fmt: skip
    found = frozenset(wanted) or frozenset(there).intersection(SHOWN)
    if not found:
        raise Failure([Diagnostic(
            "nothing-to-watch", f"{program.policy} determines nothing of a subject of events",
            help="take a policy with the track apm",
        )])  # fmt: skip
    return found


def _closure(program: ir.Program, wanted: Iterable[str]) -> set[str]:
    """The named rules, and all that they read."""
    by_name = {rule.name: rule for rule in program.rules}
    found: set[str] = set()
    todo = list(wanted)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo.extend(reads(by_name[name]))
    return found


def _other(reader: str, read: str, owners: Mapping[str, str]) -> bool:
    """Whether a rule of one entity reads in another subject."""
    return read in owners and owners[read] != owners.get(reader)


def _in_order(
    trees: Mapping[str, tuple[str, ...]], declared: Declared, owners: Mapping[str, str]
) -> list[str]:
    """Subject kinds, those that are referred to before those that refer to them."""
    found: list[str] = []

    def place(top: str) -> None:
        if top in found:
            return
        for entity in trees[top]:
            refers = declared.entities[entity].refers
            if refers in owners:
                place(owners[refers])
        found.append(top)

    for top in trees:
        place(top)
    return found
