"""Conditions as alternatives: each a box, which holds every variable in a set of whole numbers.

A durable-rules rule is a conjunction of tests against constants, so a condition is worked out to
few boxes, each of which becomes one rule. A variable that a box does not name may have any value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from itertools import combinations
from math import comb

# Whole numbers from low to high, both included; sorted, apart from each other.
Span = tuple[int, int]
Numbers = tuple[Span, ...]
Box = Mapping[str, Numbers]
Alternatives = tuple[Box, ...]

ALWAYS: Alternatives = ({},)
NEVER: Alternatives = ()
MAXIMUM_BOXES = 256
# Boxes on the way to an answer: before they are simplified, which takes the square of their number.
_MAXIMUM_WORK = 2048


class TooManyBoxes(Exception):
    """A condition that has more alternatives than rules should be made of."""


def union(first: Numbers, second: Numbers) -> Numbers:
    """Whole numbers that are in either."""
    merged: list[Span] = []
    for low, high in sorted((*first, *second)):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def intersection(first: Numbers, second: Numbers) -> Numbers:
    """Whole numbers that are in both."""
    found = []
    for low, high in first:
        for other_low, other_high in second:
            start, end = max(low, other_low), min(high, other_high)
            if start <= end:
                found.append((start, end))
    return tuple(found)


def within(inner: Numbers, outer: Numbers) -> bool:
    """Whether every number of the one is in the other."""
    return all(any(low <= start and end <= high for low, high in outer) for start, end in inner)


def of_codes(codes: Iterable[int]) -> Numbers:
    """Single numbers."""
    return reduce(union, (((code, code),) for code in sorted(codes)), ())


def either(*conditions: Alternatives) -> Alternatives:
    """One of the conditions holds."""
    return _simplified([box for condition in conditions for box in condition])


def both(*conditions: Alternatives) -> Alternatives:
    """All of the conditions hold. Raises TooManyBoxes."""
    return reduce(_product, conditions, ALWAYS)


def at_least(number: int, conditions: Sequence[Alternatives]) -> Alternatives:
    """So many of the conditions hold. Raises TooManyBoxes."""
    if number <= 0:
        return ALWAYS
    if number == len(conditions):
        return both(*conditions)
    if comb(len(conditions), number) > _MAXIMUM_WORK:
        raise TooManyBoxes
    return either(*(both(*chosen) for chosen in combinations(conditions, number)))


def _product(first: Alternatives, second: Alternatives) -> Alternatives:
    if len(first) * len(second) > _MAXIMUM_WORK:
        raise TooManyBoxes
    boxes = []
    for box in first:
        for other in second:
            joined = _joined(box, other)
            if joined is not None:
                boxes.append(joined)
    found = _simplified(boxes)
    if len(found) > MAXIMUM_BOXES:
        raise TooManyBoxes
    return found


def _joined(box: Box, other: Box) -> Box | None:
    """What is in both boxes; None when nothing is."""
    result = dict(box)
    for name, numbers in other.items():
        common = intersection(result[name], numbers) if name in result else numbers
        if not common:
            return None
        result[name] = common
    return result


def _contains(outer: Box, inner: Box) -> bool:
    return all(name in inner and within(inner[name], numbers) for name, numbers in outer.items())


def _merged(box: Box, other: Box) -> Box | None:
    """One box for two that differ in one variable only."""
    if box.keys() != other.keys():
        return None
    differing = [name for name in box if box[name] != other[name]]
    if len(differing) != 1:
        return None
    name = differing[0]
    return {**box, name: union(box[name], other[name])}


def _simplified(boxes: list[Box]) -> Alternatives:
    """The same alternatives without those that others contain, neighbours made one."""
    kept: list[Box] = []
    todo = list(reversed(boxes))
    while todo:
        box = todo.pop()
        if any(_contains(other, box) for other in kept):
            continue
        kept = [other for other in kept if not _contains(box, other)]
        for other in kept:
            joined = _merged(box, other)
            if joined is not None:
                kept.remove(other)
                todo.append(joined)
                break
        else:
            kept.append(box)
    return tuple(kept)
