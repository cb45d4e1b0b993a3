"""A changed figure against a finished run: only what depends on it is computed again."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from finalrule.cache import whole_file, write_whole
from finalrule.core import ir
from finalrule.diagnostics import Failure
from finalrule.evaluate.scalar import Evaluator
from finalrule.load import load_evaluator
from finalrule.population import index
from finalrule.population.duckdb import load_catalogues, run_passes
from finalrule.population.plan import Plan
from finalrule.runs.again import Again, compile_again
from finalrule.runs.alike import again_alike
from finalrule.runs.changed import Changed, changed_rules
from finalrule.runs.kept import Kept
from finalrule.runs.late import ALIKE
from finalrule.runs.request import PLAN, Manifest, check_free
from finalrule.runs.results import CLINICIANS as FILE
from finalrule.runs.results import changed_clinicians, changed_groups
from finalrule.runs.rules import figures_of, program_outcomes, program_rules, rules_of
from finalrule.runs.storage import writing
from finalrule.runs.unchanged import policy_name, program_of
from finalrule.tables.convert import files_at, literal
from finalrule.tables.store import PARQUET

CLINICIANS, GROUPS = "clinicians", "groups"
MADE = "what-if.json"


class WhatIf:
    """A finished run with other figures. `rules` are those that were computed again, of `of_rules`
    that a run has. `clinicians` is a relation of the connection, with the columns of the run's
    clinicians.parquet; `groups` is one of these where they are `grouped`, as changed_groups has
    them; `manifest` is the run's with what changed.

    `was` is the policy that the run was made with, `now` the same with other settings. Raises
    DuckDB's errors, OSError and msgspec.MsgspecError where the run's files are not whole."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, run: Path, manifest: Mapping[str, Any],
        was: ir.Program, now: Evaluator,
    ) -> None:  # fmt: skip
        self.connection = connection
        change = changed_rules(was, now.program)
        self.rules = change.rules
        self.of_rules = len(rules_of(now.program))
        kept = Kept(connection, run, index.read(was, (run / PLAN).read_bytes()))
        self.grouped = False
        plan = self._of_alike(run, now, change, kept) or self._of_all(run, now, change, kept)
        self.manifest = {
            **manifest, "policy": now.program.policy, "policy_digest": now.program.digest,
            "figures": figures_of(now.program), "program": program_outcomes(connection, plan),
        }  # fmt: skip

    def _of_all(self, run: Path, now: Evaluator, change: Changed, kept: Kept) -> Plan:
        """The changed rules, for everybody."""
        again = compile_again(now, kept.plan, change) if change.rules else None
        plan = again.stored if again else kept.plan
        query, reads = changed_clinicians(plan, self.rules, run)
        reads |= {plan.tables[rule] for rule in program_rules(plan)}
        if again is not None:
            columns = again.plan.columns
            for entity in again.entities:
                without = again.without.get(entity)
                kept.entity(entity, columns, self.rules, again.before, without)
            self._run(again, reads)
        kept.tables(sorted(reads & kept.known))
        self._view(CLINICIANS, query)
        return plan

    def _of_alike(self, run: Path, now: Evaluator, change: Changed, kept: Kept) -> Plan | None:
        """All late rules, once for TIN/NPIs that are alike; None where that is not possible. What
        is wrong with a rule, and for how many records, is said where all are computed."""
        try:
            again = again_alike(self.connection, run, now, change, kept) if change.rules else None
            if again is None:
                return None
            plan, late = again.stored, [rule for one in again.plan.passes for rule in one.rules]
            query, reads = changed_clinicians(plan, late, run, ALIKE)
            programs = {plan.tables[rule] for rule in program_rules(plan)}
            self._run(again, reads | programs)
        except Failure:
            return None
        kept.tables(sorted(programs & kept.known))
        self._view(CLINICIANS, query)
        self._view(GROUPS, changed_groups(plan, late, ALIKE))
        self.grouped = True
        return plan

    def _run(self, again: Again, keep: Collection[str]) -> None:
        load_catalogues(self.connection, again.catalogues)
        run_passes(self.connection, again.plan, again.plan.passes, keep=keep)

    def _view(self, name: str, query: str) -> None:
        self.connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {query}")


def changed(
    connection: duckdb.DuckDBPyConnection, run: Path, manifest: Mapping[str, Any],
    settings: Sequence[str],
) -> WhatIf:  # fmt: skip
    """A run under changed settings. Those of the run hold too, but for names that are set again.
    Raises Failure where the run's policy is another one by now, or a setting cannot be."""
    msgspec.convert(manifest, Manifest)
    was = program_of(run, manifest)
    names = {_name(one) for one in settings}
    every = [*(one for one in manifest["settings"] if _name(one) not in names), *settings]
    found = WhatIf(connection, run, manifest, was, load_evaluator(policy_name(manifest), every))
    found.manifest["settings"] = every
    return found


def _name(setting: str) -> str:
    return setting.partition("=")[0].strip()


def stored_clinicians(run: Path) -> str:
    """The relation of a run's own clinicians."""
    return f"read_parquet({files_at(run / FILE)})"


def write(found: WhatIf, out: Path, memory: str) -> None:
    """Write the changed clinicians, in the order of the run's, and the changed manifest into a
    directory that is there whole or not at all. Raises Failure."""
    out = out.resolve()
    check_free(out)
    whole = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    try:
        with writing(out, memory):
            whole.mkdir(parents=True)
            with whole_file(whole / FILE) as path:
                found.connection.execute(
                    f"COPY (SELECT * FROM {CLINICIANS} ORDER BY tin, npi) "
                    f"TO {literal(str(path))} {PARQUET}"
                )
            data = {**found.manifest, "rules": list(found.rules)}
            write_whole(whole / MADE, msgspec.json.format(msgspec.json.encode(data)))
            os.replace(whole, out)
    finally:
        shutil.rmtree(whole, ignore_errors=True)
