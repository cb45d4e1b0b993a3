"""A year file resolved: what tests/policy/good/policies/2020/final.yaml says."""

from __future__ import annotations

import datetime
import hashlib
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from finalrule.diagnostics import Failure
from finalrule.policy.model import Policy
from finalrule.policy.resolve import find_policies, load_policy
from finalrule.values import Value


@pytest.fixture
def policy(policies: Path) -> Policy:
    return load_policy(policies / "2020" / "final.yaml", policies)


def test_head(policy: Policy) -> None:
    assert (policy.id, policy.base, policy.stage) == ("2020-final", "2020-final", "final")
    assert (policy.performance_year, policy.payment_year) == (2020, 2022)
    assert policy.title == "Final rule: performance year 2020"
    assert policy.tracks == ("mips",)
    assert policy.published.date == datetime.date(2019, 11, 15)
    assert policy.published.cite.text == "84 FR 63194"
    assert str(policy.span.place) == "policies/2020/final.yaml:2:9"
    assert policy.changes == ()


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("low_volume.allowed_charges", Fraction(90_000), "$90,000"),
        ("low_volume.patients", Fraction(200), "200"),
        ("applicable_percent", Fraction(9, 100), "9%"),
        ("performance_threshold", Fraction(45), "45 points"),
        ("performance_period.pi_days", Fraction(90), "90 days"),
        ("complex_patient.multiplier", Fraction(5, 2), "2.5"),
        ("web_interface.rate", Fraction(125, 2), "62.5"),
        ("hospital_based.places_of_service", frozenset({"19", "21", "022"}), "19, 21, 022"),
        ("determination_period.first.from", datetime.date(2018, 10, 1), "2018-10-01"),
        ("web_interface.open", False, "no"),
        ("web_interface.name", "CMS Web Interface", "CMS Web Interface"),
    ],
)
def test_values_have_the_type_of_their_unit(
    policy: Policy, name: str, value: Value, text: str
) -> None:
    figure = policy.parameters[name]
    assert figure.value == value
    assert type(figure.value) is type(value)
    assert (figure.name, figure.text, figure.status) == (name, text, "")


def test_what_is_not_there_is_a_word(policy: Policy) -> None:
    mvp, limit = policy.parameters["mvp.points"], policy.parameters["scaling_limit"]
    assert (mvp.value, mvp.status) == (None, "not_in_force")
    assert (limit.value, limit.status) == (None, "to_be_announced")


def test_a_figure_knows_its_places_and_what_stands_beside_it(policy: Policy) -> None:
    charges = policy.parameters["low_volume.allowed_charges"]
    assert str(charges.span.place) == "policies/2020/final.yaml:11:3"
    assert (charges.value_span.text, charges.cite_span.text) == ("$90,000", charges.cite.text)
    assert (charges.cite.work, charges.cite.path) == ("414.1305", "(low-volume threshold)(3)")
    assert (charges.carried_from, charges.unverified, charges.note) == ("2019-final", False, "")
    assert policy.parameters["complex_patient.multiplier"].unverified
    patients = policy.parameters["low_volume.patients"]
    assert patients.note == "patients of Part B, covered professional services"


def test_roundings_tables_rules_and_assumed_values(policy: Policy) -> None:
    rounding = policy.roundings["final_score"]
    assert (rounding.places, rounding.mode, rounding.unit) == (2, "half_up", "points")
    assert rounding.unverified

    table = policy.tables["category_weights"]
    assert list(table.rows) == ["all_four", "no_cost"]
    full, no_cost = table.rows["all_four"], table.rows["no_cost"]
    assert {name: cell.text for name, cell in full.cells.items()} == {
        "quality_scored": "yes", "cost_scored": "yes", "quality": "45%", "cost": "15%",
    }  # fmt: skip
    assert full.cells["quality"].span.text == "45%"
    assert (full.cite, full.unverified) == (table.cite, False)
    assert (no_cost.cite.text, no_cost.unverified) == ("HPA-2019 Table 47", True)

    group, mvp = policy.rules["ia_group_requirement"], policy.rules["mvp_scoring"]
    assert (group.variant, group.not_in_force) == ("half_in_any_90_days", False)
    assert group.variant_span.text == "half_in_any_90_days"
    assert (mvp.variant, mvp.not_in_force) == ("", True)

    assert policy.assumed["program.scaling_factor"].value == Fraction(203, 1000)


def test_a_catalogue_is_found_and_its_content_digested(policy: Policy, policies: Path) -> None:
    benchmark = policy.catalogues["benchmark"]
    content = (policies / "measures" / "2020" / "benchmarks.csv").read_bytes()
    assert benchmark.path == "measures/2020/benchmarks.csv"
    assert benchmark.file.read_bytes() == content
    assert benchmark.digest == hashlib.sha256(content).hexdigest()


def test_a_link_out_of_policies_is_refused(policies: Path) -> None:
    outside = policies.parent / "benchmarks.csv"
    inside = policies / "measures" / "2020" / "benchmarks.csv"
    inside.rename(outside)
    inside.symlink_to(outside.resolve())
    with pytest.raises(Failure, match=r"error\[catalogue-outside\]"):
        load_policy(policies / "2020" / "final.yaml", policies)


def test_policies_are_found_by_place_oldest_first_and_proposed_before_final(policies: Path) -> None:
    for name in ("2020/proposed.yaml", "2020/final@2020-04.yaml", "2019/final.yaml"):
        (policies / name).parent.mkdir(exist_ok=True)
        (policies / name).write_text("")
    (policies / "2020" / "README.md").write_text("")
    (policies / "cases" / "2020").mkdir(parents=True)
    (policies / "cases" / "2020" / "low_volume.yaml").write_text("")
    assert list(find_policies(policies).items()) == [
        ("2019-final", policies / "2019" / "final.yaml"),
        ("2020-proposed", policies / "2020" / "proposed.yaml"),
        ("2020-final", policies / "2020" / "final.yaml"),
        ("2020-final@2020-04", policies / "2020" / "final@2020-04.yaml"),
    ]


@pytest.mark.parametrize("name", ["copy.yaml", "final.yml", "final@2020-13.yaml", "Final.yaml"])
def test_a_file_that_is_named_as_no_policy_is_refused(policies: Path, name: str) -> None:
    (policies / "2020" / name).write_text("")
    with pytest.raises(Failure, match=f"policies/2020/{name} is not named as a year file is"):
        find_policies(policies)


def test_no_folder_of_policies() -> None:
    with pytest.raises(Failure, match="cannot read nowhere: No such file or directory"):
        find_policies(Path("nowhere"))


def test_a_copy_in_another_place_is_refused(policies: Path) -> None:
    (policies / "2021").mkdir()
    copy = policies / "2021" / "final.yaml"
    copy.write_bytes((policies / "2020" / "final.yaml").read_bytes())
    with pytest.raises(Failure, match="`2020-final` stands in the place of `2021-final`"):
        load_policy(copy, policies)


def test_reading_modules_does_not_import_jsonschema() -> None:
    code = "import sys, finalrule.policy.resolve; print('jsonschema' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
