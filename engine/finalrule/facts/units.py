"""Everything that the given files say, sorted by scoring unit."""

from __future__ import annotations

import datetime
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from finalrule.diagnostics import Label, Pointer, Report
from finalrule.facts.block import read_block
from finalrule.facts.clinician import FactsFile, api_part, check_scenario, read_facts_file
from finalrule.facts.cost_results import CostResult, read_cost_results
from finalrule.facts.declared import UNIT, Declared
from finalrule.facts.json_item import Item
from finalrule.facts.json_text import MAXIMUM_BYTES, read_json
from finalrule.facts.measures import Measures
from finalrule.facts.parts import Found, Part
from finalrule.facts.qpp_json import MeasurementSet, Submission, read_submission

STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True, order=True)
class UnitKey:
    """Who is scored: entity type, TIN, NPI (empty for a group) and the files' performance year."""

    entity_type: str
    tin: str
    npi: str
    year: int


@dataclass(slots=True, eq=False)
class Unit:
    """What the files say of one scoring unit: `parts` are of the unit itself, each with what is
    below it. `at` is its first submission."""

    key: UnitKey
    at: Pointer
    parts: list[Part] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Files:
    """What the user named, as given."""

    submissions: Sequence[Path]
    facts: Sequence[Path]
    cost: Sequence[Path]


def gather_units(
    files: Files, year: int, measures: Measures, declared: Declared, as_year: bool, report: Report
) -> list[Unit]:
    """The units that the submissions are of, in the order of their keys. Every fault of every file
    goes to the report."""
    by_unit: dict[UnitKey, list[Submission]] = {}
    for document in _documents(files.submissions, report):
        submission = read_submission(document, year, measures, as_year)
        if submission:
            key = UnitKey(submission.entity_type, submission.tin, submission.npi, submission.year)
            by_unit.setdefault(key, []).append(submission)
    units = [_unit(key, by_unit[key], report) for key in sorted(by_unit)]
    # A file may be about a unit that could not be read: only then it is no fault of its own.
    complete = not report.has_errors
    _add_facts(units, files.facts, declared, complete, report)
    _add_cost(units, files.cost, measures, declared, complete, report)
    return units


@lru_cache(maxsize=1)
def _content(stream: BinaryIO) -> bytes:
    """What standard input holds, read once: each further policy of a run asks for it again."""
    return stream.read(MAXIMUM_BYTES + 1)


def _documents(paths: Sequence[Path], report: Report) -> Iterator[Item]:
    for path in paths:
        if str(path) == STANDARD_INPUT:
            document = read_json(io.BytesIO(_content(sys.stdin.buffer)), "<standard input>", report)
            if document:
                yield document
            continue
        named = [path]
        if path.is_dir():
            named = sorted(path.glob("*.json"))
            if not named:
                report.error(
                    "cannot-read-file", "the directory has no .json files", Pointer(str(path), ""),
                    help="name the files, or the directory that they are in; "
                    "folders in it are not searched",
                )  # fmt: skip
        for file in named:
            document = read_json(file, str(file), report)
            if document:
                yield document


def _unit(key: UnitKey, submissions: list[Submission], report: Report) -> Unit:
    """The unit with what its submissions say."""
    at = submissions[0].at
    facts = {"entity_type": Found(key.entity_type, at)}
    root = Part(UNIT, at, facts)
    sets: dict[tuple[str, str, str], MeasurementSet] = {}
    for submission in submissions:
        for one in submission.sets:
            name = (one.category, one.method, one.program)
            if name in sets:
                report.error(
                    "submission-duplicate-set",
                    f"two sets for `{one.category}` by `{one.method}` in the program "
                    f"`{one.program}`",
                    Label(one.at, "again here"), Label(sets[name].at, "first here"),
                    help="put their measurements into one set, or take one out",
                )  # fmt: skip
                continue
            sets[name] = one
            root.children.extend(one.parts)
    root.children[:] = _union_of_activities(root.children)
    if key.entity_type == "individual":
        root.children.append(Part("clinician", at, {"npi": Found(key.npi, at)}))
    return Unit(key, at, [root])


def _union_of_activities(parts: list[Part]) -> list[Part]:
    """An activity that several sets have counts once: as completed if one says so, and then with
    the longest of the periods given for it."""
    chosen: dict[object, Part] = {}
    for part in parts:
        if part.entity != "activity":
            continue
        activity = part.facts["activity_id"].value
        if activity not in chosen or _rank(part) > _rank(chosen[activity]):
            chosen[activity] = part
    kept = {id(part) for part in chosen.values()}
    return [part for part in parts if part.entity != "activity" or id(part) in kept]


def _rank(activity: Part) -> tuple[bool, int, int]:
    """Completed before not, longer periods before shorter, earlier before later."""
    completed = activity.facts["completed"].value is True
    start, end = (activity.facts.get(f"performance_{name}") for name in ("start", "end"))
    if start is None or end is None:
        return completed, -1, 0
    assert isinstance(start.value, datetime.date) and isinstance(end.value, datetime.date)
    return completed, (end.value - start.value).days, -start.value.toordinal()


def _add_facts(
    units: list[Unit], paths: Sequence[Path], declared: Declared, complete: bool, report: Report
) -> None:
    read = [read_facts_file(document) for document in _documents(paths, report)]
    files = [file for file in read if file]
    matched = [[unit for unit in units if _is_about(file, unit)] for file in files]
    for file, about in zip(files, matched, strict=True):
        if not about:
            if complete:
                _unmatched(file)
            continue
        tin = next(iter(file.organizations))
        block = read_block(file.block, tin, declared) if file.block else None
        if block:
            for unit in _units_of_block(file, block, about):
                unit.parts.append(block)
    for unit in units:
        roster = _roster(unit)
        own = [file for file, about in zip(files, matched, strict=True) if unit in about]
        check_scenario(own, unit.key.entity_type, unit.key.tin)
        for file in own:
            single = unit.key.entity_type == "individual"
            listed = single or file.npi in roster
            unit.parts.append(api_part(file, unit.key.entity_type, unit.key.tin, listed, declared))
            if not single and file.npi and not listed:
                _not_in_roster(file, bool(roster))


def _is_about(file: FactsFile, unit: Unit) -> bool:
    if unit.key.tin not in file.organizations:
        return False
    return unit.key.entity_type == "group" or file.npi == unit.key.npi


def _unmatched(file: FactsFile) -> None:
    file.document.fail(
        "facts-unmatched",
        "the file is about no clinician or group whose submission is given",
        help="compare its TINs and NPI with those of the submissions",
    )


def _units_of_block(file: FactsFile, block: Part, units: list[Unit]) -> list[Unit]:
    """The units that a block speaks of: those of its entity type, and never more than one."""
    stated = block.facts.get("entity_type")
    chosen = [unit for unit in units if not stated or stated.value == unit.key.entity_type]
    if len(chosen) == 1:
        return chosen
    assert file.block
    if not chosen:
        file.block.fail(
            "facts-unmatched", f"no {stated.value if stated else 'unit'} of this file is scored",
            Label(stated.at, "for whom the block is") if stated else Label(block.at),
            help="correct `entity_type`, or take the block out",
        )  # fmt: skip
    else:
        file.block.fail(
            "facts-ambiguous", f"the block could be about each of {len(chosen)} scoring units",
            help="give each unit a file of its own, or say `entity_type` in the block",
        )  # fmt: skip
    return []


def _roster(unit: Unit) -> set[object]:
    """The NPIs that the blocks list for a group."""
    return {
        part.facts["npi"].value
        for top in unit.parts
        for part in top.children
        if part.entity == "clinician" and "npi" in part.facts
    }


def _not_in_roster(file: FactsFile, has_roster: bool) -> None:
    if has_roster:
        file.document.fail(
            "facts-roster", "the file's clinician is not on the group's roster",
            help="list the clinician in `finalrule.clinician`, or take the file out",
        )  # fmt: skip
    else:
        file.document.warn(
            "facts-roster",
            "the group's roster is not given, so facts about single clinicians are left out",
            help="list every NPI that bills under the TIN in `finalrule.clinician` of one file",
        )


def _add_cost(
    units: list[Unit],
    paths: Sequence[Path],
    measures: Measures,
    declared: Declared,
    complete: bool,
    report: Report,
) -> None:
    owners: dict[tuple[str, str], list[Unit]] = {}
    for unit in units:
        owners.setdefault((unit.key.tin, unit.key.npi), []).append(unit)
    for path in paths:
        results = read_cost_results(path, measures, declared, report)
        strays = []
        for result in results:
            owned = owners.get((result.tin, result.npi), [])
            for unit in owned:
                _add_cost_result(unit, result, report)
            if not owned:
                strays.append(result)
        if strays and complete:
            _cost_unmatched(path, strays, len(strays) == len(results), report)


def _add_cost_result(unit: Unit, result: CostResult, report: Report) -> None:
    for part in unit.parts[0].children:
        same = part.entity == "cost_result"
        if same and part.facts["measure_id"].value == result.part.facts["measure_id"].value:
            report.error(
                "measure-duplicate", "the unit has two results of this cost measure",
                Label(result.part.at, "again here"), Label(part.at, "first here"),
                help="keep one of the two",
            )  # fmt: skip
            return
    unit.parts[0].children.append(result.part)


def _cost_unmatched(path: Path, strays: list[CostResult], all_: bool, report: Report) -> None:
    tell = report.error if all_ else report.warning
    results = "1 cost result is" if len(strays) == 1 else f"{len(strays):,} cost results are"
    tell(
        "facts-unmatched",
        f"{results} of no clinician or group whose submission is given",
        Pointer(str(path), strays[0].part.at.pointer),
        help="compare their TINs and NPIs with those of the submissions",
    )
