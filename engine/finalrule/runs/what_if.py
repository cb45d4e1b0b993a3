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
from finalrule.population.schedule import closure
from finalrule.runs.execute import Sources
from finalrule.runs.request import PLAN, Manifest, check_free
from finalrule.runs.results import CLINICIANS as FILE
from finalrule.runs.results import changed_clinicians
from finalrule.runs.run import NAMES, figures_of, program_outcomes, rules_of
from finalrule.runs.storage import writing
from finalrule.runs.unchanged import policy_name, policy_of
from finalrule.tables.convert import literal

CLINICIANS = "clinicians"
MADE = "what-if.json"
# What is said of a rule beside what it computes.
_SAID = ("place", "force_place", "force_cite", "cite", "cites", "because")


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
        self.rules = changed_rules(was.program, now.program)
        self.of_rules = len(rules_of(now.program))
        stored = index.read(was.program, (run / PLAN).read_bytes())
        sources = Sources(connection, run / "facts", run / "outcomes")
        plan, made = stored, set[str]()
        if self.rules:
            plan, made = self._compute(now, stored, sources)
        sources.views({*plan.results, *plan.scopes, *NAMES} - made)
        query = changed_clinicians(plan, self.rules, run)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {CLINICIANS} AS {query}")
        self.manifest = {
            **manifest, "policy": now.program.policy, "policy_digest": now.program.digest,
            "figures": figures_of(now.program), "program": program_outcomes(connection, plan),
        }  # fmt: skip

    def _compute(self, now: Evaluator, stored: Plan, sources: Sources) -> tuple[Plan, set[str]]:
        """Compute the changed rules; what is stored together with that, and the tables made."""
        catalogues = catalogue_rows(now.catalogues)
        load_catalogues(self.connection, catalogues)
        dimensions = {name: one.dimension for name, one in catalogues.items()}
        plan = compile_population(now.program, dimensions, only=self.rules, stored=stored)
        for entity in sorted(plan.reads(plan.passes) & set(plan.scopes)):
            sources.with_outcomes(entity, stored, plan.columns)
        run_passes(self.connection, plan, plan.passes)
        return _overlaid(stored, plan), {one.target for one in plan.passes}


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
    return f"read_parquet({literal(str(run / FILE))})"


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


def changed_rules(was: ir.Program, now: ir.Program) -> tuple[str, ...]:
    """The rules of a run whose outcomes may be others: those that are written otherwise, or that
    read a figure which is another one, and what reads them."""
    before = {rule.name: _content(rule) for rule in was.rules}
    figures = {one.name: one.value for one in was.parameters}
    other = {one.name for one in now.parameters if figures.get(one.name) != one.value}
    changed = [
        rule.name for rule in now.rules
        if before.get(rule.name) != _content(rule)
        or any(isinstance(node, ir.Param) and node.name in other for node in nodes(rule))
    ]  # fmt: skip
    kept = set(rules_of(now))
    return tuple(name for name in closure(now, changed) if name in kept)


def _content(rule: ir.AnyRule) -> bytes:
    """What a rule says, without where it stands."""
    return msgspec.json.encode(_without_places(msgspec.to_builtins(rule, enc_hook=str)))


def _without_places(data: Any) -> Any:
    if isinstance(data, dict):
        return {
            key: _without_places(value) for key, value in data.items()
            if key not in _SAID
        }  # fmt: skip
    if isinstance(data, list | tuple):
        return [_without_places(one) for one in data]
    return data


def _overlaid(stored: Plan, changed: Plan) -> Plan:
    """One plan of what is stored and what was computed again."""
    return Plan(
        changed.program, changed.passes, {**stored.shapes, **changed.shapes},
        {**stored.packed, **changed.packed}, {**stored.results, **changed.results},
        {**stored.tables, **changed.tables}, stored.scopes,
    )  # fmt: skip
