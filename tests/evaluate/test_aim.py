"""Cases aimed at what is rare: numbers that come from several facts between two figures of which
one is looked up, through a reference, and only where another record comes to nothing; dates, counts
and records of a catalogue that a rule asks for."""

from __future__ import annotations

import datetime
from random import Random

import msgspec
import pytest

from evaluate.small import small
from finalrule.core import ir
from finalrule.evaluate.aim import Aim
from finalrule.evaluate.ask import Asking
from finalrule.evaluate.change import Rules
from finalrule.evaluate.generate import GENERATED, Generator
from finalrule.evaluate.now import Now, Readers
from finalrule.evaluate.scalar import Evaluator
from finalrule.evaluate.steer import Cases
from finalrule.facts.case import Given, Record

RULES = """type kind: one of {together, alone}
type standing: one of {full, part, none}
entity program
entity unit of program
  key unit: code
entity payer of unit
  key payer: code
entity person of program
  key npi: code
entity link of person refers to unit
  key place: code
fact program.asked: count[2019..2099] may be unknown
fact unit.kind: kind required
fact payer.counted: yes_no required
fact payer.through: usd[0..10000000] may be unknown
fact payer.paid: usd[0..10000000] may be unknown
parameter year.own: count[2019..2099]
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


# Two dates of which none is a figure; how many records there are, against figures that no number of
# records meets; what a catalogue says of a few records, and of none.
ASKED = """entity unit
entity item of unit
  key number: code
fact unit.begun: date may be unknown
fact unit.ended: date required
fact item.code: code may be unknown
fact item.late: yes_no required
catalogue stock by (code: code)
  field rare: yes_no
  field sold: yes_no
rule in_order for unit: yes_no
  cites "42 CFR 414.1305"
  clause ordered: yes when begun < ended
  clause other: no when not (begun < ended)
rule some_late for unit: yes_no
  cites "42 CFR 414.1305"
  clause some: yes when count(item where late) >= 3.5
  clause few: no when not (count(item where late) >= 3.5)
rule never for unit: yes_no
  cites "42 CFR 414.1305"
  clause less_than_none: yes when count(item where late) < -1
  clause always: no when count(item where late) > -1
  clause one_less: no when count(item where late) == -1
rule found for item: yes_no
  cites "42 CFR 414.1305"
  let rare = lookup(stock.rare by (code), none gives no)
  let sold = lookup(stock.sold by (code), none gives yes)
  clause rare: yes when late and rare
  clause sold: no when sold and not rare
  clause neither: no when not sold and not rare
  clause rare_in_time: no when not late and rare
"""

# The best of those that have a code in common; records of one unit hardly ever do.
RANKED = """entity unit
entity item of unit
  key code: code
  key way: code
fact item.fits: yes_no required
select best from item
  cites "42 CFR 414.1380"
  where fits
  per code
  best 1
  ties by way
"""

CATALOGUE = """
parameters: {}
catalogues:
  stock: {path: bench.csv, cite: 42 CFR 414.1305}
"""

# Of 40 codes of the catalogue one is rare, and none is sold.
STOCK = "code,rare,sold\n" + "".join(
    f"{number:03},{'yes' if number == 7 else 'no'},no\n" for number in range(40)
)


@pytest.fixture(scope="module")
def evaluator() -> Evaluator:
    return small(RULES, FIGURES).evaluator


@pytest.fixture(scope="module")
def asked() -> Evaluator:
    return small(ASKED, CATALOGUE, STOCK).evaluator


@pytest.mark.parametrize("goal", [
    ("limits", "early"), ("limits", "later"), ("reached", "full"), ("reached", "part"),
    ("status", "full"), ("status", "part_together"), ("status", "part_alone"),
], ids=".".join)  # fmt: skip
def test_what_is_rare_wins_when_it_is_aimed_at(evaluator: Evaluator, goal: tuple[str, str]) -> None:
    generator = Generator(evaluator.program, {})
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


@pytest.mark.parametrize("goal", [
    ("in_order", "ordered"), ("in_order", "other"), ("some_late", "some"), ("some_late", "few"),
    ("never", "always"), ("found", "rare"), ("found", "sold"), ("found", "neither"),
], ids=".".join)  # fmt: skip
def test_what_is_asked_for_directly_holds(asked: Evaluator, goal: tuple[str, str]) -> None:
    generator = Generator(asked.program, asked.catalogues)
    aim, won = Aim(asked, generator), 0
    for number in range(20):
        case = generator.case(f"{goal} {number}", known=True)
        won += aim.aimed(case, goal, Random(number)) is not None
    assert won >= 15


def test_another_record_that_has_the_same_passes_one_over() -> None:
    evaluator = small(RANKED).evaluator
    generator = Generator(evaluator.program, {})
    aim, won = Aim(evaluator, generator), 0
    for number in range(20):
        case = generator.case(f"ranked {number}", known=True)
        won += aim.aimed(case, ("best", "passed_over"), Random(number)) is not None
    assert won >= 15


def test_no_number_of_records_is_less_than_none(asked: Evaluator) -> None:
    """Whichever way it is asked for: nothing is changed for it."""
    plan = Rules(asked, Generator(asked.program, asked.catalogues))
    for number in range(20):
        case = plan.generator.case(f"never {number}", known=True)
        asking = Asking(plan, case.root, Random(number))
        assert not asking.win("never", "less_than_none", case.root, 0)
        assert not asking.win("never", "one_less", case.root, 0)
        assert asking.win("never", "always", case.root, 0) and not asking.added


def test_a_code_that_stays_unknown_is_none_that_is_asked_for(asked: Evaluator) -> None:
    """What a question holds as it is may be that something is not known: so it cannot be rare."""
    plan = Rules(asked, Generator(asked.program, asked.catalogues))
    root = Record("unit", {"ended": Given(datetime.date(2020, 3, 31), "")})
    item = root.add("item", {"number": Given("1", ""), "late": Given(True, "")})
    asking = Asking(plan, root, Random(1))
    asking.hold(ir.Fact("item", "code"), item)
    assert not asking.win("found", "rare", item, 0) and "code" not in item.facts
    assert Asking(plan, root, Random(1)).win("found", "rare", item, 0)
    assert item.facts["code"].value == "007"


def test_without_rules_there_is_nothing_to_aim_at(asked: Evaluator) -> None:
    program = msgspec.structs.replace(asked.program, rules=())
    cases = Cases(Evaluator(program, asked.catalogues), Generator(program, asked.catalogues))
    made = {str(cases.case(f"none {number}").root.facts) for number in range(20)}
    assert len(made) > 1


def test_a_case_as_it_is_now_is_the_case_evaluated(evaluator: Evaluator) -> None:
    generator, readers = Generator(evaluator.program, {}), Readers(evaluator)
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
