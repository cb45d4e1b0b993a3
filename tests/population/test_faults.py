"""Faults put into queries: each at every place of its kind, each such that a case can show it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import product

import pytest
from sqlglot import exp

from evaluate.small import Small, small
from finalrule.agreement.sql import OnDuckDB, SqlReader
from finalrule.evaluate.catalogues import open_catalogues
from finalrule.facts.case import Case
from finalrule.load import load_program
from finalrule.places import policies_root
from finalrule.population.faults import Fault

# Two rules in one query, which compare the same fact.
TWO = """entity unit
fact unit.a: yes_no required
fact unit.b: yes_no required
fact unit.c: yes_no required
fact unit.size: count[0..100] required
rule level for unit: one of {low, middle, high}
  cites "42 CFR 414.1305"
  let at_most = size <= 10
  let more = size <= 20 and not at_most
  clause low: low when at_most
  clause middle: middle when more
  clause high: high otherwise
rule other for unit: yes_no
  cites "42 CFR 414.1305"
  clause all: yes when a and (b or c) and size <= 30
  clause rest: no otherwise
"""

# The last clauses keep out what earlier ones have taken, once as they must and once as they need
# not.
LISTED = """entity unit
fact unit.march: yes_no absent means no cites "42 CFR 414.1425"
fact unit.june: yes_no absent means no cites "42 CFR 414.1425"
fact unit.august: yes_no absent means no cites "42 CFR 414.1425"
rule listed for unit: one of {first, second, last, never}
  cites "42 CFR 414.1425"
  let before = march or june
  clause first: first when march
  clause second: second when june and not march
  clause last: last when august and not before
  clause never: never when not august and not before
"""

# What is stated counts where nothing is known from figures.
STATED = """entity unit
fact unit.alone: yes_no absent means no cites "42 CFR 414.1305"
fact unit.figures: yes_no may be unknown
fact unit.stated: yes_no may be unknown
rule rural for unit: yes_no
  cites "42 CFR 414.1305"
  clause alone: first_known(figures, stated) when alone
  clause group: figures otherwise
rule small for unit: yes_no
  cites "42 CFR 414.1305"
  clause small: first_known(stated, figures) always
"""

# Where the comparison is unknown, so is the quotient, of the same two numbers.
SHARE = """entity unit
fact unit.all: yes_no absent means no cites "42 CFR 414.1405"
fact unit.assumed: ratio[0..10] scale 2 may be unknown
fact unit.part: points[0..100] scale 0 may be unknown
fact unit.whole: points[0..100] scale 0 may be unknown
rule factor for unit: ratio[0..10]
  cites "42 CFR 414.1405"
  let reached = part >= whole * 3
  clause assumed: min(assumed, 3) when not all
  clause limit: 3 when all and reached
  clause balanced: part / whole zero gives 3 when all and not reached
"""

# Two numbers of members of one outcome are unknown together; the third is not.
COUNTED = """entity unit
entity result of unit
  key number: code
fact result.of_set: yes_no required
fact result.good: yes_no may be unknown
fact result.other: yes_no may be unknown
rule class for result: one of {kept, left_out, lost}
  cites "42 CFR 414.1380"
  clause kept: kept when good
  clause left_out: left_out when not good
rule places for unit: count[0..1000]
  cites "42 CFR 414.1380"
  let left = count(result where of_set and class is left_out)
  let kept = count(result where of_set and class is kept)
  let others = count(result where of_set and other)
  clause all: max(0, 20 + others - left - kept) always
"""

# What is not known of the first clause is not known of the second one either.
PAIRED = """entity unit
fact unit.medium: yes_no absent means no cites "42 CFR 414.1380"
fact unit.special: yes_no may be unknown
rule points for unit: points[0..100]
  cites "42 CFR 414.1380"
  clause single: 10 points when medium and not special
  clause doubled: 20 points when medium and special
  clause none: 0 points otherwise
"""

# Nothing is needed where the product is zero; where it is unknown neither factor is.
PRODUCT = """entity unit
fact unit.qp: yes_no may be unknown
fact unit.amount: points[0..100] scale 0 may be unknown
fact unit.times: ratio[0..10] scale 0 required
rule payment for unit: points[0..1000]
  cites "42 CFR 414.1450"
  let whole = amount * times
  clause paid: whole when qp
  clause nothing: 0 points when not qp
"""

# One submission is used at most, one place has the number; a sum is asked for where records are.
ALONE = """entity unit
fact unit.given: points[0..100] scale 0 may be unknown
entity submission of unit
  key number: code
fact submission.worth: points[0..10] scale 0 required
fact submission.good: yes_no required
fact submission.further: points[0..10] scale 0 required
select used from submission
  cites "42 CFR 414.1380"
  best 1
  by worth descending
  ties by number
rule of_used for unit: points[0..1000]
  cites "42 CFR 414.1380"
  clause total: sum(further over submission where used) always
rule of_all for unit: points[0..1000]
  cites "42 CFR 414.1380"
  clause total: sum(further over submission) always
rule of_first for unit: points[0..1000]
  cites "42 CFR 414.1380"
  clause total: sum(further over submission where number in {"0"}) always
rule of_good for unit: points[0..10]
  cites "42 CFR 414.1380"
  clause average: average(further over submission where good, empty gives 0 points) always
rule of_records for unit: points[0..1000]
  cites "42 CFR 414.1380"
  let recorded = any(submission)
  clause records: sum(further over submission) when recorded
  clause given: given when not recorded
"""


def two(made: Small) -> Iterator[Case]:
    truths = (False, True)
    sizes = (0, 9, 10, 11, 19, 20, 21, 29, 30, 31)
    for a, b, c, size in product(truths, truths, truths, sizes):
        yield made.case({"a": a, "b": b, "c": c, "size": size})


def listed(made: Small) -> Iterator[Case]:
    for march, june, august in product((False, True), repeat=3):
        yield made.case({"march": march, "june": june, "august": august})


def shares(made: Small) -> Iterator[Case]:
    numbers = (None, 0, 3, 10)
    for all_, assumed, part, whole in product((False, True), (None, 2, 5), numbers, numbers):
        yield made.case({"all": all_, "assumed": assumed, "part": part, "whole": whole})


def counted(made: Small) -> Iterator[Case]:
    truths = (None, False, True)
    yield made.case({})
    one = list(product((False, True), truths, truths))
    for pair in product(one, one):
        results = [
            {"number": str(place), "of_set": of_set, "good": good, "other": other}
            for place, (of_set, good, other) in enumerate(pair)
        ]
        yield made.case({"result": results})


def stated(made: Small) -> Iterator[Case]:
    truths = (None, False, True)
    for alone, figures, said in product((False, True), truths, truths):
        yield made.case({"alone": alone, "figures": figures, "stated": said})


def paired(made: Small) -> Iterator[Case]:
    for medium, special in product((False, True), (None, False, True)):
        yield made.case({"medium": medium, "special": special})


def products(made: Small) -> Iterator[Case]:
    for qp, amount, times in product((None, False, True), (None, 0, 3), (0, 2)):
        yield made.case({"qp": qp, "amount": amount, "times": times})


def alone(made: Small) -> Iterator[Case]:
    worths = list(product((0, 3, 5), (0, 2, 4)))
    for given in (None, 0, 7):
        yield made.case({"given": given})
        for one in worths:
            yield made.case({"given": given, "submission": [_submission(0, *one)]})
        for pair in product(worths, worths):
            submissions = [_submission(place, *one) for place, one in enumerate(pair)]
            yield made.case({"given": given, "submission": submissions})


def _submission(number: int, worth: int, further: int) -> dict[str, object]:
    """One that is good where it is worth something."""
    good = worth > 0
    return {"number": str(number), "worth": worth, "further": further, "good": good}


def reader_of(made: Small) -> SqlReader:
    return SqlReader(made.evaluator.program, made.evaluator.catalogues, OnDuckDB)


def said(faults: list[Fault]) -> list[str]:
    return [fault.what for fault in faults]


def columns(query: exp.Select) -> dict[str, str]:
    """What each column of a query is computed with."""
    return {one.alias: one.this.sql() for one in query.find_all(exp.Alias)}


def test_a_fault_is_at_every_place_of_its_kind_in_its_rule() -> None:
    reader = reader_of(small(TWO))
    faults = {fault.what: fault for fault in reader.seed(1000, 1)}
    (one,) = reader.plan.passes
    right = columns(one.query)

    def changed(what: str) -> dict[str, str]:
        made = columns(faults[what].query)
        return {name: text for name, text in made.items() if text != right.get(name)}

    assert changed("unit_1, level: < for <= (2 places): size <= 20") == {
        "level__let_at_most": "size < 10",
        "level__let_more": "(size < 20) AND (NOT level__let_at_most)",
    }
    assert changed("unit_1, other: threshold off by one (1 place): size <= 30") == {
        "other__when_all": "a AND (b OR c) AND (size <= 29)"
    }
    assert faults["unit_1, level: < for <= (2 places): size <= 20"].rules == ("level",)


def test_conditions_are_changed_in_all_of_a_query_also_one_within_another() -> None:
    reader = reader_of(small(TWO))
    (one,) = (fault for fault in reader.seed(1000, 1) if ": OR for AND (3 places): " in fault.what)
    assert one.rules == ("level", "other")
    made = columns(one.query)
    assert made["level__let_more"] == "((size <= 20) OR (NOT level__let_at_most))"
    assert made["other__when_all"] == "((a OR (b OR c)) OR (size <= 30))"


def test_what_can_be_wrong_in_two_rules() -> None:
    """Clauses that only the rest follows can be dropped; the comparisons are of a fact with a
    figure; there is one NOT. There is one OR in the query, which alone is left as it is."""
    faults = reader_of(small(TWO)).seed(1000, 1)
    assert sorted(re.sub(r" \(.*", "", what) for what in said(faults)) == [
        "unit_1, level: < for <=",
        "unit_1, level: NOT lost",
        "unit_1, level: branch 1 dropped",
        "unit_1, level: branch 2 dropped",
        "unit_1, level: threshold off by one",
        "unit_1, level: winners 1 and 2 swapped",
        "unit_1, other: < for <=",
        "unit_1, other: branch 1 dropped",
        "unit_1, other: threshold off by one",
        "unit_1: OR for AND",
    ]


def test_a_seed_gives_the_same_faults_and_never_more_than_there_are() -> None:
    reader = reader_of(small(TWO))
    every = said(reader.seed(1000, 1))
    assert len(every) == len(set(every)) == 10
    assert said(reader.seed(5, 1)) == said(reader.seed(5, 1)) == every[:5]
    assert sorted(said(reader.seed(1000, 2))) == sorted(every)
    assert any(said(reader.seed(5, seed)) != every[:5] for seed in range(2, 6))


@pytest.mark.parametrize(
    ("rules", "places", "name", "many"),
    [
        # Asked again for what is needed, where the first that is known is not there.
        (STATED, exp.And, "OR for AND", ""),
        # Zero for a product, and nothing that it needs.
        (PRODUCT, exp.Or, "AND for OR", ""),
        # All but the total of the one submission that is used.
        (ALONE, exp.Sum, "MAX for SUM", "(3 places)"),
    ],
    ids=["asked again", "product", "total of one"],
)
def test_what_is_left_as_it_is(rules: str, places: type[exp.Expr], name: str, many: str) -> None:
    reader = reader_of(small(rules))
    there = [one for pass_ in reader.plan.passes for one in pass_.query.find_all(places)]
    assert len(there) == (4 if many else 2)
    made = [what for what in said(reader.seed(1000, 1)) if f": {name} " in what]
    assert [many in what for what in made] == ([True] if many else [])


@pytest.mark.parametrize(
    ("rules", "cases"),
    [(TWO, two), (LISTED, listed), (STATED, stated), (SHARE, shares), (COUNTED, counted),
     (PAIRED, paired), (PRODUCT, products), (ALONE, alone)],
    ids=["two", "listed", "stated", "share", "counted", "paired", "product", "alone"],
)  # fmt: skip
def test_a_case_shows_each_fault(rules: str, cases: object) -> None:
    """Of all values that facts can have, as far as they matter: no fault is made where none does,
    such as of what a product needs or what is asked again."""
    made = small(rules)
    reader = reader_of(made)
    faults = reader.seed(1000, 1)
    every = list(cases(made))  # type: ignore[operator]
    found = reader.find(faults, every, made.evaluator.evaluate, lambda _: None)
    assert sorted(set(said(faults)) - set(found)) == []


def test_faults_of_a_policy_are_of_all_kinds_and_duckdb_takes_each() -> None:
    """What the engine itself refuses would be found without comparing anything."""
    program = load_program("2020-final")
    reader = SqlReader(program, open_catalogues(program, policies_root()), OnDuckDB)
    faults = reader.seed(60, 1)
    kinds = Counter(
        re.sub(r"[0-9]+", "N", fault.what.partition(": ")[2].partition(" (")[0]) for fault in faults
    )
    assert sorted(kinds) == sorted(
        """+ for -|- for +|< for <=|> for >=|AND for OR|GREATEST for LEAST|LEAST for GREATEST
        |MAX for MIN|MAX for SUM|MIN for MAX|NOT lost|OR for AND|another bound|another fact needed
        |another member|branch N dropped|condition of a count lost|half lost in rounding
        |no for not known|no for what may be|one for nothing|order turned|partition by less
        |threshold off by one|unit ten times|winners N and N swapped"""
        .replace("\n        ", "").split("|")
    )  # fmt: skip
    assert max(kinds.values()) <= 3
    engine = reader.engine
    assert isinstance(engine, OnDuckDB)
    engine.run([])
    for fault in faults:
        engine.connection.execute(f"EXPLAIN {_sql(fault)}")


def _sql(fault: Fault) -> str:
    return fault.query.sql(dialect="duckdb")
