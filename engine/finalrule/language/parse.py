"""From a rules file's text to its syntax tree, with every syntax error of the file.

The grammar is read only when a file's tree is not already kept.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from finalrule import cache as kept
from finalrule.diagnostics import Label, Report
from finalrule.language.syntax import Module
from finalrule.places import grammar_root
from finalrule.source import Source

if TYPE_CHECKING:
    from lark import Lark
    from lark.exceptions import UnexpectedInput

_MAXIMUM_CHARACTERS = 1_000_000
_MAXIMUM_NESTING = 40
_STATEMENT = re.compile(
    r"^(type|entity|fact|catalogue|parameter|rounding|rule|table|curve|deciles|select)\b", re.M
)


def parse(source: Source, report: Report) -> Module | None:
    """The file's syntax tree; None when it has errors, all of which are in the report."""
    if len(source.text) > _MAXIMUM_CHARACTERS:
        report.error(
            "file-too-large",
            f"a rules file may have {_MAXIMUM_CHARACTERS:,} characters, this has {len(source.text):,}",
            source.span(0, 1),
            help="split the module into several files",
        )
        return None
    grammar_text = (grammar_root() / "finalrule.lark").read_bytes()
    name = kept.key("syntax", grammar_text, source.text)
    module: Module | None = kept.load("syntax", name, Module)
    if module is None:
        module = _parse(source, report)
        if module is not None:
            kept.keep("syntax", name, module)
    return module


def _parse(source: Source, report: Report) -> Module | None:
    from lark.exceptions import UnexpectedInput

    from finalrule.language.build import build_module

    if not _check_nesting(source, report):
        return None
    text, found = source.text, 0
    while True:
        try:
            tree = grammar().parse(text)
            break
        except UnexpectedInput as problem:
            found += 1
            offset = problem.pos_in_stream
            offset = len(text) if offset is None or offset < 0 else offset
            _report(source, offset, problem, report)
            without = _without_statement(text, offset)
            if without is None or found >= 50:
                return None
            text = without
    return None if found else build_module(tree)


def _without_statement(text: str, offset: int) -> str | None:
    """The text with the statement around the offset blanked out, so that the rest can be read."""
    starts = [match.start() for match in _STATEMENT.finditer(text)]
    before = [start for start in starts if start <= offset]
    if not before:
        return None
    begin = before[-1]
    end = next((start for start in starts if start > begin), len(text))
    blank = "".join(char if char == "\n" else " " for char in text[begin:end])
    return text[:begin] + blank + text[end:]


def _check_nesting(source: Source, report: Report) -> bool:
    depth = 0
    for offset, char in enumerate(source.text):
        if char == "(":
            depth += 1
            if depth > _MAXIMUM_NESTING:
                report.error(
                    "nested-too-deep",
                    f"parentheses are nested deeper than {_MAXIMUM_NESTING}",
                    source.span(offset, offset + 1),
                    help="name a part of the expression with `let`",
                )
                return False
        elif char == ")":
            depth -= 1
    return True


@cache
def grammar(keep_all_tokens: bool = False) -> Lark:
    """The grammar's parser; keywords and punctuation are in the tree only when asked for."""
    from lark import Lark

    return Lark(
        (grammar_root() / "finalrule.lark").read_text(encoding="utf-8"),
        parser="lalr",
        propagate_positions=True,
        maybe_placeholders=False,
        keep_all_tokens=keep_all_tokens,
    )


@cache
def _words() -> dict[str, str]:
    import yaml

    loaded = yaml.safe_load((grammar_root() / "terminals.yaml").read_text(encoding="utf-8"))
    return {str(name): str(words) for name, words in loaded.items()}


def _word(terminal: str) -> str:
    definition = next((t for t in grammar().terminals if t.name == terminal), None)
    if terminal in _words():
        return _words()[terminal]
    return f"`{definition.pattern.value}`" if definition else terminal


def _report(source: Source, offset: int, problem: UnexpectedInput, report: Report) -> None:
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    expected: list[str] = []
    if isinstance(problem, UnexpectedToken):
        expected = sorted({_word(name) for name in problem.accepts or problem.expected})
    elif isinstance(problem, UnexpectedCharacters):
        expected = sorted({_word(name) for name in problem.allowed or ()})
    rest = re.match(r'"[^"\n]*"?|\w+|[^\w\s]', source.text[offset:])
    length = rest.end() if rest else 0
    what = f"`{source.text[offset : offset + length]}`" if length else "the end of the file"
    shown = expected[:8] + (["..."] if len(expected) > 8 else [])
    report.error(
        "syntax",
        f"{what} cannot stand here",
        Label(source.span(offset, offset + length), "unexpected"),
        help=f"expected {', '.join(shown)}" if shown else "",
    )
