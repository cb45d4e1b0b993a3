"""Boxes against plain truth: every assignment of a small domain is tried."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finalrule.runtime.boxes import (
    ALWAYS,
    NEVER,
    Alternatives,
    TooManyBoxes,
    at_least,
    both,
    either,
    intersection,
    of_codes,
    union,
    within,
)

DOMAIN = range(5)
NAMES = ("a", "b", "c")

numbers = st.sets(st.sampled_from(DOMAIN), min_size=1).map(of_codes)
boxes = st.dictionaries(st.sampled_from(NAMES), numbers)
conditions = st.lists(boxes, max_size=4).map(tuple)


def members(found: tuple[tuple[int, int], ...]) -> set[int]:
    return {number for low, high in found for number in range(low, high + 1)}


def holds(condition: Alternatives, values: Mapping[str, int]) -> bool:
    return any(
        all(values[name] in members(numbers) for name, numbers in box.items()) for box in condition
    )


def assignments() -> list[dict[str, int]]:
    return [dict(zip(NAMES, values, strict=True)) for values in product(DOMAIN, repeat=3)]


@given(st.sets(st.sampled_from(DOMAIN)), st.sets(st.sampled_from(DOMAIN)))
def test_sets_of_numbers(first: set[int], second: set[int]) -> None:
    a, b = of_codes(first), of_codes(second)
    assert members(a) == first
    assert members(union(a, b)) == first | second
    assert members(intersection(a, b)) == first & second
    assert within(a, b) == (first <= second)


@given(conditions, conditions)
def test_either_and_both(first: Alternatives, second: Alternatives) -> None:
    one, all_ = either(first, second), both(first, second)
    for values in assignments():
        a, b = holds(first, values), holds(second, values)
        assert holds(one, values) == (a or b)
        assert holds(all_, values) == (a and b)


@given(st.lists(conditions, min_size=1, max_size=4), st.integers(0, 5))
def test_at_least(parts: list[Alternatives], number: int) -> None:
    if number > len(parts):
        number = len(parts)
    found = at_least(number, parts)
    for values in assignments():
        assert holds(found, values) == (sum(holds(part, values) for part in parts) >= number)


def test_neighbours_become_one_and_what_is_contained_goes() -> None:
    low, high = ({"a": ((0, 1),)},), ({"a": ((2, 4),)},)
    assert either(low, high) == ({"a": ((0, 4),)},)
    assert either(low, ({"a": ((1, 1),), "b": ((0, 0),)},)) == low
    assert both(low, high) == NEVER
    assert both() == ALWAYS


def test_a_condition_of_too_many_boxes_is_refused_in_time() -> None:
    # Of each of nine pairs one holds: 2**9 alternatives, none of which contains another.
    pairs = [({f"x{n}": ((1, 1),)}, {f"y{n}": ((1, 1),)}) for n in range(9)]
    with pytest.raises(TooManyBoxes):
        both(*pairs)
    # At least 10 of 20 has 184,756 combinations.
    with pytest.raises(TooManyBoxes):
        at_least(10, [({f"x{n}": ((1, 1),)},) for n in range(20)])
