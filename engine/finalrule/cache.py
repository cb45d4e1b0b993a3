"""Kept results of work: JSON files under the user's cache folder, named by the digest of everything
that they depend on. Each begins with the digest of what follows, so that a damaged one is known. A
cache that cannot be read or written is ignored, never an error."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from finalrule import __version__

T = TypeVar("T")


def encode_hook(value: Any) -> Any:
    """Fractions as `n/d` and code sets as sorted lists, for msgspec."""
    if isinstance(value, Fraction):
        return str(value)
    raise TypeError(f"cannot keep a {type(value).__name__}")


def decode_hook(wanted: type[Any], value: Any) -> Any:
    """The reverse of `encode_hook`."""
    if wanted is Fraction:
        return Fraction(value)
    raise TypeError(f"cannot read a {wanted.__name__}")


def key(*parts: bytes | str) -> str:
    """A name for what depends on these parts and on the engine's version."""
    digest = hashlib.sha256(__version__.encode())
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def _folder() -> Path | None:
    named = os.environ.get("FINALRULE_CACHE")
    if named == "":
        return None
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "finalrule"
    except RuntimeError:
        return None


def load(kind: str, name: str, wanted: type[T] | Any) -> T | None:
    """What was kept under this name, or None."""
    folder = _folder()
    if folder is None:
        return None
    try:
        digest, _, data = (folder / kind / f"{name}.json").read_bytes().partition(b"\n")
        if digest != _digest(data):
            return None
        found: T = msgspec.json.decode(data, type=wanted, dec_hook=decode_hook)
        return found
    except (OSError, msgspec.MsgspecError, ValueError, ZeroDivisionError):
        return None


def keep(kind: str, name: str, value: Any) -> None:
    """Keep a value, whole or not at all."""
    folder = _folder()
    if folder is None:
        return
    data = msgspec.json.encode(value, enc_hook=encode_hook)
    try:
        target = folder / kind
        target.mkdir(parents=True, exist_ok=True)
        write_whole(target / f"{name}.json", _digest(data) + b"\n" + data)
    except OSError:
        return


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all: temporary name, fsync, rename. A file
    that is there keeps its mode, and is written where a link to it leads; what is no file (a pipe,
    a device) is written to as it is. Raises OSError; then nothing is left behind."""
    path = path.resolve()
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileNotFoundError):
            os.chmod(temporary, path.stat().st_mode & 0o777)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A name under which somebody else writes a file, which then is there whole or not at all.
    Raises OSError; then nothing is left behind."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
