"""A rule's text as it stands in its file, the values of the figures that it reads, and its clauses
as the core has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from finalrule.columns import WIDTH
from finalrule.core import ir
from finalrule.core.declare import Written
from finalrule.core.text import expression_text, names_in
from finalrule.language import syntax as s

_PARAMETER = re.compile(r"\bparams\.([a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*)")
_STRING_OR_COMMENT = re.compile(r'"[^"\n]*"|--[^\n]*')


def block_text(written: Written, module: s.Module) -> str:
    """The block of a rule, from its keyword to its last line. What stands before the next statement
    (empty lines, comments) belongs to that one."""
    text = written.source.text
    begin = _start(written.syntax, text)
    starts = sorted(_start(statement, text) for statement in module.statements)
    end = next((start for start in starts if start > begin), len(text))
    lines = text[begin:end].split("\n")
    while not lines[-1].strip() or lines[-1].lstrip().startswith("--"):
        lines.pop()
    return "\n".join(line.rstrip() for line in lines)


def _start(statement: s.Statement, text: str) -> int:
    """Where a statement's keyword stands. A rule's own place begins with its name."""
    begin = statement.at[0]
    if isinstance(statement, s.RuleSyntax):
        return text.rindex(statement.kind, 0, begin)
    return begin


def with_values(text: str, values: Mapping[str, str]) -> str:
    """The text with a comment at each line that reads figures: their values, in the order in which
    they stand. Where the line has no room for it, the comment follows on a line of its own."""
    found = []
    for line in text.split("\n"):
        said = _STRING_OR_COMMENT.sub("", line)
        shown = [values[name] for name in _PARAMETER.findall(said) if name in values]
        note = f"-- {'; '.join(shown)}"
        if not shown:
            found.append(line)
        elif len(line) + 2 + len(note) <= WIDTH and "--" not in line:
            found.append(f"{line}  {note}")
        else:
            indent = len(line) - len(line.lstrip()) + 2
            found += [line, " " * indent + note]
    return "\n".join(found)


def clauses(program: ir.Program, rule: ir.AnyRule) -> list[dict[str, Any]]:
    """The clauses of a rule with clauses: what each gives and when, with what only other policies
    have in force resolved away. Empty for the other kinds."""
    if not isinstance(rule, ir.Choice):
        return []
    names = names_in(program, rule)
    return [
        {
            "name": clause.name,
            "gives": expression_text(clause.value, names=names, expected=rule.type),
            "decided": clause.kind,
            "when": "" if clause.when is None else expression_text(clause.when, names=names),
            "because": clause.because,
            "cites": list(clause.cites),
        }
        for clause in rule.clauses
    ]
