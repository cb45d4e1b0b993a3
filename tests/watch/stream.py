"""A stream of events as a year has them: units with their clinicians, totals again and again, list
changes, elections, corrections. The same seed makes the same events."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

SNAPSHOTS = ("march_31", "june_30", "august_31")


def events(units: int, clinicians: int, count: int, seed: int = 1) -> Iterator[bytes]:
    """`count` lines: units with `clinicians` each, then what changes. Scores lie around the
    thresholds of payment year 2022, 50 and 40 % of payments, 35 and 25 % of patients; those of one
    unit within a point or so of each other, as claims run out."""
    chance = random.Random(seed)
    shares = [(chance.uniform(0.35, 0.55), chance.uniform(0.2, 0.36)) for _ in range(units)]
    totals: list[tuple[str, str]] = []
    made = 0

    def line(kind: str, month: int, subject: dict[str, str], **more: Any) -> bytes:
        nonlocal made
        made += 1
        time = f"2020-{month:02d}-{chance.randint(1, 28):02d}T{chance.randint(0, 23):02d}:00:00Z"
        said = {"id": f"e{made:07d}", "at": time, "kind": kind, "subject": subject, **more}
        return json.dumps(said).encode() + b"\n"

    for unit in range(units):
        of = {"kind": "apm_entity", "in_advanced_apm": True}
        yield line("unit", 1, {"unit": f"A{unit:05d}"}, facts=of)
        for place in range(clinicians):
            npi = str(1_000_000_000 + unit * clinicians + place)
            lists = {f"listed_{snapshot}": True for snapshot in SNAPSHOTS}
            yield line("participation", 1, {"npi": npi, "unit": f"A{unit:05d}"}, facts=lists)
    while made < count:
        unit = chance.randrange(units)
        npi = str(1_000_000_000 + unit * clinicians + chance.randrange(clinicians))
        kind = chance.random()
        if kind < 0.4:
            payments, patients = chance.randint(10**5, 10**7), chance.randint(100, 5000)
            snapshot = {"unit": f"A{unit:05d}", "snapshot": chance.choice(SNAPSHOTS)}
            totals.append((f"e{made + 1:07d}", f"A{unit:05d}"))
            yield line("claim_totals", 9, snapshot, facts={
                "given_attributed_payments": int(payments * chance.gauss(shares[unit][0], 0.01)),
                "given_eligible_payments": payments,
                "given_attributed_patients": int(patients * chance.gauss(shares[unit][1], 0.01)),
                "given_eligible_patients": patients,
            })  # fmt: skip
        elif kind < 0.85:
            listed = {f"listed_{chance.choice(SNAPSHOTS)}": chance.random() < 0.7}
            yield line("participation", 6, {"npi": npi, "unit": f"A{unit:05d}"}, facts=listed)
        elif kind < 0.95:
            yield line("election", 9, {"npi": npi}, facts={"elects_mips": chance.random() < 0.5})
        else:
            id_, of = chance.choice(totals or [("none", "A00000")])
            # One of ten of another subject's event, which is refused.
            yield line("retraction", 9, {"unit": of if kind < 0.995 else "B"}, retracts=id_)
