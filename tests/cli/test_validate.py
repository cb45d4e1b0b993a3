"""`finalrule validate` from the outside, on small policies and on the project's own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from finalrule.cli.main import main

Run = Callable[..., Result]
Edit = Callable[[str, str, str], None]


def findings(run: Run, *policies: str) -> list[tuple[str, str, str]]:
    """Policies, stage and code of what is found."""
    data = json.loads(run("validate", *policies, "--format", "json").stdout)
    assert data["format"] == "validate.v1"
    return [(",".join(f["policies"]), f["stage"], f["code"]) for f in data["findings"]]


def policies(run: Run) -> dict[str, dict[str, Any]]:
    data = json.loads(run("validate", "--format", "json").stdout)
    return {policy["policy"]: policy for policy in data["policies"]}


def test_the_projects_own_policies_have_no_error() -> None:
    result = CliRunner().invoke(main, ["validate"])
    assert "error[" not in result.stdout
    assert result.exit_code == 0
    last = result.stdout.rstrip().splitlines()[-3:]
    assert [line.split()[0] for line in last] == ["2019-final", "2020-proposed", "2020-final"]


def test_what_is_sound_ends_with_a_line_for_each_policy(run: Run) -> None:
    result = run("validate")
    assert (result.exit_code, result.stderr) == (0, "")
    # 10 parameters, 2 rounding rules, 5 table rows, 1 or 2 variants, 1 catalogue
    assert re.search(
        r"\n2019-final  19 figures, 1 unverified  10 rules in force  digest [0-9a-f]{12}\n"
        r"2020-final  20 figures, 1 unverified  9 rules in force   digest [0-9a-f]{12}\n$",
        result.stdout,
    )


def test_what_is_unverified_is_listed_with_its_citation_and_note(run: Run, edit: Edit) -> None:
    edit(
        "2020/final.yaml",
        "    unverified: true",
        "    unverified: true\n    note: general knowledge",
    )
    edit("2020/final.yaml", "few: {patients: <= 15, points: 6 points,",
         "few: {patients: <= 15, points: 6 points, unverified: true,")  # fmt: skip
    assert (
        "2020-final: unverified\n"
        "  places: 19, 21, 22\n"
        "      42 CFR 414.1305 (hospital-based)(2)  policies/2020/final.yaml:45\n"
        "      general knowledge\n"
        "  bonus.few: points 6 points\n"
        "      HPA-2019 Table 47                    policies/2020/final.yaml:70\n"
        "  program.factor: 0.005\n"
        "      HPA-2019 Figure 1                    policies/2020/final.yaml:81\n"
        "      assumed, outside the policy\n"
    ) in run("validate").stdout
    found = policies(run)["2020-final"]
    assert [(each["name"], each["outside"]) for each in found["unverified"]] == [
        ("places", False),
        ("bonus.few", False),
        ("program.factor", True),
    ]


def test_a_figure_that_is_not_what_it_was_carried_from(run: Run, edit: Edit) -> None:
    edit("2020/final.yaml", "value: $90,000", "value: $89,999.99")
    result = run("validate")
    assert result.exit_code == 2
    assert result.stdout.startswith(
        "2020-final: carried figures\n"
        "error[carried-value-differs]: `low_volume.charges` is carried from 2019-final,"
        " but is not what that says\n"
        "  --> policies/2020/final.yaml:11:12\n"
    )
    assert "  --> policies/2019/final.yaml:11:12\n" in result.stdout
    assert result.stdout.endswith("\n2020-final  1 error\n")
    assert "digest" in result.stdout.splitlines()[-2]


def test_the_same_amount_written_otherwise_is_carried(run: Run, edit: Edit) -> None:
    edit("2020/final.yaml", "value: $90,000", "value: $90000.00")
    assert [code for _, _, code in findings(run)] == ["unused-variant"]


@pytest.mark.parametrize("source", ["2018-final", "2020-final"])
def test_a_figure_carried_from_no_other_policy(run: Run, edit: Edit, source: str) -> None:
    edit("2020/final.yaml", "value: 70%\n", f"value: 70%\n    carried_from: {source}\n")
    assert ("2020-final", "carried figures", "carried-from-unknown") in findings(run)


def test_an_assumed_value_that_the_other_policy_does_not_have(run: Run, edit: Edit) -> None:
    edit("2020/final.yaml", "value: 0.005,", "value: 0.005, carried_from: 2019-final,")
    edit(
        "2019/final.yaml",
        "\nassumed:\n  program.factor: {value: 0.007, unit: ratio, cite: HPA-2019 Figure 1}\n",
        "",
    )
    assert ("2020-final", "carried figures", "carried-from-unknown") in findings(run)


def test_what_nothing_reads(run: Run, edit: Edit) -> None:
    """2019 has no rule that reads the days; the variant of all clinicians is in no policy."""
    edit("2019/final.yaml", "value: not_in_force", "value: 90 days")
    edit("rules/mips/small.rules", "round(reported, shares) >=", "reported >=")
    assert findings(run) == [
        ("2019-final", "use", "unread-parameter"),
        ("2019-final", "use", "unused-rounding"),
        ("2020-final", "use", "unused-rounding"),
        ("2019-final,2020-final", "use", "unused-variant"),
    ]
    assert run("validate").exit_code == 0


def test_what_no_policy_uses_is_looked_for_where_all_are_validated(run: Run) -> None:
    assert findings(run, "2020-final") == []
    assert [code for _, _, code in findings(run)] == ["unused-variant"]


def test_a_rule_that_no_policy_has_in_force(run: Run, edit: Edit) -> None:
    edit("2019/final.yaml", "rules:\n", "rules:\n  study: {not_in_force: true, cite: HPA-2019 X}\n")
    shown = run("validate").stdout
    assert "warning[unused-variant]: no policy has `study` in force\n" in shown


def test_an_error_of_the_rules_is_shown_once_for_all_policies(run: Run, edit: Edit) -> None:
    edit("rules/mips/small.rules", "params.completeness and", "params.completness and")
    assert findings(run) == [("2019-final,2020-final", "lower", "unknown-parameter")]
    assert run("validate").stdout.startswith("2019-final, 2020-final: lower\nerror[unknown-param")


def test_each_stage_shows_its_errors(run: Run, edit: Edit) -> None:
    edit("2019/final.yaml", "payment_year: 2021", "payment_year: 2022")
    edit("2020/final.yaml", "value: 70%", "value: 170%")
    assert findings(run) == [
        ("2019-final", "read", "wrong-payment-year"),
        ("2020-final", "bind", "out-of-bounds"),
    ]


def test_catalogues_are_typed(run: Run, edit: Edit) -> None:
    edit("measures/2020/benchmarks.csv", "236,no,7,", "236,maybe,7,")
    edit("measures/2019/benchmarks.csv", "001,yes", "236,yes")
    assert findings(run)[:2] == [
        ("2019-final", "catalogues", "catalogue-key"),
        ("2020-final", "catalogues", "wrong-cell"),
    ]


def test_nothing_that_was_kept_is_used(
    run: Run, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINALRULE_CACHE", str(tmp_path / "cache"))
    assert run("validate").exit_code == 0
    assert not (tmp_path / "cache").exists()
    assert run("show", "2020-final").exit_code == 0
    assert (tmp_path / "cache").exists()


def test_a_policy_that_is_not_there(run: Run) -> None:
    result = run("validate", "2020-fnal")
    assert result.exit_code == 2
    assert "did you mean `2020-final`?" in result.stderr
