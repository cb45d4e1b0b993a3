"""Whatever stands in a line has one stated answer, and nobody else's determination hangs on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from finalrule.evaluate.scalar import Evaluator
from finalrule.watch.event import Reader, Refused
from finalrule.watch.model import KINDS, Model
from finalrule.watch.pool import Pool
from watch.conftest import watched
from watch.plain import Event
from watch.test_determinations import BEGIN, FIRST, UNIT, event, listed, totals

GOOD = totals("t1", 500)


def like(**changes: Any) -> bytes:
    """A good line with members changed; those that are None are left out."""
    made = {**GOOD, **changes}
    return json.dumps({name: value for name, value in made.items() if value is not None}).encode()


def facts(**given: Any) -> bytes:
    return like(facts=given)


REFUSED = {
    b"": "not-json",
    b"{": "not-json",
    b"[1]": "not-an-event",
    b'{"id": "a\xff"}': "not-utf-8",
    b"[" * 100_000: "not-json",
    b'"' + b"a" * 1024 * 1024 + b'"': "too-long",
    b'{"id": "a", "id": "b"}': "duplicate-key",
    like(id=None): "missing-key",
    like(id=7): "wrong-type",
    like(id=" "): "wrong-text",
    like(id="a\u202eb"): "wrong-text",
    like(id="a" * 201): "wrong-text",
    like(at=None): "missing-key",
    like(at="2020-04-15"): "wrong-time",
    like(at="2020-02-30T00:00:00Z"): "wrong-time",
    like(at="2020-04-15T00:00:00"): "wrong-time",
    like(kind=None): "missing-key",
    like(kind="claim_total"): "unknown-kind",
    like(more=1): "unknown-key",
    like(retracts="x"): "unknown-key",
    like(subject=None): "missing-key",
    like(subject={"npi": FIRST}): "unknown-subject-keys",
    like(subject={"unit": "A1", "snapshot": "april"}): "wrong-value",
    like(subject={"unit": "A1", "snapshot": None}): "wrong-value",
    like(subject={"unit": 7, "snapshot": "march_31"}): "wrong-type",
    like(facts=[]): "wrong-type",
    facts(given_attributed_payment=1): "unknown-fact",
    facts(snapshot="june_30"): "unknown-fact",
    facts(given_attributed_payments=-1): "value-out-of-bounds",
    facts(given_attributed_payments="$0.001"): "value-out-of-bounds",
    facts(given_attributed_payments="45%"): "wrong-value",
    facts(given_attributed_payments=True): "wrong-value",
    facts(given_attributed_patients=1.5): "value-out-of-bounds",
    like(facts={"given_attributed_patients": 1}).replace(b": 1}", b": 1e999}"): "wrong-number",
    like(facts={"given_attributed_patients": 1}).replace(b": 1}", b": NaN}"): "wrong-number",
    like(facts={"given_attributed_patients": 1}).replace(b": 1}", b": " + b"1" * 39 + b"}"):
        "wrong-number",
    like(there="no"): "wrong-type",
    like(there=False): "facts-of-nothing",
    like(kind="election", subject={"unit": "A1"}, facts={"kind": "tin"}): "fact-of-another-kind",
    like(kind="unit", subject={"unit": "A1"}, facts={"kind": "aco"}): "wrong-value",
    like(kind="unit", subject={"unit": "A1"}, facts={"in_advanced_apm": "maybe"}): "wrong-value",
    like(kind="termination", subject={"unit": "A1"}, facts={"terminated_on": "2020-02-30"}):
        "wrong-value",
    like(kind="retraction", facts=None): "missing-key",
    like(kind="retraction", facts=None, retracts="t1"): "retracts-itself",
}  # fmt: skip


@pytest.mark.parametrize("line", REFUSED, ids=lambda line: repr(line)[:70])
def test_refused(line: bytes, model: Model) -> None:
    with pytest.raises(Refused) as refused:
        Reader(model).read(line)
    assert refused.value.reason == REFUSED[line]
    assert refused.value.message and refused.value.help


def test_identifiers_are_not_shown(model: Model) -> None:
    with pytest.raises(Refused) as refused:
        Reader(model).read(like(facts={"given_attributed_payments": FIRST + " dollars"}))
    assert FIRST not in refused.value.message


def take(
    model: Model, evaluator: Evaluator, pool: Pool, folder: Path, *events: Event | bytes
) -> Any:
    return watched(model, evaluator, pool, folder, [events])


def test_bad_lines_change_nothing(
    model: Model, evaluator: Evaluator, pool: Pool, tmp_path: Path
) -> None:
    good = [*BEGIN, GOOD]
    alone = take(model, evaluator, pool, tmp_path / "alone", *good)
    bad = [line + b"\n" for line in REFUSED if line]
    mixed = take(model, evaluator, pool, tmp_path / "mixed", *good[:2], *bad, *good[2:])
    assert mixed.determinations == alone.determinations
    expected = [reason for line, reason in REFUSED.items() if line]
    assert [line["reason"] for line in mixed.rejected] == expected
    assert [line["line"] for line in mixed.rejected] == list(range(3, 3 + len(bad)))
    assert mixed.counts["lines"] == len(good) + len(bad)
    assert mixed.counts["taken"] == alone.counts["taken"] == 4


def retraction(id_: str, target: str, **subject: str) -> Event:
    return {**event(id_, "retraction", subject or {"unit": "A1"}), "retracts": target}


@pytest.mark.parametrize(("events", "answers", "standing"), [
    # The same twice, and the same id with something else.
    ([UNIT, GOOD, GOOD], [(3, "ignored", "duplicate")], "qp"),
    ([UNIT, GOOD, totals("t1", 100)], [(3, "refused", "id-taken")], "qp"),
    ([UNIT, GOOD, {**GOOD, "at": "2020-05-01T00:00:01Z"}], [(3, "refused", "id-taken")], "qp"),
    # The same moment, written with another offset.
    ([UNIT, GOOD, {**GOOD, "at": "2020-05-01T02:00:00+02:00"}],
     [(3, "ignored", "duplicate")], "qp"),
    # Totals of a unit that nobody described: kept, and they count once it is.
    ([GOOD, UNIT], [(1, "kept", "unknown-subject")], "qp"),
    ([GOOD], [(1, "kept", "unknown-subject")], None),
    # Retractions: of what comes later, never, of another subject, of a retraction, twice.
    ([UNIT, retraction("r", "t1"), GOOD], [(2, "kept", "retracts-unknown")], "neither"),
    ([UNIT, GOOD, retraction("r", "never")], [(3, "kept", "retracts-unknown")], "qp"),
    ([UNIT, GOOD, retraction("r", "t1", unit="A2")], [(3, "refused", "other-subject")], "qp"),
    ([UNIT, retraction("r", "t1", unit="A2"), GOOD],
     [(2, "kept", "retracts-unknown"), (2, "refused", "other-subject")], "qp"),
    ([UNIT, GOOD, retraction("r", "t1"), retraction("s", "r")],
     [(4, "refused", "retracts-retraction")], "neither"),
    ([UNIT, GOOD, retraction("s", "r"), retraction("r", "t1")],
     [(3, "kept", "retracts-unknown"), (3, "refused", "retracts-retraction")], "neither"),
    ([UNIT, GOOD, retraction("r", "t1"), retraction("s", "t1")], [], "neither"),
    ([UNIT, GOOD, retraction("r", "t1"), retraction("r", "t1")],
     [(4, "ignored", "duplicate")], "neither"),
])  # fmt: skip
def test_answers(
    events: list[Event], answers: list[tuple[int, str, str]], standing: str | None,
    model: Model, evaluator: Evaluator, pool: Pool, tmp_path: Path,
) -> None:  # fmt: skip
    found = take(model, evaluator, pool, tmp_path, *events)
    assert found.answers == answers
    assert found.outcomes["unit_standing[A1]"][0] == (standing,)
    for line in found.rejected:
        assert found.counts[f"{line['answer']} {line['reason']}"]


def test_blank_lines_are_no_events(
    model: Model, evaluator: Evaluator, pool: Pool, tmp_path: Path
) -> None:
    found = take(model, evaluator, pool, tmp_path, UNIT, b"\n", b"  \r\n", listed("p", FIRST))
    assert found.answers == [] and found.counts["lines"] == 2


def test_kinds_say_facts_that_there_are(model: Model) -> None:
    for entities in KINDS.values():
        for entity, names in entities.items():
            assert entity in model.kind_of
            assert set(names) <= model.declared.facts[entity].keys()
