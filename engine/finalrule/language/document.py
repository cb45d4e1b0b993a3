"""Text that knows where it may break, and its layout in a width: what the formatter builds with.

A `Group` stands on one line where it fits, else its own `Line`s break. A `Fill` breaks only the
lines that it must. A comment ends its line, so a group with a comment in it is broken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Line:
    """`flat` (a space or nothing) where its group stands on one line, else a new line."""

    flat: str = " "


@dataclass(frozen=True, slots=True)
class Comment:
    """Text to the end of its line. `own`: on a line of its own."""

    text: str
    own: bool


@dataclass(frozen=True, slots=True)
class Nest:
    """Lines that break in it are indented by so much more."""

    by: int
    item: Document


@dataclass(frozen=True, slots=True)
class Group:
    item: Document


@dataclass(frozen=True, slots=True)
class Fill:
    """Items, each but the first after a `Line`: as many on a line as fit. `started`: the first item
    has its `Line` too."""

    items: tuple[Document, ...]
    started: bool = False


Document: TypeAlias = str | Line | Comment | Nest | Group | Fill | tuple["Document", ...]

_Step = tuple[int, bool, Document]  # indentation, whether on one line, what


def lay_out(document: Document, width: int, indent: int) -> list[str]:
    """The document's lines, the first indented too; none is wider than `width` where a break can
    help it."""
    page = _Page(indent)
    steps: list[_Step] = [(indent, False, document)]
    while steps:
        at, flat, item = steps.pop()
        match item:
            case str():
                page.write(item, at)
            case Line(flat=text):
                if flat:
                    page.write(text, at)
                else:
                    page.new_line(at)
            case Comment():
                page.comment(item, at)
            case Nest(by=by, item=inner):
                steps.append((at + by, flat, inner))
            case Group(item=inner):
                one_line = flat or _fits(width - page.column, [*steps, (at, True, inner)])
                steps.append((at, one_line, inner))
            case Fill(items=()):
                pass
            case Fill(items=(first, *others), started=started):
                steps.append((at, flat, Fill(tuple(others), started=True)))
                tried: _Step = (at, True, (Line(), first))
                one_line = flat or (started and _fits(width - page.column, [*steps, tried]))
                steps.append((at, flat, first))
                if started:
                    steps.append((at, one_line, Line()))
            case tuple():
                steps.extend((at, flat, part) for part in reversed(item))
    return page.lines()


def _fits(room: int, steps: list[_Step]) -> bool:
    """Whether the last step, and what must follow it on its line, fits."""
    steps = list(steps)
    while steps:
        at, flat, item = steps.pop()
        match item:
            case str():
                room -= len(item)
            case Line(flat=text):
                if not flat:
                    return True
                room -= len(text)
            case Comment():
                return not flat
            case Nest(item=inner) | Group(item=inner):
                steps.append((at, flat, inner))
            case Fill(items=items, started=started):
                for i, part in reversed(list(enumerate(items))):
                    steps.append((at, flat, part))
                    if i or started:
                        steps.append((at, flat, Line()))
            case tuple():
                steps.extend((at, flat, part) for part in reversed(item))
        if room < 0:
            return False
    return True


class _Page:
    """Lines as they are written."""

    def __init__(self, indent: int) -> None:
        self.done: list[str] = []
        self.text, self.indent, self.ended = "", indent, False

    @property
    def column(self) -> int:
        return self.indent + len(self.text)

    def write(self, text: str, at: int) -> None:
        if self.ended:
            self.new_line(at)
        self.text += text if self.text else text.lstrip()

    def new_line(self, at: int) -> None:
        if self.text:
            self.done.append(" " * self.indent + self.text.rstrip())
        self.text, self.indent, self.ended = "", at, False

    def comment(self, comment: Comment, at: int) -> None:
        if comment.own or self.ended:
            self.new_line(at)
        self.text = f"{self.text.rstrip()}  {comment.text}" if self.text else comment.text
        self.ended = True

    def lines(self) -> list[str]:
        self.new_line(0)
        return self.done
