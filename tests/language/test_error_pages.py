"""Every error code that the engine can show has a page, and every page has a code.

Codes are found in the source: arguments of calls that report, and of what wraps them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import finalrule

PACKAGE = Path(finalrule.__file__).parent
TESTS = Path(__file__).parents[1]
PAGES = TESTS.parent / "docs" / "errors"
CODE = re.compile(r"[a-z]+(-[a-z0-9]+)+|syntax|cycle")
REPORTING = {
    "error", "_error", "warning", "fail", "warn", "Diagnostic",
    "unknown", "_unknown", "_missing", "_wrong",
}  # fmt: skip
# What one reader of files alone can say has its examples where that reader is tested.
GOLDEN = "\n".join(path.read_text(encoding="utf-8") for path in TESTS.glob("stages/*/bad/*.txt"))
COMPILER = ("core", "language")
SHARED = {"unprintable-character", "unreadable-citation", "too-many-characters"}


def raised_in(module: Path) -> Iterator[str]:
    """The codes that a module's calls name."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name in REPORTING:
                for argument in node.args:
                    yield from codes(argument)


def codes(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)) if CODE.fullmatch(text):
            yield text
        case ast.IfExp(body=body, orelse=orelse):
            yield from (*codes(body), *codes(orelse))


def texts_in(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


MODULES = sorted(PACKAGE.rglob("*.py"))
RAISED = {
    (module.relative_to(PACKAGE).as_posix(), code)
    for module in MODULES
    for code in raised_in(module)
}
OF_COMPILER = sorted({code for module, code in RAISED if module.startswith(COMPILER)})


def test_codes_are_found() -> None:
    """One of each way of reporting, so that the search cannot quietly find nothing."""
    found = {code for _, code in RAISED}
    assert {"syntax", "cycle", "curve-jump", "unknown-member", "missing-parameter"} <= found
    assert {"wrong-unit", "unknown-policy", "fact-unknown", "measure-lost"} <= found


@pytest.mark.parametrize(("module", "code"), sorted(RAISED))
def test_every_code_has_a_page(module: str, code: str) -> None:
    page = PAGES / f"{code}.md"
    assert page.exists(), f"{module} raises {code}: write docs/errors/{code}.md"
    assert page.read_text(encoding="utf-8").startswith(f"# {code}\n\n")


def test_no_page_is_orphaned() -> None:
    known = {text for module in MODULES for text in texts_in(module)}
    assert not [page.stem for page in PAGES.glob("*.md") if page.stem not in known]


@pytest.mark.parametrize("code", sorted(set(OF_COMPILER) - SHARED))
def test_examples_are_what_the_compiler_says(code: str) -> None:
    page = (PAGES / f"{code}.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```text\n(.*?)\n```$", page, flags=re.DOTALL | re.MULTILINE)
    assert examples
    for example in examples:
        assert example.startswith(f"error[{code}]: ")
        assert example in GOLDEN
