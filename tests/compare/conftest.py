"""Two small policies that differ in one of everything: tests/compare/small."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from finalrule.compare.diff import compare, compile_both
from finalrule.compare.model import Comparison

SMALL = Path(__file__).parent / "small"


@pytest.fixture(scope="module", autouse=True)
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Parsed rules files are kept for the tests of a module alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FINALRULE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the small policies, to be changed."""
    return Path(shutil.copytree(SMALL, tmp_path / "policies"))


@pytest.fixture(scope="session")
def small() -> Comparison:
    """2019-final and 2020-final compared."""
    return compare(*compile_both("2019-final", "2020-final", SMALL))


@pytest.fixture
def change(root: Path) -> Callable[..., Comparison]:
    """2020-final compared with a copy in which texts are replaced (`old=new` pairs)."""

    def changed(*replacements: tuple[str, str], part: str = "") -> Comparison:
        (before, _) = compile_both("2020-final", "2020-final", SMALL)
        path = root / "2020" / "final.yaml"
        text = path.read_text(encoding="utf-8")
        for old, new in replacements:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")
        (after, _) = compile_both("2020-final", "2020-final", root)
        return compare(before, after, part=part)

    return changed
