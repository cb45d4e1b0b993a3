"""Aligned columns within a width: long cells are wrapped in their column, never cut."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

WIDTH = 100
_GAP = "  "


def columns(
    rows: Sequence[Sequence[str]], indent: int = 0, right: Sequence[int] = (), width: int = WIDTH
) -> list[list[str]]:
    """The lines of each row, in aligned columns two spaces apart. Columns named in `right` are
    aligned to the right. Where the lines would be wider than `width`, the widest columns are
    wrapped, though not within a word."""
    if not rows:
        return []
    widths = _widths(rows, width - indent)
    found = []
    for row in rows:
        lines = []
        cells = [_wrapped(cell, limit) for cell, limit in zip(row, widths, strict=True)]
        for at in range(max(len(cell) for cell in cells)):
            parts = [
                part.rjust(limit) if i in right else part.ljust(limit)
                for i, (limit, cell) in enumerate(zip(widths, cells, strict=True))
                for part in [cell[at] if at < len(cell) else ""]
            ]
            lines.append((" " * indent + _GAP.join(parts)).rstrip())
        found.append(lines)
    return found


def paragraph(
    text: str, indent: int, first: str = "", hang: int | None = None, width: int = WIDTH
) -> list[str]:
    """A text wrapped to the width, each line indented; `first` stands before its first line. The
    other lines are indented as far as `first` reaches, or by `hang` more than the first."""
    begin = " " * indent + first
    after = " " * (len(begin) if hang is None else indent + hang)
    return textwrap.wrap(
        text, width, initial_indent=begin, subsequent_indent=after, break_on_hyphens=False,
        break_long_words=False,
    )  # fmt: skip


def _widths(rows: Sequence[Sequence[str]], room: int) -> list[int]:
    count = len(rows[0])
    natural = [max(len(row[i]) for row in rows) for i in range(count)]
    longest_word = [
        max((len(word) for row in rows for word in row[i].split()), default=0) for i in range(count)
    ]
    room -= len(_GAP) * (count - 1)
    widths = list(natural)
    while sum(widths) > room:
        shrinkable = [i for i in range(count) if widths[i] > longest_word[i]]
        if not shrinkable:
            break
        widest = max(shrinkable, key=lambda i: widths[i])
        widths[widest] -= 1
    return widths


def _wrapped(text: str, width: int) -> list[str]:
    if len(text) <= width:
        return [text]
    return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)
