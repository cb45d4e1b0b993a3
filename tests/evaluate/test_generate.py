"""Random cases: possible, at every threshold, the same for the same seed, and made smaller."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import pytest

from finalrule.catalogue.read import read_rows
from finalrule.core import ir
from finalrule.evaluate.catalogues import TypedCatalogue, open_catalogues
from finalrule.evaluate.generate import Generator
from finalrule.evaluate.made_up import MADE_UP, with_made_up
from finalrule.evaluate.shrink import case_text, shrink
from finalrule.evaluate.thresholds import find_thresholds
from finalrule.facts.case import Case, Record
from finalrule.facts.declared import unfit
from finalrule.values import Value
from runtime.small import program_of

RULES = """
module mips.generated
type kind: one of {claims, registry}
entity scoring_unit
  describe "A unit"
entity clinician of scoring_unit
  describe "A clinician"
  key npi: code
entity result of scoring_unit
  describe "A result"
  key measure_id: code
  key kind: kind
entity other_root
  describe "Another tree"
fact scoring_unit.entity_type: one of {individual, group}
  required
  describe "Type"
fact scoring_unit.charges: usd[0..1000000]
  may be unknown
  describe "Charges"
fact result.met: count[0..1000]
  required
  describe "Met"
fact result.cases: count[0..1000]
  required
  describe "Cases"
fact result.from: date
  required
  describe "First day"
fact result.to: date
  required
  describe "Last day"
fact result.rate: rate[0..100] scale 2
  required
  describe "Rate"
fact other_root.given: yes_no
  absent means no cites "42 CFR 414.1305"
  describe "Given"
catalogue benchmark by (measure_id: code, kind: kind)
  describe "Benchmarks"
  field inverse: yes_no
  field rare: yes_no
  bounds deciles: rate inverse by inverse
parameter limit.charges: usd[0..1000000]
  describe "Charges"
parameter limit.days: days[1..366]
  describe "Days"
rounding partial of points
  describe "Points"
rule above for scoring_unit: yes_no
  cites "42 CFR 414.1305"
  let limit = params.limit.charges * 2
  clause above: yes when charges > limit
  clause not_above: no when not (charges > limit)
rule long_enough for result: yes_no
  cites "42 CFR 414.1305"
  clause long: yes when days_between(from, to) + 1 >= params.limit.days
  clause short: no otherwise
rule share_met for result: percent[0..100]
  cites "42 CFR 414.1305"
  clause share: (met / cases zero gives 0) as percent always
rule is_rare for result: yes_no
  cites "42 CFR 414.1305"
  clause found: lookup(benchmark.rare by (measure_id, kind), none gives no) always
deciles points for result: points[0..10]
  cites "42 CFR 414.1380"
  of rate
  in benchmark by (measure_id, kind)
  rounding partial
  below gives 0 points
  none gives 0 points
rule dummy for other_root: yes_no
  cites "42 CFR 414.1305"
  clause one: yes when given
  clause other: no when not given
"""

FIGURES = """
parameters:
  limit.charges: {value: $450, unit: usd, cite: 42 CFR 414.1305}
  limit.days: {value: 90, unit: days, cite: 42 CFR 414.1305}
rounding:
  partial: {unit: points, places: 1, mode: half_up, cite: 42 CFR 414.1380}
catalogues:
  benchmark: {path: measures/benchmarks.csv, cite: 42 CFR 414.1380}
"""

# One of 40 records is rare; 001 has no benchmark for the registry.
BENCHMARKS = "measure_id,kind,inverse,rare,d1,d2,d3,d4,d5,d6,d7,d8,d9,d10\n" + "".join(
    f"{number:03},claims,no,{'yes' if number == 7 else 'no'},5,10,20,30,40,50,60,70,80,90\n"
    for number in range(1, 41)
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated")
    (folder / "measures").mkdir()
    (folder / "measures" / "benchmarks.csv").write_text(BENCHMARKS, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def program(folder: Path) -> ir.Program:
    return program_of(folder, RULES, FIGURES)


@pytest.fixture(scope="module")
def catalogues(program: ir.Program, folder: Path) -> Mapping[str, TypedCatalogue]:
    rows = read_rows(folder / "measures" / "benchmarks.csv", ["measure_id", "kind"])
    return {"benchmark": TypedCatalogue(program.catalogues[0], rows)}


@pytest.fixture(scope="module")
def cases(program: ir.Program, catalogues: Mapping[str, TypedCatalogue]) -> list[Case]:
    generator = Generator(program, catalogues)
    return [generator.case(f"1:{number}") for number in range(600)]


def records(cases: list[Case], entity: str) -> list[Record]:
    return [one for case in cases for one in case.root.walk() if one.entity == entity]


def values(cases: list[Case], entity: str, fact: str) -> list[Value | None]:
    found = [record.facts.get(fact) for record in records(cases, entity)]
    return [given.value if given else None for given in found]


def test_every_fact_is_of_its_type_and_required_ones_are_there(
    cases: list[Case], program: ir.Program
) -> None:
    for fact in program.facts:
        found = values(cases, fact.entity, fact.name)
        assert found, fact.name
        assert not [one for one in found if one is not None and unfit(one, fact.type)]
        assert (None in found) == (fact.presence == "may_be_unknown")


def test_keys_tell_the_records_of_a_parent_apart(cases: list[Case]) -> None:
    for unit in records(cases, "scoring_unit"):
        for entity, keys in (("clinician", ("npi",)), ("result", ("measure_id", "kind"))):
            found = [
                tuple(one.facts[key].value for key in keys) for one in unit.children.get(entity, ())
            ]
            assert len(found) == len(set(found))


def test_an_individual_is_one_clinician(cases: list[Case]) -> None:
    for unit in records(cases, "scoring_unit"):
        if unit.facts["entity_type"].value == "individual":
            assert len(unit.children.get("clinician", ())) <= 1


def test_any_number_of_records_and_every_tree(cases: list[Case]) -> None:
    counts = {len(unit.children.get("result", ())) for unit in records(cases, "scoring_unit")}
    assert {0, 1, 2, 3} <= counts and max(counts) >= 5
    assert {case.root.entity for case in cases} == {"scoring_unit", "other_root"}


def test_facts_are_at_the_threshold_and_one_unit_beside_it(cases: list[Case]) -> None:
    # Twice $450 is what charges are compared with; their unit is a cent.
    found = values(cases, "scoring_unit", "charges")
    for amount in ("899.99", "900", "900.01"):
        assert found.count(Fraction(amount)) > 20


def test_periods_are_as_long_as_what_they_are_compared_with(cases: list[Case]) -> None:
    days = []
    for one in records(cases, "result"):
        start, end = one.facts["from"].value, one.facts["to"].value
        assert isinstance(start, datetime.date) and isinstance(end, datetime.date)
        days.append((end - start).days + 1)
    assert {89, 90, 91} <= set(days)


def test_a_part_is_not_more_than_its_whole(cases: list[Case]) -> None:
    """The quotient is an outcome of at most 100 %: files with more are refused."""
    for one in records(cases, "result"):
        met, all_ = one.facts["met"].value, one.facts["cases"].value
        assert isinstance(met, Fraction) and isinstance(all_, Fraction)
        assert met <= all_


def test_keys_are_those_of_catalogues_and_rare_records_are_not_rare(cases: list[Case]) -> None:
    codes = values(cases, "result", "measure_id")
    known = [code for code in codes if isinstance(code, str) and len(code) == 3]
    assert 0.5 < len(known) / len(codes) < 1
    # One of 40 records is the only one of its kind: it comes more than twice as often as 1 in 40.
    assert known.count("007") / len(known) > 2 / 40


def test_rates_are_at_and_beside_decile_bounds(cases: list[Case]) -> None:
    found = values(cases, "result", "rate")
    for rate in ("49.99", "50", "50.01"):
        assert Fraction(rate) in found


def test_of_which_benchmark_a_rate_is_may_be_unknown(folder: Path) -> None:
    rules = RULES.replace("  key measure_id: code\n", "  key number: code\n").replace(
        "fact result.met",
        'fact result.measure_id: code\n  may be unknown\n  describe "Measure"\nfact result.met',
    )
    program = program_of(folder, rules, FIGURES)
    generator = Generator(program, open_catalogues(program, folder))
    cases = [generator.case(f"1:{number}") for number in range(300)]
    rates = values(cases, "result", "rate")
    of = values(cases, "result", "measure_id")
    assert None in of and None not in rates
    known = [rate for rate, code in zip(rates, of, strict=True) if code]
    unknown = [rate for rate, code in zip(rates, of, strict=True) if not code]
    # One of ten bounds: where it is known whose they are they come far more often.
    assert known.count(Fraction(50)) / len(known) > 3 * unknown.count(Fraction(50)) / len(unknown)


def test_the_same_seed_gives_the_same_case(
    program: ir.Program, catalogues: Mapping[str, TypedCatalogue], cases: list[Case]
) -> None:
    again = Generator(program, catalogues).case("1:17")
    assert case_text(again, program) == case_text(cases[17], program)
    assert len({case_text(case, program) for case in cases}) > 400


def test_made_up_records_are_what_no_year_has(
    program: ir.Program, catalogues: Mapping[str, TypedCatalogue]
) -> None:
    made = with_made_up(catalogues, find_thresholds(program))["benchmark"]
    own = catalogues["benchmark"].rows.rows
    assert all(made.rows.rows[key] is row for key, row in own.items())
    added = [key for key in made.rows.rows if key not in own]
    assert {kind for _, kind in added} == {"claims", "registry"}
    assert {code for code, _ in added} <= set(MADE_UP)
    for key in added:
        bounds = made.bounds(key)
        assert bounds is not None
        lower = [bound for bound in bounds.lower if bound is not None]
        assert lower == sorted(lower, reverse=bounds.inverse)


def test_a_case_is_made_as_small_as_what_it_shows(cases: list[Case], program: ir.Program) -> None:
    """What is to be shown is one result with at least 10 cases: all else goes."""

    def shows(case: Case) -> bool:
        return any(
            isinstance(value := one.facts["cases"].value, Fraction) and value >= 10
            for one in case.root.walk()
            if one.entity == "result"
        )

    large = next(case for case in cases if shows(case) and sum(1 for _ in case.root.walk()) > 6)
    small = shrink(large, program, shows)
    assert [one.entity for one in small.root.walk()] == ["scoring_unit", "result"]
    assert "charges" not in small.root.facts
    assert shows(small) and "result" in case_text(small, program)
