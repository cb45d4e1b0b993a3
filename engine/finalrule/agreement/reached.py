"""What no case reached although it can be."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from finalrule.agreement.bench import Agreement
from finalrule.agreement.too_small import TOO_SMALL
from finalrule.core import ir
from finalrule.evaluate.outcomes import winners
from finalrule.runtime.reachable import unreachable


@dataclass(frozen=True, slots=True)
class Unreached:
    """Rule and winner of all that no case reached although it can be: of the rules whose outcomes
    are `compared`, and of the `other` ones. `too_small` is what cases are too small for;
    `impossible` is what won although no facts should make it win."""

    compared: list[tuple[str, str]]
    other: list[tuple[str, str]]
    too_small: list[tuple[str, str]]
    impossible: list[tuple[str, str]]


def unreached(program: ir.Program, compared: Collection[str], agreement: Agreement) -> Unreached:
    """What never won in any of the cases; `compared` are the rules that a reader has too."""
    left_out = unreachable(program)
    found = Unreached([], [], [], [])
    for rule in program.rules:
        for name in winners(rule):
            one = (rule.name, name)
            won, can_win = agreement.won[one], name not in left_out.get(rule.name, ())
            if won and not can_win:
                found.impossible.append(one)
            elif can_win and not won:
                if one in TOO_SMALL:
                    found.too_small.append(one)
                else:
                    (found.compared if rule.name in compared else found.other).append(one)
    return found
