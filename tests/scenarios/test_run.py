"""Scenarios against the small policy: what passes, and what is said of what does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from finalrule.cli.test import test as command
from finalrule.diagnostics import Failure
from finalrule.scenarios.run import Result, run_scenario
from finalrule.scenarios.suite import Suite, load_suite

Suites = Callable[[str], Suite]
Write = Callable[[str], Path]

# 91 > 90 and 201 > 200: both are over.
BOTH = """
  - name: both over
    given: {unit: {kind: group, charges: $91, patients: 201}}
    expect: {volume: {value: included, clause: both}, factor: 25.5%}
"""
WRONG = """
  - name: one over, and two mistakes about it
    given: {unit: {kind: group, charges: $91, patients: 200}}
    expect:
      volume: {value: included, clause: both}
      factor: 50%
"""


@pytest.fixture
def run(root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """The command on the policies of `root`: exit code and output."""
    monkeypatch.setattr("finalrule.cli.test.policies_root", lambda: root)

    def ran(*args: str) -> tuple[int, str]:
        result = CliRunner().invoke(command, args)
        return result.exit_code, result.output

    return ran


def results(suite: Suite) -> list[Result]:
    return [run_scenario(scenario, suite.evaluators[p]) for scenario, p in suite.pairs()]


def test_pass(suite_of: Suites) -> None:
    (result,) = results(suite_of(BOTH))
    assert result.passed
    assert [str(name) for name in result.asserted] == ["volume", "factor.factor"]


def test_every_wrong_outcome(suite_of: Suites) -> None:
    (result,) = results(suite_of(WRONG))
    assert [(m.expected.outcome, m.wanted, m.got) for m in result.mismatches] == [
        ("volume", "included by clause both", "opt_in by clause one"),
        ("factor", "50%", "25.5%"),
    ]
    assert [m.expected.span.place.line for m in result.mismatches] == [7, 8]
    assert result.asserted == ()


def test_undetermined(suite_of: Suites) -> None:
    suite = suite_of("""
  - name: charges unknown, rightly left open
    given: {unit: {patients: 201}}
    expect: {volume: undetermined}
  - name: charges unknown, wrongly settled
    given: {unit: {patients: 201}}
    expect: {volume: included}
  - name: nothing unknown
    given: {unit: {patients: 201, charges: $90}}
    expect: {volume: undetermined}
""")
    found = results(suite)
    assert [result.passed for result in found] == [True, False, False]
    assert found[1].mismatches[0].got == "undetermined (needs unit.charges)"
    assert found[2].mismatches[0].got == "opt_in"


def test_records_and_assumed(suite_of: Suites) -> None:
    # Rate 25 lies halfway between 20 (decile 4) and 30: 4.5 points. What is taken as given of 2
    # outranks it, so that the best one is 2.
    (result,) = results(
        suite_of("""
  - name: two results
    given: {result: [{measure: 1, rate: 25}, {measure: 2}]}
    assume: {'points[2]': 6 points}
    expect:
      'points[1]': {value: 4.5 points, clause: decile_4}
      'counted[2]': yes
      'counted[1]': {value: no, clause: passed_over}
      total: 6 points
""")
    )
    assert result.passed


def test_parts_stand_inside_their_result(suite_of: Suites) -> None:
    (result,) = results(
        suite_of("""
  - name: two results with a part of one name
    given:
      result:
        - {measure: 1, rate: 10, part: [{name: a, share: 50%}]}
        - {measure: 2, rate: 20, part: [{name: a}]}
    expect: {'points[1]': 3 points, 'points[2]': 4 points}
""")
    )
    assert result.passed


def test_what_a_record_points_at(suite_of: Suites, root: Path) -> None:
    (root / "rules" / "holders.rules").write_text("""module mips.holders
entity holder of program
entity copy of holder refers to result
  key name: code
rule doubled for copy: points[0..20]
  cites "42 CFR 414.1380"
  clause doubled: points * 2 always
""")
    scenario = """
  - name: two copies, of which one is of a result
    given:
      copy: [{name: a, result: '2'}, {name: b}]
      result: [{measure: 1, rate: 5}, {measure: 2, rate: 25}]
    expect:
      # rate 25 lies halfway between 20 (decile 4) and 30: twice 4.5 points
      'doubled[a]': 9 points
      'doubled[b]': undetermined
"""
    (result,) = results(suite_of(scenario))
    assert result.passed, result.mismatches
    (wrong,) = results(suite_of(scenario.replace("result: '2'", "result: '3'")))
    assert wrong.failure is not None
    (found,) = wrong.failure.diagnostics
    assert (found.code, found.message) == ("missing-record", "the scenario has no result `3`")


def test_made_up_records(suite_of: Suites) -> None:
    # Measure 9 is in no benchmark but the one made up here; measure 1 gets other bounds. What one
    # scenario makes up does not reach another.
    first, second = results(
        suite_of("""
  - name: benchmarks made up
    catalogues:
      benchmark:
        - {measure: 9, inverse: yes, d1: 100, d2: 90, d3: 80, d4: 70, d5: 60, d6: 50, d7: 40,
           d8: 30, d9: 20, d10: 10}
        - {measure: 1, inverse: no, d2: 2, d3: 3, d4: 4, d5: 5, d6: 6, d7: 7, d8: 8, d9: 10,
           d10: 20}
    given: {result: [{measure: 9, rate: 95}, {measure: 1, rate: 15}]}
    expect:
      # lower is better: 95 lies halfway between 100 and 90
      'points[9]': {value: 1.5 points, clause: decile_1}
      'points[1]': {value: 9.5 points, clause: decile_9}
  - name: the year's own benchmarks
    given: {result: [{measure: 9, rate: 95}, {measure: 1, rate: 15}]}
    expect:
      'points[9]': {value: 0 points, clause: none}
      'points[1]': {value: 3.5 points, clause: decile_3}
""")
    )
    assert first.passed and second.passed


def test_failures_as_text(run: Callable[..., tuple[int, str]], write: Write) -> None:
    write(BOTH + WRONG)
    code, text = run()
    assert code == 1
    assert "FAILED policies/cases/2020/small.yaml:8: one over, and two mistakes about it" in text
    assert "policies/cases/2020/small.yaml:11:7" in text  # the first wrong outcome
    assert "policies/cases/2020/small.yaml:12:7" in text  # and the second
    # why the expected clause did not decide, and what did, on which fact and figure
    assert "clause both did not decide, because this does not hold:\n    patients_over (no)" in text
    assert "volume = opt_in   by one" in text
    assert "unit.patients = 200   policies/cases/2020/small.yaml:9:57" in text
    assert "volume.patients = 200   42 CFR 414.1305   policies/2020/final.yaml:10:3" in text
    assert text.endswith("1 scenarios passed, 1 failed\n")


def test_failures_as_data(run: Callable[..., tuple[int, str]], write: Write) -> None:
    write(BOTH + WRONG)
    code, text = run("--format", "json")
    assert code == 1
    first, second = json.loads(text)["scenarios"]
    assert first == {
        "file": "policies/cases/2020/small.yaml", "line": 4, "name": "both over",
        "policy": "2020-final", "passed": True,
    }  # fmt: skip
    assert second["wrong"] == [
        {"outcome": "volume", "expected": "included by clause both",
         "got": "opt_in by clause one", "line": 11},
        {"outcome": "factor", "expected": "50%", "got": "25.5%", "line": 12},
    ]  # fmt: skip
    assert second["trace"]["wanted"] == ["volume"]


def test_all_pass(run: Callable[..., tuple[int, str]], write: Write) -> None:
    write(BOTH)
    assert run() == (0, "1 scenarios passed, 0 failed\n")


def test_a_rule_that_breaks_its_promise(suite_of: Suites) -> None:
    # `total` is declared to end at 60 points; seven results of 10 points that are taken as counted
    # give 70.
    results_ = ", ".join(f"{{measure: {n}}}" for n in range(7))
    points = ", ".join(f"'points[{n}]': 10 points" for n in range(7))
    counted = ", ".join(f"'counted[{n}]': yes" for n in range(7))
    (result,) = results(
        suite_of(f"""
  - name: too many points
    given: {{result: [{results_}]}}
    assume: {{{points}, {counted}}}
    expect: {{total: 60 points}}
""")
    )
    assert not result.passed
    assert result.failure is not None
    assert "rule `total` gave 70 points, outside points[0..60]" in str(result.failure)


def test_only_the_years_folders_hold_scenarios(root: Path, write: Write) -> None:
    path = write(BOTH)
    (root / "cases" / "notes.yaml").write_text("no: scenario\n")
    assert [file.path for file in load_suite((), (), root).files] == [path]


def test_all_files_are_read_before_any_is_refused(root: Path, write: Write) -> None:
    write("  - {name: a, expect: {volume: included}, given: {}, surplus: 1}\n")
    (root / "cases" / "2020" / "other.yaml").write_text("about: nothing\n")
    with pytest.raises(Failure) as failure:
        load_suite((), (), root)
    paths = {one.labels[0].at.place.path for one in failure.value.diagnostics}  # type: ignore[union-attr]
    assert paths == {"policies/cases/2020/small.yaml", "policies/cases/2020/other.yaml"}
