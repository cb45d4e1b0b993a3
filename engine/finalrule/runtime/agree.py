"""Random cases through both evaluators: how often each clause won, and every difference.

The cases are shared out to processes, each of which generates, evaluates exactly, determines by
durable-rules and compares. The same seed gives the same cases, however many processes there are.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from finalrule.core import ir
from finalrule.diagnostics import Diagnostic, Failure
from finalrule.evaluate.catalogues import open_catalogues
from finalrule.evaluate.generate import Generator
from finalrule.evaluate.made_up import with_made_up
from finalrule.evaluate.outcomes import winners
from finalrule.evaluate.scalar import Evaluation, Evaluator
from finalrule.evaluate.shrink import case_text, shrink
from finalrule.evaluate.thresholds import find_thresholds
from finalrule.facts.case import Case
from finalrule.runtime.compare import Comparer
from finalrule.runtime.compile import compile_rulesets
from finalrule.runtime.determine import Determiner, Run
from finalrule.runtime.durable import Engine
from finalrule.runtime.faults import Fault, seed_faults
from finalrule.runtime.reachable import unreachable

# Cases that one process is given at a time.
_SHARE = 250
# A fault that so many cases have not shown is taken for one that is never found.
MAXIMUM_CASES_FOR_A_FAULT = 50_000


@dataclass(frozen=True, slots=True)
class Finding:
    """What went wrong in a case: a difference, or a rule that broke its promise. `times` counts it
    over all cases, `case` is the smallest case found, as text of `size` records and facts."""

    rule: str
    diagnostic: Diagnostic
    case: str
    size: int
    times: int = 1


@dataclass(slots=True)
class Agreement:
    """What a number of cases came to."""

    cases: int = 0
    records: int = 0
    firings: int = 0
    won: Counter[tuple[str, str]] = field(default_factory=Counter)
    findings: dict[tuple[str, str], Finding] = field(default_factory=dict)

    def add(self, other: Agreement) -> None:
        """Take in what other cases came to."""
        self.cases += other.cases
        self.records += other.records
        self.firings += other.firings
        self.won.update(other.won)
        for finding in other.findings.values():
            self.note(finding)

    def note(self, finding: Finding) -> None:
        """Count a finding; of the same at the same rule the smallest case is kept."""
        key = (finding.diagnostic.code, finding.rule)
        known = self.findings.get(key)
        if known is None:
            self.findings[key] = finding
            return
        least = min(known, finding, key=lambda one: one.size)
        self.findings[key] = Finding(
            least.rule, least.diagnostic, least.case, least.size, known.times + finding.times
        )


class Bench:
    """A program with both evaluators and its cases. `root` is the folder of its catalogues; made-up
    records are added to them, so that what a year's records do not reach is reached."""

    def __init__(self, program: ir.Program, root: Path) -> None:
        self.program = program
        thresholds = find_thresholds(program)
        catalogues = with_made_up(open_catalogues(program, root), thresholds)
        self.evaluator = Evaluator(program, catalogues)
        self.generator = Generator(program, catalogues, thresholds)
        self.rulesets = compile_rulesets(program)
        self.determiner = Determiner(self.rulesets, self.evaluator.context)
        self.comparer = Comparer(self.rulesets)
        self.engine = Engine(self.rulesets.rulesets)

    def run(self, seed: int, numbers: range, note: Callable[[int], None]) -> Agreement:
        """The cases of a seed with these numbers; `note` is told each before it is begun."""
        done = Agreement()
        for number in numbers:
            note(number)
            case = self.generator.case(f"{seed}:{number}")
            done.cases += 1
            try:
                evaluation, runs = self._both(case)
            except Failure as failure:
                done.note(self._broken(case, failure))
                continue
            done.records += len(evaluation.frames)
            done.firings += sum(len(run.concluded.fired) for run in runs)
            for (rule, _), decision in evaluation.decisions.items():
                done.won[rule, decision.winner] += 1
            for rule in dict.fromkeys(d.rule.name for d in self._differences(evaluation, runs)):
                done.note(self._difference(case, rule))
        return done

    def _both(self, case: Case) -> tuple[Evaluation, list[Run]]:
        evaluation = self.evaluator.evaluate(case)
        return evaluation, self.determiner.determine(evaluation, self.engine.fire)

    def _differences(self, evaluation: Evaluation, runs: list[Run]) -> list[Any]:
        return self.comparer.differences(evaluation, runs)

    def _difference(self, case: Case, rule: str) -> Finding:
        def found(tried: Case) -> list[Any]:
            try:
                differences = self._differences(*self._both(tried))
            except Failure:
                return []
            return [one for one in differences if one.rule.name == rule]

        small = shrink(case, self.program, lambda tried: bool(found(tried)))
        return self._finding(rule, found(small)[0].diagnostic(), small)

    def _broken(self, case: Case, failure: Failure) -> Finding:
        wanted = failure.diagnostics[0].code, _label(failure)

        def fails(tried: Case) -> Failure | None:
            try:
                self.evaluator.evaluate(tried)
            except Failure as found:
                if (found.diagnostics[0].code, _label(found)) == wanted:
                    return found
            return None

        small = shrink(case, self.program, lambda tried: fails(tried) is not None)
        shown = fails(small) or failure
        return self._finding(wanted[1], shown.diagnostics[0], small)

    def _finding(self, rule: str, diagnostic: Diagnostic, case: Case) -> Finding:
        text = case_text(case, self.program)
        return Finding(rule, diagnostic, text, len(text.splitlines()))

    # --- faults --------------------------------------------------------------------------------

    def find_faults(
        self, count: int, seed: int, progress: Callable[[int], None]
    ) -> tuple[list[tuple[Fault, int]], list[Fault]]:
        """Seeded faults with the number of cases after which each was found, and those that were
        not. `progress` is told how many more are found."""
        open_ = [
            (fault, Engine([fault.ruleset])) for fault in seed_faults(self.rulesets, count, seed)
        ]
        found: list[tuple[Fault, int]] = []
        for number in range(MAXIMUM_CASES_FOR_A_FAULT):
            if not open_:
                break
            case = self.generator.case(f"{seed}:{number}")
            evaluation, runs = self._both(case)
            left = []
            for fault, engine in open_:
                if self._shows(fault, engine, evaluation, runs):
                    engine.close()
                    found.append((fault, number + 1))
                else:
                    left.append((fault, engine))
            progress(len(open_) - len(left))
            open_ = left
        return found, [fault for fault, _ in open_]

    def _shows(self, fault: Fault, engine: Engine, evaluation: Evaluation, runs: list[Run]) -> bool:
        """Whether comparing shows the fault: what stands before the ruleset is as ever."""
        for run in runs:
            if run.ruleset == fault.place:
                (concluded,) = engine.fire(0, [run.record])
                wrong = Run(run.ruleset, run.frame, run.record, concluded)
                if self.comparer.differences(evaluation, [wrong]):
                    return True
        return False


def _label(failure: Failure) -> str:
    """The rule that a failure of the evaluator is about, without the record's keys."""
    labels = failure.diagnostics[0].labels
    return labels[0].text.removeprefix("rule ").partition("[")[0] if labels else ""


def never_won(program: ir.Program, agreement: Agreement) -> list[tuple[str, str]]:
    """Rule and winner of all that no case reached although it can be."""
    left_out = unreachable(program)
    return [
        (rule.name, winner)
        for rule in program.rules
        for winner in winners(rule)
        if not agreement.won[rule.name, winner] and winner not in left_out.get(rule.name, ())
    ]


# --- processes ---------------------------------------------------------------------------------


def agree(
    program: ir.Program,
    root: Path,
    cases: int,
    seed: int,
    processes: int = 2,
    progress: Callable[[int], None] = lambda cases: None,
) -> Agreement:
    """Run cases in processes of their own. `progress` is told how many more are done. Raises
    Failure when a process dies, naming the case."""
    context = multiprocessing.get_context("spawn")
    shares = iter(range(start, min(start + _SHARE, cases)) for start in range(0, cases, _SHARE))
    total = Agreement()
    workers: dict[Connection, tuple[SpawnProcess, Any]] = {}
    try:
        for _ in range(processes):
            ours, theirs = context.Pipe()
            current = context.Value("q", -1)
            process = context.Process(
                target=_serve, args=(theirs, current, program, root, seed), daemon=True
            )
            process.start()
            theirs.close()
            workers[ours] = (process, current)
            _give(ours, shares, workers)
        while workers:
            for connection in wait(list(workers)):
                assert isinstance(connection, Connection)
                try:
                    done = connection.recv()
                except (EOFError, ConnectionError):
                    process, current = workers[connection]
                    process.join()
                    raise _died(process.exitcode, f"{seed}:{current.value}") from None
                total.add(done)
                progress(done.cases)
                _give(connection, shares, workers)
    finally:
        for process, _ in workers.values():
            process.kill()
    return total


def _give(connection: Connection, shares: Iterator[range], workers: dict[Connection, Any]) -> None:
    """The next share; when there is none, the process ends."""
    share = next(shares, None)
    if share is None:
        connection.close()
        del workers[connection]
    else:
        connection.send(share)


def _died(code: int | None, case: str) -> Failure:
    message = f"the process that compares evaluators ended with exit code {code} at case {case}"
    return Failure(
        [Diagnostic("runtime-died", message, help="run it again with this seed, and report it")]
    )


def _serve(
    connection: Connection, current: Any, program: ir.Program, root: Path, seed: int
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    bench = Bench(program, root)

    def note(number: int) -> None:
        current.value = number

    while True:
        try:
            numbers = connection.recv()
        except EOFError:
            return
        connection.send(bench.run(seed, numbers, note))
