"""The layout changes nothing but white space, and a second time nothing at all."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lark import Token, Tree

from finalrule.diagnostics import Failure, Report
from finalrule.language.format import WIDTH, format_source
from finalrule.language.parse import grammar, parse
from finalrule.places import policies_root
from finalrule.source import Source

RULES = sorted((policies_root() / "rules").rglob("*.rules"))
STAGES = sorted((Path(__file__).parents[1] / "stages").glob("*/good/*.rules"))
_COMMENT = re.compile(r'"[^"\n]*"|(--[^\n]*)')


def tree(text: str) -> Any:
    """The syntax tree without places."""
    report = Report()
    module = parse(Source("a.rules", text), report)
    assert module is not None, str(Failure(report.diagnostics))
    return without_places(msgspec.to_builtins(module))


def without_places(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: without_places(value) for key, value in data.items() if key != "at"}
    return [without_places(item) for item in data] if isinstance(data, list | tuple) else data


def formatted(text: str) -> str:
    return format_source(Source("a.rules", text))


def comments(text: str) -> list[str]:
    return [found[1].rstrip() for found in _COMMENT.finditer(text) if found[1]]


def words(text: str) -> list[str]:
    """Tokens and comments in their order."""
    return re.findall(r'--[^\n]*?(?= *\n|$)|"[^"\n]*"|\w+|[^\w\s]', text)


def respaced(text: str, random: random.Random, remarks: bool) -> str:
    """The same tokens and comments with any white space between them; with `remarks`, new comments
    anywhere."""
    found = [(int(token.start_pos), str(token)) for token in tokens(grammar(True).parse(text))]
    found += [(at.start(1), at[1]) for at in _COMMENT.finditer(text) if at[1]]
    parts = []
    for _, word in sorted(found):
        if re.match(r"\d.* (point|day)", word):
            word = re.sub(" +", lambda _: random.choice((" ", "   ", "\t")), word)
        parts.append(word)
        if word.startswith("--"):
            parts.append(random.choice(("\n", "\n\n", "\n    ")))
            continue
        parts.append(random.choice((" ", " ", " ", "  ", "\t", "\n", "\n\n\n", "\n      ")))
        if remarks and random.random() < 0.05:
            parts.append(random.choice(("", "\n  ", "\n\n")) + "-- said here\n")
    return "".join(parts) + "\n"


def tokens(node: Tree[Token] | Token) -> list[Token]:
    if isinstance(node, Token):
        return [node]
    return [token for child in node.children for token in tokens(child)]


def some_statements(path: Path, random: random.Random) -> str:
    """A few statements of a file that stand together, with the comments between them."""
    text = path.read_text(encoding="utf-8")
    starts = [int(node.meta.start_pos) for node in grammar().parse(text).children[1:]]
    first = random.randrange(len(starts))
    last = first + random.randint(1, 4)
    return f"module a\n\n{text[starts[first] : starts[last] if last < len(starts) else None]}"


def test_layout() -> None:
    """Every construct once, as it is laid out in after.rules."""
    folder = Path(__file__).parent / "layout"
    before = (folder / "before.rules").read_text(encoding="utf-8")
    assert formatted(before) == (folder / "after.rules").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", RULES + STAGES, ids=lambda path: path.stem)
def test_only_white_space_changes(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    after = formatted(text)
    assert words(after) == words(text)
    assert tree(after) == tree(text)
    assert formatted(after) == after


@settings(max_examples=60, deadline=None)
@given(
    path=st.sampled_from(RULES + STAGES),
    seed=st.integers(min_value=0, max_value=2**32),
    remarks=st.booleans(),
)
def test_any_spacing(path: Path, seed: int, remarks: bool) -> None:
    chance = random.Random(seed)
    text = some_statements(path, chance)
    spaced = respaced(text, chance, remarks)
    after = formatted(spaced)
    assert tree(after) == tree(spaced) == tree(text)
    assert comments(after) == comments(spaced)
    assert formatted(after) == after


@settings(max_examples=60, deadline=None)
@given(path=st.sampled_from(RULES + STAGES), seed=st.integers(min_value=0, max_value=2**32))
def test_spacing_does_not_matter(path: Path, seed: int) -> None:
    """Without comments, and with a blank line between all statements, one layout comes out."""
    chance = random.Random(seed)
    text = some_statements(path, chance)
    bare = apart(_COMMENT.sub(lambda found: "" if found[1] else found[0], text))
    assert formatted(apart(respaced(bare, chance, remarks=False))) == formatted(bare)


def apart(text: str) -> str:
    """A blank line before every statement."""
    starts = [int(node.meta.start_pos) for node in grammar().parse(text).children]
    for start in reversed(starts):
        text = f"{text[:start]}\n\n{text[start:]}"
    return text


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_lines_fit(path: Path) -> None:
    """Only a text in quotes, and a comment, may be longer than a line."""
    for line in formatted(path.read_text(encoding="utf-8")).splitlines():
        code = line.partition("--")[0].rstrip()
        assert len(code) <= WIDTH or re.fullmatch(r'\s*(\w+ )?"[^"]*",?', code), line
