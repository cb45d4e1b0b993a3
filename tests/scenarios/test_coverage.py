"""Coverage of the small policy: what is asserted, what is only reached, what came nearest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from finalrule.cli.test import test as command
from finalrule.scenarios.coverage import Covered, coverage
from finalrule.scenarios.suite import Suite

Suites = Callable[[str], Suite]

# Everything of the small policy: see its rules in conftest.py. Measure 1 gives decile d at rate
# 10 * (d - 2), decile 2 at 5, and measure 3 is in no benchmark.
EVERYTHING = """
  - name: volume
    given: {unit: {charges: $91, patients: 201}}
    expect: {volume: included}
  - name: volume, one
    given: {unit: {charges: $90, patients: 201}}
    expect: {volume: {clause: one}}
  - name: volume, none
    given: {unit: {charges: $90, patients: 200}}
    expect: {volume: excluded}
  - name: factor, alone
    given: {unit: {kind: individual, patients: 16}}
    expect: {factor: 100%}
  - name: factor, small group
    given: {unit: {kind: group, patients: 15}}
    expect: {factor: 50%}
  - name: factor, large group
    given: {unit: {kind: group, patients: 16}}
    expect: {factor: 25.5%}
  - name: below
    given: {result: [{measure: 1, rate: 4}]}
    expect: {'points[1]': 0 points, 'counted[1]': no}
  - name: none
    given: {result: [{measure: 3, rate: 9}]}
    expect: {'points[3]': {clause: none}}
  - name: the better one counts
    given: {result: [{measure: 1, rate: 10}, {measure: 2, rate: 20}]}
    expect: {'counted[1]': no, 'counted[2]': yes, total: 4 points}
  - name: decile 2
    # 1/5 into it
    given: {result: [{measure: 1, rate: 6}]}
    expect: {'points[1]': {value: 2.2 points, clause: decile_2}}
  - name: between
    given:
      result: [{measure: 1, rate: 45}]
    expect: {'points[1]': 6.5 points}
  - name: low
    assume: {total: 5 points}
    expect: {adjustment: -9%}
  - name: middle
    # halfway between 5 and 10: half of -9
    assume: {total: 7.5 points}
    expect: {adjustment: -4.5%}
  - name: high
    assume: {total: 10 points}
    expect: {adjustment: {clause: high}}
"""
DECILES = "".join(
    f"""
  - name: decile {d}
    given: {{result: [{{measure: 1, rate: {10 * (d - 2)}}}]}}
    expect: {{'points[1]': {{value: {d} points, clause: decile_{d}}}}}
"""
    for d in range(3, 11)
)


def covered(suite: Suite) -> dict[tuple[str, str], Covered]:
    results = list(suite.run(suite.pairs()))
    assert [result.failure or result.mismatches for result in results if not result.passed] == []
    found = coverage(suite.evaluators["2020-final"], results)
    return {(one.rule, one.winner): one for one in found}


def test_everything(suite_of: Suites) -> None:
    found = covered(suite_of(EVERYTHING + DECILES))
    assert [key for key, one in found.items() if one.state != "asserted"] == []
    # 3 clauses, 3 rows, deciles 2 to 10 with `below` and `none` (decile 1 has no bound in any
    # benchmark), 3 of the select, 1 clause, 3 pieces
    assert len(found) == 3 + 3 + 11 + 3 + 1 + 3


def test_reached_is_not_asserted(suite_of: Suites) -> None:
    found = covered(
        suite_of("""
  - name: the sum alone
    given: {result: [{measure: 1, rate: 10}]}
    expect: {total: 3 points}
""")
    )
    one = found["points", "decile_3"]
    assert (one.state, one.outcome) == ("reached", "points[1]")
    assert one.scenario is not None and one.scenario.name == "the sum alone"
    assert found["total", "summed"].state == "asserted"


def test_what_is_taken_as_given_is_not_covered(suite_of: Suites) -> None:
    found = covered(
        suite_of("""
  - name: given, and expected
    assume: {total: 3 points}
    expect: {total: 3 points, adjustment: -9%}
""")
    )
    assert found["total", "summed"].state == "missed"
    assert found["total", "summed"].scenario is None
    assert found["adjustment", "low"].state == "asserted"


def test_undetermined_covers_nothing(suite_of: Suites) -> None:
    found = covered(
        suite_of("""
  - name: charges unknown
    given: {unit: {patients: 201}}
    expect: {volume: undetermined}
""")
    )
    assert {one.state for (rule, _), one in found.items() if rule == "volume"} == {"missed"}


def test_the_nearest_and_why(suite_of: Suites) -> None:
    found = covered(
        suite_of("""
  - name: neither over
    given: {unit: {kind: individual, charges: $90, patients: 200}}
    expect: {volume: excluded}
  - name: patients over
    given: {unit: {kind: group, charges: $90, patients: 201}}
    expect: {volume: opt_in, factor: 25.5%}
  - name: far from the middle
    assume: {total: 60 points}
    expect: {adjustment: 9%}
  - name: nearer to the middle
    assume: {total: 12 points}
    expect: {adjustment: 9/25%}
""")
    )
    # Both conditions fail in the first, one in the second; its let is shown as what it means.
    both = found["volume", "both"]
    assert both.scenario is not None and both.scenario.name == "patients over"
    assert both.why == ("charges ($90.00) > params.volume.charges ($90.00)",)
    row = found["factor", "small_group"]
    assert row.scenario is not None and row.scenario.name == "patients over"
    assert row.why == ("size is 201, not at most 15",)
    middle = found["adjustment", "middle"]
    assert middle.scenario is not None and middle.scenario.name == "nearer to the middle"
    assert middle.why == ("total (12 points) is not above 5 points up to 10 points",)


@pytest.fixture
def run(root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    monkeypatch.setattr("finalrule.cli.test.policies_root", lambda: root)

    def ran(*args: str) -> tuple[int, str]:
        result = CliRunner().invoke(command, ["--coverage", *args])
        return result.exit_code, result.output

    return ran


def test_command(run: Callable[..., tuple[int, str]], write: Callable[[str], Path]) -> None:
    write(EVERYTHING + DECILES)
    code, text = run()
    assert code == 0
    assert text.splitlines()[:2] == [
        "policy      rules  can decide  asserted  reached only  never",
        "2020-final      6          24        24             0      0",
    ]
    write(EVERYTHING.replace("$91", "$90") + DECILES.replace("decile_7", "decile_8"))
    code, text = run()
    assert code == 1
    # decile_7 is wrongly expected, so nothing asserts it; `both` is not there any more
    assert "policies/rules/small.rules:28: volume, both\n  2020-final\n    nearest: " in text
    code, text = run("--format", "json")
    assert code == 1
    found = {(one["rule"], one["decided_by"]): one for one in json.loads(text)["coverage"]}
    assert found["volume", "both"]["state"] == "missed"
    assert found["volume", "both"]["failed"] == [
        "charges ($90.00) > params.volume.charges ($90.00)"
    ]
    assert found["points", "decile_7"]["state"] == "reached"


def test_module(run: Callable[..., tuple[int, str]], write: Callable[[str], Path]) -> None:
    write(EVERYTHING)
    assert run("--module", "small")[0] == 1
    code, text = run("--module", "smal")
    assert code == 2
    assert "no rule in force stands in smal.rules" in text
