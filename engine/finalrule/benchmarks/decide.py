"""What the policy's rules make of distributions. Nothing is decided here: the rules are given the
figures that they read (policies/rules/mips/benchmarks.rules)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from finalrule.benchmarks.distribution import Distribution, Key, Moments
from finalrule.core.expressions import Unknown
from finalrule.evaluate.scalar import Evaluator
from finalrule.facts.case import Case, Given, Record
from finalrule.values import Number, Value

_ENTITY = "rate_distribution"
_ORIGIN = "the year's results"


@dataclass(frozen=True, slots=True)
class Made:
    """Whether there is a benchmark, and how many rates are cut off at each end before the
    coefficient of variation."""

    made: bool
    truncated: int


@dataclass(frozen=True, slots=True)
class Status:
    """What holds of a benchmark."""

    flat: bool
    topped_out: bool
    topped_out_cap: bool


def decide_made(evaluator: Evaluator, reporters: Mapping[Key, int]) -> dict[Key, Made]:
    """Which distributions become a benchmark, by their reporters."""
    facts: dict[Key, dict[str, Value]] = {
        key: {"reporters": Fraction(number)} for key, number in reporters.items()
    }
    found = {}
    for key, outcomes in _evaluated(
        evaluator, facts, ["benchmark_made", "truncated_at_each_end"]
    ).items():
        truncated = outcomes["truncated_at_each_end"]
        assert isinstance(truncated, Fraction)
        found[key] = Made(outcomes["benchmark_made"] is True, int(truncated))
    return found


def decide_status(
    evaluator: Evaluator, distributions: Mapping[Key, Distribution], topped_out_before: set[Key]
) -> dict[Key, Status]:
    """Which benchmarks are flat, topped out and capped. A rule that is not in force says no."""
    limit = _limit(evaluator)
    facts = {
        key: _facts(one, key in topped_out_before, limit) for key, one in distributions.items()
    }
    rules = ["flat_percentage_benchmark", "topped_out", "topped_out_cap"]
    return {
        key: Status(*(outcomes.get(rule) is True for rule in rules))
        for key, outcomes in _evaluated(evaluator, facts, rules).items()
    }


def _facts(one: Distribution, before: bool, limit: Fraction) -> dict[str, Value]:
    gap = one.percentiles[90] - one.percentiles[75]
    return {
        "reporters": Fraction(one.reporters),
        "median": one.median,
        "percentile_90": one.percentiles[90],
        "truncated_variation_squared": _variation(one.truncated, one.truncated.mean, limit),
        "reversed_variation_squared": _variation(one.truncated, 100 - one.truncated.mean, limit),
        # The standard error of the mean, squared, is the variance over the number.
        "top_gap_squared": _ratio(gap**2 * one.whole.count, one.whole.variance, limit),
        "topped_out_before": before,
    }


def _variation(moments: Moments, mean: Fraction, limit: Fraction) -> Fraction:
    """The square of the coefficient of variation."""
    return _ratio(moments.variance, mean**2, limit)


def _ratio(part: Fraction, whole: Fraction, limit: Fraction) -> Fraction:
    """A ratio up to a limit, which stands for any more; nothing over nothing is nothing, as where
    all rates are the same."""
    if not part:
        return part
    return min(part / whole, limit) if whole else limit


def _limit(evaluator: Evaluator) -> Fraction:
    """The most that the squares are declared to be."""
    (type_,) = {
        fact.type
        for fact in evaluator.program.facts
        if fact.entity == _ENTITY and fact.name.endswith("_squared")
    }
    assert isinstance(type_, Number)
    return type_.high


def _evaluated(
    evaluator: Evaluator, facts: Mapping[Key, Mapping[str, Value]], rules: Iterable[str]
) -> dict[Key, dict[str, Value]]:
    """The outcomes of the rules that are in force, by distribution."""
    root = Record("program", {})
    for (measure, way), known in facts.items():
        values: dict[str, Value] = {"measure_id": measure, "collection_type": way, **known}
        root.add(_ENTITY, {name: Given(value, _ORIGIN) for name, value in values.items()})
    in_force = [rule for rule in rules if rule in evaluator.rules]
    evaluation = evaluator.evaluate(Case(root, {}, ""), in_force)
    found: dict[Key, dict[str, Value]] = {}
    for key, frame in zip(facts, evaluation.frames_of(_ENTITY), strict=True):
        found[key] = {}
        for rule in in_force:
            value = evaluation.value(rule, frame)
            assert not isinstance(value, Unknown), f"{rule} of {key} is undetermined"
            found[key][rule] = value
    return found
