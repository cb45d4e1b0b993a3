"""Final scores of 2020-proposed as an expert writes them by hand: one DuckDB script in doubles, for
this one policy and for the facts that are there, with no trace, no unknowns and no reasons. What it
gives up is the point of the comparison; what it costs is the yardstick.

Figures are those of policies/2020/proposed.yaml, catalogues are read from policies/measures.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from finalrule.places import policies_root

# The tables are read as they come. `entity` numbers the few units that are neither.
_UNITS = """
-- One number for a unit: TIN and NPI; entities come after all of them.
CREATE TEMP MACRO unit_key(tin, npi, entity) AS
  coalesce(tin::UBIGINT * 10000000000 + coalesce(npi::UBIGINT, 0), 10000000000000000000 + entity);

CREATE TEMP TABLE entity AS
SELECT *, row_number() OVER (ORDER BY entity_id) AS entity FROM entities;

CREATE TEMP TABLE small AS
SELECT unit_key(tin, npi, entity) AS u, bool_or(eligible_clinicians <= 15) AS small
FROM segments LEFT JOIN entity USING (entity_id)
GROUP BY u;

-- QPs and Partial QPs of payment year 2022 (42 CFR 414.1430): at least 50 or 40 percent of
-- payments, or 35 or 25 percent of patients, at a date from the first on which one is listed.
CREATE TEMP TABLE determined AS
WITH shares AS (
  SELECT unit, CASE snapshot WHEN 'march_31' THEN 1 WHEN 'june_30' THEN 2 ELSE 3 END AS number,
    given_attributed_payments / given_eligible_payments AS payments,
    given_attributed_patients / given_eligible_patients AS patients
  FROM qp_snapshots)
SELECT npi, CASE WHEN bool_or(payments >= .50 OR patients >= .35) THEN 'qp'
    WHEN bool_or(payments >= .40 OR patients >= .25) THEN 'partial_qp' ELSE 'neither' END AS status
FROM qp_participations JOIN shares USING (unit)
WHERE number >= CASE WHEN listed_march_31 THEN 1 WHEN listed_june_30 THEN 2 ELSE 3 END
GROUP BY npi;

-- Statuses of a clinician; a group has those of more than three quarters, or of all.
CREATE TEMP TABLE person AS
SELECT tin, npi, coalesce(qp_status, status) AS standing, in_rural_area AS rural, in_hpsa AS hpsa,
  stated_non_patient_facing AS npf,
  stated_hospital_based AS hospital, stated_asc_based AS asc_based,
  stated_facility_based AND NOT established_in_second_segment AS facility,
  clinician_type IN ('physical_therapist', 'occupational_therapist', 'clinical_psychologist',
    'audiologist', 'speech_language_pathologist', 'registered_dietitian', 'nurse_practitioner',
    'physician_assistant', 'clinical_nurse_specialist', 'certified_registered_nurse_anesthetist')
    AS excepted_type,
  (excepted_type OR clinician_type = 'physician')
    AND NOT (year(first_enrolled) = 2020 AND NOT previously_billed) AND standing <> 'qp'
    AND NOT (standing = 'partial_qp' AND NOT coalesce(partial_qp_elects_mips, elects_mips, false)
      AND coalesce(partial_qp_through_this_tin, true))
    AND NOT in_exempt_apm_entity AS eligible
FROM clinicians LEFT JOIN determined USING (npi) LEFT JOIN eligible_clinicians USING (npi);

CREATE TEMP TABLE roster AS
WITH member AS (
  SELECT tin::UBIGINT * 10000000000 AS u, * EXCLUDE (tin, npi) FROM person
  UNION ALL
  SELECT 10000000000000000000 + entity, person.* EXCLUDE (tin, npi)
  FROM members JOIN entity USING (entity_id)
  JOIN person USING (tin, npi))
SELECT u, avg(rural::INT) > 0.75 AS rural, avg(hpsa::INT) > 0.75 AS hpsa,
  avg(npf::INT) > 0.75 AS npf, avg(hospital::INT) > 0.75 AS hospital,
  coalesce(bool_and(asc_based) FILTER (WHERE eligible), false) AS asc_based,
  avg(facility::INT) >= 0.75 AS facility,
  coalesce(bool_and(excepted_type OR npf OR hospital OR asc_based) FILTER (WHERE eligible), false)
    AS all_excepted
FROM member GROUP BY u;

CREATE TEMP TABLE unit AS
WITH found AS (
  SELECT unit_key(tin, npi, 0) AS u, tin, npi, NULL AS entity_id,
    'individual' AS kind, average_hcc_risk_score AS hcc, dual_eligible_ratio AS dual,
    has_facility_score, facility_quality_score, facility_cost_score,
    has_prior_quality_achievement AS has_prior, prior_quality_achievement AS prior_achievement,
    prior_quality_score AS prior_score, false AS small_practice_hardship,
    NULL AS given, rural, hpsa, npf, hospital, asc_based, facility, excepted_type AS excepted
  FROM clinicians JOIN person USING (tin, npi)
  UNION ALL
  SELECT tin::UBIGINT * 10000000000, tin, NULL, NULL, 'group', average_hcc_risk_score,
    dual_eligible_ratio, has_facility_score, facility_quality_score, facility_cost_score,
    has_prior_quality_achievement, prior_quality_achievement, prior_quality_score,
    small_practice_hardship_granted, NULL, rural, hpsa, npf, hospital, asc_based, facility,
    all_excepted
  FROM practices
  LEFT JOIN roster ON u = tin::UBIGINT * 10000000000
  UNION ALL
  SELECT u, NULL, NULL, entity_id, kind, average_hcc_risk_score, dual_eligible_ratio,
    false, NULL, NULL, false, NULL, NULL, false, if(final_score_given, given_final_score, NULL),
    rural, hpsa, npf, hospital, asc_based, false, all_excepted
  FROM entity JOIN roster ON u = 10000000000000000000 + entity)
SELECT * FROM found LEFT JOIN small USING (u);
"""

_QUALITY = """
-- Where r lies among ascending bounds, in ten-thousandths of a point.
CREATE TEMP MACRO tenths(r, below, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10) AS CASE
  WHEN r >= b10 THEN 100000
  WHEN r >= b9 THEN 90000 + round(10000 * (r - b9) / (b10 - b9))
  WHEN r >= b8 THEN 80000 + round(10000 * (r - b8) / (b9 - b8))
  WHEN r >= b7 THEN 70000 + round(10000 * (r - b7) / (b8 - b7))
  WHEN r >= b6 THEN 60000 + round(10000 * (r - b6) / (b7 - b6))
  WHEN r >= b5 THEN 50000 + round(10000 * (r - b5) / (b6 - b5))
  WHEN r >= b4 THEN 40000 + round(10000 * (r - b4) / (b5 - b4))
  WHEN r >= b3 THEN 30000 + round(10000 * (r - b3) / (b4 - b3))
  WHEN r >= b2 THEN 20000 + round(10000 * (r - b2) / (b3 - b2))
  WHEN r >= b1 THEN 10000 + round(10000 * (r - b1) / (b2 - b1))
  ELSE below END::INTEGER;

CREATE TEMP TABLE bound AS
SELECT measure_id, collection_type, topped_out_cap, if(inverse, -1, 1) AS direction,
  direction * d1 AS b1, direction * d2 AS b2, direction * d3 AS b3, direction * d4 AS b4,
  direction * d5 AS b5, direction * d6 AS b6, direction * d7 AS b7, direction * d8 AS b8,
  direction * d9 AS b9, direction * d10 AS b10
FROM benchmarks;

CREATE TEMP TABLE measure AS
SELECT dense_rank() OVER (ORDER BY measure_id) AS m, measure_id, collection_type,
  collection_type = 'administrative_claims' AS claims, collection_type = 'web_interface' AS web,
  collection_type = 'cahps' AS survey, collection_type = 'part_b_claims' AS part_b,
  guideline_changed AND NOT claims AS suppressed, coalesce(outcome, false) AS outcome,
  coalesce(high_priority, false) AS high_priority, coalesce(inverse, false) AS inverse,
  coalesce(outcome OR patient_experience, false) AS two_points,
  metric_type NOT IN ('cahps', 'cost_score', 'non_proportion') AS proportion,
  direction IS NOT NULL AND NOT survey AS has_benchmark,
  coalesce(topped_out_cap, false) AS capped,
  coalesce(direction, 1) AS direction, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10
FROM collection_types
LEFT JOIN quality_measures USING (measure_id)
LEFT JOIN bound USING (measure_id, collection_type);

CREATE TEMP TABLE survey AS
SELECT unit_key(tin, npi, entity) AS u,
  avg(greatest(30000, tenths(score, 0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10)))::INTEGER
    AS survey_points,
  max(score) > 0 AS survey_above_zero
FROM survey_scores
JOIN bound ON summary_measure_id = bound.measure_id AND bound.collection_type = 'cahps'
LEFT JOIN entity USING (entity_id)
WHERE NOT below_minimum
GROUP BY u;

CREATE TEMP TABLE result AS
WITH joined AS (
  SELECT unit_key(tin, npi, entity) AS u, measure.*, case_count, has_performance_rate AS has_rate,
    end_to_end_reported AS end_to_end, npi IS NOT NULL AS individual,
    round(performance_rate_numerator / performance_rate_denominator, 4) AS rate,
    CASE WHEN claims OR survey THEN true
      WHEN web THEN coalesce(reported_beneficiaries >= least(248, sampled_beneficiaries), false)
        OR reporting_rate_numerator / reporting_rate_denominator >= 100
      ELSE has_reporting_rate AND reporting_rate_numerator / reporting_rate_denominator >= 70
      END AS complete
  FROM measure_results
  JOIN measure USING (measure_id, collection_type) LEFT JOIN entity USING (entity_id)),
classed AS (
  SELECT *, rate * direction AS r,
    if(survey, survey_points IS NOT NULL, case_count >= if(measure_id = '458', 200, 20)) AS enough,
    (has_benchmark OR survey) AND enough AS scorable,
    CASE WHEN (part_b AND NOT small) OR ((web OR survey OR claims) AND individual) THEN 0
      WHEN NOT (web OR survey OR claims) AND case_count = 0 THEN 0
      WHEN suppressed THEN 5
      WHEN claims AND NOT (scorable AND NOT (measure_id = '458' AND small)) THEN 4
      WHEN web AND complete AND NOT scorable THEN 4
      WHEN NOT complete THEN 3
      WHEN NOT scorable THEN 2
      ELSE 1 END AS class,
    has_rate AND proportion AND CASE WHEN inverse THEN rate >= 100 ELSE rate <= 0 END AS zero
  FROM joined LEFT JOIN small USING (u) LEFT JOIN survey USING (u)),
placed AS (
  SELECT *, CASE WHEN class = 1 AND has_rate
    THEN tenths(r, 0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10) END AS tenths
  FROM classed)
SELECT u, m, web, survey, claims, suppressed, outcome, high_priority, two_points, complete, class,
  CASE class WHEN 1 THEN CASE WHEN survey THEN survey_points
        WHEN zero OR NOT has_rate THEN 30000
        ELSE greatest(30000, if(capped, least(70000, tenths), tenths)) END
    WHEN 2 THEN 30000
    WHEN 3 THEN if(small AND NOT web, 30000, 0)
    ELSE 0 END AS points,
  class > 0 AND NOT claims AS submitted,
  submitted AND NOT web AND high_priority AND complete AND enough AND CASE
      WHEN survey THEN survey_above_zero
      ELSE has_rate AND if(inverse, NOT zero, rate > 0) END AS priority_bonus,
  submitted AND end_to_end AND NOT part_b AS electronic_bonus
FROM placed;

-- One measure by several collection types is scored once: the best, then the suppressed, then the
-- complete submission.
CREATE TEMP TABLE six AS
WITH best AS (
  SELECT u, m, max(points * 4 + suppressed::INT * 2 + complete::INT) AS best,
    best // 4 AS points, best // 2 % 2 = 1 AS suppressed, best % 2 = 1 AS complete,
    bool_or(priority_bonus) AS priority_bonus, bool_or(electronic_bonus) AS electronic_bonus,
    bool_or(outcome) AS outcome, bool_or(high_priority) AS high_priority,
    if(bool_or(two_points), 2, 1) AS worth
  FROM result WHERE submitted AND NOT web GROUP BY u, m),
unit AS (
  SELECT u, max(points, 6) FILTER (WHERE NOT suppressed) AS top,
    -- The required measure: an outcome measure, else a high priority one.
    arg_max({'points': points, 'suppressed': suppressed, 'complete': complete,
        'bonus': if(priority_bonus, worth, 0)},
      ((outcome::INT * 2 + complete::INT) * 100001 + points) * 1024 - m)
      FILTER (WHERE high_priority) AS required,
    count(*) FILTER (WHERE suppressed) AS suppressed,
    count(*) FILTER (WHERE complete) AS complete,
    coalesce(sum(worth) FILTER (WHERE priority_bonus), 0) AS priority_bonus,
    count(*) FILTER (WHERE electronic_bonus) AS electronic_bonus
  FROM best GROUP BY u)
SELECT u, CASE
    WHEN required IS NULL THEN coalesce(list_sum(top[1:5]), 0)
    WHEN required.suppressed OR len(top) < 6 OR required.points >= top[6]
      THEN coalesce(list_sum(top), 0)
    ELSE required.points + list_sum(top[1:5]) END / 10000 AS achieved,
  greatest(0, 60 - 10 * suppressed) AS available,
  priority_bonus - coalesce(required.bonus, 0) AS priority_bonus, electronic_bonus,
  complete >= 6 AND coalesce(required.complete, false) AS participates
FROM unit;

CREATE TEMP TABLE other AS
SELECT u, coalesce(sum(points) FILTER (WHERE claims AND class = 1), 0) / 10000 AS claims_achieved,
  10 * count(*) FILTER (WHERE claims AND class = 1) AS claims_available,
  coalesce(bool_or(web AND submitted), false) AS web,
  coalesce(sum(points) FILTER (WHERE (web OR survey) AND class IN (1, 2, 3)), 0) / 10000
    AS web_achieved,
  10 * (9 + count(*) FILTER (WHERE survey AND class IN (1, 2, 3))
    - count(*) FILTER (WHERE web AND class = 4) - count(*) FILTER (WHERE web AND class = 5))
    AS web_available,
  2 * count(*) FILTER (WHERE survey AND priority_bonus) AS web_priority_bonus,
  count(*) FILTER (WHERE web AND electronic_bonus) AS web_electronic_bonus,
  count(*) FILTER (WHERE web AND submitted AND complete) >= 9 AS web_participates
FROM result WHERE web OR survey OR claims GROUP BY u;

CREATE TEMP TABLE quality AS
WITH both_sets AS (
  SELECT u, six.u IS NOT NULL AS has_six, coalesce(web, false) AS has_web,
    if(small, 6, 0) AS small_bonus,
    coalesce(achieved, 0) + coalesce(claims_achieved, 0) AS six_achieved,
    coalesce(available, 60) + coalesce(claims_available, 0) AS six_available,
    least(0.1 * six_available, coalesce(priority_bonus, 0))
      + least(0.1 * six_available, coalesce(electronic_bonus, 0)) + small_bonus AS six_bonus,
    least(1, (six_achieved + six_bonus) / nullif(six_available, 0)) AS six_score,
    web_achieved + claims_achieved AS web_points, web_available + claims_available AS web_most,
    least(0.1 * web_most, web_priority_bonus) + least(0.1 * web_most, web_electronic_bonus)
      + small_bonus AS web_bonus,
    least(1, (web_points + web_bonus) / nullif(web_most, 0)) AS web_score,
    coalesce(participates, false) AS participates, web_participates
  FROM six FULL JOIN other USING (u) LEFT JOIN small USING (u)),
used AS (
  SELECT u, has_web AND (NOT has_six OR coalesce(web_score, 0) >= coalesce(six_score, 0)) AS web,
    if(web, web_points, six_achieved) AS achieved,
    if(web, web_most, six_available) AS available,
    if(web, web_bonus, six_bonus) AS bonus,
    if(web, web_participates, participates) AS participates, has_six OR has_web AS submitted
  FROM both_sets)
SELECT u, submitted, participates,
  coalesce(least(1, achieved / nullif(available, 0)), 0) AS achievement,
  coalesce((achieved + bonus) / nullif(available, 0), 0) AS score
FROM used;
"""

_OTHERS = """
CREATE TEMP TABLE cost_score AS
WITH minimum AS (
  SELECT *, CASE case_minimum_type WHEN 'tpcc' THEN 20 WHEN 'mspb' THEN 35 WHEN 'procedural' THEN 10
    WHEN 'acute_inpatient' THEN 20 END AS least_cases
  FROM cost_measures)
SELECT unit_key(tin, npi, entity) AS u,
  sum(tenths(cost * direction, 10000, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10)) / 10000
    / (10 * count(*)) AS score
FROM cost_results JOIN minimum USING (measure_id)
JOIN bound ON bound.measure_id = minimum.measure_id AND collection_type = 'administrative_claims'
LEFT JOIN entity USING (entity_id)
WHERE case_count >= least_cases AND NOT (group_only AND npi IS NOT NULL)
GROUP BY u;

CREATE TEMP TABLE ia AS
WITH activity AS (
  SELECT unit_key(tin, npi, entity) AS u, activity_id, completed, weight,
    completed AND activity_id <> 'IA_PCMH' AND performance_end - performance_start + 1 >= 90
      AND (npi IS NOT NULL OR clinician_share_same_period_numerator
        >= 50 * clinician_share_same_period_denominator) AS counted
  FROM activities
  LEFT JOIN inventory USING (activity_id)
  LEFT JOIN entity USING (entity_id))
SELECT u, bool_or(completed) AS submitted,
  bool_or(completed AND activity_id = 'IA_PCMH') AS medical_home,
  coalesce(sum(CASE weight WHEN 'high' THEN 20 WHEN 'medium' THEN 10 END) FILTER (WHERE counted), 0)
    AS points
FROM activity GROUP BY u;

CREATE TEMP TABLE pi AS
WITH report AS (
  SELECT unit_key(tin, npi, entity) AS u, submission_method, measure_id, reported,
    numerator / denominator AS rate,
    if(is_proportion, numerator >= 1, reported) AS met,
    regexp_extract(measure_id, '^PI_PHCDRR_(.)$', 1) AS registry,
    regexp_extract(measure_id, '^PI_PHCDRR_(.)_EX', 1) AS excluded_registry
  FROM interoperability_measures LEFT JOIN entity USING (entity_id)),
answers AS (
  SELECT u, submission_method, bool_or(reported) AS reported,
    max(rate) FILTER (WHERE met AND measure_id = 'PI_EP_1') AS prescribing,
    max(rate) FILTER (WHERE met AND measure_id = 'PI_HIE_1') AS sending,
    max(rate) FILTER (WHERE met AND measure_id = 'PI_HIE_4') AS receiving,
    max(rate) FILTER (WHERE met AND measure_id = 'PI_PEA_1') AS access,
    prescribing IS NULL AND bool_or(met AND measure_id = 'PI_LVPP_1') AS no_prescribing,
    sending IS NULL AND bool_or(met AND measure_id = 'PI_LVOTC_1') AS no_sending,
    receiving IS NULL AND bool_or(met AND measure_id = 'PI_LVITC_2') AS no_receiving,
    count(*) FILTER (WHERE met AND registry <> '') AS registries,
    bool_or(met AND measure_id LIKE 'PI_PHCDRR_%_MULTI') AS several,
    count(DISTINCT excluded_registry) FILTER (WHERE met AND excluded_registry <> '') AS exclusions,
    registries = 0 AND NOT several AND exclusions >= 2 AS no_registry,
    registries >= 2 OR several OR (registries = 1 AND exclusions >= 1) AS has_registry,
    bool_or(met AND measure_id = 'PI_EP_2') AS monitoring,
    bool_or(met AND measure_id = 'PI_PPHI_1') AND bool_or(met AND measure_id = 'PI_ONCDIR_1')
      AND bool_or(met AND measure_id = 'PI_INFBLO_1') AS attested
  FROM report GROUP BY u, submission_method),
scored AS (
  SELECT u, reported, if(no_prescribing, 25, 20) AS exchange, CASE
      WHEN performance_end - performance_start + 1 < 90 OR NOT has_cehrt_id OR NOT attested
        OR access IS NULL OR NOT (prescribing IS NOT NULL OR no_prescribing)
        OR NOT (sending IS NOT NULL OR no_sending) OR NOT (receiving IS NOT NULL OR no_receiving)
        OR NOT (has_registry OR no_registry) THEN 0
      ELSE least(100, if(prescribing IS NULL, 0, greatest(1, round(10 * prescribing)))
        + if(sending IS NULL, 0, greatest(1, round(exchange * sending)))
        + if(receiving IS NULL, 0, greatest(1, round(exchange * receiving)))
        + greatest(1, round(access * (40 + if(no_sending, exchange, 0)
          + if(no_receiving, exchange, 0) + if(no_registry, 10, 0))))
        + if(no_registry, 0, 10) + if(monitoring, 5, 0)) END AS points
  FROM (SELECT unit_key(tin, npi, entity) AS u, *
    FROM interoperability LEFT JOIN entity USING (entity_id)) AS sets
  JOIN answers USING (u, submission_method))
SELECT u, bool_or(reported) AS submitted, max(points) / 100 AS score FROM scored GROUP BY u;
"""

_SCORES = """
CREATE TEMP TABLE weights AS
SELECT * FROM (VALUES (true, true, .40, .20, .15, .25), (false, true, .55, 0, .15, .30),
  (true, false, .65, .20, .15, 0), (false, false, .85, 0, .15, 0))
  AS t(cost_scored, pi_scored, quality, cost, ia, pi);

CREATE TEMP TABLE yardstick AS
WITH categories AS (
  SELECT unit.*, coalesce(quality.submitted, false) AS quality_submitted,
    coalesce(quality.score, 0) AS base, participates, achievement,
    if(has_prior AND participates, if(prior_achievement <= 30 AND prior_score <= 30, 30,
      prior_achievement), NULL) / 100 AS prior,
    least(1, base + CASE WHEN achievement <= prior THEN 0 WHEN prior = 0 THEN 0.1
      WHEN prior IS NULL THEN 0 ELSE least(0.1, 0.1 * (achievement / prior - 1)) END)
      AS own_quality,
    cost_score.score AS own_cost,
    CASE WHEN medical_home THEN 1 ELSE least(1, coalesce(ia.points, 0)
      * if(small OR rural OR hpsa OR npf, 2, 1) / 40) END AS ia_score,
    coalesce(ia.submitted, false) AS ia_submitted,
    coalesce(pi.submitted, false) AS pi_submitted,
    coalesce(pi.score, 0) AS pi_score,
    pi_submitted OR NOT (npf OR hospital OR asc_based OR excepted
      OR (small_practice_hardship AND small)) AS pi_scored,
    facility AND has_facility_score AND (kind = 'individual' OR ia_submitted OR pi_submitted)
      AS facility_score
  FROM unit LEFT JOIN quality USING (u) LEFT JOIN cost_score USING (u) LEFT JOIN ia USING (u)
  LEFT JOIN pi USING (u)),
compared AS (
  SELECT categories.*, facility_score AND (NOT quality_submitted
      OR own_quality * own.quality + coalesce(own_cost, 0) * own.cost
        <= facility_quality_score / 100 * theirs.quality + facility_cost_score / 100 * theirs.cost)
      AS facility_used
  FROM categories
  JOIN weights AS own
    ON own.cost_scored = (own_cost IS NOT NULL) AND own.pi_scored = categories.pi_scored
  JOIN weights AS theirs ON theirs.cost_scored AND theirs.pi_scored = categories.pi_scored)
SELECT tin, npi, entity_id, coalesce(given, round(least(100, 100 * (
    if(facility_used, facility_quality_score / 100, own_quality) * quality
    + coalesce(if(facility_used, facility_cost_score / 100, own_cost), 0) * cost
    + ia_score * ia + pi_score * pi)
    + if(quality_submitted OR ia_submitted OR pi_submitted, least(5, hcc + 5 * dual), 0)), 2))
  AS final_score
FROM compared JOIN weights
  ON weights.pi_scored = compared.pi_scored
  AND weights.cost_scored = (own_cost IS NOT NULL OR facility_used);
"""


_CATALOGUES = {
    "benchmarks": "2020/benchmarks",
    "quality_measures": "2020/quality_measures",
    "cost_measures": "2020/cost_measures",
    "collection_types": "2020-proposed/measure_collection_types",
    "inventory": "2020-proposed/improvement_activities",
}


def final_scores(connection: duckdb.DuckDBPyConnection, facts: Path) -> None:
    """Make the table `yardstick` (tin, npi, entity_id, final_score), one row a scoring unit, of a
    folder of users' tables in Parquet."""
    for table in facts.iterdir():
        parts = table / "*.parquet" if table.is_dir() else table
        connection.execute(f"CREATE TEMP VIEW {table.stem} AS FROM '{parts}'")
    for name, path in _CATALOGUES.items():
        file = policies_root() / "measures" / f"{path}.csv"
        connection.execute(f"CREATE TEMP VIEW {name} AS FROM '{file}'")
    for script in (_UNITS, _QUALITY, _OTHERS, _SCORES):
        connection.execute(script)
