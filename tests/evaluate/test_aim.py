"""Cases aimed at what is rare: numbers that come from several facts between two figures of which
one is looked up, through a reference, and only where another record comes to nothing."""

from __future__ import annotations

from random import Random

import pytest

from finalrule.core import ir
from finalrule.evaluate.aim import Aim
from finalrule.evaluate.generate import GENERATED, Generator
from finalrule.evaluate.now import Now, Readers
from finalrule.evaluate.scalar import Evaluator
from finalrule.facts.case import Given
from runtime.small import program_of

RULES = """
module mips.aimed
type kind: one of {together, alone}
type standing: one of {full, part, none}
entity program
  describe "All"
entity unit of program
  describe "A unit"
  key unit: code
entity payer of unit
  describe "What is paid to it"
  key payer: code
entity person of program
  describe "A person"
  key npi: code
entity link of person refers to unit
  describe "A person in a unit"
  key place: code
fact program.asked: count[2019..2099]
  may be unknown
  describe "Year that is asked for"
fact unit.kind: kind
  required
  describe "Kind"
fact payer.counted: yes_no
  required
  describe "Whether it counts"
fact payer.through: usd[0..10000000]
  may be unknown
  describe "Paid through a model"
fact payer.paid: usd[0..10000000]
  may be unknown
  describe "Paid"
parameter year.own: count[2019..2099]
  describe "Year"
rule year for program: count[2019..2099]
  cites "42 CFR 414.1305"
  clause year: first_known(asked, params.year.own) always
table limits for program
  cites "42 CFR 414.1305"
  given in_year: count[2019..2099] = year
  gives full: percent[0..100]
  gives part: percent[0..100]
rule score for unit: percent[0..100000000000000]
  cites "42 CFR 414.1305"
  let most = sum(through over payer where counted)
  let some = sum(paid over payer where counted)
  clause share: (most / some zero gives 0) as percent always
rule reached for unit: standing
  cites "42 CFR 414.1305"
  let most = score >= limits.full
  let some = score >= limits.part
  clause full: full when most
  clause part: part when some and not most
  clause none: none when not some
rule status for person: standing
  cites "42 CFR 414.1305"
  let any_full = any(link where reached is full)
  let several = count(link where unit.kind is together) >= 2
  let alone_part = any(link where unit.kind is alone and reached is part)
  let group_part = any(link where unit.kind is together and reached is part)
  clause full: full when any_full
  clause part_alone: part when alone_part and several and not any_full and not group_part
  clause part_together: part when group_part and not any_full
  clause none: none otherwise
"""

FIGURES = """
parameters:
  year.own: {value: 2020, unit: count, cite: 42 CFR 414.1305}
tables:
  limits:
    cite: 42 CFR 414.1305
    rows:
      early: {in_year: "< 2021", full: 25%, part: 20%}
      later: {in_year: ">= 2021", full: 50%, part: 40%}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> ir.Program:
    return program_of(tmp_path_factory.mktemp("aimed"), RULES, FIGURES)


@pytest.mark.parametrize("goal", [
    ("limits", "early"), ("limits", "later"), ("reached", "full"), ("reached", "part"),
    ("status", "full"), ("status", "part_together"), ("status", "part_alone"),
], ids=".".join)  # fmt: skip
def test_what_is_rare_wins_when_it_is_aimed_at(program: ir.Program, goal: tuple[str, str]) -> None:
    evaluator = Evaluator(program, {})
    generator = Generator(program, {})
    aim, won = Aim(evaluator, generator), 0
    for number in range(20):
        case = generator.case(f"{goal} {number}", known=True)
        record = aim.aimed(case, goal, Random(number))
        if record is not None:
            evaluation = evaluator.evaluate(case)
            (frame,) = (frame for frame, one in evaluation.records.items() if one is record)
            assert evaluation.decision(goal[0], frame).winner == goal[1]
            won += 1
    assert won >= 10


def test_a_case_as_it_is_now_is_the_case_evaluated(program: ir.Program) -> None:
    evaluator = Evaluator(program, {})
    generator, readers = Generator(program, {}), Readers(evaluator)
    for seed in range(30):
        case, random = generator.case(f"now {seed}"), Random(seed)
        now = Now(readers, case.root)
        for _ in range(6):
            record = random.choice(list(case.root.walk()))
            if facts := generator.facts[record.entity]:
                fact = random.choice(facts)
                value = generator.another(fact, record, random)
                if value is not None and fact.name not in ("unit", "payer", "npi", "place"):
                    record.facts[fact.name] = Given(value, GENERATED)
                    now.changed(record, fact.name)
            evaluation = evaluator.evaluate(case)
            for (rule, frame), decision in reversed(evaluation.decisions.items()):
                one = evaluation.records[frame]
                assert now.winner(rule, one) == decision.winner
