"""Records that refer to others, as SQL: what is read there, what is missing where they refer to
nothing, and what the program sums up of it."""

from __future__ import annotations

from fractions import Fraction
from random import Random

from evaluate.small import small
from finalrule.facts.case import Case, Given, Record
from finalrule.values import Value
from population.agreeing import agreed_cases

RULES = """entity program
fact program.factor: ratio[0..3] scale 3 may be unknown
entity scoring_unit of program
  key tin: code
fact scoring_unit.score: points[0..100] scale 2 required
fact scoring_unit.extra: points[0..10] scale 2 may be unknown
entity clinician of scoring_unit
  key npi: code
fact clinician.eligible: yes_no may be unknown
entity tin_npi of program
  key number: code
fact tin_npi.charges: usd[0..1000000] required
entity available_score of tin_npi refers to clinician
  key kind: one of {individual, group, virtual_group}
fact available_score.stated: points[0..100] scale 2 may be unknown
entity note of available_score
  key letter: code
fact note.weight: ratio[0..1] scale 2 required
rule doubled for scoring_unit: points[0..200]
  cites "42 CFR 414.1380"
  clause doubled: score * 2 always
rule third for scoring_unit: points[0..100]
  cites "42 CFR 414.1380"
  clause third: score / 3 always
rule adjusted for clinician: yes_no
  cites "42 CFR 414.1405"
  clause adjusted: eligible and available always
rule available for clinician: yes_no
  cites "42 CFR 414.1405"
  clause it: scoring_unit.score > 0 points always
rule read for available_score: points[0..200]
  cites "42 CFR 414.1405"
  clause adjusted: doubled when adjusted
  clause other: scoring_unit.score when not adjusted
rule a_third for available_score: points[0..100]
  cites "42 CFR 414.1405"
  clause it: third always
rule either for available_score: points[0..200]
  cites "42 CFR 414.1405"
  clause either: first_known(doubled, stated) always
rule with_extra for available_score: points[0..110]
  cites "42 CFR 414.1405"
  clause with_extra: scoring_unit.score + scoring_unit.extra always
rule of_program for available_score: ratio[0..3]
  cites "42 CFR 414.1405"
  clause of_program: program.factor always
rule weighed for note: points[0..200]
  cites "42 CFR 414.1405"
  clause weighed: read * weight always
select taken from available_score
  cites "42 CFR 414.1405"
  where adjusted
  best 1
  by either descending
  ties by kind
rule final for tin_npi: points[0..200]
  cites "42 CFR 414.1405"
  clause final: greatest(either over available_score where taken, empty gives 7 points) always
rule sum_of_charges for program: usd[0..1000000000000000]
  cites "42 CFR 414.1405"
  clause it: sum(charges over tin_npi where final >= 60 points) always
rule scaling for program: ratio[0..3]
  cites "42 CFR 414.1405"
  clause it: min(3, 1000 / count(tin_npi) zero gives 0) always
rule adjustment for tin_npi: points[0..600]
  cites "42 CFR 414.1405"
  clause scaled: final * scaling when final >= 60 points
  clause plain: final otherwise
"""


def add(above: Record, entity: str, **facts: Value | None) -> Record:
    given = {name: Given(value, "test") for name, value in facts.items() if value is not None}
    return above.add(entity, given)


def nation(some: Random) -> Case:
    """A few units with clinicians, and TIN/NPIs whose scores are theirs, a group's, or nobody's;
    what is below the program stands in any order."""
    root = Record("program", {})
    root.facts["factor"] = Given(Fraction(some.randint(0, 3000), 1000), "test")
    if some.random() < 0.3:
        del root.facts["factor"]
    for first in some.sample(["scoring_unit", "tin_npi"], 2):
        root.children[first] = []
    clinicians: list[Record | None] = [None]
    for tin in range(some.randint(0, 3)):
        score = Fraction(some.choice([0, 2999, 3000, 3001, 10_000]), 100)
        extra = some.choice([None, Fraction(5)])
        unit = add(root, "scoring_unit", tin=f"t{tin}", score=score, extra=extra)
        for npi in range(some.randint(0, 2)):
            eligible = some.choice([True, True, False, None])
            clinicians.append(add(unit, "clinician", npi=f"n{npi}", eligible=eligible))
    for number in range(some.randint(0, 4)):
        charges = Fraction(some.randint(0, 10**8), 100)
        one = add(root, "tin_npi", number=f"c{number}", charges=charges)
        for kind in some.sample(["individual", "group", "virtual_group"], some.randint(0, 3)):
            stated = some.choice([None, Fraction(61)])
            score_of = add(one, "available_score", kind=kind, stated=stated)
            score_of.refers = some.choice(clinicians)
            for letter in "ab"[: some.randint(0, 2)]:
                add(score_of, "note", letter=letter, weight=Fraction(some.randint(0, 100), 100))
    return Case(root, {"case": "test"}, "")


def test_any_nations() -> None:
    some = Random(1405)
    found = agreed_cases(small(RULES), [nation(some) for _ in range(300)])
    # Among them are what refers to nothing, and what is determined all the same.
    read = [
        decision for one in found for (rule, _), decision in one.decisions.items()
        if rule == "either"
    ]  # fmt: skip
    assert {decision.winner for decision in read} == {"", "either"}
