"""Whatever a rules file holds, reading it ends well: with a tree, or with errors."""

from __future__ import annotations

import random
import re
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finalrule import cache as kept
from finalrule.core.compile import read_rules
from finalrule.diagnostics import Failure, Report
from finalrule.language.parse import parse
from finalrule.language.syntax import Module
from finalrule.policy.model import Policy
from finalrule.source import Source
from stages.small import HERE, compile_text, policy_of

PAGES = Path(__file__).parents[2] / "docs" / "errors"
GOOD = sorted(HERE.glob("*/good/*.rules"))
WORDS = re.compile(r'--[^\n]*|"[^"\n]*"|\w+|\.\.|[<>=!]=|[^\w\s]')


def read(text: str) -> tuple[Module | None, Report]:
    report = Report()
    return parse(Source("policies/rules/mips/small.rules", text), report), report


def test_a_file_that_is_too_long() -> None:
    head = "module mips.small\n"
    module, report = read(head + "-" * (1_000_021 - len(head)))
    assert module is None
    page = (PAGES / "too-many-characters.md").read_text(encoding="utf-8")
    assert str(Failure(report.diagnostics)) in page


def test_every_statement_with_an_error_is_reported() -> None:
    text = "module a\n" + "entity one of\n" * 30
    module, report = read(text)
    assert module is None
    assert [found.labels[0].text for found in report.diagnostics] == ["after this"] * 30


def test_only_so_many_errors_are_shown() -> None:
    _, report = read("module a\n" + "entity one of\n" * 200)
    assert len(report.diagnostics) == 50


def test_a_kept_tree_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINALRULE_CACHE", str(tmp_path))
    text = GOOD[0].read_text(encoding="utf-8")
    first, _ = read(text)
    assert list((tmp_path / "syntax").iterdir())
    again, _ = read(text)
    assert again == first
    monkeypatch.setenv("FINALRULE_CACHE", "")
    assert kept.load("syntax", "any", Module) is None
    assert read(text)[0] == first


def test_a_tree_with_errors_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINALRULE_CACHE", str(tmp_path))
    assert read("module a\nentity one of\n")[0] is None
    assert not (tmp_path / "syntax").exists()


def test_every_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.rules").write_bytes(b"module a -- \xe9\n")
    (tmp_path / "b.rules").write_text("module b\n")
    (tmp_path / "c.rules").write_bytes(b"\xff\xfe")
    with pytest.raises(Failure) as failure:
        read_rules(tmp_path)
    found = [(d.code, str(d.labels[0].at.place)) for d in failure.value.diagnostics]  # type: ignore[union-attr]
    assert found == [
        ("not-utf-8", "policies/rules/a.rules:1:13"),
        ("not-utf-8", "policies/rules/c.rules:1:1"),
    ]


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(min_value=0, max_value=2**32), path=st.sampled_from(GOOD))
def test_no_slip_ends_in_anything_but_errors(seed: int, path: Path) -> None:
    """A word deleted, doubled or replaced by another: the stages report it or find it sound."""
    chance = random.Random(seed)
    text = path.read_text(encoding="utf-8")
    words = list(WORDS.finditer(text))
    for word in sorted(chance.sample(words, chance.randint(1, 3)), key=lambda w: -w.start()):
        other = chance.choice(("", f"{word[0]} {word[0]}", chance.choice(words)[0]))
        text = text[: word.start()] + other + text[word.end() :]
    stage, work = compile_text(text, policy(path))
    assert bool(stage) == work.report.has_errors
    assert all(finding.render() for finding in work.report.diagnostics)


@cache
def policy(path: Path) -> Policy:
    with TemporaryDirectory() as folder:
        return policy_of(path, Path(folder))
