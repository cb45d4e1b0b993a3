"""Which determinations become rulesets, in which order, and what is refused with which reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from finalrule.runtime.compile import Rulesets, compile_rulesets
from finalrule.runtime.reachable import unreachable
from finalrule.runtime.ruleset import PHASE, RECORD, Comparison, EngineRule
from runtime.small import ELIGIBILITY, FIGURES, program_of


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Rulesets:
    return compile_rulesets(program_of(tmp_path_factory.mktemp("small"), ELIGIBILITY, FIGURES))


def rules_of(compiled: Rulesets, determination: str) -> list[EngineRule]:
    return [
        rule
        for ruleset in compiled.rulesets
        for rule in ruleset.rules
        if rule.determination == determination
    ]


def test_rulesets_stand_behind_what_they_need(compiled: Rulesets) -> None:
    # The unit needs its segments and clinicians; `counts` of a clinician needs the unit's status.
    # `enough`, `volume_status` and `status` are one ruleset, `status` a step behind the others.
    assert [(one.entity, one.determinations, one.phases) for one in compiled.rulesets] == [
        ("segment", ("segment_volume",), 1),
        ("clinician", ("is_new",), 1),
        ("unit", ("enough", "volume_status", "status"), 2),
        ("clinician", ("counts",), 1),
    ]
    assert compiled.refused == ()


def test_a_clause_is_tests_of_facts_against_figures(compiled: Rulesets) -> None:
    # Over $90,000 in cents is from 9,000,001 on, over 200 patients from 201 on.
    (both,) = [rule for rule in rules_of(compiled, "segment_volume") if rule.clause == "both"]
    (pattern,) = both.patterns
    assert pattern.type == RECORD
    assert set(pattern.tests) == {
        Comparison("segment__charges", ">=", 9_000_001),
        Comparison("segment__patients", ">=", 201),
    }


def test_negation_is_only_behind_a_phase(compiled: Rulesets) -> None:
    for ruleset in compiled.rulesets:
        for rule in ruleset.rules:
            negated = [pattern for pattern in rule.patterns if pattern.negated]
            assert bool(negated) == (rule.clause == "") == (rule.patterns[0].type == PHASE)


def test_what_is_computed_before_is_counted(compiled: Rulesets) -> None:
    # The 15 tests: segment_volume over_charges, over_patients, their comparison; is_new first_day,
    # stated_new; enough share; volume_status below, between; status only_new, enough, in, may opt
    # in, elects; counts status, is_new. Before: the comparison of two, the share of any scale, the
    # three aggregates.
    assert (compiled.tests, compiled.tests_before) == (15, 5)
    before = {name for name, source in compiled.inputs.items() if source.before}
    assert before == {
        "segment_volume__condition_1", "enough__condition_2", "volume_status__below",
        "volume_status__between", "status__only_new",
    }  # fmt: skip


# --- refusals ------------------------------------------------------------------------------------

HEAD = """
module mips.refused
entity unit
  describe "A unit"
"""


def facts(*names: str, of: str = "yes_no") -> str:
    return "".join(
        f'fact unit.{name}: {of}\n  may be unknown\n  describe "A fact"\n' for name in names
    )


def one_rule(condition: str) -> str:
    return f"""
rule decided for unit: yes_no
  cites "42 CFR 414.1305"
  clause one: yes when {condition}
  clause other: no when not ({condition})
"""


def refusals(folder: Path, rules: str) -> list[str]:
    compiled = compile_rulesets(program_of(folder, HEAD + rules))
    assert all(diagnostic.labels for diagnostic in compiled.refused)
    return [diagnostic.message for diagnostic in compiled.refused]


def test_numbers_that_are_not_exact_are_refused(tmp_path: Path) -> None:
    # A quadrillion dollars is 10**17 cents; 2**53 is about 9 * 10**15.
    rules = facts("amount", of="usd[0..1000000000000000]") + one_rule("amount > $5")
    (message,) = refusals(tmp_path, rules)
    assert message == (
        "durable-rules does not determine `decided`: fact unit.amount: its numbers go to "
        "$1,000,000,000,000,000.00 with 2 decimal places, which is beyond 2**53 of the smallest "
        "unit"
    )


def test_conditions_of_too_many_alternatives_are_refused(tmp_path: Path) -> None:
    # At least 5 of 10 facts: 252 ways; twice that with 10 others is over 256 alternatives.
    names = [f"x{n}" for n in range(10)]
    listed = ", ".join(names)
    rules = facts(*names) + one_rule(f"at least 5 of ({listed})")
    (message,) = refusals(tmp_path, rules)
    assert "it needs" in message and "64 may match" in message
    names = [f"x{n}" for n in range(20)]
    pairs = " and ".join(f"(x{n} or x{n + 10})" for n in range(10))
    (message,) = refusals(tmp_path, facts(*names) + one_rule(pairs))
    assert message.endswith("its conditions have over 256 alternatives")


def test_what_a_refused_rule_feeds_is_still_determined(tmp_path: Path) -> None:
    rules = (
        facts("amount", of="usd[0..1000000000000000]")
        + one_rule("amount > $5")
        + """
rule follows for unit: yes_no
  cites "42 CFR 414.1305"
  clause one: yes when decided
  clause other: no when not decided
"""
    )
    compiled = compile_rulesets(program_of(tmp_path, HEAD + rules))
    assert [diagnostic.code for diagnostic in compiled.refused] == ["outside-runtime"]
    assert list(compiled.results) == ["follows"]
    assert compiled.inputs["decided"].before and not compiled.inputs["decided"].concluded


# --- reach ---------------------------------------------------------------------------------------


def test_clauses_that_cannot_win_are_known(tmp_path: Path) -> None:
    rules = (
        HEAD
        + facts("a", "b")
        + """
rule never_in_force for unit: yes_no
  cites "42 CFR 414.1305"
  clause one: yes when a
  clause other: no when not a
rule decided for unit: one of {first, second, neither}
  cites "42 CFR 414.1305"
  let special = if_in_force(never_in_force, else no)
  clause first: first when special
  clause second: second when a and not special
  clause neither: neither when not a and not special
rule points for unit: points[0..10]
  cites "42 CFR 414.1305"
  clause some: 5 points when decided is first
  clause none: 0 points otherwise
"""
    )
    figures = """parameters: {}
rules:
  never_in_force: {not_in_force: true, cite: 42 CFR 414.1305}
"""
    program = program_of(tmp_path, rules, figures)
    assert unreachable(program) == {"decided": ("first",), "points": ("some",)}


def test_a_clause_that_waits_for_a_record_that_cannot_be(tmp_path: Path) -> None:
    """No segment comes out as `second`, so that the unit's clauses for one cannot win; nor can
    what reads the unit in turn. Where a segment is unknown it is unknown whether one is `second`:
    the value that stands in for it makes `somewhere` known."""
    rules = (
        ELIGIBILITY.split("fact ")[0]
        + """
fact segment.a: yes_no
  may be unknown
  describe "A"
rule standing for segment: one of {first, second, neither}
  cites "42 CFR 414.1305"
  clause first: first when a
  clause neither: neither when not a
rule reaches for unit: one of {first, second, neither}
  cites "42 CFR 414.1305"
  let to_second = any(segment where standing is second and not a)
  let to_first = any(segment where standing is first)
  clause second: second when to_second
  clause first: first when to_first and not to_second
  clause neither: neither when none of (to_first, to_second)
rule follows for clinician: yes_no
  cites "42 CFR 414.1305"
  clause second: yes when reaches is second
  clause other: no when reaches is not second
rule somewhere for unit: yes_no
  cites "42 CFR 414.1305"
  clause known: yes when first_known(any(segment where standing is second), yes)
  clause none: no when not first_known(any(segment where standing is second), yes)
"""
    )
    program = program_of(tmp_path, rules, "parameters: {}")
    assert unreachable(program) == {"reaches": ("second",), "follows": ("second",)}
