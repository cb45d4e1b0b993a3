"""Cases from the internal tables: every record as it was given, named and with an origin, and no
identifier but those that were asked for."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import pytest

from finalrule.facts.case import Record
from finalrule.tables.read import read_tables
from finalrule.tables.to_cases import OfTables, tin_npi_case
from tables.conftest import NPIS, Tables, program_of
from tables.test_agree import World

FIRST, SECOND = "123456789", "987654321"
MEASURED = {
    "performance_start": "2020-01-01", "performance_end": "2020-12-31",
    "has_performance_rate": "yes", "performance_rate_numerator": "4500",
    "performance_rate_denominator": "60", "has_reporting_rate": "yes", "reporting_rate": "85",
    "case_count": "60",
}  # fmt: skip


def case_of(tables: Tables, tin: str, npi: str) -> OfTables | None:
    facts = tables.work / "facts"
    return tin_npi_case(tables.program, duckdb.connect(), facts, tin, npi, "digest")


def canonical(record: Record) -> tuple[Any, ...]:
    """A record and all below it, whatever their order."""
    facts = sorted((name, str(given.value)) for name, given in record.facts.items())
    below = [canonical(child) for children in record.children.values() for child in children]
    return record.entity, facts, sorted(below)


def units_of(found: OfTables) -> dict[tuple[str, ...], Record]:
    return {unit.name: unit for unit in found.case.root.children["scoring_unit"]}


@pytest.mark.parametrize("policy", ["2019-final", "2020-final"])
@pytest.mark.parametrize("seed", range(3))
def test_random_facts_come_back(policy: str, seed: int, tmp_path: Path) -> None:
    program = program_of(policy)
    world = World(program, seed)
    world.write(tmp_path)
    read = read_tables(program, tmp_path, tmp_path / "work", threads=2, memory="1GB")
    connection = duckdb.connect()
    compared = 0
    for tin, npi in world.clinicians:
        found = tin_npi_case(program, connection, read.database, tin, npi, read.digest)
        assert found is not None
        units = units_of(found)
        assert list(units) == [("group",), ("individual",)]
        for unit, key in ((units["individual",], (tin, npi)), (units["group",], (tin, ""))):
            (wanted,) = world.case(key).root.children["scoring_unit"]
            assert canonical(unit) == canonical(wanted)
            compared += sum(1 for _ in unit.walk())
        assert found.ids.keys() == set(found.case.root.walk())
    assert compared > 20


@pytest.fixture
def nation(tables: Tables) -> Tables:
    """Two practices with the same second clinician, who is in an APM Entity under both TINs."""
    return tables.write(
        practices=f"tin | reports_as_group\n{FIRST} | yes\n{SECOND} | no",
        clinicians=f"""
            tin      | npi       | clinician_type | covered_charges | label_who
            {FIRST}  | {NPIS[0]} | physician      | 1000.25         | a
            {FIRST}  | {NPIS[1]} |                |                 | b
            {SECOND} | {NPIS[1]} | physician      | 500             | c
        """,
        entities="entity_id | kind\nA-1 | apm_entity",
        members=f"""
            entity_id | tin      | npi
            A-1       | {FIRST}  | {NPIS[1]}
            A-1       | {SECOND} | {NPIS[1]}
            A-1       | {FIRST}  | {NPIS[0]}
        """,
        clinician_segments=f"""
            tin      | npi       | segment | services
            {FIRST}  | {NPIS[0]} | first   | 12
        """,
        measure_results="\n".join(
            [
                f"tin | npi | entity_id | measure_id | collection_type | {' | '.join(MEASURED)}",
                f"{SECOND} | {NPIS[1]} | | 236 | ecqm | {' | '.join(MEASURED.values())}",
                f"{FIRST} | | | 236 | mips_cqm | {' | '.join(MEASURED.values())}",
                f"| | A-1 | 001 | mips_cqm | {' | '.join(MEASURED.values())}",
            ]
        ),
    )  # fmt: skip


def test_what_a_tin_npi_reaches(nation: Tables) -> None:
    nation.read()
    found = case_of(nation, SECOND, NPIS[1])
    assert found is not None
    assert found.case.subject == {"tin": SECOND, "npi": NPIS[1], "performance_year": "2020"}
    assert found.case.facts_digest == "digest"
    units = units_of(found)
    assert list(units) == [("group",), ("individual",), ("apm_entity", "A-1")]
    measures = {name: [one.facts["measure_id"].value for one in unit.children["measure_result"]]
                for name, unit in units.items() if "measure_result" in unit.children}  # fmt: skip
    assert measures == {("individual",): ["236"], ("apm_entity", "A-1"): ["001"]}
    # Its practice does not report as a group, so its scores are its own and the entity's.
    (tin_npi,) = found.case.root.children["tin_npi"]
    scores = tin_npi.children["available_score"]
    assert [one.facts["kind"].value for one in scores] == ["individual", "apm_entity"]
    assert all(one.refers is not None and one.refers.facts["npi"].value == NPIS[1]
               for one in scores)  # fmt: skip
    assert tin_npi.facts["covered_charges"].value == 500


def test_a_score_points_at_the_clinician_under_this_tin(nation: Tables) -> None:
    """The entity has the NPI under two TINs; the members are in the order of TIN and NPI."""
    nation.read()
    for tin, place in ((FIRST, 0), (SECOND, 2)):
        found = case_of(nation, tin, NPIS[1])
        assert found is not None
        members = units_of(found)["apm_entity", "A-1"].children["clinician"]
        (tin_npi,) = found.case.root.children["tin_npi"]
        (score,) = (one for one in tin_npi.children["available_score"]
                    if one.facts["kind"].value == "apm_entity")  # fmt: skip
        assert score.refers is members[place]
        names = [member.name for member in members]
        assert names == [() if at == place else (f"#{at + 1}",) for at in range(3)]


def origins(found: OfTables) -> Iterator[tuple[str, str, str]]:
    for record in found.case.root.walk():
        for name, given in record.facts.items():
            yield record.entity, name, given.origin


def test_where_facts_come_from(nation: Tables) -> None:
    nation.read()
    found = case_of(nation, FIRST, NPIS[0])
    assert found is not None
    known: dict[tuple[str, str], list[str]] = {}
    for entity, name, origin in origins(found):
        known.setdefault((entity, name), []).append(origin)
    who = f"{FIRST},{NPIS[0]}"
    assert known["tin_npi", "covered_charges"] == [f"clinicians[{who}]"]
    assert known["scoring_unit", "entity_type"] == [
        f"practices[{FIRST}]", f"clinicians[{who}]", "entities[A-1]"
    ]  # fmt: skip
    # A practice does not say of itself that it reports: what absence means holds.
    assert known["scoring_unit", "group_reports"][0].startswith(f"practices[{FIRST}] or absent: ")
    assert known["scoring_unit", "group_reports"][1] == f"practices[{FIRST}].reports_as_group"
    assert known["clinician", "npi"] == [
        f"clinicians[{FIRST},#1]", f"clinicians[{who}]",  # of the group
        f"clinicians[{who}]",  # its own
        "clinicians[#1]", f"clinicians[{who}]", "clinicians[#3]",  # of the entity
    ]  # fmt: skip
    assert known["measure_result", "measure_id"] == [
        f"measure_results[{FIRST},236,mips_cqm]", "measure_results[A-1,001,mips_cqm]"
    ]  # fmt: skip
    assert known["clinician_segment", "services"] == [f"clinician_segments[{who},first]"] * 3
    assert known["available_score", "kind"] == [
        f"clinicians[{who}]", f"practices[{FIRST}].reports_as_group", f"members[A-1,{who}]"
    ]  # fmt: skip
    assert known["program", "whole_population"][0].startswith("the run or absent: 42 CFR 414.1405")
    assert known["program", "assumed_scaling_factor"][0].startswith(
        "assumed by policies/2020/final.yaml:"
    )


def test_no_identifier_of_others(nation: Tables) -> None:
    nation.read()
    found = case_of(nation, FIRST, NPIS[0])
    assert found is not None
    said = [origin for _, _, origin in origins(found)]
    said += [part for record in found.case.root.walk() for part in record.name]
    assert not any(other in text for text in said for other in (SECOND, NPIS[1]))


def test_numbers_and_dates_as_they_were_given(nation: Tables) -> None:
    nation.read()
    found = case_of(nation, FIRST, NPIS[0])
    assert found is not None
    (tin_npi,) = found.case.root.children["tin_npi"]
    assert tin_npi.facts["covered_charges"].value == Fraction("1000.25")
    (result,) = units_of(found)["group",].children["measure_result"]
    # 4500/60 is 75, in the measure's own unit.
    assert result.facts["performance_rate"].value == 75
    assert str(result.facts["performance_start"].value) == "2020-01-01"


@pytest.mark.parametrize(("tin", "npi"), [(SECOND, NPIS[0]), ("111111111", NPIS[0])])
def test_who_is_not_there(nation: Tables, tin: str, npi: str) -> None:
    nation.read()
    assert case_of(nation, tin, npi) is None
