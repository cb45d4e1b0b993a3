"""A trace shown as text: each outcome, what decided it, and below it what it rests on, down to
facts and citations. Reads `trace.v1` data only: a kept trace is shown just as a fresh one."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

WIDTH = 100
_INDENT = "  "
# What can decide an outcome, by the kind of its rule.
_CALLED = {"rule": "clause ", "table": "row ", "curve": "piece "}


def explain(trace: dict[str, Any], depth: int | None = None) -> str:
    """The wanted outcomes of a trace as an indented tree. `depth` 0 shows the outcome alone; None
    goes down to the facts. An outcome that was shown already is named and not repeated."""
    outcomes = {entry["outcome"]: entry for entry in trace["outcomes"]}
    lines: list[str] = []
    seen: set[str] = set()
    for name in trace["wanted"]:
        lines.extend(_tree(outcomes, name, 0, depth, seen))
    if hidden := len(outcomes) - len(seen):
        shows = "a greater --depth shows them, --depth all too"
        more = f"{hidden} more outcome{'' if hidden == 1 else 's'}"
        lines.append(f"({more} below: {shows})")
    return "\n".join(lines)


def reasons(entry: dict[str, Any], name: str) -> dict[str, Any] | None:
    """Of a clause, row, piece, decile or state of a record: that it decided, else what of it did
    not hold (`failed`) or is open (`undetermined`). None when the outcome has no such one."""
    if entry.get("decided_by", {}).get("name") == name:
        return {"name": name, "decided": True}
    found = next((other for other in entry.get("others", ()) if other["name"] == name), None)
    if found is None:
        return None
    said = " ".join(found.get("failed") or found["undetermined"])
    lets = _lets_in(said, entry.get("lets", ()))
    return {"name": name, "decided": False, **found, **({"lets": lets} if lets else {})}


def _lets_in(said: str, lets: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lets that a text names, and those that they name in turn."""
    found: list[dict[str, Any]] = []
    todo = [said]
    while todo:
        words = set(re.findall(r"\w+(?= \()", todo.pop()))
        for let in lets:
            if let["name"] in words and let not in found:
                found.append(let)
                todo.append(let["says"])
    return found


def explain_why_not(entry: dict[str, Any], name: str) -> str | None:
    """The same as text."""
    found = reasons(entry, name)
    if found is None:
        return None
    called = f"{entry['outcome']}: {_CALLED.get(entry['kind'], '')}{name}"
    if found["decided"]:
        open_ = any("needs" in value for value in entry["values"].values())
        return f"{called} did decide{', but its value is undetermined' if open_ else ''}."
    if "failed" in found:
        said, parts = "did not decide, because this does not hold:", found["failed"]
    else:
        said, parts = "is undetermined, because this is:", found["undetermined"]
    lines = [f"{called} {said}"]
    for part in parts:
        lines += _wrapped("  ", part)
    for let in found.get("lets", ()):
        lines += _wrapped("    ", f"{let['name']} = {let['text']}: {let['says']}")
    return "\n".join(lines)


def values_text(entry: dict[str, Any]) -> str:
    """An outcome's value; a table's outputs with their names."""
    values = entry["values"]
    if list(values) == [""]:
        return str(values[""]["text"])
    return ", ".join(f"{name} {value['text']}" for name, value in values.items())


def _tree(
    outcomes: dict[str, dict[str, Any]], name: str, level: int, depth: int | None, seen: set[str]
) -> Iterator[str]:
    entry = outcomes.get(name)
    if entry is None:
        return
    pad = _INDENT * level
    head = f"{pad}{name} = {values_text(entry)}"
    if name in seen:
        yield f"{head}   (shown above)"
        return
    seen.add(name)
    decided = entry.get("decided_by", {})
    by = f"   by {decided['name']}" if decided else ""
    if entry.get("assumed"):
        by = f"   from {entry['from']}" if "from" in entry else "   taken as given"
    yield head + by
    yield from _about(entry, pad + _INDENT * 2)
    if depth is not None and level >= depth:
        return
    for read in entry.get("reads", ()):
        yield from _tree(outcomes, read, level + 1, depth, seen)


def _labelled(pad: str, label: str, text: str) -> list[str]:
    return _wrapped(f"{pad}{label:<8} ", text)


def _wrapped(lead: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, max(WIDTH, len(lead) + 50), initial_indent=lead,
        subsequent_indent=" " * len(lead), break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _about(entry: dict[str, Any], pad: str) -> Iterator[str]:
    decided = entry.get("decided_by", {})
    cites = list(dict.fromkeys([*decided.get("cites", ()), *entry["cites"]]))
    variant = f", variant {entry['variant']}" if entry.get("variant") else ""
    title = f"{entry['title']}{variant}; " if entry.get("title") or variant else ""
    yield from _labelled(pad, "law", title + "; ".join(cites))
    if "in_force" in entry:
        yield from _labelled(
            pad, "in force", f"{entry['in_force']['cite']}   {entry['in_force']['place']}"
        )
    if "because" in decided:
        yield from _labelled(pad, "because", decided["because"])
    if "when" in decided:
        yield from _labelled(pad, "when", decided["when"])
    for part in ("where", "best"):
        if part in entry:
            yield from _labelled(pad, part, entry[part])
    if "of" in entry:
        value = f"({entry['at']['text']})"
        said = entry["of"] if entry["of"].endswith(value) else f"{entry['of']} {value}"
        yield from _labelled(pad, "of", said)
    if "gives" in decided and decided["gives"] != values_text(entry):
        yield from _labelled(pad, "gives", decided["gives"])
    if "bounds" in entry:
        lower = ", ".join("-" if bound is None else bound for bound in entry["bounds"]["lower"])
        worse = "lower is better" if entry["bounds"]["inverse"] else "higher is better"
        yield from _labelled(pad, "deciles", f"{lower} ({worse})")
    for rival in entry.get("rivals", ()):
        ranked = ", ".join(f"{key['by']} {key['text']}" for key in rival["ranked"])
        state = rival["outcome"] or "undetermined"
        yield from _labelled(pad, "record", f"[{','.join(rival['keys'])}] {state}: {ranked}")
        if "where" in rival:
            yield from _labelled(pad, "", rival["where"])
    for let in entry.get("lets", ()):
        yield from _labelled(pad, "let", f"{let['name']} = {let['text']}: {let['says']}")
    yield from _sources(entry, pad)
    for entity, count in entry.get("left_out", {}).items():
        yield from _labelled(pad, "more", f"{count:,} more records of {entity} that are not shown")
    for needs in {tuple(value.get("needs", ())) for value in entry["values"].values()}:
        if needs:
            yield from _labelled(pad, "needs", ", ".join(needs))


def _sources(entry: dict[str, Any], pad: str) -> Iterator[str]:
    for fact in entry.get("facts", ()):
        origin = f"   {fact['from']}" if "from" in fact else ""
        yield from _labelled(pad, "fact", f"{fact['name']} = {fact['text']}{origin}")
    for figure in entry.get("parameters", ()):
        unsure = "   unverified" if figure.get("unverified") else ""
        yield from _labelled(
            pad, "figure",
            f"{figure['name']} = {figure['text']}   {figure['cite']}   {figure['place']}{unsure}",
        )  # fmt: skip
    for record in entry.get("catalogue", ()):
        fields = ", ".join(f"{name} {value}" for name, value in record["fields"].items())
        there = fields or ("listed" if record["found"] else "not listed")
        yield from _labelled(
            pad, "listing",
            f"{record['catalogue']}[{','.join(record['keys'])}]: {there}   {record['file']}",
        )  # fmt: skip
    for rounding in entry.get("roundings", ()):
        unsure = "   unverified" if rounding.get("unverified") else ""
        yield from _labelled(
            pad, "rounding",
            f"{rounding['name']}: {rounding['places']} places, {rounding['mode']}   "
            f"{rounding['cite']}{unsure}",
        )  # fmt: skip
