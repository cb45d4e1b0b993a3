"""header.yaml of a year's measures: where they come from, and the defects of CMS's files that are
known. Its last block, `files`, is written by the import; the rest is written by people."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from finalrule.catalogue.cms import EXPORTS
from finalrule.diagnostics import Label, Pointer, Report, suggest
from finalrule.source import Source, Span
from finalrule.values import one_of

HEADER = "header.yaml"
Action = Literal["keep", "drop", "correct"]

_TOP = ("title", "issuer", "performance_year", "source", "known_defects", "files")
_SOURCE = ("repository", "commit", "date", "files")
_DEFECT = ("file", "key", "action", "what", "source", "reason")
# What an entry must have besides, by its action.
_MORE: dict[str, tuple[str, ...]] = {
    "keep": ("column",), "drop": (), "correct": ("column", "was", "now"),
}  # fmt: skip
_FILES = re.compile(r"^files:", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Defect:
    """A known defect of one row of CMS's export. `keep`: the finding at `column` is let pass;
    `drop`: the row is left out; `correct`: the cell at `column`, which must hold `was`, is read as
    `now`."""

    file: str
    key: tuple[str, ...]
    action: Action
    what: str
    source: str
    reason: str
    column: str
    was: str
    now: str
    span: Span


@dataclass(frozen=True, slots=True)
class Header:
    """A header as read. `people` is its text up to the `files` block."""

    source: Source
    people: str
    defects: tuple[Defect, ...]


def read_header(path: Path, year: int, report: Report) -> Header | None:
    """Read and check a header; what is wrong goes into the report."""
    try:
        source = Source.read(path)
    except (OSError, UnicodeDecodeError) as error:
        report.error(
            "measures-header",
            f"the measures of {year} need a header: {error}",
            Pointer(str(path), ""),
            help="write header.yaml as policies/measures/README.md tells, then import again",
        )
        return None
    try:
        root = yaml.compose(source.text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        at = source.offset(mark.line + 1, mark.column + 1) if mark else 0
        report.error(
            "measures-header",
            f"this is not YAML: {error.problem}",
            source.span(at, at + 1),
            help="check indentation and quotes",
        )
        return None
    return _Reader(source, report).header(root, year)


class _Reader:
    """Reads the nodes of one header; every scalar is text."""

    def __init__(self, source: Source, report: Report) -> None:
        self.source = source
        self.report = report

    def header(self, root: yaml.Node | None, year: int) -> Header | None:
        top = self.mapping(root, _TOP, _TOP[:-1])
        if top is None:
            return None
        for name in ("title", "issuer"):
            self.text(top.get(name))
        source = self.mapping(top.get("source"), _SOURCE, _SOURCE)
        for name in ("repository", "commit", "date"):
            self.text((source or {}).get(name))
        self.texts((source or {}).get("files"))
        written = self.text(top.get("performance_year"))
        if written and written != str(year):
            self.error(
                top["performance_year"],
                f"this header is for {written}, not {year}",
                "import into the folder of the year",
            )
        defects = tuple(
            defect
            for node in self.sequence(top.get("known_defects"))
            if (defect := self.defect(node)) is not None
        )
        if "files" in top and list(top)[-1] != "files":
            self.error(
                top["files"],
                "`files` is written by the import and must come last",
                "move what follows it to before it",
            )
        generated = _FILES.search(self.source.text)
        people = self.source.text[: generated.start() if generated else None]
        return Header(self.source, people.rstrip("\n") + "\n", defects)

    def defect(self, node: yaml.Node) -> Defect | None:
        every = (*_DEFECT, "column", "was", "now")
        entry = self.mapping(node, every, _DEFECT)
        if entry is None:
            return None
        action = self.text(entry.get("action"))
        if action not in _MORE:
            self.error(
                entry.get("action"), f"`{action}` is no action", f"write {one_of(list(_MORE))}"
            )
            return None
        for name in ("column", "was", "now"):
            if (name in entry) != (name in _MORE[action]):
                word = "needs" if name in _MORE[action] else "has no"
                self.error(
                    node,
                    f"a defect with action `{action}` {word} `{name}`",
                    "see policies/measures/README.md",
                )
        file = self.text(entry.get("file"))
        if file not in EXPORTS:
            self.error(
                entry.get("file"),
                f"`{file}` is no file of CMS's export",
                suggest(file, EXPORTS) or f"write {one_of(list(EXPORTS))}",
            )
            return None
        texts = {name: self.text(entry[name]) for name in entry if name != "key"}
        column = texts.get("column", "")
        if column and column not in EXPORTS[file].columns:
            self.error(
                entry["column"],
                f"`{column}` is no column of CMS's {file}",
                suggest(column, EXPORTS[file].columns) or "name the column as CMS's file does",
            )
        if action == "correct" and column in EXPORTS[file].key:
            self.error(
                entry["column"],
                f"`{column}` is part of the key and cannot be corrected",
                "drop the row, or keep it",
            )
        key = self.texts(entry.get("key"))
        if len(key) != len(EXPORTS[file].key):
            self.error(
                entry.get("key"),
                f"a key of {file} has {len(EXPORTS[file].key)} parts",
                f"write [{', '.join(EXPORTS[file].key)}]",
            )
        return Defect(
            file,
            key,
            action,  # type: ignore[arg-type]
            texts.get("what", ""),
            texts.get("source", ""),
            texts.get("reason", ""),
            column,
            texts.get("was", ""),
            texts.get("now", ""),
            self.span(node),
        )

    def mapping(
        self, node: yaml.Node | None, known: tuple[str, ...], needed: tuple[str, ...]
    ) -> dict[str, yaml.Node] | None:
        if not isinstance(node, yaml.MappingNode):
            self.error(node, "here must stand names with values", "write `name: value` lines")
            return None
        found: dict[str, yaml.Node] = {}
        for name_node, value in node.value:
            name = self.text(name_node)
            if name not in known:
                self.error(
                    name_node,
                    f"unknown name `{name}`",
                    suggest(name, known) or f"write {one_of(known)}",
                )
            elif name in found:
                self.error(name_node, f"`{name}` stands twice", "keep one of the two")
            found.setdefault(name, value)
        for name in needed:
            if name not in found:
                self.error(node, f"`{name}` is missing", f"add `{name}:`")
        return found

    def sequence(self, node: yaml.Node | None) -> list[yaml.Node]:
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        if node is not None:
            self.error(node, "here must stand a list", "write [] for an empty one")
        return []

    def texts(self, node: yaml.Node | None) -> tuple[str, ...]:
        return tuple(self.text(item) for item in self.sequence(node))

    def text(self, node: yaml.Node | None) -> str:
        """A scalar as written; an empty text where there is none (its absence is reported by
        `mapping`)."""
        if node is None:
            return ""
        if not isinstance(node, yaml.ScalarNode):
            self.error(node, "here must stand one value", "write it on one line")
            return ""
        return str(node.value)

    def span(self, node: yaml.Node | None) -> Span:
        """The first line of a node: errors underline no more than that."""
        if node is None:
            return self.source.span(0, 1)
        line = node.start_mark.line + 1
        start = self.source.offset(line, node.start_mark.column + 1)
        end_of_line = self.source.offset(line, 1) + len(self.source.line_text(line))
        if node.end_mark.line == node.start_mark.line:
            end_of_line = self.source.offset(line, node.end_mark.column + 1)
        return self.source.span(start, end_of_line)

    def error(self, node: yaml.Node | None, message: str, help: str) -> None:
        self.report.error("measures-header", message, Label(self.span(node)), help=help)
