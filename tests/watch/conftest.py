"""A policy as it is watched, and a pool of one process that all tests share: it keeps nothing of a
subject."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from finalrule.evaluate.scalar import Evaluator
from finalrule.load import load_evaluator
from finalrule.watch.check import State, differences, written
from finalrule.watch.model import Model, model_of
from finalrule.watch.pool import Pool
from finalrule.watch.watch import DETERMINATIONS, REJECTED, Watch
from watch.plain import Event, lines

POLICY = "2020-final"


@pytest.fixture(scope="session")
def evaluator() -> Evaluator:
    return load_evaluator(POLICY)


@pytest.fixture(scope="session")
def model(evaluator: Evaluator) -> Model:
    return model_of(evaluator.program)


@pytest.fixture(scope="session")
def pool(model: Model) -> Iterator[Pool]:
    with Pool(model, 1) as pool:
        yield pool


@dataclass(frozen=True)
class Watched:
    """What a watch wrote: its lines, and every outcome as it was last written."""

    determinations: list[dict[str, Any]]
    rejected: list[dict[str, Any]]
    outcomes: dict[str, State]
    counts: dict[str, int]
    different: list[str]

    def changes(self, rule: str) -> list[tuple[Any, Any]]:
        """What a rule's outcomes were and became, in order."""
        return [
            (line["was"] and line["was"]["value"], line["is"] and line["is"]["value"])
            for line in self.determinations
            if line["outcome"].startswith(f"{rule}[")
        ]

    @property
    def answers(self) -> list[tuple[Any, ...]]:
        """Line, answer and reason of each event that was not simply taken."""
        return [(line["line"], line["answer"], line["reason"]) for line in self.rejected]


def watched(
    model: Model, evaluator: Evaluator, pool: Any, folder: Path,
    batches: Iterable[Sequence[Event | bytes]],
) -> Watched:  # fmt: skip
    """Take events, some batches of them, in a folder of their own."""
    number = 0
    with Watch(model, folder, pool) as made:
        for batch in batches:
            data = [one if isinstance(one, bytes) else lines([one]) for one in batch]
            made.take([(number + at, line) for at, line in enumerate(data, 1)])
            number += len(data)
        outcomes = {
            name: state for subject in made.store.subjects() for name, state in written(subject)
        }
        different = list(differences(model, evaluator, made.store))
        counts = dict(made.counts)
    read = [
        [json.loads(line) for line in (folder / name).read_bytes().splitlines()]
        for name in (DETERMINATIONS, REJECTED)
    ]
    return Watched(read[0], read[1], outcomes, counts, different)
