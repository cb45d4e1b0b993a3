"""Improvement activities, Promoting Interoperability data and cost results of the units that
`quality.make_units` made: SQL, sorted as the tables are written."""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

import duckdb

from finalrule.core import ir
from finalrule.evaluate.catalogues import open_catalogues
from finalrule.synth.chance import (
    MILLION,
    between,
    decimal,
    draw,
    happens,
    mix,
    skewed,
    state_sql,
)
from finalrule.synth.roster import codes

_ORDER = "ORDER BY tin NULLS LAST, npi NULLS FIRST, entity_id"


def make_lists(connection: duckdb.DuckDBPyConnection, program: ir.Program, root: Path) -> None:
    """Make the tables `listed_activity` and `listed_cost_measure`, in a fixed order each. What a
    case costs on average is made up, measure by measure."""
    run = connection.execute
    catalogues = open_catalogues(program, root)
    activities = catalogues["improvement_activity"]
    run("CREATE TEMP TABLE listed_activity (place INTEGER, activity_id VARCHAR, high BOOLEAN)")
    keys = sorted(activities.rows.rows, key=lambda each: (mix(crc32(each[0].encode())), each))
    weights = [(key[0], (activities.record(key) or {})["weight"]) for key in keys]
    for place, (name, weight) in enumerate(each for each in weights if each[1] != "none"):
        run("INSERT INTO listed_activity VALUES (?, ?, ?)", [place, name, weight == "high"])
    run("""CREATE TEMP TABLE listed_cost_measure
        (place INTEGER, measure_id VARCHAR, group_only BOOLEAN, mean INTEGER)""")
    costs = catalogues["cost_measure"]
    # Measures of every patient first: these are what a small practice has.
    general = ("tpcc", "mspb")
    found = sorted(
        costs.rows.rows,
        key=lambda key: ((costs.record(key) or {})["case_minimum_type"] not in general, key),
    )
    for place, key in enumerate(found):
        record = costs.record(key) or {}
        mean = 3_000 + mix(crc32(key[0].encode())) * 25_000 // 2**32
        run("INSERT INTO listed_cost_measure VALUES (?, ?, ?, ?)",
            [place, key[0], record["group_only"], mean])  # fmt: skip


def activities(performance_year: int) -> str:
    """SQL of the table `activities`: one to four each, and of a group the clinicians that took
    part. Who fares well has enough for the full score."""
    enough = "CASE WHEN small OR non_patient_facing THEN 2 ELSE 4 END"
    return f"""
    WITH attested AS (
      SELECT unit.*, activity_id, {state_sql("h", "place")} AS a
      FROM (SELECT *, unnest(range(many)) AS turn FROM (
          SELECT *, CASE WHEN profile = 'high' THEN {enough} ELSE
              {between("h", "how many activities", 1, enough)} END AS many,
            {draw("h", "first activity")} % (SELECT count(*) FROM listed_activity) AS start
          FROM unit WHERE activities)) AS unit
      JOIN listed_activity
        ON place = (start + turn) % (SELECT count(*) FROM listed_activity)),
    shared AS (
      SELECT *, CASE WHEN profile = 'high' THEN {between("a", "share", "(n + 1) // 2", "n")}
          ELSE {between("a", "share", "(2 * n + 4) // 5", "n")} END AS took_part,
        {between("a", "month", 1, 9)} AS month
      FROM attested)
    SELECT tin, npi, entity_id, activity_id,
      profile = 'high' OR {happens("a", "completed", 970_000)} AS completed,
      make_date({performance_year}, month::INTEGER, 1) AS performance_start,
      make_date({performance_year}, month::INTEGER, 1)
        + ({between("a", "days", 89, 91)})::INTEGER AS performance_end,
      CASE WHEN npi IS NULL THEN 100 * took_part END::BIGINT AS clinician_share_numerator,
      CASE WHEN npi IS NULL THEN n END::BIGINT AS clinician_share_denominator,
      CASE WHEN npi IS NULL THEN 100 * CASE WHEN profile = 'high' OR
        {happens("a", "same period", 900_000)} THEN took_part ELSE took_part // 2 END END::BIGINT
        AS clinician_share_same_period_numerator,
      CASE WHEN npi IS NULL THEN n END::BIGINT AS clinician_share_same_period_denominator
    FROM shared {_ORDER}, activity_id"""


def interoperability(performance_year: int) -> str:
    """SQL of the table `interoperability`: one set of each unit that submits one."""
    return f"""
    SELECT tin, npi, entity_id,
      CASE WHEN {happens("h", "by hand", 300_000)} THEN 'attestation' ELSE 'ehr' END
        AS submission_method,
      make_date({performance_year}, 1 + ({between("h", "half", 0, 1)})::INTEGER * 6, 1)
        AS performance_start,
      make_date({performance_year}, 12, 31) AS performance_end,
      profile = 'high' OR {happens("h", "certified", 970_000)} AS has_cehrt_id
    FROM unit WHERE interoperates {_ORDER}"""


def interoperability_measures(program: ir.Program, root: Path) -> str:
    """SQL of the table `interoperability_measures`: the required measures or their exclusions, the
    attestations, and a bonus measure of some."""
    exclusions: dict[str, str] = {}
    measures = open_catalogues(program, root)["pi_measure"]
    for (name,) in measures.rows.rows:
        excluded = (measures.record((name,)) or {}).get("exclusion_of")
        if isinstance(excluded, str):
            exclusions.setdefault(excluded, name)
    good = "CASE WHEN profile = 'high' THEN 750000 ELSE 300000 END"
    chosen: list[tuple[str, str, str]] = []  # measure, whether it has a rate, condition
    for name, excluded_share in (
        ("e_prescribing", 60_000), ("send_health_information", 120_000),
        ("receive_health_information", 200_000), ("provide_patient_access", 0),
    ):  # fmt: skip
        measure = codes(program, f"pi.measures.{name}")[0]
        excludes = happens("h", f"excluded {name}", excluded_share)
        chosen.append((measure, "true", f"NOT {excludes}" if measure in exclusions else "true"))
        if measure in exclusions:
            chosen.append((exclusions[measure], "false", excludes))
    registries = codes(program, "pi.measures.public_health")
    one_only = happens("h", "one registry", 250_000)
    chosen.append((registries[0], "false", "true"))
    chosen.append((registries[1], "false", f"NOT {one_only}"))
    chosen.append((exclusions[registries[1]], "false", one_only))
    missing = "profile <> 'high' AND " + happens("h", "attestation missing", 60_000)
    for name in ("security_risk_analysis", "onc_direct_review", "information_blocking"):
        condition = f"NOT ({missing})" if name == "security_risk_analysis" else "true"
        chosen.append((codes(program, f"pi.attestations.{name}")[0], "false", condition))
    for name in ("query_of_pdmp", "opioid_treatment_agreement"):
        for measure in codes(program, f"pi.measures.{name}")[:1]:
            chosen.append((measure, "false", happens("h", name, 200_000)))
    said = ", ".join(
        f"CASE WHEN {condition} THEN {{'measure_id': '{measure}', 'is_proportion': {rate}, "
        f"'number': {crc32(measure.encode())}::UBIGINT}} END"
        for measure, rate, condition in chosen
    )
    return f"""
    WITH said AS (
      SELECT tin, npi, entity_id, n, profile, h, unnest([{said}]) AS said,
        CASE WHEN {happens("h", "by hand", 300_000)} THEN 'attestation' ELSE 'ehr' END
          AS submission_method
      FROM unit WHERE interoperates),
    counted AS (
      SELECT *, said.measure_id AS measure_id, said.is_proportion AS is_proportion,
        {state_sql("h", "said.number")} AS m
      FROM said WHERE said IS NOT NULL),
    sized AS (
      SELECT *, CASE WHEN is_proportion THEN 5 + {skewed("m", "denominator", "150 * n")} ELSE 0 END
        AS of
      FROM counted)
    SELECT tin, npi, entity_id, submission_method, measure_id, true AS reported, is_proportion,
      CASE WHEN is_proportion THEN greatest(1,
        of * {between("m", "rate", good, MILLION)} // {MILLION}) ELSE 0 END::INTEGER AS numerator,
      of::INTEGER AS denominator
    FROM sized {_ORDER}, submission_method, measure_id"""


def cost_results() -> str:
    """SQL of the table `cost_results`: a small unit has the measures of every patient, a large one
    more; what a unit's cases cost is about the measure's average."""
    dollars = (
        f"mean * 100 * (700000 + ({draw('c', 'cost 1')} + {draw('c', 'cost 2')}"
        f" + {MILLION} - skill) // 5) // {MILLION}"
    )
    return f"""
    WITH measured AS (
      SELECT tin, npi, entity_id, n, kind, measure_id, mean, {state_sql("h", "place + 1000")} AS c,
        skill
      FROM (SELECT *, CASE WHEN kind IN ('group', 'entity') THEN least(20, 2 + n // 12)
          ELSE {between("h", "cost measures", 1, 2)} END AS many FROM unit) AS unit
      JOIN listed_cost_measure ON place < many AND NOT (group_only AND npi IS NOT NULL))
    SELECT tin, npi, entity_id, measure_id,
      (3 + {skewed("c", "cases", "CASE WHEN npi IS NULL THEN 12 * n ELSE 35 END")})::INTEGER
        AS case_count,
      {decimal(dollars, 2)} AS cost
    FROM measured {_ORDER}, measure_id"""
