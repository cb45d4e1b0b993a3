"""How near a synthetic nation is to the published figures that can be known before a run: counts,
charges, data completeness, patients. Shares of clinicians by payment adjustment need a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import duckdb

from finalrule.synth.chance import MILLION
from finalrule.synth.figures import Nation, Published
from finalrule.synth.roster import NOT_SUBMITTING, SUBMITTING, quoted

# Table -> row of the published means of patients.
_PATIENTS = {"clinicians": "individual", "practices": "group"}


@dataclass(frozen=True, slots=True)
class Near:
    """One figure: where it is published (the table's name here, row, column, citation), what is
    published, scaled to the clinicians that were made where it is a count or an amount, and what
    was made. Shares run from 0 to 1; charges are millions of dollars."""

    table: str
    row: str
    column: str
    cite: str
    published: Fraction
    made: Fraction

    @property
    def off(self) -> Fraction:
        """By what share of the published figure the made one is off."""
        return self.made / self.published - 1 if self.published else Fraction(0)


def begin(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables that `note` fills."""
    connection.execute(
        """CREATE TEMP TABLE completeness (tin VARCHAR, is_group BOOLEAN, share BIGINT);
        CREATE TEMP TABLE patients
          (row VARCHAR, name VARCHAR, total DECIMAL(38, 6), units BIGINT)"""
    )


def note(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    """Keep what is needed of a table that was made, or of one part of it; it is called `made`."""
    if table == "measure_results":
        # The mean over a unit's measures, in parts of a million.
        connection.execute(
            """INSERT INTO completeness
            SELECT tin, npi IS NULL, sum(reporting_rate_numerator::HUGEINT * 10000
              // reporting_rate_denominator) // count(*)
            FROM made WHERE has_reporting_rate AND entity_id IS NULL GROUP BY tin, npi"""
        )
    elif table in _PATIENTS:
        for name in ("average_hcc_risk_score", "dual_eligible_ratio"):
            connection.execute(
                f"INSERT INTO patients SELECT ?, ?, sum({name}), count(*) FROM made",
                [_PATIENTS[table], name],
            )


def nearness(connection: duckdb.DuckDBPyConnection, nation: Nation, clinicians: int) -> list[Near]:
    """Every figure, in the order of the file."""
    published = nation.published
    scale = Fraction(clinicians, published.clinicians())
    found = []
    for table, row, column, made in _measured(connection):
        figure = published.tables[table][row][column]
        if column in ("clinicians", "allowed_charges"):
            figure *= scale
        found.append(Near(table, row, column, published.cites[table], figure, made))
    return sorted(found, key=lambda near: _place(published, near))


def _place(published: Published, near: Near) -> tuple[int, int, int]:
    rows = published.tables[near.table]
    table, row = list(published.tables).index(near.table), list(rows).index(near.row)
    return table, row, list(rows[near.row]).index(near.column)


def _measured(
    connection: duckdb.DuckDBPyConnection,
) -> Iterator[tuple[str, str, str, Fraction]]:
    def rows(query: str) -> list[tuple[str, int, int]]:
        return [(str(name), int(a), int(b)) for name, a, b in connection.execute(query).fetchall()]

    people = "FROM person JOIN claims USING (i)"
    for row, count, cents in rows(f"SELECT row, count(*), sum(charges_1) {people} GROUP BY row"):
        yield "eligibility", row, "clinicians", Fraction(count)
        yield "eligibility", row, "allowed_charges", Fraction(cents, 100 * MILLION)
    for table, names in (("submitting", SUBMITTING), ("not_submitting", NOT_SUBMITTING)):
        for size, count, _ in rows(
            f"SELECT size, count(*), 0 FROM person WHERE row IN ({quoted(names)}) GROUP BY size"
        ):
            yield table, size, "clinicians", Fraction(count)
    for row, condition in (
        ("individual", "NOT is_group"), ("group", "is_group"), ("small_practice", "small"),
    ):  # fmt: skip
        for _, units, total in rows(
            f"""SELECT '', count(*), coalesce(sum(share), 0)
            FROM completeness JOIN practice USING (tin) WHERE {condition}"""
        ):
            yield "data_completeness", row, "mean", Fraction(total, units * MILLION)
    for row, name, parts, units in connection.execute(
        f"SELECT row, name, (total * {MILLION})::HUGEINT, units FROM patients"
    ).fetchall():
        yield "complex_patient", row, name, Fraction(parts, units * MILLION)
