"""One TIN/NPI of a finished run, or an NPI that takes part in Advanced APMs, evaluated again from
the run's own facts and held against every outcome that the run stored of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from finalrule.core import ir
from finalrule.core.expressions import Frame, Known, Unknown
from finalrule.core.walk import nodes
from finalrule.diagnostics import Diagnostic, Failure, Label, Pointer
from finalrule.evaluate.kinds import Decision
from finalrule.evaluate.outcomes import OutcomeName, output_types
from finalrule.evaluate.scalar import Evaluation, Evaluator
from finalrule.facts.declared import UNIT
from finalrule.population import index
from finalrule.population.decode import Decoder
from finalrule.population.plan import Plan
from finalrule.runs import results
from finalrule.runs.request import MANIFEST, PLAN, Manifest, Stated, read_manifest
from finalrule.runs.rules import program_rules, rules_of
from finalrule.runs.storage import unreadable
from finalrule.runs.unchanged import policy_of
from finalrule.score import number_text
from finalrule.tables.convert import files_at, literal, quoted
from finalrule.tables.internal import PROGRAM
from finalrule.tables.schema import ELIGIBLE_CLINICIAN, GROUP, INDIVIDUAL, NPI, SCORE, TIN_NPI
from finalrule.tables.to_cases import OfTables, eligible_clinician_case, tin_npi_case
from finalrule.values import Number, Type, Value, show

POPULATION = "the run's population"
# A column of a result, with the rule and the record whose outcome it is.
_Printed = tuple[str, str, Frame | None]


@dataclass(frozen=True, slots=True)
class Difference:
    """What the run stored otherwise. `outcome` is a rule's, or a column of clinicians.parquet."""

    outcome: str
    stored: str
    exact: str

    def diagnostic(self, run: Path) -> Diagnostic:
        return Diagnostic(
            "run-differs", f"`{self.outcome}` is {self.exact}; the run stored {self.stored}",
            (Label(Pointer(str(run), ""), ""),),
            "run the policy again; if it differs again, report it: one of two evaluators is wrong",
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A TIN/NPI of a run, or an NPI, evaluated again. `unit` is the scoring unit whose final score
    is used, the individual where none is; of an NPI the record of the eligible clinician. `columns`
    says which outcomes stand in the run's results. `outcomes` were compared, of `records`
    records."""

    evaluator: Evaluator
    evaluation: Evaluation
    unit: Frame
    columns: Mapping[str, OutcomeName]
    records: int
    outcomes: int
    differences: tuple[Difference, ...]


def rebuild(run: Path, tin: str, npi: str) -> Rebuilt:
    """Evaluate a TIN/NPI of a run again and compare; without a TIN, an NPI in Advanced APMs. What
    only the whole population gives, such as the sums that the scaling factors follow from, is taken
    from the run; all else is evaluated.

    Raises Failure where the directory is no whole run, where it cannot be read, where the policy or
    the engine is another one by now, and where the run has no such TIN/NPI or NPI."""
    said = read_manifest(run)
    try:
        manifest = msgspec.convert(said, Manifest)
        evaluator = policy_of(run, said)
        program = evaluator.program
        plan = index.read(program, (run / PLAN).read_bytes())
        if not set(rules_of(program)) <= plan.packed.keys() & plan.tables.keys():
            raise unreadable(run)
        with duckdb.connect() as connection:
            digest = manifest.facts_digest
            facts = run / "facts"
            if tin:
                found = tin_npi_case(program, connection, facts, tin, npi, digest)
            else:
                found = eligible_clinician_case(program, connection, facts, npi, digest)
            if found is None:
                raise _not_there(connection, run, tin, npi)
            return _Rebuilding(evaluator, plan, connection, run, manifest).go(found)
    except (OSError, duckdb.Error, msgspec.MsgspecError) as error:
        raise unreadable(run) from error


class _Rebuilding:
    def __init__(
        self, evaluator: Evaluator, plan: Plan, connection: duckdb.DuckDBPyConnection, run: Path,
        manifest: Manifest,
    ) -> None:  # fmt: skip
        self.evaluator, self.plan, self.connection = evaluator, plan, connection
        self.run, self.manifest = run, manifest
        self.decoder = Decoder(plan)
        self.rules: dict[str, list[ir.AnyRule]] = {}
        for name in rules_of(evaluator.program):
            rule = evaluator.rules[name]
            self.rules.setdefault(rule.entity, []).append(rule)

    def go(self, found: OfTables) -> Rebuilt:
        known = self._of_population(found)
        evaluation = self.evaluator.evaluate(
            found.case, [rule.name for rules in self.rules.values() for rule in rules],
            assume={(rule, ()): decision.values for rule, decision in known.items()},
            origin=POPULATION,
        )  # fmt: skip
        ids = {frame: found.ids[record] for frame, record in evaluation.records.items()}
        differences = list(self._manifest(known, evaluation))
        outcomes = 0
        for entity, rules in self.rules.items():
            frames = evaluation.frames_of(entity)
            stored = self._stored(rules, [ids[frame] for frame in frames])
            for rule in rules:
                for frame in frames:
                    outcomes += not evaluation.decisions[rule.name, frame].assumed
                    row = stored[self.plan.tables[rule.name]].get(ids[frame])
                    differences += self._difference(evaluation, rule, frame, row)
        used = _unit_used(evaluation)
        printed = list(_printed(evaluation, used))
        mine = _participant(evaluation)
        of_npi = [] if mine is None else [(rule, rule, mine) for rule in results.OF_PARTICIPANTS]
        if printed:
            differences += self._clinician(evaluation, used, printed)
        if mine is not None:
            differences += self._participant(evaluation, of_npi)
        unit = used or (_unit_named(evaluation, INDIVIDUAL) if printed else mine)
        assert unit is not None
        return Rebuilt(
            self.evaluator, evaluation, unit,
            {column: OutcomeName(rule, frame.path)
             for column, rule, frame in (*printed, *of_npi) if frame is not None},
            len(evaluation.frames), outcomes, tuple(differences),
        )  # fmt: skip

    def _of_population(self, found: OfTables) -> dict[str, Decision]:
        """What rules of the program came to that put the records of everybody together."""
        rules = [rule for rule in self.rules[PROGRAM]
                 if any(isinstance(node, ir.Aggregate) for node in nodes(rule))]  # fmt: skip
        stored = self._stored(rules, [found.ids[found.case.root]])
        decided = {}
        for rule in rules:
            rows = list(stored[self.plan.tables[rule.name]].values())
            if len(rows) != 1:
                raise unreadable(self.run)
            decision = self.decoder.decision(rule.name, rows[0])
            values = {
                output: Unknown(frozenset((POPULATION,))) if isinstance(value, Unknown) else value
                for output, value in decision.values.items()
            }
            decided[rule.name] = Decision(decision.winner, values)
        return decided

    def _stored(
        self, rules: Sequence[ir.AnyRule], ids: Sequence[int]
    ) -> dict[str, dict[int, dict[str, Any]]]:
        """The rows of results of records, by table and id."""
        found: dict[str, dict[int, dict[str, Any]]] = {}
        listed = ", ".join(map(str, ids)) or "NULL"
        for table in sorted({self.plan.tables[rule.name] for rule in rules}):
            source = files_at(self.run / "outcomes" / table, "*.parquet")
            names = list(dict.fromkeys(("id", *self.plan.results[table])))
            rows = self.connection.execute(
                f"SELECT {', '.join(map(quoted, names))} FROM read_parquet({source}) "
                f"WHERE id IN ({listed})"
            ).fetchall()
            found[table] = {row[0]: dict(zip(names, row, strict=True)) for row in rows}
        return found

    # --- comparing -------------------------------------------------------------------------------

    def _difference(
        self, evaluation: Evaluation, rule: ir.AnyRule, frame: Frame, row: Mapping[str, Any] | None
    ) -> Iterator[Difference]:
        exact = evaluation.decisions[rule.name, frame]
        if exact.assumed:
            return
        stored = None if row is None else self.decoder.decision(rule.name, row)
        if stored is None or not _same(exact, stored):
            name = str(OutcomeName(rule.name, frame.path))
            said = "nothing" if stored is None else _said(rule, stored)
            yield Difference(name, said, _said(rule, exact))

    def _manifest(
        self, known: Mapping[str, Decision], evaluation: Evaluation
    ) -> Iterator[Difference]:
        """What the manifest says of the program."""
        for name in program_rules(self.plan):
            rule = self.evaluator.rules[name]
            exact = known.get(rule.name) or evaluation.decisions[rule.name, evaluation.root]
            stated = self.manifest.program.get(rule.name) or Stated(None, None, "")
            value = exact.values[""]
            number = str(value) if isinstance(value, Fraction) else None
            if (stated.exact, stated.winner) != (number, exact.winner):
                said = f"{stated.value or 'undetermined'} by {stated.winner or 'nothing'}"
                yield Difference(f"{MANIFEST}: {rule.name}", said, _said(rule, exact))

    def _clinician(
        self, evaluation: Evaluation, used: Frame | None, printed: Sequence[_Printed]
    ) -> Iterator[Difference]:
        """What stands in clinicians.parquet, column by column."""
        subject = evaluation.case.subject
        where = f"tin = {literal(subject['tin'])} AND npi = {literal(subject['npi'])}"
        kind = used.path[0] if used is not None else None
        for row in self._rows(results.CLINICIANS, where):
            if row["score_used"] != kind:
                stored = str(row["score_used"] or "none")
                yield Difference(f"{results.CLINICIANS}: score_used", stored, kind or "none")
        yield from self._columns(evaluation, results.CLINICIANS, where, printed)

    def _participant(
        self, evaluation: Evaluation, printed: Sequence[_Printed]
    ) -> Iterator[Difference]:
        """What stands in eligible_clinicians.parquet, column by column."""
        where = f"npi = {literal(evaluation.case.subject['npi'])}"
        return self._columns(evaluation, results.PARTICIPANTS, where, printed)

    def _rows(self, name: str, where: str) -> list[dict[str, Any]]:
        source = f"read_parquet({files_at(self.run / name)})"
        result = self.connection.execute(f"SELECT * FROM {source} WHERE {where}")
        names = [one[0] for one in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def _columns(
        self, evaluation: Evaluation, name: str, where: str, printed: Sequence[_Printed]
    ) -> Iterator[Difference]:
        rows = self._rows(name, where)
        if len(rows) != 1:
            yield Difference(name, f"{len(rows)} rows", "one row")
            return
        (row,) = rows
        for column, rule, frame in printed:
            exact = None if frame is None else self._shown(evaluation, rule, frame)
            cell = Fraction(row[column]) if isinstance(row[column], Decimal) else row[column]
            if cell != exact:
                yield Difference(f"{name}: {column}", _cell(row[column]), _cell(exact))

    def _shown(self, evaluation: Evaluation, name: str, frame: Frame) -> Value | None:
        """An outcome as it is printed."""
        rule, value = self.evaluator.rules[name], evaluation.decisions[name, frame].values[""]
        type_ = output_types(rule)[""]
        if isinstance(value, Unknown):
            return None
        if isinstance(value, Fraction) and isinstance(type_, Number):
            return Fraction(number_text(value, rule, type_, self.evaluator))
        return value


def _participant(evaluation: Evaluation) -> Frame | None:
    """The eligible clinician whose NPI was asked for, who may take part in no Advanced APM."""
    npi = evaluation.case.subject[NPI]
    found = [one for one in evaluation.frames_of(ELIGIBLE_CLINICIAN) if one.path == (npi,)]
    return found[0] if found else None


def _printed(evaluation: Evaluation, used: Frame | None) -> Iterator[_Printed]:
    """Columns of clinicians.parquet with the rule and the record whose outcome they are; none
    where an NPI was asked for."""
    clinicians = {score.path[0]: score.refers for score in evaluation.frames_of(SCORE)}
    if not (of_tin := evaluation.frames_of(TIN_NPI)):
        return
    (tin_npi,) = of_tin
    frames = {
        results.INDIVIDUAL: _unit_named(evaluation, INDIVIDUAL),
        results.PRACTICE: _unit_named(evaluation, GROUP), results.USED: used,
        results.OWN: clinicians.get(INDIVIDUAL), results.GROUPED: clinicians.get(GROUP),
        results.TIN_NPI: tin_npi,
    }  # fmt: skip
    for column in results.COLUMNS:
        if column.rule:
            yield column.name, column.rule, frames[column.of]


def _unit_used(evaluation: Evaluation) -> Frame | None:
    """The unit whose final score is used."""
    for score in evaluation.frames_of(SCORE):
        if evaluation.decisions["final_score_used", score].values[""] is True:
            return score.up[UNIT]
    return None


def _unit_named(evaluation: Evaluation, kind: str) -> Frame:
    return next(unit for unit in evaluation.frames_of(UNIT) if unit.path == (kind,))


def _same(exact: Decision, stored: Decision) -> bool:
    """Whether two decisions are the same; the run does not keep what undetermined ones need."""
    return exact.winner == stored.winner and _values(exact) == _values(stored)


def _values(decision: Decision) -> dict[str, Value | None]:
    return {
        output: None if isinstance(value, Unknown) else value
        for output, value in decision.values.items()
    }


def _said(rule: ir.AnyRule, decision: Decision) -> str:
    types = output_types(rule)
    shown = ", ".join(_text(value, types[name]) for name, value in decision.values.items())
    return f"{shown} by {decision.winner}" if decision.winner else shown


def _text(value: Known, type_: Type) -> str:
    """A value; of a number that does not end, exactly."""
    if isinstance(value, Unknown):
        return "undetermined"
    text = show(value, type_)
    return f"{text} ({value})" if text.startswith("~") else text


def _cell(value: object) -> str:
    return "nothing" if value is None else str(value)


# --- errors --------------------------------------------------------------------------------------


def _not_there(connection: duckdb.DuckDBPyConnection, run: Path, tin: str, npi: str) -> Failure:
    """There is no such TIN/NPI or NPI: perhaps its row, or its practice's, was rejected."""
    rejected = files_at(run / "facts" / "rejected.parquet")
    if tin:
        of = f"(npi IS NULL OR npi = '' OR npi = {literal(npi)}) AND tin = {literal(tin)}"
        tables = "'practices', 'clinicians'"
    else:
        of, tables = f"npi = {literal(npi)}", "'eligible_clinicians'"
    rows = connection.execute(
        f'SELECT DISTINCT "table", reason FROM read_parquet({rejected}) '
        f'WHERE "table" IN ({tables}) AND {of} ORDER BY ALL'
    ).fetchall()
    labels = [Label(Pointer(str(run), ""), f"a row of `{table}` was rejected: {reason}")
              for table, reason in rows]  # fmt: skip
    ask = "give the NPI first, then the TIN" if tin else "give the TIN too for payment adjustments"
    help = "correct the row and run again" if labels else ask
    message = f"the run has no clinician with NPI {npi}" + (
        f" under TIN {tin}" if tin else " among those who take part in Advanced APMs"
    )
    found = tuple(labels) or (Label(Pointer(str(run), ""), ""),)
    return Failure([Diagnostic("not-in-run", message, found, help)])
