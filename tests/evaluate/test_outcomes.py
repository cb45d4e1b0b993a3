"""Names of outcomes, and what can decide one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluate.conftest import evaluator_of
from finalrule.core import ir
from finalrule.evaluate.outcomes import OutcomeName, output_types, parse_outcome, winners
from finalrule.values import YES_NO


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("final_score", OutcomeName("final_score", ())),
        ("category_weights.quality", OutcomeName("category_weights", (), "quality")),
        ("measure_points[236,ecqm]", OutcomeName("measure_points", ("236", "ecqm"))),
        ("measure_points[ 236, ecqm ]", OutcomeName("measure_points", ("236", "ecqm"))),
        ("weights.share[a]", OutcomeName("weights", ("a",), "share")),
        ("weights[a].share", OutcomeName("weights", ("a",), "share")),
        (" final_score ", OutcomeName("final_score", ())),
    ],
)
def test_names_are_read(text: str, name: OutcomeName) -> None:
    assert parse_outcome(text) == name


@pytest.mark.parametrize(
    "text",
    ["", "Final", "1st", "a b", "a[", "a]", "a.b.c", "a.b[c].d", "a[b][c]", "a.", ".a", "a[b]c"],
)
def test_what_is_no_name(text: str) -> None:
    assert parse_outcome(text) is None


NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
KEYS = st.lists(st.from_regex(r"[A-Za-z0-9_-]{1,8}", fullmatch=True), max_size=3)


@given(NAMES, KEYS, st.one_of(st.just(""), NAMES))
def test_what_is_written_is_read_back(rule: str, keys: list[str], output: str) -> None:
    name = OutcomeName(rule, tuple(keys), output)
    assert parse_outcome(str(name)) == name


@pytest.mark.parametrize("policy", ["2019-final", "2020-proposed", "2020-final"])
def test_what_can_decide(policy: str) -> None:
    rules = evaluator_of(policy).rules
    assert set(output_types(rules["category_weights"])) == {"quality", "cost", "ia", "pi"}
    assert output_types(rules["counted_measure"]) == {"": YES_NO}
    assert winners(rules["category_weights"])[-1] == "outside"
    assert winners(rules["decile_points"])[0] == "decile_1"
    assert winners(rules["decile_points"])[9:] == ("decile_10", "below", "none")
    for rule in rules.values():
        names = winners(rule)
        assert names and len(set(names)) == len(names), rule.name
        if isinstance(rule, ir.Table):
            assert ("outside" in names) == (rule.where is not None)
