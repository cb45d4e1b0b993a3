"""`--set`: what is changed, what is remembered, what is refused."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from finalrule.diagnostics import Failure
from finalrule.policy.digest import policy_digest
from finalrule.policy.model import Policy
from finalrule.policy.resolve import load_policy
from finalrule.policy.settings import apply_settings


@pytest.fixture
def policy(policies: Path) -> Policy:
    return load_policy(policies / "2020" / "final.yaml", policies)


def test_without_settings_the_policy_stays_itself(policy: Policy) -> None:
    assert apply_settings(policy, []) is policy


def test_a_parameter_is_changed_and_the_change_remembered(policy: Policy) -> None:
    changed = apply_settings(policy, ["performance_threshold=60"])
    assert changed.parameters["performance_threshold"].value == Fraction(60)
    assert changed.parameters["performance_threshold"].cite.text == (
        "--set performance_threshold=60 (2020-final: 45 points, 42 CFR 414.1405(b)(7))"
    )
    assert (changed.id, changed.base) == ("2020-final+set", "2020-final")
    (change,) = changed.changes
    assert (change.name, change.was, change.text) == ("performance_threshold", "45 points", "60")
    assert policy.parameters["performance_threshold"].value == Fraction(45)  # the base as it was


def test_a_cell_is_changed_and_its_row_cites_the_setting(policy: Policy) -> None:
    changed = apply_settings(
        policy, ["category_weights.all_four.quality=40%", "category_weights.all_four.cost=20%"]
    )
    row = changed.tables["category_weights"].rows["all_four"]
    assert {name: cell.text for name, cell in row.cells.items()} == {
        "quality_scored": "yes", "cost_scored": "yes", "quality": "40%", "cost": "20%",
    }  # fmt: skip
    assert [change.was for change in changed.changes] == ["45%", "15%"]
    assert row.cite.text == (
        "--set category_weights.all_four.cost=20% (was 15%),"
        " --set category_weights.all_four.quality=40%"
        " (2020-final: 45%, 42 CFR 414.1380(c)(2)(ii)(D))"
    )
    base = policy.tables["category_weights"].rows
    assert changed.tables["category_weights"].rows["no_cost"] == base["no_cost"]
    assert base["all_four"].cells["quality"].text == "45%"


@pytest.mark.parametrize(
    "setting",
    [
        "performance_threshold=60 was 45",
        "performance_threshold = 60 points was 45.0 points",
        "applicable_percent=7% was 9",
        "mvp.points=10 was not_in_force",
        "low_volume.patients=not_in_force was 200",
        "hospital_based.places_of_service=[19, 23] was 21, 022, 19",
        "web_interface.name=another name was CMS Web Interface",
        "category_weights.no_cost.quality=55% was 60%",
    ],
)
def test_was_holds_when_the_base_says_so_however_it_is_written(
    policy: Policy, setting: str
) -> None:
    assert len(apply_settings(policy, [setting]).changes) == 1


def test_codes_are_set_as_a_list(policy: Policy) -> None:
    for text in ("[19, 23]", "19,23"):
        changed = apply_settings(policy, [f"hospital_based.places_of_service={text}"])
        figure = changed.parameters["hospital_based.places_of_service"]
        assert (figure.value, figure.text) == (frozenset({"19", "23"}), "19, 23")


def test_settings_on_top_of_settings(policy: Policy) -> None:
    once = apply_settings(policy, ["performance_threshold=60"])
    twice = apply_settings(once, ["applicable_percent=7%"])
    assert (twice.id, twice.base) == ("2020-final+set", "2020-final")
    assert [change.name for change in twice.changes] == [
        "performance_threshold",
        "applicable_percent",
    ]


def test_a_scenario_has_a_digest_of_its_own(policy: Policy) -> None:
    digests = {
        policy_digest(apply_settings(policy, settings))
        for settings in ([], ["performance_threshold=60"], ["performance_threshold=61"])
    }
    assert len(digests) == 3


REFUSED = {
    "unreadable-setting": ["performance_threshold", "=60", "performance_threshold="],
    "unknown-setting": [
        "performance_treshold=60", "category_weights.no_cost.qualty=60%", "nothing.like.this=1",
    ],
    "set-twice": ["performance_threshold=60", "performance_threshold=61"],
    "base-was-not": [
        "performance_threshold=60 was 30", "category_weights.no_cost.quality=55% was 50%",
    ],
    "setting-value": [
        "applicable_percent=7 points", "low_volume.patients=many",
        "performance_threshold=60 was $3", "hospital_based.places_of_service=19,,21",
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_settings(policy: Policy, name: str) -> None:
    with pytest.raises(Failure) as failure:
        apply_settings(policy, REFUSED[name])
    expected = Path(__file__).parent / "bad" / f"{name}.txt"
    assert f"{failure.value}\n" == expected.read_text(encoding="utf-8")
