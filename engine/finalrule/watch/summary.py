"""What a watch came to: how many events had which answer, what everybody is, and which units are
about to cross a threshold, with what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice

import msgspec

from finalrule.columns import columns
from finalrule.core.expressions import Unknown
from finalrule.diagnostics import Failure
from finalrule.evaluate.outcomes import output_types
from finalrule.evaluate.scalar import Evaluator
from finalrule.facts.case import Case
from finalrule.values import show
from finalrule.watch.check import WholeCase
from finalrule.watch.derive import Derived
from finalrule.watch.model import NEAR, Model, model_of
from finalrule.watch.store import PROBLEM, Store, Subject

FORMAT = "watch-summary.v1"
# What is told of a unit that is near: its own, then by the records below it.
MISSING = ("unit_shortfall", "nearest_method", "payment_score_missing", "payments_missing",
           "patient_score_missing", "patients_missing")  # fmt: skip

# What is missing to a clinician, through whichever unit it is least.
OF_ONE = "qp_shortfall"
_COUNTED = ("lines", "taken", "late", "retracted", "determinations")

_NEAREST = "SELECT id FROM subject WHERE near > 0 AND near < 1 ORDER BY near, id LIMIT ?"

_derived = msgspec.json.Decoder(Derived).decode
_keys = msgspec.json.Decoder(list[str]).decode


class Near(msgspec.Struct):
    """A subject about to cross a threshold. `missing` is what is missing in all, `records` what is
    missing for each record below it; `pointing` counts those whose status hangs on it."""

    subject: dict[str, str]
    missing: str
    pointing: int
    records: list[dict[str, str]]


class Summary(msgspec.Struct):
    """`answers` counts events by answer; `waiting` are retractions whose event did not come yet;
    `subjects` counts those that have records, by entity; `problems` those of which
    nothing is determined, by error; `outcomes` counts values by rule; `near` are units,
    `clinicians` some of those who point at them."""

    format: str
    policy: str
    policy_digest: str
    lines: int
    taken: int
    late: int
    retracted: int
    waiting: int
    determinations: int
    answers: dict[str, int]
    problems: dict[str, int]
    subjects: dict[str, int] = {}
    outcomes: dict[str, dict[str, int]] = {}
    near: list[Near] = []
    clinicians: list[Near] = []


def summarize(model: Model, store: Store) -> Summary:
    """The counts that are kept."""
    counts = store.get("counts") or {}
    ((waiting,),) = store.run("SELECT count(*) FROM retraction WHERE waits")
    numbers = {name: counts.get(name, 0) for name in _COUNTED}
    answers = {name: counts[name] for name in sorted(counts) if " " in name}
    problems = {
        name.removeprefix(PROBLEM): counts[name]
        for name in sorted(counts)
        if name.startswith(PROBLEM) and counts[name]
    }
    program = model.program
    return Summary(
        FORMAT,
        program.policy,
        program.digest,
        **numbers,
        waiting=waiting,
        answers=answers,
        problems=problems,
    )


def describe(summary: Summary, model: Model, store: Store, evaluator: Evaluator, most: int) -> None:
    """Add what everybody is, and the `most` subjects nearest to a threshold. `evaluator` is of the
    whole policy."""
    subjects: Counter[str] = Counter()
    outcomes: dict[str, Counter[str]] = {}
    for subject in store.subjects():
        derived = _derived(subject.determined)
        subjects[model.subjects[subject.kind].entity] += bool(derived.outcomes)
        for one in derived.outcomes:
            text = ", ".join("undetermined" if value is None else value for value in one.values)
            outcomes.setdefault(one.rule, Counter())[text] += 1
    summary.subjects = {name: count for name, count in subjects.items() if count}
    summary.outcomes = {
        rule: dict(outcomes[rule].most_common()) for rule in model.rules if rule in outcomes
    }
    told = [rule.name for rule in evaluator.program.rules if rule.name in (*MISSING, OF_ONE)]
    if told:
        near = model_of(evaluator.program, told)
        units = [row[0] for row in store.run(_NEAREST, (most,))]
        summary.near = [
            one for subject in store.load(units) for one in _told(near, evaluator, store, subject)
        ]
        who = dict.fromkeys(one for unit in units for one in store.pointing(unit))
        found = (one for id_ in who for one in _of_one(near, evaluator, store, id_))
        summary.clinicians = list(islice(found, most))


def _of_one(model: Model, evaluator: Evaluator, store: Store, id_: int) -> Iterator[Near]:
    """What is missing to a subject that points at a unit which is near; nothing where it has what
    it needs through another one."""
    (subject,) = store.load((id_,))
    whole = WholeCase(model, store)
    own = whole.record(subject)
    rule = model.rules.get(OF_ONE)
    if own is None or rule is None or rule.entity != own.entity:
        return
    try:
        evaluation = evaluator.evaluate(Case(whole.root, {}, ""), model.shown)
    except Failure:  # of something that it points at nothing is determined
        return
    value = next(
        decision.values[""] for (name, frame), decision in evaluation.decisions.items()
        if name == OF_ONE and evaluation.records[frame] is own
    )  # fmt: skip
    if isinstance(value, Fraction) and 0 < value < 1:
        named = dict(zip(model.keys[own.entity], _keys(subject.keys), strict=True))
        yield Near(named, show(value, output_types(rule)[""]), 0, [])


def _told(model: Model, evaluator: Evaluator, store: Store, subject: Subject) -> Iterator[Near]:
    """What is missing to a subject, and for each of its records."""
    whole = WholeCase(model, store)
    own = whole.record(subject)
    assert own is not None
    try:
        evaluation = evaluator.evaluate(Case(whole.root, {}, ""), model.shown)
    except Failure:
        return
    frames = {record: frame for frame, record in evaluation.records.items()}
    records = []
    for record in own.walk():
        found = {}
        for name in MISSING:
            rule = model.rules.get(name)
            if rule is not None and rule.entity == record.entity:
                value = evaluation.decisions[name, frames[record]].values[""]
                if not isinstance(value, Unknown):
                    found[name] = show(value, output_types(rule)[""])
        if found:
            keys = {key: str(record.facts[key].value) for key in model.keys[record.entity]}
            records.append({**keys, **found})
    ((pointing,),) = store.run("SELECT count(*) FROM points WHERE target = ?", (subject.id,))
    named = dict(zip(model.keys[own.entity], _keys(subject.keys), strict=True))
    missing = records.pop(0)[NEAR[own.entity]]
    yield Near(named, missing, pointing, records)


def text_of(summary: Summary) -> Iterator[str]:
    """A summary as lines for people."""
    yield (
        f"{summary.policy}: {summary.lines:,} events read, {summary.taken:,} taken "
        f"({summary.late:,} of them late), {summary.retracted:,} retracted, "
        f"{summary.determinations:,} changes of determinations"
    )
    for name, count in summary.answers.items():
        answer, _, reason = name.partition(" ")
        yield f"  {answer:<8} {count:>9,}  {reason}"
    if summary.waiting:
        yield f"  {summary.waiting:,} retractions wait for their event"
    for code, count in summary.problems.items():
        yield f"  {count:,} subjects of which nothing is determined: {code}"
    for name, count in summary.subjects.items():
        yield (
            f"\n{name}: {count:,}" if name == next(iter(summary.subjects)) else f"{name}: {count:,}"
        )
    for rule, values in summary.outcomes.items():
        yield f"  {rule}: " + ", ".join(f"{value} {count:,}" for value, count in values.items())
    if summary.near:
        yield "\nNearest to a QP threshold that they do not meet"
        yield from (line for shown in columns(list(_rows(summary.near)), 2) for line in shown)
    if summary.clinicians:
        yield "\nClinicians of these units, and what is missing to each"
        yield from (
            f"  {' '.join(one.subject.values())}  {one.missing}" for one in summary.clinicians
        )


def _rows(near: Sequence[Near]) -> Iterator[list[str]]:
    told = list(dict.fromkeys(name for one in near for record in one.records for name in record))
    key, *names = told
    yield ["", "missing", "clinicians", "to", *(name.replace("_", " ") for name in names)]
    for one in near:
        own = [" ".join(one.subject.values()), one.missing, f"{one.pointing:,}"]
        for record in one.records:
            yield [*own, record[key], *(record.get(name, "") for name in names)]
            own = ["", "", ""]
