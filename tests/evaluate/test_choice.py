"""Clauses: exactly one decides, or the outcome is undetermined, or the rule is wrong."""

from __future__ import annotations

from fractions import Fraction

import pytest

from evaluate.small import needs, small
from finalrule.core.expressions import Unknown
from finalrule.diagnostics import Failure, Pointer

RULES = """entity unit
fact unit.a: yes_no may be unknown
fact unit.b: yes_no may be unknown
fact unit.x: points[0..100] may be unknown
fact unit.y: points[0..100] may be unknown
fact unit.kind: one of {red, green, blue} may be unknown
rule graded for unit: one of {low, middle, high}
  cites "42 CFR 414.1305"
  let is_low = x < 10 points
  clause small: low when is_low
  clause large: high when not is_low and x >= 90 points
  clause rest: middle otherwise
rule chosen for unit: points[0..50]
  cites "42 CFR 414.1305"
  clause first: x when a
  clause second: y when not a
rule overlapping for unit: yes_no
  cites "42 CFR 414.1305"
  clause many: yes when x > 10 points
  clause more: no when x > 20 points
  clause few: no otherwise
rule gaping for unit: yes_no
  cites "42 CFR 414.1305"
  clause many: yes when x > 10 points
  clause few: no when x < 10 points
rule separate for unit: yes_no
  cites "42 CFR 414.1305"
  clause much_x: yes when x > 10 points
  clause much_y: no when y > 10 points
rule same for unit: yes_no
  cites "42 CFR 414.1305"
  clause yes_a: yes when a
  clause yes_b: yes when not a
entity part of unit
  key name: code
fact part.z: points[0..100] may be unknown
rule bounded for part: points[0..10]
  cites "42 CFR 414.1305"
  clause it: z always
"""


@pytest.mark.parametrize(
    ("x", "winner", "value"),
    [
        ("#9.99", "small", "low"),
        (10, "rest", "middle"),
        ("#89.99", "rest", "middle"),
        (90, "large", "high"),
    ],
)
def test_one_clause_decides(x: object, winner: str, value: str) -> None:
    decision = small(RULES).decision("graded", x=x)
    assert (decision.winner, decision.values[""]) == (winner, value)


def test_an_unknown_never_falls_through_to_otherwise() -> None:
    decision = small(RULES).decision("graded")
    assert decision.winner == ""
    assert needs(decision.values[""]) == {"unit.x"}


def test_the_value_may_be_unknown_though_the_clause_is_not() -> None:
    decision = small(RULES).decision("chosen", a=True, y=5)
    assert decision.winner == ""
    assert needs(decision.values[""]) == {"unit.x"}
    # What the other clause reads does not matter.
    decision = small(RULES).decision("chosen", a=False, y=5)
    assert (decision.winner, decision.values[""]) == ("second", Fraction(5))


def test_a_clause_that_surely_holds_decides() -> None:
    """Clauses exclude each other: where one holds, the others need not be known."""
    assert small(RULES).decision("separate", x=11).winner == "much_x"
    assert small(RULES).decision("separate", y=11).winner == "much_y"
    assert needs(small(RULES).value("separate", x=10)) == {"unit.y"}
    assert needs(small(RULES).value("separate")) == {"unit.x", "unit.y"}


def test_the_deciding_clause_is_part_of_the_outcome() -> None:
    # Yes either way; but which clause, and so why, is not known.
    assert isinstance(small(RULES).value("same"), Unknown)


def failure(rule: str, **facts: object) -> Failure:
    with pytest.raises(Failure) as raised:
        small(RULES).value(rule, **facts)
    return raised.value


def test_two_clauses_that_hold_are_an_error() -> None:
    assert small(RULES).value("overlapping", x=15) is True
    (found,) = failure("overlapping", x=21).diagnostics
    assert found.code == "clauses-overlap"
    assert found.message == "clauses many and more of `overlapping` hold together"
    assert isinstance(found.labels[0].at, Pointer)
    assert "small.rules:" in found.labels[0].at.path


def test_no_clause_that_holds_is_an_error() -> None:
    assert small(RULES).value("gaping", x=11) is True
    (found,) = failure("gaping", x=10).diagnostics
    assert found.code == "clauses-gap"
    assert "no clause of `gaping` holds" in found.message
    # Not while a clause may still hold.
    assert isinstance(small(RULES).value("gaping"), Unknown)


def test_bounds_hold_and_the_record_is_named() -> None:
    assert small(RULES).decisions("bounded", part=[{"name": "p1", "z": 10}, {"name": "p2"}]) == {
        "p1": ("it", Fraction(10)),
        "p2": ("", Unknown(frozenset({"part[p2].z"}))),
    }
    (found,) = failure("bounded", part=[{"name": "p1", "z": "#10.01"}]).diagnostics
    assert found.code == "outcome-out-of-bounds"
    assert found.message == "rule `bounded` gave 10.01 points, outside points[0..10]"
    assert "rule bounded[p1]" in found.render()
    (found,) = failure("bounded", part=[{"name": "1234567893", "z": 11}]).diagnostics
    assert "rule bounded[#]" in found.render()
