"""Fifth stage: dependency order. A rule that needs its own outcome is an error, shown as a path."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from finalrule.core.lower import Lowered
from finalrule.core.walk import reads
from finalrule.diagnostics import Label, Report


def order(lowered: Mapping[str, Lowered], report: Report) -> list[Lowered]:
    """The rules, each after those that it reads."""
    needs = {name: reads(one.rule) for name, one in lowered.items()}
    done: dict[str, bool] = {}
    result: list[Lowered] = []
    for start in lowered:
        path: list[tuple[str, Iterator[str]]] = []
        if start not in done:
            done[start] = False
            path.append((start, iter(needs[start])))
        while path:
            name, rest = path[-1]
            following = next((n for n in rest if n in lowered and not done.get(n)), None)
            if following is None:
                done[name] = True
                result.append(lowered[name])
                path.pop()
            elif following in done:
                names = [step for step, _ in path]
                _cycle([*names[names.index(following) :], following], lowered, report)
            else:
                done[following] = False
                path.append((following, iter(needs[following])))
    return result


def _cycle(names: list[str], lowered: Mapping[str, Lowered], report: Report) -> None:
    labels = []
    for name, following in itertools.pairwise(names):
        one = lowered[name]
        labels.append(Label(one.written.span(one.written.syntax.name), f"reads {following}"))
    report.error(
        "cycle",
        "rules need each other: " + " -> ".join(names),
        *labels,
        help="let one of them read facts, or an earlier rule, instead",
    )
