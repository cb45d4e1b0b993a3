"""The digest: the same however a file is written, another as soon as it says something else."""

from __future__ import annotations

import copy
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from finalrule.policy.digest import policy_digest
from finalrule.policy.positioned import load, read_source
from finalrule.policy.resolve import load_policy
from finalrule.policy.tree import plain

GOOD = Path(__file__).parent / "good" / "policies"
BASE: dict[str, Any] = plain(load(read_source(GOOD / "2020" / "final.yaml"), None))

Digest = Callable[[str], str]


@pytest.fixture(scope="module")
def digest_of(tmp_path_factory: pytest.TempPathFactory) -> Digest:
    """The digest of a year file with this text."""
    root = tmp_path_factory.mktemp("digest") / "policies"
    shutil.copytree(GOOD, root)
    file = root / "2020" / "final.yaml"

    def digest(text: str) -> str:
        file.write_text(text, encoding="utf-8")
        return policy_digest(load_policy(file, root))

    return digest


@pytest.fixture(scope="module")
def base(digest_of: Digest) -> str:
    return digest_of((GOOD / "2020" / "final.yaml").read_text(encoding="utf-8"))


def shuffled(data: Any, order: random.Random) -> Any:
    if not isinstance(data, dict):
        return data
    items = [(key, shuffled(value, order)) for key, value in data.items()]
    order.shuffle(items)
    return dict(items)


@given(
    st.randoms(use_true_random=False),
    st.sampled_from([None, True, False]),
    st.sampled_from([None, "'", '"', "|", ">"]),
    st.integers(2, 9),
    st.sampled_from([20, 80, 10_000]),
)
def test_order_indentation_and_quoting_change_nothing(
    digest_of: Digest,
    base: str,
    order: random.Random,
    flow: bool | None,
    style: str | None,
    indent: int,
    width: int,
) -> None:
    text = yaml.safe_dump(
        shuffled(BASE, order),
        default_flow_style=flow,
        default_style=style,
        indent=indent,
        width=width,
        sort_keys=False,
    )
    assert digest_of(text) == base


# What a file says, changed: a path to a key, and its new value.
CHANGES: dict[str, str | list[str]] = {
    "published date": "2019-11-16",
    "published cite": "84 FR 63195",
    "parameters low_volume.allowed_charges value": "$90,000.01",
    "parameters low_volume.patients value": "201",
    "parameters low_volume.patients unit": "ratio",
    "parameters applicable_percent value": "9.000001%",
    "parameters applicable_percent cite": "42 CFR 414.1405(c)(1)",
    "parameters applicable_percent unverified": "true",
    "parameters performance_threshold value": "not_in_force",
    "parameters performance_period.pi_days value": "91",
    "parameters complex_patient.multiplier value": "2.05",
    "parameters web_interface.rate value": "62.51",
    "parameters hospital_based.places_of_service value": ["19", "21", "22"],
    "parameters determination_period.first.from value": "2018-10-02",
    "parameters web_interface.open value": "yes",
    "parameters web_interface.name value": "cms web interface",
    "parameters mvp.points value": "to_be_announced",
    "parameters mvp.points cite": "84 FR 62569",
    "rounding final_score places": "1",
    "rounding final_score mode": "half_even",
    "rounding final_score unit": "percent",
    "rounding final_score cite": "HPA-2019",
    "tables category_weights cite": "42 CFR 414.1380(c)(2)(ii)(E)",
    "tables category_weights rows all_four quality": "46%",
    "tables category_weights rows all_four cost_scored": "no",
    "tables category_weights rows all_four cite": "HPA-2019 Table 47",
    "tables category_weights rows no_cost cite": "HPA-2019 Table 48",
    "tables category_weights rows all_four unverified": "true",
    "rules ia_group_requirement variant": "half_in_the_same_90_days",
    "rules ia_group_requirement cite": "42 CFR 414.1360(a)(1)",
    "catalogues benchmark cite": "CMS-MEASURES benchmarks/2019.json",
    "catalogues benchmark path": "sources.yaml",
}


def changed(path: str, value: str | list[str]) -> str:
    data = copy.deepcopy(BASE)
    *above, last = path.split(" ")
    block = data
    for key in above:
        block = block[key]
    assert block.get(last) != value
    block[last] = value
    return yaml.safe_dump(data, sort_keys=False)


def test_every_change_of_what_is_said_gives_another_digest(digest_of: Digest, base: str) -> None:
    digests = {path: digest_of(changed(path, value)) for path, value in CHANGES.items()}
    assert len({base, *digests.values()}) == len(CHANGES) + 1


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("title", "another title"),
        ("published title", "another title"),
        ("parameters low_volume.patients note", "another note"),
        ("parameters low_volume.allowed_charges carried_from", "2020-proposed"),
        ("parameters low_volume.allowed_charges value", "90000.00"),
        ("parameters applicable_percent value", "9.0"),
        ("parameters performance_threshold value", "45"),
        ("parameters hospital_based.places_of_service value", ["022", "21", "19"]),
        ("rules mvp_scoring note", "a note"),
        ("assumed program.scaling_factor value", "0.3"),
        ("assumed program.scaling_factor cite", "HPA-2019"),
    ],
)
def test_what_is_not_part_of_the_policy_changes_nothing(
    digest_of: Digest, base: str, path: str, value: str | list[str]
) -> None:
    assert digest_of(changed(path, value)) == base


@given(st.decimals(0, 100, places=4), st.decimals(0, 100, places=4))
def test_two_figures_have_one_digest_exactly_when_they_are_equal(
    digest_of: Digest, first: object, second: object
) -> None:
    path = "parameters performance_threshold value"
    one, two = (digest_of(changed(path, f"{each} points")) for each in (first, second))
    assert (one == two) == (first == second)


@pytest.mark.parametrize(
    ("table", "name"),
    [("parameters", "mvp.points"), ("rounding", "final_score"), ("rules", "mvp_scoring")],
)
def test_a_block_left_out_gives_another_digest(
    digest_of: Digest, base: str, table: str, name: str
) -> None:
    data = copy.deepcopy(BASE)
    del data[table][name]
    assert digest_of(yaml.safe_dump(data)) != base


def test_a_catalogue_counts_by_its_content(tmp_path: Path) -> None:
    root = tmp_path / "policies"
    shutil.copytree(GOOD, root)
    before = policy_digest(load_policy(root / "2020" / "final.yaml", root))
    with (root / "measures" / "2020" / "benchmarks.csv").open("a") as file:
        file.write("\n")
    assert policy_digest(load_policy(root / "2020" / "final.yaml", root)) != before
