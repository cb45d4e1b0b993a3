"""Counts are apportioned, and practices are of the sizes that they should be."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finalrule.synth.figures import PROFILES, read_nation
from finalrule.synth.make import LEAST
from finalrule.synth.plan import BOUNDS, apportion, make_plan


def test_largest_remainder() -> None:
    """10 in shares of 1 : 1 : 4 are 1 2/3, 1 2/3 and 6 2/3: 1, 1 and 6, and two of the remainders,
    which are equal, are made up in the order of the names."""
    shares = {("a", "", ""): Fraction(1), ("b", "", ""): Fraction(1), ("c", "", ""): Fraction(4)}
    assert list(apportion(shares, 10).values()) == [2, 2, 6]


@given(st.lists(st.integers(0, 10**6), min_size=1).filter(any), st.integers(0, 10**7))
def test_apportioned_counts_add_up(shares: list[int], total: int) -> None:
    named = {(str(at), "", ""): Fraction(share) for at, share in enumerate(shares)}
    found = apportion(named, total)
    assert sum(found.values()) == total
    whole = sum(shares)
    for key, share in named.items():
        assert abs(found[key] - share * total / whole) < 1


@pytest.mark.parametrize("clinicians", [LEAST, 2_501, 5_000, 20_000])
@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_practices(clinicians: int, seed: int) -> None:
    plan = make_plan(read_nation(2020), clinicians, seed)
    members: Counter[tuple[str, str]] = Counter()
    for practice in plan.practices:
        least, most = BOUNDS[practice.size]
        assert least <= practice.clinicians <= most
        if practice.reports == "group":
            assert practice.clinicians >= 2 and practice.profile in PROFILES
        members[practice.size, practice.reports] += practice.clinicians
    cells: Counter[tuple[str, str]] = Counter()
    for (size, reports, _), count in plan.cells.items():
        cells[size, reports] += count
    assert members == cells and sum(cells.values()) == clinicians


def test_profiles_have_their_share_of_the_clinicians() -> None:
    """Within the largest practice's part of the clinicians of its size."""
    nation = read_nation(2020)
    plan = make_plan(nation, 100_000, 1)
    for size, shares in nation.calibrated["profiles"].items():
        groups = [p for p in plan.practices if (p.size, p.reports) == (size, "group")]
        total = sum(practice.clinicians for practice in groups)
        largest = max(practice.clinicians for practice in groups)
        for profile, share in shares.items():
            found = sum(p.clinicians for p in groups if p.profile == profile)
            assert abs(found - share * total) <= largest


def test_entities_are_of_three_practices() -> None:
    """100,000 clinicians have four virtual groups of practices of at most ten, and four APM
    Entities."""
    plan = make_plan(read_nation(2020), 100_000, 1)
    entities = Counter(p.entity for p in plan.practices if p.entity)
    assert entities == dict.fromkeys(range(1, 9), 3)
    assert all(p.clinicians <= 10 for p in plan.practices if p.entity % 2 == 1)
    assert all(p.reports == "group" for p in plan.practices if p.entity)
