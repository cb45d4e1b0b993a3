"""Sixteen clinicians, small enough to be added up by hand, and the manifest of their run.

Threshold 45, additional threshold 80, applicable percent 9, additional factor 0.5 % to 10 %.
Unscaled factors: 100 points 9 %; 89: 9 x 44/55 = 7.2; 72.5: 9 x 27.5/55 = 4.5; 45: 0; 22.5: -4.5;
11.25 (a quarter of 45) and 0: -9.

    who  score  charges  unscaled  reduction   additional before scaling
    c1    100    10,000       900              10 %: 1,000
    c2     89     5,000       360              0.5 + 9.5 x 9/20 = 4.775 %: 238.75
    c3     72.5   4,000       180
    c4     45     1,000         0
    c5     22.5   2,000                    90
    c6     11.25  1,000                    90
    c7      0       600                    54
                            1,440         234  1,238.75

Scaling factor 234/1,440 = 0.1625: c1 1.4625 % is 146.25, c2 1.17 % is 58.50, c3 0.73125 % is 29.25.
Funds of 495.50 are 0.4 of 1,238.75: c1 4 % is 400, c2 1.91 % is 95.50.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from finalrule.report.model import Summary
from finalrule.report.summary import summarize

Row = Mapping[str, Any]

TYPES = {
    "tin": "VARCHAR", "npi": "VARCHAR", "practice_size": "INTEGER",
    "eligibility_status": "VARCHAR", "clinician_participation": "VARCHAR",
    "low_volume_status": "VARCHAR", "any_data_submitted": "BOOLEAN",
    "reports_as_group": "BOOLEAN", "group_eligibility_status": "VARCHAR",
    "group_adjustment_applies": "BOOLEAN", "score_used": "VARCHAR",
    "adjustment_applies": "BOOLEAN", "final_score": "DECIMAL(18, 2)",
    "adjustment_factor": "DECIMAL(18, 2)", "additional_adjustment_factor": "DECIMAL(18, 2)",
    "total_adjustment": "DECIMAL(18, 2)", "covered_charges": "DECIMAL(18, 2)",
    "increase": "DECIMAL(18, 2)", "reduction": "DECIMAL(18, 2)",
    "additional_payment": "DECIMAL(18, 2)", "adjustment_amount": "DECIMAL(18, 2)",
}  # fmt: skip


def clinician(
    size: int | None, status: str | None, charges: str | None, *,
    participation: str | None = "eligible", data: bool | None = False,
    reports: bool | None = False, group: str | None = "low_volume",
    group_applies: bool | None = None, used: str | None = None, applies: bool | None = False,
    score: str | None = None, factor: str = "0.00", additional: str = "0.00",
    total: str | None = None, increase: str = "0.00", reduction: str = "0.00",
    payment: str = "0.00",
) -> dict[str, Any]:  # fmt: skip
    """A row; amounts and factors are there where a final score is."""
    known = score is not None
    amount = Decimal(increase) + Decimal(payment) - Decimal(reduction)
    together = Decimal(factor) + Decimal(additional) if total is None else Decimal(total)
    return {
        "tin": "000000001", "npi": "9000000007", "practice_size": size,
        "eligibility_status": status, "clinician_participation": participation,
        "low_volume_status": None, "any_data_submitted": data, "reports_as_group": reports,
        "group_eligibility_status": group, "group_adjustment_applies": group_applies,
        "score_used": used, "adjustment_applies": applies,
        "final_score": Decimal(score) if score is not None else None,
        "adjustment_factor": Decimal(factor) if known else None,
        "additional_adjustment_factor": Decimal(additional) if known else None,
        "total_adjustment": together if known or applies is False else None,
        "covered_charges": None if charges is None else Decimal(charges),
        "increase": Decimal(increase) if applies is not None else None,
        "reduction": Decimal(reduction) if applies is not None else None,
        "additional_payment": Decimal(payment) if applies is not None else None,
        "adjustment_amount": amount if known or applies is False else None,
    }  # fmt: skip


ROWS = (
    # c1: required, takes part through the group, whose score is better than none.
    clinician(120, "mips_eligible", "10000", reports=True, group="mips_eligible",
              group_applies=True, used="group", applies=True, score="100", factor="1.46",
              additional="4.00", total="5.46", increase="146.25", payment="400.00"),
    # c2: in the same group, and eligible through it alone.
    clinician(120, "eligible_through_group", "5000", reports=True, group="mips_eligible",
              group_applies=True, used="group", applies=True, score="89", factor="1.17",
              additional="1.91", increase="58.50", payment="95.50"),
    # c3: in a virtual group.
    clinician(20, "low_volume", "4000", used="virtual_group", applies=True, score="72.5",
              factor="0.73", increase="29.25"),
    # c4: opted in alone.
    clinician(1, "opted_in", "1000", data=True, used="individual", applies=True, score="45"),
    # c5: required, with data of its own.
    clinician(30, "mips_eligible", "2000", data=True, group="mips_eligible", used="individual",
              applies=True, score="22.5", factor="-4.50", reduction="90.00"),
    # c6: the group opted in and reports.
    clinician(3, "low_volume", "1000", reports=True, group="opted_in", group_applies=True,
              used="group", applies=True, score="11.25", factor="-9.00", reduction="90.00"),
    # c7: required, and no data at all.
    clinician(15, "mips_eligible", "600", group="mips_eligible", used="individual", applies=True,
              score="0", factor="-9.00", reduction="54.00"),
    # c8: may opt in and did not. c9: the group could have reported. c10: neither.
    clinician(15, "opt_in_eligible", "100"),
    clinician(24, "low_volume", "200", group="mips_eligible"),
    clinician(1, "low_volume", "50"),
    # c11: a QP in the group of c1. c12: another type of clinician.
    clinician(120, "qp", "7000", participation="qp", reports=True, group="mips_eligible",
              group_applies=False),
    clinician(99, "not_eligible_type", "300", participation="not_eligible_type",
              group="mips_eligible"),
    # c13: unknown whether a QP. c14: unknown volume, in a practice that does not report.
    clinician(100, None, "10", participation=None, applies=None),
    clinician(16, None, "20", applies=None),
    # c15: required; whether and what was submitted is not known, nor the charges.
    clinician(2, "mips_eligible", None, data=None, group="mips_eligible", used="individual",
              applies=True),
    # c16: reports voluntarily; the group may opt in and did not.
    clinician(25, "voluntary", "400", data=True, group="opt_in_eligible"),
)  # fmt: skip


def outcome(exact: str | None, winner: str = "total") -> dict[str, str | None]:
    return {"value": exact, "exact": exact, "winner": winner if exact else None}


MANIFEST: dict[str, Any] = {
    "policy": "2020-proposed", "title": "A rule", "policy_digest": "0" * 64,
    "engine_version": "0", "performance_year": 2020, "payment_year": 2022, "settings": [],
    "facts_digest": "1" * 64, "rows": {"practices": 9, "clinicians": 17},
    "rejected": {"clinicians": {"npi-wrong": 1}},
    "figures": {
        "performance_threshold": "45 points", "additional_performance_threshold": "80 points",
        "applicable_percent": "9%", "scaling_factor_limit": "3",
        "additional_factor.at_threshold": "0.5%", "additional_factor.at_100": "10%",
        "additional_factor.funds": "$495.50", "additional_factor.scaling_limit": "1",
    },
    "program": {
        "total_reductions": outcome("234"), "total_unscaled_increases": outcome("1440"),
        "scaling_factor": outcome("13/80", "balanced"), "total_increases": outcome("234"),
        "total_unscaled_additional_payments": outcome("4955/4"),
        "additional_scaling_factor": outcome("2/5", "funds"),
        "total_additional_payments": outcome("991/2"),
    },
}  # fmt: skip


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        yield made


def fill(connection: duckdb.DuckDBPyConnection, rows: list[Row]) -> str:
    """Make a table of clinicians; its name."""
    columns = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
    connection.execute(f"CREATE OR REPLACE TABLE clinicians ({columns})")
    if rows:
        connection.executemany(
            f"INSERT INTO clinicians VALUES ({', '.join('?' * len(TYPES))})",
            [[row[name] for name in TYPES] for row in rows],
        )
    return "clinicians"


Summarized = Callable[..., Summary]


@pytest.fixture
def summarized(connection: duckdb.DuckDBPyConnection) -> Summarized:
    """The summary of clinicians, by default of ROWS; `changes` are of the manifest."""

    def made(clinicians: tuple[Row, ...] = ROWS, **changes: Any) -> Summary:
        manifest = copy.deepcopy(MANIFEST) | changes
        return summarize(connection, fill(connection, list(clinicians)), manifest)

    return made
