"""`finalrule show` from the outside, on small policies; expected texts were written by hand."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Run = Callable[..., Result]
Edit = Callable[[str, str, str], None]


def shown(run: Run, *words: str) -> str:
    result = run("show", *words)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def data(run: Run, *words: str) -> list[dict[str, Any]]:
    read = json.loads(shown(run, *words, "--format", "json"))
    assert (read["format"], read["policy"]) == ("show.v1", "2020-final")
    found: list[dict[str, Any]] = read["found"]
    return found


def dedented(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


def test_a_parameter(run: Run) -> None:
    assert shown(run, "2020-final", "multiplier") == dedented(
        """
        multiplier: parameter, policy 2020-final
          value     2 (ratio)
          citation  42 CFR 414.1380(c)(3)(iv)
          place     policies/2020/final.yaml:28
          note      amended by 85 FR 85031
          type      ratio[0..10]
          declared  policies/rules/mips/small.rules:11
          read by   final
        """
    )
    assert "  carried   from 2019-final\n" in shown(run, "2020-final", "low_volume.patients")
    assert "not in force" in shown(run, "2019-final", "minimum_days")
    assert "no rule in force" in shown(run, "2019-final", "minimum_days")
    (parameter,) = data(run, "2020-final", "params.multiplier")
    assert (parameter["value"], parameter["unit"], parameter["read_by"]) == (
        "2",
        "ratio",
        ["final"],
    )


def test_a_name_that_is_two_things(run: Run, edit: Edit) -> None:
    edit("rules/mips/small.rules", "deciles points for", "deciles shares for")
    found = data(run, "2020-final", "shares")
    assert [each["kind"] for each in found] == ["rounding", "rule"]


def test_a_rule_with_the_values_of_its_figures(run: Run) -> None:
    assert shown(run, "2020-final", "final") == dedented(
        """
        final: rule of unit, in force, policy 2020-final
          title     Final score
          citation  42 CFR 414.1380(c)
          place     policies/rules/mips/small.rules:124

        rule final for unit: points[0..100]
          title "Final score"
          cites "42 CFR 414.1380(c)"
          prints final_score
          let credited = score * params.multiplier + if_in_force(study, else 0 points)  -- 2 (ratio)
          clause open: round(min(100 points, credited), final_score) when params.open  -- yes
          clause closed: params.threshold otherwise  -- 45 points

        Figures
          multiplier  2 (ratio)  42 CFR 414.1380(c)(3)(iv)  policies/2020/final.yaml:28
          open        yes        42 CFR 414.1380(c)         policies/2020/final.yaml:50
          threshold   45 points  42 CFR 414.1405(b)(7)      policies/2020/final.yaml:24

        Reads
          facts     unit.score
          rounding  final_score
        Read by
          factor
        """
    )


def test_the_clauses_are_as_in_force(run: Run) -> None:
    """`if_in_force(study, else 0 points)` is the study's outcome in 2019, 0 points in 2020."""
    (rule,) = data(run, "2020-final", "final")
    assert rule["reads"] == {
        "fact": ["unit.score"],
        "parameter": ["multiplier", "open", "threshold"],
        "rounding": ["final_score"],
    }
    assert [(c["name"], c["gives"], c["decided"], c["when"]) for c in rule["clauses"]] == [
        ("open", "round(min(100 points, credited), final_score)", "when", "params.open"),
        ("closed", "params.threshold", "otherwise", ""),
    ]
    before = json.loads(shown(run, "2019-final", "final", "--format", "json"))["found"][0]
    assert before["reads"]["rule"] == ["study"]


def test_the_variants_of_a_rule(run: Run) -> None:
    variants = dedented(
        """
        Variants
          one_clinician   2019-final    HPA-2019 III.K.3.c(3)(a)
          half            2020-final    42 CFR 414.1360(a)(2)
          all_clinicians  in no policy
        """
    )
    in_2020 = shown(run, "2020-final", "group_requirement")
    assert in_2020.endswith(variants)
    assert "clause long: yes when length >= params.minimum_days  -- 90 days\n" in in_2020
    assert "clause done: yes always\n" in shown(run, "2019-final", "group_requirement")


def test_a_rule_that_is_not_in_force(run: Run) -> None:
    assert shown(run, "2020-final", "study") == dedented(
        """
        study: rule of unit, not in force, policy 2020-final
          citation  HPA-2019 III.K.3.c(3)(d)
          place     policies/2020/final.yaml:74

        Variants
          in force      2019-final
          not in force  2020-final  HPA-2019 III.K.3.c(3)(d)
        """
    )


def test_a_policy_that_cannot_be_read_does_not_hinder_another(run: Run, edit: Edit) -> None:
    edit("2019/final.yaml", "payment_year: 2021", "payment_year: 2020")
    assert "one_clinician   in no policy" in shown(run, "2020-final", "group_requirement")


def test_a_table_and_one_of_its_rows(run: Run) -> None:
    table = shown(run, "2020-final", "weights")
    assert "  check quality + cost == 100%\n" in table
    assert table.endswith(
        dedented(
            """
            weights: table, policy 2020-final
              citation  42 CFR 414.1380(c)(2)
              place     policies/2020/final.yaml:60

                          quality_  cost_
              row         scored    scored      quality  cost
              both        yes       yes     ->  85%      15%
              no_cost     yes       no      ->  100%     0%
              no_quality  no        yes     ->  0%       100%

              used by  weights
            """
        )
    )
    assert shown(run, "2020-final", "bonus.few") == dedented(
        """
        bonus: table, policy 2020-final
          citation  42 CFR 414.1380(c)(3)
          place     policies/2020/final.yaml:66

          row  patients      points    citation
          few  <= 15     ->  6 points  HPA-2019 Table 47

          used by  bonus
        """
    )
    assert shown(run, "2020-final", "bonus.few.points") == shown(run, "2020-final", "bonus.few")


def test_a_table_that_is_too_wide_for_lines(run: Run, edit: Edit, root: Path) -> None:
    long = "a_row_whose_name_tells_in_many_words_when_it_holds_and_for_whom_it_was_made"
    text = (root / "2020" / "final.yaml").read_text()
    (root / "2020" / "final.yaml").write_text(text.replace("      both:", f"      {long}:"))
    lines = shown(run, "2020-final", "weights").splitlines()
    at = lines.index(f"  {long}")
    assert lines[at + 1 : at + 4] == [
        "    given  quality_scored yes, cost_scored yes",
        "    gives  quality 85%, cost 15%",
        "    cited  42 CFR 414.1380(c)(2)",
    ]


def test_a_catalogue_and_one_of_its_records(run: Run) -> None:
    catalogue = shown(run, "2020-final", "benchmark")
    assert catalogue.startswith("benchmark: catalogue of 3 records, policy 2020-final\n")
    assert "  not read  source\n" in catalogue
    assert (
        "  d1 to d10       deciles: decile bounds, worst to best; inverse by inverse\n" in catalogue
    )
    record = shown(run, "2020-final", "benchmark.236")
    assert "  weight   7\n" in record
    assert "  d1       (empty)\n" in record
    assert record.endswith("  place     policies/measures/2020/benchmarks.csv:3\n")


def test_facts(run: Run, edit: Edit) -> None:
    edit("rules/mips/small.rules", "fact unit.small: yes_no\n  required",
         "fact unit.unread: yes_no\n  required\nfact unit.small: yes_no\n  required")  # fmt: skip
    whole = shown(run, "2020-final", "facts")
    assert whole == dedented(
        """
        program
          The nation
          factor  ratio[0..3]  may be unknown; assumed 0.005
              What positive adjustments are multiplied by

        unit of program
          One unit
          charges   usd[0..1000000000]  required
              Allowed charges
          patients  count[0..1000000]   required
          score     points[0..100]      required
          group     yes_no              absent means no
          small     yes_no              required
          place     code                may be unknown
          begin     date                required
          length    days[0..366]        required

        result of unit
          A measure's result
          measure   code             key
          rate      rate[0..100]     required
          reported  percent[0..100]  required

        Declared, but read by no rule in force
          unit.unread
        """
    )
    assert shown(run, "facts", "--policy", "2020-final") == whole
    # What 2019's variant does not read, 2019 does not need.
    assert "unit.length" in shown(run, "2019-final", "facts").split("read by no rule")[1]
    (facts,) = data(run, "2020-final", "facts")
    group = next(fact for fact in facts["entities"][1]["facts"] if fact["name"] == "group")
    assert (group["presence"], group["default"], group["cites"]) == (
        "absent_means",
        "no",
        ["42 CFR 414.1305"],
    )
    assert group["read_by"] == ["weights"]


def test_keys_are_needed_though_no_rule_reads_them(run: Run, root: Path) -> None:
    path = root / "rules" / "mips" / "small.rules"
    path.write_text(
        path.read_text()
        + """
entity visit of unit
  key name: code
fact visit.done: yes_no
  required
rule any_visit for unit: yes_no
  cites "42 CFR 414.1305"
  clause done: any(visit where done) always
"""
    )
    assert shown(run, "2020-final", "visit").endswith(
        "  name  code    key\n  done  yes_no  required\n"
    )


def test_one_fact_and_one_entity(run: Run) -> None:
    assert shown(run, "2020-final", "unit.group") == dedented(
        """
        unit.group: fact, policy 2020-final
          type      yes_no
          presence  absent means no
          citation  42 CFR 414.1305
          declared  policies/rules/mips/small.rules:36
          read by   weights
        """
    )
    assert shown(run, "2020-final", "result").startswith("result of unit\n  A measure's result\n")


def test_the_policy(run: Run) -> None:
    policy = shown(run, "2020-final")
    assert policy.startswith(
        "2020-final: A small policy of 2020\n  years      performance 2020, payment 2022\n"
    )
    assert (
        "\n42 CFR 414.1405\n  threshold  45 points  42 CFR 414.1405(b)(7)\n\nRounding\n" in policy
    )
    assert "  study              not in force  HPA-2019 III.K.3.c(3)(d)\n" in policy
    assert "  program.factor  0.005 (ratio)  HPA-2019 Figure 1, unverified\n" in policy
    (whole,) = data(run, "2020-final")
    listed = [each["name"] for part in whole["parameters"] for each in part["parameters"]]
    assert len(listed) == len(set(listed)) == 10
    # 10 rules are declared (group_requirement in three blocks); study is not in force in 2020
    assert whole["rules_in_force"] == 9


def test_lines_have_at_most_100_columns(run: Run) -> None:
    for words in (["2020-final"], ["2020-final", "facts"], ["2020-final", "weights"]):
        assert max(map(len, shown(run, *words).splitlines())) <= 100


def test_without_a_policy(run: Run) -> None:
    assert shown(run) == "2019-final\n2020-final\n"
    assert json.loads(shown(run, "--format", "json"))["policies"] == ["2019-final", "2020-final"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["2020-final", "mutliplier"], "did you mean `multiplier`?"),
        (["2020-final", "benchmark.23"], "did you mean `benchmark.236`?"),
        (["2020-final", "unit.grop"], "did you mean `unit.group`?"),
        (["2020-final", "bonus.fw"], "did you mean `bonus.few`?"),
        (["2020-final", "zzz"], "`finalrule show 2020-final` lists what the policy states"),
        (["2020-fnal"], "did you mean `2020-final`?"),
        (["facts"], "`facts` of which policy?"),
        ([""], "of which policy?"),
        (["2020-final", ""], "has nothing named ``"),
        (["2020-final", "facts", "more"], "too many words: more"),
        (["2020-final", "facts", "--policy", "2020-final"], "too many words: facts"),
    ],
)
def test_what_is_not_there(run: Run, words: list[str], said: str) -> None:
    result = run("show", *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""
