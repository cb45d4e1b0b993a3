"""Records below units and clinicians, and the files that they come from."""

from __future__ import annotations

from tables.conftest import NPIS, Tables

DAYS = "performance_start | performance_end"
# Days since 1970-01-01: 50 years of 365 days and the leap days of 1972 to 2016 make 18262 for
# 2020-01-01; the 31st of December is 365 days later.
FIRST, LAST = 18_262, 18_627


def test_a_record_is_of_the_unit_that_its_row_names(two_practices: Tables) -> None:
    two_practices.write(
        entities="entity_id | kind\nV1 | virtual_group",
        segments=f"""
            tin       | npi       | entity_id | segment | patients
            987654321 |           |           | second  | 300
            123456789 | {NPIS[0]} |           | first   | 201
                      |           | V1        | first   | 5000
            987654321 |           |           | first   |
        """,
    ).read()
    # Units: 1 is the first clinician, 2 the second practice, 5 the virtual group.
    columns = "id, scoring_unit_id, segment, patients, part_key"
    assert two_practices.rows("segment", columns) == [
        (0, 2, 1, 300, 1), (1, 1, 0, 201, 0), (2, 5, 0, 5000, 2), (3, 2, 0, None, 1)
    ]  # fmt: skip


def test_a_rate_from_numerator_and_denominator(two_practices: Tables) -> None:
    two_practices.write(
        measure_results=f"""
            tin | measure_id | collection_type | {DAYS} | has_performance_rate \
            | performance_rate_numerator | performance_rate_denominator | has_reporting_rate \
            | reporting_rate_numerator | reporting_rate_denominator | case_count
            123456789 | 236 | mips_cqm | 2020-01-01 | 2020-12-31 | yes | 4500 | 60 \
            | yes | 9000 | 100 | 60
        """
    ).read()
    # 45 of 60 is 4500/60 in the measure's unit; 90 of 100 is 9000/100 percent, 9000/10000 as a
    # quantity. mips_cqm is the second collection type.
    columns = (
        "collection_type, performance_start, performance_end, performance_rate__n, "
        "performance_rate__d, reporting_rate__n, reporting_rate__d, case_count, end_to_end_reported"
    )
    assert two_practices.rows("measure_result", columns) == [
        (1, FIRST, LAST, 4500, 60, 9000, 10_000, 60, False)
    ]


def test_records_of_a_clinician_are_in_each_of_its_units(two_practices: Tables) -> None:
    two_practices.write(
        entities="entity_id | kind\nV1 | virtual_group",
        members=f"entity_id | tin | npi\nV1 | 987654321 | {NPIS[2]}",
        clinician_segments=f"""
            tin       | npi       | segment | services
            123456789 | {NPIS[0]} | first   | 10
            987654321 | {NPIS[2]} | first   | 20
            987654321 | {NPIS[2]} | second  | 30
        """,
        services_by_place=f"""
            tin       | npi       | segment | place_of_service | covered_services
            987654321 | {NPIS[2]} | second  | 21               | 7
        """,
    ).read()
    # Clinician records: 0 and 1 of the first clinician, 4 and 5 of the third, 6 in the virtual
    # group. Rows 0, 1, 2 give the ids 0, 2, 4; their groups' 1, 3, 5; the members' 6 and 7.
    columns = "id, clinician_id, scoring_unit_id, segment, services, part_key"
    assert two_practices.rows("clinician_segment", columns) == [
        (0, 0, 1, 0, 10, 0),
        (1, 1, 0, 0, 10, 0),
        (2, 4, 4, 0, 20, 1),
        (3, 5, 2, 0, 20, 1),
        (4, 4, 4, 1, 30, 1),
        (5, 5, 2, 1, 30, 1),
        (6, 6, 5, 0, 20, 2),
        (7, 6, 5, 1, 30, 2),
    ]
    columns = "clinician_segment_id, clinician_id, scoring_unit_id, place_of_service, part_key"
    assert two_practices.rows("services_by_place", columns) == [
        (4, 4, 4, "21", 1), (5, 5, 2, "21", 1), (7, 6, 5, "21", 2)
    ]  # fmt: skip


def test_a_record_is_below_the_record_that_its_row_names(two_practices: Tables) -> None:
    two_practices.write(
        interoperability=f"""
            tin       | submission_method | {DAYS}     | has_cehrt_id
            123456789 | registry              | 2020-01-01 | 2020-12-31 | yes
            987654321 | electronicHealthRecord | 2020-01-01 | 2020-12-31 | no
            987654321 | registry              | 2020-01-01 | 2020-03-30 | yes
        """,
        interoperability_measures="""
            tin       | submission_method | measure_id | reported | is_proportion \
            | numerator | denominator
            987654321 | registry          | PI_EP_1    | yes      | true  | 5 | 10
            123456789 | registry          | PI_LVPP_1  | no       | false | 0 | 0
        """,
    ).read()
    columns = "id, pi_submission_id, scoring_unit_id, measure_id, reported, numerator, part_key"
    assert two_practices.rows("pi_report", columns) == [
        (0, 2, 2, "PI_EP_1", True, 5, 1), (1, 0, 0, "PI_LVPP_1", False, 0, 0)
    ]  # fmt: skip


def activity(rows: str) -> str:
    start, end = "DATE '2020-01-01' AS performance_start", "DATE '2020-03-30' AS performance_end"
    return f"SELECT *, true AS completed, {start}, {end} FROM (VALUES {rows}) v(tin, activity_id)"


def test_a_table_may_be_several_files(two_practices: Tables) -> None:
    for part, rows in (("a", "('123456789', 'IA_AHE_1')"),
                       ("b", "('987654321', 'IA_AHE_1'), ('987654321', 'IA_AHE_3')")):  # fmt: skip
        two_practices.parquet(f"activities/part-{part}", activity(rows))
    read = two_practices.read()
    assert read.rows["activities"] == 3
    assert two_practices.rows("activity", "id, scoring_unit_id, activity_id") == [
        (0, 0, "IA_AHE_1"), (1, 2, "IA_AHE_1"), (2, 2, "IA_AHE_3")
    ]  # fmt: skip


def test_a_row_of_several_files_is_named_by_file_and_row(two_practices: Tables) -> None:
    two_practices.parquet("activities/part-a", activity("('123456789', 'IA_AHE_1')"))
    two_practices.parquet(
        "activities/part-b", activity("('987654321', 'IA_AHE_1'), ('987654321', 'IA_NO')")
    )
    two_practices.read()
    assert two_practices.rejected('file, "row", tin, "key", reason, "value"') == [
        (
            "activities/part-b.parquet",
            2,
            "987654321",
            "activity_id=IA_NO",
            "measure_unknown",
            "IA_NO",
        )
    ]
