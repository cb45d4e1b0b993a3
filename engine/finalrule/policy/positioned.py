"""YAML as text with positions: year files, scenario files and the list of sources are read so.

Nothing is guessed: every scalar stays the text that was written (`001`, `no`, `1:30`), and what
makes one file depend on hidden rules (anchors, aliases, merge keys, tags) is refused. A JSON Schema
checks the shape; its findings are shown at the line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import yaml

from finalrule import cache
from finalrule.diagnostics import Diagnostic, Label, Report
from finalrule.policy.shape import check_shape, is_full
from finalrule.policy.tree import Entry, Listing, Mapping, Node, Scalar
from finalrule.source import Source, Span

MAXIMUM_BYTES = 4 * 1024 * 1024
MAXIMUM_DEPTH = 20
_CHECK = Path(__file__).with_name("shape.py")

# libyaml's parser where PyYAML has it. Events are read rather than composed nodes: only they still
# show anchors and tags, and the depth can be bounded while they come.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# What YAML forbids, but for the tab, and what makes a line look other than it is: zero-width
# characters, line ends that are not shown as such, and changes of writing direction.
_UNPRINTABLE = re.compile(
    "[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
    "|[\u200b-\u200f\u2028-\u202e\u2060-\u2069]"
)


def read_source(path: Path, known_as: str | None = None) -> Source:
    """Read a file of at most 4 MiB of UTF-8 text; line ends become `\\n`. Raises Failure."""
    name = known_as or str(path)
    report = Report()
    try:
        with path.open("rb") as file:
            data = file.read(MAXIMUM_BYTES + 1)
    except OSError as problem:
        report.error("cannot-read-file", f"cannot read {name}: {problem.strerror or problem}")
        report.stop_if_errors()
        raise
    if len(data) > MAXIMUM_BYTES:
        report.error(
            "file-too-large",
            f"{name} is larger than {MAXIMUM_BYTES:,} bytes",
            help="split the file, or check that it is the one that you meant",
        )
    text = data.decode("utf-8", errors="replace").removeprefix("\ufeff")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    source = Source(name, text)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as problem:
        # The first byte that is not UTF-8 decoded to the replacement character.
        before = data[: problem.start].decode("utf-8").removeprefix("\ufeff")
        at = len(before.replace("\r\n", "\n").replace("\r", "\n"))
        if not report.has_errors:  # a cut of a large file may split a character
            report.error(
                "not-utf-8",
                f"{name} is not UTF-8 text: byte {problem.start + 1} is {data[problem.start]:#04x}",
                source.span(at, at + 1),
                help="save the file as UTF-8",
            )
    report.stop_if_errors()
    return source


def load(source: Source, schema: dict[str, Any] | None, *, keep: bool = False) -> Node:
    """The tree of one YAML document, checked against a JSON Schema where one is given.

    Raises Failure with everything found, up to 100 findings: what YAML or this reader refuses, or,
    when the text is sound, what the schema refuses. With `keep` it is kept that the schema refuses
    nothing, and the same text is not checked against it again.
    """
    report = Report()
    tree = _Reader(_checked(source, report), report).document()
    sort_by_place(report)
    report.stop_if_errors()
    assert tree is not None  # no document is an error
    if schema is not None:
        name = cache.key("shape", source.text, json.dumps(schema), _CHECK.read_bytes())
        if not keep or cache.load("shape", name, bool) is None:
            check_shape(tree, schema, report)
            sort_by_place(report)
            report.stop_if_errors()
            if keep:
                cache.keep("shape", name, True)
    return tree


def sort_by_place(report: Report) -> None:
    """Put the findings of one file in the order of the file."""

    def place(finding: Diagnostic) -> int:
        at = finding.labels[0].at if finding.labels else None
        return at.start if isinstance(at, Span) else 0

    report.diagnostics.sort(key=place)


def _checked(source: Source, report: Report) -> Source:
    """The source with what is refused replaced, character by character, so that reading can go on
    and nothing of it reaches a terminal."""
    clean = _UNPRINTABLE.sub("\ufffd", source.text.replace("\t", " "))
    if clean == source.text:
        return source
    shown = Source(source.path, clean)
    tabs = [match.start() for match in re.finditer(r"\t+", source.text)]
    if tabs:
        lines = {source.line_column(at)[0]: at for at in reversed(tabs)}
        places = [shown.span(at, at + 1) for at in sorted(lines.values())[:5]]
        count = f"{len(lines)} lines hold tabs" if len(lines) > 1 else "a line holds a tab"
        report.error("tab-character", count, *places, help="use spaces")
    if match := _UNPRINTABLE.search(source.text):
        _report_unprintable(match[0], shown.span(match.start(), match.end()), report)
    return shown


def _report_unprintable(char: str, at: Span, report: Report) -> None:
    report.error(
        "unprintable-character",
        f"the character U+{ord(char):04X} cannot stand in the file",
        at,
        help="remove the character",
    )


class _Stop(Exception):
    """Reading cannot go on; the reason is reported."""


class _Reader:
    """Builds the tree from the parser's events and reports what is refused."""

    def __init__(self, source: Source, report: Report) -> None:
        self.source = source
        self.text = source.text
        self.report = report
        self.events = self._events()

    def document(self) -> Node | None:
        """The one document, or None after an error that ended reading."""
        try:
            return self._document()
        except _Stop:
            return None

    def _document(self) -> Node:
        next(self.events)  # the stream's start
        start = next(self.events)
        if isinstance(start, yaml.StreamEndEvent):
            self.report.error(
                "empty-value",
                f"{self.source.path} is empty",
                help="a file holds at least one `key: value`",
            )
            raise _Stop
        tree = self._node(next(self.events), 0)
        next(self.events)  # the document's end
        more = next(self.events)
        if isinstance(more, yaml.DocumentStartEvent):
            self._refuse("a second document", self._span(more), "write one document in one file")
        return tree

    def _events(self) -> Iterator[Any]:
        """The parser's events; a syntax error is reported and ends reading."""
        try:
            yield from yaml.parse(self.text, Loader=_LOADER)
        except yaml.MarkedYAMLError as problem:
            self._syntax_error(problem)

    def _node(self, event: Any, depth: int) -> Node:
        if is_full(self.report):
            raise _Stop
        if depth > MAXIMUM_DEPTH:
            self.report.error(
                "nested-too-deep",
                f"more than {MAXIMUM_DEPTH} levels inside each other",
                self._span(event),
                help="check that every bracket is closed where it should be",
            )
            raise _Stop
        if isinstance(event, yaml.AliasEvent):
            self._refuse("an alias", self._span(event), "write the value out")
            return Scalar("", self._span(event))
        self._check_properties(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._listing(event, depth)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(event, depth)
        span = self._span(event)
        if event.style == '"' and (match := _UNPRINTABLE.search(event.value)):
            _report_unprintable(match[0], span, self.report)  # written as `"\x1b"`
            return Scalar("", span)
        return Scalar(event.value, span)

    def _listing(self, start: Any, depth: int) -> Listing:
        items: list[Node] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            item = self._node(event, depth + 1)
            if _is_empty(event):
                self._empty("an item of the list is empty", item.span)
            items.append(item)
        return Listing(tuple(items), self._around(start, event))

    def _mapping(self, start: Any, depth: int) -> Mapping:
        entries: dict[str, Entry] = {}
        last: Node | None = None
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self._key(event, depth)
            event = next(self.events)
            value = self._node(event, depth + 1)
            if _is_empty(event):
                self._check_value_left_out(start, last, key)
            if key.text in entries:
                first = Label(entries[key.text].key_span, "first here")
                self.report.error(
                    "duplicate-key",
                    f"`{key.text}` is written twice",
                    Label(key.span, "again here"),
                    first,
                    help="keep one of them",
                )
            else:
                entries[key.text] = Entry(key.text, key.span, value)
            last = value
        return Mapping(entries, self._around(start, event))

    def _key(self, event: Any, depth: int) -> Scalar:
        key = self._node(event, depth + 1)
        if not isinstance(key, Scalar):
            self.report.error(
                "yaml-syntax", "a key must be plain text", key.span, help="write `key: value`"
            )
            return Scalar("", key.span)
        if key.text == "<<" and event.implicit[0]:
            self._refuse("a merge key", key.span, "write the values out")
        elif "\n" in key.text or (key.text == "" and not isinstance(event, yaml.AliasEvent)):
            self.report.error(
                "yaml-syntax", "a key must be text on one line", key.span, help="write `key: value`"
            )
        return key

    def _check_value_left_out(self, start: Any, last: Node | None, key: Scalar) -> None:
        # `{charges: $90,000}` is read by YAML as `charges: $90` and a key `000` without a value.
        bare = not self.text[key.span.end :].lstrip().startswith(":")
        if start.flow_style and bare and isinstance(last, Scalar):
            written = last.span.to(key.span)
            self.report.error(
                "comma-in-braces",
                "between braces a comma ends the value",
                written,
                help=f"if the comma belongs to the value, put it in quotes: `'{written.text}'`",
            )
        else:
            self._empty(f"`{key.text}` has no value", key.span)

    def _check_properties(self, event: Any) -> None:
        start = event.start_mark.index
        if event.anchor:
            at = self.text.find("&", start)
            span = self.source.span(at, at + 1 + len(event.anchor))
            self._refuse("an anchor", span, "write the value out where it is needed")
        if event.tag:
            at = self.text.find("!", start)
            end = re.compile(r"[\s,\]}]|$").search(self.text, at)
            span = self.source.span(at, end.start() if end else at + 1)
            self._refuse("a tag", span, "leave it out: values are text, typed by their unit")

    def _refuse(self, what: str, span: Span, help: str) -> None:
        self.report.error("yaml-feature", f"{what} cannot be used here", span, help=help)

    def _empty(self, message: str, span: Span) -> None:
        self.report.error("empty-value", message, span, help="write the value, or remove the line")

    def _span(self, event: Any) -> Span:
        return self._around(event, event)

    def _around(self, start: Any, end: Any) -> Span:
        """From one event's beginning to another's end, without trailing space."""
        first, last = start.start_mark.index, end.end_mark.index
        while last > first and self.text[last - 1].isspace():
            last -= 1
        return self.source.span(first, last)

    def _syntax_error(self, problem: yaml.MarkedYAMLError) -> NoReturn:
        # A tab read as one space may shift what follows; then the tab is the thing to mend first.
        if not any(found.code == "tab-character" for found in self.report.diagnostics):
            begun, noticed = self._at(problem.context_mark), self._at(problem.problem_mark)
            message, labels, help = _explain(problem, begun, noticed or begun)
            self.report.error("yaml-syntax", message, *labels, help=help)
        raise _Stop

    def _at(self, mark: Any) -> Span | None:
        if mark is None:
            return None
        index = min(mark.index, len(self.text))
        return self.source.span(index, index + 1)


def _is_empty(event: Any) -> bool:
    """Whether a value was left out; `''` is an empty text and not left out."""
    return isinstance(event, yaml.ScalarEvent) and event.value == "" and event.implicit[0]


def _explain(
    problem: yaml.MarkedYAMLError, begun: Span | None, noticed: Span | None
) -> tuple[str, list[Span | Label], str]:
    """Message, places and help for a syntax error: in plain words for the mistakes that year files
    invite, whichever of PyYAML's two parsers found them."""
    said = f"{problem.context} {problem.problem}"
    here: list[Span | Label] = [noticed] if noticed else []
    first = begun or noticed
    if first and first.text in set(">|%@`") and ("block scalar" in said or "token" in said):
        sign = first.text
        help = f"put the value in quotes, as in `'{sign} 15'`"
        return f"a value cannot begin with `{sign}`", [first], help
    if "mapping values are not allowed" in said:
        help = "put a value that holds `: ` in quotes; a new key begins its own line, indented"
        return "a second `: ` in one value", here, help
    if "quoted scalar" in said and begun:
        return "a quotation mark is not closed", [begun], "close it"
    if "flow node" in said:
        return "a value is missing here", here, "write the value, or take a comma away"
    if "flow" in said and begun and noticed:
        places = [Label(begun, "opened here"), Label(noticed, "expected `,` or the closing one")]
        return "a bracket is not closed", list(places), "close it"
    help = "check the indentation: the keys of one block begin in one column"
    if "parsing a block" in said:
        return "this line does not fit the block that it stands in", here, help
    return f"this is not YAML: {problem.problem or problem.context}", here, help
