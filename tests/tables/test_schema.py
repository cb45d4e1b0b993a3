"""The users' tables follow from what the rules declare."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache

import pytest
from click.testing import CliRunner

from evaluate.small import small
from finalrule.cli.main import main
from finalrule.core import ir
from finalrule.tables.schema import TableSchema, table_schemas
from tables.conftest import program_of

POLICIES = ["2019-final", "2020-proposed", "2020-final"]


@cache
def schemas(policy: str) -> dict[str, TableSchema]:
    return {schema.name: schema for schema in table_schemas(program_of(policy))}


@pytest.mark.parametrize("policy", POLICIES)
def test_the_tables(policy: str) -> None:
    """The names and keys that users know; another entity of the rules adds a table."""
    units = {name: schema for name, schema in schemas(policy).items() if schema.of != "keys"}
    assert {name: schema.keys for name, schema in units.items()} == {
        "practices": ("tin",),
        "clinicians": ("tin", "npi"),
        "entities": ("entity_id",),
        "members": ("entity_id", "tin", "npi"),
        "segments": ("tin", "npi", "entity_id", "segment"),
        "clinician_segments": ("tin", "npi", "segment"),
        "services_by_place": ("tin", "npi", "segment", "place_of_service"),
        "measure_results": ("tin", "npi", "entity_id", "measure_id", "collection_type"),
        "survey_scores":
            ("tin", "npi", "entity_id", "measure_id", "collection_type", "summary_measure_id"),
        "activities": ("tin", "npi", "entity_id", "activity_id"),
        "interoperability": ("tin", "npi", "entity_id", "submission_method"),
        "interoperability_measures":
            ("tin", "npi", "entity_id", "submission_method", "measure_id"),
        "cost_results": ("tin", "npi", "entity_id", "measure_id"),
    }  # fmt: skip
    assert [name for name, schema in schemas(policy).items() if schema.required] == [
        "practices", "clinicians"
    ]  # fmt: skip


@pytest.mark.parametrize("policy", POLICIES)
def test_every_fact_of_a_unit_has_its_column(policy: str) -> None:
    """But for those that follow: who the row is of, and the scores that a TIN/NPI has. Facts of a
    scoring unit stand in three tables, as there are three kinds of unit; keys of a record that has
    others below it stand in their tables too."""
    program = program_of(policy)
    given = Counter(
        (fact.entity, fact.name)
        for schema in schemas(policy).values() if schema.of != "keys"
        for column in schema.columns
        for fact in column.facts
    )  # fmt: skip
    above = {"scoring_unit", "segment", "clinician", "clinician_segment", "measure_result",
             "survey_score", "activity", "pi_submission", "pi_report", "cost_result", "tin_npi",
             "services_by_place"}  # fmt: skip
    wanted = {(fact.entity, fact.name) for fact in program.facts if fact.entity in above}
    assert wanted - given.keys() == {("scoring_unit", "entity_type"), ("clinician", "npi")}
    assert given.keys() <= wanted
    assert given["scoring_unit", "quality_given"] == 3
    assert given["scoring_unit", "group_reports"] == 1


def test_a_column_says_what_the_rules_say() -> None:
    (column,) = [c for c in schemas("2020-final")["practices"].columns
                 if c.name == "medical_home_site_share"]  # fmt: skip
    assert column.presence == "absent_means"
    assert column.files == (
        ("medical_home_site_share",),
        ("medical_home_site_share_numerator", "medical_home_site_share_denominator"),
    )
    assert column.cites == column.facts[0].cites != ()


BASE = """
entity program
entity scoring_unit of program
fact scoring_unit.entity_type: one of {individual, group} required
entity clinician of scoring_unit
  key npi: code
rule r for scoring_unit: yes_no
  cites "42 CFR 414.1380"
  clause c: yes always
"""


def program(more: str) -> ir.Program:
    return small(BASE + more).evaluator.program


def test_without_other_types_of_unit_there_are_no_entities() -> None:
    tables = table_schemas(program("entity visit of scoring_unit\n  key day: date\n"))
    assert {table.name: table.keys for table in tables} == {
        "practices": ("tin",), "clinicians": ("tin", "npi"), "visit": ("tin", "npi", "day"),
    }  # fmt: skip


def test_one_name_with_two_types_cannot_be_one_column() -> None:
    made = program(
        "fact scoring_unit.size: count[0..5] may be unknown\n"
        "fact clinician.size: count[0..6] may be unknown\n"
    )
    with pytest.raises(ValueError, match="`size` of `scoring_unit` and `clinician`"):
        table_schemas(made)


def test_one_name_with_two_presences_is_as_strict_as_the_stricter() -> None:
    made = program(
        'fact scoring_unit.size: count[0..5] absent means 1 cites "42 CFR 414.1380"\n'
        "fact clinician.size: count[0..5] may be unknown\n"
    )
    practices, clinicians = table_schemas(made)
    assert [table.columns[-1].presence for table in (practices, clinicians)] == [
        "absent_means", "may_be_unknown"
    ]  # fmt: skip


def test_a_key_that_a_record_shares_with_one_above_it() -> None:
    made = program(
        "entity visit of scoring_unit\n  key code: code\nentity test of visit\n  key code: code\n"
    )
    with pytest.raises(ValueError, match="`code` is a key of `test`"):
        table_schemas(made)


def test_a_record_three_below_a_unit_is_refused() -> None:
    made = program(
        "entity visit of scoring_unit\n  key a: code\nentity test of visit\n  key b: code\n"
        "entity part of test\n  key c: code\n"
    )
    with pytest.raises(ValueError, match="`part` stands more than two below"):
        table_schemas(made)


def test_a_program_without_scoring_units_has_no_tables() -> None:
    rule = 'rule r for program: yes_no\n  cites "42 CFR 414.1380"\n  clause c: yes always\n'
    assert table_schemas(small(f"entity program\n{rule}").evaluator.program) == ()


def test_show_tables_as_json() -> None:
    result = CliRunner().invoke(main, ["show", "2020-final", "tables", "--format", "json"])
    assert result.exit_code == 0
    (found,) = json.loads(result.stdout)["found"]
    assert found["kind"] == "tables"
    by_name = {table["name"]: table for table in found["tables"]}
    assert list(by_name) == list(schemas("2020-final"))
    (rate,) = [column for column in by_name["measure_results"]["columns"]
               if column["name"] == "performance_rate"]  # fmt: skip
    assert rate["files"] == [
        ["performance_rate"], ["performance_rate_numerator", "performance_rate_denominator"]
    ]  # fmt: skip
    assert (rate["type"], rate["presence"], rate["default"]) == (
        "rate[-1000000..1000000] exact", "required", None
    )  # fmt: skip
