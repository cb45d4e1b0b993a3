"""docs/language/: its grammar is the parser's, its examples are real, its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from finalrule.places import grammar_root, policies_root
from language.test_error_pages import OF_COMPILER, PAGES

DOCS = Path(__file__).parents[2] / "docs" / "language"
ALL = sorted(DOCS.glob("*.md"))
_WORDS = re.compile(r'"[^"\n]*"|[\w.%$]+|[^\w\s]')
_COMMENT = re.compile(r'("[^"\n]*")|--[^\n]*')


def words(text: str) -> str:
    """Tokens one space apart: layout and comments do not count."""
    return " ".join(_WORDS.findall(_COMMENT.sub(lambda found: found[1] or "", text)))


RULES = [words(path.read_text(encoding="utf-8")) for path in policies_root().rglob("*.rules")]
FIGURES = [words(path.read_text(encoding="utf-8")) for path in policies_root().glob("20*/*.yaml")]


def blocks(page: Path, kind: str) -> list[str]:
    """The fenced blocks of a kind."""
    return re.findall(rf"^```{kind}\n(.*?)\n```$", page.read_text("utf-8"), flags=re.M | re.S)


def test_the_grammar_is_the_parsers() -> None:
    """After a change of the grammar: copy grammar/finalrule.lark into the block again."""
    written = (grammar_root() / "finalrule.lark").read_text(encoding="utf-8").rstrip("\n")
    assert blocks(DOCS / "README.md", "lark") == [written]


def test_every_page_is_in_the_index() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    assert not [
        page.name for page in ALL if page.stem != "README" and f"({page.name})" not in index
    ]


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.stem)
def test_examples_are_real(page: Path) -> None:
    """Every rules example stands in a rules file, every figure in a year file."""
    for example in blocks(page, "rules"):
        for statement in re.split(r"\n\n(?=\w)", example):
            assert any(words(statement) in rules for rules in RULES), statement
    for example in blocks(page, "yaml"):
        assert any(words(example) in figures for figures in FIGURES), example


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert not [link for link in links if not (page.parent / link).exists()]


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.stem)
def test_every_construct_has_an_example(page: Path) -> None:
    if page.stem not in ("README", "what-is-not-there"):
        assert blocks(page, "rules")


def test_every_error_of_the_compiler_is_named_where_it_belongs() -> None:
    linked = {code for page in ALL for code in re.findall(r"errors/([\w-]+)\.md", page.read_text())}
    assert not sorted(set(OF_COMPILER) - linked)
    assert all((PAGES / f"{code}.md").exists() for code in linked)
