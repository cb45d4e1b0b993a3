"""What a name means in a policy."""

from __future__ import annotations

from finalrule.diagnostics import Diagnostic, Failure, suggest
from finalrule.show.data import Data, Shown
from finalrule.show.tables import tables_data


def find(shown: Shown, name: str) -> list[Data]:
    """Everything of a name: a parameter (`params.` may stand before it), rounding rule, rule,
    table, row (`table.row`), catalogue, record (`catalogue.key`), entity or fact (`entity.fact`),
    `facts` or `tables`. A name may be several: `final_score` is a rule and a rounding rule. Raises
    Failure when it is none."""
    known = shown.known
    if name == "facts":
        return [shown.facts()]
    if name == "tables":
        return [tables_data(shown.program)]
    bare = name.removeprefix("params.")
    first, _, rest = name.partition(".")
    found: list[Data] = []
    if bare in shown.policy.parameters:
        found.append(shown.parameter(bare))
    if name in shown.policy.roundings:
        found.append(shown.rounding(name))
    if name in known.rules:
        found.append(shown.rule(name))
    if name in shown.policy.tables:
        found.append(shown.table(name))
    if first in shown.policy.tables and rest.partition(".")[0] in shown.policy.tables[first].rows:
        found.append(shown.table(first, rest.partition(".")[0]))
    if name in known.catalogues:
        found.append(shown.catalogue(name))
    if first in known.catalogues and rest:
        keys = {".".join(key): key for key in shown.rows(first).rows}
        if rest in keys:
            found.append(shown.record(first, keys[rest]))
    if name in known.entities:
        found.append(shown.facts(name))
    if (first, rest) in known.facts:
        keys_of = {key.name for key in known.entities[first].keys}
        found.append(shown.fact(known.facts[first, rest], rest in keys_of))
    if not found:
        raise Failure([_not_found(shown, name)])
    return found


def _not_found(shown: Shown, name: str) -> Diagnostic:
    known = shown.known
    names = [
        "facts",
        "tables",
        *shown.policy.parameters,
        *shown.policy.roundings,
        *known.rules,
        *shown.policy.tables,
        *known.catalogues,
        *known.entities,
        *(f"{entity}.{fact}" for entity, fact in known.facts),
        *(f"{table.name}.{row}" for table in shown.policy.tables.values() for row in table.rows),
    ]
    first = name.partition(".")[0]
    if first in known.catalogues:
        names = [f"{first}.{'.'.join(key)}" for key in shown.rows(first).rows]
    near = suggest(name, names)
    return Diagnostic(
        "name-not-found",
        f"policy {shown.policy.id} has nothing named `{name}`",
        help=near
        or f"`finalrule show {shown.policy.id}` lists what the policy states,"
        f" `finalrule show {shown.policy.id} facts` what it reads",
    )
