"""The tables of who there is: practices, clinicians, entities, members and segments. SQL, sorted as
the tables are written; facts by the names that the rules declare."""

from __future__ import annotations

from finalrule.synth.chance import MILLION, between, decimal, draw, happens
from finalrule.synth.figures import Nation
from finalrule.synth.roster import case_of

# Of facility-based units, those whose facility has a score; of others, those scored last year.
_FACILITY_SCORED, _SCORED_BEFORE = 800_000, 500_000
# Small practices that submit no Promoting Interoperability data and were granted an exception.
_HARDSHIP = 80_000

# Final scores of APM Entities by profile, in hundredths of a point.
_APM_SCORES = {"low": (2000, 4400), "middle": (4600, 7900), "high": (8000, 10_000)}


def _patients(nation: Nation, level: str) -> str:
    """Columns of the complex patient bonus: about the published mean, from half to one and a half
    times of it."""
    row = nation.published.tables["complex_patient"][level]
    columns = []
    for name, mean in row.items():
        whole = int(mean * MILLION)
        drawn = f"{whole // 2} + {whole} * ({draw('h', name + ' 1')} + {draw('h', name + ' 2')}) " \
            f"// {2 * MILLION}"  # fmt: skip
        columns.append(f"{decimal(drawn, 6)} AS {name}")
    return ", ".join(columns)


def _earlier(condition: str, facility: str) -> str:
    """Columns of facility-based measurement and of the year before."""
    known = f"({condition}) AND {happens('h', 'scored before', _SCORED_BEFORE)}"
    scored = f"({facility}) AND {happens('h', 'facility scored', _FACILITY_SCORED)}"
    achieved = between("h", "achieved before", 2000, 9000)
    return f"""
      {scored} AS has_facility_score,
      CASE WHEN {scored} THEN {decimal(between("h", "facility quality", 300_000, 950_000), 4)} END
        AS facility_quality_score,
      CASE WHEN {scored} THEN {decimal(between("h", "facility cost", 300_000, 950_000), 4)} END
        AS facility_cost_score,
      {known} AS has_prior_quality_achievement,
      CASE WHEN {known} THEN {decimal(achieved, 2)} END AS prior_quality_achievement,
      CASE WHEN {known} THEN {decimal(f"{achieved} + {between('h', 'bonus before', 0, 1000)}", 2)}
        END AS prior_quality_score"""


def practices(nation: Nation) -> str:
    """SQL of the table `practices`."""
    return f"""
    SELECT tin, size AS label_practice_size, as_group AS reports_as_group,
      {_patients(nation, "group")},
      {_earlier("as_group", "facility AND as_group")},
      as_group AND small AND {happens("h", "hardship", _HARDSHIP)}
        AS small_practice_hardship_granted
    FROM practice ORDER BY tin"""


def clinicians(nation: Nation, year_begins: str) -> str:
    """SQL of the table `clinicians`."""
    partial = "exclusion = 'partial_qp'"
    return f"""
    SELECT tin, person.npi, row AS label_eligibility, size AS label_practice_size,
      exceeds AS stated_group_eligible, election AS opt_in_election, clinician_type,
      CASE WHEN exclusion = 'newly_enrolled'
        THEN DATE '{year_begins}' + ({between("h", "enrolled", 0, 364)})::INTEGER
        ELSE DATE '{year_begins}' - ({between("h", "enrolled", 200, 12_000)})::INTEGER END
        AS first_enrolled,
      exclusion <> 'newly_enrolled' AS previously_billed,
      CASE WHEN participant.npi IS NULL THEN 'neither' END AS qp_status,
      CASE WHEN {partial} THEN false END AS partial_qp_elects_mips,
      CASE WHEN {partial} THEN true END AS partial_qp_through_this_tin,
      exclusion = 'apm_entity_exempt' AS in_exempt_apm_entity,
      person.second_only AS established_in_second_segment,
      rural AS in_rural_area, hpsa AS in_hpsa, non_patient_facing AS stated_non_patient_facing,
      hospital_based AS stated_hospital_based, asc_based AS stated_asc_based,
      facility AS stated_facility_based, {_patients(nation, "individual")},
      {_earlier("row LIKE 'required%' OR row = 'opted_in'", "facility")},
      {decimal("claims.charges_1", 2)} AS covered_charges
    FROM person JOIN claims USING (i) JOIN (SELECT p, exceeds FROM practice_claims) AS joint
      ON joint.p = person.p LEFT JOIN (SELECT npi FROM participant) AS participant
      ON participant.npi = person.npi
    ORDER BY i"""


def entities(nation: Nation) -> str:
    """SQL of the table `entities`. The final score of an APM Entity is given: its categories are
    scored by another standard (42 CFR 414.1370)."""
    score = case_of(
        "profile",
        {name: between("h", "final score", *bounds) for name, bounds in _APM_SCORES.items()},
    )
    given = "kind = 'apm_entity'"
    return f"""
    SELECT entity_id, kind, {_patients(nation, "group")}, false AS has_facility_score,
      {given} AS final_score_given,
      CASE WHEN {given} THEN {decimal(score, 2)} END AS given_final_score
    FROM entity ORDER BY entity_id"""


def members() -> str:
    """SQL of the table `members`."""
    return """
    SELECT entity_id, tin, npi FROM person
    JOIN (SELECT entity, CASE WHEN entity % 2 = 1 THEN printf('VG%05d', (entity + 1) // 2)
        ELSE printf('APM%05d', (entity + 1) // 2) END AS entity_id
      FROM practice WHERE entity > 0 GROUP BY entity) AS named USING (entity)
    ORDER BY entity_id, tin, npi"""


def segments() -> str:
    """SQL of the table `segments`: of practices, individuals and entities. Who came in the second
    segment has only that one. Eligible clinicians are those of the TIN."""
    both = "(SELECT unnest(['first', 'second']) AS segment)"

    def figures(prefix: str = "") -> str:
        return ", ".join(
            (decimal(f"CASE WHEN segment = 'first' THEN {prefix}{name}_1 ELSE {prefix}{name}_2 END",
                     2) if name == "charges"
             else f"(CASE WHEN segment = 'first' THEN {prefix}{name}_1 ELSE {prefix}{name}_2 END)"
             "::INTEGER") + f" AS {column}"
            for name, column in (
                ("charges", "allowed_charges"), ("patients", "patients"), ("services", "services"))
        )  # fmt: skip

    return f"""
    SELECT tin, NULL::VARCHAR AS npi, NULL::VARCHAR AS entity_id, segment, {figures()},
      n AS eligible_clinicians
    FROM practice JOIN practice_claims USING (p) CROSS JOIN {both}
    UNION ALL
    SELECT tin, npi, NULL, segment, {figures()}, n
    FROM person JOIN (SELECT * EXCLUDE (p, second_only) FROM claims) USING (i) CROSS JOIN {both}
    WHERE NOT (second_only AND segment = 'first')
    UNION ALL
    SELECT NULL, NULL, entity_id, segment, {figures("summed.")}, summed.n
    FROM (SELECT entity_id, sum(practice.n)::INTEGER AS n, sum(charges_1)::BIGINT AS charges_1,
        sum(charges_2)::BIGINT AS charges_2, sum(patients_1)::BIGINT AS patients_1,
        sum(patients_2)::BIGINT AS patients_2, sum(services_1)::BIGINT AS services_1,
        sum(services_2)::BIGINT AS services_2
      FROM practice JOIN practice_claims USING (p) JOIN (
        SELECT DISTINCT tin, entity_id FROM ({members()})) USING (tin)
      GROUP BY entity_id) AS summed CROSS JOIN {both}
    ORDER BY tin NULLS LAST, npi NULLS FIRST, entity_id, segment"""
