"""What reads a program's rules beside the exact evaluator, as it is held against that."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from finalrule.core import ir
from finalrule.core.expressions import Frame
from finalrule.diagnostics import Diagnostic
from finalrule.evaluate.scalar import Evaluation
from finalrule.facts.case import Case


class Difference(Protocol):
    """An outcome that is another one by a reader."""

    @property
    def rule(self) -> ir.AnyRule: ...

    def diagnostic(self) -> Diagnostic:
        """As an error at the rule."""


class Fault(Protocol):
    """A reader with one thing wrong; `what` says what, as no other fault does; `rules` are those
    that it can make wrong."""

    @property
    def what(self) -> str: ...

    @property
    def rules(self) -> tuple[str, ...]: ...


class Reader(Protocol):
    """One of the readers. `name` is what people call it; `small` how many cases it takes at a time
    when a case is made small; `rules` are those whose outcomes it gives."""

    name: str
    small: int
    rules: frozenset[str]
    fired: int

    def begin(self, cases: Sequence[Case], follows: Sequence[bool] = ()) -> None:
        """Take some cases, instead of those before. `follows` says of each whether it has the
        records of the case before it, with other facts; where it is empty, none has."""

    def differences(
        self, place: int, evaluation: Evaluation, changed: Collection[Frame] | None = None
    ) -> Sequence[Difference]:
        """What differs on one of the cases, which was evaluated. Where `changed` is given, nothing
        differed on the case before, which it follows, and decisions of these frames alone are other
        ones now. Raises Failure where the reader found a rule that does not hold what it promises,
        or died."""

    def refuses(self, place: int, code: str, rule: str) -> bool:
        """Whether the reader too found that a rule does not hold what it promises (the error's
        code) on one of the cases."""

    def narrowed(self, rule: str) -> Reader:
        """A reader that gives at least a rule's outcome, for cases that are made small."""

    def seed(self, count: int, seed: int) -> Sequence[Fault]:
        """So many faults, each one change of what the reader runs; none where it runs what another
        reader does."""

    def find(
        self,
        faults: Sequence[Any],
        cases: Sequence[Case],
        evaluate: Callable[[Case], Evaluation],
        note: Callable[[int], None],
    ) -> Mapping[str, int]:
        """The reader's own faults that comparing the cases shows, by what is wrong, each with the
        place of the first that does. `note` is told of each that was found."""
