"""A rule's text as it stands in its file, with the values of the figures that it reads."""

from __future__ import annotations

import re
from collections.abc import Mapping

from finalrule.columns import WIDTH
from finalrule.core.declare import Written
from finalrule.language import syntax as s

_PARAMETER = re.compile(r"\bparams\.([a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*)")
_STRING_OR_COMMENT = re.compile(r'"[^"\n]*"|--[^\n]*')


def block_text(written: Written, module: s.Module) -> str:
    """The block of a rule, from its keyword to its last line; what stands before the next statement
    (empty lines, comments) belongs to that."""
    text = written.source.text
    starts = sorted(_start(statement, text) for statement in module.statements)
    begin = _start(written.syntax, text)
    end = next((start for start in starts if start > begin), len(text))
    lines = text[begin:end].rstrip().split("\n")
    while lines[-1].strip().startswith("--") or not lines[-1].strip():
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
    they stand. Where the line has no room for it the comment follows on a line of its own."""
    found = []
    for line in text.split("\n"):
        said = _STRING_OR_COMMENT.sub("", line)
        shown = [values[name] for name in _PARAMETER.findall(said) if name in values]
        note = f"-- {', '.join(shown)}"
        if not shown:
            found.append(line)
        elif len(line) + len(note) + 2 <= WIDTH:
            found.append(f"{line}  {note}")
        else:
            indent = len(line) - len(line.lstrip()) + 2
            found += [line, " " * indent + note]
    return "\n".join(found)
