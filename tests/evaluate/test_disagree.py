"""What CMS states against what follows from the facts."""

from __future__ import annotations

from fractions import Fraction

from evaluate.conftest import evaluator_of, make_case
from finalrule.evaluate.disagree import disagreements
from finalrule.score import unit_rules


def warned(stated: bool) -> list[str]:
    evaluator = evaluator_of("2020-final")
    # 90,000.01 > 90,000; 201 > 200; 201 > 200 in both segments: exceeds the low-volume threshold
    # (42 CFR 414.1305). CMS's lowVolumeSwitch is true for who does not exceed it.
    segments = [
        {"segment": name, "allowed_charges": Fraction("90000.01"), "patients": Fraction(201),
         "services": Fraction(201)}
        for name in ("first", "second")
    ]  # fmt: skip
    unit = {
        "entity_type": "individual", "stated_low_volume": stated, "stated_opt_in_eligible": False,
    }  # fmt: skip
    case = make_case(evaluator, unit, {"segment": segments})  # type: ignore[arg-type, dict-item]
    evaluation = evaluator.evaluate(case, unit_rules(evaluator.program))
    return [finding.message for finding in disagreements(evaluator, evaluation)]


def test_a_statement_that_agrees_is_no_warning() -> None:
    assert warned(stated=False) == []


def test_a_statement_that_the_facts_contradict_is_one() -> None:
    assert warned(stated=True) == [
        "`low_volume_status` follows from the facts as included, but "
        "`stated_low_volume_status` says excluded"
    ]
