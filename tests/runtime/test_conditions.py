"""Conditions as boxes against what expressions mean, over every value that facts may have."""

from __future__ import annotations

import datetime
from fractions import Fraction
from functools import cache
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finalrule.core import ir
from finalrule.core.expressions import Context, Frame, Unknown, prepare
from finalrule.runtime.boxes import Alternatives
from finalrule.runtime.coding import Coding, OutsideSubset, coding_of
from finalrule.runtime.conditions import Conditions
from finalrule.values import CODE, YES_NO, Code, Codes, Date, Enumeration, Number, Value
from runtime.small import program_of

RULES = """
module mips.logic
entity unit
  describe "A unit"
fact unit.a: yes_no
  may be unknown
  describe "A"
fact unit.b: yes_no
  may be unknown
  describe "B"
fact unit.kind: one of {red, green, blue}
  may be unknown
  describe "Kind"
fact unit.size: count[0..10]
  may be unknown
  describe "Size"
rule dummy for unit: yes_no
  cites "42 CFR 414.1305"
  clause one: yes when a
  clause other: no when not a
"""

VALUES: dict[str, tuple[Value | None, ...]] = {
    "a": (None, False, True),
    "b": (None, False, True),
    "kind": (None, "red", "green", "blue"),
    "size": (None, *(Fraction(n) for n in (0, 3, 4, 5, 10))),
}

A, B = ir.Fact("unit", "a"), ir.Fact("unit", "b")
KIND, SIZE = ir.Fact("unit", "kind"), ir.Fact("unit", "size")


@cache
def program() -> ir.Program:
    with TemporaryDirectory() as folder:
        return program_of(Path(folder), RULES)


def leaves() -> st.SearchStrategy[ir.Expr]:
    members = st.sets(st.sampled_from(("red", "green", "blue"))).map(
        lambda chosen: ir.In(KIND, ir.CodeSet(tuple(sorted(chosen))))
    )
    numbers = st.builds(
        lambda op, limit, turned: ir.Compare(op, *((limit, SIZE) if turned else (SIZE, limit))),
        st.sampled_from(("<", "<=", ">", ">=", "==", "!=")),
        st.sampled_from(("-1", "0", "7/2", "4", "10", "11")).map(
            lambda text: ir.Num(Fraction(text), "count")
        ),
        st.booleans(),
    )
    flags = st.sampled_from((A, B, ir.Bool(True), ir.Bool(False)))
    equal = st.sampled_from((ir.Compare("==", A, ir.Bool(True)), ir.Compare("!=", A, B)))
    return st.one_of(flags, members, numbers, equal)


def logic(items: st.SearchStrategy[ir.Expr]) -> st.SearchStrategy[ir.Expr]:
    some = st.lists(items, min_size=1, max_size=3).map(tuple)
    named = st.builds(ir.Logic, st.sampled_from(("all", "any", "none")), some)
    counted = st.builds(
        lambda parts, least: ir.Logic("at_least", parts, min(least, len(parts))),
        some, st.integers(1, 3),
    )  # fmt: skip
    return st.one_of(named, counted, some.map(ir.FirstKnown))


def holds(condition: Alternatives, numbers: dict[str, int]) -> bool:
    return any(
        all(any(low <= numbers[name] <= high for low, high in found) for name, found in box.items())
        for box in condition
    )


@settings(max_examples=150, deadline=None)
@given(st.recursive(leaves(), logic, max_leaves=6))
def test_surely_true_and_surely_false_are_what_the_expression_means(expr: ir.Expr) -> None:
    conditions = Conditions(program())
    conditions.begin(program().rules[0])
    true, false = conditions.surely(expr), conditions.surely_not(expr)
    inputs = {**conditions.used(true), **conditions.used(false)}
    meaning = prepare(expr, Context({}, {}))
    coders = {name: one.coding.coder() for name, one in inputs.items()}
    readers = {name: prepare(one.source, Context({}, {})) for name, one in inputs.items()}
    for values in product(*VALUES.values()):
        facts = {
            name: value for name, value in zip(VALUES, values, strict=True) if value is not None
        }
        frame = Frame("unit", (), facts, None)
        numbers = {name: coders[name](read(frame)) for name, read in readers.items()}
        expected = meaning(frame)
        assert holds(true, numbers) == (expected is True), facts
        assert holds(false, numbers) == (expected is False), facts


def test_only_what_needs_two_facts_is_computed_before() -> None:
    conditions = Conditions(program())
    conditions.begin(program().rules[0])
    red = ir.In(KIND, ir.CodeSet(("red",)))
    one = conditions.used(conditions.surely(ir.Logic("all", (A, red))))
    assert {name: source.before for name, source in one.items()} == {
        "unit__a": False,
        "unit__kind": False,
    }
    (two,) = conditions.used(conditions.surely(ir.Compare("!=", A, B))).values()
    assert two.before


# --- numbers -----------------------------------------------------------------------------------


def test_amounts_are_cents_percents_are_in_their_smallest_unit() -> None:
    usd = coding_of(Number("usd", Fraction(0), Fraction(1000), 2))
    assert usd.coder()(Fraction("90.01")) == 9001
    # 45.5 % with one decimal place is 455 of a thousand.
    percent = coding_of(Number("percent", Fraction(0), Fraction(1), 1))
    assert percent.coder()(Fraction("0.455")) == 455
    assert (percent.low, percent.high) == (-1, 1000)


def test_what_is_unknown_has_a_number_of_its_own() -> None:
    nothing = Unknown(frozenset())
    for type_ in (
        YES_NO, CODE, Date(), Enumeration(("x", "y")), Number("days", Fraction(-5), Fraction(5), 0)
    ):  # fmt: skip
        coding = coding_of(type_)
        assert coding.coder()(nothing) == coding.low
        assert coding.text(coding.low) == "not known"


def test_values_have_numbers_and_numbers_say_their_values() -> None:
    kinds = coding_of(Enumeration(("red", "green")))
    assert [kinds.coder()(kind) for kind in ("red", "green")] == [1, 2]
    assert kinds.text(2) == "green"
    assert coding_of(YES_NO).coder()(True) == 2 and coding_of(YES_NO).text(1) == "no"
    day = datetime.date(2020, 1, 1)
    assert coding_of(Date()).text(coding_of(Date()).coder()(day)) == "2020-01-01"
    codes = coding_of(Code(), ("001", "236"))
    assert [codes.coder()(code) for code in ("001", "236", "1")] == [1, 2, 3]
    assert codes.text(3) == "another code"


@pytest.mark.parametrize(
    ("coding", "value"),
    [
        (coding_of(Number("usd", Fraction(0), Fraction(1000), 2)), Fraction("0.005")),
        (coding_of(Number("usd", Fraction(0), Fraction(1000), 2)), Fraction(-1)),
        (coding_of(Enumeration(("red", "green"))), "blue"),
    ],
)
def test_a_value_outside_the_type_is_refused(coding: Coding, value: Value) -> None:
    with pytest.raises(ValueError, match="is not of"):
        coding.coder()(value)


def test_numbers_beyond_two_to_the_53_are_refused() -> None:
    # 2**53 is 9,007,199,254,740,992: 90 trillion dollars in cents just fit, 91 do not.
    assert coding_of(Number("usd", Fraction(0), Fraction(90 * 10**12), 2)).high == 9 * 10**15
    for type_ in (
        Number("usd", Fraction(0), Fraction(91 * 10**12), 2),
        Number("ratio", Fraction(0), Fraction(1), 16),
        Number("ratio", Fraction(0), Fraction(1), None),
        Codes(),
    ):
        with pytest.raises(OutsideSubset):
            coding_of(type_)
