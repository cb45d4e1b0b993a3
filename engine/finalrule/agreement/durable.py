"""durable-rules as a reader: the determinations of each case, one record at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from finalrule.core import ir
from finalrule.core.expressions import Context, Frame
from finalrule.diagnostics import Diagnostic, Failure
from finalrule.evaluate.scalar import Evaluation
from finalrule.facts.case import Case
from finalrule.runtime.compare import Comparer, Difference
from finalrule.runtime.compile import compile_rulesets
from finalrule.runtime.determine import Determiner, Run
from finalrule.runtime.durable import Engine, EngineError
from finalrule.runtime.faults import Fault, seed_faults


class DurableReader:
    """A program's rulesets. It determines what is evaluated, so that it refuses what is not."""

    name = "durable-rules"
    small = 1

    def __init__(self, program: ir.Program, context: Context) -> None:
        self.rulesets = compile_rulesets(program)
        self.rules = frozenset(self.rulesets.results)
        self.determiner = Determiner(self.rulesets, context)
        self.comparer = Comparer(self.rulesets)
        self.engine = Engine(self.rulesets.rulesets)
        self.fired = 0

    def begin(self, cases: Sequence[Case], follows: Sequence[bool] = ()) -> None:
        pass

    def differences(
        self, place: int, evaluation: Evaluation, changed: Collection[Frame] | None = None
    ) -> Sequence[Difference]:
        runs = self._runs(evaluation)
        self.fired += sum(len(run.concluded.fired) for run in runs)
        return self.comparer.differences(evaluation, runs)

    def refuses(self, place: int, code: str, rule: str) -> bool:
        return True

    def narrowed(self, rule: str) -> DurableReader:
        return self

    def _runs(self, evaluation: Evaluation) -> list[Run]:
        try:
            return self.determiner.determine(evaluation, self.engine.fire)
        except EngineError as problem:
            raise Failure([Diagnostic("runtime-died", str(problem))]) from None

    # --- faults --------------------------------------------------------------------------------

    def seed(self, count: int, seed: int) -> list[Fault]:
        """So many faults, each in one ruleset."""
        return seed_faults(self.rulesets, count, seed)

    def find(
        self,
        faults: Sequence[Fault],
        cases: Sequence[Case],
        evaluate: Callable[[Case], Evaluation],
        note: Callable[[int], None],
    ) -> dict[str, int]:
        """The faults that comparing the cases shows, each with the place of the first that
        does. `note` is told of each that was found."""
        engines = {fault.what: Engine([fault.ruleset]) for fault in faults}
        found: dict[str, int] = {}
        for place, evaluation in enumerate(map(evaluate, cases)):
            runs = self._runs(evaluation)
            for fault in faults:
                engine = engines[fault.what]
                if fault.what not in found and self._shows(fault, engine, evaluation, runs):
                    found[fault.what] = place
                    note(1)
        for engine in engines.values():
            engine.close()
        return found

    def _shows(self, fault: Fault, engine: Engine, evaluation: Evaluation, runs: list[Run]) -> bool:
        """Whether comparing shows the fault: what stands before the ruleset is as ever."""
        for run in runs:
            if run.ruleset == fault.place:
                (concluded,) = engine.fire(0, [run.record])
                wrong = Run(run.ruleset, run.frame, run.record, concluded)
                if self.comparer.differences(evaluation, [wrong]):
                    return True
        return False
