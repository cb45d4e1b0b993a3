"""Ten million claims to the totals of Threshold Scores: the rules of 2018-final as compiled for
DuckDB, beside the query that an expert writes by hand, each in a process of its own with little
memory, over the same tables."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import duckdb
import pytest

from finalrule.load import load_program
from finalrule.population.duckdb import run_passes
from finalrule.population.plan import compile_population
from finalrule.population.schedule import needed
from finalrule.runs.execute import connect

POLICY = "2018-final"
CLAIMS, BENEFICIARIES, UNITS = 10_000_000, 1_000_000, 500
THREADS, MEMORY = 2, "1GB"
# Determination dates, with the last day of services and of the run-out.
DATES = {
    "march_31": ("2018-03-31", "2018-07-31"),
    "june_30": ("2018-06-30", "2018-10-31"),
    "august_31": ("2018-08-31", "2018-12-31"),
}
TOTALS = [
    f"claims_{of}_{what}_{date}"
    for date in DATES for of in ("attributed", "eligible") for what in ("payments", "patients")
]  # fmt: skip


def make_tables(folder: Path) -> None:
    """Internal tables, all made from the rows' numbers: a tenth of the units rests attribution on
    other services, a tenth of the beneficiaries fails a condition, claims fall into eleven months
    from December 2017 and take up to 200 days to be processed."""

    def draw(below: int, what: str) -> str:
        offset = int.from_bytes(what.encode()) * CLAIMS
        return f"(hash(i + {offset}) % {below})::BIGINT"

    tables = {
        "qp_unit": (UNITS, f"""
            i AS id, 'U' || i AS unit, {draw(10, 'b')} = 0 AS other_attribution_basis"""),
        "beneficiary": (BENEFICIARIES, f"""
            i AS id, i % {UNITS} AS qp_unit_id, 'B' || i AS beneficiary_id,
            {draw(50, 'ma')} = 0 AS in_medicare_advantage_or_cost_plan,
            {draw(50, 'sp')} = 0 AS medicare_is_secondary_payer,
            {draw(50, 'ab')} > 0 AS in_parts_a_and_b, {draw(50, 'age')} > 0 AS at_least_18,
            {draw(50, 'us')} > 0 AS united_states_resident,
            {draw(20, 'pa')} = 0 AS prospectively_attributed_elsewhere,
            {draw(2, 'm')} = 0 AS on_list_march_31, {draw(2, 'j')} = 0 AS on_list_june_30,
            {draw(2, 'a')} = 0 AS on_list_august_31"""),
        "claim": (CLAIMS, f"""
            i AS id, {draw(BENEFICIARIES, 'ben')} AS beneficiary_id,
            {draw(BENEFICIARIES, 'ben')} % {UNITS} AS qp_unit_id, 'C' || i AS claim_id,
            {draw(5, 'kin')}::TINYINT AS kind,
            17501 + {draw(330, 'day')}::INTEGER AS service_date,
            17501 + {draw(330, 'day')}::INTEGER + {draw(200, 'pro')}::INTEGER AS processed_on,
            {draw(50_000, 'pay')} AS paid, {draw(2_000, 'adj')} - 1_000 AS payment_adjustment,
            CASE WHEN {draw(20, 'cas')} = 0 THEN {draw(9_000, 'flo')} ELSE 0 END
              AS cash_flow_reduction,
            {draw(3, 'em')} = 0 AS evaluation_and_management,
            {draw(4, 'oth')} = 0 AS other_basis_service"""),
    }  # fmt: skip
    with connect(THREADS, MEMORY, folder / "making") as connection:
        for name, (rows, columns) in tables.items():
            connection.execute(
                f"COPY (SELECT {columns} FROM range({rows}) t(i)) TO '{folder}/{name}.parquet'"
            )


def by_rules(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
    program = load_program(POLICY)
    plan = compile_population(program, {}, only=needed(program, TOTALS), results=TOTALS)
    table = plan.tables[TOTALS[0]]
    run_passes(connection, plan, plan.passes, keep={table})
    return connection.table(table)


def by_hand(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
    sums, conditions, totals = [], [], []
    for date, (through, processed) in DATES.items():
        in_time = f"""service_date BETWEEN days('2018-01-01') AND days('{through}')
            AND processed_on <= days('{processed}')"""
        sums.append(f"""sum(payment) FILTER ({in_time}) AS payments_{date},
            bool_or({in_time} AND kind IN (0, 2, 3)) AS patient_{date},
            bool_or({in_time} AND basis) AS visit_{date}""")
        conditions.append(f"enrolled AND visit_{date} AS eligible_{date}")
        listed = f"eligible_{date} AND on_list_{date}"
        for of, met in (("attributed", listed), ("eligible", f"eligible_{date}")):
            totals.append(f"""
              coalesce(sum(payments_{date}) FILTER ({met}), 0) AS claims_{of}_payments_{date},
              count(*) FILTER ({met} AND patient_{date}) AS claims_{of}_patients_{date}""")
    connection.execute("CREATE MACRO days(day) AS CAST(day AS DATE) - DATE '1970-01-01'")
    return connection.sql(f"""
        WITH counted AS (
          SELECT c.beneficiary_id, service_date, processed_on, kind,
            CASE WHEN kind IN (0, 1)
              THEN greatest(0, paid + cash_flow_reduction - payment_adjustment)
              ELSE 0 END AS payment,
            CASE WHEN other_attribution_basis THEN other_basis_service
              ELSE evaluation_and_management END AS basis
          FROM claim c JOIN qp_unit u ON u.id = c.qp_unit_id),
        of_beneficiary AS (SELECT beneficiary_id, {", ".join(sums)} FROM counted GROUP BY ALL),
        met AS (
          SELECT *, NOT in_medicare_advantage_or_cost_plan AND NOT medicare_is_secondary_payer
            AND in_parts_a_and_b AND at_least_18 AND united_states_resident AS enrolled,
            {", ".join(conditions)}
          FROM of_beneficiary s JOIN beneficiary b ON b.id = s.beneficiary_id)
        SELECT qp_unit_id AS id, {", ".join(totals)} FROM met GROUP BY qp_unit_id""")


def take(how: str, folder: Path) -> None:
    """In a process of its own: write the totals, and how many seconds it took."""
    with connect(THREADS, MEMORY, folder / f"scratch_{how}") as connection:
        for name in ("qp_unit", "beneficiary", "claim"):
            connection.execute(f"CREATE VIEW {name} AS FROM '{folder}/{name}.parquet'")
        start, used = time.perf_counter(), time.process_time()
        totals = by_rules(connection) if how == "rules" else by_hand(connection)
        totals.project(", ".join(("id", *TOTALS))).write_parquet(f"{folder}/{how}.parquet")
        seconds, cpu = time.perf_counter() - start, time.process_time() - used
    (folder / f"{how}.json").write_text(json.dumps({"seconds": seconds, "cpu": cpu}))


def run(how: str, folder: Path) -> dict[str, float]:
    """The seconds, and the most memory in MB."""
    from bench.spent import spent  # not found by the process itself, which is this file alone

    whole = spent(sys.executable, __file__, how, str(folder))
    return {**json.loads((folder / f"{how}.json").read_text()), "memory": whole.memory}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("claims")
    make_tables(made)
    return made


def test_ten_million_claims(folder: Path) -> None:
    hand, rules = run("hand", folder), run("rules", folder)
    names = ", ".join(("id", *TOTALS))
    one, two = (f"SELECT {names} FROM '{folder}/{how}.parquet'" for how in ("hand", "rules"))
    differ = duckdb.sql(f"({one} EXCEPT {two}) UNION ALL ({two} EXCEPT {one})").fetchall()
    units, least, most = duckdb.sql(
        f"SELECT count(*), min(claims_attributed_payments_march_31), "
        f"max(claims_eligible_patients_august_31) FROM '{folder}/rules.parquet'"
    ).fetchall()[0]
    print(f"\n{CLAIMS:,} claims of {units} units by the rules: {rules['seconds']:.1f} s "
          f"({rules['cpu']:.1f} s of CPU), {CLAIMS / rules['seconds']:,.0f} claims a second, "
          f"{rules['memory']:.0f} MB; by hand {hand['seconds']:.1f} s ({hand['cpu']:.1f} s), "
          f"{hand['memory']:.0f} MB: {rules['cpu'] / hand['cpu']:.2f} x")  # fmt: skip
    assert differ == [] and units == UNITS and least > 0 and most > 0
    # What the process holds beside the database (Python, the program) comes on top of its limit.
    assert rules["memory"] < 1_600
    assert rules["cpu"] < 2 * hand["cpu"]


if __name__ == "__main__":
    take(sys.argv[1], Path(sys.argv[2]))
