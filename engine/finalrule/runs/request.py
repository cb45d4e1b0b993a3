"""What a run is asked to do, how far it is, and its manifest."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec

from finalrule.cache import write_whole
from finalrule.diagnostics import Diagnostic, Failure, Label, Pointer

MANIFEST, PLAN, SUMMARY = "manifest.json", "plan.json", "summary.json"
# Of changed files no more than these are listed.
_LISTED = 5


class Request(msgspec.Struct, frozen=True):
    """What decides a run's results. `files` are the facts' files with their sizes and times."""

    policy: str
    policy_digest: str
    engine_version: str
    settings: tuple[str, ...]
    files: tuple[tuple[str, int, int], ...]
    rejected_limit: str


class Done(msgspec.Struct, frozen=True):
    """A stage that is finished: how long it took, and what later stages need to know of it."""

    seconds: float
    data: Any = None


class Stated(msgspec.Struct, frozen=True):
    """An outcome of the whole program: as printed, exactly, and what decided it."""

    value: str | None
    exact: str | None
    winner: str


class Manifest(msgspec.Struct, frozen=True):
    """What a manifest must say for a run to be read on."""

    policy: str
    policy_digest: str
    engine_version: str
    settings: tuple[str, ...]
    facts_digest: str
    figures: dict[str, str]
    program: dict[str, Stated]


class Progress:
    """A run on its way. Beside `out`, in a hidden directory: what was asked, a mark for each stage
    that is finished (written after all that the stage made), `scratch`, and `folder`, which becomes
    `out` when everything is there."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.hidden = out.with_name(f".{out.name}.partial")
        self.folder = self.hidden / "run"
        self.scratch = self.hidden / "scratch"
        self._marks = self.hidden / "stages"
        self._asked = self.hidden / "request.json"

    def finished(self, stage: str) -> Done | None:
        """A finished stage's mark."""
        try:
            return msgspec.json.decode((self._marks / f"{stage}.json").read_bytes(), type=Done)
        except (OSError, msgspec.MsgspecError):
            return None

    def finish(self, stage: str, done: Done) -> None:
        """Mark a stage as finished."""
        write_whole(self._marks / f"{stage}.json", msgspec.json.encode(done))

    def complete(self) -> None:
        """Everything is there: it becomes the run."""
        for folder, _, names in os.walk(self.folder):
            for name in names:
                _sync(Path(folder, name))
            _sync(Path(folder))
        os.replace(self.folder, self.out)
        _sync(self.out.parent)

    def _begin(self, request: Request, resume: bool) -> None:
        """Make the directories, or keep those of an earlier attempt at the same."""
        if resume and self._some_stage():
            self._check_same(request)
            _remove_unfinished(self.folder)
            shutil.rmtree(self.scratch, ignore_errors=True)
        else:
            _empty(self.hidden)
            self._marks.mkdir()
            write_whole(self._asked, msgspec.json.encode(request))
        for folder in (self.folder, self.scratch):
            folder.mkdir(exist_ok=True)

    def _some_stage(self) -> bool:
        return self.folder.is_dir() and self._marks.is_dir() and any(self._marks.iterdir())

    def _check_same(self, request: Request) -> None:
        """Raise Failure unless the earlier attempt was asked the same."""
        try:
            known = msgspec.json.decode(self._asked.read_bytes(), type=Request)
            other = list(_differences(known, request))
        except (OSError, ValueError):
            other = ["what was asked cannot be read"]
        if other:
            labels = tuple(Label(Pointer(str(self.hidden), ""), one) for one in other)
            raise Failure([Diagnostic(
                "cannot-resume", f"the unfinished run of {self.out} was asked something else",
                labels, "ask the same again, or leave out --resume, which begins anew",
            )])  # fmt: skip


@contextmanager
def begin(out: Path, request: Request, resume: bool) -> Iterator[Progress]:
    """Begin a run, or go on with what an earlier attempt at the same one left. Where no stage was
    finished, nothing is left in the end. Raises Failure where `out` is there, where another process
    is making it, and where what is to be resumed was asked otherwise; OSError where nothing can be
    written there."""
    check_free(out)
    progress = Progress(out)
    progress.hidden.mkdir(parents=True, exist_ok=True)
    with _alone(progress):
        try:
            progress._begin(request, resume)
            yield progress
        finally:
            shutil.rmtree(progress.scratch, ignore_errors=True)
            if not progress._some_stage():
                shutil.rmtree(progress.hidden, ignore_errors=True)


def check_free(out: Path) -> None:
    """Raise Failure where something is there already."""
    if out.exists():
        raise Failure([Diagnostic(
            "out-exists", f"{out} is there already", (Label(Pointer(str(out), "")),),
            "choose another directory, or remove it",
        )])  # fmt: skip


@contextmanager
def _alone(progress: Progress) -> Iterator[None]:
    """Keep other processes off. The lock goes with the process, however that ends."""
    handle = os.open(progress.hidden, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure([Diagnostic(
                "run-in-progress", f"another process is making {progress.out}",
                (Label(Pointer(str(progress.hidden), "")),), "wait for it, or choose another --out",
            )]) from None  # fmt: skip
        except OSError:
            pass  # a file system without locks
        yield
    finally:
        os.close(handle)


def _differences(known: Request, asked: Request) -> Iterator[str]:
    """What was asked otherwise."""
    if known.policy != asked.policy:
        yield f"the policy was {known.policy}"
    elif known.policy_digest != asked.policy_digest:
        yield f"policy {known.policy} was another: digest {known.policy_digest[:12]}"
    if known.engine_version != asked.engine_version:
        yield f"it was begun by finalrule {known.engine_version}"
    if known.settings != asked.settings:
        yield f"--set was {', '.join(known.settings) or 'not given'}"
    if known.rejected_limit != asked.rejected_limit:
        yield f"--rejected was {float(Fraction(known.rejected_limit) * 100):g}"
    changed = sorted({name for name, *_ in set(known.files) ^ set(asked.files)})
    if changed:
        more = f" and {len(changed) - _LISTED} others" if len(changed) > _LISTED else ""
        yield f"the facts have changed since: {', '.join(changed[:_LISTED])}{more}"


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _remove_unfinished(folder: Path) -> None:
    """Files and directories that were being written when an attempt ended."""
    for path in [*folder.rglob(".*")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_manifest(run: Path) -> dict[str, Any]:
    """A run's manifest. Raises Failure where the directory is no whole run."""
    path = run / MANIFEST
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except OSError:
        raise _not_a_run(
            run, f"{run} is not a run: it has no {MANIFEST}",
            "make one with `finalrule run`; an unfinished one goes on with --resume",
        ) from None  # fmt: skip
    except msgspec.MsgspecError as error:
        raise _not_a_run(path, f"{path} cannot be read: {error}", "run the policy again") from None


def _not_a_run(place: Path, message: str, help: str) -> Failure:
    return Failure([Diagnostic("not-a-run", message, (Label(Pointer(str(place), "")),), help)])
