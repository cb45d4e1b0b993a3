"""What is kept is whole and the same, or it is as if nothing had been kept."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest

from finalrule import cache


class Thing(msgspec.Struct, frozen=True):
    share: Fraction
    names: tuple[str, ...]


THING = Thing(Fraction(1, 3), ("a", "b"))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FINALRULE_CACHE", str(tmp_path / "kept"))
    return tmp_path / "kept"


def kept(folder: Path) -> Path:
    (path,) = folder.rglob("*.json")
    return path


def test_what_is_kept_is_read_back(folder: Path) -> None:
    assert cache.load("thing", "name", Thing) is None
    cache.keep("thing", "name", THING)
    assert cache.load("thing", "name", Thing) == THING
    assert cache.load("thing", "other", Thing) is None
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["name.json"]


def test_keeping_again_replaces() -> None:
    cache.keep("thing", "name", THING)
    other = Thing(Fraction(2), ())
    cache.keep("thing", "name", other)
    assert cache.load("thing", "name", Thing) == other


def test_a_damaged_file_is_ignored(folder: Path) -> None:
    """Whatever single byte is changed, cut off or added: never another value."""
    cache.keep("thing", "name", THING)
    path = kept(folder)
    whole = path.read_bytes()
    for at in range(len(whole)):
        for changed in (whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :], whole[:at]):
            path.write_bytes(changed)
            assert cache.load("thing", "name", Thing) is None, changed
    for changed in (whole + b" ", whole + whole, b"\n" + whole):
        path.write_bytes(changed)
        assert cache.load("thing", "name", Thing) is None
    path.write_bytes(whole)
    assert cache.load("thing", "name", Thing) == THING


@pytest.mark.parametrize(
    "data", [{"share": "1/0", "names": []}, {"share": None, "names": []}, {"share": "x"}, [], None]
)
def test_another_shape_is_ignored(data: object) -> None:
    cache.keep("thing", "name", data)
    assert cache.load("thing", "name", Thing) is None


def test_a_folder_in_the_place_of_the_file_is_ignored(folder: Path) -> None:
    (folder / "thing" / "name.json").mkdir(parents=True)
    cache.keep("thing", "name", THING)
    assert cache.load("thing", "name", Thing) is None
    assert list((folder / "thing").iterdir()) == [folder / "thing" / "name.json"]


def test_a_folder_that_cannot_be_made_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FINALRULE_CACHE", str(tmp_path / "file" / "kept"))
    cache.keep("thing", "name", THING)
    assert cache.load("thing", "name", Thing) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="everything may be written to by root")
def test_a_folder_that_cannot_be_written_to_is_ignored(folder: Path) -> None:
    folder.mkdir(mode=0o500)
    cache.keep("thing", "name", THING)
    assert cache.load("thing", "name", Thing) is None


def test_nothing_is_kept_where_none_is_wanted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path
) -> None:
    monkeypatch.setenv("FINALRULE_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    cache.keep("thing", "name", THING)
    assert cache.load("thing", "name", Thing) is None
    assert not folder.exists() and not (tmp_path / "xdg").exists()


def test_where_it_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FINALRULE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    cache.keep("thing", "name", THING)
    assert (tmp_path / "xdg" / "finalrule" / "thing" / "name.json").is_file()
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    cache.keep("thing", "name", THING)
    assert (tmp_path / "home" / ".cache" / "finalrule" / "thing" / "name.json").is_file()


def test_a_key_is_of_its_parts_and_their_borders() -> None:
    keys = [
        cache.key("ab", "c"), cache.key("a", "bc"), cache.key("abc"), cache.key("ab", "c", ""),
        cache.key("c", "ab"), cache.key(),
    ]  # fmt: skip
    assert len(set(keys)) == len(keys)
    assert cache.key("ab", b"c") == cache.key("ab", "c")


# --- whole or not at all --------------------------------------------------------------------------


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_has_the_mode_that_the_user_wants(tmp_path: Path) -> None:
    """Results speak of people: who keeps files to himself (umask 077) keeps these too."""
    for mask, wanted in ((0o022, 0o644), (0o077, 0o600)):
        path = tmp_path / f"{mask}"
        with umask(mask):
            cache.write_whole(path, b"data")
        assert mode(path) == wanted


def test_a_file_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    path.chmod(0o640)
    with umask(0o022):
        cache.write_whole(path, b"after")
    assert (path.read_bytes(), mode(path)) == (b"after", 0o640)


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "file", tmp_path / "link"
    target.write_bytes(b"before")
    link.symlink_to(target)
    cache.write_whole(link, b"after")
    assert link.is_symlink()
    assert target.read_bytes() == b"after"


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        cache.write_whole(pipe, b"data")
        assert os.read(reader, 10) == b"data"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    with pytest.raises(IsADirectoryError):
        cache.write_whole(tmp_path, b"data")


@pytest.mark.parametrize("fails", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError("no space"), KeyboardInterrupt()])
def test_nothing_is_left_behind(
    fails: str, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(os, fails, fail)
    with pytest.raises(type(error)):
        cache.write_whole(path, b"after")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("file", b"before")]
