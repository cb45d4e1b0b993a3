"""How the rates of each measure and collection type are distributed, in whole numbers throughout.

A percentile is found by nearest rank: of N rates, sorted from worst to best, the p-th percentile is
the one at rank N * p / 100, rounded up. So every bound is a rate that somebody had. The regulation
does not say how CMS finds percentiles (unverified). Nearly half of the bounds that CMS made from
the results of 2019 and 2020 themselves are fractions of a hundred cases or fewer, as rates of
clinicians are and numbers between two rates seldom would be.

The median is the middle rate, or the mean of the middle two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction

import duckdb

# A measure and a collection type.
Key = tuple[str, str]

DECILE_PERCENTILES = (10, 20, 30, 40, 50, 60, 70, 80, 90)
PERCENTILES = (*DECILE_PERCENTILES, 75)
_SORTED = "finalrule_sorted_rates"
_WANTED = "finalrule_wanted_distributions"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of one distribution: how many rates are cut off at each end, and whether lower
    is better."""

    truncated: int
    inverse: bool


@dataclass(frozen=True, slots=True)
class Moments:
    """Number, sum and sum of squares of rates."""

    count: int
    total: Fraction
    squares: Fraction

    @property
    def mean(self) -> Fraction:
        return self.total / self.count

    @property
    def variance(self) -> Fraction:
        """The sample variance; 0 of a single rate."""
        if self.count < 2:
            return Fraction(0)
        return (self.squares - self.total**2 / self.count) / (self.count - 1)


@dataclass(frozen=True, slots=True)
class Distribution:
    """One distribution. `percentiles` run from worst to best; `truncated` are the moments without
    the rates that are cut off."""

    reporters: int
    percentiles: Mapping[int, Fraction]
    median: Fraction
    whole: Moments
    truncated: Moments


@dataclass(frozen=True, slots=True)
class Results:
    """How many results there are, how many of them count, and of how many that is undetermined, by
    measure and collection type."""

    read: int
    counted: int
    undetermined: Mapping[Key, int]


class Rates:
    """The rates that count, by measure and collection type."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, places: int) -> None:
        self._connection, self._scale = connection, 10**places

    def results(self) -> Results:
        """What the rates were taken from."""
        rows = self._connection.execute(
            f"SELECT measure_id, collection_type, read, coalesce(len(rates), 0), undetermined"
            f" FROM {_SORTED} ORDER BY ALL"
        ).fetchall()
        return Results(
            sum(read for _, _, read, _, _ in rows),
            sum(counted for _, _, _, counted, _ in rows),
            {(measure, way): left for measure, way, _, _, left in rows if left},
        )

    def reporters(self) -> dict[Key, int]:
        """How many rates count, by measure and collection type; in the order of these."""
        rows = self._connection.execute(
            f"SELECT measure_id, collection_type, len(rates) FROM {_SORTED}"
            f" WHERE rates IS NOT NULL ORDER BY ALL"
        ).fetchall()
        return {(measure, way): number for measure, way, number in rows}

    def distributions(self, wanted: Mapping[Key, Wanted]) -> dict[Key, Distribution]:
        """The distributions that are asked for."""
        if not wanted:
            return {}
        asked = wanted.values()
        self._connection.execute(
            f"""CREATE OR REPLACE TEMP TABLE {_WANTED} AS
            SELECT unnest($1::VARCHAR[]) AS measure_id, unnest($2::VARCHAR[]) AS collection_type,
              unnest($3::BIGINT[]) AS truncated, unnest($4::BOOLEAN[]) AS inverse""",
            [
                [measure for measure, _ in wanted],
                [way for _, way in wanted],
                [one.truncated for one in asked],
                [one.inverse for one in asked],
            ],
        )
        # `rates` run from the lowest to the highest, lists count from 1.
        ranks = ", ".join(
            f"rates[if(inverse, len(rates) + 1 - {rank}, {rank})]"
            for rank in (f"(len(rates) * {each} + 99) // 100" for each in PERCENTILES)
        )
        low, high = "rates[1:truncated]", "rates[len(rates) + 1 - truncated:len(rates)]"
        cut = f"list_transform({low} || {high}, lambda rate: rate::HUGEINT)"
        rows = self._connection.execute(
            f"""WITH found AS (
              SELECT *, {cut} AS cut FROM {_SORTED} JOIN {_WANTED}
                USING (measure_id, collection_type))
            SELECT measure_id, collection_type, [{ranks}],
              rates[(len(rates) + 1) // 2] + rates[len(rates) // 2 + 1], len(rates), total, squares,
              len(cut), coalesce(list_sum(cut), 0),
              coalesce(list_sum(list_transform(cut, lambda rate: rate * rate)), 0)
            FROM found"""
        ).fetchall()
        return {(measure, way): self._distribution(*found) for measure, way, *found in rows}

    def _distribution(
        self, ranked: list[int], middle: int, count: int, total: int, squares: int, *cut: int
    ) -> Distribution:
        cut_count, cut_total, cut_squares = cut
        return Distribution(
            count,
            {
                each: Fraction(rate, self._scale)
                for each, rate in zip(PERCENTILES, ranked, strict=True)
            },
            Fraction(middle, 2 * self._scale),
            self._moments(count, total, squares),
            self._moments(count - cut_count, total - cut_total, squares - cut_squares),
        )

    def _moments(self, count: int, total: int, squares: int) -> Moments:
        return Moments(count, Fraction(total, self._scale), Fraction(squares, self._scale**2))


@contextmanager
def sorted_rates(
    connection: duckdb.DuckDBPyConnection, relation: str, places: int
) -> Iterator[Rates]:
    """The rates of a table or view: `measure_id` and `collection_type` VARCHAR, `rate` BIGINT (the
    rate times 10 to the power of `places`), `counts` BOOLEAN. A row counts where `counts` is true
    and there is a rate; where `counts` or the rate of one that would count is NULL, that is
    undetermined. The temporary tables that it makes are dropped at the end."""
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE {_SORTED} AS
        SELECT measure_id, collection_type, count(*) AS read,
          count(*) FILTER (counts IS NULL OR (counts AND rate IS NULL)) AS undetermined,
          list_sort(list(rate) FILTER (counts AND rate IS NOT NULL)) AS rates,
          (sum(rate) FILTER (counts))::HUGEINT AS total,
          sum(rate::HUGEINT * rate) FILTER (counts) AS squares
        FROM "{relation}" GROUP BY measure_id, collection_type"""
    )
    try:
        yield Rates(connection, places)
    finally:
        for name in (_SORTED, _WANTED):
            connection.execute(f"DROP TABLE IF EXISTS {name}")
