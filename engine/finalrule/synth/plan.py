"""How many of what: clinicians over cells, and practices with their size, profile and entity.

Counts are apportioned, not drawn, so that they are as near the published ones as whole numbers can
be. Only the sizes of practices and their order come from chance.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from math import isqrt

from finalrule.synth.chance import MILLION, below_million, mix
from finalrule.synth.figures import PROFILES, SIZES, Nation

# Least and most clinicians of a practice of each size; the last is what the synthesis goes up to.
BOUNDS = {"1-15": (1, 15), "16-24": (16, 24), "25-99": (25, 99), "100+": (100, 3000)}
# No member below the low-volume threshold may lift the practice above it.
_MOST_BELOW = 4
# However small the nation, its very large practices are several.
_LEAST_VERY_LARGE = 10
# A group of one is its individual.
_LEAST_GROUP = 2
# One virtual group and one APM Entity of three practices each for so many clinicians.
_CLINICIANS_PER_ENTITY = 25_000
_PRACTICES_PER_ENTITY = 3
# 42 CFR 414.1305 (virtual group): at most ten clinicians in each TIN.
_MOST_VIRTUAL = 10


@dataclass(slots=True)
class Practice:
    """A practice. `reports` is `group`, `individual` (its clinicians may) or `below` (nobody, for
    it is below the low-volume threshold); `entity` is 0 or counts from 1: odd numbers are virtual
    groups, even ones APM Entities."""

    size: str
    reports: str
    clinicians: int
    profile: str = ""
    entity: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """`cells`: clinicians by (practice size, reports, row of the eligibility table); `practices` in
    the order of their TINs."""

    cells: Mapping[tuple[str, str, str], int]
    practices: Sequence[Practice]


def make_plan(nation: Nation, clinicians: int, seed: int) -> Plan:
    """The plan of a nation of so many clinicians."""
    shares = {}
    for name, cell in nation.cells.items():
        size, _, reports = name.partition(" ")
        for row, count in cell.items():
            shares[size, reports, row] = count
    cells = apportion(shares, clinicians)
    practices: list[Practice] = []
    for size in SIZES:
        for reports in ("group", "individual", "below"):
            members = sum(count for key, count in cells.items() if key[:2] == (size, reports))
            found = _practices(size, reports, members, mix(mix(seed) ^ len(practices)))
            if reports == "group":
                _give_profiles(found, nation.calibrated["profiles"][size])
            practices += found
    state = mix(mix(seed) ^ mix(len(practices)))
    order = sorted(range(len(practices)), key=lambda at: (mix(state ^ at), at))
    shuffled = [practices[at] for at in order]
    _give_entities(shuffled, max(1, clinicians // _CLINICIANS_PER_ENTITY))
    return Plan(cells, shuffled)


def apportion(
    shares: Mapping[tuple[str, str, str], Fraction], total: int
) -> dict[tuple[str, str, str], int]:
    """Whole numbers that add up to `total`, each within one of its share (largest remainder)."""
    whole = sum(shares.values())
    exact = {key: share * total / whole for key, share in shares.items()}
    found = {key: int(value) for key, value in exact.items()}
    missing = total - sum(found.values())
    for key in sorted(exact, key=lambda key: (found[key] - exact[key], key))[:missing]:
        found[key] += 1
    return found


def _practices(size: str, reports: str, members: int, state: int) -> list[Practice]:
    least, most = BOUNDS[size]
    if reports == "group":
        least = max(least, _LEAST_GROUP)
    if reports == "below":
        most = _MOST_BELOW
    if size == SIZES[-1]:
        most = min(most, max(2 * least, members // _LEAST_VERY_LARGE))
    sizes = list(range(least, most + 1))
    # Small practices are by far the most; very large ones are few.
    power = {"1-15": 3, "16-24": 0, "25-99": 2, "100+": 4}[size]
    heights = list(accumulate(10**18 // _root_of_power(each, power) for each in sizes))
    found: list[int] = []
    left = members
    while left:
        at = below_million(mix(state ^ len(found)), "practice size")
        drawn = sizes[bisect_right(heights, at * heights[-1] // MILLION)]
        found.append(min(drawn, left))
        left -= found[-1]
    if len(found) > 1 and found[-1] < least:
        rest = found.pop()
        for at in range(len(found)):
            more = min(rest, most - found[at])
            found[at] += more
            rest -= more
        if rest:  # every practice is full: the last one takes from the others what it lacks
            found.append(rest)
            at = 0
            while found[-1] < least:
                take = min(least - found[-1], found[at] - least)
                found[at] -= take
                found[-1] += take
                at += 1
    return [Practice(size, reports, count) for count in found]


def _root_of_power(number: int, power: int) -> int:
    """A million times the square root of number**power, rounded down."""
    return isqrt(number**power * MILLION * MILLION)


def _give_profiles(practices: list[Practice], shares: Mapping[str, Fraction]) -> None:
    """Largest practices first, each the profile that lacks most clinicians."""
    given = dict.fromkeys(PROFILES, 0)
    total = sum(practice.clinicians for practice in practices)
    for practice in sorted(practices, key=lambda each: -each.clinicians):
        practice.profile = max(PROFILES, key=lambda name: shares[name] * total - given[name])
        given[practice.profile] += practice.clinicians


def _give_entities(practices: list[Practice], count: int) -> None:
    """The first practices that can be in a virtual group or in an APM Entity, three to each."""
    groups = [each for each in practices if each.reports == "group"]
    virtual = [each for each in groups if each.clinicians <= _MOST_VIRTUAL]
    apm = [each for each in groups if each.size in ("25-99", "100+")]
    for kind, found in enumerate((virtual, apm), start=1):
        for at, practice in enumerate(found[: count * _PRACTICES_PER_ENTITY]):
            practice.entity = at // _PRACTICES_PER_ENTITY * 2 + kind
