"""What `score` gives: one object for a scoring unit under a policy, every number a decimal string.

The object's fields are named here once; each is a rule's outcome. Numbers are rounded only by the
rounding rule that the rule `prints` with; a number without one is given exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from finalrule.core import ir
from finalrule.core.expressions import Frame, Known, Unknown, places_of
from finalrule.evaluate.outcomes import OutcomeName, output_types
from finalrule.evaluate.scalar import Evaluation, Evaluator
from finalrule.facts.case import Case, Given, Record
from finalrule.facts.declared import Declared
from finalrule.values import Number, Type, decimal_places, decimal_text, round_to, show

FORMAT = "score.v1"
UNIT = "scoring_unit"

# Field of a category -> outcome, as `rule` or `table.output`.
CATEGORIES: dict[str, dict[str, str]] = {
    "quality": {
        "score": "quality_category_score",
        "weight": "category_weights.quality",
        "weighted": "quality_contribution",
        "points": "quality_achievement_points",
        "available": "quality_available_points",
        "bonus": "quality_bonus_points",
        "improvement": "quality_improvement",
        "reweighting": "quality_reweighting",
    },
    "cost": {
        "score": "cost_category_score",
        "weight": "category_weights.cost",
        "weighted": "cost_contribution",
        "points": "cost_achievement_points",
        "available": "cost_available_points",
        "improvement": "cost_improvement_score",
        "reweighting": "cost_reweighting",
    },
    "ia": {
        "score": "ia_category_score",
        "weight": "category_weights.ia",
        "weighted": "ia_contribution",
        "points": "ia_activity_points",
        "reweighting": "ia_reweighting",
    },
    "pi": {
        "score": "pi_category_score",
        "weight": "category_weights.pi",
        "weighted": "pi_contribution",
        "points": "pi_achievement_points",
        "bonus": "pi_category_bonus_points",
        "reweighting": "pi_reweighting",
    },
}

# Category -> the entity of its measures, and field -> outcome of that entity, or fact of it or of
# what it belongs to.
MEASURES: dict[str, tuple[str, dict[str, str]]] = {
    "quality": (
        "measure_result",
        {
            "measure_id": "measure_id",
            "collection_type": "collection_type",
            "performance_rate": "assessed_rate",
            "class": "measure_class",
            "points": "measure_points",
            "bonus": "measure_bonus_points",
            "counted": "counted_measure",
        },
    ),
    "cost": (
        "cost_result",
        {
            "measure_id": "measure_id",
            "points": "cost_measure_points",
            "counted": "cost_measure_scored",
        },
    ),
    "ia": (
        "activity",
        {"measure_id": "activity_id", "points": "activity_points", "counted": "activity_counted"},
    ),
    "pi": (
        "pi_report",
        {
            "submission_method": "submission_method",
            "measure_id": "measure_id",
            "performance_rate": "pi_performance_rate",
            "points": "pi_measure_points",
            "bonus": "pi_measure_bonus_points",
            "counted": "pi_measure_counted",
        },
    ),
}  # fmt: skip

# Rates that stand for none where a fact of the measure says so.
RATES = {"assessed_rate": "has_performance_rate", "pi_performance_rate": "is_proportion"}

# Clauses that say of themselves only where another outcome is taken from: which has the reason.
SAYS_WHY = {
    ("quality_category_score", "own"): "quality_score_of_its_own",
    ("cost_category_score", "own"): "cost_score_of_its_own",
    ("measure_points", "not_scored"): "measure_class",
    ("cost_measure_points", "not_scored"): "cost_measure_scored",
    ("activity_points", "no_points"): "activity_counted",
}

STATUSES = (
    "small_practice", "rural", "hpsa", "non_patient_facing", "hospital_based", "asc_based",
    "facility_based",
)  # fmt: skip
ADJUSTMENT = {
    "base": "adjustment_factor", "additional": "additional_adjustment_factor",
    "total": "total_adjustment",
}  # fmt: skip


def unit_rules(program: ir.Program) -> list[str]:
    """The rules that scoring a unit evaluates: all of the tree that the scoring unit stands in."""
    declared = Declared(program)
    top = declared.root_of(UNIT)
    return [rule.name for rule in program.rules if declared.root_of(rule.entity) == top]


def number_text(value: Fraction, rule: ir.AnyRule, type_: Number, evaluator: Evaluator) -> str:
    """A number in its unit's display, rounded by the rule's printing rounding."""
    quantity = value * 100 if type_.unit == "percent" else value
    if rule.prints:
        rounding = evaluator.context.roundings[rule.prints]
        places = places_of(rounding.places, rounding.unit) - (2 if type_.unit == "percent" else 0)
        return decimal_text(round_to(quantity, places, rounding.mode), places)
    return decimal_text(quantity) if decimal_places(quantity) is not None else str(quantity)


class ScoreObject:
    """Builds the object of one evaluation. `paths` are its outcomes by where they stand in it;
    `shorter` are paths of measures by their identifier alone, with the whole ones. `unit` is one of
    several scoring units."""

    def __init__(
        self, evaluator: Evaluator, evaluation: Evaluation, unit: Frame | None = None
    ) -> None:
        self.evaluator, self.evaluation = evaluator, evaluation
        self.unit = unit or evaluation.frames_of(UNIT)[0]
        self.undetermined: dict[str, list[str]] = {}
        self.paths: dict[str, OutcomeName] = {}
        self.shorter: list[tuple[str, str]] = []

    def data(self) -> dict[str, Any]:
        """The whole object. `final_score_used` is for the caller who knows the other units."""
        program = self.evaluator.program
        eligibility = self._eligibility()
        score = self._field("final_score", "final_score", self.unit)
        adjustment = self._adjustment(eligibility)
        categories = {name: self._category(name) for name in CATEGORIES}
        bonus = self._field("bonuses.complex_patient", "complex_patient_bonus", self.unit)
        assumed = [
            {"fact": figure.name, "value": self._figure(figure), "cite": figure.cite,
             "place": str(figure.place), "unverified": figure.unverified, "note": figure.note}
            for figure in program.assumed
        ]  # fmt: skip
        return {
            "format": FORMAT,
            "policy": program.policy,
            "policy_digest": program.digest,
            "engine": program.engine,
            "facts_digest": self.evaluation.case.facts_digest,
            "subject": dict(sorted(self.evaluation.case.subject.items())),
            "eligibility": eligibility,
            "final_score": score,
            "payment_adjustment": adjustment,
            "categories": categories,
            "bonuses": {"complex_patient": bonus},
            "assumed": assumed,
            "undetermined": [
                {"outcome": name, "needs": needs} for name, needs in self.undetermined.items()
            ],
            "final_score_used": None,
        }

    def _figure(self, figure: ir.Parameter) -> str | None:
        return None if figure.value is None else _constant_text(figure)

    def _field(self, path: str, outcome: str, frame: Frame) -> Any:
        """An outcome as a decimal string, a flag or a word; None when it is undetermined or the
        policy has no such rule in force."""
        rule_name, _, output = outcome.partition(".")
        rule = self.evaluator.rules.get(rule_name)
        if rule is None:
            return None
        name = self.paths[path] = OutcomeName(rule_name, frame.path, output)
        value = self.evaluation.decisions[rule_name, frame].values[output]
        return self._text(value, rule, output_types(rule)[output], name)

    def _text(self, value: Known, rule: ir.AnyRule, type_: Type, name: OutcomeName) -> Any:
        if isinstance(value, Unknown):
            self.undetermined[str(name)] = sorted(value.needs)
            return None
        if isinstance(value, Fraction) and isinstance(type_, Number):
            return number_text(value, rule, type_, self.evaluator)
        return value if isinstance(value, bool | str) else show(value, type_)

    def _reason(self, path: str, rule_name: str, frame: Frame) -> str | None:
        """What the deciding clause says of itself: its `because`, else its name in words."""
        winner = self.evaluation.decisions[rule_name, frame].winner
        rule_name = SAYS_WHY.get((rule_name, winner), rule_name)
        self.paths[path] = OutcomeName(rule_name, frame.path)
        decision = self.evaluation.decisions[rule_name, frame]
        rule = self.evaluator.rules[rule_name]
        if isinstance(rule, ir.Choice):
            for clause in rule.clauses:
                if clause.name == decision.winner:
                    return clause.because or clause.name.replace("_", " ")
        return decision.winner.replace("_", " ") or None

    def _eligibility(self) -> dict[str, Any]:
        return {
            "status": self._field("eligibility.status", "eligibility_status", self.unit),
            "reason": self._reason("eligibility.reason", "eligibility_status", self.unit),
            "special_statuses": {
                name: self._field(f"eligibility.special_statuses.{name}", name, self.unit)
                for name in STATUSES
            },
        }

    def _adjustment(self, eligibility: Mapping[str, Any]) -> dict[str, Any]:
        applies = self._field("payment_adjustment.status", "adjustment_applies", self.unit)
        self.paths["payment_adjustment.reason"] = OutcomeName("eligibility_status", self.unit.path)
        if applies is True:
            factors = {
                name: self._field(f"payment_adjustment.{name}", rule, self.unit)
                for name, rule in ADJUSTMENT.items()
            }
            status = "undetermined" if None in factors.values() else "applies"
            return {"status": status, "reason": None, **factors}
        status = "undetermined" if applies is None else "not_applicable"
        reason = eligibility["reason"] if applies is False else None
        return {"status": status, "reason": reason, **dict.fromkeys(ADJUSTMENT)}

    def _category(self, name: str) -> dict[str, Any]:
        found = {
            key: self._field(f"{name}.{key}", rule, self.unit)
            for key, rule in CATEGORIES[name].items()
        }
        found["reason"] = self._reason(f"{name}.reason", CATEGORIES[name]["score"], self.unit)
        entity, fields = MEASURES[name]
        measures = []
        for frame in self.unit.below.get(entity, ()):
            keys = frame.path[len(self.unit.path) :]
            at = f"{name}.measures[{','.join(keys)}]"
            measure = {
                key: self._measure_field(f"{at}.{key}", what, frame) for key, what in fields.items()
            }
            measure["reason"] = self._reason(f"{at}.reason", fields["points"], frame)
            measures.append(measure)
            short = f"{name}.measures[{measure['measure_id']}]"
            self.shorter += [
                (f"{short}.{key}", f"{at}.{key}")
                for key in measure
                if short != at and f"{at}.{key}" in self.paths
            ]
        found["measures"] = measures
        return found

    def _measure_field(self, path: str, what: str, frame: Frame) -> Any:
        if what in self.evaluator.rules:
            if what in RATES and frame.facts.get(RATES[what]) is False:
                self.paths[path] = OutcomeName(what, frame.path)
                return None
            return self._field(path, what, frame)
        facts = (owner.facts[what] for owner in frame.up.values() if what in owner.facts)
        return next(facts, None)


def final_scores_used(
    evaluator: Evaluator, evaluations: Sequence[Evaluation]
) -> list[dict[str, Any]]:
    """For each individual (TIN/NPI) among the units whose group is among them too: the final scores
    that it has, and the kind of the one that is used (None: neither, or it is undetermined)."""
    groups = {
        one.case.subject["tin"]: one
        for one in evaluations
        if one.case.subject.get("entity_type") == "group"
    }
    found = []
    for one in evaluations:
        subject = one.case.subject
        group = groups.get(subject.get("tin", ""))
        if subject.get("entity_type") == "individual" and group is not None:
            found.append(_final_score_used(evaluator, {"individual": one, "group": group}))
    return found


def _final_score_used(evaluator: Evaluator, by_kind: Mapping[str, Evaluation]) -> dict[str, Any]:
    root = Record("program", {})
    holder = root.add("tin_npi", {})
    scores: dict[str, str | None] = {}
    for kind, evaluation in by_kind.items():
        facts = {
            name: Given(value, "the unit") for name, value in (("kind", kind), ("source", "-"))
        }
        for fact, rule in (
            ("given_score", "final_score"),
            ("given_eligible", "adjustment_applies"),
        ):
            value = evaluation.value(rule)
            if not isinstance(value, Unknown):
                facts[fact] = Given(value, f"{rule} of the {kind}")
        holder.add("available_score", facts)
        scores[kind] = ScoreObject(evaluator, evaluation).data()["final_score"]
    subject = dict(by_kind["individual"].case.subject)
    case = Case(root, subject, by_kind["individual"].case.facts_digest)
    chosen = evaluator.evaluate(case, ["final_score_used"])
    found = {
        frame.path[0]: chosen.value("final_score_used", frame)
        for frame in chosen.frames_of("available_score")
    }
    return {
        "policy": evaluator.program.policy,
        "tin": subject["tin"],
        "npi": subject["npi"],
        "final_scores": scores,
        "used": next((kind for kind, value in found.items() if value is True), None),
        "undetermined": any(isinstance(value, Unknown) for value in found.values()),
    }


def _constant_text(figure: ir.Parameter) -> str:
    value = figure.value
    if isinstance(value, ir.Num):
        return decimal_text(value.value * 100 if value.unit == "percent" else value.value)
    return str(value)


def output_paths(
    evaluator: Evaluator, evaluation: Evaluation, unit: Frame | None = None
) -> dict[str, list[OutcomeName]]:
    """The object's outcomes by their path (`quality.measures[236,ecqm].points`), and by what people
    write for it: a category for its score, a measure by its identifier alone, which several sets
    of data may have. `unit` is one of several scoring units."""
    made = ScoreObject(evaluator, evaluation, unit)
    made.data()
    found = {path: [name] for path, name in made.paths.items()}
    for field, rule in ADJUSTMENT.items():  # explained though it may not apply
        found[f"payment_adjustment.{field}"] = [OutcomeName(rule, made.unit.path)]
    for path, full in made.shorter:
        found.setdefault(path, []).append(made.paths[full])
    for status in STATUSES:
        found[f"eligibility.{status}"] = found[f"eligibility.special_statuses.{status}"]
    for part, path in (
        ("eligibility", "eligibility.status"), ("payment_adjustment", "payment_adjustment.total"),
        *((category, f"{category}.score") for category in CATEGORIES),
    ):  # fmt: skip
        found[part] = found[path]
    for path in list(found):
        if path.partition(".")[0] in CATEGORIES:
            found[f"categories.{path}"] = found[path]
    return found
