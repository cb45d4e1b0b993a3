"""The users' tables: which there are, their keys and columns. Columns are the facts that the
program's rules declare, by their declared names; nothing is listed here a second time.

A row is of a clinician (tin and npi), of a practice (tin alone) or of a virtual group or APM Entity
(entity_id alone). A number with any decimal places (`exact`) is one column, or two of whole
numbers, `<name>_numerator` and `<name>_denominator`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from finalrule.core import ir
from finalrule.facts.declared import UNIT, Declared
from finalrule.tables.internal import is_exact
from finalrule.values import CODE, Enumeration, Type

CLINICIAN, TIN_NPI, SCORE = "clinician", "tin_npi", "available_score"
ELIGIBLE_CLINICIAN = "eligible_clinician"
TIN, NPI, ENTITY_ID = "tin", "npi", "entity_id"
PRACTICES, CLINICIANS, ENTITIES, MEMBERS = "practices", "clinicians", "entities", "members"
KIND, YEAR = "kind", "performance_year"
INDIVIDUAL, GROUP = "individual", "group"
# A column whose name begins so is no fact: it is carried beside the results as text.
LABEL = "label_"
NUMERATOR, DENOMINATOR = "_numerator", "_denominator"

# What the tables of records are called; an entity that is not named here gives its own name.
_NAMES = {
    "segment": "segments",
    "clinician_segment": "clinician_segments",
    "services_by_place": "services_by_place",
    "measure_result": "measure_results",
    "survey_score": "survey_scores",
    "activity": "activities",
    "pi_submission": "interoperability",
    "pi_report": "interoperability_measures",
    "cost_result": "cost_results",
}
# Those of the Advanced APM track, which their own keys name; parents before children.
_KEYED = {
    "payment_model": "payment_models",
    "other_payer_arrangement": "other_payer_arrangements",
    "loss_level": "loss_levels",
    "qp_unit": "qp_units",
    "qp_snapshot": "qp_snapshots",
    "other_payer": "other_payers",
    "beneficiary": "beneficiaries",
    "claim": "claims",
    "eligible_clinician": "eligible_clinicians",
    "qp_participation": "qp_participations",
    "base_period_tin": "base_period_tins",
    "base_period_payment": "base_period_payments",
}
# Facts that tables say in another way: who the row is of, and `reports_as_group` of the practice.
ENTITY_TYPE, GROUP_REPORTS, REPORTS_AS_GROUP = "entity_type", "group_reports", "reports_as_group"
_DERIVED = {(UNIT, ENTITY_TYPE), (UNIT, GROUP_REPORTS)}

Of = Literal["practices", "clinicians", "entities", "members", "unit", "clinician", "keys"]


class TableColumn(msgspec.Struct, frozen=True):
    """A column. `facts` are the declarations that it gives, one for each entity; a key that only
    says whose row it is has none. Presence is the strictest of them."""

    name: str
    type: Type
    key: bool
    presence: Literal["required", "absent_means", "may_be_unknown"]
    facts: tuple[ir.FactDeclaration, ...]
    describe: str

    @property
    def entities(self) -> tuple[str, ...]:
        return tuple(fact.entity for fact in self.facts)

    @property
    def cites(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(cite for fact in self.facts for cite in fact.cites))

    @property
    def files(self) -> tuple[tuple[str, ...], ...]:
        """The ways to give the column in a file, each by the names of its columns."""
        if not is_exact(self.type):
            return ((self.name,),)
        return ((self.name,), (self.name + NUMERATOR, self.name + DENOMINATOR))


class TableSchema(msgspec.Struct, frozen=True):
    """One of the users' tables. `of` says whose rows they are; `entity` is what a table of records
    holds, and is empty for the others."""

    name: str
    of: Of
    entity: str
    required: bool
    columns: tuple[TableColumn, ...]
    describe: str

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.key)

    @property
    def facts(self) -> tuple[TableColumn, ...]:
        return tuple(column for column in self.columns if not column.key)

    @property
    def entities(self) -> tuple[str, ...]:
        """The entities that the table gives facts or records of."""
        named = (name for column in self.columns for name in column.entities)
        return tuple(dict.fromkeys((self.entity, *named) if self.entity else named))

    @property
    def labels(self) -> bool:
        """Whether the table may have columns that are no facts and begin with `label_`."""
        return self.of in ("practices", "clinicians", "entities")

    def file_columns(self) -> Iterator[str]:
        """Every column name that a file of the table may have, but for labels."""
        for column in self.columns:
            for names in column.files:
                yield from names
        yield YEAR


def table_schemas(program: ir.Program) -> tuple[TableSchema, ...]:
    """The tables of a program, parents before children. Raises ValueError when two entities
    declare one name differently, so that no column could give both, and for records that no table
    can hold."""
    declared = Declared(program)
    keyed = [_keyed(declared, name) for name in _KEYED if name in declared.entities]
    if UNIT not in declared.entities:
        return tuple(keyed)
    found = [_practices(declared), _clinicians(declared), *_entities(declared)]
    named = [name for name in _NAMES if name in declared.entities]
    others = [name for name in declared.entities if name not in _NAMES]
    for entity in (*named, *others):
        path = declared.path_to(entity)
        if UNIT in path and entity not in (UNIT, CLINICIAN):
            found.append(_records(declared, entity, path))
    return (*found, *keyed)


def kinds(program: ir.Program) -> tuple[str, ...]:
    """The kinds of `entities`: the types of scoring unit beside the individual and the group."""
    type_ = Declared(program).facts[UNIT][ENTITY_TYPE].type
    members = type_.members if isinstance(type_, Enumeration) else ()
    return tuple(member for member in members if member not in (INDIVIDUAL, GROUP))


_TIN = "TIN: nine digits, as text"
_NPI = "NPI: ten digits, as text"


def _practices(declared: Declared) -> TableSchema:
    columns = [_key(TIN, _TIN), *_facts(declared, UNIT)]
    if reports := declared.facts[UNIT].get(GROUP_REPORTS):
        said = "Whether the practice submits data as a group"
        columns.append(
            TableColumn(REPORTS_AS_GROUP, reports.type, False, reports.presence, (reports,), said)
        )
    said = "Practices (TINs); each is a scoring unit of the type `group`"
    return TableSchema(PRACTICES, "practices", "", True, tuple(columns), said)


def _clinicians(declared: Declared) -> TableSchema:
    facts = _facts(declared, UNIT, CLINICIAN, TIN_NPI)
    columns = (_key(TIN, f"{_TIN}; a row of `practices`"), _key(NPI, _NPI), *facts)
    said = "Clinicians under a practice (TIN/NPIs); each is a scoring unit of the type `individual`"
    return TableSchema(CLINICIANS, "clinicians", "", True, columns, said)


def _entities(declared: Declared) -> Iterator[TableSchema]:
    of_kind = kinds(declared.program)
    if not of_kind:
        return
    entity_id = _key(ENTITY_ID, "Identifier of the virtual group or APM Entity")
    kind = TableColumn(KIND, Enumeration(of_kind), False, "required", (), "What the entity is")
    facts = _facts(declared, UNIT)
    said = "Virtual groups and APM Entities; each is a scoring unit"
    yield TableSchema(ENTITIES, "entities", "", False, (entity_id, kind, *facts), said)
    keys = (entity_id, _key(TIN, _TIN), _key(NPI, f"{_NPI}; with tin a row of `clinicians`"))
    yield TableSchema(MEMBERS, "members", "", False, keys, "Which clinicians are in an entity")


def _records(declared: Declared, entity: str, path: list[str]) -> TableSchema:
    """A table of records. Their keys are those of the unit or clinician, of the records above them
    and their own."""
    of: Of = "clinician" if CLINICIAN in path else "unit"
    columns = [_key(TIN, _TIN)]
    if of == "clinician":
        columns.append(_key(NPI, _NPI))
    else:
        columns.append(_key(NPI, f"{_NPI}; empty for a practice", False))
        if kinds(declared.program):
            columns[0] = _key(TIN, f"{_TIN}; empty for an entity", False)
            columns.append(_key(ENTITY_ID, "Virtual group or APM Entity; empty for others", False))
    below = path[path.index(CLINICIAN if of == "clinician" else UNIT) + 1 :]
    if len(below) > 2:
        raise ValueError(f"`{entity}` stands more than two below a unit or clinician")
    for name in below:
        for key in declared.keys(name):
            fact = declared.facts[name][key]
            if key in (column.name for column in columns):
                raise ValueError(f"`{key}` is a key of `{entity}` and of a record above it")
            said = f"As in `{_NAMES.get(name, name)}`" if name != entity else ""
            columns.append(TableColumn(key, fact.type, True, "required", (fact,), said))
    columns.extend(_facts(declared, entity))
    describe = declared.entities[entity].describe
    return TableSchema(_NAMES.get(entity, entity), of, entity, False, tuple(columns), describe)


def keys_to(declared: Declared, entity: str) -> list[str]:
    """The keys of the records above one, and its own."""
    return [key for name in declared.path_to(entity) for key in declared.keys(name)]


def _keyed(declared: Declared, entity: str) -> TableSchema:
    """A table of records that their own keys name, and what they refer to by its keys."""
    columns = []
    target = declared.entities[entity].refers
    pointing = keys_to(declared, target) if target else []
    for name in declared.path_to(entity):
        for key in declared.keys(name):
            fact = declared.facts[name][key]
            said = {TIN: _TIN, NPI: _NPI}.get(key, "")
            if name != entity:
                said = f"As in `{_KEYED[name]}`"
            elif key in pointing:
                said = f"A row of `{_KEYED[target]}`"
            columns.append(TableColumn(key, fact.type, True, "required", (fact,), said))
    if target:
        named = {column.name for column in columns}
        said = f"A row of `{_KEYED[target]}`; empty for none"
        for name in declared.path_to(target):
            columns += [
                TableColumn(key, declared.facts[name][key].type, False, "may_be_unknown", (), said)
                for key in declared.keys(name) if key not in named
            ]  # fmt: skip
    columns.extend(_facts(declared, entity))
    describe = declared.entities[entity].describe
    return TableSchema(_KEYED[entity], "keys", entity, False, tuple(columns), describe)


def _key(name: str, describe: str, required: bool = True) -> TableColumn:
    return TableColumn(name, CODE, True, "required" if required else "may_be_unknown", (), describe)


def _facts(declared: Declared, *entities: str) -> Iterator[TableColumn]:
    """The columns of the facts of some entities; a name that several have is one column."""
    by_name: dict[str, list[ir.FactDeclaration]] = {}
    for entity in entities:
        if entity not in declared.entities:
            continue
        keys = declared.keys(entity)
        for name, fact in declared.facts[entity].items():
            if name not in keys and (entity, name) not in _DERIVED:
                by_name.setdefault(name, []).append(fact)
    for name, facts in by_name.items():
        first = facts[0]
        if any(fact.type != first.type for fact in facts):
            places = " and ".join(f"`{fact.entity}`" for fact in facts)
            raise ValueError(f"`{name}` of {places} have different types")
        describe = "; ".join(dict.fromkeys(fact.describe for fact in facts))
        yield TableColumn(name, first.type, False, _strictest(facts), tuple(facts), describe)


def _strictest(
    facts: Iterable[ir.FactDeclaration],
) -> Literal["required", "absent_means", "may_be_unknown"]:
    said = {fact.presence for fact in facts}
    if "required" in said:
        return "required"
    return "may_be_unknown" if "may_be_unknown" in said else "absent_means"
