"""Events in, changed determinations out, each exactly once.

Events are taken in batches. A batch is one transaction: its events, the subjects that they touch
determined afresh, how far the input was read, and how long the outputs are. After a kill the
outputs are cut to the lengths that were committed, and the input is read on from where it was.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from select import select
from typing import Any, BinaryIO

import msgspec

from finalrule.diagnostics import Diagnostic, Failure, Label, Pointer
from finalrule.watch.case import Folded, Keys, View, fold, message, named
from finalrule.watch.change import Changes
from finalrule.watch.derive import Derived
from finalrule.watch.event import MAXIMUM_LINE, Event, Reader, Refused
from finalrule.watch.model import RETRACTION, Model
from finalrule.watch.pool import Determines
from finalrule.watch.store import FORMAT, PROBLEM, Store, Subject, encode

STATE, DETERMINATIONS, REJECTED = "state.sqlite", "determinations.jsonl", "rejected.jsonl"
_SHARE = 64
_READ = 1 << 20

_derived = msgspec.json.Decoder(Derived).decode
_keys = msgspec.json.Decoder(list[Any]).decode

Line = tuple[int, bytes]


class Watch:
    """A watch in its folder. Raises Failure where the folder holds another policy's."""

    def __init__(self, model: Model, folder: Path, pool: Determines) -> None:
        self.model, self.folder, self.pool = model, folder, pool
        self.reader, self.changes = Reader(model), Changes(model)
        folder.mkdir(parents=True, exist_ok=True)
        self.store = Store(folder / STATE)
        self._begin()
        self.counts: Counter[str] = Counter(self.store.get("counts") or {})
        lengths = self.store.get("lengths") or [0, 0]
        self.determinations = _cut(folder / DETERMINATIONS, lengths[0])
        self.rejected = _cut(folder / REJECTED, lengths[1])
        # By subject kind: the subjects to determine, each with the events that led to it.
        self.dirty: list[dict[int, list[str]]] = [{} for _ in model.subjects]
        # What the subjects of the kind that is being determined point at: id and view.
        self.views: dict[tuple[str, Keys], tuple[int, View | None]] = {}

    def _begin(self) -> None:
        program = self.model.program
        mine = {"format": FORMAT, "policy": program.policy, "policy_digest": program.digest,
                "rules": sorted(self.model.shown)}  # fmt: skip
        kept = self.store.get("watch")
        if kept is None:
            self.store.put("watch", mine)
            return
        for name, value in mine.items():
            if kept[name] != value:
                raise Failure([Diagnostic(
                    "watch-differs", f"the watch was begun with another {name.replace('_', ' ')}",
                    (Label(Pointer(str(self.folder), "")),),
                    "go on as it was begun, or give another --out and the events from the first",
                )])  # fmt: skip

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.determinations.close()
        self.rejected.close()
        self.store.close()

    # --- batches ---------------------------------------------------------------------------------

    def read_on(self, path: Path, size: int) -> None:
        """Take a file's events from where it was left. Raises Failure where it is not the file that
        it was, OSError where it cannot be read."""
        kept = f"input {path}"
        offset, line, last, digest = self.store.get(kept) or (0, 0, 0, "")
        with path.open("rb") as file:
            file.seek(last)
            if offset and _digest(file.read(offset - last)) != digest:
                raise Failure([Diagnostic(
                    "watch-input-changed", f"line {line} is not what it was when it was read",
                    (Label(Pointer(str(path), "")),), "give the file as it was, or longer",
                )])  # fmt: skip
            lines = _lines(file, line)
            while batch := list(islice(lines, size)):
                end, data = batch[-1]
                offset = file.tell()
                position = [offset, end, offset - len(data), _digest(data)]
                self.take(batch, kept, position)

    def read_stream(self, stream: BinaryIO, size: int) -> None:
        """Take events from a stream, a batch as soon as no more is there. What was taken before is
        known by its ids, so that a stream may begin again."""
        number, rest = 0, b""
        lines: list[Line] = []
        while data := os.read(stream.fileno(), _READ):
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                number += 1
                lines.append((number, line + b"\n"))
                if len(lines) == size:
                    self.take(lines)
                    lines = []
            rest = rest[: MAXIMUM_LINE + 1]
            if lines and not select([stream], [], [], 0)[0]:
                self.take(lines)
                lines = []
        if rest:
            lines.append((number + 1, rest))
        if lines:
            self.take(lines)

    def take(self, batch: Sequence[Line], kept: str = "", position: Any = None) -> None:
        """One batch, whole or not at all."""
        run = self.store.run
        run("BEGIN IMMEDIATE")
        try:
            for number, data in batch:
                if data.strip():
                    self._take(number, data)
            for kind in range(len(self.model.subjects)):
                self._determine(kind)
            for file in (self.determinations, self.rejected):
                file.flush()
                os.fsync(file.fileno())
            self.store.put("lengths", [self.determinations.tell(), self.rejected.tell()])
            self.store.put("counts", self.counts)
            if kept:
                self.store.put(kept, position)
        except BaseException:
            run("ROLLBACK")
            raise
        run("COMMIT")

    # --- events ----------------------------------------------------------------------------------

    def _take(self, number: int, data: bytes) -> None:
        self.counts["lines"] += 1
        try:
            self._apply(self.reader.read(data), number)
        except Refused as refused:
            self._note("refused", refused, number, refused.id)

    def _note(self, answer: str, why: Refused, number: int, id_: str) -> None:
        self.counts[f"{answer} {why.reason}"] += 1
        said = {"line": number, **({"id": id_} if id_ else {}), "answer": answer,
                "reason": why.reason, "message": why.message, "help": why.help}  # fmt: skip
        self.rejected.write(encode(said) + b"\n")

    def _apply(self, event: Event, number: int) -> None:
        store, said = self.store, encode(event.said).decode()
        subject, known = store.subject(event.subject, event.said.keys[0])
        there = store.event(event.id)
        if there is not None:
            if there == (subject, event.at, said):
                why = Refused("duplicate", "the same event was there before", "nothing to do")
                self._note("ignored", why, number, event.id)
                return
            raise Refused("id-taken", "another event has this id, and says something else",
                          "give a correction an id of its own", event.id)  # fmt: skip
        retracted = self._waiting(event, subject)
        if event.said.kind == RETRACTION:
            self._retract(event, subject, said, number)
            return
        self.counts["taken"] += 1
        self.counts["late"] += event.at < (store.latest(subject) or event.at)
        store.add(subject, event.at, event.id, said, retracted)
        kind = self.model.subjects[event.subject]
        own = event.said.entity == kind.entity
        if own and not known:
            store.know(subject)
        if not (own or known) and kind.needs_own:
            why = Refused("unknown-subject", f"no event said yet what this {kind.entity} is",
                          "kept: it counts, and those facts may still come")  # fmt: skip
            self._note("kept", why, number, event.id)
        if not retracted:
            self.dirty[event.subject].setdefault(subject, []).append(event.id)

    def _retract(self, event: Event, subject: int, said: str, number: int) -> None:
        self.store.add(subject, event.at, event.id, said, True)
        target = event.said.retracts
        there = self.store.event(target)
        if there is None:
            why = Refused("retracts-unknown", f"there is no event `{target}` yet",
                          "kept: it takes the event back when that comes")  # fmt: skip
            self._note("kept", why, number, event.id)
        elif refused := _not_retracted(there[0], there[2], subject):
            self._note("refused", refused, number, event.id)
            return
        else:
            self.counts["retracted"] += 1
            self.store.run("UPDATE event SET retracted = 1 WHERE id = ?", (target,))
            self.dirty[event.subject].setdefault(subject, []).append(event.id)
        self.store.run("INSERT INTO retraction VALUES (?, ?, ?, ?, ?)",
                       (target, event.id, subject, number, there is None))  # fmt: skip

    def _waiting(self, event: Event, subject: int) -> bool:
        """Whether a retraction waits for the event; one that may not have it is refused now."""
        rows = self.store.run(
            "SELECT id, subject, line FROM retraction WHERE target = ? AND waits", (event.id,)
        ).fetchall()
        taken = False
        for id_, of, line in rows:
            self.store.run("UPDATE retraction SET waits = 0 WHERE target = ? AND id = ?",
                           (event.id, id_))  # fmt: skip
            if refused := _not_retracted(subject, encode(event.said).decode(), of):
                self._note("refused", refused, line, id_)
            else:
                self.counts["retracted"] += 1
                taken = True
        return taken

    # --- determinations --------------------------------------------------------------------------

    def _determine(self, kind: int) -> None:
        """Determine the subjects of a kind that were touched, in the order of their ids."""
        touched = self.dirty[kind]
        self.dirty[kind] = {}
        self.views.clear()
        todo: list[tuple[Sequence[tuple[Subject, list[str]]], list[bytes]]] = []

        def shares() -> Iterator[tuple[list[bytes], list[str]]]:
            ids = iter(sorted(touched))
            while share := list(islice(ids, _SHARE)):
                prepared = [one for one in map(self._prepared, self.store.load(share)) if one]
                subjects = [(subject, names) for subject, names, _ in prepared]
                messages = [data for _, _, data in prepared]
                todo.append((subjects, messages))
                sent = [data for data in messages if data]
                yield sent, [self._name(one) for one, _, data in prepared if data]

        for found in self.pool.derive(shares()):
            subjects, messages = todo.pop(0)
            answers = iter(found)
            for (subject, names), data in zip(subjects, messages, strict=True):
                answer = named(next(answers), names) if data else encode(Derived())
                self._update(subject, answer, touched[subject.id])

    def _prepared(self, subject: Subject) -> tuple[Subject, list[str], bytes] | None:
        """A subject's message; None where its facts are those that it was determined from."""
        folded = fold(self.model, self.store.said(subject.id))
        data, names = message(self.model, folded, self._views(subject, folded))
        digest = hashlib.blake2b(data + encode(names), digest_size=16).digest() if data else b""
        if digest == (subject.digest or b""):
            return None
        subject.digest = digest
        return subject, names, data

    def _views(self, subject: Subject, folded: Folded) -> dict[tuple[str, Keys], View]:
        found = {}
        for entity, keys in folded.pointed():
            at = refers, _ = self.model.refers[entity], keys
            if at not in self.views:
                target, _ = self.store.subject(self.model.kind_of[refers], keys)
                (other,) = self.store.load((target,))
                self.views[at] = target, _derived(other.determined).view
            target, view = self.views[at]
            self.store.points(subject.id, target)
            if view is not None:
                found[at] = view
        return found

    def _update(self, subject: Subject, answer: bytes, events: list[str]) -> None:
        """Write what changed of a subject, and touch those who read what changed."""
        text = answer.decode()
        after = _derived(answer)
        if text != subject.determined:
            before = _derived(subject.determined)
            for code, change in ((before.code, -1), (after.code, 1)):
                if code:
                    self.counts[f"{PROBLEM}{code}"] += change
            for line in self.changes.lines(
                subject.kind, _keys(subject.keys), before, after, events
            ):
                self.counts["determinations"] += 1
                self.determinations.write(line + b"\n")
            if after.view != before.view:
                for source in self.store.pointing(subject.id):
                    self._touch(source, events)
        subject.determined = text
        subject.near = None if after.near is None else float(Fraction(after.near))
        self.store.determine(subject)

    def _touch(self, subject: int, events: list[str]) -> None:
        ((kind,),) = self.store.run("SELECT kind FROM subject WHERE id = ?", (subject,))
        own = self.dirty[kind].get(subject)
        if own is None:
            self.dirty[kind][subject] = events
        else:
            self.dirty[kind][subject] = [*own, *(id_ for id_ in events if id_ not in own)]

    def _name(self, subject: Subject) -> str:
        kind = self.model.subjects[subject.kind]
        keys = zip(self.model.declared.keys(kind.entity), _keys(subject.keys), strict=True)
        return f"{kind.entity} " + ", ".join(f"{name} {key}" for name, key in keys)


def _not_retracted(subject: int, said: str, of: int) -> Refused | None:
    """Why a retraction for the subject `of` does not take back what was said of a subject."""
    if subject != of:
        return Refused("other-subject", "the event to retract is of another subject",
                       "name the subject of the event that was wrong")  # fmt: skip
    if said.startswith(f'["{RETRACTION}"'):
        return Refused("retracts-retraction", "a retraction is not retracted",
                       "send the event again under a new id")  # fmt: skip
    return None


def _cut(path: Path, length: int) -> BinaryIO:
    """The file as long as it was committed, open at its end."""
    file = path.open("ab")
    file.truncate(length)
    file.seek(length)
    return file


def _lines(file: BinaryIO, number: int) -> Iterator[Line]:
    """Lines with their numbers; of one that is too long, its beginning."""
    while data := file.readline(MAXIMUM_LINE + 1):
        number += 1
        more = data
        while len(more) > MAXIMUM_LINE and not more.endswith(b"\n"):
            more = file.readline(MAXIMUM_LINE + 1)
        yield number, data


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
