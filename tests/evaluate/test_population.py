"""A small nation: scoring units, their TIN/NPIs with charges, and the factors that balance them.

Expected values are worked out by hand from 42 CFR 414.1405: threshold 45, applicable percent 9,
additional factor from 85 points, 0.5 to 10 percent, for 2020-final.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import pytest

from evaluate.conftest import evaluator_of
from evaluate.small import needs
from finalrule.core.expressions import Known, constant_value
from finalrule.evaluate.scalar import Evaluation
from finalrule.facts.case import Case, Given, Record
from finalrule.values import Value

EVALUATOR = evaluator_of("2020-final")


class Nation:
    """Records under one program; a scoring unit's final score is given."""

    def __init__(self, **facts: Value) -> None:
        self.root = Record("program", given(**facts))

    def unit(self, kind: str, score: object, *npis: str) -> dict[str, Record]:
        """A unit, and its clinicians by NPI: all of them physicians in a unit that is eligible."""
        unit = self.root.add(
            "scoring_unit",
            given(
                entity_type=kind, final_score_given=True, given_final_score=number(score),
                stated_low_volume=False, stated_opt_in_eligible=False,
            ),
        )  # fmt: skip
        own = given(clinician_type="physician", stated_newly_enrolled=False, qp_status="neither")
        return {npi: unit.add("clinician", {**given(npi=npi), **own}) for npi in npis}

    def holder(self, charges: object, **scores: Record | None) -> Record:
        """A TIN/NPI that has the scores of these clinicians, by the kind of their unit."""
        holder = self.root.add("tin_npi", {})
        if charges is not None:
            holder.facts.update(given(covered_charges=number(charges)))
        for kind, clinician in scores.items():
            score = holder.add("available_score", given(kind=kind, source="-"))
            score.refers = clinician
        return holder

    def evaluate(self) -> Evaluation:
        for record in self.root.walk():
            for fact in EVALUATOR.program.facts:
                if fact.entity == record.entity and fact.default is not None:
                    value = constant_value(fact.default)
                    record.facts.setdefault(fact.name, Given(value, "absent"))
        return EVALUATOR.evaluate(Case(self.root, {"case": "nation"}, ""))


def number(value: object) -> Fraction:
    return Fraction(str(value))


def given(**facts: Value) -> dict[str, Given]:
    return {name: Given(value, "test") for name, value in facts.items()}


def each(found: Evaluation, rule: str) -> list[Known]:
    """The outcomes of a rule, in the order of its records."""
    return [decision.values[""] for (name, _), decision in found.decisions.items() if name == rule]


def percent(value: Known) -> Fraction:
    assert isinstance(value, Fraction)
    return value * 100


def decided(found: Evaluation, rule: str) -> str:
    return found.decision(rule).winner


def total(values: Iterable[Known]) -> Fraction:
    return sum((value for value in values if isinstance(value, Fraction)), Fraction(0))


def nation(**facts: Value) -> Nation:
    """An individual with 100 points, a group with 67 points of whose two clinicians one does better
    alone (78 points), and an individual with 9 points."""
    made = Nation(**facts)
    first = made.unit("individual", 100, "1")
    group = made.unit("group", 67, "2", "3")
    alone = made.unit("individual", 78, "3")
    last = made.unit("individual", 9, "4")
    made.holder(100_000, individual=first["1"])
    made.holder(50_000, group=group["2"])
    made.holder("20000.50", individual=alone["3"], group=group["3"])
    made.holder(80_000, individual=last["4"])
    return made


def test_the_scaling_factor_balances_the_nation() -> None:
    found = nation(whole_population=True).evaluate()
    # 9% x 55/55; 9% x 22/55 = 3.6%; 9% x 33/55 = 5.4%, the higher of 67 and 78; 9 <= 45/4: -9%
    factors = [Fraction(9, 100), Fraction(36, 1000), Fraction(54, 1000), Fraction(-9, 100)]
    assert each(found, "used_unscaled_factor") == factors
    # 9,000 + 1,800 + 1,080.027 = 11,880.027 against 7,200
    assert each(found, "unscaled_increase") == [9000, 1800, number("1080.027"), 0]
    assert each(found, "reduction") == [0, 0, 0, 7200]
    scaling = Fraction(7_200_000, 11_880_027)
    assert found.value("scaling_factor") == scaling
    assert decided(found, "scaling_factor") == "balanced"
    assert found.value("total_increases") == found.value("total_reductions") == 7200
    # Additional: 10% of 100,000, below 85 points nothing; the funds suffice.
    assert found.value("total_unscaled_additional_payments") == 10_000
    assert (found.value("additional_scaling_factor"), decided(found, "additional_scaling_factor")) \
        == (1, "limit")  # fmt: skip
    # With nine places: 9% x 7,200,000/11,880,027 = 5.454533057(88)%, and 10% with it;
    # 3.6% x ... = 2.181813223(15)%; 5.4% x ... = 3.272719834(73)%.
    assert [percent(value) for value in each(found, "payment_adjustment_factor")] == [
        number("15.454533058"), number("2.181813223"), number("3.272719835"), -9
    ]  # fmt: skip
    # To the cent: 9,000 x ... = 5,454.53(3), and 10,000 with it; 1,800 x ... = 1,090.90(66);
    # 1,080.027 x ... = 654.56(03).
    amounts = each(found, "adjustment_amount")
    assert amounts == [number("15454.53"), number("1090.91"), number("654.56"), -7200]
    # What is given beyond the reductions is the additional payments.
    assert total(amounts) == found.value("total_additional_payments") == 10_000


def test_the_scaling_factor_is_three_at_most() -> None:
    made = Nation(whole_population=True)
    first = made.unit("individual", 56, "1")
    last = made.unit("individual", "22.5", "2")
    made.holder(10_000, individual=first["1"])
    made.holder(20_000, individual=last["2"])
    found = made.evaluate()
    # 10,000 x 9% x 11/55 = 180; 20,000 x 9% x 22.5/45 = 900, five times as much
    assert found.value("total_unscaled_increases") == 180
    assert found.value("total_reductions") == 900
    assert (found.value("scaling_factor"), decided(found, "scaling_factor")) == (3, "limit")
    # 5.4% of 10,000 is 540: 360 of the 900 are given to nobody.
    assert each(found, "adjustment_amount") == [540, -900]


def test_additional_payments_keep_to_their_funds() -> None:
    made = Nation(whole_population=True)
    for npi in range(80):
        clinicians = made.unit("individual", 100, str(npi))
        made.holder(100_000_000, individual=clinicians[str(npi)])
    found = made.evaluate()
    # 80 x 10% x 100,000,000 = 800,000,000 for 500,000,000
    assert found.value("total_unscaled_additional_payments") == 800_000_000
    assert found.value("additional_scaling_factor") == Fraction(5, 8)
    assert decided(found, "additional_scaling_factor") == "funds"
    assert found.value("total_additional_payments") == 500_000_000
    # Nobody's payments are reduced: 0 / 720,000,000
    assert (found.value("scaling_factor"), decided(found, "scaling_factor")) == (0, "balanced")


def test_without_the_whole_population_the_factors_are_assumed() -> None:
    found = nation(
        assumed_scaling_factor=Fraction(1, 5), assumed_additional_scaling_factor=Fraction(1, 2)
    ).evaluate()
    assert found.value("scaling_factor") == Fraction(1, 5)
    # 9,000 x 1/5 + 10,000 x 1/2
    assert each(found, "adjustment_amount")[0] == 6800


@pytest.mark.parametrize("kind", ["group", "virtual_group"])
def test_who_has_no_score_and_whose_charges_are_not_known(kind: str) -> None:
    made = nation(whole_population=True)
    nobody = made.holder(30_000)
    made.holder(None, **{kind: made.unit(kind, 45, "5")["5"]})
    found = made.evaluate()
    assert each(found, "payment_adjustment_applies") == [True] * 4 + [False, True]
    # Neither has an adjustment: no score, and a score at the threshold, whatever the charges are.
    assert each(found, "adjustment_amount")[4:] == [0, 0]
    # With a score of which the unit is not at hand all depends on what is not known.
    missing = nobody.add(
        "available_score", given(kind="apm_entity", source="E1", given_eligible=True)
    )
    assert missing.refers is None
    found = made.evaluate()
    assert needs(found.value("scaling_factor")) == {"available_score[apm_entity,E1].clinician"}
    # Who is not scaled is determined all the same.
    assert each(found, "adjustment_factor")[3] == Fraction(-9, 100)
