"""Cases from files: what each source says of a scoring unit put together, typed by the program's
declarations, with the defaults that it declares and nothing else made up."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

from finalrule.catalogue.read import Catalogue
from finalrule.core.expressions import constant_value
from finalrule.core.ir import Program
from finalrule.diagnostics import Diagnostic, Label, Pointer, Report
from finalrule.facts.case import Case, Given, Record
from finalrule.facts.declared import UNIT, Declared, unfit
from finalrule.facts.fact_sources import where_from
from finalrule.facts.measures import measures_of
from finalrule.facts.parts import Found, Part
from finalrule.facts.units import Files, Unit, gather_units
from finalrule.values import Value, one_of, show

CATEGORIES = ("quality", "cost", "ia", "pi")


def read_cases(
    program: Program,
    catalogues: Mapping[str, Catalogue],
    submissions: Sequence[Path],
    facts: Sequence[Path],
    cost: Sequence[Path],
    given: Mapping[str, Fraction],
    as_year: bool,
) -> tuple[list[Case], list[Diagnostic]]:
    """One case for each scoring unit that the submissions are of, in the order of entity type, TIN
    and NPI, and the warnings. A directory stands for its .json files, `-` for standard input.
    `catalogues` are those of the policy's year by name: quality_measure, measure_collection_type,
    improvement_activity, pi_measure, cost_measure. `given` holds category scores that are known
    already (95.5 % is 955/1000) by quality, cost, ia, pi. With `as_year` files of another
    performance year are read as if of the program's.

    Raises Failure with every error of every file; KeyError when a catalogue is not given.
    """
    report = Report()
    declared = Declared(program)
    measures = measures_of(catalogues)
    files = Files(submissions, facts, cost)
    units = gather_units(files, program.performance_year, measures, declared, as_year, report)
    for part in _given_parts(given, units, report):
        for unit in units:
            unit.parts.append(part)
    merged = [_merge(unit, declared, report) for unit in units]
    report.stop_if_errors()
    cases = [
        _case(unit, record, declared, report) for unit, record in zip(units, merged, strict=True)
    ]
    report.stop_if_errors()
    return cases, report.diagnostics


def _given_parts(given: Mapping[str, Fraction], units: list[Unit], report: Report) -> list[Part]:
    """The facts of scores given on the command line."""
    facts: dict[str, Found] = {}
    for name, score in given.items():
        at = Pointer("--given", f"/{name}" if name in CATEGORIES else "")
        if name not in CATEGORIES:
            report.error(
                "given-score", "this is not a performance category", at,
                help=f"give a score for {one_of(CATEGORIES)}",
            )  # fmt: skip
        elif not 0 <= score <= 1:
            report.error(
                "given-score", f"the score of `{name}` must be from 0 to 100 percent", at,
                help=f"write, for example, --given {name}=95.5",
            )  # fmt: skip
        else:
            facts[f"{name}_given"] = Found(True, at)
            facts[f"given_{name}_score"] = Found(score, at)
    if facts and len(units) > 1:
        report.error(
            "given-score", f"scores are given, but there are {len(units)} scoring units",
            Pointer("--given", ""), help="score one unit at a time with --given",
        )  # fmt: skip
    return [Part(UNIT, Pointer("--given", ""), facts)] if facts else []


class _Merged:
    """A record with what all sources say of it. Records below it are by entity and key."""

    def __init__(self, entity: str, at: Pointer) -> None:
        self.entity = entity
        self.at = at
        self.facts: dict[str, Found] = {}
        self.children: dict[str, dict[tuple[str, ...], _Merged]] = {}

    def add(self, part: Part, declared: Declared, report: Report) -> None:
        """Take in what one source says; a fact that another source gives otherwise is an error."""
        for name, found in part.facts.items():
            known = self.facts.setdefault(name, found)
            if known.value != found.value:
                type_ = declared.facts[self.entity][name].type
                report.error(
                    "fact-conflict", f"two sources differ on `{name}`",
                    Label(found.at, show(found.value, type_)),
                    Label(known.at, show(known.value, type_)),
                    help="correct one of them, or give the fact in one place",
                )  # fmt: skip
        for child in part.children:
            keys = [child.facts.get(name) for name in declared.keys(child.entity)]
            known_keys = [_text(found.value) for found in keys if found]
            if len(known_keys) < len(keys):
                continue  # its reader has reported the key
            records = self.children.setdefault(child.entity, {})
            key = tuple(known_keys)
            if key not in records:
                records[key] = _Merged(child.entity, child.at)
            records[key].add(child, declared, report)

    def below(self, declared: Declared) -> Iterator[_Merged]:
        """The records right below, entities as declared, records by key."""
        for entity in declared.children[self.entity]:
            for _, merged in sorted(self.children.get(entity, {}).items()):
                yield merged

    def check(self, declared: Declared, report: Report) -> None:
        """Report each fact that does not keep to its declared bounds and decimal places."""
        for name, declaration in declared.facts[self.entity].items():
            found = self.facts.get(name)
            if found and (why := unfit(found.value, declaration.type)):
                report.error(
                    "value-out-of-bounds", f"`{name}` {why}", found.at, help="correct the figure"
                )
        for merged in self.below(declared):
            merged.check(declared, report)

    def fill(self, record: Record, declared: Declared, report: Report) -> None:
        """Write the record: each declared fact as given, else with its declared default; one that
        may be unknown stays out, and a required one that is missing is an error."""
        record.facts.update(_defaults(self.entity, declared))
        for name, declaration in declared.facts[self.entity].items():
            found = self.facts.get(name)
            if found:
                record.facts[name] = Given(found.value, str(found.at))
            elif declaration.presence == "required":
                report.error(
                    "fact-missing",
                    f"`{name}` of `{self.entity}` is missing ({declaration.describe})",
                    self.at,
                    help=f"it is read from {where_from(self.entity, name)}",
                )
        for merged in self.below(declared):
            merged.fill(record.add(merged.entity, {}), declared, report)

    def canonical(self) -> dict[str, object]:
        """What was read, free of file, order and formatting."""
        return {
            "facts": {name: _text(found.value) for name, found in self.facts.items()},
            "records": {
                entity: [records[key].canonical() for key in sorted(records)]
                for entity, records in self.children.items()
            },
        }


def _merge(unit: Unit, declared: Declared, report: Report) -> _Merged:
    merged = _Merged(UNIT, unit.at)
    for part in unit.parts:
        merged.add(part, declared, report)
    clinicians = merged.children.get("clinician", {})
    if unit.key.entity_type == "individual" and len(clinicians) > 1:
        other = next(one for key, one in sorted(clinicians.items()) if key != (unit.key.npi,))
        report.error(
            "facts-roster", "an individual's facts name another clinician", other.at,
            help="give the NPI of the submission, or make the submission a group's",
        )  # fmt: skip
    merged.check(declared, report)
    return merged


def _defaults(entity: str, declared: Declared) -> dict[str, Given]:
    """What holds of a record where nothing is given."""
    return {
        name: Given(constant_value(one.default), f"absent: {', '.join(one.cites)}")
        for name, one in declared.facts[entity].items()
        if one.default is not None
    }


def _case(unit: Unit, merged: _Merged, declared: Declared, report: Report) -> Case:
    root = record = Record(declared.root_of(UNIT), {})
    for entity in declared.path_to(UNIT):
        record.facts.update(_defaults(record.entity, declared))
        record = record.add(entity, {})
    merged.fill(record, declared, report)
    who = {
        "entity_type": unit.key.entity_type,
        "tin": unit.key.tin,
        "npi": unit.key.npi,
        "performance_year": str(unit.key.year),
    }
    subject = {name: text for name, text in who.items() if text}
    content = {"subject": subject, "unit": merged.canonical()}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return Case(root, subject, hashlib.sha256(text.encode()).hexdigest())


def _text(value: Value) -> str:
    """A value as text that only an equal value has."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, frozenset):
        return ",".join(sorted(value))
    return str(value)
