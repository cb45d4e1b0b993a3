"""A policy over a population's facts: read and checked, scored part by part, made budget neutral,
and written with a manifest. Everything is there in the end, or nothing is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import duckdb
import msgspec

from finalrule import __version__
from finalrule.cache import whole_file, write_whole
from finalrule.diagnostics import Diagnostic, Failure, Label, Pointer
from finalrule.evaluate.scalar import Evaluator
from finalrule.population import index
from finalrule.population.dimensions import catalogue_rows
from finalrule.population.plan import Pass, Plan, compile_population
from finalrule.runs.alike import write_alike
from finalrule.runs.execute import Execution, Part, beside, connect, parts_of
from finalrule.runs.request import MANIFEST, PLAN, SUMMARY, Done, Progress, Request, begin
from finalrule.runs.results import CLINICIANS, NAMES, PARTICIPANTS, clinicians, participants
from finalrule.runs.rules import figures_of, program_outcomes, rules_of
from finalrule.runs.storage import writing
from finalrule.tables.convert import files_at, literal
from finalrule.tables.read import read_tables
from finalrule.tables.store import PARQUET

_MIPS, _APM = "mips", "apm"
UNITS_IN_A_PART = 420_000
DURATIONS = "durations.json"
Note = Callable[[str, int, int], None]
# What is kept as a run's summary, of the relation of its clinicians and its manifest.
Summarize = Callable[[duckdb.DuckDBPyConnection, str, Mapping[str, Any]], bytes]


class Read(msgspec.Struct, frozen=True):
    """What later stages know of the facts that were read."""

    facts_digest: str
    digests: dict[str, str]
    rows: dict[str, int]
    counts: dict[str, int]
    rejected: dict[str, dict[str, int]]
    absent: tuple[str, ...]
    never_null: dict[str, tuple[str, ...]]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ran:
    """A run that is whole: what its manifest says, and the stages that an earlier attempt had
    finished, which were not done again."""

    manifest: dict[str, Any]
    taken_over: tuple[str, ...]


def run(
    evaluator: Evaluator, facts: Path, out: Path, *, settings: Sequence[str] = (),
    resume: bool = False, threads: int = 2, memory: str = "4GB",
    rejected_limit: Fraction = Fraction(1, 100), note: Note = lambda stage, done, of: None,
    summarize: Summarize | None = None,
) -> Ran:  # fmt: skip
    """Run a policy over the tables in `facts` and write the run to `out`. `note` is told what comes
    next, how many stages are done, and how many there are.

    Raises Failure where the tables are not what they must be, a rule cannot be computed, or memory
    or disk do not suffice. Then `out` is not there, and finished stages are kept for `resume`;
    where too many rows are rejected, they are in `OUT.rejected.parquet`."""
    program = evaluator.program
    out = out.resolve()
    _check_places(facts.resolve(), out)
    request = Request(
        program.policy, program.digest, __version__, tuple(settings), _files(facts),
        str(rejected_limit),
    )  # fmt: skip
    with writing(out, memory), begin(out, request, resume) as progress:
        one = _Run(evaluator, facts, progress, request, threads, memory, rejected_limit, note)
        return one.go(summarize)


def _check_places(facts: Path, out: Path) -> None:
    """Raise Failure for a place where no run can be."""
    if out.is_relative_to(facts):
        raise Failure([Diagnostic(
            "out-not-possible", f"{out} is inside the facts", (Label(Pointer(str(out), "")),),
            "choose a directory outside of them",
        )])  # fmt: skip


class _Run:
    def __init__(
        self, evaluator: Evaluator, facts: Path, progress: Progress, request: Request,
        threads: int, memory: str, rejected_limit: Fraction, note: Note,
    ) -> None:  # fmt: skip
        self.evaluator, self.program = evaluator, evaluator.program
        self.input, self.progress, self.request = facts, progress, request
        self.threads, self.memory, self.limit = threads, memory, rejected_limit
        self.note = note
        self.folder = progress.folder
        self.stages_done, self.stages = 0, 0
        self.seconds: dict[str, float] = {}
        self.taken_over: list[str] = []

    def go(self, summarize: Summarize | None) -> Ran:
        read = msgspec.convert(self._stage("read", self._read), Read)
        catalogues = catalogue_rows(self.evaluator.catalogues)
        plan = compile_population(
            self.program,
            {name: one.dimension for name, one in catalogues.items()},
            never_null={
                (entity, fact) for entity, facts in read.never_null.items() for fact in facts
            },
            only=rules_of(self.program),
        )
        with (
            connect(self.threads, self.memory, self.progress.scratch) as connection,
            beside(connection) as other,
        ):
            executions = [
                Execution(one, plan, catalogues, self.folder / "facts", self.folder / "outcomes")
                for one in (connection, other)[: self.threads]
            ]
            parts = parts_of(connection, self.folder / "facts", UNITS_IN_A_PART)
            groups = plan.groups()
            self.stages = 3 + sum(len(parts) if _in_parts(plan, one) else 1 for one in groups)
            for passes in groups:
                if _in_parts(plan, passes):
                    self._parts(executions, passes, parts)
                else:
                    self._stage(_name(passes, None), partial(executions[0].group, passes, None))
            executions[0].sources.views({*plan.results, *plan.scopes, *NAMES})
            self._stage("clinicians", partial(self._clinicians, connection, plan))
            manifest = self._manifest(connection, plan, read)
            if summarize is not None and _MIPS in self.program.tracks:
                relation = f"read_parquet({files_at(self.folder / CLINICIANS)})"
                write_whole(self.folder / SUMMARY, summarize(connection, relation, manifest))
        write_whole(self.folder / PLAN, index.written(plan))
        write_whole(self.folder / DURATIONS, msgspec.json.encode(self.seconds))
        write_whole(self.folder / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
        self.progress.complete()
        self._tell("", self.stages)
        return Ran(manifest, tuple(self.taken_over))

    def _parts(
        self, executions: Sequence[Execution], passes: Sequence[Pass], parts: Sequence[Part]
    ) -> None:
        """One group of passes over every part: as many at a time as there are executions, since
        queries are planned, and files written, by one thread each. Parts are finished in order."""
        idle = SimpleQueue[Execution]()
        for one in executions:
            idle.put(one)
        names = {part: _name(passes, part) for part in parts}
        # Queries become text once, here: several threads would each do it, and wait for each other.
        all(one.duckdb for one in passes)

        def work(part: Part) -> None:
            if self.progress.finished(names[part]) is None:
                execution = idle.get()
                try:
                    execution.group(passes, part)
                finally:
                    idle.put(execution)

        with ThreadPoolExecutor(len(executions)) as pool:
            begun = {part: pool.submit(work, part) for part in parts}
            try:
                for part, name in names.items():
                    self._stage(name, begun[part].result)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for one in executions:
                    one.stop()
                raise

    def _tell(self, stage: str, done: int) -> None:
        self.note(stage, done, max(self.stages, done))

    def _stage(self, name: str, work: Callable[[], Any]) -> Any:
        """Do a stage, or take over what it came to where an earlier attempt finished it."""
        self._tell(name, self.stages_done)
        done = self.progress.finished(name)
        if done is not None:
            self.taken_over.append(name)
        else:
            began = time.perf_counter()
            data = work()
            done = Done(round(time.perf_counter() - began, 3), data)
            self.progress.finish(name, done)
        self.seconds[name] = done.seconds
        self.stages_done += 1
        return done.data

    def _read(self) -> Any:
        """Read and check the facts; what is known of them, as data. Raises Failure, also where they
        are others by now than when the run was asked for."""
        out = self.progress.out
        found = read_tables(
            self.program, self.input, self.folder, threads=self.threads, memory=self.memory,
            rejected_limit=self.limit, rejected_to=out.with_name(f"{out.name}.rejected.parquet"),
            program_facts={"whole_population": True} if _MIPS in self.program.tracks else {},
            progress=lambda table, done, of: self.note(f"read {table}".strip(), 0, 1),
        )  # fmt: skip
        if _files(self.input) != self.request.files:
            raise Failure([Diagnostic(
                "facts-changed", "the facts were changed while they were read",
                (Label(Pointer(str(self.input), "")),), "run it again when nobody writes to them",
            )])  # fmt: skip
        read = Read(
            found.digest, dict(found.digests), dict(found.rows), dict(found.counts),
            {name: dict(reasons) for name, reasons in found.rejected.items()}, found.absent,
            {name: tuple(sorted(facts)) for name, facts in found.never_null.items()},
            tuple(one.message for one in found.notes),
        )  # fmt: skip
        return msgspec.to_builtins(read)

    def _clinicians(self, connection: duckdb.DuckDBPyConnection, plan: Plan) -> None:
        if _MIPS in self.program.tracks:
            _copy(connection, f"{clinicians(plan)} ORDER BY n.id", self.folder / CLINICIANS)
            write_alike(connection.cursor(), self.folder, self.evaluator, plan)
        if _APM in self.program.tracks:
            _copy(connection, f"{participants(plan)} ORDER BY e.npi", self.folder / PARTICIPANTS)

    def _manifest(
        self, connection: duckdb.DuckDBPyConnection, plan: Plan, read: Read
    ) -> dict[str, Any]:
        return {
            "policy": self.program.policy, "title": self.program.title,
            "policy_digest": self.program.digest, "engine_version": __version__,
            "performance_year": self.program.performance_year,
            "payment_year": self.program.payment_year, "settings": list(self.request.settings),
            "facts_digest": read.facts_digest, "facts": read.digests, "rows": read.rows,
            "records": read.counts, "rejected": read.rejected, "absent": list(read.absent),
            "notes": list(read.notes), "figures": figures_of(self.program),
            "program": program_outcomes(connection, plan),
        }  # fmt: skip


def _copy(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    with whole_file(path) as fresh:
        connection.execute(f"COPY ({query}) TO {literal(str(fresh))} {PARQUET}")


def _in_parts(plan: Plan, passes: Sequence[Pass]) -> bool:
    """Whether a group's units are taken in parts: the first such group, which reads all records."""
    groups = (one.group for one in plan.passes if plan.scopes[one.entity])
    return passes[0].group == next(groups, None)


def _name(passes: Sequence[Pass], part: Part | None) -> str:
    group = f"pass-{passes[0].group}"
    return f"{group}-{part.number:05}" if part else group


def _files(facts: Path) -> tuple[tuple[str, int, int], ...]:
    """The files of a directory: names, sizes and times."""
    found = []
    for path in sorted(facts.rglob("*")) if facts.is_dir() else []:
        if path.is_file():
            about = path.stat()
            found.append((str(path.relative_to(facts)), about.st_size, about.st_mtime_ns))
    return tuple(found)
