"""Quality measure results: who reports, which measures, how well.

`unit`: one row for each unit that submits: a practice that reports as a group, an individual, an
individual within such a practice (whose record system sends quality data too), an entity. A unit's
`skill` is where its performance lies among a benchmark's deciles, in parts of a million.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from zlib import crc32

import duckdb

from finalrule.core import ir
from finalrule.evaluate.catalogues import DECILES, open_catalogues
from finalrule.synth.chance import (
    MILLION,
    between,
    decimal,
    draw,
    happens,
    mix,
    skewed,
    state_sql,
    tent,
)
from finalrule.synth.figures import PROFILES, Nation, parts
from finalrule.synth.roster import case_of, pick
from finalrule.values import parse_decimal

_ORDER = "tin NULLS LAST, npi NULLS FIRST, entity_id"
# Decimal places of a rate: what CMS's engine shows.
_PLACES = 10_000
_NOT_A_SHARE = ("cahps", "cost_score", "non_proportion")
# The CAHPS for MIPS survey, whose benchmarks are those of its summary measures, and its sister for
# accountable care organizations (CMS-MEASURES).
_SURVEY, _SURVEY_OF_ACOS = "321", "CAHPS_ACO"
# Administrative claims measures have no benchmark yet: rates fall from this one by one a tenth.
_CLAIMS_WORST = 20
# Of groups that may have the survey done, and of groups that report through a registry too.
_SURVEYED, _TWICE = 100_000, 100_000
# How far a unit is from its profile's skill, and a measure from its unit's.
_UNIT_SPREAD, _MEASURE_SPREAD = 180_000, 250_000
# A group that reports through the Web Interface or has the survey done is at least so large.
_WEB_INTERFACE_FROM = 25
# Patients whom CMS draws for a Web Interface measure at most (made up).
_SAMPLE = 616
# SQL of the rate at a place among the deciles.
_AT_PLACE = (
    "bounds[place // 100000 + 1] + (bounds[place // 100000 + 2] - bounds[place // 100000 + 1]) "
    "* (place % 100000) // 100000"
)


def make_units(connection: duckdb.DuckDBPyConnection, nation: Nation) -> None:
    """Make the table `unit`, in the order of the tables that are written."""
    assumed, profile = nation.assumed, nation.calibrated["profile"]
    types = assumed["collection_type"]
    measures = assumed["measures"]

    def by_profile(column: str) -> str:
        return case_of("profile", {name: parts(profile[name][column]) for name in PROFILES})

    within = _count(measures["within_group"])
    others = case_of("profile", {name: _count(measures[name]) for name in PROFILES})
    group_types = {name: share for name, share in types["group"].items() if name != "web_interface"}
    connection.execute(
        f"""CREATE TEMP TABLE unit AS
        WITH unit AS (
          SELECT p, n, tin, NULL::VARCHAR AS npi, NULL::VARCHAR AS entity_id, size, small, profile,
            'group' AS kind, non_patient_facing, mix32(xor(h, {crc32(b"group")}::UBIGINT)) AS h
          FROM practice WHERE as_group
          UNION ALL
          SELECT person.p, 1, tin, npi, NULL, size, small, profile,
            CASE WHEN as_group THEN 'within' ELSE 'individual' END, non_patient_facing,
            mix32(xor(h, {crc32(b"unit")}::UBIGINT))
          FROM person JOIN claims USING (i)
          WHERE row IN ('required_participating', 'group_eligible') OR election <> 'no_election'
          UNION ALL
          SELECT p, n, NULL, NULL, entity_id, size, small, profile, 'entity', false,
            mix32(xor(h, {crc32(b"entity")}::UBIGINT))
          FROM entity WHERE kind = 'virtual_group')
        SELECT *, CASE WHEN kind = 'within' THEN {within} ELSE {others} END AS measures,
          CASE WHEN kind = 'within' THEN {pick("h", "collection", types["within_group"])}
            WHEN kind IN ('group', 'entity') THEN CASE WHEN n >= {_WEB_INTERFACE_FROM}
              THEN {pick("h", "collection", types["group"])}
              ELSE {pick("h", "collection", group_types)} END
            WHEN small THEN {pick("h", "collection", types["small_practice"])}
            ELSE {pick("h", "collection", types["individual"])} END AS collection_type,
          {by_profile("skill")} + {tent("h", "skill", _UNIT_SPREAD)} AS skill,
          CASE WHEN kind = 'within'
            THEN {parts(nation.published.tables["data_completeness"]["individual"]["mean"])}
            WHEN small AND kind = 'individual' THEN {by_profile("completeness_small")}
            ELSE {by_profile("completeness")} END AS completeness,
          kind <> 'within' AND {happens("h", "activities", by_profile("activities"))} AS activities,
          kind <> 'within' AND {happens("h", "interoperability", by_profile("pi"))}
            AS interoperates,
          kind = 'group' AND n >= {_WEB_INTERFACE_FROM} AND {happens("h", "survey", _SURVEYED)}
            AS surveyed
        FROM unit ORDER BY {_ORDER}"""
    )


def _count(row: Mapping[str, Fraction]) -> str:
    return between("h", "measures", int(row["from"]), int(row["to"]))


def make_offers(connection: duckdb.DuckDBPyConnection, program: ir.Program, root: Path) -> None:
    """Make the table `offer`: the year's measures of each collection type in a fixed order, each
    with the eleven rates at which the tenths of its benchmark begin and end, worst to best, times
    10,000. What has no benchmark has even tenths from 0 to 100."""
    catalogues = open_catalogues(program, root)
    measures, kinds = catalogues["quality_measure"], catalogues["measure_collection_type"]
    benchmarks = catalogues["benchmark"].rows
    listed: dict[str, list[tuple[int, str, bool, list[int]]]] = {}
    for measure_id, kind in kinds.rows.rows:
        record = measures.record((measure_id,)) or {}
        share = record.get("metric_type") not in _NOT_A_SHARE
        row = benchmarks.rows.get((measure_id, kind))
        claims = kind == "administrative_claims"
        if row is None and (kind in ("qcdr", "cahps") or not (share or claims)):
            continue
        if kind == "cahps" and measure_id.startswith(_SURVEY_OF_ACOS):
            continue
        inverse = bool(record.get("inverse"))
        bounds: list[Fraction]
        if row is None and claims:
            bounds = [Fraction(_CLAIMS_WORST - each) for each in range(11)]
        elif row is None:
            bounds = [Fraction(each * 10) for each in range(11)]
            bounds = bounds[::-1] if inverse else bounds
        else:
            found = [parse_decimal(benchmarks.cell(row, name)) for name in DECILES]
            given = [each for each in found if each is not None]
            bounds = given
            if len(given) == 9:  # the first two tenths are one
                bounds = [given[0], (given[0] + given[1]) / 2, *given[1:]]
            best = Fraction(0 if benchmarks.cell(row, "inverse") == "yes" else 100)
            bounds.append(best if share else given[-1])
        scaled = [int(each * _PLACES) for each in bounds]
        order = mix(crc32(f"{measure_id} {kind}".encode()))
        listed.setdefault(kind, []).append((order, measure_id, share, scaled))
    connection.execute(
        """CREATE TEMP TABLE offer (collection_type VARCHAR, place INTEGER, of INTEGER,
        measure_id VARCHAR, share BOOLEAN, bounds BIGINT[], number UBIGINT)"""
    )
    for kind, found_measures in listed.items():
        for place, (order, measure_id, share, scaled) in enumerate(sorted(found_measures)):
            connection.execute(
                "INSERT INTO offer VALUES (?, ?, ?, ?, ?, ?, ?)",
                [kind, place, len(found_measures), measure_id, share, scaled, order],
            )


def results(low: int, high: int, begins: str, ends: str) -> str:
    """SQL of the measure results of the practices from `low` to below `high`, sorted; `begins` and
    `ends` are the days of the performance period."""
    return f"""
    WITH collected AS (
      SELECT * EXCLUDE (collection_type), unnest(CASE WHEN kind = 'group' AND
          collection_type = 'mips_cqm' AND {happens("h", "twice", _TWICE)}
          THEN ['mips_cqm', 'ecqm'] ELSE [collection_type] END) AS collection_type
      FROM unit WHERE p >= {low} AND p < {high}),
    turned AS (
      SELECT *, unnest(range(least(CASE WHEN collection_type = 'web_interface' THEN of
          ELSE measures END, of))) AS turn
      FROM (SELECT *, {draw("h", "first measure")} % of AS start
        FROM collected JOIN (SELECT DISTINCT collection_type, of FROM offer)
          USING (collection_type))),
    reported AS (
      SELECT unit.tin, unit.npi, unit.entity_id, offer.measure_id, offer.collection_type, share,
        bounds, unit.n, unit.kind, unit.collection_type = 'ecqm' AS electronic,
        completeness, skill, {state_sql("h", "number")} AS h
      FROM turned AS unit JOIN offer ON offer.collection_type = unit.collection_type
        AND offer.place = (start + turn) % unit.of
      UNION ALL
      SELECT unit.tin, unit.npi, unit.entity_id, offer.measure_id, offer.collection_type, share,
        bounds, unit.n, 'claims', false, {MILLION}, skill, {state_sql("h", "number")}
      FROM unit JOIN offer ON offer.collection_type = 'administrative_claims'
      WHERE p >= {low} AND p < {high} AND kind IN ('group', 'entity') AND NOT small),
    placed AS (
      SELECT *, greatest(0, least({MILLION - 1}, skill + {tent("h", "place", _MEASURE_SPREAD)}))
          AS place,
        greatest(0, 2 * completeness - {MILLION}) AS least_complete,
        least({MILLION}, 2 * completeness) AS most_complete,
        CASE WHEN collection_type = 'web_interface' THEN least({_SAMPLE}, 20 * n)
          WHEN npi IS NULL THEN 10 + 5 * n + {skewed("h", "cases", "40 * n")}
          ELSE 10 + {skewed("h", "cases", 70)} END AS cases
      FROM reported),
    seen AS (
      SELECT *, greatest(1, (cases * {between("h", "complete", "least_complete", "most_complete")}
          + {MILLION // 2}) // {MILLION}) AS told,
        {_AT_PLACE} AS rate
      FROM placed)
    SELECT tin, npi, entity_id, measure_id, collection_type,
      DATE '{begins}' AS performance_start, DATE '{ends}' AS performance_end,
      true AS has_performance_rate,
      CASE WHEN share THEN 100 * ((rate * told + 500000) // 1000000) ELSE rate END::BIGINT
        AS performance_rate_numerator,
      CASE WHEN share THEN told ELSE {_PLACES} END::BIGINT AS performance_rate_denominator,
      kind <> 'claims' AS has_reporting_rate,
      CASE WHEN kind = 'claims' THEN 0 ELSE 100 * told END::BIGINT AS reporting_rate_numerator,
      CASE WHEN kind = 'claims' THEN 1 ELSE cases END::BIGINT AS reporting_rate_denominator,
      cases::INTEGER AS case_count, electronic AS end_to_end_reported,
      CASE WHEN collection_type = 'web_interface' THEN cases END::INTEGER AS sampled_beneficiaries,
      CASE WHEN collection_type = 'web_interface' THEN told END::INTEGER AS reported_beneficiaries
    FROM seen
    UNION ALL
    -- The survey has no rate of its own: its summary measures have scores.
    SELECT tin, npi, entity_id, '{_SURVEY}', 'cahps', DATE '{begins}', DATE '{ends}', false, 0, 1,
      false, 0, 1, 0, false, NULL, NULL
    FROM unit WHERE surveyed AND p >= {low} AND p < {high}
    ORDER BY {_ORDER}, measure_id, collection_type"""


def survey_scores() -> str:
    """SQL of the table `survey_scores`. Nobody is in the lowest two tenths, which begin at zero."""
    place = f"greatest(200000, least({MILLION - 1}, skill + {tent('s', 'place', _MEASURE_SPREAD)}))"
    return f"""
    SELECT tin, npi, entity_id, '{_SURVEY}' AS measure_id, 'cahps' AS collection_type,
      measure_id AS summary_measure_id,
      {decimal(_AT_PLACE, 4)} AS score,
      {happens("s", "few answers", 50_000)} AS below_minimum
    FROM (SELECT *, {place} AS place FROM (
        SELECT unit.*, offer.measure_id, bounds, {state_sql("h", "number")} AS s
        FROM unit JOIN offer ON offer.collection_type = 'cahps' WHERE surveyed))
    ORDER BY {_ORDER}, summary_measure_id"""
