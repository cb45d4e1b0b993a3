"""Judged payment models as text: a table by policy, what each model fails on, and what differs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from finalrule.columns import columns, paragraph
from finalrule.models.data import word
from finalrule.models.judge import KINDS, Difference, Judged, Outcome

_HEADS = {
    "is_apm": "APM",
    "medical_home_model": "Medical home",
    "advanced_apm": "Advanced APM",
    "mips_apm": "MIPS APM",
}

# Of what an outcome rests on, what says why it is no or open.
_TELLING: dict[bool | None, tuple[bool | None, ...]] = {False: (False,), None: (False, None)}


def models_text(judged: Sequence[Judged], details: bool) -> str:
    """The models under one policy: what each is; with `details` what each fails on, by how much,
    and which facts are missing."""
    rows = [["Model", *(_HEADS[kind] for kind in KINDS), "CMS found"]]
    rows += [
        [one.model.key.text, *(word(one.kinds[kind].value) for kind in KINDS), _found(one)]
        for one in judged
    ]
    lines = [judged[0].policy, "", *_table(rows)]
    for one in judged if details else ():
        said = list(_said(one))
        if said:
            lines += ["", f"{one.model.key.text}: {one.model.name}", *said]
    return "\n".join(lines)


def differences_text(a: str, b: str, found: Sequence[Difference]) -> str:
    """What two policies say otherwise, and why."""
    if not found:
        return f"{a} and {b} say the same of every model"
    rows = [["Model", "Outcome", a, b, "Because"]]
    for one in found:
        why = [_why(policy, outcome) for policy, outcome in ((a, one.a), (b, one.b))]
        rows.append(
            [one.model.key.text, one.a.title, word(one.a.value), word(one.b.value),
             "; ".join(part for part in why if part)]
        )  # fmt: skip
    return "\n".join([f"What differs from {a} to {b}", "", *_table(rows)])


def unverified_text(judged: Sequence[Judged]) -> str:
    """The facts that nobody has verified, with their citations; empty where there are none."""
    lines = []
    for one in judged:
        facts = [fact for fact in one.model.facts if fact.unverified]
        if facts:
            said = ", ".join(f"{fact.entry.key} {fact.text} ({fact.cite})" for fact in facts)
            lines += paragraph(f"{one.model.key.text}: {said}", 2, hang=4)
    return "\n".join(["Facts that are unverified", "", *lines]) if lines else ""


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    return [line for lines in columns(rows) for line in lines]


def _found(judged: Judged) -> str:
    """CMS's findings, each with whether it came out."""
    said = []
    for one in judged.found:
        came_out = {True: "", False: ": DIFFERS", None: ": open here"}[one.agrees]
        said.append(f"{_HEADS[one.kind]} {word(one.value)}{came_out}")
    return ", ".join(said) or "-"


def _said(judged: Judged) -> Iterator[str]:
    for kind in ("advanced_apm", "mips_apm"):
        outcome = judged.kinds[kind]
        for one in outcome.below or (outcome,):
            yield from _outcome(one, 2)


def _outcome(outcome: Outcome, indent: int) -> Iterator[str]:
    """What says no or is open, by how much figures are missed, and what it rests on: the facts that
    are missing are named by what needs them."""
    if outcome.value is True:
        return
    below = [one for one in outcome.below if one.value in _TELLING[outcome.value]]
    said = f"{outcome.title}: {word(outcome.value)}"
    if outcome.value is False and outcome.because:
        said += f": {outcome.because}"
    elif outcome.value is None and not below:
        said += f", needs {', '.join(outcome.needs)}"
    yield from paragraph(f"{said} ({'; '.join(outcome.cites)})", indent, hang=4)
    for miss in outcome.misses:
        yield from paragraph(
            f"{miss.title}: {miss.by} ({'; '.join(miss.cites)})", indent + 2, hang=4
        )
    for one in below:
        yield from _outcome(one, indent + 2)


def _why(policy: str, outcome: Outcome) -> str:
    """Why a policy does not say yes: the figures that are missed, else the reason, else the facts
    that are missing. Empty where it says yes."""
    if outcome.value is True:
        return ""
    if outcome.value is None:
        return f"{policy} needs {', '.join(outcome.needs)}"
    return f"{policy}: {'; '.join(_reasons(outcome))}"


def _reasons(outcome: Outcome) -> Iterator[str]:
    """The figures that are missed, or the reasons, of the deepest outcomes that say no."""
    below = [one for one in outcome.below if one.value is False]
    for one in below:
        yield from _reasons(one)
    if outcome.misses:
        for miss in outcome.misses:
            title = miss.title[0].lower() + miss.title[1:]
            yield f"{title}: {miss.by} ({'; '.join(miss.cites)})"
    elif not below:
        yield f"{outcome.because or outcome.title} ({'; '.join(outcome.cites)})"
