"""A small nation: repeatable, of nobody real, of the declared columns, and of a piece."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from pathlib import Path

import duckdb
import pytest

from finalrule.core import ir
from finalrule.diagnostics import Failure
from finalrule.facts.identifiers import check_digit_holds
from finalrule.synth.figures import published
from finalrule.synth.make import Made, make_nation
from finalrule.tables.read import read_tables
from synth.conftest import CLINICIANS

Tables = duckdb.DuckDBPyConnection


def count(tables: Tables, query: str) -> int:
    row = tables.execute(f"SELECT count(*) FROM {query}").fetchone()
    assert row is not None
    return int(row[0])


def digests(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*.parquet"))
    }


def test_one_seed_is_one_nation(
    program: ir.Program, nation: tuple[Path, Made], tmp_path: Path
) -> None:
    """Byte for byte, on another number of threads; another seed is another nation."""
    again = make_nation(program, CLINICIANS, 1, tmp_path / "again", threads=1)
    other = make_nation(program, CLINICIANS, 2, tmp_path / "other", threads=2)
    assert digests(tmp_path / "again") == digests(nation[0])
    assert again == nation[1]
    # Few APM Entities have few names.
    own, others = digests(nation[0]), digests(tmp_path / "other")
    assert [name for name, digest in own.items() if digest == others[name]] == ["qp_units.parquet"]
    counts = [
        {(near.table, near.row): near.made for near in made.near if near.column == "clinicians"}
        for made in (again, other)
    ]
    assert counts[0] == counts[1]


def test_nobody_is_real(tables: Tables) -> None:
    """TINs begin with 000, NPIs with 9, which no given one does; check digits hold, and each NPI
    stands once."""
    rows = tables.execute("SELECT tin, npi FROM clinicians").fetchall()
    assert len(rows) == CLINICIANS == len({npi for _, npi in rows})
    assert all(len(tin) == 9 and tin.startswith("000") for tin, _ in rows)
    assert all(len(npi) == 10 and npi[0] == "9" and check_digit_holds(npi) for _, npi in rows)
    assert count(tables, "practices WHERE tin NOT IN (SELECT tin FROM clinicians)") == 0


def test_counts_follow_the_published_ones(nation: tuple[Path, Made], tables: Tables) -> None:
    """Each cell is within one of its share, and a row of Table 113 has up to nine cells, a row of
    Table 114 up to four."""
    rows = dict(
        tables.execute("SELECT label_eligibility, count(*) FROM clinicians GROUP BY 1").fetchall()
    )
    figures = published(2020)
    scale = Fraction(CLINICIANS, figures.clinicians())
    for name, row in figures.tables["eligibility"].items():
        assert abs(rows[name] - row["clinicians"] * scale) <= 9
    for near in nation[1].near:
        if near.table in ("submitting", "not_submitting"):
            assert abs(near.made - near.published) <= 4


def test_apm_entities_reach_what_their_clinicians_are(tables: Tables) -> None:
    """By August 31 each entity of QPs has half of its payments through the model, each of Partial
    QPs 40 % but not half, and a quarter of its patients but not 35 %, each other one less (42 CFR
    414.1430(a), payment year 2022). Whoever takes part has no status that is stated."""
    share = "given_attributed_payments / given_eligible_payments"
    patients = "given_attributed_patients / given_eligible_patients"
    found = {}
    for unit, of_payments, of_patients in tables.execute(
        f"SELECT unit, {share}, {patients} FROM qp_snapshots WHERE snapshot = 'august_31'"
    ).fetchall():
        standing = "neither"
        if of_payments >= 0.5 or of_patients >= 0.35:
            standing = "qp"
        elif of_payments >= 0.4 or of_patients >= 0.25:
            standing = "partial_qp"
        found[unit] = standing
        assert unit.split("-")[1] == standing
    assert set(found.values()) == {"qp", "partial_qp", "neither"}
    assert count(tables, "clinicians WHERE qp_status IS NULL") == count(tables, "qp_participations")
    assert count(tables, "eligible_clinicians") == count(tables, "qp_participations")
    # 87.5 % of the excluded are QPs: of 2,731 of 20,000, give or take three times the square root
    # of 2,731 x 0.875 x 0.125, 17.
    excluded = count(tables, "clinicians WHERE label_eligibility = 'excluded'")
    qps = count(tables, "qp_participations WHERE unit LIKE 'QP-qp-%'")
    assert abs(qps - excluded * 0.875) <= 3 * (excluded * 0.875 * 0.125) ** 0.5


def test_figures_are_near(nation: tuple[Path, Made]) -> None:
    """What is drawn varies with the square root of how many there are: 17 opted in, who have $0.8
    million. Large rows are within a twentieth."""
    for near in nation[1].near:
        if near.column == "allowed_charges" and near.published > 20:
            assert abs(near.off) < Fraction(1, 20), near
        if near.column in ("mean", "average_hcc_risk_score", "dual_eligible_ratio"):
            assert abs(near.off) < Fraction(1, 20), near


def test_tables_are_read_without_a_rejected_row(
    program: ir.Program, nation: tuple[Path, Made], tmp_path: Path
) -> None:
    found = read_tables(program, nation[0], tmp_path, threads=2, memory="1GB")
    assert found.rejected == {}
    assert found.rows == nation[1].rows


def test_rows_are_sorted(tables: Tables) -> None:
    for table in ("clinicians", "activities", "measure_results", "interoperability_measures"):
        rows = tables.execute(f"SELECT tin, npi FROM {table}").fetchall()
        assert rows == sorted(
            rows, key=lambda row: (row[0] is None, row[0] or "", row[1] is not None, row[1] or "")
        )


def over(segments: str) -> str:
    """SQL of how many of the three criteria a row exceeds: 42 CFR 414.1305 (low-volume
    threshold)(3), $90,000, 200 patients, 200 services."""
    return (
        f"({segments}.allowed_charges > 90000)::INTEGER + ({segments}.patients > 200)::INTEGER"
        f" + ({segments}.services > 200)::INTEGER"
    )


@pytest.mark.parametrize(
    ("row", "individual", "practice"),
    [
        ("required_participating", {3}, {0, 1, 2, 3}),
        ("required_not_participating", {3}, {0, 1, 2, 3}),
        ("group_eligible", {0, 1, 2}, {3}),
        ("opted_in", {1, 2}, {0, 1, 2, 3}),
        ("potentially_eligible", {0, 1, 2}, {0, 1, 2, 3}),
        ("below_low_volume", {0}, {0}),
    ],
)
def test_who_exceeds_the_threshold(
    tables: Tables, row: str, individual: set[int], practice: set[int]
) -> None:
    """How many of the criteria an individual and the practice exceed in the segments."""
    people = "(SELECT tin, npi FROM clinicians WHERE label_eligibility = ?)"
    alone = tables.execute(
        f"SELECT DISTINCT {over('segments')} FROM segments JOIN {people} USING (tin, npi)", [row]
    ).fetchall()
    together = tables.execute(
        f"""SELECT DISTINCT {over("segments")} FROM segments
        WHERE npi IS NULL AND tin IN (SELECT tin FROM {people})""", [row],
    ).fetchall()  # fmt: skip
    assert {found for (found,) in alone} <= individual
    assert {found for (found,) in together} <= practice


def test_who_may_opt_in_or_be_in_a_group(tables: Tables) -> None:
    """Potentially eligible: each exceeds a criterion, or the practice exceeds all of them."""
    neither = f"""clinicians AS c JOIN segments AS own USING (tin, npi)
      JOIN segments AS joint ON joint.tin = c.tin AND joint.npi IS NULL
        AND joint.segment = own.segment
      WHERE label_eligibility = 'potentially_eligible'
        AND {over("own")} = 0
        AND {over("joint")} < 3"""
    assert count(tables, neither) == 0


def test_a_practice_has_one_way_of_reporting(tables: Tables) -> None:
    by_row = tables.execute(
        """SELECT label_eligibility, bool_and(reports_as_group), bool_or(reports_as_group)
        FROM clinicians JOIN practices USING (tin) GROUP BY 1"""
    ).fetchall()
    said = {row: (always, ever) for row, always, ever in by_row}
    assert said["group_eligible"] == (True, True)
    for row in ("opted_in", "required_not_participating", "potentially_eligible",
                "below_low_volume"):  # fmt: skip
        assert said[row] == (False, False)
    # The group's segments are the sums of its members', its clinicians those of the TIN.
    assert count(tables, """
        (SELECT tin, segment, sum(allowed_charges) AS charges, sum(patients) AS patients,
          sum(services) AS services FROM segments WHERE npi IS NOT NULL GROUP BY 1, 2) AS members
        JOIN segments AS whole USING (tin, segment) WHERE whole.npi IS NULL AND (
          whole.allowed_charges <> charges OR whole.patients <> members.patients
          OR whole.services <> members.services)""") == 0  # fmt: skip
    assert count(tables, """
        (SELECT tin, count(*) AS n FROM clinicians GROUP BY 1) JOIN segments USING (tin)
        WHERE n <> eligible_clinicians""") == 0  # fmt: skip


def test_who_submits(tables: Tables) -> None:
    """Nobody who is counted as not submitting has a result, a set or an activity, alone or through
    the practice; everybody who reports alone has results."""
    silent = "('required_not_participating', 'below_low_volume', 'excluded')"
    for table in ("measure_results", "activities", "interoperability", "cost_results"):
        assert count(tables, f"""{table} JOIN clinicians USING (tin, npi)
            WHERE label_eligibility IN {silent}""") == 0  # fmt: skip
    assert count(tables, """clinicians JOIN practices USING (tin)
        WHERE NOT reports_as_group AND label_eligibility IN ('required_participating', 'opted_in')
        AND npi NOT IN (SELECT npi FROM measure_results WHERE npi IS NOT NULL)""") == 0  # fmt: skip
    assert count(tables, """practices WHERE reports_as_group AND tin NOT IN (
        SELECT tin FROM measure_results WHERE npi IS NULL AND tin IS NOT NULL)""") == 0  # fmt: skip


def test_results_are_possible(tables: Tables) -> None:
    assert count(tables, """measure_results
        WHERE reporting_rate_numerator > 100 * reporting_rate_denominator
          OR performance_rate_denominator <= 0 OR reporting_rate_denominator <= 0
          OR end_to_end_reported AND collection_type <> 'ecqm'""") == 0  # fmt: skip
    keys = "tin, npi, entity_id, measure_id, collection_type"
    assert count(tables, f"(SELECT DISTINCT {keys} FROM measure_results)") == count(
        tables, "measure_results"
    )
    assert count(tables, "interoperability_measures WHERE numerator > denominator") == 0
    assert count(tables, """activities WHERE
        clinician_share_same_period_numerator > clinician_share_numerator
        OR clinician_share_numerator > 100 * clinician_share_denominator""") == 0  # fmt: skip


def test_no_column_is_a_binary_fraction(tables: Tables, nation: tuple[Path, Made]) -> None:
    for table in nation[1].rows:
        types = {kind for _, kind, *_ in tables.execute(f"DESCRIBE {table}").fetchall()}
        assert not types & {"DOUBLE", "FLOAT"}


def test_refused(program: ir.Program, nation: tuple[Path, Made], tmp_path: Path) -> None:
    with pytest.raises(Failure, match="a nation of 30 clinicians cannot be made"):
        make_nation(program, 30, 1, tmp_path / "few")
    with pytest.raises(Failure, match="is there, and not an empty folder"):
        make_nation(program, CLINICIANS, 1, nation[0])
    (tmp_path / "file").write_text("")
    with pytest.raises(Failure, match="cannot be written"):
        make_nation(program, CLINICIANS, 1, tmp_path / "file" / "nation")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
