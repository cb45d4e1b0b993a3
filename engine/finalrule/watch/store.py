"""What a watch keeps: every event, every subject with what it was last determined to be, and how
far its input and its outputs are. One SQLite file; what belongs together is committed together."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from finalrule.watch.case import Keys
from finalrule.watch.event import Said

_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE subject (
  id INTEGER PRIMARY KEY,
  kind INTEGER NOT NULL,
  keys TEXT NOT NULL,
  latest INTEGER NOT NULL DEFAULT 0,
  known INTEGER NOT NULL DEFAULT 0,
  digest BLOB,
  determined TEXT NOT NULL DEFAULT '[]',
  near REAL,
  UNIQUE (kind, keys)
);
CREATE TABLE event (
  subject INTEGER NOT NULL,
  at INTEGER NOT NULL,
  id TEXT NOT NULL,
  said TEXT NOT NULL,
  retracted INTEGER NOT NULL,
  PRIMARY KEY (subject, at, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX event_id ON event (id);
CREATE TABLE retraction (
  target TEXT NOT NULL, id TEXT NOT NULL, subject INTEGER NOT NULL, line INTEGER NOT NULL,
  waits INTEGER NOT NULL, PRIMARY KEY (target, id)
) WITHOUT ROWID;
CREATE TABLE points (
  target INTEGER NOT NULL, source INTEGER NOT NULL, PRIMARY KEY (target, source)
) WITHOUT ROWID;
"""
FORMAT = "watch.v1"
_CACHE_KIB = 65536

encode = msgspec.json.Encoder(order="deterministic").encode
_said = msgspec.json.Decoder(Said).decode


class Subject(msgspec.Struct):
    """A subject's row: `latest` is the time of its latest event, `known` whether an event said
    facts of its own record, `digest` that of the facts that it was determined from, `determined`
    what it came to, `near` about how much is missing to a threshold."""

    id: int
    kind: int
    keys: str
    latest: int
    known: int
    digest: bytes | None
    determined: str
    near: float | None


_SUBJECT = "SELECT id, kind, keys, latest, known, digest, determined, near FROM subject"


class Store:
    """The file. Raises sqlite3.Error where it cannot be used."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None, timeout=0.5)
        self.run = self.connection.execute
        self.run("PRAGMA locking_mode = EXCLUSIVE")
        self.run("PRAGMA journal_mode = WAL")
        self.run("PRAGMA synchronous = NORMAL")
        self.run(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self.run("BEGIN IMMEDIATE")
        if not self.run("SELECT 1 FROM sqlite_master").fetchone():
            for statement in _TABLES.split(";\n"):
                if statement.strip():
                    self.run(statement)
        self.run("COMMIT")

    def close(self) -> None:
        self.connection.close()

    # --- what is remembered of the watch itself ---------------------------------------------------

    def get(self, name: str) -> Any:
        """What was kept under a name; None where nothing was."""
        row = self.run("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else msgspec.json.decode(row[0])

    def put(self, name: str, value: Any) -> None:
        self.run("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, encode(value).decode()))

    # --- subjects --------------------------------------------------------------------------------

    def subject(self, kind: int, keys: Keys) -> int:
        """The id of a subject, which begins here if it is not known."""
        text = encode(keys).decode()
        row = self.run(
            "SELECT id FROM subject WHERE kind = ? AND keys = ?", (kind, text)
        ).fetchone()
        if row is not None:
            found: int = row[0]
            return found
        made = self.run("INSERT INTO subject (kind, keys) VALUES (?, ?)", (kind, text)).lastrowid
        assert made is not None
        return made

    def load(self, ids: Iterable[int]) -> Iterator[Subject]:
        for number in ids:
            yield Subject(*self.run(f"{_SUBJECT} WHERE id = ?", (number,)).fetchone())

    def touch(self, subject: int, at: int, own: bool) -> tuple[bool, bool]:
        """Note an event's time; whether it is earlier than one before, and whether the subject's
        own record was known."""
        latest, known = self.run(
            "SELECT latest, known FROM subject WHERE id = ?", (subject,)
        ).fetchone()
        if at > latest or (own and not known):
            self.run(
                "UPDATE subject SET latest = ?, known = ? WHERE id = ?",
                (max(at, latest), known or own, subject),
            )
        return at < latest, bool(known)

    def determine(self, subject: Subject) -> None:
        """Keep what a subject was determined to be."""
        self.run(
            "UPDATE subject SET digest = ?, determined = ?, near = ? WHERE id = ?",
            (subject.digest, subject.determined, subject.near, subject.id),
        )

    def subjects(self) -> Iterator[Subject]:
        """All subjects, in the order in which they were first spoken of."""
        for row in self.run(f"{_SUBJECT} ORDER BY id"):
            yield Subject(*row)

    # --- events ----------------------------------------------------------------------------------

    def event(self, id_: str) -> tuple[int, int, str] | None:
        """Subject, time and text of an event."""
        row = self.run("SELECT subject, at, said FROM event WHERE id = ?", (id_,)).fetchone()
        return None if row is None else (row[0], row[1], row[2])

    def add(self, subject: int, at: int, id_: str, said: str, retracted: bool) -> None:
        self.run("INSERT INTO event VALUES (?, ?, ?, ?, ?)", (subject, at, id_, said, retracted))

    def said(self, subject: int) -> list[Said]:
        """What is said of a subject, by time and id: what is retracted is not."""
        rows = self.run(
            "SELECT said FROM event WHERE subject = ? AND retracted = 0 ORDER BY at, id", (subject,)
        )
        return [_said(row[0]) for row in rows]

    # --- references ------------------------------------------------------------------------------

    def points(self, source: int, target: int) -> None:
        """Note that a subject has, or once had, a record that points at another."""
        self.run("INSERT OR IGNORE INTO points VALUES (?, ?)", (target, source))

    def pointing(self, target: int) -> Iterator[int]:
        """The subjects that point, or once pointed, at one."""
        rows = self.run("SELECT source FROM points WHERE target = ? ORDER BY source", (target,))
        return (row[0] for row in rows)
