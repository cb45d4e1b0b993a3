"""From a rules file's text to its syntax tree, with every syntax error of the file.

The grammar is read only when a file's tree is not already kept.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finalrule import cache as kept
from finalrule.diagnostics import Label, Report, suggest
from finalrule.language.syntax import Module
from finalrule.places import grammar_root
from finalrule.source import Source

if TYPE_CHECKING:
    from lark import Lark, Token, Tree
    from lark.exceptions import UnexpectedInput

_MADE_BY = ("parse.py", "build.py", "syntax.py")
_MAXIMUM_CHARACTERS = 1_000_000
_MAXIMUM_LEVELS = 100
_MAXIMUM_ERRORS = 50
_HIDDEN = "\ufffd"
_STATEMENT = re.compile(
    r"^(type|entity|fact|catalogue|parameter|rounding|rule|table|curve|deciles|select)\b", re.M
)
_WORD = re.compile(r'--[^\n]*|"[^"\n]*"?|\w+|[^\w\s]')
# What may begin an expression, go on with one, or begin the next statement: shown by one name, for
# a list of all of them helps nobody.
_GROUPS = {
    "an expression": (
        {"NAME", "NUMBER", "LPAR"},
        {"NAME", "NUMBER", "PERCENT", "MONEY", "POINTS", "DAYS", "YESNO", "STRING", "DATE",
         "QUANTIFIER", "FOLD", "MINUS", "LPAR", "NOT", "AT", "COUNT", "ANY", "EVERY", "SHARE",
         "LOOKUP", "LISTED", "IF_IN_FORCE"},
    ),
    "an operator": (
        {"ADD", "TIMES"},
        {"ADD", "TIMES", "SLASH", "COMPARE", "IS", "IN", "AND", "OR", "AS", "DOT", "LPAR", "ZERO"},
    ),
    "the next statement": (
        {"RULE", "TABLE"},
        {"TYPE", "ENTITY", "FACT", "CATALOGUE", "PARAMETER", "ROUNDING", "RULE", "TABLE", "CURVE",
         "DECILES", "SELECT", "$END"},
    ),
}  # fmt: skip
_HINTS = {
    "=": "write `==` to compare; `=` gives a name to an expression",
    "=>": "write `>=`",
    "=<": "write `<=`",
    "<>": "write `!=`",
    ",": "a number has no commas, but for dollars",
}
# Lines that a statement has once at most; the two forms of `best` are one.
_ONCE = (
    "title", "prints", "where", "outside", "never", "curve_of", "deciles_of", "deciles_in",
    "deciles_rounding", "below", "none_gives", "per", "best", "by", "ties", "rows_of", "bounds",
)  # fmt: skip


def parse(source: Source, report: Report) -> Module | None:
    """The file's syntax tree; None when it has errors, all of which are in the report."""
    if len(source.text) > _MAXIMUM_CHARACTERS:
        report.error(
            "too-many-characters",
            f"a rules file may have {_MAXIMUM_CHARACTERS:,} characters, "
            f"this has {len(source.text):,}",
            source.span(0, 1),
            help="split the module into several files",
        )
        return None
    here = Path(__file__).parent
    made_by = (grammar_root() / "finalrule.lark", *(here / name for name in _MADE_BY))
    name = kept.key("syntax", *(path.read_bytes() for path in made_by), source.text)
    module: Module | None = kept.load("syntax", name, Module)
    if module is None:
        module = _parse(source, report)
        if module is not None:
            kept.keep("syntax", name, module)
    return module


def _parse(source: Source, report: Report) -> Module | None:
    from lark.exceptions import UnexpectedInput

    from finalrule.language.build import build_module

    before = len(report.diagnostics)
    shown = _checked(source, report)
    text, found = shown.text.replace(_HIDDEN, " "), 0
    while True:
        try:
            tree = grammar().parse(text)
            break
        except UnexpectedInput as problem:
            found += 1
            offset, expected = _where(problem, text)
            _report(shown, text, offset, expected, report)
            without = _without_statement(text, offset)
            if without is None or found >= _MAXIMUM_ERRORS:
                return None
            text = without
    _check_levels(shown, tree, report)
    _check_once(shown, tree, report)
    return None if len(report.diagnostics) > before else build_module(tree)


def _checked(source: Source, report: Report) -> Source:
    """The source with what cannot be seen replaced, so that nothing of it reaches a terminal."""
    hidden = [
        i for i, char in enumerate(source.text) if not (char.isprintable() or char in "\n\r\t")
    ]
    if not hidden:
        return source
    chars = list(source.text)
    for i in hidden:
        chars[i] = _HIDDEN
    shown = Source(source.path, "".join(chars))
    for i in hidden[:_MAXIMUM_ERRORS]:
        report.error(
            "unprintable-character",
            f"the character U+{ord(source.text[i]):04X} cannot stand in the file",
            shown.span(i, i + 1),
            help="remove the character",
        )
    return shown


def _where(problem: UnexpectedInput, text: str) -> tuple[int, set[str]]:
    """Where the problem stands, and the terminals that might have stood there."""
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    offset = problem.pos_in_stream if problem.pos_in_stream is not None else len(text)
    expected: set[str] = set()
    if isinstance(problem, UnexpectedToken):
        expected = set(problem.accepts or problem.expected)
        if problem.token.type == "$END":
            offset = len(text)
    elif isinstance(problem, UnexpectedCharacters):
        expected = set(problem.allowed or ())
    before = _before(text, offset)
    if before and expected != {"NAME"} and _STATEMENT.match(text, before[-1].start()):
        # The word that begins a statement was read as a name, where one was missing.
        missing = _GROUPS["an expression"][1] if "ADD" in expected else {"NAME"}
        return before[-1].start(), missing
    return offset, expected


def _before(text: str, offset: int) -> list[re.Match[str]]:
    """The words before an offset, comments left out."""
    return [match for match in _WORD.finditer(text, 0, offset) if not match[0].startswith("--")]


def _without_statement(text: str, offset: int) -> str | None:
    """The text with the statement around the offset blanked out, so that the rest can be read. A
    problem at a statement's first word, or at the end, is that the one before it is unfinished."""
    starts = [match.start() for match in _STATEMENT.finditer(text)]
    before = [start for start in starts if start < offset]
    if not before:
        return None
    begin = before[-1]
    end = next((start for start in starts if start > begin), len(text))
    blank = "".join(char if char == "\n" else " " for char in text[begin:end])
    return text[:begin] + blank + text[end:]


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
    named = {str(name): str(words) for name, words in loaded.items()}
    keywords = {t.name: f"`{t.pattern.value}`" for t in grammar().terminals}
    return {**keywords, **named}


# --- errors ------------------------------------------------------------------------------------


def _report(source: Source, text: str, offset: int, expected: set[str], report: Report) -> None:
    found = _WORD.match(text, offset)
    word = found[0] if found else ""
    before = _before(text, offset)
    if expected == {"LPAR"} and before and before[-1][0].isidentifier():
        report.error(
            "syntax",
            f"`{before[-1][0]}` is a word of the language and cannot be read as a name",
            Label(source.span(*before[-1].span()), "a word of the language"),
            help="give what you mean another name",
        )
    elif not word and not before:
        report.error("syntax", "the file is empty", source.span(0, 0), help=_expected(expected))
    elif before and (not word or _STATEMENT.match(text, offset)):
        report.error(
            "syntax",
            f"something is missing before {f'`{word}`' if word else 'the end of the file'}",
            Label(source.span(*before[-1].span()), "after this"),
            help=_expected(expected),
        )
    elif word.startswith('"') and not word.endswith('"', 1):
        report.error(
            "syntax",
            "the text has no closing quote",
            Label(source.span(offset, offset + len(word)), "opened here"),
            help="end it with a quote on the same line",
        )
    else:
        sign = text[offset : offset + 2] if text[offset : offset + 2] in _HINTS else word
        keywords = [name.strip("`") for name in map(_named, expected) if name.startswith("`")]
        report.error(
            "syntax",
            f"`{sign}` cannot stand here",
            Label(source.span(offset, offset + len(sign)), "unexpected"),
            help=(suggest(word, keywords) if before else "")
            or _HINTS.get(sign)
            or _expected(expected),
        )


def _named(terminal: str) -> str:
    return _words().get(terminal, terminal)


def _expected(terminals: set[str]) -> str:
    left, names = set(terminals), []
    for name, (signs, members) in _GROUPS.items():
        if signs <= left:
            names.append(name)
            left -= members
    *others, last = [*sorted(map(_named, left)), *names] or [""]
    return f"expected {', '.join(others)} or {last}" if others else f"expected {last}" * bool(last)


def _check_levels(source: Source, tree: Tree[Token], report: Report) -> None:
    """What is nested too deeply for the stages that follow; each statement is reported once."""
    for statement in tree.children:
        left: list[tuple[Any, int]] = [(statement, 0)]
        while left:
            node, level = left.pop()
            if level > _MAXIMUM_LEVELS:
                at = node.meta.start_pos if hasattr(node, "meta") else node.start_pos
                report.error(
                    "expression-too-deep",
                    f"the expression has more than {_MAXIMUM_LEVELS} levels",
                    Label(source.span(at, at + 1), "too deep"),
                    help="name a part of it with `let`; each sign of a long chain is a level too",
                )
                break
            left.extend((child, level + 1) for child in getattr(node, "children", ()))


def _check_once(source: Source, tree: Tree[Token], report: Report) -> None:
    """Lines that stand twice in a statement which has them once."""
    for statement in tree.children:
        seen: dict[str, Any] = {}
        for line in getattr(statement, "children", ()):
            kind = str(getattr(line, "data", "")).removesuffix("_all")
            if kind not in _ONCE:
                continue
            first = seen.setdefault(kind, line)
            if first is not line:
                spans = [source.span(n.meta.start_pos, n.meta.end_pos) for n in (line, first)]
                report.error(
                    "line-twice",
                    f"`{spans[0].text.split()[0]}` stands twice in one statement",
                    Label(spans[0], "again here"),
                    Label(spans[1], "first here"),
                    help="keep one of them",
                )
