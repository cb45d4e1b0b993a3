"""Processes that die: another one goes on, and who killed it twice is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from finalrule.diagnostics import Failure
from finalrule.evaluate.scalar import Evaluator
from finalrule.watch import pool as pools
from finalrule.watch.case import fold, message
from finalrule.watch.event import Reader
from finalrule.watch.model import Model
from finalrule.watch.pool import Pool
from watch import dying
from watch.conftest import watched
from watch.plain import lines
from watch.test_determinations import BEGIN, FIRST, SECOND, listed, totals

BAD = {**totals("bad", 500), "subject": {"unit": "A2", "snapshot": "june_30"}}
BAD["facts"] = {**BAD["facts"], "given_attributed_patients": 13}
ALL = [*BEGIN, BAD, totals("t", 500)]


def test_a_process_that_died_is_begun_again(
    model: Model, evaluator: Evaluator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Pool(model, 2) as pool:
        whole = watched(model, evaluator, pool, tmp_path / "whole", [ALL])
    monkeypatch.setenv("FINALRULE_DIED", str(tmp_path / "died"))
    monkeypatch.setattr(pools, "serve", dying.once)
    with Pool(model, 2) as pool:
        again = watched(model, evaluator, pool, tmp_path / "again", [ALL])
    assert (tmp_path / "died").exists()
    assert again.determinations == whole.determinations


def test_who_kills_it_twice_is_named_and_what_was_written_stands(
    model: Model, evaluator: Evaluator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "serve", dying.always)
    good = [*BEGIN, totals("t", 500)]
    with Pool(model, 1) as pool:
        before = watched(model, evaluator, pool, tmp_path, [good])
        with pytest.raises(Failure) as failure:
            watched(model, evaluator, pool, tmp_path, [[BAD, listed("p", FIRST, "A2")]])
        (diagnostic,) = failure.value.diagnostics
        assert diagnostic.code == "runtime-died"
        assert "qp_unit unit A2" in diagnostic.message and "exit code -11" in diagnostic.message
        after = watched(model, evaluator, pool, tmp_path, [good])
    assert after.determinations == before.determinations
    assert after.counts["taken"] == before.counts["taken"]


def test_equal_facts_are_determined_once(model: Model) -> None:
    """Whoever they are of: the message names nobody."""
    sent = []
    for unit, npi in (("A1", FIRST), ("B2", SECOND)):
        said = [Reader(model).read(lines([listed("p", npi, unit)])).said]
        data, names = message(model, fold(model, said), {})
        assert not any(name.encode() in data for name in names)
        sent.append(data)
    assert sent[0] == sent[1]
