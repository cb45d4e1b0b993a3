"""Benchmarks of small sets of results, with their arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import duckdb
import pytest

from benchmarks.conftest import Fill, percents
from finalrule.benchmarks.decide import decide_status
from finalrule.benchmarks.derive import Benchmark, Derived, as_file, derive
from finalrule.benchmarks.distribution import Distribution, Key, Moments
from finalrule.benchmarks.published import Published, read_published
from finalrule.diagnostics import Failure
from finalrule.evaluate.scalar import Evaluator
from finalrule.load import load_evaluator
from finalrule.places import policies_root

Derive = Callable[..., Derived]
HEADER = (
    "measure_id,collection_type,benchmark_year,metric_type,inverse,topped_out,topped_out_cap,"
    "d1,d2,d3,d4,d5,d6,d7,d8,d9,d10\n"
)


def published(folder: Path, evaluator: Evaluator, *rows: str) -> Published:
    path = folder / "previous.csv"
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return read_published(path, evaluator.program)


def only(found: Derived) -> Benchmark:
    (one,) = found.benchmarks.values()
    return one


def test_a_benchmark_as_its_file_has_it(derived: Derive) -> None:
    # 40 to 59: rank r is 39 + r; the ranks are 2, 4, ... 18 of 20.
    found = derived(percents("112", "ecqm", range(40, 60)))
    assert as_file(found).decode() == (
        HEADER + "112,ecqm,2020,single_performance_rate,no,no,no,,41,43,45,47,49,51,53,55,57\n"
    )
    one = only(found)
    assert (one.reporters, one.median, one.years) == (20, Fraction(99, 2), 0)


def test_twenty_reporters_make_a_benchmark(derived: Derive) -> None:
    found = derived(
        [
            *percents("134", "mips_cqm", range(40, 60)),
            *percents("112", "ecqm", range(40, 59)),
            # the twentieth does not count, or it is not known
            ("112", "ecqm", 500_000, False),
            ("112", "ecqm", 500_000, None),
            ("112", "ecqm", None, True),
        ]
    )
    assert list(found.benchmarks) == [("134", "mips_cqm")]
    assert found.too_few == {("112", "ecqm"): 19}
    assert (found.results.read, found.results.counted) == (42, 39)
    assert found.results.undetermined == {("112", "ecqm"): 2}


def test_collection_types_have_benchmarks_of_their_own(derived: Derive) -> None:
    found = derived(
        percents("112", "mips_cqm", range(1, 21)) + percents("112", "ecqm", range(40, 60))
    )
    # In the order of their keys, whatever that of the results is.
    assert [(one.collection_type, one.bounds[0]) for one in found.benchmarks.values()] == [
        ("ecqm", 41), ("mips_cqm", 2),
    ]  # fmt: skip


def test_nothing_counts(derived: Derive) -> None:
    found = derived([("112", "ecqm", 500_000, False)])
    assert (found.benchmarks, found.too_few) == ({}, {})
    assert as_file(found).decode() == HEADER
    assert as_file(derived([])).decode() == HEADER


class TestFlatPercentages:
    FLAT = (10, 20, 30, 40, 50, 60, 70, 80, 90)

    def test_above_90(self, derived: Derive) -> None:
        # 81 to 100: the top decile begins at rank 18, 98.
        one = only(derived(percents("236", "mips_cqm", range(81, 101))))
        assert (one.flat, one.bounds) == (True, self.FLAT)

    def test_90_is_not_above_90(self, derived: Derive) -> None:
        # 73 to 92: rank 18 is 90.
        one = only(derived(percents("236", "mips_cqm", range(73, 93))))
        assert (one.flat, one.bounds[-1]) == (False, 90)

    def test_lower_is_better(self, derived: Derive) -> None:
        # 20 down to 1: rank 18 is 3, below 10. Flat bounds fall from 90 to 10.
        one = only(derived(percents("001", "ecqm", range(1, 21))))
        assert (one.flat, one.bounds) == (True, tuple(reversed(self.FLAT)))

    def test_not_a_measure_that_cms_named(self, derived: Derive) -> None:
        assert not only(derived(percents("112", "ecqm", range(81, 101)))).flat

    def test_not_in_force_in_2019(self, connection: duckdb.DuckDBPyConnection, fill: Fill) -> None:
        relation = fill(percents("236", "mips_cqm", range(81, 101)))
        found = derive(connection, relation, load_evaluator("2019-final"))
        assert (only(found).flat, only(found).bounds[-1], found.year) == (False, 98, 2019)


class TestToppedOut:
    def test_the_median_of_a_process_measure(self, derived: Derive) -> None:
        # Ten of 90 and ten of 100: the median is 95, though decile 6 begins at rank 10, 90.
        one = only(derived(percents("112", "ecqm", [90] * 10 + [100] * 10)))
        assert (one.median, one.bounds[4], one.topped_out) == (95, 90, True)
        # With one of 89.9998 in the middle it is 94.9999.
        one = only(derived(percents("112", "ecqm", [89.9998] * 10 + [100] * 10)))
        assert (one.median, one.topped_out) == (Fraction(949_999, 10_000), False)

    def test_of_an_inverse_one(self, derived: Derive) -> None:
        assert only(derived(percents("238", "ecqm", [0] * 10 + [10] * 10))).topped_out
        assert not only(derived(percents("238", "ecqm", [0.0002] * 10 + [10] * 10))).topped_out

    def test_another_measure_by_its_spread(self, derived: Derive) -> None:
        # 98 and 100, ten each, one cut off at each end: mean 99, variance 18/17, so that the
        # coefficient is about 0.0104. Percentiles 75 and 90 (ranks 15 and 18) are both 100.
        one = only(derived(percents("236", "ecqm", [98] * 10 + [100] * 10)))
        assert (one.topped_out, one.median) == (True, 99)

    def test_the_best_are_too_far_apart(self, derived: Derive) -> None:
        # Sixteen of 98, four of 100: percentiles 75 and 90 are 98 and 100. Mean 98.4, variance
        # (16 * 0.16 + 4 * 2.56) / 19 = 12.8 / 19, squared standard error 12.8 / 380: the gap of 2
        # squared is 4 * 380 / 12.8 = 118.75 of these, more than 4.
        assert not only(derived(percents("236", "ecqm", [98] * 16 + [100] * 4))).topped_out

    def test_rates_vary_too_much(self, derived: Derive) -> None:
        # 80 and 100, ten each: mean 90, variance 18 * 100 / 17, coefficient 10.29 / 90 = 0.114.
        assert not only(derived(percents("236", "ecqm", [80] * 10 + [100] * 10))).topped_out
        # 83 and 100: mean 91.5, variance 18 * 72.25 / 17, coefficient 8.746 / 91.5 = 0.0956.
        assert only(derived(percents("236", "ecqm", [83] * 10 + [100] * 10))).topped_out

    def test_truncation_keeps_one_outlier_out(self, derived: Derive) -> None:
        # One of 1 and nineteen of 99: without one at each end all are 99.
        assert only(derived(percents("236", "ecqm", [1] + [99] * 19))).topped_out
        # Two of 1 remain one: mean 93.56, variance 18 * (98/18)^2 * 17 / 17 = 533.6, 23.1 / 93.56.
        assert not only(derived(percents("236", "ecqm", [1] * 2 + [99] * 18))).topped_out

    def test_an_inverse_percentage_is_reversed(self, derived: Derive) -> None:
        # 2 and 0, ten each: 98 and 100 reversed, as above; of the rates themselves the coefficient
        # would be about 1.03.
        assert only(derived(percents("001", "ecqm", [2] * 10 + [0] * 10))).topped_out

    def test_all_rates_the_same(self, derived: Derive) -> None:
        # No variance and no gap; ACEP50 is in minutes, where the mean may be zero.
        assert only(derived(percents("236", "ecqm", [50] * 20))).topped_out
        assert only(derived(percents("ACEP50", "qcdr", [0] * 20))).topped_out

    def test_a_mean_of_zero(self, derived: Derive) -> None:
        # -1 and 1 minute: the coefficient of variation is beyond all bounds.
        assert not only(derived(percents("ACEP50", "qcdr", [-1, 1] * 10))).topped_out


class TestYears:
    @pytest.fixture
    def after(
        self, derived: Derive, evaluator: Evaluator, tmp_path: Path
    ) -> Callable[..., Benchmark]:
        def made(topped_out: str, cap: str, rates: list[int]) -> Benchmark:
            row = f"112,ecqm,2019,single_performance_rate,no,{topped_out},{cap},,1,2,3,4,5,6,7,8,9"
            previous = published(tmp_path, evaluator, row)
            return only(derived(percents("112", "ecqm", rates), previous))

        return made

    def test_the_second_year_brings_the_cap(self, after: Callable[..., Benchmark]) -> None:
        high = [96] * 20
        assert [
            (one.years, one.topped_out_cap)
            for one in (
                after("no", "no", high),
                after("yes", "no", high),
                after("yes", "yes", high),
            )
        ] == [(1, False), (2, True), (3, True)]

    def test_no_longer(self, after: Callable[..., Benchmark]) -> None:
        one = after("yes", "yes", [90] * 20)
        assert (one.topped_out, one.years, one.topped_out_cap) == (False, 0, False)

    def test_without_the_year_before(
        self, derived: Derive, evaluator: Evaluator, tmp_path: Path
    ) -> None:
        one = only(derived(percents("112", "ecqm", [96] * 20)))
        assert (one.topped_out, one.years, one.topped_out_cap) == (True, 1, False)
        # nor by the same measure of another collection type
        row = "112,mips_cqm,2019,single_performance_rate,no,yes,yes,,1,2,3,4,5,6,7,8,9"
        previous = published(tmp_path, evaluator, row)
        one = only(derived(percents("112", "ecqm", [96] * 20), previous))
        assert (one.years, one.topped_out_cap) == (1, False)


def test_a_measure_that_is_not_listed(derived: Derive) -> None:
    with pytest.raises(Failure) as failure:
        derived(percents("NOBODY", "qcdr", range(20)) + percents("NONE", "qcdr", range(20)))
    assert [one.message for one in failure.value.diagnostics] == [
        f"results of measure `{name}` count, but no such quality measure is listed"
        for name in ("NOBODY", "NONE")
    ]


def test_what_cms_found_topped_out() -> None:
    """Of 2019's process measures with benchmarks of 2017, exactly those whose decile 6 begins at 95
    (inverse: 5) or beyond are marked as topped out by CMS. Decile 6 begins at the median."""
    evaluator = load_evaluator("2019-final")
    there = read_published(policies_root() / "measures/2019/benchmarks.csv", evaluator.program)
    measures = evaluator.catalogues["quality_measure"]
    found: dict[Key, Distribution] = {}
    for key in there.keys:
        measure = measures.record((key[0],))
        if (
            measure is not None
            and measure["measure_type"] == "process"
            and there.text(key, "benchmark_year") == "2017"
        ):
            median = there.bounds(key)["d6"]
            found[key] = Distribution(
                20, {75: median, 90: median}, median, Moments(1, median, median**2),
                Moments(1, median, median**2),
            )  # fmt: skip
    assert len(found) > 150
    status = decide_status(evaluator, found, set())
    assert {key: one.topped_out for key, one in status.items()} == {
        key: there.flag(key, "topped_out") for key in found
    }
