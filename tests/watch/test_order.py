"""In whichever order events arrive, cut into whichever batches, repeated or taken back: the end is
what a plain evaluation of all of them at once comes to, by durable-rules and without it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finalrule.evaluate.scalar import Evaluator
from finalrule.runtime.durable import unavailable
from finalrule.watch import derive
from finalrule.watch.derive import Deriver
from finalrule.watch.model import Model
from finalrule.watch.pool import Here, Pool
from watch.conftest import watched
from watch.plain import Event, outcomes

UNITS, NPIS = ("A1", "A2"), ("1234567893", "1992999825")
DAYS = st.integers(1, 4).map(lambda day: f"2020-05-{day:02d}T00:00:00Z")
YES_NO = st.booleans() | st.none()
UNIT = st.sampled_from(UNITS)
SLOW = [HealthCheck.too_slow]
LISTS = st.sampled_from(("participation_list", "affiliated_practitioner_list"))


def some(**facts: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries({}, optional=facts)


def kinds() -> Iterator[st.SearchStrategy[Event]]:
    """Events but for id and time."""

    def said(
        kind: str, subject: dict[str, st.SearchStrategy[str]], facts: st.SearchStrategy[object]
    ) -> st.SearchStrategy[Event]:
        return st.fixed_dictionaries(
            {"kind": st.just(kind), "subject": st.fixed_dictionaries(subject), "facts": facts}
        )

    payments = st.sampled_from((0, 399, 400, 499, 500, "$1,000.00")) | st.none()
    patients = st.sampled_from((24, 25, 34, 35, 100)) | st.none()
    snapshot = {"unit": UNIT, "snapshot": st.sampled_from(("march_31", "june_30", "august_31"))}
    units = st.sampled_from(("apm_entity", "apm_entity", "eligible_clinician", "tin"))
    yield said("unit", {"unit": UNIT}, some(
        kind=units, in_advanced_apm=YES_NO, has_participation_list=YES_NO, elects_mips=YES_NO,
        payment_model=st.sampled_from(("M1",)) | st.none(),
    ))  # fmt: skip
    yield said("payment_model", {"model": st.just("M1")}, some(full_capitation=YES_NO))
    yield said("claim_totals", snapshot, some(
        given_attributed_payments=payments, given_eligible_payments=payments,
        given_attributed_patients=patients, given_eligible_patients=patients,
    ))  # fmt: skip
    yield said("claim_totals", {**snapshot, "payer": st.sampled_from(("P1", "P2"))}, some(
        payments=payments, payments_through_apms=payments,
    ))  # fmt: skip
    yield said("participation", {"npi": st.sampled_from(NPIS), "unit": UNIT}, some(
        list=LISTS, listed_march_31=YES_NO, listed_june_30=YES_NO, listed_august_31=YES_NO,
    ))  # fmt: skip
    yield said("election", {"npi": st.sampled_from(NPIS)}, some(elects_mips=YES_NO))
    yield said("termination", {"unit": UNIT}, some(
        terminated=YES_NO, terminated_on=st.sampled_from(("2020-08-30", "2020-08-31")),
    ))  # fmt: skip


@st.composite
def streams(draw: st.DrawFn) -> list[list[Event]]:
    """Batches of events: of some facts, of records that are gone, retractions (of what is there, of
    what comes later or never, of other retractions), and some events twice."""
    events: list[Event] = []
    count = draw(st.integers(1, 14))
    ids = draw(st.permutations([f"e{number}" for number in range(count)]))
    for id_ in ids:
        event = {"id": id_, "at": draw(DAYS), **draw(st.one_of(*kinds()))}
        choice = draw(st.integers(0, 9))
        if choice == 0:
            del event["facts"]
            event["there"] = False
        elif choice <= 2:
            target = draw(st.sampled_from([*ids, "never"]))
            if target != id_:
                del event["facts"]
                event.update(kind="retraction", retracts=target)
                of = next((one for one in events if one["id"] == target), None)
                if of is not None and draw(st.integers(0, 4)):
                    event["subject"] = of["subject"]
        events.append(event)
    events += draw(st.lists(st.sampled_from(events), max_size=3))
    events = draw(st.permutations(events))
    batches: list[list[Event]] = [[]]
    for event in events:
        batches[-1].append(event)
        if draw(st.booleans()):
            batches.append([])
    return batches


@settings(max_examples=120, deadline=None, suppress_health_check=SLOW)
@given(batches=streams())
def test_any_order_of_arrival(
    batches: list[list[Event]], model: Model, evaluator: Evaluator, pool: Pool
) -> None:
    with TemporaryDirectory() as folder:
        found = watched(model, evaluator, pool, Path(folder), batches)
    events = [event for batch in batches for event in batch]
    assert found.outcomes == outcomes(evaluator, model.shown, events)
    # Determined again at once from what is kept: the same once more.
    assert found.different == []
    # Who reads the lines from the first to the last knows what everybody is.
    known: dict[str, object] = {}
    for line in found.determinations:
        assert known.get(line["outcome"]) == (line["was"] and line["was"]["value"])
        known[line["outcome"]] = line["is"] and line["is"]["value"]
    now = {name: values[0] for name, (values, _) in found.outcomes.items()}
    assert {name: value for name, value in known.items() if name in now or value} == now


@pytest.fixture(scope="module")
def exact(model: Model) -> Here:
    """The exact evaluator alone, as where durable-rules is absent."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(derive, "unavailable", lambda: "it is absent")
        deriver = Deriver(model)
    assert deriver.engine is None
    return Here(deriver)


@pytest.mark.skipif(bool(unavailable()), reason=unavailable() or "available")
@settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
@given(batches=streams())
def test_without_durable_rules_the_same_lines(
    batches: list[list[Event]], model: Model, evaluator: Evaluator, pool: Pool, exact: Here
) -> None:
    with TemporaryDirectory() as first, TemporaryDirectory() as second:
        ours = watched(model, evaluator, pool, Path(first), batches)
        theirs = watched(model, evaluator, exact, Path(second), batches)
    assert ours.determinations == theirs.determinations
    assert ours.rejected == theirs.rejected


@settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
@given(batches=streams())
def test_nobody_touches_anybody_else(
    batches: list[list[Event]], model: Model, evaluator: Evaluator, pool: Pool
) -> None:
    """What is written of a unit is what would be, had there been its own events and the model's
    alone."""
    own = [
        [
            one
            for one in batch
            if "npi" not in one["subject"] and one["subject"].get("unit", "A1") == "A1"
        ]
        for batch in batches
    ]
    with TemporaryDirectory() as first, TemporaryDirectory() as second:
        all_ = watched(model, evaluator, pool, Path(first), batches)
        alone = watched(model, evaluator, pool, Path(second), own)
    mine = [line for line in all_.determinations if line["subject"] == {"unit": "A1"}]
    assert mine == [line for line in alone.determinations if line["subject"] == {"unit": "A1"}]
