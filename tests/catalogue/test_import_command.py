"""`finalrule import-measures` from the outside."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from finalrule.catalogue.layout import LAYOUTS
from finalrule.cli.import_measures import import_measures

Tables = dict[str, list[dict[str, str]]]


@pytest.fixture
def run(
    tmp_path: Path,
    small_tables: Callable[[], Tables],
    write_export: Callable[[Path, Tables], None],
    header_text: str,
) -> Callable[..., Result]:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "header.yaml").write_text(header_text)

    def invoke(*options: str, **benchmark: str) -> Result:
        tables = small_tables()
        tables["benchmarks.csv"][1].update(benchmark)
        write_export(tmp_path / "export", tables)
        out = str(tmp_path / "out")
        arguments = [str(tmp_path / "export"), "--year", "2020", "--out", out, *options]
        return CliRunner().invoke(import_measures, arguments)

    return invoke


def test_shows_writes_and_is_then_up_to_date(run: Callable[..., Result], tmp_path: Path) -> None:
    shown = run()
    assert shown.exit_code == 0
    assert "benchmarks.csv: 5 rows, 5 added, 0 removed, 0 cells changed" in shown.output
    assert "Not written (add --write)" in shown.output
    assert not (tmp_path / "out" / "benchmarks.csv").exists()

    written = run("--write")
    assert written.exit_code == 0
    assert "Written: quality_measures.csv" in written.output

    again = run("--write")
    assert again.exit_code == 0
    assert again.output.endswith("The files are up to date.\n")


def test_a_changed_bound_is_shown_as_one_cell(run: Callable[..., Result]) -> None:
    run("--write")
    shown = run(d3="1.89")
    assert "  ~ 226, mips_cqm: d3 1.88 -> 1.89" in shown.output
    assert shown.output.count("~") == 1


def test_errors_go_to_standard_error_and_nothing_is_written(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    result = run("--write", d3="x", d4="101")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "`x` is no decimal number" in result.stderr
    assert "101 is out of range" in result.stderr
    assert "nothing was written" in result.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["header.yaml"]


def test_json(run: Callable[..., Result]) -> None:
    found = json.loads(run("--write", "--format", "json").stdout)
    assert [file["file"] for file in found["files"]] == list(LAYOUTS)
    assert found["written"] == [*LAYOUTS, "header.yaml"]
    errors = json.loads(run("--format", "json", d3="x").stdout)["errors"]
    (label, *_) = errors[0]["labels"]
    assert (label["line"], label["underlined"]) == (3, "x")


def test_a_year_without_a_known_format_is_refused() -> None:
    result = CliRunner().invoke(import_measures, [".", "--year", "2023"])
    assert result.exit_code == 2
    assert "2019" in result.stderr
