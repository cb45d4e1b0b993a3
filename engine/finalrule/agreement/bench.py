"""Random cases through the exact evaluator, held against other readers of the rules: how often each
clause won, and every difference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from finalrule.agreement.durable import DurableReader
from finalrule.agreement.events import EventsReader
from finalrule.agreement.readers import Difference, Fault, Reader
from finalrule.agreement.sql import OnDuckDB, OnSpark, SqlReader
from finalrule.core import ir
from finalrule.core.expressions import Frame
from finalrule.core.walk import reads
from finalrule.diagnostics import Diagnostic, Failure
from finalrule.evaluate.catalogues import TypedCatalogue, open_catalogues
from finalrule.evaluate.generate import Generator
from finalrule.evaluate.made_up import with_made_up
from finalrule.evaluate.neighbours import Families, Following, Member
from finalrule.evaluate.scalar import Evaluation, Evaluator
from finalrule.evaluate.shrink import case_text, shrink_by
from finalrule.evaluate.steer import Cases
from finalrule.evaluate.thresholds import find_thresholds
from finalrule.facts.case import Case
from finalrule.runtime.compare import DIFFERENCE

# The readers, each with how many cases it is given at a time: an engine of SQL takes seconds to
# plan its queries, for one case as for thousands.
BATCHES: Mapping[str, int] = {"durable": 250, "duckdb": 8000, "spark": 16000, "events": 2000}
# Of each kind of finding, so many cases are made small.
_MADE_SMALL = 3

# Faults are sought on cases of all kinds, then on cases of their own rules, so many at a time: one
# that so many of these have not shown is taken for one that is never found.
_CASES_FOR_FAULTS, _CASES_OF_RULES, MAXIMUM_CASES_FOR_A_FAULT = 500, 2000, 5000

# Error code, rule, and the reader that has it; no reader where the exact evaluator has.
Kind = tuple[str, str, str]


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
    of each kind, and `times` the number of cases that have it; `told` counts the events by which
    cases were told, what became of them, and those whom they tell of."""

    cases: int = 0
    records: int = 0
    outcomes: int = 0
    firings: int = 0
    won: Counter[tuple[str, str]] = field(default_factory=Counter)
    findings: dict[Kind, Finding] = field(default_factory=dict)
    times: Counter[Kind] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)

    def add(self, other: Agreement) -> None:
        """Take in what other cases came to."""
        self.cases += other.cases
        self.records += other.records
        self.outcomes += other.outcomes
        self.firings += other.firings
        self.won.update(other.won)
        self.times.update(other.times)
        self.told.update(other.told)
        for kind, finding in other.findings.items():
            self.keep(kind, finding)

    def keep(self, kind: Kind, finding: Finding) -> None:
        """Keep a finding if its case is the smallest of its kind."""
        known = self.findings.get(kind)
        if known is None or finding.size < known.size:
            self.findings[kind] = finding


@dataclass(slots=True)
class _Last:
    """A case as it was evaluated, with how often each rule was decided by each winner."""

    evaluation: Evaluation
    won: Counter[tuple[str, str]]


class Bench:
    """A program with its readers and its cases. `root` is the folder of its catalogues; made-up
    records are added to them, so that what a year's records do not reach is reached. Raises Failure
    when a catalogue cannot be opened, or a rule cannot be compiled for a reader."""

    def __init__(self, program: ir.Program, root: Path, readers: Sequence[str]) -> None:
        self.program = program
        thresholds = find_thresholds(program)
        catalogues = with_made_up(open_catalogues(program, root), thresholds)
        self.evaluator = Evaluator(program, catalogues)
        self.following = Following(self.evaluator)
        self.cases = Cases(self.evaluator, Generator(program, catalogues, thresholds))
        self.families = Families(self.cases)
        self.readers = [self._reader(name, catalogues) for name in readers]
        self.batch = max(BATCHES[name] for name in readers)
        self._reads = {rule.name: reads(rule) for rule in program.rules}
        self._made_small: Counter[Kind] = Counter()

    def _reader(self, name: str, catalogues: Mapping[str, TypedCatalogue]) -> Reader:
        if name == "durable":
            return DurableReader(self.program, self.evaluator.context)
        if name == "events":
            return EventsReader(self.program, self.cases.generator)
        return SqlReader(self.program, catalogues, OnSpark if name == "spark" else OnDuckDB)

    def run(self, seed: int, numbers: range, note: Callable[[int], None]) -> Agreement:
        """The cases of a seed with these numbers; `note` is told each before it is begun."""
        done = Agreement()
        fired = sum(reader.fired for reader in self.readers)
        for start in range(numbers.start, numbers.stop, self.batch):
            batch = range(start, min(start + self.batch, numbers.stop))
            note(start)
            members = list(self.families.members(seed, batch))
            cases = [one.case for one in members]
            follows = [one.moved is not None for one in members]
            for reader in self.readers:
                reader.begin(cases, follows)
                if isinstance(reader, EventsReader):
                    done.told.update(reader.counts)
            # What is found is made small when all of the batch is compared: that takes the readers.
            found: list[tuple[Kind, Case]] = []
            last: _Last | None = None
            for place, member in enumerate(members):
                note(batch[place])
                done.cases += 1
                kinds, last = self._kinds(place, member, self.readers, last)
                found += [(kind, member.case) for kind in kinds]
                if last is not None:
                    done.records += len(last.evaluation.frames)
                    done.outcomes += len(last.evaluation.decisions)
                    done.won.update(last.won)
                    last = last if not kinds else None
            for kind, case in found:
                self._note(done, kind, case)
        done.firings += sum(reader.fired for reader in self.readers) - fired
        return done

    def _kinds(
        self, place: int, member: Member, readers: Sequence[Reader], last: _Last | None = None
    ) -> tuple[dict[Kind, Diagnostic], _Last | None]:
        """What is found in a case, which the readers have at a place, and its evaluation; `last` is
        that of the case before, on which nothing differed."""
        changed: frozenset[Frame] | None = None
        try:
            if last is None or member.moved is None:
                evaluation = self.evaluator.evaluate(member.case)
                last = _Last(evaluation, Counter())
                last.won.update(
                    (rule, one.winner) for (rule, _), one in evaluation.decisions.items()
                )
            else:
                evaluation = last.evaluation
                were = self.following.follow(evaluation, member.case, member.moved)
                last.won.subtract((rule, was.winner) for (rule, _), was in were.items())
                last.won.update(
                    (rule, evaluation.decisions[rule, frame].winner) for rule, frame in were
                )
                changed = frozenset(frame for _, frame in were)
        except Failure as failure:
            return _refused(failure, place, readers), None
        found: dict[Kind, Diagnostic] = {}
        for reader in readers:
            try:
                for one in self._causes(reader.differences(place, evaluation, changed)):
                    found.setdefault((DIFFERENCE, one.rule.name, reader.name), one.diagnostic())
            except Failure as failure:
                code, rule = failure.diagnostics[0].code, _label(failure)
                found[code, rule, reader.name] = _by(reader, failure.diagnostics[0])
        return found, last

    def _causes(self, differences: Sequence[Difference]) -> list[Difference]:
        """The differences that do not follow from another one."""
        differ = {one.rule.name for one in differences}
        return [one for one in differences if differ.isdisjoint(self._reads[one.rule.name])]

    def _note(self, done: Agreement, kind: Kind, case: Case) -> None:
        """Count what was found; of each kind the first few cases are made small."""
        done.times[kind] += 1
        self._made_small[kind] += 1
        if self._made_small[kind] > _MADE_SMALL:
            return
        code, rule, name = kind
        readers = [one.narrowed(rule) if rule else one for one in self.readers if one.name == name]
        last: list[Diagnostic] = []

        def first(cases: Sequence[Case]) -> int | None:
            for reader in readers:
                reader.begin(cases)
            for place, one in enumerate(cases):
                found = self._kinds(place, Member(one), readers)[0].get(kind)
                if found is not None:
                    last[:] = [found]
                    return place
            return None

        small = case
        if first([case]) is None:
            last = [Diagnostic(code, "it did not show again")]
        else:
            at_a_time = max((one.small for one in readers), default=1)
            small = shrink_by(case, self.program, first, at_a_time)
        text = case_text(small, self.program)
        done.keep(kind, Finding(rule, last[0], text, len(text.splitlines())))

    # --- faults --------------------------------------------------------------------------------

    def find_faults(
        self, reader: Reader, count: int, seed: int, progress: Callable[[int], None]
    ) -> tuple[list[tuple[Fault, int]], list[Fault]]:
        """Faults put into a reader, with the number of cases after which each was found, and those
        that were not. `progress` is told how many more are found."""
        open_ = list(reader.seed(count, seed))
        found: list[tuple[Fault, int]] = []
        numbers = range(_CASES_FOR_FAULTS)
        cases = [self.cases.case(f"{seed}:{number}") for number in numbers]
        tried = of_each = 0
        while open_:
            shown = reader.find(open_, cases, self.evaluator.evaluate, progress)
            found += [
                (fault, tried + shown[fault.what] + 1) for fault in open_ if fault.what in shown
            ]
            open_ = [fault for fault in open_ if fault.what not in shown]
            if of_each >= MAXIMUM_CASES_FOR_A_FAULT:
                break
            tried += len(cases)
            more = -(-_CASES_OF_RULES // max(len(open_), 1))
            more = min(more, MAXIMUM_CASES_FOR_A_FAULT - of_each)
            cases = [
                self.cases.of_rule(f"{seed}:{number}", fault.rules[number % len(fault.rules)])
                for fault in open_
                for number in range(of_each, of_each + more)
            ]
            of_each += more
        return found, open_


def _refused(failure: Failure, place: int, readers: Sequence[Reader]) -> dict[Kind, Diagnostic]:
    """What is found in a case that the exact evaluator refuses."""
    diagnostic, rule = failure.diagnostics[0], _label(failure)
    found: dict[Kind, Diagnostic] = {(diagnostic.code, rule, ""): diagnostic}
    for reader in readers:
        if not reader.refuses(place, diagnostic.code, rule):
            message = f"{reader.name} does not say so: {diagnostic.message}"
            found[DIFFERENCE, rule, reader.name] = Diagnostic(
                DIFFERENCE, message, diagnostic.labels
            )
    return found


def _by(reader: Reader, diagnostic: Diagnostic) -> Diagnostic:
    """What a reader alone finds."""
    message = f"by {reader.name} alone: {diagnostic.message}"
    return Diagnostic(diagnostic.code, message, diagnostic.labels, diagnostic.help)


def _label(failure: Failure) -> str:
    """The rule that a failure is about, without the record's keys or how many there are."""
    labels = failure.diagnostics[0].labels
    said = labels[0].text.removeprefix("rule ") if labels else ""
    return said.partition("[")[0].partition(",")[0]
