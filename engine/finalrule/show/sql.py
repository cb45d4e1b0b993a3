"""A policy's rules as the SQL that a run computes them with."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from finalrule.columns import WIDTH, paragraph
from finalrule.diagnostics import Diagnostic, Failure, suggest
from finalrule.evaluate.scalar import Evaluator
from finalrule.population.dimensions import catalogue_rows
from finalrule.population.plan import Plan, compile_population
from finalrule.population.schedule import needed
from finalrule.population.spark import Exact
from finalrule.show.data import Data

DIALECTS: Mapping[str, type[Exact] | str] = {"duckdb": "duckdb", "spark": Exact}
_MAKE = {
    "duckdb": "CREATE OR REPLACE TEMP TABLE {} AS",
    "spark": "CREATE OR REPLACE TABLE {} USING PARQUET AS",
}


def sql_data(evaluator: Evaluator, rules: Collection[str], rule: str | None, dialect: str) -> Data:
    """The queries for these rules of a policy, or for one rule and all that it reads. Raises
    Failure where there is no such rule in force."""
    program = evaluator.program
    if rule is not None and rule not in evaluator.rules:
        raise Failure([Diagnostic(
            "name-not-found", f"policy {program.policy} has no rule `{rule}` in force",
            help=suggest(rule, evaluator.rules)
            or f"`finalrule show {program.policy}` lists the rules",
        )])  # fmt: skip
    dimensions = {name: one.dimension for name, one in catalogue_rows(evaluator.catalogues).items()}
    if rule is None:
        plan = compile_population(program, dimensions, only=rules)
    else:
        only = needed(program, [rule])
        plan = compile_population(program, dimensions, only=only, results=[rule])
    made = {one.target for one in plan.passes}
    return {
        "kind": "sql",
        "policy": program.policy,
        "rule": rule,
        "dialect": dialect,
        "reads": sorted(plan.reads(plan.passes) - made),
        "queries": list(_queries(plan, dialect)),
    }


def _queries(plan: Plan, dialect: str) -> Iterator[Data]:
    titles = {rule.name: rule.title for rule in plan.program.rules}
    for one in plan.passes:
        yield {
            "makes": one.target,
            "entity": one.entity,
            "rules": [{"rule": name, "title": titles[name]} for name in one.rules],
            "sql": one.query.sql(dialect=DIALECTS[dialect], pretty=True),
        }


def sql_text(data: Data) -> str:
    """The queries as a script, what each is about in comments."""
    of = f"rule {data['rule']}" if data["rule"] else "all rules of a run"
    lines = [
        f"-- {data['policy']}, {of}, for {data['dialect']}",
        *_comment(f"reads {', '.join(data['reads'])}"),
    ]
    for query in data["queries"]:
        lines += ["", f"-- {query['makes']}: rules for {query['entity']}"]
        for rule in query["rules"]:
            lines += _comment(f"  {rule['rule']}: {rule['title']}")
        lines += [_MAKE[data["dialect"]].format(query["makes"]), f"{query['sql']};"]
    return "\n".join(lines)


def _comment(text: str) -> list[str]:
    return [f"-- {line}" for line in paragraph(text, 0, width=WIDTH - 3)]
