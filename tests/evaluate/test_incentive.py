"""The APM Incentive Payment: its parts are the whole to the cent, whatever the payments are."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluate.conftest import evaluator_of
from finalrule.core.expressions import Known, constant_value
from finalrule.facts.case import Case, Given, Record

NPI = "0000000001"
CENTS = st.integers(0, 3) | st.integers(0, 10**8)


def parts(policy: str, whole: int, tins: list[tuple[int, int]]) -> list[int]:
    """What each TIN gets of the whole, in cents: its step (8: none) and payments in cents."""
    root = Record("program", {})
    clinician = root.add("eligible_clinician", {"npi": Given(NPI, "")})
    for number, (step, payments) in enumerate(tins):
        facts = {
            "tin": f"{number:09}",
            "identified_at_step": Fraction(step),
            "given_payments": Fraction(payments, 100),
            # As first published there are two steps, and other payments to divide by.
            "attained_qp_status": step == 1,
            "reassigned_at_payment": step == 2,
            "performance_period_payments": Fraction(payments, 100),
        }
        clinician.add("base_period_tin", {name: Given(one, "") for name, one in facts.items()})
    evaluator = evaluator_of(policy)
    for record in root.walk():
        for fact in evaluator.program.facts:
            if fact.entity == record.entity and fact.default is not None:
                record.facts.setdefault(fact.name, Given(constant_value(fact.default), ""))
    assumed: dict[tuple[str, tuple[str, ...]], dict[str, Known]] = {
        ("apm_incentive_payment", (NPI,)): {"": Fraction(whole, 100)}
    }
    evaluation = evaluator.evaluate(Case(root, {}, ""), ["incentive_to_tin"], assumed)
    found = []
    for frame in evaluation.frames_of("base_period_tin"):
        amount = evaluation.value("incentive_to_tin", frame)
        assert isinstance(amount, Fraction) and (amount * 100).denominator == 1
        found.append(int(amount * 100))
    return found


@pytest.mark.parametrize("policy", ["2017-final", "2020-final"])
@given(CENTS, st.lists(st.tuples(st.sampled_from((1, 2, 8)), CENTS), min_size=1, max_size=8))
def test_the_parts_are_the_whole(policy: str, whole: int, tins: list[tuple[int, int]]) -> None:
    paid = parts(policy, whole, tins)
    first = min(step for step, _ in tins)
    payees = [n for n, (step, _) in enumerate(tins) if step == first < 8]
    assert all(cents == 0 for n, cents in enumerate(paid) if n not in payees)
    assert sum(paid) == (whole if payees else 0)
    total = sum(tins[n][1] for n in payees)
    for n in payees if total else ():
        # No part is less than its proportion in whole cents, nor more by as many cents as TINs.
        exact = Fraction(whole * tins[n][1], total)
        assert exact - 1 < paid[n] < exact + len(payees)
