"""`finalrule show`: a policy, or what it says of a name."""

from __future__ import annotations

import json

import click

from finalrule.compare.diff import compile_named
from finalrule.places import policies_root
from finalrule.policy.resolve import find_policies
from finalrule.show.data import FORMAT, Shown
from finalrule.show.find import find
from finalrule.show.text import text


@click.command()
@click.argument("words", nargs=-1, metavar="[POLICY] [NAME]")
@click.option("--policy", "stated", metavar="ID", help="The policy, where only NAME is given.")
@click.option("--sql", "as_sql", is_flag=True,
              help="The SQL that a run computes rules with: of the rule NAME and all that it "
                   "reads, or of every rule.")  # fmt: skip
@click.option("--dialect", type=click.Choice(["duckdb", "spark"]), default="duckdb",
              show_default=True, help="Whose SQL --sql is.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text",
              show_default=True)  # fmt: skip
def show(words: tuple[str, ...], stated: str | None, as_sql: bool, dialect: str, form: str) -> None:
    """Show a policy, or what it says of a name.

    Without NAME: the policy's years, parameters by part of the regulation, rounding rules, tables,
    rule variants, catalogues and assumed values. NAME is a parameter, a rounding rule, a table or
    one of its rows, a rule, a catalogue or one of its records, a fact, an entity, `facts` for every
    fact that the policy may need, or `tables` for the tables of facts that a whole population is
    given in. Without POLICY: the policies that there are.

    \b
    Examples:
      finalrule show 2020-final
      finalrule show 2020-final complex_patient.multiplier
      finalrule show 2020-final category_weights
      finalrule show 2020-final benchmark.236.mips_cqm
      finalrule show facts --policy 2020-final
      finalrule show tables --policy 2020-final
      finalrule show --sql --policy 2020-final low_volume_status

    Exit codes: 0, 2 where there is no such policy or name, or the policy does not compile.
    """
    policy, name = _policy_and_name(words, stated)
    if as_sql:
        click.echo(_sql(policy, name, dialect, form))
        return
    if policy is None:
        ids = list(find_policies(policies_root()))
        click.echo(json.dumps({"format": FORMAT, "policies": ids}) if form == "json"
                   else "\n".join(ids))  # fmt: skip
        return
    shown = Shown(compile_named(policy), policies_root())
    found = [shown.whole()] if name is None else find(shown, name)
    if form == "json":
        data = {"format": FORMAT, "policy": policy, "found": found}
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
    else:
        click.echo("\n\n".join(text(one, policy) for one in found))


def _sql(policy: str | None, rule: str | None, dialect: str, form: str) -> str:
    from finalrule.load import load_evaluator
    from finalrule.runs.rules import rules_of
    from finalrule.show.sql import sql_data, sql_text

    if policy is None:
        raise click.UsageError("--sql of which policy? Add --policy ID.")
    evaluator = load_evaluator(policy)
    data = sql_data(evaluator, rules_of(evaluator.program), rule, dialect)
    if form == "json":
        return json.dumps({"format": FORMAT, **data}, indent=2, ensure_ascii=False)
    return sql_text(data)


def _policy_and_name(words: tuple[str, ...], stated: str | None) -> tuple[str | None, str | None]:
    expected = 2 if stated is None else 1
    if len(words) > expected:
        raise click.UsageError(f"these are too many words: {' '.join(words[expected:])}")
    if stated is not None:
        return stated, words[0] if words else None
    if words and not words[0][:1].isdigit():
        raise click.UsageError(f"`{words[0]}` of which policy? Add --policy ID.")
    return (words[0] if words else None), (words[1] if len(words) > 1 else None)
