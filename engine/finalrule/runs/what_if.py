"""A changed figure against a finished run: only what depends on it is computed again."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from finalrule.cache import whole_file, write_whole
from finalrule.core import ir
from finalrule.core.walk import nodes
from finalrule.evaluate.scalar import Evaluator
from finalrule.load import load_evaluator
from finalrule.population import index
from finalrule.population.dimensions import catalogue_rows
from finalrule.population.duckdb import load_catalogues, run_passes
from finalrule.population.plan import Plan, compile_population
from finalrule.runs.changed import Changed, changed_rules
from finalrule.runs.kept import Kept
from finalrule.runs.request import PLAN, Manifest, check_free
from finalrule.runs.results import CARRIED, CHOSEN, COLUMNS, changed_clinicians
from finalrule.runs.results import CLINICIANS as FILE
from finalrule.runs.run import figures_of, program_outcomes, program_rules, rules_of
from finalrule.runs.shortened import not_considered, shortened
from finalrule.runs.storage import writing
from finalrule.runs.unchanged import policy_name, policy_of
from finalrule.tables.convert import files_at, literal

CLINICIANS = "clinicians"
MADE = "what-if.json"


class WhatIf:
    """A finished run with other figures. `rules` are those that were computed again, of `of_rules`
    that a run has. `clinicians` is a relation of the connection, with the columns of the run's
    clinicians.parquet; `manifest` is the run's with what changed.

    `was` is the policy that the run was made with, `now` the same with other settings. Raises
    DuckDB's errors, OSError and msgspec.MsgspecError where the run's files are not whole."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, run: Path, manifest: Mapping[str, Any],
        was: Evaluator, now: Evaluator,
    ) -> None:  # fmt: skip
        self.connection = connection
        change = changed_rules(was.program, now.program)
        self.rules = change.rules
        self.of_rules = len(rules_of(now.program))
        stored = index.read(was.program, (run / PLAN).read_bytes())
        kept = Kept(connection, run, stored)
        plan, made = stored, None
        if self.rules:
            made, plan = self._compiled(now, change, stored, kept)
        query, reads = changed_clinicians(plan, self.rules, run)
        reads |= {plan.tables[rule] for rule in program_rules(plan)}
        if made is not None:
            run_passes(connection, made, made.passes, keep=reads)
        kept.tables(sorted(reads & kept.known))
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {CLINICIANS} AS {query}")
        self.manifest = {
            **manifest, "policy": now.program.policy, "policy_digest": now.program.digest,
            "figures": figures_of(now.program), "program": program_outcomes(connection, plan),
        }  # fmt: skip

    def _compiled(
        self, now: Evaluator, change: Changed, stored: Plan, kept: Kept
    ) -> tuple[Plan, Plan]:
        """The plan that computes the changed rules, for which all is there that it reads, and what
        is stored together with it."""
        read = {
            node.catalogue for rule in now.program.rules if rule.name in self.rules
            for node in (rule, *nodes(rule))
            if isinstance(node, ir.Lookup | ir.Listed | ir.Deciles)
        }  # fmt: skip
        catalogues = catalogue_rows({name: now.catalogues[name] for name in sorted(read)})
        load_catalogues(self.connection, catalogues)
        decided = program_rules(stored)
        wanted = {*(one.rule for one in COLUMNS if one.rule), CHOSEN, *decided}
        short = shortened(now.program, stored, change)
        plan = compile_population(
            short.program, {name: one.dimension for name, one in catalogues.items()},
            only=self.rules, stored=short.stored, results=wanted, decided=decided,
            carried=CARRIED if CHOSEN in self.rules else (),
        )  # fmt: skip
        without = not_considered(now.program, stored, change, wanted)
        columns = plan.columns
        for entity in sorted(plan.reads(plan.passes) & set(plan.scopes)):
            kept.entity(entity, columns, self.rules, short.columns, without.get(entity))
        return plan, _overlaid(short.stored, plan)


def changed(
    connection: duckdb.DuckDBPyConnection, run: Path, manifest: Mapping[str, Any],
    settings: Sequence[str],
) -> WhatIf:  # fmt: skip
    """A run under changed settings. Those of the run hold too, but for names that are set again.
    Raises Failure where the run's policy is another one by now, or a setting cannot be."""
    msgspec.convert(manifest, Manifest)
    was = policy_of(run, manifest)
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
                    f"TO {literal(str(path))} (FORMAT parquet)"
                )
            data = {**found.manifest, "rules": list(found.rules)}
            write_whole(whole / MADE, msgspec.json.format(msgspec.json.encode(data)))
            os.replace(whole, out)
    finally:
        shutil.rmtree(whole, ignore_errors=True)


def _overlaid(stored: Plan, changed: Plan) -> Plan:
    """One plan of what is stored and what was computed again."""
    packed = {rule: one for rule, one in stored.packed.items() if rule not in changed.tables}
    return Plan(
        changed.program, changed.passes, {**stored.shapes, **changed.shapes},
        {**packed, **changed.packed}, {**stored.results, **changed.results},
        {**stored.tables, **changed.tables}, stored.scopes,
    )  # fmt: skip
