"""`finalrule benchmarks` from the outside, on tables of one practice after another."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from finalrule.cli.main import main

Run = Callable[..., Result]
NPIS = ["1000000004", "1000000012", "1000000020"]
COLUMNS = [
    "tin", "npi", "measure_id", "collection_type", "performance_start", "performance_end",
    "has_performance_rate", "performance_rate", "has_reporting_rate", "reporting_rate",
    "case_count",
]  # fmt: skip


def write(path: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def row(
    tin: str, rate: object, npi: str = "", way: str = "ecqm", measure: str = "112"
) -> list[object]:
    return [
        tin, npi, measure, way, "2020-01-01", "2020-12-31", "yes", rate, "yes", 100, 20,
    ]  # fmt: skip


def tin(number: int) -> str:
    return f"{number:09d}"


@pytest.fixture
def facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twenty practices that report measure 112 with rates of 40 to 59 percent."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "tables"
    folder.mkdir()
    write(folder / "practices.csv", ["tin"], [[tin(each)] for each in range(1, 21)])
    write(folder / "clinicians.csv", ["tin", "npi"], [[tin(1), npi] for npi in NPIS])
    write(
        folder / "measure_results.csv",
        COLUMNS,
        [row(tin(each), 39 + each) for each in range(1, 21)],
    )
    return folder


@pytest.fixture
def run(facts: Path) -> Run:
    def invoke(*arguments: str) -> Result:
        always = ["benchmarks", "--policy", "2020-final", "--facts", "tables", "--out", "out.csv"]
        result = CliRunner().invoke(main, [*always, *arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return invoke


def test_written(run: Run) -> None:
    result = run()
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[:3] == [
        "2020-final: benchmarks from the results of 2020",
        "  results            20: 20 count",
        "  benchmarks         1",
    ]
    # ranks 2, 4, ... 18 of 40 to 59
    assert Path("out.csv").read_text(encoding="utf-8").splitlines()[1:] == [
        "112,ecqm,2020,single_performance_rate,no,no,no,,41,43,45,47,49,51,53,55,57"
    ]
    assert sorted(path.name for path in Path().iterdir()) == ["out.csv", "tables"]


def test_individuals_count_beside_groups(run: Run, facts: Path) -> None:
    # Three clinicians of the first practice, each with a better rate than any group: 23 rates.
    with (facts / "measure_results.csv").open("a", encoding="utf-8") as file:
        for place, npi in enumerate(NPIS):
            file.write(",".join(str(cell) for cell in row(tin(1), 90 + place, npi)) + "\n")
    data = json.loads(run("--format", "json").stdout)
    (one,) = data["benchmarks"]
    # rank 20.7 -> 21 of 23 is the worst of the three
    assert (one["reporters"], one["bounds"]["d10"]) == (23, "90")
    assert len(data["facts_digest"]) == 64


def test_against_its_own_output(run: Run) -> None:
    run()
    result = run("--compare", "out.csv")
    assert result.exit_code == 0
    assert result.stdout.endswith("Against out.csv, 1 benchmarks\n  no difference\n")


def test_the_year_before(run: Run) -> None:
    run()
    result = run("--previous", "out.csv")
    assert result.exit_code == 2
    assert "error[benchmarks-not-earlier]" in result.stderr
    text = Path("out.csv").read_text(encoding="utf-8").replace("2020", "2019")
    Path("before.csv").write_text(text, encoding="utf-8")
    assert run("--previous", "before.csv").exit_code == 0


def test_undetermined_ends_with_3(run: Run, facts: Path) -> None:
    # Whether the practices are small is not known, so claims measures may or may not count.
    with (facts / "measure_results.csv").open("a", encoding="utf-8") as file:
        file.write(",".join(str(cell) for cell in row(tin(1), 50, way="part_b_claims")) + "\n")
    result = run()
    assert result.exit_code == 3
    assert "warning[benchmarks-undetermined]: whether 1 result counts is" in result.stderr
    assert "1 of 112 part_b_claims" in result.stderr
    assert Path("out.csv").exists()


def test_rows_that_are_not_taken_are_kept_beside(run: Run, facts: Path) -> None:
    # 1 of 120 is no rate; more than a hundredth would be refused.
    rows = [
        row(tin(each), 39 + each, way=way, measure=measure)
        for measure in ("112", "134", "110")
        for way in ("ecqm", "mips_cqm")
        for each in range(1, 21)
    ]
    rows[0][7] = "much"
    write(facts / "measure_results.csv", COLUMNS, rows)
    result = run()
    assert result.exit_code == 0
    assert "1 value_form (out.csv.work/facts/rejected.parquet)" in result.stderr
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT reason, value FROM 'out.csv.work/facts/rejected.parquet'"
        ).fetchall()
    assert found == [("value_form", "much")]
    assert [path.name for path in Path("out.csv.work").rglob("*")] == ["facts", "rejected.parquet"]


def test_wrong_tables_write_nothing(run: Run, facts: Path) -> None:
    (facts / "practices.csv").unlink()
    result = run()
    assert (result.exit_code, result.stdout) == (2, "")
    assert "practices" in result.stderr
    assert sorted(path.name for path in Path().iterdir()) == ["tables"]
