"""The tables of facts that a policy reads of a population, as data and as text."""

from __future__ import annotations

from finalrule.columns import columns, paragraph
from finalrule.core import ir
from finalrule.core.expressions import constant_value
from finalrule.show.data import Data, typed
from finalrule.tables.schema import LABEL, TableColumn, TableSchema, table_schemas
from finalrule.values import Enumeration, show


def tables_data(program: ir.Program) -> Data:
    """Every table with its columns."""
    return {"kind": "tables", "tables": [_table(schema) for schema in table_schemas(program)]}


def _table(schema: TableSchema) -> Data:
    return {
        "name": schema.name,
        "required": schema.required,
        "describe": schema.describe,
        "keys": list(schema.keys),
        "entities": list(schema.entities),
        "labels": schema.labels,
        "columns": [_column(column) for column in schema.columns],
    }


def _column(column: TableColumn) -> Data:
    default = next((fact.default for fact in column.facts if fact.default is not None), None)
    return {
        "name": column.name,
        "files": [list(names) for names in column.files],
        "key": column.key,
        "type": typed(column.type),
        "members": list(column.type.members) if isinstance(column.type, Enumeration) else [],
        "presence": column.presence,
        "default": None if default is None else show(constant_value(default), column.type),
        "entities": list(column.entities),
        "cites": list(column.cites),
        "describe": column.describe,
    }


def tables_text(data: Data) -> list[str]:
    """Lines of text. Facts of which an earlier table tells are not told again."""
    lines: list[str] = []
    told: dict[tuple[str, str], str] = {}
    types: dict[str, str] = {}
    for table in data["tables"]:
        need = "required" if table["required"] else "may be absent"
        lines += [f"{table['name']}, {need}", *paragraph(table["describe"], 2)]
        fresh = [column for column in table["columns"] if _fact(column) not in told]
        rows = [(column["name"], column["type"], _presence(column)) for column in fresh]
        for column, shown in zip(fresh, columns(rows, 2), strict=True):
            lines += [*shown, *paragraph(column["describe"], 6)]
        for entity, name in sorted({
            (fact[0], told[fact]) for column in table["columns"]
            if (fact := _fact(column)) in told and fact is not None
        }):  # fmt: skip
            lines += paragraph(f"and the facts of `{entity}`, as in `{name}`", 2)
        if table["labels"]:
            lines += paragraph(f"and any `{LABEL}...`: text that no rule reads", 2)
        lines.append("")
        for column in fresh:
            if fact := _fact(column):
                told[fact] = table["name"]
            if column["members"] and not column["type"].startswith("one of "):
                types[column["type"]] = ", ".join(column["members"])
    shown_types = columns(list(types.items()), 2)
    return [*lines, "Types", *(line for shown in shown_types for line in shown)]


def _fact(column: Data) -> tuple[str, str] | None:
    """The fact that a column gives, where it gives one, and is no key."""
    if column["key"] or len(column["entities"]) != 1:
        return None
    return column["entities"][0], column["name"]


def _presence(column: Data) -> str:
    if column["key"]:
        return "key" if column["presence"] == "required" else "key, or empty"
    return {
        "required": "required",
        "absent_means": f"absent means {column['default']}",
        "may_be_unknown": "may be unknown",
    }[str(column["presence"])]
