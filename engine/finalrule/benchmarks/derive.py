"""Benchmarks from a year's results, under the rules of a policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import duckdb

from finalrule.benchmarks.decide import Status, decide_made, decide_status
from finalrule.benchmarks.distribution import (
    DECILE_PERCENTILES,
    Distribution,
    Key,
    Results,
    Wanted,
    sorted_rates,
)
from finalrule.benchmarks.published import FILE, Published
from finalrule.catalogue.layout import LAYOUTS, Records
from finalrule.catalogue.write import table_bytes
from finalrule.core import ir
from finalrule.diagnostics import Report
from finalrule.evaluate.scalar import Evaluator
from finalrule.values import Value, decimal_text

# 42 CFR 414.1380(b)(1)(ii)(C): deciles of the percentages themselves.
_FLAT = tuple(Fraction(each) for each in DECILE_PERCENTILES)
# For this many years in a row, or more.
MOST_YEARS = 3


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark. `bounds` are the lower bounds of deciles 2 to 10, worst to best; `years` for how
    many years in a row it is topped out, MOST_YEARS standing for any more."""

    measure_id: str
    collection_type: str
    metric_type: str
    inverse: bool
    reporters: int
    median: Fraction
    bounds: tuple[Fraction, ...]
    flat: bool
    topped_out: bool
    years: int
    topped_out_cap: bool


@dataclass(frozen=True, slots=True)
class Derived:
    """The benchmarks of a year in the order of their keys. `too_few` are the reporters of what gets
    no benchmark."""

    program: ir.Program
    results: Results
    benchmarks: Mapping[Key, Benchmark]
    too_few: Mapping[Key, int]

    @property
    def year(self) -> int:
        """The year of the results, and so of the benchmarks."""
        return self.program.performance_year


def derive(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    evaluator: Evaluator,
    previous: Published | None = None,
) -> Derived:
    """The benchmarks that a policy makes of a table or view of results:

        measure_id, collection_type  VARCHAR
        rate    BIGINT: outcome `assessed_rate`, times 10 to the power of `rate_places`
        counts  BOOLEAN: outcome `benchmark_reporter`, NULL where it is undetermined

    `previous` are the benchmarks of the year before; without them every topped out benchmark is in
    its first year. Raises Failure when results of a measure count that the policy does not list.
    Temporary tables are made, and dropped."""
    with sorted_rates(connection, relation, rate_places(evaluator.program)) as rates:
        results, reporters = rates.results(), rates.reporters()
        decided = decide_made(evaluator, reporters)
        made = {key: one.truncated for key, one in decided.items() if one.made}
        measures = _measures(evaluator, made)
        found = rates.distributions(
            {
                key: Wanted(truncated, measures[key]["inverse"] is True)
                for key, truncated in made.items()
            }
        )
    before = {key for key in made if previous is not None and previous.flag(key, "topped_out")}
    status = decide_status(evaluator, {key: found[key] for key in made}, before)
    return Derived(
        evaluator.program,
        results,
        {key: _benchmark(key, measures[key], found[key], status[key], previous) for key in made},
        {key: number for key, number in reporters.items() if key not in made},
    )


def rate_places(program: ir.Program) -> int:
    """The decimal places to which the policy rounds performance rates."""
    return next(one.places for one in program.roundings if one.name == "performance_rate")


def as_file(derived: Derived) -> bytes:
    """The benchmarks as a file that a policy can name as its catalogue `benchmark`."""
    records: Records = {}
    for key, one in derived.benchmarks.items():
        row = {
            "measure_id": one.measure_id,
            "collection_type": one.collection_type,
            "benchmark_year": str(derived.year),
            **cells(one),
        }
        records[key] = tuple(row.get(column, "") for column in LAYOUTS[FILE].columns)
    return table_bytes(FILE, records)


def cells(one: Benchmark) -> dict[str, str]:
    """The cells of a benchmark beside its key and year. Decile 1 has no bound, as in CMS's files of
    quality benchmarks."""
    return {
        "metric_type": one.metric_type,
        "inverse": yes_no(one.inverse),
        "topped_out": yes_no(one.topped_out),
        "topped_out_cap": yes_no(one.topped_out_cap),
        **{f"d{place}": decimal_text(bound) for place, bound in enumerate(one.bounds, start=2)},
    }


def yes_no(value: bool) -> str:
    return "yes" if value else "no"


def _measures(evaluator: Evaluator, keys: Mapping[Key, int]) -> dict[Key, Mapping[str, Value]]:
    catalogue, report = evaluator.catalogues["quality_measure"], Report()
    found = {}
    for key in keys:
        record = catalogue.record((key[0],))
        if record is None:
            report.error(
                "benchmarks-unlisted-measure",
                f"results of measure `{key[0]}` count, but no such quality measure is listed",
                catalogue.rows.source.span(0, len(catalogue.rows.source.line_text(1))),
                help="list the measure, or take it out of the measures' collection types",
            )
        else:
            found[key] = record
    report.stop_if_errors()
    return found


def _benchmark(
    key: Key,
    measure: Mapping[str, Value],
    found: Distribution,
    status: Status,
    previous: Published | None,
) -> Benchmark:
    inverse = measure["inverse"] is True
    bounds = tuple(found.percentiles[each] for each in DECILE_PERCENTILES)
    if status.flat:
        bounds = tuple(reversed(_FLAT)) if inverse else _FLAT
    return Benchmark(
        measure_id=key[0],
        collection_type=key[1],
        metric_type=str(measure["metric_type"]),
        inverse=inverse,
        reporters=found.reporters,
        median=found.median,
        bounds=bounds,
        flat=status.flat,
        topped_out=status.topped_out,
        years=_years(key, previous) if status.topped_out else 0,
        topped_out_cap=status.topped_out_cap,
    )


def _years(key: Key, previous: Published | None) -> int:
    """For how many years in a row a benchmark is topped out that is so this year: one that had the
    cap the year before was so for two years then."""
    if previous is None or not previous.flag(key, "topped_out"):
        return 1
    return MOST_YEARS if previous.flag(key, "topped_out_cap") else 2
