"""Faults put into queries: of all kinds, and none where no outcome changes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product

import pytest

from evaluate.small import Small, small
from finalrule.agreement.sql import OnDuckDB, SqlReader
from finalrule.facts.case import Case
from finalrule.population import faults as faults_of_sql
from finalrule.population.faults import Fault
from finalrule.population.unseen import Unseen

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

# What is stated counts where nothing is known from figures.
STATED = """entity unit
fact unit.alone: yes_no absent means no cites "42 CFR 414.1305"
fact unit.figures: yes_no may be unknown
fact unit.stated: yes_no may be unknown
rule rural for unit: yes_no
  cites "42 CFR 414.1305"
  clause alone: first_known(figures, stated) when alone
  clause group: figures otherwise
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


def seeded(made: Small) -> tuple[SqlReader, dict[str, Fault]]:
    program, catalogues = made.evaluator.program, made.evaluator.catalogues
    reader = SqlReader(program, catalogues, OnDuckDB)
    return reader, {fault.what: fault for fault in reader.seed(1000, 1)}


@pytest.mark.parametrize(
    ("rules", "cases", "expected"),
    [
        (STATED, stated, {"rural__needs: or for and"}),
        (LISTED, listed, {"listed__let_before: and for or"}),
        (SHARE, shares, {"factor__truth_3: or for and"}),
        (
            COUNTED,
            counted,
            {"places__count_2: no for not known", "places__count_3: no for not known"},
        ),
        (PAIRED, paired, {"points__chosen: and for or"}),
        (PRODUCT, products, {"payment__let_whole_needs: and for or"}),
        (
            ALONE,
            alone,
            {
                "submission__sum_1: greatest for sum",
                "submission__sum_3: greatest for sum",
                "of_records__sum: one for nothing",
                "of_good__met: one for nothing",
                "of_good__sum: one for nothing",
            },
        ),
    ],
    ids=["stated", "listed", "share", "counted", "paired", "product", "alone"],
)
def test_what_no_case_shows_is_no_fault(
    rules: str, cases: object, expected: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all values that facts can have, as far as they matter, none shows what is left out; and
    all faults that are made show."""
    made = small(rules)
    reader, faults = seeded(made)
    for name in (
        "holds_anyway",
        "has_twin",
        "of_known",
        "decides_as_before",
        "is_known",
        "is_nothing_times",
        "is_of_one",
        "is_default",
    ):
        monkeypatch.setattr(Unseen, name, lambda *_: False)
    monkeypatch.setattr(faults_of_sql, "asks_again", lambda *_: False)
    _, all_ = seeded(made)
    left_out = [
        fault
        for what, fault in all_.items()
        if what not in faults
        and re.search(
            ": (or for and|and for or|not lost|no for not known|another fact|greatest|one for)",
            what,
        )
    ]
    said = {fault.what.partition(", ")[2].rpartition(": ")[0] for fault in left_out}
    assert expected <= said
    every = list(cases(made))  # type: ignore[operator]
    assert reader.find(left_out, every, made.evaluator.evaluate, lambda _: None) == {}
    found = reader.find(list(faults.values()), every, made.evaluator.evaluate, lambda _: None)
    assert sorted(set(faults) - set(found)) == []
