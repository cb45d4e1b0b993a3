"""`finalrule compare` from the outside."""

from __future__ import annotations

import json
from collections.abc import Callable

from click.testing import Result

Run = Callable[..., Result]
Edit = Callable[[str, str, str], None]


def test_differences_end_with_1(run: Run) -> None:
    result = run("compare", "2019-final", "2020-final")
    assert result.exit_code == 1
    assert "  threshold\n    2019-final  30 points  42 CFR 414.1405(b)(6)" in result.stdout
    assert result.stdout.rstrip().endswith("2 the same but cited otherwise.")
    assert result.stderr == ""


def test_no_difference_ends_with_0(run: Run) -> None:
    result = run("compare", "2020-final", "2020-final")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.endswith("No difference.\n")


def test_a_part_without_differences_ends_with_0(run: Run) -> None:
    result = run(
        "compare", "2019-final", "2020-final", "--part", "42 CFR 414.1305 (low-volume threshold)"
    )
    assert result.exit_code == 0
    assert "low_volume.patients" in result.stdout
    assert "threshold\n    2019" not in result.stdout


def test_trouble_ends_with_2(run: Run, edit: Edit) -> None:
    unknown = run("compare", "2019-final", "2020-finale")
    assert unknown.exit_code == 2
    assert "there is no policy `2020-finale`" in unknown.stderr
    assert "did you mean `2020-final`?" in unknown.stderr
    part = run("compare", "2019-final", "2020-final", "--part", "42 CFR 414.1400")
    assert part.exit_code == 2
    assert "error[unknown-part]" in part.stderr
    edit("2019/final.yaml", "quality: 85%", "quality: 80%")
    edit("2020/final.yaml", "value: 70%", "value: 170%")
    broken = run("compare", "2019-final", "2020-final")
    assert (broken.exit_code, broken.stdout) == (2, "")
    assert "error[table-check]" in broken.stderr
    assert "error[out-of-bounds]" in broken.stderr


def test_json_and_markdown(run: Run) -> None:
    result = run(
        "compare", "2019-final", "2020-final", "--format", "json", "--part", "42 CFR 414.1405"
    )
    assert result.exit_code == 1
    data = json.loads(result.stdout)
    assert (data["format"], data["part"]) == ("compare.v1", "42 CFR 414.1405")
    assert [each["name"] for each in data["differences"]] == ["threshold", "program.factor"]
    assert data["differences"][0]["b"] == {
        "text": "45 points",
        "value": "45",
        "cite": "42 CFR 414.1405(b)(7)",
        "place": "policies/2020/final.yaml:24",
        "unverified": False,
        "note": "",
    }
    shown = run("compare", "2019-final", "2020-final", "--format", "markdown").stdout
    assert "## 42 CFR 414.1405\n\n| Name | 2019-final | 2020-final |\n|---|---|---|\n" in shown


def test_catalogues_lists_all_records(run: Run, edit: Edit) -> None:
    """Ten bounds of two measures halved: 1 + 1 + 3 + 18 differences are over the limit of 20."""
    edit("measures/2020/benchmarks.csv", "10,20,30,40,50,60,70,80,95", "5,10,15,20,25,30,35,40,45")
    edit("measures/2020/benchmarks.csv", "90,80,70,60,50,40,30,20,10", "45,40,35,30,25,20,15,10,5")
    short = run("compare", "2019-final", "2020-final").stdout
    assert "benchmark.001" not in short
    assert "22 in columns that rules" not in short
    assert "    --catalogues lists them\n" in short
    long = run("compare", "2019-final", "2020-final", "--catalogues").stdout
    assert "    ~  benchmark.001.d2      90 -> 45" in long


def test_help_tells_examples_and_exit_codes(run: Run) -> None:
    shown = run("compare", "--help").stdout
    assert "finalrule compare 2020-proposed 2020-final" in shown
    assert "  2  a policy does not compile" in shown
