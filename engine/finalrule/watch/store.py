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
# What the counts of subjects of which nothing is determined begin with; the error's code follows.
PROBLEM = "problem:"
_CACHE_KIB = 65536

encode = msgspec.json.Encoder(order="deterministic").encode
_said = msgspec.json.Decoder(Said).decode


class Subject(msgspec.Struct):
    """A subject's row: `known` says whether an event said facts of its own record, `digest` is that
    of the facts that it was determined from, `determined` what it came to, `near` about how much is
    missing to a threshold."""

    id: int
    kind: int
    keys: str
    known: int
    digest: bytes | None
    determined: str
    near: float | None


_FIND = "SELECT id, known FROM subject WHERE kind = ? AND keys = ?"
_SUBJECT = "SELECT id, kind, keys, known, digest, determined, near FROM subject"


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

    def subject(self, kind: int, keys: Keys) -> tuple[int, bool]:
        """The id of a subject, which may begin here, and whether its own record is known."""
        text = encode(keys).decode()
        row = self.run(_FIND, (kind, text)).fetchone()
        if row is not None:
            return row[0], bool(row[1])
        made = self.run("INSERT INTO subject (kind, keys) VALUES (?, ?)", (kind, text)).lastrowid
        assert made is not None
        return made, False

    def load(self, ids: Iterable[int]) -> Iterator[Subject]:
        for number in ids:
            yield Subject(*self.run(f"{_SUBJECT} WHERE id = ?", (number,)).fetchone())

    def know(self, subject: int) -> None:
        """Note that an event said facts of a subject's own record."""
        self.run("UPDATE subject SET known = 1 WHERE id = ?", (subject,))

    def latest(self, subject: int) -> int | None:
        """The time of a subject's latest event; None where it has none."""
        rows = self.run(
            "SELECT at FROM event WHERE subject = ? ORDER BY at DESC LIMIT 1", (subject,)
        ).fetchall()
        return rows[0][0] if rows else None

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
