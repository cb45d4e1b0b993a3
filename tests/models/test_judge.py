"""CMS's models, and arrangements made up to try the standards, come out as their sources say."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from finalrule.cli.main import main
from finalrule.load import load_evaluator
from finalrule.models.judge import Judged, differences, judge
from finalrule.models.read import read_models
from finalrule.places import policies_root

MODELS = policies_root() / "models"


@cache
def judged(name: str, policy: str) -> Sequence[Judged]:
    return judge(read_models(MODELS / f"{name}.yaml", policies_root()), load_evaluator(policy))


def by_name(name: str, policy: str) -> dict[str, Judged]:
    return {one.model.key.text: one for one in judged(name, policy)}


@pytest.mark.parametrize(
    ("name", "policy"),
    [("2017", "2017-proposed"), ("2017", "2017-final"), ("2020", "2020-proposed")],
)
def test_nothing_is_other_than_cms_found(name: str, policy: str) -> None:
    found = [said for one in judged(name, policy) for said in one.found]
    assert found
    assert all(said.agrees is not False for said in found)
    open_ = [one for one in judged(name, policy) for said in one.found if said.agrees is None]
    assert all(one.kinds["advanced_apm"].needs or one.kinds["mips_apm"].needs for one in open_)


def test_what_the_sources_suffice_for() -> None:
    """NAACOS-2016 and OIG-2016 on ACOs. Of one-sided arrangements it is enough that they owe
    nothing, and are no medical homes."""
    came_out = {
        (one.model.key.text, said.kind)
        for one in judged("2017", "2017-final")
        for said in one.found
        if said.agrees
    }
    acos = ("mssp_track_1", "mssp_track_2", "mssp_track_3", "next_generation")
    one_sided = ("cec_one_sided", "ocm_one_sided")
    assert came_out == {
        *((aco, kind) for aco in acos for kind in ("advanced_apm", "mips_apm")),
        *((model, "advanced_apm") for model in one_sided),
    }


def test_list_of_2017() -> None:
    """APM-2016 names six for the proposed rule; NAACOS-2016 adds the other two-sided ESRD model."""

    def listed(policy: str) -> set[str]:
        return {
            one.model.key.text
            for one in judged("2017", policy)
            for said in one.found
            if said.kind == "advanced_apm" and said.value
        }

    proposed = {
        "cec_ldo", "cpc_plus", "mssp_track_2", "mssp_track_3", "next_generation", "ocm_two_sided",
    }  # fmt: skip
    assert listed("2017-proposed") == proposed
    assert listed("2017-final") == proposed | {"cec_non_ldo_two_sided"}


def test_lists_of_2020() -> None:
    """HPA-2019: 11 Advanced APMs and 10 MIPS APMs. Shared Savings has three tracks on the first,
    Maryland two programs; the tracks of one model count as one on the second."""
    found = by_name("2020", "2020-proposed")
    listed = {
        kind: {
            name
            for name, one in found.items()
            if any(said.kind == kind and said.value for said in one.found)
        }
        for kind in ("advanced_apm", "mips_apm")
    }
    tracks = {
        "mssp_basic_level_e", "mssp_enhanced", "mssp_track_1", "mssp_basic_lower_levels",
        "ocm_one_sided", "cec_one_sided", "maryland_care_redesign",
    }  # fmt: skip
    assert len(listed["advanced_apm"] - tracks) == 11
    assert len(listed["mips_apm"] - tracks) == 10


def test_what_the_final_rule_changed() -> None:
    """Each arrangement that differs, and by how much it missed the standard proposed: 30 % less
    29.99 %, 4.01 % less 4 %, 4 % less what is at risk."""
    found = differences(
        judged("2017-designs", "2017-proposed"), judged("2017-designs", "2017-final")
    )
    shown = {
        one.model.key.text: (
            one.a.rule,
            one.a.value,
            one.b.value,
            [(miss.rule, miss.by) for each in one.a.walk() for miss in each.misses],
        )
        for one in found
    }
    total = "expenditures_shortfall"
    assert shown == {
        "marginal_risk_below":
            ("advanced_apm", False, True, [("marginal_risk_shortfall", "0.01%")]),
        "loss_rate_above":
            ("advanced_apm", False, True, [("minimum_loss_rate_excess", "0.01%")]),
        "total_risk_below": ("advanced_apm", False, True, [(total, "0.01%")]),
        "final_limit": ("advanced_apm", False, True, [(total, "1%")]),
        "revenue_limit": ("advanced_apm", False, True, [(total, "2%")]),
        "track_1_plus_benchmark": ("advanced_apm", False, True, [(total, "1%")]),
        "track_1_plus_revenue": ("advanced_apm", None, True, []),
        "medical_home_51": ("advanced_apm", False, True, []),
    }  # fmt: skip


def test_both_limits_of_the_final_rule_are_missed() -> None:
    risk = by_name("2017-designs", "2017-final")["below_final_limits"].kinds["advanced_apm"]
    misses = [(miss.rule, miss.by) for one in risk.walk() for miss in one.misses]
    assert misses == [("expenditures_shortfall", "0.01%"), ("revenue_shortfall", "0.01%")]


def test_why_and_under_which_paragraph() -> None:
    track = by_name("2017", "2017-final")["mssp_track_1"].kinds["advanced_apm"]
    deepest = [one for one in track.walk() if one.value is False][-1]
    assert deepest.rule == "financial_risk_standard"
    assert deepest.cites == ("42 CFR 414.1415(c)(1)",)
    assert "neither payment nor rates" in deepest.because


def test_missing_facts_are_named() -> None:
    advanced = by_name("2017", "2017-proposed")["next_generation"].kinds["advanced_apm"]
    assert advanced.value is None
    assert advanced.needs == ("marginal_risk_rate", "minimum_loss_rate")


FILE = """about: A model that somebody is planning
policies: [2017-final]
models:
  - model: planned
    name: Three percent
    facts:
      - cite: 42 CFR 414.1415
        given: {authority: none_of_these, total_risk_of_expenditures: 3%}
    found:
      - {policies: [2017-final], advanced_apm: yes, cite: 42 CFR 414.1415}
"""


def run(path: Path, text: str, *options: str) -> tuple[int, str]:
    path.write_text(text)
    done = CliRunner().invoke(main, ["models", str(path), "--policy", "2017-final", *options])
    return done.exit_code, done.output


def test_what_differs_from_cms_is_an_exit_code(tmp_path: Path) -> None:
    code, output = run(tmp_path / "planned.yaml", FILE)
    assert code == 1
    assert "Advanced APM yes: DIFFERS" in output
    code, output = run(tmp_path / "planned.yaml", FILE.replace("advanced_apm: yes", "mips_apm: no"))
    assert code == 0


def test_json_has_every_criterion(tmp_path: Path) -> None:
    _, output = run(tmp_path / "planned.yaml", FILE, "--format", "json")
    data = msgspec.json.decode(output)
    assert (data["format"], data["policies"]) == ("models.v1", ["2017-final"])
    (model,) = data["models"]
    assert model["found"] == [
        {"outcome": "advanced_apm", "value": "yes", "cite": "42 CFR 414.1415", "agrees": False}
    ]
    assert [one["rule"] for one in model["advanced_apm"]["rests_on"]] == [
        "is_apm", "cehrt_criterion", "quality_criterion", "outcome_measure_criterion",
        "financial_risk_criterion",
    ]  # fmt: skip
    assert model["is_apm"]["value"] == "no"
    assert model["facts"][1] == {
        "fact": "total_risk_of_expenditures", "value": "3%", "cite": "42 CFR 414.1415",
        "unverified": False, "note": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (("total_risk_of_expenditures: 3%", "total_risk: 3%"), "scenario-fact"),
        (("total_risk_of_expenditures: 3%", "total_risk_of_expenditures: 300%"), "scenario-value"),
        (("cite: 42 CFR 414.1415\n", "cite: NAACOS-2015 page 3\n"), "unknown-source"),
        (("policies: [2017-final], adv", "policies: [2017-finale], adv"), "unknown-policy"),
        (("advanced_apm: yes", "advanced_apm: maybe"), "not-one-of"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, wrong: tuple[str, str], code: str) -> None:
    assert wrong[0] in FILE
    exit_code, output = run(tmp_path / "planned.yaml", FILE.replace(*wrong, 1))
    assert exit_code == 2
    assert f"error[{code}]" in output
    assert "planned.yaml:" in output


def test_unverified_facts_are_shown(tmp_path: Path) -> None:
    text = FILE.replace("        given:", "        unverified: true\n        given:", 1)
    _, output = run(tmp_path / "planned.yaml", text)
    assert "Facts that are unverified" in output
    assert (
        "planned: authority none_of_these (42 CFR 414.1415), total_risk_of_expenditures 3%"
        in output
    )
