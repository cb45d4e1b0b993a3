"""Texts that people wrote, and places in them. Everything that reports an error stands on this."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path

import msgspec


class Place(msgspec.Struct, frozen=True, order=True):
    """Where something stands, as data: path as given to the reader, line and column from 1."""

    path: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Source:
    """A text and the path that it is known by (a file's path, or a name such as `<--set>`)."""

    path: str
    text: str
    _starts: tuple[int, ...] = field(default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        starts = [0]
        starts.extend(i + 1 for i, char in enumerate(self.text) if char == "\n")
        object.__setattr__(self, "_starts", tuple(starts))

    @classmethod
    def read(cls, path: Path, known_as: str | None = None) -> Source:
        """Read a UTF-8 file. Raises OSError and UnicodeDecodeError; the caller names the file."""
        return cls(known_as or str(path), path.read_text(encoding="utf-8"))

    def span(self, start: int, end: int) -> Span:
        """The text between two offsets (end excluded)."""
        return Span(self, start, max(end, start))

    def line_text(self, line: int) -> str:
        start = self._starts[line - 1]
        end = self._starts[line] - 1 if line < len(self._starts) else len(self.text)
        return self.text[start:end].rstrip("\r")

    def line_column(self, offset: int) -> tuple[int, int]:
        """Line and column (both from 1) of an offset."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def offset(self, line: int, column: int) -> int:
        """The offset of a line and column (both from 1)."""
        return self._starts[line - 1] + column - 1


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a source."""

    source: Source
    start: int
    end: int

    @property
    def place(self) -> Place:
        line, column = self.source.line_column(self.start)
        return Place(self.source.path, line, column)

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    def to(self, other: Span) -> Span:
        """From this span's beginning to the other's end, in one source."""
        return Span(self.source, self.start, max(self.end, other.end))
