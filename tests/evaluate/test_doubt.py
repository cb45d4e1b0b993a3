"""Rules made unknown by one thing that they read, where the others do not settle it."""

from __future__ import annotations

from random import Random

import pytest

from evaluate.small import Small, small
from finalrule.evaluate.aim import Aim
from finalrule.evaluate.generate import Generator

# What is derived has a stand-in, so that two facts must be missing together; of three statuses none
# may hold; one member alone decides whether there is any; the best of several is unknown with what
# it is ranked by, and so is the sum that it has a part in.
RULES = """entity unit
fact unit.derived: yes_no may be unknown
fact unit.stated: yes_no may be unknown
fact unit.small: yes_no may be unknown
fact unit.always: yes_no absent means no cites "42 CFR 414.1305"
entity member of unit
  key number: code
fact member.counts: yes_no may be unknown
fact member.worth: points[0..10] scale 0 may be unknown
rule rural for unit: yes_no
  cites "42 CFR 414.1305"
  clause status: first_known(derived, stated) always
rule special for unit: yes_no
  cites "42 CFR 414.1305"
  let any_status = any of (always, small, rural)
  clause special: yes when any_status
  clause ordinary: no when not any_status
rule two_of_three for unit: yes_no
  cites "42 CFR 414.1305"
  let enough = at least 2 of (always, small, rural)
  clause enough: yes when enough
  clause fewer: no when not enough
rule has_member for unit: yes_no
  cites "42 CFR 414.1305"
  let some = any(member where counts)
  clause some: yes when some
  clause none: no when not some
rule total for unit: points[0..1000]
  cites "42 CFR 414.1305"
  clause total: sum(worth over member where counts) always
rule known for unit: yes_no
  cites "42 CFR 414.1305"
  clause known: always always
"""


@pytest.fixture(scope="module")
def made() -> Small:
    return small(RULES)


@pytest.mark.parametrize("rule", ["rural", "special", "two_of_three", "has_member", "total"])
def test_a_rule_is_made_unknown(made: Small, rule: str) -> None:
    """Every fact is known before: what is said to be unknown is, and that is most of the time."""
    generator = Generator(made.evaluator.program, {})
    aim, done = Aim(made.evaluator, generator), 0
    for number in range(40):
        case = generator.case(f"{rule} {number}", known=True)
        if aim.doubted(case, rule, None, Random(number)):
            assert made.evaluator.evaluate(case).decision(rule).winner == ""
            done += 1
    assert done >= 20


def test_what_is_always_known_stays_as_it_is(made: Small) -> None:
    generator = Generator(made.evaluator.program, {})
    aim = Aim(made.evaluator, generator)
    case = generator.case("known", known=True)
    before = [dict(record.facts) for record in case.root.walk()]
    assert not aim.doubted(case, "known", None, Random(1))
    assert [dict(record.facts) for record in case.root.walk()] == before
