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
from finalrule.runtime.compare import DIFFERENCE, Comparer
from finalrule.runtime.compile import Rulesets, compile_rulesets
from finalrule.runtime.determine import Determiner, Run
from finalrule.runtime.durable import Engine, EngineError
from finalrule.runtime.faults import Fault, seed_faults
from finalrule.runtime.reachable import unreachable

# Cases that one process is given at a time; they take seconds, minutes when many are made small.
_SHARE = 250
TIME_LIMIT_SECONDS = 900.0
# Of each kind of finding, a process makes so many cases small.
_MADE_SMALL = 3
# A fault that so many cases have not shown is taken for one that is never found.
MAXIMUM_CASES_FOR_A_FAULT = 50_000


@dataclass(frozen=True, slots=True)
class Finding:
    """What went wrong in a case: a difference, or a rule that broke its promise. `case` is the
    smallest case found, as text of `size` records and facts."""

    rule: str
    diagnostic: Diagnostic
    case: str
    size: int


@dataclass(slots=True)
class Agreement:
    """What a number of cases came to. `won` counts by rule and winner; `findings` holds one finding
    of each kind (error code and rule), and `times` the number of cases that have it."""

    cases: int = 0
    records: int = 0
    firings: int = 0
    won: Counter[tuple[str, str]] = field(default_factory=Counter)
    findings: dict[tuple[str, str], Finding] = field(default_factory=dict)
    times: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, other: Agreement) -> None:
        """Take in what other cases came to."""
        self.cases += other.cases
        self.records += other.records
        self.firings += other.firings
        self.won.update(other.won)
        self.times.update(other.times)
        for kind, finding in other.findings.items():
            self.keep(kind, finding)

    def keep(self, kind: tuple[str, str], finding: Finding) -> None:
        """Keep a finding if its case is the smallest of its kind."""
        known = self.findings.get(kind)
        if known is None or finding.size < known.size:
            self.findings[kind] = finding


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
        self._made_small: Counter[tuple[str, str]] = Counter()

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
                self._note(done, (failure.diagnostics[0].code, _label(failure)), case)
                continue
            done.records += len(evaluation.frames)
            done.firings += sum(len(run.concluded.fired) for run in runs)
            for (rule, _), decision in evaluation.decisions.items():
                done.won[rule, decision.winner] += 1
            differences = self.comparer.differences(evaluation, runs)
            for kind in dict.fromkeys((DIFFERENCE, one.rule.name) for one in differences):
                self._note(done, kind, case)
        return done

    def _both(self, case: Case) -> tuple[Evaluation, list[Run]]:
        evaluation = self.evaluator.evaluate(case)
        try:
            return evaluation, self.determiner.determine(evaluation, self.engine.fire)
        except EngineError as problem:
            raise Failure([Diagnostic("runtime-died", str(problem))]) from None

    def _note(self, done: Agreement, kind: tuple[str, str], case: Case) -> None:
        """Count what was found; of each kind the first few cases are made small."""
        done.times[kind] += 1
        self._made_small[kind] += 1
        if self._made_small[kind] <= _MADE_SMALL:
            small = shrink(case, self.program, lambda tried: self._found(kind, tried) is not None)
            text = case_text(small, self.program)
            diagnostic = self._found(kind, small) or Diagnostic(kind[0], "it did not show again")
            done.keep(kind, Finding(kind[1], diagnostic, text, len(text.splitlines())))

    def _found(self, kind: tuple[str, str], case: Case) -> Diagnostic | None:
        """What a case shows of a kind."""
        try:
            differences = self.comparer.differences(*self._both(case))
        except Failure as failure:
            shown = failure.diagnostics[0]
            return shown if (shown.code, _label(failure)) == kind else None
        if kind[0] != DIFFERENCE:
            return None
        return next((one.diagnostic() for one in differences if one.rule.name == kind[1]), None)

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


@dataclass(frozen=True, slots=True)
class Unreached:
    """Rule and winner of all that no case reached although it can be: of `determinations`, which
    both evaluators decide, and of the `other` rules. `impossible` is what won although no facts
    should make it win."""

    determinations: list[tuple[str, str]]
    other: list[tuple[str, str]]
    impossible: list[tuple[str, str]]


def unreached(rulesets: Rulesets, agreement: Agreement) -> Unreached:
    """What never won in any of the cases."""
    left_out = unreachable(rulesets.program)
    found = Unreached([], [], [])
    for rule in rulesets.program.rules:
        for name in winners(rule):
            won, can_win = agreement.won[rule.name, name], name not in left_out.get(rule.name, ())
            if can_win and not won:
                decided = rule.name in rulesets.results
                (found.determinations if decided else found.other).append((rule.name, name))
            elif won and not can_win:
                found.impossible.append((rule.name, name))
    return found


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
    Failure when the catalogues cannot be opened, and when a process dies, naming the case."""
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
            ready = wait(list(workers), TIME_LIMIT_SECONDS)
            if not ready:
                _, current = next(iter(workers.values()))
                why = f"did not come to an end within {TIME_LIMIT_SECONDS:.0f} seconds"
                raise _died(why, seed, current.value)
            for connection in ready:
                assert isinstance(connection, Connection)
                try:
                    done = connection.recv()
                except (EOFError, ConnectionError):
                    process, current = workers[connection]
                    process.join()
                    why = f"ended with exit code {process.exitcode}"
                    raise _died(why, seed, current.value) from None
                if not isinstance(done, Agreement):
                    raise Failure(done)
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


def _died(why: str, seed: int, number: int) -> Failure:
    case = f"at case {seed}:{number}" if number >= 0 else "before its first case"
    message = f"a process that compares evaluators {why}, {case}"
    return Failure(
        [Diagnostic("runtime-died", message, help="run it again with this seed, and report it")]
    )


def _serve(
    connection: Connection, current: Any, program: ir.Program, root: Path, seed: int
) -> None:
    """The other process: run shares until the pipe is closed. An interrupt is for the first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        bench = Bench(program, root)
    except Failure as failure:
        connection.send(failure.diagnostics)
        return

    def note(number: int) -> None:
        current.value = number

    while True:
        try:
            numbers = connection.recv()
        except EOFError:
            return
        connection.send(bench.run(seed, numbers, note))
