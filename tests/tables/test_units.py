"""Who there is: scoring units, clinicians, TIN/NPIs and the scores that they may have."""

from __future__ import annotations

from tables.conftest import NPIS, Tables

# Places: the practices by TIN are 0 and 1, the clinicians by TIN and NPI 0, 1 and 2.
#   unit 0: practice 123456789        unit 2: practice 987654321
#   unit 1: its clinician (0+0+1)     units 3, 4: its clinicians (1+1+1 and 2+1+1)
UNITS = [
    (0, "group", "123456789", None, None, 0),
    (1, "individual", "123456789", NPIS[0], None, 0),
    (2, "group", "987654321", None, None, 1),
    (3, "individual", "987654321", NPIS[1], None, 1),
    (4, "individual", "987654321", NPIS[2], None, 1),
]
NAMES = "id, entity_type, tin, npi, entity_id, part_key"


def test_units_are_numbered_by_tin_then_npi(two_practices: Tables) -> None:
    two_practices.read()
    assert two_practices.rows("unit_names", NAMES) == UNITS
    # entity_type: individual is 0, group 1 among the members
    assert two_practices.rows("scoring_unit", "id, entity_type, part_key") == [
        (0, 1, 0), (1, 0, 0), (2, 1, 1), (3, 0, 1), (4, 0, 1)
    ]  # fmt: skip


def test_the_order_of_the_files_changes_nothing(tables: Tables) -> None:
    tables.write(
        practices="tin\n987654321\n123456789",
        clinicians=f"""
            npi       | tin
            {NPIS[2]} | 987654321
            {NPIS[0]} | 123456789
            {NPIS[1]} | 987654321
        """,
    ).read()
    assert tables.rows("unit_names", NAMES) == UNITS


def test_a_clinician_is_in_its_own_unit_and_in_the_group(two_practices: Tables) -> None:
    two_practices.read()
    # id 2p under the own unit, 2p + 1 under the practice's, for place p
    assert two_practices.rows("clinician", "id, scoring_unit_id, npi, part_key") == [
        (0, 1, NPIS[0], 0),
        (1, 0, NPIS[0], 0),
        (2, 3, NPIS[1], 1),
        (3, 2, NPIS[1], 1),
        (4, 4, NPIS[2], 1),
        (5, 2, NPIS[2], 1),
    ]
    assert two_practices.rows("tin_npi_names", "id, tin, npi, part_key") == [
        (0, "123456789", NPIS[0], 0),
        (1, "987654321", NPIS[1], 1),
        (2, "987654321", NPIS[2], 1),
    ]


def test_a_fact_of_unit_and_clinician_is_given_to_both(tables: Tables) -> None:
    tables.write(
        practices="tin\n123456789",
        clinicians=f"""
            tin       | npi       | stated_hospital_based | qp_status  | average_hcc_risk_score
            123456789 | {NPIS[0]} | yes                   | partial_qp | 1.2
        """,
    ).read()
    assert tables.rows("scoring_unit", "id, stated_hospital_based, average_hcc_risk_score") == [
        (0, None, None), (1, True, 1_200_000)
    ]  # fmt: skip
    # partial_qp is the second of qp, partial_qp, neither
    assert tables.rows("clinician", "id, stated_hospital_based, qp_status") == [
        (0, True, 1), (1, True, 1)
    ]  # fmt: skip


def test_whether_the_group_reports_is_said_once(tables: Tables) -> None:
    tables.write(
        practices="tin | reports_as_group\n123456789 | yes\n987654321 |",
        clinicians=f"""
            tin       | npi       | covered_charges
            123456789 | {NPIS[0]} | 1000.25
            987654321 | {NPIS[1]} |
        """,
    ).read()
    assert tables.rows("scoring_unit", "id, group_reports") == [
        (0, False), (1, True), (2, False), (3, False)
    ]  # fmt: skip
    assert tables.rows("tin_npi", "id, covered_charges, part_key") == [
        (0, 100_025, 0),
        (1, None, 1),
    ]
    # Each has its own score; the first has its group's too. kind: individual 0, group 1.
    columns = "tin_npi_id, kind, source, clinician_id, scoring_unit_id, given_score, part_key"
    assert tables.rows("available_score", columns) == [
        (0, 0, "123456789", 0, 1, None, 0),
        (0, 1, "123456789", 1, 0, None, 0),
        (1, 0, "987654321", 2, 3, None, 1),
    ]


def test_entities_and_their_members(two_practices: Tables) -> None:
    two_practices.write(
        entities="""
            entity_id | kind          | average_hcc_risk_score
            V1        | virtual_group | 1.5
            A1        | apm_entity    |
        """,
        members=f"""
            entity_id | tin       | npi
            V1        | 987654321 | {NPIS[2]}
            V1        | 123456789 | {NPIS[0]}
            A1        | 123456789 | {NPIS[0]}
        """,
    ).read()
    # After the two practices and three clinicians, by entity_id: A1 is unit 5, V1 unit 6.
    assert two_practices.rows("unit_names", NAMES)[5:] == [
        (5, "apm_entity", None, None, "A1", 2),
        (6, "virtual_group", None, None, "V1", 3),
    ]
    assert two_practices.rows("scoring_unit", "id, entity_type, average_hcc_risk_score")[5:] == [
        (5, 3, None), (6, 2, 1_500_000)
    ]  # fmt: skip
    # Members come after the 2 * 3 records of the clinicians, by unit and place.
    assert two_practices.rows("clinician", "id, scoring_unit_id, npi, part_key")[6:] == [
        (6, 5, NPIS[0], 2), (7, 6, NPIS[0], 3), (8, 6, NPIS[2], 3)
    ]  # fmt: skip
    columns = "tin_npi_id, kind, source, clinician_id, scoring_unit_id, part_key"
    assert two_practices.rows("available_score", columns) == [
        (0, 0, "123456789", 0, 1, 0),
        (0, 2, "V1", 7, 6, 0),
        (0, 3, "A1", 6, 5, 0),
        (1, 0, "987654321", 2, 3, 1),
        (2, 0, "987654321", 4, 4, 1),
        (2, 2, "V1", 8, 6, 1),
    ]
    ids = two_practices.rows("available_score", "id")
    assert len(set(ids)) == len(ids)


def test_labels_are_carried_beside_the_results(tables: Tables) -> None:
    tables.write(
        practices="tin | label_size\n123456789 | 1-15",
        clinicians=f"tin | npi | label_state\n123456789 | {NPIS[0]} | VT",
    ).read()
    assert tables.rows("unit_names", "id, label_size, label_state") == [
        (0, "1-15", None), (1, None, "VT")
    ]  # fmt: skip
    assert tables.rows("tin_npi_names", "id, label_state") == [(0, "VT")]


def test_the_program_is_one_record(two_practices: Tables) -> None:
    two_practices.read()
    # The year file's assumed factors: 0.005 and 0.1825, as ratios of six decimal places.
    columns = "id, whole_population, assumed_scaling_factor, assumed_additional_scaling_factor"
    assert two_practices.rows("program", columns) == [(0, False, 5_000, 182_500)]


def test_every_entity_has_a_table(two_practices: Tables) -> None:
    read = two_practices.read()
    for entity in two_practices.program.entities:
        assert len(two_practices.rows(entity.name, "*")) == read.counts[entity.name]
