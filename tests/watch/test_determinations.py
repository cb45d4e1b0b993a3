"""What is written of a small APM Entity as its year goes by."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from finalrule.evaluate.scalar import Evaluator
from finalrule.watch.model import Model
from finalrule.watch.pool import Pool
from watch.conftest import Watched, watched
from watch.plain import Event

FIRST, SECOND = "1234567893", "1992999825"


def event(id_: str, of: str, subject: dict[str, str], at: str = "", /, **facts: Any) -> Event:
    made: Event = {"id": id_, "at": at or "2020-05-01T00:00:00Z", "kind": of, "subject": subject}
    return {**made, "facts": facts} if facts else made


def totals(id_: str, attributed: int, at: str = "", eligible: int = 1000) -> Event:
    """Payments of the unit A1 to March 31; of a hundred patients it treated one."""
    return event(
        id_, "claim_totals", {"unit": "A1", "snapshot": "march_31"}, at,
        given_attributed_payments=attributed, given_eligible_payments=eligible,
        given_attributed_patients=1, given_eligible_patients=100,
    )  # fmt: skip


def listed(id_: str, npi: str, unit: str = "A1") -> Event:
    return event(id_, "participation", {"npi": npi, "unit": unit}, listed_march_31=True)


UNIT = event("unit", "unit", {"unit": "A1"}, kind="apm_entity", in_advanced_apm=True)
BEGIN = [UNIT, listed("p1", FIRST), listed("p2", SECOND)]


@pytest.fixture
def after(model: Model, evaluator: Evaluator, pool: Pool, tmp_path: Path) -> Any:
    """What is written of batches of events, found the same when determined again at once."""

    def run(*batches: Sequence[Event | bytes]) -> Watched:
        found = watched(model, evaluator, pool, tmp_path, batches)
        assert found.different == []
        return found

    return run


# Payment year 2022: QP from 50 %, Partial QP from 40 % of payments (42 CFR 414.1430(a)(1)(ii),
# (a)(2)(ii)); of patients the unit has 1 %.
def test_a_threshold_that_is_met_exactly_and_missed_by_a_dollar(after: Any) -> None:
    found = after(BEGIN, [totals("t1", 500)], [totals("t2", 499, "2020-05-02T00:00:00Z")])
    assert found.changes("unit_standing") == [(None, "neither"), ("neither", "qp"),
                                              ("qp", "partial_qp")]  # fmt: skip
    # Each clinician as the unit, one after the other.
    assert found.changes("qp_status") == [
        (None, "neither"), (None, "neither"), ("neither", "qp"), ("neither", "qp"),
        ("qp", "partial_qp"), ("qp", "partial_qp"),
    ]  # fmt: skip


def test_a_line_says_who_what_why_and_from_what(after: Any) -> None:
    found = after(BEGIN, [totals("t1", 500)])
    (line,) = [
        line for line in found.determinations
        if line["subject"] == {"npi": SECOND} and line["is"]["value"] == "qp"
    ]  # fmt: skip
    assert line == {
        "subject": {"npi": SECOND},
        "outcome": f"qp_status[{SECOND}]",
        "was": {"value": "neither", "clause": "below_thresholds"},
        "is": {
            "value": "qp",
            "clause": "qp_with_apm_entity",
            "because": "an APM Entity group in which the clinician is meets a QP threshold",
            "cites": ["42 CFR 414.1425(c)(3)"],
        },
        "events": ["t1"],
    }


def test_totals_that_change_no_standing_touch_no_clinician(after: Any) -> None:
    found = after(BEGIN, [totals("t1", 500)], [totals("t2", 999, "2020-05-02T00:00:00Z")])
    assert found.counts["taken"] == 5
    assert [line["events"] for line in found.determinations][-1] == ["t1"]


def test_a_late_event_stands_behind_the_later_one(after: Any) -> None:
    """What was said of a later time stays, and the event is counted as late."""
    found = after([*BEGIN, totals("t1", 500)], [totals("t0", 100, "2020-04-30T23:59:59Z")])
    assert found.outcomes["unit_standing[A1]"] == (("qp",), "qp")
    assert (found.counts["taken"], found.counts["late"]) == (5, 1)


def test_of_one_time_the_greater_id_stands(after: Any) -> None:
    first, second = totals("t2", 500), totals("t1", 100)
    assert after([*BEGIN, first, second]).outcomes["unit_standing[A1]"] == (("qp",), "qp")


def test_a_retraction_brings_back_what_was_before(after: Any) -> None:
    retraction = {"id": "r", "at": "2020-06-01T00:00:00Z", "kind": "retraction",
                  "subject": {"unit": "A1"}, "retracts": "t2"}  # fmt: skip
    found = after(
        [*BEGIN, totals("t1", 500)], [totals("t2", 100, "2020-05-02T00:00:00Z")], [retraction]
    )
    assert found.changes("unit_standing") == [(None, "qp"), ("qp", "neither"), ("neither", "qp")]
    assert found.determinations[-1]["events"] == ["r"]


def test_all_that_is_taken_back_is_gone(after: Any) -> None:
    retraction = {"id": "r", "at": "2020-06-01T00:00:00Z", "kind": "retraction",
                  "subject": {"npi": FIRST}, "retracts": "p1"}  # fmt: skip
    found = after([*BEGIN, totals("t1", 500)], [retraction])
    assert f"qp_status[{FIRST}]" not in found.outcomes
    (line,) = [one for one in found.determinations
               if one["outcome"].startswith("qp_status") and one["events"] == ["r"]]  # fmt: skip
    assert line["was"]["value"] == "qp" and line["is"] is None


def test_who_leaves_the_list_and_comes_back(after: Any) -> None:
    """The record is gone from the first time on, and there again from the second."""
    gone = {**event("g", "participation", {"npi": FIRST, "unit": "A1"}, "2020-05-02T00:00:00Z"),
            "there": False}  # fmt: skip
    back = {**listed("b", FIRST), "at": "2020-05-03T00:00:00Z"}
    found = after([*BEGIN, totals("t1", 500)], [gone], [back])
    states = [was_is for was_is in found.changes("qp_status") if was_is[0] is not None]
    assert states == [("qp", None)]
    assert found.outcomes[f"qp_status[{FIRST}]"] == (("qp",), "qp_with_apm_entity")


def test_a_termination_takes_the_status_away(after: Any) -> None:
    """42 CFR 414.1425(c)(5): before August 31 (the end of the QP Performance Period)."""
    ends = event("x", "termination", {"unit": "A1"}, terminated=True, terminated_on="2020-08-30")
    found = after([*BEGIN, totals("t1", 500)], [ends])
    assert found.outcomes["unit_assessment[A1]"] == (("left_too_early",), "left_too_early")
    assert found.changes("qp_status")[-2:] == [("qp", "neither"), ("qp", "neither")]


def test_a_partial_qp_elects(after: Any) -> None:
    elects = event("x", "election", {"unit": "A1"}, elects_mips=True)
    found = after([*BEGIN, totals("t1", 400)], [elects])
    assert found.outcomes[f"partial_qp_elects[{FIRST}]"] == (("yes",), "by_apm_entity")


def test_what_is_not_known_names_what_it_needs(after: Any) -> None:
    found = after([listed("p1", FIRST)])
    (line,) = [one for one in found.determinations if one["outcome"] == f"qp_status[{FIRST}]"]
    assert line["is"] == {"value": None, "needs": [f"qp_participation[{FIRST},A1].qp_unit"]}


def test_two_events_of_one_batch_are_both_named(after: Any) -> None:
    both = [totals("t2", 450, "2020-05-02T00:00:00Z"), totals("t3", 500, "2020-05-03T00:00:00Z")]
    found = after([*BEGIN, totals("t1", 100)], both)
    assert found.changes("unit_standing") == [(None, "neither"), ("neither", "qp")]
    assert found.determinations[-1]["events"] == ["t2", "t3"]


def test_totals_from_claims(after: Any) -> None:
    """Of four beneficiaries one is attributed (25 %: Partial QP by patients). $500 of $1,000 are
    50 %; with the dollar that a correction takes off, $499 of $999 are less. Without totals and
    claims it was undetermined."""
    eligible = {
        "in_medicare_advantage_or_cost_plan": False, "medicare_is_secondary_payer": False,
        "in_parts_a_and_b": True, "at_least_18": True, "united_states_resident": True,
    }  # fmt: skip

    def beneficiary(name: str, listed: bool) -> Event:
        return event(
            name, "claim", {"unit": "A1", "beneficiary_id": name}, **eligible,
            on_list_march_31=listed,
        )  # fmt: skip

    def claim(id_: str, beneficiary: str, paid: int, at: str = "") -> Event:
        return event(
            id_, "claim", {"unit": "A1", "beneficiary_id": beneficiary, "claim_id": "1"}, at,
            kind="covered_professional_service", service_date="2020-02-01",
            processed_on="2020-03-01", paid=paid, evaluation_and_management=True,
        )  # fmt: skip

    names = ("B1", "B2", "B3", "B4")
    found = after(
        [*BEGIN, event("s", "claim_totals", {"unit": "A1", "snapshot": "march_31"})],
        [claim("c1", "B1", 500), *(beneficiary(name, name == "B1") for name in names),
         claim("c2", "B2", 500), claim("c3", "B3", 0), claim("c4", "B4", 0)],
        [claim("c5", "B1", 499, "2020-06-01T00:00:00Z")],
    )  # fmt: skip
    assert found.changes("unit_standing") == [(None, None), (None, "qp"), ("qp", "partial_qp")]
    assert found.outcomes[f"qp_status[{FIRST}]"][0] == ("partial_qp",)
