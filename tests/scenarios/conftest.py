"""A small policy with one rule of each kind, and scenarios written for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from finalrule.scenarios.suite import Suite, load_suite

RULES = """module mips.small
type kind: one of {individual, group}
entity program
entity unit of program
fact unit.kind: kind may be unknown
fact unit.charges: usd[0..1000000] may be unknown
fact unit.patients: count[0..100000] may be unknown
entity result of unit
  key measure: code
fact result.rate: rate[0..100] may be unknown
entity part of result
  key name: code
fact part.share: percent[0..100] may be unknown
catalogue benchmark by (measure: code)
  field inverse: yes_no
  bounds deciles: rate inverse by inverse
parameter volume.charges: usd[0..1000000]
parameter volume.patients: count[0..1000]
parameter volume.days: days[0..10]
parameter volume.kinds: codes
parameter best.count: count[0..6]
rounding partial of points

rule volume for unit: one of {included, opt_in, excluded}
  cites "42 CFR 414.1305"
  let charges_over = charges > params.volume.charges
  let patients_over = patients > params.volume.patients
  clause both: included when charges_over and patients_over
  clause one: opt_in when any of (charges_over, patients_over)
    and not all of (charges_over, patients_over)
  clause none: excluded when none of (charges_over, patients_over)

table factor for unit
  cites "42 CFR 414.1305"
  given in_group: yes_no = kind is group
  given size: count[0..100000] = patients
  gives factor: percent[0..100]

deciles points for result: points[0..10]
  cites "42 CFR 414.1380"
  of rate
  in benchmark by (measure)
  rounding partial
  below gives 0 points
  none gives 0 points

select counted from result
  cites "42 CFR 414.1380"
  where points > 0 points
  best params.best.count
  by points descending
  ties by measure

rule total for unit: points[0..60]
  cites "42 CFR 414.1380"
  clause summed: sum(points over result where counted) always

curve adjustment for unit: percent[-9..9]
  cites "42 CFR 414.1405"
  of total
  piece low: from 0 points through 5 points: flat at -9%
  piece middle: above 5 points up_to 10 points: line (5 points, -9%) to (10 points, 0%)
  piece high: from 10 points through 60 points: line (10 points, 0%) to (60 points, 9%)
  check never decreasing
"""

YEAR = """policy: 2020-final
title: small
performance_year: 2020
payment_year: 2022
stage: final
tracks: [mips]
published: {title: small, date: 2019-11-15, cite: 84 FR 63194}
parameters:
  volume.charges: {value: $90, unit: usd, cite: 42 CFR 414.1305}
  volume.patients: {value: 200, unit: count, cite: 42 CFR 414.1305}
  volume.days: {value: 9, unit: days, cite: 42 CFR 414.1305}
  volume.kinds: {value: [a, b], unit: codes, cite: 42 CFR 414.1305}
  best.count: {value: 1, unit: count, cite: 42 CFR 414.1380}
rounding:
  partial: {places: 1, mode: half_up, unit: points, cite: 42 CFR 414.1380}
tables:
  factor:
    cite: 42 CFR 414.1305
    rows:
      alone: {in_group: no, size: any, factor: 100%}
      small_group: {in_group: yes, size: '<= 15', factor: 50%}
      large_group: {in_group: yes, size: '> 15', factor: 25.5%}
catalogues:
  benchmark: {path: measures/benchmarks.csv, cite: 42 CFR 414.1380}
"""

# Deciles 2 to 10 begin at 5, 10, 20 ... 80; no measure has a bound for decile 1.
BENCHMARKS = """measure,inverse,d1,d2,d3,d4,d5,d6,d7,d8,d9,d10
1,no,,5,10,20,30,40,50,60,70,80
2,no,,5,10,20,30,40,50,60,70,80
"""

Write = Callable[[str], Path]


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINALRULE_CACHE", "")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of policies with the small one."""
    folder = tmp_path / "policies"
    for name in ("2020", "rules", "measures", "cases/2020"):
        (folder / name).mkdir(parents=True)
    (folder / "2020" / "final.yaml").write_text(YEAR)
    (folder / "sources.yaml").write_text("{}")
    (folder / "rules" / "small.rules").write_text(RULES)
    (folder / "measures" / "benchmarks.csv").write_text(BENCHMARKS)
    return folder


@pytest.fixture
def write(root: Path) -> Write:
    """Writes the one scenario file, cases/2020/small.yaml: a head and the scenarios given."""

    def written(scenarios: str) -> Path:
        path = root / "cases" / "2020" / "small.yaml"
        head = "about: small\npolicies: [2020-final]\nscenarios:\n"
        path.write_text(head + scenarios.lstrip("\n"))
        return path

    return written


@pytest.fixture
def suite_of(root: Path, write: Write) -> Callable[[str], Suite]:
    """The suite of the scenarios given."""

    def suite(scenarios: str) -> Suite:
        write(scenarios)
        return load_suite((), (), root)

    return suite
