"""Tables of records that their own keys name: models, units, clinicians who take part."""

from __future__ import annotations

from fractions import Fraction

import duckdb
import pytest

from finalrule.tables.schema import table_schemas
from finalrule.tables.to_cases import eligible_clinician_case, tin_npi_case
from tables.conftest import NPIS, Tables, program_of

UNITS = f"""
    unit | model | kind
    A1   | ngaco | apm_entity
    A2   |       | apm_entity
    {NPIS[0]} |      | eligible_clinician
"""


@pytest.mark.parametrize("policy", ["2018-final", "2020-final"])
def test_the_tables_and_their_keys(policy: str) -> None:
    """A policy of the track `apm` alone has no others."""
    schemas = {one.name: one for one in table_schemas(program_of(policy))}
    keys = {name: one.keys for name, one in schemas.items() if one.of == "keys"}
    assert keys == {
        "payment_models": ("model",),
        "other_payer_arrangements": ("arrangement",),
        "loss_levels": ("arrangement", "level"),
        "qp_units": ("unit",),
        "qp_snapshots": ("unit", "snapshot"),
        "other_payers": ("unit", "snapshot", "payer"),
        "beneficiaries": ("unit", "beneficiary_id"),
        "claims": ("unit", "beneficiary_id", "claim_id"),
        "eligible_clinicians": ("npi",),
        "qp_participations": ("npi", "unit"),
        "base_period_tins": ("npi", "tin"),
        "base_period_payments": ("npi", "tin", "payment_id"),
    }
    assert ("practices" in schemas) == (policy == "2020-final")


def test_records_and_what_they_refer_to(two_practices: Tables) -> None:
    two_practices.write(
        payment_models="model\nngaco",
        qp_units=UNITS,
        qp_snapshots="""
            unit | snapshot
            A2   | march_31
            A1   | june_30
            A1   | march_31
        """,
        other_payers="unit | snapshot | payer | payer_kind\nA1 | march_31 | X | medicaid",
        eligible_clinicians=f"npi\n{NPIS[2]}\n{NPIS[0]}",
        qp_participations=f"npi | unit\n{NPIS[0]} | A1\n{NPIS[2]} | A2\n{NPIS[0]} | {NPIS[0]}",
    ).read()
    # Ids are the rows' numbers from 0.
    assert two_practices.rows("qp_unit", "id, payment_model_id") == [(0, 0), (1, None), (2, None)]
    assert two_practices.rows("qp_snapshot", "id, qp_unit_id") == [(0, 1), (1, 0), (2, 0)]
    assert two_practices.rows("other_payer", "id, qp_snapshot_id, qp_unit_id") == [(0, 2, 0)]
    assert two_practices.rows("qp_participation", "id, eligible_clinician_id, qp_unit_id") == [
        (0, 1, 0), (1, 0, 1), (2, 1, 2)
    ]  # fmt: skip
    # Clinician records: two for each clinician, under its own unit and under the practice's.
    assert two_practices.rows("clinician", "id, eligible_clinician_id") == [
        (0, 1), (1, 1), (2, None), (3, None), (4, 0), (5, 0)
    ]  # fmt: skip


def test_what_an_npi_reaches(two_practices: Tables) -> None:
    """Its own participations and their units with all below; of others nothing."""
    read = two_practices.write(
        payment_models="model\nngaco\nother",
        qp_units=UNITS,
        qp_snapshots="""
            unit | snapshot | given_eligible_payments
            A1   | june_30  | 1000.50
            A2   | march_31 | 7
        """,
        other_payers="unit | snapshot | payer | payer_kind\nA1 | june_30 | X | medicaid",
        eligible_clinicians=f"npi | elects_mips\n{NPIS[2]} | no\n{NPIS[0]} | yes",
        qp_participations=f"npi | unit\n{NPIS[0]} | A1\n{NPIS[2]} | A2\n{NPIS[2]} | A1",
    ).read()
    with duckdb.connect() as connection:
        asked = (two_practices.program, connection, read.database, NPIS[0], "digest")
        found = eligible_clinician_case(*asked)
        of_tin = tin_npi_case(*asked[:3], "123456789", *asked[3:])
        nobody = eligible_clinician_case(*asked[:3], NPIS[1], "digest")
    assert found is not None and of_tin is not None and nobody is None
    assert found.case.subject == {"npi": NPIS[0], "performance_year": "2020"}
    (mine,) = found.case.root.children["eligible_clinician"]
    assert mine.facts["elects_mips"].value is True
    (participation,) = mine.children["qp_participation"]
    (unit,) = found.case.root.children["qp_unit"]
    assert participation.refers is unit
    assert unit.refers is found.case.root.children["payment_model"][0]
    (snapshot,) = unit.children["qp_snapshot"]
    assert snapshot.facts["given_eligible_payments"].value == Fraction("1000.50")
    assert snapshot.facts["given_eligible_payments"].origin == "qp_snapshots[A1,june_30]"
    assert len(snapshot.children["other_payer"]) == 1
    # The clinician of a scoring unit points at the same.
    clinicians = [one for one in of_tin.case.root.walk() if one.entity == "clinician"]
    assert [one.refers.facts["npi"].value for one in clinicians if one.refers] == [NPIS[0]] * 2


def test_rows_that_are_not_taken(two_practices: Tables) -> None:
    two_practices.write(
        payment_models="model\nngaco\ncpc\ncpc",
        qp_units="""
            unit | model | kind
            A1   | ngaco | apm_entity
            A2   | cpc   | apm_entity
            A3   | acpc  | apm_entity
            A4   |       | apm_entities
            A5   |       |
            A6   |       | tin
        """,
        qp_snapshots="""
            unit | snapshot
            A1   | march_31
            A2   | march_31
            A7   | march_31
            A1   | april_1
            A6   | june_30
            A6   | june_30
                 | june_30
        """,
        eligible_clinicians=f"npi\n{NPIS[0]}\n1234567890\n12345",
    ).read()
    assert two_practices.rejected() == [
        ("eligible_clinicians", 2, "npi_check_digit", "npi", "1234567890"),
        ("eligible_clinicians", 3, "identifier_form", "npi", "12345"),
        ("payment_models", 2, "duplicate_key", "model", None),
        ("payment_models", 3, "duplicate_key", "model", None),
        ("qp_snapshots", 2, "parent_rejected", "unit", "A2"),
        ("qp_snapshots", 3, "parent_unknown", "unit", "A7"),
        ("qp_snapshots", 4, "value_member", "snapshot", "april_1"),
        ("qp_snapshots", 5, "duplicate_key", "snapshot", None),
        ("qp_snapshots", 6, "duplicate_key", "snapshot", None),
        ("qp_snapshots", 7, "value_missing", "unit", None),
        ("qp_units", 2, "parent_rejected", "model", "cpc"),
        ("qp_units", 3, "parent_unknown", "model", "acpc"),
        ("qp_units", 4, "value_member", "kind", "apm_entities"),
        ("qp_units", 5, "value_missing", "kind", None),
    ]
    assert two_practices.rows("qp_snapshot", "qp_unit_id, snapshot") == [(0, 0)]
