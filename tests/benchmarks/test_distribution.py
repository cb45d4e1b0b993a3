"""Percentiles, medians and moments, against arithmetic by hand and a plain reading in Python."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.conftest import Fill, Row
from finalrule.benchmarks.distribution import (
    DECILE_PERCENTILES,
    PERCENTILES,
    Distribution,
    Moments,
    Wanted,
    sorted_rates,
)
from finalrule.core.expressions import DecileBounds
from finalrule.evaluate.kinds import best_decile

KEY = ("112", "ecqm")


def distribution(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    truncated: int,
    inverse: bool = False,
    places: int = 0,
) -> Distribution:
    with sorted_rates(connection, relation, places) as rates:
        return rates.distributions({KEY: Wanted(truncated, inverse)})[KEY]


def rows(rates: Iterable[int]) -> list[Row]:
    return [(*KEY, rate, True) for rate in rates]


def test_twenty_rates(connection: duckdb.DuckDBPyConnection, fill: Fill) -> None:
    # 1 to 20: the p-th percentile is at rank 20p/100 rounded up: 10 -> 2, 20 -> 4, ... 75 -> 15.
    found = distribution(connection, fill(rows(range(1, 21))), truncated=1)
    assert [found.percentiles[each] for each in DECILE_PERCENTILES] == [
        2,
        4,
        6,
        8,
        10,
        12,
        14,
        16,
        18,
    ]
    assert found.percentiles[75] == 15
    assert found.median == Fraction(21, 2)
    assert found.reporters == 20
    # sum 210, squares 20*21*41/6 = 2870; variance (2870 - 210^2/20)/19 = 665/19 = 35
    assert found.whole == Moments(20, Fraction(210), Fraction(2870))
    assert (found.whole.mean, found.whole.variance) == (Fraction(21, 2), 35)
    # without 1 and 20: 18 rates, sum 189, squares 2870 - 1 - 400 = 2469;
    # variance (2469 - 189^2/18)/17 = (2469 - 1984.5)/17 = 28.5
    assert found.truncated == Moments(18, Fraction(189), Fraction(2469))
    assert (found.truncated.mean, found.truncated.variance) == (Fraction(21, 2), Fraction(57, 2))


def test_twenty_one_rates(connection: duckdb.DuckDBPyConnection, fill: Fill) -> None:
    # ranks 2.1 -> 3, 4.2 -> 5, 6.3 -> 7, 8.4 -> 9, 10.5 -> 11, 12.6 -> 13, 14.7 -> 15,
    # 16.8 -> 17, 18.9 -> 19; 15.75 -> 16. The middle one is the eleventh.
    found = distribution(connection, fill(rows(range(1, 22))), truncated=0)
    assert [found.percentiles[each] for each in DECILE_PERCENTILES] == [
        3,
        5,
        7,
        9,
        11,
        13,
        15,
        17,
        19,
    ]
    assert (found.percentiles[75], found.median) == (16, 11)
    assert found.truncated == found.whole


def test_lower_is_better(connection: duckdb.DuckDBPyConnection, fill: Fill) -> None:
    # From 20, the worst, down: the second is 19, the fourth 17, ... the eighteenth 3, the
    # fifteenth 6.
    found = distribution(connection, fill(rows(range(1, 21))), truncated=0, inverse=True)
    assert [found.percentiles[each] for each in DECILE_PERCENTILES] == [
        19,
        17,
        15,
        13,
        11,
        9,
        7,
        5,
        3,
    ]
    assert (found.percentiles[75], found.median) == (6, Fraction(21, 2))


def test_places_and_a_single_rate(connection: duckdb.DuckDBPyConnection, fill: Fill) -> None:
    found = distribution(connection, fill(rows([333_333])), truncated=0, places=4)
    assert set(found.percentiles.values()) == {Fraction(333_333, 10_000)}
    assert found.median == Fraction(333_333, 10_000)
    assert found.whole.variance == 0


def test_what_does_not_count_is_left_out(connection: duckdb.DuckDBPyConnection, fill: Fill) -> None:
    relation = fill(
        [
            (*KEY, 10, True), (*KEY, 20, False), (*KEY, 30, None), (*KEY, None, True),
            ("236", "ecqm", 40, True), ("112", "mips_cqm", 50, False),
        ]
    )  # fmt: skip
    with sorted_rates(connection, relation, 0) as rates:
        assert rates.reporters() == {KEY: 1, ("236", "ecqm"): 1}
        assert rates.distributions({}) == {}


def test_temporary_tables_are_dropped(connection: duckdb.DuckDBPyConnection, fill: Fill) -> None:
    distribution(connection, fill(rows([1, 2])), truncated=0)
    assert connection.execute("SHOW TABLES").fetchall() == [("results",)]


def test_the_widest_rates_fit(connection: duckdb.DuckDBPyConnection, fill: Fill) -> None:
    # The widest rates that are declared, 1,000,001 with four places, squared: over 64 bits.
    widest = 10_000_010_000
    found = distribution(connection, fill(rows([-widest, widest, widest])), truncated=1)
    assert found.whole == Moments(3, Fraction(widest), Fraction(3 * widest**2))
    assert found.truncated == Moments(1, Fraction(widest), Fraction(widest**2))


RATES = st.lists(
    st.one_of(st.integers(-50, 50), st.sampled_from([0, 1_000_000])), min_size=1, max_size=70
)


def plainly(rates: Sequence[int], truncated: int, inverse: bool) -> Distribution:
    """The same in Python, from the definitions."""
    worst_first = sorted(rates, reverse=inverse)
    count = len(rates)
    ranks = {each: -(-count * each // 100) for each in PERCENTILES}
    low, high = sorted(rates)[(count - 1) // 2], sorted(rates)[count // 2]
    kept = sorted(rates)[truncated : count - truncated]
    return Distribution(
        count,
        {each: Fraction(worst_first[rank - 1]) for each, rank in ranks.items()},
        Fraction(low + high, 2),
        Moments(count, Fraction(sum(rates)), Fraction(sum(rate**2 for rate in rates))),
        Moments(len(kept), Fraction(sum(kept)), Fraction(sum(rate**2 for rate in kept))),
    )


@settings(max_examples=150, deadline=None)
@given(rates=RATES, inverse=st.booleans(), data=st.data())
def test_as_defined_whatever_the_order(
    rates: list[int], inverse: bool, data: st.DataObject
) -> None:
    truncated = data.draw(st.integers(0, (len(rates) - 1) // 2))
    shuffled = data.draw(st.permutations(rates))
    with duckdb.connect() as connection:
        for order in (rates, shuffled):
            connection.execute(
                "CREATE OR REPLACE TABLE r AS SELECT '112' AS measure_id, 'ecqm' AS "
                "collection_type, unnest($1::BIGINT[]) AS rate, true AS counts",
                [order],
            )
            found = distribution(connection, "r", truncated, inverse)
            assert found == plainly(rates, truncated, inverse)


@settings(max_examples=100, deadline=None)
@given(rates=RATES, inverse=st.booleans())
def test_deciles_run_from_worst_to_best_and_hold_their_share(
    rates: list[int], inverse: bool
) -> None:
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE r AS SELECT '112' AS measure_id, 'ecqm' AS collection_type, "
            "unnest($1::BIGINT[]) AS rate, true AS counts",
            [rates],
        )
        found = distribution(connection, "r", 0, inverse)
    sign = -1 if inverse else 1
    bounds = [found.percentiles[each] * sign for each in DECILE_PERCENTILES]
    assert bounds == sorted(bounds)
    for percentile, bound in zip(DECILE_PERCENTILES, bounds, strict=True):
        # By nearest rank the bound is somebody's rate, at least the share above the percentile
        # meets it, and at least the percentile's share does not go beyond it.
        assert bound in [rate * sign for rate in rates]
        assert 100 * sum(rate * sign >= bound for rate in rates) >= (100 - percentile) * len(rates)
        assert 100 * sum(rate * sign <= bound for rate in rates) >= percentile * len(rates)
    # Each reporter as the rules place them: at or above the bound of the decile, below the next
    # one's; better rates are never in a lower decile, and the best one is in decile 10.
    lower = [None, *(found.percentiles[each] for each in DECILE_PERCENTILES)]
    placed = [
        (rate * sign, best_decile(Fraction(rate), DecileBounds(lower, inverse))[0])
        for rate in sorted(rates, reverse=inverse)
    ]
    for rate, decile in placed:
        assert decile == 0 or rate >= bounds[decile - 2]
        assert decile == 10 or rate < bounds[max(decile, 1) - 1]
    assert [decile for _, decile in placed] == sorted(decile for _, decile in placed)
    assert placed[-1][1] == 10
