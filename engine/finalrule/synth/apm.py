"""The tables of the Advanced APM track: APM Entities, what they were paid, and who takes part in
them. SQL, over the practices and clinicians that were made.

`participant`: one row for each clinician who takes part, with the unit; `qp_group`: one row a unit.
Everybody of a unit reaches the same: QP, Partial QP or neither.
"""

from __future__ import annotations

from zlib import crc32

import duckdb

from finalrule.synth.chance import MILLION, between, decimal, draw, happens, mix, state_sql
from finalrule.synth.figures import Nation, parts
from finalrule.synth.roster import case_of

# Clinicians in an APM Entity, about.
_MEMBERS = 400
# Parts of the year's charges and patients that a snapshot has, in percent.
_UNTIL = {"march_31": 25, "june_30": 50, "august_31": 67}
# Of an entity's charges and patients, those of attribution-eligible beneficiaries, in percent.
_ELIGIBLE = (50, 70)
# Entities that are below their score of the other snapshots at the first, by up to this part of it.
_SLOW, _LAG = 300_000, 400_000
# Clinicians who are not on the list at the first snapshot, and of these those of the last alone.
_LATE, _LAST = 80_000, 300_000


def make_groups(connection: duckdb.DuckDBPyConnection, nation: Nation, seed: int) -> None:
    """Make the tables `participant` and `qp_group`."""
    below = parts(nation.assumed["apm"]["participants"]["below_thresholds"])
    state = str(mix(mix(seed) ^ crc32(b"APM Entities")))
    connection.execute(
        f"""CREATE TEMP TABLE participant AS
        WITH taking_part AS (
          SELECT person.*, claims.charges_1, claims.patients_1,
            CASE WHEN exclusion IN ('qp', 'partial_qp') THEN exclusion ELSE 'neither' END AS kind
          FROM person JOIN claims USING (i)
          WHERE exclusion IN ('qp', 'partial_qp')
            OR exclusion = '' AND row <> 'below_low_volume'
              AND {happens("ph", "takes part in an APM", below)}),
        counted AS (
          SELECT kind, greatest(1, count(*) // {_MEMBERS}) AS units FROM taking_part GROUP BY kind)
        -- A practice's clinicians of one kind are in one entity.
        SELECT *, (({draw("ph", "APM Entity")}) * units // {MILLION})::INTEGER AS number,
          printf('QP-%s-%04d', kind, number) AS unit
        FROM taking_part JOIN counted USING (kind) ORDER BY i"""
    )
    eligible = between("h", "attribution-eligible", *_ELIGIBLE)
    connection.execute(
        f"""CREATE TEMP TABLE qp_group AS
        SELECT *, charges * {eligible} // 100 AS eligible_charges,
          greatest(1, patients * {eligible} // 100) AS eligible_patients
        FROM (SELECT unit, kind, min(i) AS first, count(*) AS n, sum(charges_1)::BIGINT AS charges,
            sum(patients_1)::BIGINT AS patients, {state_sql(state, "min(i)")} AS h
          FROM participant GROUP BY unit, kind)
        ORDER BY unit"""
    )


def units() -> str:
    """SQL of the table `qp_units`. That a model is an Advanced APM is stated, not derived from its
    design."""
    return """
    SELECT unit, 'apm_entity' AS kind, true AS in_advanced_apm FROM qp_group ORDER BY unit"""


def snapshots(nation: Nation) -> str:
    """SQL of the table `qp_snapshots`: payments and patients from January 1 on."""
    scores = nation.assumed["apm"]
    until = case_of("snapshot", dict(_UNTIL))
    columns = []
    for name, base, places in (
        ("payments", "eligible_charges", 2),
        ("patients", "eligible_patients", 0),
    ):
        share = case_of(
            "kind",
            {
                kind: between("h", f"share of {name}", parts(scores[kind][f"{name}_from"]),
                              parts(scores[kind][f"{name}_to"]))
                for kind in ("qp", "partial_qp", "neither")
            },
        )  # fmt: skip
        lag = f"CASE WHEN snapshot = 'march_31' AND {happens('h', 'slow', _SLOW)} " \
            f"THEN {between('h', 'lag', 0, _LAG)} ELSE 0 END"  # fmt: skip
        whole = f"({base} * {until} // 100)"
        # Rounded up, so that a share that is drawn above a threshold is above it.
        through = (
            f"least({whole}, -(-({whole}::HUGEINT * ({share}) * ({MILLION} - ({lag}))) "
            f"// {MILLION}::HUGEINT // {MILLION}::HUGEINT) + 1)::BIGINT"
        )
        for side, sql in (("attributed", through), ("eligible", whole)):
            shown = decimal(sql, places) if places else f"({sql})::INTEGER"
            columns.append(f"{shown} AS given_{side}_{name}")
    return f"""
    SELECT unit, snapshot, {", ".join(columns)}
    FROM qp_group CROSS JOIN (SELECT unnest({list(_UNTIL)}) AS snapshot)
    ORDER BY unit, snapshot"""


def eligible_clinicians() -> str:
    """SQL of the table `eligible_clinicians`."""
    return "SELECT npi, false AS elects_mips FROM participant ORDER BY npi"


def participations() -> str:
    """SQL of the table `qp_participations`: who is on which list at which snapshot."""
    late, last = happens("h", "late on the list", _LATE), happens("h", "last on the list", _LAST)
    return f"""
    SELECT npi, unit, NOT {late} AS listed_march_31, NOT ({late} AND {last}) AS listed_june_30,
      true AS listed_august_31
    FROM participant ORDER BY npi, unit"""


def base_period(nation: Nation) -> str:
    """SQL of the table `base_period_tins`: what QPs were paid in the year after the performance
    year."""
    growth = parts(nation.assumed["apm"]["base_period"]["payments"])
    return f"""
    SELECT npi, tin, {decimal(f"charges_1 * {growth} // {MILLION}", 2)} AS given_payments,
      true AS attained_qp_status
    FROM participant WHERE kind = 'qp' ORDER BY npi, tin"""
