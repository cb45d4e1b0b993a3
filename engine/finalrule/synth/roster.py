"""Practices and clinicians, with what Medicare's claims say of them, as tables in DuckDB.

`practice`: one row a practice, `p` from 0 in the order of TINs, `h` its state (see `chance`).
`person`: one row a clinician, `i` from 0 in the order of TIN and NPI, with `row`, the row of the
eligibility table that it was made for. Charges are cents.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from zlib import crc32

import duckdb

from finalrule.core import ir
from finalrule.synth.chance import MILLION, between, draw, happens, mix, skewed, state_sql, tent
from finalrule.synth.figures import Nation, parts
from finalrule.synth.plan import Plan

# Rows of the eligibility table: who submits data, and who does not though MIPS eligible.
SUBMITTING = ("required_participating", "group_eligible", "opted_in")
NOT_SUBMITTING = ("required_not_participating",)
# A practice of at most so many clinicians needs members above the threshold to be above it itself.
_FEW = 15
# The part of an individual's excess over the charges threshold that everybody has, in dollars.
_MARGIN = 5_000


def make_roster(
    connection: duckdb.DuckDBPyConnection, nation: Nation, plan: Plan, program: ir.Program,
    seed: int,
) -> None:  # fmt: skip
    """Make the tables `practice` and `person`."""
    run = connection.execute
    rows = plan.practices
    run(
        """CREATE TEMP TABLE listed AS
        SELECT unnest(?::INTEGER[]) AS n, unnest(?::VARCHAR[]) AS size,
          unnest(?::VARCHAR[]) AS reports, unnest(?::VARCHAR[]) AS profile,
          unnest(?::INTEGER[]) AS entity, unnest(range(?)) AS p""",
        [[row.clinicians for row in rows], [row.size for row in rows],
         [row.reports for row in rows], [row.profile for row in rows],
         [row.entity for row in rows], len(rows)],
    )  # fmt: skip
    stem = mix(mix(seed) ^ crc32(b"practices"))
    status = nation.assumed["status"]
    flags = ", ".join(
        f"{happens('h', name, parts(status[name]['practices']))} AS {name}"
        for name in ("rural", "hpsa", "non_patient_facing", "asc_based")
    )
    run(
        f"""CREATE TEMP TABLE practice AS
        SELECT *, reports = 'group' AS as_group, n <= {_small(program)} AS small,
          printf('000%06d', p) AS tin,
          NOT non_patient_facing AND
            {happens("h", "hospital_based", parts(status["hospital_based"]["practices"]))}
            AS hospital_based,
          hospital_based AND {happens("h", "facility", 600_000)} AS facility
        FROM (SELECT *, {flags},
            (sum(n) OVER (ORDER BY p ROWS UNBOUNDED PRECEDING) - n)::INTEGER AS first
          FROM (SELECT *, {state_sql(str(stem), "p")} AS h FROM listed))
        ORDER BY p"""
    )
    run("DROP TABLE listed")
    _people(connection, nation, plan, seed)
    _figures(connection, nation, program)
    run(
        """CREATE TEMP TABLE entity AS
        SELECT min(p) AS p, sum(n)::INTEGER AS n, min(h) AS h,
          CASE WHEN entity % 2 = 1 THEN 'virtual_group' ELSE 'apm_entity' END AS kind,
          printf(CASE WHEN entity % 2 = 1 THEN 'VG%05d' ELSE 'APM%05d' END, (entity + 1) // 2)
            AS entity_id,
          arg_min(profile, p) AS profile, max(size) AS size, false AS small
        FROM practice WHERE entity > 0 GROUP BY entity ORDER BY entity"""
    )


def _small(program: ir.Program) -> int:
    return int(figure(program, "small_practice.clinicians"))


def figure(program: ir.Program, name: str) -> Fraction:
    """A parameter of the policy that is a number."""
    found = next(each for each in program.parameters if each.name == name)
    assert isinstance(found.value, ir.Num)
    return found.value.value


def day(program: ir.Program, name: str) -> str:
    """A parameter of the policy that is a date, as YYYY-MM-DD."""
    found = next(each for each in program.parameters if each.name == name)
    assert isinstance(found.value, ir.Day)
    return found.value.value.isoformat()


def codes(program: ir.Program, name: str) -> tuple[str, ...]:
    """A parameter of the policy that is a set of codes; none where it is not in force."""
    found = next(each for each in program.parameters if each.name == name)
    return found.value.values if isinstance(found.value, ir.CodeSet) else ()


def _people(connection: duckdb.DuckDBPyConnection, nation: Nation, plan: Plan, seed: int) -> None:
    """Who is in which practice, and what kind of clinician."""
    run = connection.execute
    run("CREATE TEMP TABLE cell (size VARCHAR, reports VARCHAR, row VARCHAR, above INTEGER)")
    before: dict[tuple[str, str], int] = {}
    for (size, reports, row), count in plan.cells.items():
        if not count:
            continue
        before[size, reports] = before.get((size, reports), 0) + count
        run("INSERT INTO cell VALUES (?, ?, ?, ?)", [size, reports, row, before[size, reports]])
    stem = mix(mix(seed) ^ crc32(b"clinicians"))
    assumed, profiles = nation.assumed, nation.calibrated["profiles"]
    own_profile = case_of(
        "size", {size: pick("h", "profile", shares) for size, shares in profiles.items()}
    )
    flags = ", ".join(
        f"CASE WHEN {name} THEN {happens('h', name, 950_000)} "
        f"ELSE {happens('h', name, parts(assumed['status'][name]['others']))} END AS {name}"
        for name in assumed["status"]
    )
    run(
        f"""CREATE TEMP TABLE person AS
        WITH person AS (
          SELECT p, k::INTEGER AS k, first + k::INTEGER AS i, n, size, reports, as_group, small,
            tin, profile AS practice_profile, entity, h AS ph, facility,
            {", ".join(assumed["status"])},
            {state_sql(str(stem), "first + k")} AS h
          FROM (SELECT *, unnest(range(n)) AS k FROM practice)),
        ranked AS (
          SELECT *, row_number() OVER (PARTITION BY size, reports
            ORDER BY mix32(xor(h, {crc32(b"row")}::UBIGINT)), i) AS rank
          FROM person)
        SELECT p, k, i, n, size, reports, as_group, small, tin, entity, h, ph, row,
          {_npi("i")} AS npi,
          CASE WHEN as_group THEN practice_profile ELSE {own_profile} END AS profile,
          CASE WHEN row = 'excluded' THEN {pick("h", "exclusion", assumed["exclusion"]["all"])}
            ELSE '' END AS exclusion,
          CASE WHEN exclusion = 'not_eligible_type'
            THEN {pick("h", "type", assumed["not_eligible_type"]["all"])}
            ELSE {pick("h", "type", assumed["clinician_type"]["all"])} END AS clinician_type,
          {flags},
          -- Who submits nothing is no facility's, whose score would stand for data.
          facility AND hospital_based AND row IN ({quoted(SUBMITTING)}) AS facility,
          n > 15 AND {happens("h", "second segment", 10_000)} AS second_only
        FROM (SELECT person.*, cell.row FROM ranked AS person JOIN cell
            ON cell.size = person.size AND cell.reports = person.reports AND cell.above = (
              SELECT min(above) FROM cell AS other WHERE other.size = person.size
                AND other.reports = person.reports AND other.above >= person.rank))
        ORDER BY i"""
    )


def _figures(connection: duckdb.DuckDBPyConnection, nation: Nation, program: ir.Program) -> None:
    """Charges (cents), patients and services of clinicians and practices in both segments."""
    run = connection.execute
    over_charges = int(figure(program, "low_volume.allowed_charges"))
    over_patients = int(figure(program, "low_volume.patients"))
    over_services = int(figure(program, "low_volume.services"))
    # A group without a member who exceeds the threshold alone exceeds it by what each has at least.
    run(
        f"""CREATE TEMP TABLE least AS
        SELECT p, max(CASE WHEN row LIKE 'required%' AND NOT second_only THEN 1 ELSE 0 END) = 0
          AS needed, {over_charges} * 130 // n AS charges, {over_patients} * 130 // 100 // n + 1
          AS patients, {over_services} * 130 // 100 // n + 1 AS services
        FROM person WHERE reports = 'group' GROUP BY p, n"""
    )
    floors = dict(
        run(
            """SELECT row, sum(charges) FROM person JOIN least USING (p)
            WHERE needed GROUP BY row ORDER BY row"""
        ).fetchall()
    )
    counts = dict(run("SELECT row, count(*) FROM person GROUP BY row").fetchall())
    whole = nation.published.tables["eligibility"]
    mean = {}
    for row, figures in whole.items():
        base = (over_charges + _MARGIN) * 100 if row.startswith("required") else 0
        target = figures["allowed_charges"] * MILLION * 100 / figures["clinicians"]
        floor = Fraction(int(floors.get(row, 0)), counts.get(row) or 1)
        mean[row] = max(0, int(target - base - floor))
    means = case_of("row", mean)
    few_patients, few_services = (
        between("h", name, 1, f"{over} * 95 // 100 // n")
        for name, over in (("patients", over_patients), ("services", over_services))
    )
    run(
        f"""CREATE TEMP TABLE figured AS
        SELECT i, coalesce(needed, false) AS needed,
          {skewed("h", "charges", means)} AS over,
          CASE WHEN row LIKE 'required%' THEN {over_charges + _MARGIN} * 100 + over
            WHEN reports = 'below' THEN least(over, {over_charges} * 95 // n)
            ELSE CASE WHEN needed THEN least.charges ELSE 0 END + over END AS charges,
          CASE WHEN row LIKE 'required%' THEN {over_patients} + 1 + {skewed("h", "patients", 250)}
            WHEN reports = 'below' THEN {few_patients}
            ELSE least({over_patients}, CASE WHEN needed THEN least.patients ELSE 1 END
              + {skewed("h", "patients", 50)}) END AS patients,
          CASE WHEN row LIKE 'required%' THEN {over_services} + 1 + {skewed("h", "services", 900)}
            WHEN reports = 'below' THEN {few_services}
            WHEN row = 'opted_in' OR row = 'potentially_eligible' AND
              (n <= {_FEW} OR {happens("h", "some exceeded", 500_000)})
              THEN {over_services} + 1 + {skewed("h", "services", 250)}
            WHEN row = 'potentially_eligible' THEN {between("h", "services", 1, over_services)}
            ELSE CASE WHEN needed THEN least.services ELSE 1 END + {skewed("h", "services", 150)}
            END AS services,
          -- The second segment, in parts of a million of what the first may differ by.
          {tent("h", "second segment", 120_000)} AS drift
        FROM person LEFT JOIN least USING (p) ORDER BY i"""
    )
    run("DROP TABLE least")
    # Nobody crosses a threshold between the segments: what lies above it grows or shrinks.
    base = (over_charges + _MARGIN) * 100
    voluntary = parts(nation.assumed["voluntary"]["all"]["share"])
    run(
        f"""CREATE TEMP TABLE claims AS
        SELECT person.i, p, second_only, charges AS charges_1, patients AS patients_1,
          services AS services_1,
          CASE WHEN row LIKE 'required%' THEN {base} + over + over * drift // {MILLION}
            ELSE charges - charges * abs(drift) // {MILLION} END AS charges_2,
          CASE WHEN row LIKE 'required%' THEN patients + abs(drift) // 10000 ELSE patients END
            AS patients_2,
          CASE WHEN row LIKE 'required%' THEN services + abs(drift) // 3000 ELSE services END
            AS services_2,
          CASE WHEN row = 'opted_in' THEN 'opted_in'
            WHEN row = 'potentially_eligible' AND services > {over_services}
              AND {happens("h", "voluntary", voluntary)} THEN 'voluntary'
            ELSE 'no_election' END AS election
        FROM person JOIN figured USING (i) ORDER BY person.i"""
    )
    run("DROP TABLE figured")
    run(
        f"""CREATE TEMP TABLE practice_claims AS
        SELECT *, charges_1 > {over_charges * 100} AND charges_2 > {over_charges * 100}
            AND patients_1 > {over_patients} AND patients_2 > {over_patients}
            AND services_1 > {over_services} AND services_2 > {over_services} AS exceeds
        FROM (SELECT p, sum(CASE WHEN second_only THEN 0 ELSE charges_1 END)::BIGINT AS charges_1,
          sum(CASE WHEN second_only THEN 0 ELSE patients_1 END)::BIGINT AS patients_1,
          sum(CASE WHEN second_only THEN 0 ELSE services_1 END)::BIGINT AS services_1,
          sum(charges_2)::BIGINT AS charges_2, sum(patients_2)::BIGINT AS patients_2,
          sum(services_2)::BIGINT AS services_2
          FROM claims GROUP BY p)
        ORDER BY p"""
    )


def pick(state: str, purpose: str, shares: Mapping[str, Fraction]) -> str:
    """SQL of a draw among names, each as likely as its share."""
    above, clauses = Fraction(0), []
    whole = sum(shares.values())
    for name, share in list(shares.items())[:-1]:
        above += share / whole
        clauses.append(f"WHEN {draw(state, purpose)} < {parts(above)} THEN '{name}'")
    return f"(CASE {' '.join(clauses)} ELSE '{list(shares)[-1]}' END)"


def case_of(column: str, values: Mapping[str, object]) -> str:
    """SQL of a value by the text of a column, which is one of the names."""
    clauses = " ".join(f"WHEN '{name}' THEN {value}" for name, value in values.items())
    return f"CASE {column} {clauses} END"


def quoted(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _npi(number: str) -> str:
    """SQL of the NPI with this number: it begins with 9, while those that are issued begin with 1
    or 2 (69 FR 3434), and ends with the check digit (see facts.identifiers)."""
    digits = [f"(({number}) // {10**place} % 10)" for place in range(8)]  # from the right
    # 24 is the Luhn sum of 80840, and 9 of the leading 9, which is doubled: 18, less 9.
    total = " + ".join(
        f"({digit} * 2 - CASE WHEN {digit} > 4 THEN 9 ELSE 0 END)" if place % 2 == 0 else digit
        for place, digit in enumerate(digits)
    )
    return f"printf('9%08d%d', {number}, (10 - (24 + 9 + {total}) % 10) % 10)"
