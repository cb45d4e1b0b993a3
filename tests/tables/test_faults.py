"""Files that are refused as a whole: one error each, all of a directory at once."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from finalrule.diagnostics import Diagnostic
from finalrule.tables.read import read_tables
from tables.conftest import NPIS, Tables

PRACTICE = "SELECT '123456789' AS tin"
CLINICIAN = f"SELECT '123456789' AS tin, '{NPIS[0]}' AS npi"


def said(findings: list[Diagnostic]) -> list[tuple[str, str]]:
    return [(finding.code, finding.message) for finding in findings]


def test_no_directory(tables: Tables) -> None:
    tables.directory.rmdir()
    assert said(tables.failure()) == [
        ("tables-not-found", "the directory of fact tables is not there")
    ]


def test_a_file_for_a_directory(tables: Tables) -> None:
    tables.directory.rmdir()
    tables.directory.write_text("tin")
    assert said(tables.failure()) == [
        ("tables-not-found", "the directory of fact tables is no directory")
    ]


def test_an_empty_directory(tables: Tables) -> None:
    assert [code for code, _ in said(tables.failure())] == ["table-missing", "table-missing"]


def test_a_misspelt_table_is_not_passed_over(two_practices: Tables) -> None:
    two_practices.write(measure_result="tin\n123456789")
    (finding,) = two_practices.failure()
    assert (finding.code, finding.help) == ("table-unknown", "did you mean `measure_results`?")


def test_a_misspelt_directory_of_parts(two_practices: Tables) -> None:
    two_practices.parquet("activites/part-0", PRACTICE)
    (finding,) = two_practices.failure()
    assert (finding.code, finding.help) == ("table-unknown", "did you mean `activities`?")


def test_other_files_are_nobodys_business(two_practices: Tables) -> None:
    (two_practices.directory / "README.md").write_text("from whom")
    (two_practices.directory / "notes").mkdir()
    (two_practices.directory / "_SUCCESS.csv").write_text("")
    assert two_practices.read().rows == {"practices": 2, "clinicians": 3}


def test_a_table_twice(two_practices: Tables) -> None:
    two_practices.parquet("clinicians", CLINICIAN)
    assert said(two_practices.failure()) == [
        ("table-twice", "the table `clinicians` is there twice")
    ]


def test_columns_of_every_table_are_reported_at_once(tables: Tables) -> None:
    tables.write(
        practices="tin | reports_as_grup\n123456789 | yes",
        clinicians="tin\n123456789",
        activities="tin|activity_id|completed|performance_start\n123456789|IA_AHE_1|yes|2020-01-01",
    )
    findings = tables.failure()
    assert said(findings) == [
        ("column-unknown", "the table `practices` has no column `reports_as_grup`"),
        ("column-missing", "the table `clinicians` lacks the column `npi`"),
        ("column-missing", "the table `activities` lacks the column `performance_end`"),
    ]
    assert findings[0].help == "did you mean `reports_as_group`?"


def test_a_label_is_of_units_only(two_practices: Tables) -> None:
    two_practices.write(segments="tin | segment | label_x\n123456789 | first | a")
    assert [code for code, _ in said(two_practices.failure())] == ["column-unknown"]


@pytest.mark.parametrize(
    ("column", "wanted"),
    [
        ("123456789 AS tin", "`tin` of `practices` is INTEGER, not text (UTF8)"),
        ("'x'::BLOB AS tin", "`tin` of `practices` is BLOB, not text (UTF8)"),
        ("'123456789' AS tin, 'yes' AS quality_given",
         "`quality_given` of `practices` is VARCHAR, not BOOLEAN"),
        ("'123456789' AS tin, '90' AS given_quality_score",
         "`given_quality_score` of `practices` is VARCHAR, not an integer, DECIMAL or DOUBLE"),
        ("'123456789' AS tin, 90::FLOAT AS given_quality_score",
         "`given_quality_score` of `practices` is FLOAT, not an integer, DECIMAL or DOUBLE"),
        ("'123456789' AS tin, TIMESTAMP '2020-01-01' AS joined_practice_on",
         "`joined_practice_on` of `practices` is TIMESTAMP, not DATE"),
        ("'123456789' AS tin, 1 AS opt_in_election",
         "`opt_in_election` of `practices` is INTEGER, not text (UTF8)"),
        ("'123456789' AS tin, true AS performance_year",
         "`performance_year` of `practices` is BOOLEAN, not an integer, DECIMAL or DOUBLE"),
    ],
)  # fmt: skip
def test_the_type_of_a_column(tables: Tables, column: str, wanted: str) -> None:
    tables.parquet("practices", f"SELECT {column}").parquet("clinicians", CLINICIAN)
    assert said(tables.failure()) == [("column-type", wanted)]


def test_a_column_without_any_value_has_no_type(tables: Tables) -> None:
    tables.parquet("practices", f"{PRACTICE}, NULL AS quality_given, NULL::INTEGER AS small_flag")
    assert [code for code, _ in said(tables.parquet("clinicians", CLINICIAN).failure())] == [
        "column-unknown"
    ]
    tables.parquet("practices", f"{PRACTICE}, NULL::INTEGER AS quality_given").read()
    assert tables.rows("scoring_unit", "quality_given") == [(False,), (False,)]


@pytest.mark.parametrize("keep", [0, 3, 0.5, -4])
def test_a_parquet_file_cut_short(two_practices: Tables, keep: float) -> None:
    two_practices.parquet("activities", PRACTICE)
    path = two_practices.directory / "activities.parquet"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep) if 0 < keep < 1 else int(keep)])
    (finding,) = two_practices.failure()
    assert (finding.code, finding.message) == (
        "table-unreadable", "this is not a whole Parquet file"
    )  # fmt: skip
    assert str(finding.labels[0].at) == str(path)


def test_damage_within_a_parquet_file(tables: Tables) -> None:
    """Every twentieth byte in turn is overwritten: the file is read as something, or refused, but
    nothing else happens, and no damaged text is shown."""
    tin = "lpad(CAST(i AS VARCHAR), 9, '1') AS tin"
    many = f"SELECT {tin}, i % 2 = 0 AS quality_given FROM range(300) t(i)"
    tables.parquet("practices", many).parquet(
        "clinicians", f"SELECT tin, '{NPIS[0]}' AS npi FROM ({many})"
    )
    path = tables.directory / "practices.parquet"
    data = path.read_bytes()
    refused = 0
    for at in range(4, len(data) - 8, 20):
        path.write_bytes(data[:at] + b"\xff\xff\xff" + data[at + 3 :])
        try:
            tables.read()
        except Exception as error:
            findings = getattr(error, "diagnostics", None)
            assert findings is not None, (at, error)
            refused += 1
            for finding in findings:
                assert "1111" not in finding.message
    assert refused > 3


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("tin,npi\n123456789,1234567893,x\n", "2"),
        (f"tin,npi\n123456789,{NPIS[0]}\n123456789\n", "3"),
        ('tin,npi\n123456789,"1234567893\n', "2"),
    ],
)
def test_a_csv_file_that_is_no_table(two_practices: Tables, text: str, line: str) -> None:
    (two_practices.directory / "clinicians.csv").write_text(text)
    (finding,) = two_practices.failure()
    assert (finding.code, finding.message) == (
        "table-unreadable", "the file is no table of 2 columns as CSV"
    )  # fmt: skip
    assert str(finding.labels[0].at).endswith(f"clinicians.csv#/{line}")
    assert "1234" not in finding.render().replace(str(two_practices.directory), "")


def test_a_csv_file_in_another_encoding(two_practices: Tables) -> None:
    (two_practices.directory / "clinicians.csv").write_bytes(b"tin,npi\n123456789,\xff\n")
    assert [code for code, _ in said(two_practices.failure())] == ["table-unreadable"]


@pytest.mark.parametrize("text", ["", "\n", "tin,,npi\n", b"\xff\xfe"])
def test_a_csv_file_without_names(two_practices: Tables, text: str | bytes) -> None:
    data = text if isinstance(text, bytes) else text.encode()
    (two_practices.directory / "clinicians.csv").write_bytes(data)
    assert said(two_practices.failure()) == [
        ("table-unreadable", "the file does not begin with the names of its columns")
    ]


def test_a_name_twice(two_practices: Tables) -> None:
    two_practices.write(clinicians=f"tin | npi | tin\n123456789 | {NPIS[0]} | 123456789")
    assert said(two_practices.failure()) == [("column-twice", "two columns have the name `tin`")]


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_what_other_programs_write_as_csv(tables: Tables, ends: str, mark: str) -> None:
    tables.write(practices="tin\n123456789")
    text = f'{mark}npi,"tin"{ends}"{NPIS[0]}", 123456789 {ends}'
    (tables.directory / "clinicians.csv").write_text(text, "utf-8", newline="")
    assert tables.read().counts["tin_npi"] == 1


def test_a_number_in_two_ways(two_practices: Tables) -> None:
    two_practices.write(
        practices="tin | medical_home_site_share | medical_home_site_share_numerator "
        "| medical_home_site_share_denominator\n123456789 | 50 | 100 | 2"
    )
    (finding,) = two_practices.failure()
    assert finding.code == "column-twice"


def test_a_numerator_without_a_column_for_its_denominator(two_practices: Tables) -> None:
    two_practices.write(practices="tin | medical_home_site_share_numerator\n123456789 | 100")
    assert said(two_practices.failure()) == [
        ("column-missing", "`medical_home_site_share_numerator` is there without "
         "`medical_home_site_share_denominator`")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("years", "message"),
    [
        ("2019", "`practices` has 2 rows of performance year 2019; the policy is of 2020"),
        ("CASE tin WHEN '123456789' THEN 2020 END",
         "`practices` has 1 row without the performance year 2020; the policy is of 2020"),
        ("CAST(2021 AS DOUBLE)",
         "`practices` has 2 rows of performance year 2021; the policy is of 2020"),
    ],
)  # fmt: skip
def test_another_year(two_practices: Tables, years: str, message: str) -> None:
    (two_practices.directory / "practices.csv").unlink()
    tins = "(VALUES ('123456789'), ('987654321')) v(tin)"
    two_practices.parquet("practices", f"SELECT tin, {years} AS performance_year FROM {tins}")
    assert said(two_practices.failure()) == [("table-year", message)]


def test_the_policys_year(two_practices: Tables) -> None:
    two_practices.write(practices="tin | performance_year\n123456789 | 2020\n987654321 | 2020")
    assert two_practices.read().rejected == {}


def test_a_required_table_without_rows(two_practices: Tables) -> None:
    two_practices.write(clinicians="tin | npi")
    assert said(two_practices.failure()) == [("table-empty", "the table `clinicians` has no rows")]


def test_an_optional_table_without_rows_is_a_note(two_practices: Tables) -> None:
    two_practices.parquet("activities", f"{PRACTICE}, '' AS activity_id, true AS completed, "
                          "DATE '2020-01-01' AS performance_start, "
                          "DATE '2020-01-01' AS performance_end LIMIT 0")  # fmt: skip
    read = two_practices.read()
    assert [note.message for note in read.notes] == ["the table `activities` has no rows"]
    assert "activities" in read.absent


def test_parts_that_differ(two_practices: Tables) -> None:
    two_practices.parquet("segments/a", f"{PRACTICE}, 'first' AS segment")
    two_practices.parquet("segments/b", f"{PRACTICE}, 'first' AS segment, 5 AS patients")
    assert said(two_practices.failure()) == [
        ("table-parts-differ", "the files of `segments` differ in `patients`")
    ]


def test_no_error_quotes_a_path_of_the_engine(two_practices: Tables) -> None:
    """DuckDB's own words are not passed on."""
    path = two_practices.directory / "activities.parquet"
    path.write_bytes(b"PAR1" + b"\0" * 64 + b"PAR1")
    with pytest.raises(duckdb.Error) as raised:
        duckdb.connect().execute(f"SELECT * FROM '{Path(path)}'").fetchall()
    (finding,) = two_practices.failure()
    assert str(raised.value)[:40] not in finding.render()


def test_a_file_that_is_gone(two_practices: Tables) -> None:
    (two_practices.directory / "activities.parquet").symlink_to("nowhere")
    assert said(two_practices.failure()) == [
        ("cannot-read-file", "the file cannot be read: No such file or directory")
    ]


def test_parts_may_have_their_columns_in_any_order(two_practices: Tables) -> None:
    two_practices.parquet("segments/a", f"{PRACTICE}, 'first' AS segment, 5 AS patients")
    other = "SELECT 6 AS patients, 'first' AS segment, '987654321' AS tin"
    two_practices.parquet("segments/b", other)
    two_practices.read()
    assert two_practices.rows("segment", "scoring_unit_id, patients") == [(0, 5), (2, 6)]


def test_a_fact_that_the_program_does_not_have(two_practices: Tables) -> None:
    with pytest.raises(ValueError, match="`program` has no fact whole"):
        read_tables(
            two_practices.program, two_practices.directory, two_practices.work, threads=1,
            memory="1GB", program_facts={"whole": True},
        )  # fmt: skip
    read_tables(
        two_practices.program, two_practices.directory, two_practices.work, threads=1,
        memory="1GB", program_facts={"whole_population": True},
    )  # fmt: skip
    assert two_practices.rows("program", "whole_population") == [(True,)]
