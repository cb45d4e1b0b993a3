"""A million events of a year, watched: events per second and memory, beside one determination of
everybody at once by the exact evaluator, which is what a batch would do a single time."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from bench.spent import spent
from finalrule.load import load_evaluator
from finalrule.watch.check import differences
from finalrule.watch.model import model_of
from finalrule.watch.store import Store
from finalrule.watch.watch import STATE
from watch.stream import events

POLICY = "2020-final"
UNITS, CLINICIANS, EVENTS = 4_000, 60, int(os.environ.get("FINALRULE_BENCH_EVENTS", 1_000_000))


def test_a_million_events(tmp_path: Path) -> None:
    stream, out = tmp_path / "events.jsonl", tmp_path / "watch"
    with stream.open("wb") as file:
        file.writelines(events(UNITS, CLINICIANS, EVENTS))
    watch = spent(sys.executable, "-m", "finalrule", "watch", str(stream), "--policy", POLICY,
                  "--out", str(out), "--processes", "2")  # fmt: skip

    evaluator = load_evaluator(POLICY)
    model = model_of(evaluator.program)
    store = Store(out / STATE)
    began_cpu = time.process_time()
    assert next(differences(model, evaluator, store), None) is None
    once = time.process_time() - began_cpu
    subjects = sum(1 for _ in store.subjects())
    store.close()
    print(
        f"\n{EVENTS:,} events: {EVENTS / watch.seconds:,.0f} a second ({watch.seconds:.0f} s; "
        f"{watch.cpu:.0f} s of CPU, "
        f"{EVENTS / watch.cpu:,.0f} events for each), {watch.memory:.0f} MB at most"
        f"\n{subjects:,} subjects determined once at once: {once:.0f} s of CPU; "
        f"the watch takes {watch.cpu / once:.1f} times as much"
    )
    assert watch.memory < 400
    assert EVENTS / watch.cpu > 2_000
