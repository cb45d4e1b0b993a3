"""The trace of an outcome: data in which every number ends at a fact and a citation.

`trace.v1`: the outcomes that a given one rests on, each with what decided it, what the others
failed on, the facts, figures, roundings and catalogue records that it read with where they came
from, and the outcomes that it read in turn. grammar/trace.schema.json describes it; showing it is
another module's work.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from finalrule.core.expressions import Frame
from finalrule.evaluate.deciding import describe
from finalrule.evaluate.outcomes import OutcomeName
from finalrule.evaluate.plan import Plans, shown
from finalrule.evaluate.reading import Reading, Traced
from finalrule.evaluate.scalar import Evaluation, Evaluator

FORMAT = "trace.v1"


def trace(evaluator: Evaluator, evaluation: Evaluation, *wanted: OutcomeName) -> dict[str, Any]:
    """The trace of outcomes, as JSON-ready data. Raises KeyError when one was not evaluated."""
    program, case = evaluator.program, evaluation.case
    traced = Traced(_plans(evaluator), evaluation)
    frames = {(rule, frame.path): frame for rule, frame in evaluation.decisions}
    todo = [(name.rule, frames[name.rule, name.path]) for name in wanted]
    done: dict[tuple[str, Frame], dict[str, Any]] = {}
    while todo:
        key = todo.pop()
        if key not in done:
            done[key], reads = _entry(traced, evaluator, *key)
            todo.extend(reads)
    order = {rule.name: at for at, rule in enumerate(program.rules)}
    ordered = sorted(done, key=lambda key: (order[key[0]], key[1].path))
    return {
        "format": FORMAT,
        "policy": program.policy,
        "policy_digest": program.digest,
        "engine": program.engine,
        "facts_digest": case.facts_digest,
        "subject": dict(sorted(case.subject.items())),
        "wanted": [str(OutcomeName(name.rule, name.path)) for name in wanted],
        "outcomes": [done[key] for key in ordered],
    }


@lru_cache(maxsize=8)
def _plans(evaluator: Evaluator) -> Plans:
    return Plans(evaluator.program, evaluator.context)


def _entry(
    traced: Traced, evaluator: Evaluator, name: str, frame: Frame
) -> tuple[dict[str, Any], list[tuple[str, Frame]]]:
    rule, decision = evaluator.rules[name], traced.evaluation.decisions[name, frame]
    plan = traced.plans.of(rule)
    entry = {
        "outcome": str(OutcomeName(name, frame.path)),
        **plan.head,
        "keys": list(frame.path),
        "values": {
            output: shown(value, plan.outputs[output]) for output, value in decision.values.items()
        },
    }
    if decision.assumed:
        entry["assumed"] = True
        if decision.origin:
            entry["from"] = decision.origin
        return entry, []
    reading = Reading(traced, rule, frame)
    entry.update(describe(rule, decision.winner, reading))
    entry.update(reading.data())
    return entry, list(reading.outcomes)
