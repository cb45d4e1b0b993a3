"""What differs between derived benchmarks and another set, as data and as text."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from benchmarks.conftest import percents
from finalrule.benchmarks import render
from finalrule.benchmarks.compare import Change, Difference, compare
from finalrule.benchmarks.derive import Derived, as_file
from finalrule.benchmarks.published import read_published
from finalrule.catalogue.layout import LAYOUTS
from finalrule.evaluate.scalar import Evaluator

Derive = Callable[..., Derived]
Against = Callable[[Derived, str], Difference]


@pytest.fixture
def against(tmp_path: Path, evaluator: Evaluator) -> Against:
    def compared(derived: Derived, rows: str) -> Difference:
        header = ",".join(LAYOUTS["benchmarks.csv"].columns)
        path = tmp_path / "other.csv"
        path.write_text(f"{header}\n{rows}\n", encoding="utf-8")
        return compare(derived, read_published(path, evaluator.program))

    return compared


def test_the_same_set(derived: Derive, tmp_path: Path, evaluator: Evaluator) -> None:
    found = derived(percents("112", "ecqm", range(40, 60)))
    path = tmp_path / "same.csv"
    path.write_bytes(as_file(found))
    difference = compare(found, read_published(path, evaluator.program))
    assert not difference
    text = render.text(found, difference)
    assert text.endswith(f"\n\nAgainst {path}, 1 benchmarks\n  no difference")


def test_numbers_are_compared_as_numbers(derived: Derive, against: Against) -> None:
    found = derived(percents("112", "ecqm", range(40, 60)))
    row = "112,ecqm,2018,single_performance_rate,no,no,no,,41.0,43,45,47,49,51,53,55,57.00"
    assert not against(found, row)


def test_what_moved(derived: Derive, against: Against) -> None:
    # 40 to 59: d2 41, d3 43, d4 45 ... d10 57; the median, 49.5, is not topped out.
    found = derived(percents("112", "ecqm", range(40, 60)) + percents("134", "ecqm", [96] * 20))
    difference = against(
        found,
        "112,ecqm,2018,single_performance_rate,no,yes,yes,0,40.5,43,45,47,49,51,53,55,60\n"
        "112,mips_cqm,2018,single_performance_rate,no,no,no,,1,2,3,4,5,6,7,8,9",
    )
    assert (difference.new, difference.gone) == ((("134", "ecqm"),), (("112", "mips_cqm"),))
    assert difference.changed == {
        ("112", "ecqm"): (
            Change("topped_out", "yes", "no", None),
            Change("topped_out_cap", "yes", "no", None),
            Change("d1", "0", "", None),
            Change("d2", "40.5", "41", Fraction(1, 2)),
            Change("d10", "60", "57", Fraction(-3)),
        )
    }
    assert (difference.turned("topped_out", False), difference.turned("topped_out", True)) == (1, 0)
    text = render.text(found, difference)
    assert text.partition(", 2 benchmarks\n")[2] == (
        """\
  new      1: 134 ecqm
  gone     1: 112 mips_cqm
  changed  1: 2 bounds moved, by 3 at most; 1 topped out no longer; 1 capped no longer
    112 ecqm  topped_out yes -> no; topped_out_cap yes -> no; d1 0 -> (none); d2 40.5 -> 41 (+0.5);
              d10 60 -> 57 (-3)"""
    )
    data = render.as_data(found, difference)["difference"]
    assert data["new"] == [{"measure_id": "134", "collection_type": "ecqm"}]
    assert data["changed"][0]["changes"][-1] == {
        "column": "d10", "was": "60", "now": "57", "moved": "-3",
    }  # fmt: skip


def test_summary(derived: Derive) -> None:
    found = derived(
        [
            *percents("112", "ecqm", [96] * 20),
            *percents("236", "mips_cqm", range(81, 101)),
            *percents("236", "ecqm", range(81, 91)),
            ("112", "mips_cqm", None, None),
        ]
    )
    assert render.text(found, None).splitlines() == [
        "2020-final: benchmarks from the results of 2020",
        "  results            51: 50 count, 1 undetermined",
        "  benchmarks         2",
        "  too few reporters  1",
        "  flat percentages   1: 236 mips_cqm",
        "  topped out         1: 1 for the first year; 0 capped",
        "  percentiles        nearest rank (unverified: the regulation does not say)",
    ]
    data = render.as_data(found, None)
    assert data["results"] == {
        "read": 51,
        "counted": 50,
        "undetermined": [{"measure_id": "112", "collection_type": "mips_cqm", "reporters": 1}],
    }
    assert data["too_few"] == [{"measure_id": "236", "collection_type": "ecqm", "reporters": 10}]
    (first, flat) = data["benchmarks"]
    assert first["bounds"] == {f"d{place}": "96" for place in range(2, 11)}
    assert (first["topped_out"], first["topped_out_years"], first["reporters"]) == (True, 1, 20)
    assert (flat["flat"], flat["median"], flat["bounds"]["d10"]) == (True, "90.5", "90")
