"""Errors as data: what is wrong, every place that contributed, and one line of help.

A stage collects its diagnostics in a `Report` and ends with `report.stop_if_errors()`, so that all
errors of a stage are shown and the next stage never starts on broken input. Each code has a page
under docs/errors/.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from finalrule.source import Span

Severity = Literal["error", "warning"]

# Of a longer line, this many characters are shown around what is underlined.
_SHOWN_LINE = 200


@dataclass(frozen=True, slots=True)
class Pointer:
    """A place in a JSON document (RFC 6901) or a row of a table: no text can be underlined."""

    path: str
    pointer: str

    def __str__(self) -> str:
        return f"{self.path}#{self.pointer}" if self.pointer else self.path


@dataclass(frozen=True, slots=True)
class Label:
    """A place that contributed, and what it contributed (may be empty)."""

    at: Span | Pointer
    text: str = ""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. `labels[0]` is where it is reported; `help` says what to do, in one line."""

    code: str
    message: str
    labels: tuple[Label, ...] = ()
    help: str = ""
    severity: Severity = "error"

    def render(self) -> str:
        """The finding as plain text, each place with its line and the stretch underlined. Whatever
        stands in it, nothing is passed on that a terminal would obey."""
        lines = [f"{self.severity}[{self.code}]: {self.message}"]
        for label in self.labels:
            lines.extend(_render_label(label))
        if self.help:
            lines.append(f"  help: {self.help}")
        return "\n".join(visible(line) for line in lines)

    def as_data(self) -> dict[str, object]:
        """The finding as JSON-ready data."""
        return {
            "severity": self.severity,
            "code": self.code,
            "message": self.message,
            "labels": [_label_data(label) for label in self.labels],
            "help": self.help,
        }


def _label_data(label: Label) -> dict[str, object]:
    if isinstance(label.at, Pointer):
        return {"path": label.at.path, "pointer": label.at.pointer, "text": label.text}
    place = label.at.place
    return {
        "path": place.path,
        "line": place.line,
        "column": place.column,
        "underlined": label.at.text,
        "text": label.text,
    }


def _render_label(label: Label) -> list[str]:
    if isinstance(label.at, Pointer):
        return [f"  --> {label.at}" + (f": {label.text}" if label.text else "")]
    span, place = label.at, label.at.place
    line = span.source.line_text(place.line)
    before, under = line[: place.column - 1], line[place.column - 1 :][: span.end - span.start]
    after = line[len(before) + len(under) :]
    if len(line) > _SHOWN_LINE:
        side = _SHOWN_LINE // 3
        before = f"...{before[-side:]}" if len(before) > side else before
        under = f"{under[:side]}..." if len(under) > side else under
        after = f"{after[:side]}..." if len(after) > side else after
    gutter = " " * len(str(place.line))
    said = f" {label.text}" if label.text else ""
    return [
        f"  --> {place}",
        f" {gutter} |",
        f" {place.line} | {before}{under}{after}",
        f" {gutter} | {' ' * _width(before)}{'^' * max(1, _width(under))}{said}",
    ]


def visible(text: str) -> str:
    """A text on one line in which control characters, and those that change the direction of text
    or are not seen, are shown as signs of the same width."""
    return text if text.isprintable() else "".join(_sign(char) for char in text)


def _sign(char: str) -> str:
    if char.isprintable():
        return char
    if char == "\t" or unicodedata.category(char) == "Zs":
        return " "
    if char < " ":
        return chr(0x2400 + ord(char))
    return "\N{SYMBOL FOR DELETE}" if char == "\x7f" else "\N{REPLACEMENT CHARACTER}"


def _width(text: str) -> int:
    """The columns that a text takes once it is `visible`."""
    return sum(_columns(char) for char in visible(text))


def _columns(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


class Failure(Exception):
    """A stage ended with errors. `diagnostics` holds all of them, warnings too."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n\n".join(d.render() for d in self.diagnostics))


@dataclass(slots=True)
class Report:
    """The findings of a stage, in the order in which they were made."""

    diagnostics: list[Diagnostic] = field(default_factory=list)
    _seen: set[Diagnostic] = field(default_factory=set, repr=False, compare=False)

    def error(
        self, code: str, message: str, *labels: Label | Span | Pointer, help: str = ""
    ) -> None:
        """Add an error. A bare Span or Pointer is a label without text."""
        self._add("error", code, message, labels, help)

    def warning(
        self, code: str, message: str, *labels: Label | Span | Pointer, help: str = ""
    ) -> None:
        """Add a warning: shown, but the stage goes on."""
        self._add("warning", code, message, labels, help)

    def _add(
        self,
        severity: Severity,
        code: str,
        message: str,
        labels: Sequence[Label | Span | Pointer],
        help: str,
    ) -> None:
        made = tuple(at if isinstance(at, Label) else Label(at) for at in labels)
        finding = Diagnostic(code, message, made, help, severity)
        if finding not in self._seen:
            self._seen.add(finding)
            self.diagnostics.append(finding)

    @property
    def has_errors(self) -> bool:
        return any(d.severity == "error" for d in self.diagnostics)

    def stop_if_errors(self) -> None:
        """Raise Failure with everything found when there is at least one error."""
        if self.has_errors:
            raise Failure(self.diagnostics)


def suggest(name: str, known: Iterable[str]) -> str:
    """`did you mean `x`?` for a misspelt name, or an empty string."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"did you mean `{near[0]}`?" if near else ""
