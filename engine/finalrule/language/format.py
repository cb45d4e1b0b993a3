"""Rules files in their one layout: what `finalrule fmt` writes.

Statements begin in the first column, their lines are indented by two, and what does not fit on a
line of 100 columns goes on by two or four more. Comments stay where they stand: an own-line comment
before what follows it, one at the end of a line after what it follows. One blank line stands
between statements; declarations of one line may stand together without one, as they were written.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lark import Token, Tree

from finalrule.diagnostics import Report
from finalrule.language.document import Comment, Document, Fill, Group, Line, Nest, lay_out
from finalrule.language.parse import grammar, parse
from finalrule.source import Source

if TYPE_CHECKING:
    Node = Tree[Token] | Token

WIDTH = 100
_INDENT = 2

_COMMENTS = re.compile(r'"[^"\n]*"|(?P<comment>--[^\n]*)')
_TOGETHER = ("type_declaration", "parameter", "rounding")
_HEADER = ("variant", "refers", "name_path", "key_item", "named_type", "enumeration")
_AGGREGATES = ("fold", "count", "any_record", "every_record", "share")
_COMPARISONS = ("compare", "is_member", "is_not_member", "in_codes")
# What may begin on the line of its name although it ends on a later one.
_BEGIN_WITH_NAME = (
    *_AGGREGATES, *_COMPARISONS, "enumeration", "call", "quantified", "at_least", "lookup",
    "listed", "in_set", "if_in_force", "either", "both",
)  # fmt: skip
# Items that fill lines; a list of any others has a line for each.
_SHORT = ("path", "element", "percent", "money", "points", "days", "number", "yes_no", "code")
_AFTER = ("when", "otherwise", "always", "flat", "line", "because", "cites")


def format_source(source: Source) -> str:
    """The file's text in its layout. Raises Failure with every syntax error of the file."""
    report = Report()
    parse(source, report)
    report.stop_if_errors()
    tree = grammar(keep_all_tokens=True).parse(source.text)
    return "\n".join(_Formatter(source.text, tree).lines()) + "\n"


@dataclass(frozen=True, slots=True)
class _Remark:
    """An own-line comment: `blank`: after a blank line; `indented`: not in the first column."""

    text: str
    blank: bool
    indented: bool


def _tokens(node: Node) -> Iterator[Token]:
    if isinstance(node, Token):
        yield node
    else:
        for child in node.children:
            yield from _tokens(child)


def _start(token: Token) -> int:
    return int(token.start_pos or 0)


def _first(node: Node) -> Token:
    return next(_tokens(node))


def _last(node: Node) -> Token:
    return list(_tokens(node))[-1]


def _written(token: Token) -> str:
    return " ".join(token.split()) if token.type in ("POINTS", "DAYS") else str(token)


def _space(before: Token, after: Token) -> str:
    """What stands between two tokens on one line."""
    if before in ("(", "[", "{", ".", "..") or before.type == "MINUS":
        return ""
    if after in (")", "]", "}", ",", ":", ".", "..", "["):
        return ""
    called = before.type in ("NAME", "FOLD") or before in (
        "count", "any", "every", "share", "lookup", "listed", "if_in_force",
    )  # fmt: skip
    return "" if after == "(" and called else " "


def _kind(node: Node) -> str:
    return str(node.data) if isinstance(node, Tree) else ""


class _Formatter:
    def __init__(self, text: str, tree: Tree[Token]) -> None:
        self.text, self.tree = text, tree
        self.own: dict[int, list[_Remark]] = {}
        self.ending: dict[int, str] = {}
        self._attach([_start(token) for token in _tokens(tree)])

    # --- comments ------------------------------------------------------------------------------

    def _attach(self, starts: list[int]) -> None:
        """Each comment goes with the token after it, or, at the end of a line, the one before."""
        for found in _COMMENTS.finditer(self.text):
            if found["comment"] is None:
                continue
            at, comment = found.start(), found["comment"].rstrip()
            line = self.text[self.text.rfind("\n", 0, at) + 1 : at]
            following = bisect_right(starts, at)
            if line.strip():
                self.ending[starts[following - 1]] = comment
            else:
                key = starts[following] if following < len(starts) else len(self.text)
                remark = _Remark(comment, self._blank_before(at), bool(line))
                self.own.setdefault(key, []).append(remark)

    def _blank_before(self, at: int) -> bool:
        end = self.text.rfind("\n", 0, at)
        start = self.text.rfind("\n", 0, max(end, 0))
        return start >= 0 and not self.text[start:at].strip()

    def _take_own(self, node: Node) -> list[str]:
        return [remark.text for remark in self.own.pop(_start(_first(node)), [])]

    def _take_ending(self, node: Node) -> str:
        return self.ending.pop(_start(_last(node)), "")

    # --- statements ----------------------------------------------------------------------------

    def lines(self) -> list[str]:
        """The whole file."""
        lines: list[str] = []
        before = ""
        for statement in self.tree.children:
            assert isinstance(statement, Tree)
            start = _start(_first(statement))
            remarks = self._between(self.own.pop(start, []), lines)
            blank = remarks[0].blank if remarks else self._blank_before(start)
            together = str(statement.data) == before and before in _TOGETHER and not blank
            if lines and not together:
                lines.append("")
            lines.extend(self._remarks(remarks))
            if remarks and self._blank_before(start):
                lines.append("")
            lines.extend(self._statement(statement))
            before = str(statement.data)
        remarks = self._between(self.own.pop(len(self.text), []), lines)
        return [*lines, *([""] if remarks else []), *self._remarks(remarks)]

    def _between(self, remarks: list[_Remark], lines: list[str]) -> list[_Remark]:
        """The comments before a statement; indented ones that directly follow the statement before
        it are its last lines."""
        while lines and remarks and remarks[0].indented and not remarks[0].blank:
            lines.append(" " * _INDENT + remarks.pop(0).text)
        return remarks

    def _remarks(self, remarks: list[_Remark]) -> Iterator[str]:
        for i, remark in enumerate(remarks):
            if remark.blank and i:
                yield ""
            yield remark.text

    def _statement(self, statement: Tree[Token]) -> list[str]:
        header = [c for c in statement.children if isinstance(c, Token) or _kind(c) in _HEADER]
        rest = statement.children[len(header) :]
        lines = self._line(header, 0, 2 * _INDENT if rest else _INDENT)
        for line in rest:
            assert isinstance(line, Tree)
            children = line.children
            # What follows the first part of a clause, a piece and a jump may have lines of its own.
            after = sum(_kind(child) in _AFTER for child in children)
            if _kind(line) in ("clause", "piece", "jump"):
                lines.extend(self._parts(children[:-after], children[-after:]))
            else:
                lines.extend(self._line(children, _INDENT, _INDENT))
        return lines

    # --- lines ---------------------------------------------------------------------------------

    def _line(self, nodes: Sequence[Node], indent: int, nest: int) -> list[str]:
        """A line of a statement, going on with so much more indentation; comments before and after
        it."""
        remarks = [" " * indent + remark for remark in self._take_own(nodes[0])]
        ending = self._take_ending(nodes[-1])
        split = self._split(nodes)
        if split:
            lines = self._assigned(nodes[:split], nodes[split], indent, nest)
        else:
            lines = lay_out(self._sequence(nodes), WIDTH, indent)
        if ending:
            lines[-1] += f"  {ending}"
        return remarks + lines

    def _split(self, nodes: Sequence[Node]) -> int:
        """Where a line's value or type begins that ends it; 0 where there is none."""
        last = len(nodes) - 1
        return last if last and nodes[last - 1] in ("=", ":") else 0

    def _assigned(self, head: Sequence[Node], value: Node, indent: int, nest: int) -> list[str]:
        text, kind = self._flat([*head, value]), _kind(value)
        if text is not None:
            if indent + len(text) <= WIDTH:
                return [" " * indent + text]
            name, only = self._flat(head) or "", self._flat([value]) or ""
            if indent + nest + len(only) <= WIDTH and kind != "enumeration":
                return [" " * indent + name, " " * (indent + nest) + only]
        document = self._document(value)
        if head[0] == "clause" or kind not in _BEGIN_WITH_NAME:
            placed: Document = Nest(nest, (Line(), document))
        else:
            placed = (" ", Nest(nest if _goes_on(value) else nest - _INDENT, document))
        return lay_out((self._sequence(head), placed), WIDTH, indent)

    def _parts(self, head: Sequence[Node], rest: Sequence[Node]) -> list[str]:
        """A clause, piece or jump: what fits stands on its first line, but citations never do."""
        parts: list[Sequence[Node]] = [head, *([node] for node in rest)]
        texts = [self._flat(part) for part in parts]
        plain = next((i for i, part in enumerate(parts) if _kind(part[0]) == "cites"), len(parts))
        taken = next(
            (count for count in (plain, 2) if self._joined(parts[:count], texts[:count], _INDENT)),
            1,
        )
        lines = self._line([node for part in parts[:taken] for node in part], _INDENT, _INDENT)
        while taken < len(parts):
            end = taken + 2
            if end > plain or not self._joined(parts[taken:end], texts[taken:end], 2 * _INDENT):
                end = taken + 1
            nodes = [node for part in parts[taken:end] for node in part]
            lines.extend(self._line(nodes, 2 * _INDENT, _INDENT))
            taken = end
        return lines

    def _joined(self, parts: list[Sequence[Node]], texts: list[str | None], indent: int) -> bool:
        """Whether the parts stand on one line: they fit, and no comment is between them."""
        fits = indent + sum(len(text or "") + 1 for text in texts) - 1 <= WIDTH
        own = any(_start(_first(part[0])) in self.own for part in parts[1:])
        ending = any(_start(_last(part[-1])) in self.ending for part in parts[:-1])
        return fits and None not in texts and not own and not ending

    # --- expressions ---------------------------------------------------------------------------

    def _flat(self, nodes: Sequence[Node]) -> str | None:
        """The nodes on one line; None where a comment stands between their tokens."""
        tokens = [token for node in nodes for token in _tokens(node)]
        text = _written(tokens[0])
        for before, token in itertools.pairwise(tokens):
            if _start(token) in self.own or _start(before) in self.ending:
                return None
            text += _space(before, token) + _written(token)
        return text

    def _token(self, token: Token) -> Document:
        remarks = [Comment(text, own=True) for text in self._take_own(token)]
        ending = self._take_ending(token)
        text = _written(token)
        if not remarks and not ending:
            return text
        return (*remarks, text, *([Comment(ending, own=False)] if ending else []))

    def _document(self, node: Node) -> Document:
        if isinstance(node, Token):
            return self._token(node)
        kind, children = _kind(node), node.children
        if level := _level(node):
            first, *others = self._chain(node, level)
            return Fill((first, *others))
        if kind in _COMPARISONS:
            left, *rest = children
            if level := _level(left):
                return Fill((*self._chain(left, level), self._run(rest)))
            return Group((self._document(left), Nest(_INDENT, (Line(), self._run(rest)))))
        if kind == "parenthesis":
            opening, inner, closing = children
            return (
                self._document(opening),
                Nest(1, self._document(inner)),
                self._document(closing),
            )
        if kind == "line":
            word, start, to, end = children
            after = Nest(_INDENT, (Line(), self._run([to, end])))
            return Group((self._run([word, start]), after))
        if kind in _AGGREGATES:
            return self._aggregate(children)
        if kind in ("lookup", "if_in_force"):
            return self._run(children, leading=False)
        return self._sequence(children)

    def _operand(self, node: Node) -> Document:
        document = self._document(node)
        return Nest(_INDENT, document) if _goes_on(node) else document

    def _chain(self, node: Node, level: str) -> list[Document]:
        """Operands of one level of binding, each but the first with its operator before it."""
        if not isinstance(node, Tree) or _level(node) != level:
            return [self._operand(node)]
        left, operator, right, *zero = node.children
        link: Document = (self._document(operator), " ", self._operand(right))
        if zero:
            link = Group((link, Nest(_INDENT, (Line(), self._run(zero)))))
        return [*self._chain(left, level), link]

    def _aggregate(self, nodes: Sequence[Node]) -> Document:
        """`where` and `empty gives` may begin a line."""
        later = [node for node in nodes if _kind(node) in ("condition", "empty")]
        word, opening, *first = nodes[: len(nodes) - len(later) - 1]
        document: Document = (self._document(word), self._document(opening), self._run(first))
        for node in later:
            assert isinstance(node, Tree)
            comma = node.children[:1] if node.children[0] == "," else []
            document = (
                document,
                *(self._document(token) for token in comma),
                Nest(_INDENT, (Line(), self._run(node.children[len(comma) :]))),
            )
        return Group((document, self._document(nodes[-1])))

    def _sequence(self, nodes: Sequence[Node]) -> Document:
        """Nodes one after another; a list that is not in brackets goes on in further lines."""
        items = _split_at_commas(nodes)
        if len(items) == 1:
            return self._run(nodes)
        return Nest(_INDENT, Fill(tuple(self._run(item) for item in items)))

    def _run(self, nodes: Sequence[Node], leading: bool = True) -> Document:
        """Nodes on one line; what stands in brackets may break (with `leading`, at once)."""
        documents: list[Document] = []
        i = 0
        while i < len(nodes):
            if i:
                documents.append(_space(_last(nodes[i - 1]), _first(nodes[i])))
            if nodes[i] in ("(", "{"):
                end = _closing(nodes, i)
                documents.append(self._brackets(nodes[i : end + 1], leading))
                i = end
            else:
                documents.append(self._operand(nodes[i]))
            i += 1
        return tuple(documents)

    def _brackets(self, nodes: Sequence[Node], leading: bool) -> Document:
        """A list in brackets: short items fill lines, longer ones have a line each."""
        opening, *inner, closing = nodes
        items = [self._run(item) for item in _split_at_commas(inner)]
        inside: list[Document] = [Line("")] if leading else []
        if all(isinstance(node, Token) or _kind(node) in _SHORT for node in inner):
            inside.append(Fill(tuple(items)))
        else:
            for i, item in enumerate(items):
                inside.extend((Line(), item) if i else (item,))
        return Group(
            (self._document(opening), Nest(_INDENT, tuple(inside)), self._document(closing))
        )


def _level(node: Node) -> str:
    """How tightly a chain of operators binds; empty for what is none."""
    match _kind(node):
        case "either" | "both" as level:
            return level
        case "arithmetic":
            assert isinstance(node, Tree)
            return "sum" if node.children[1] in ("+", "-") else "product"
        case "division":
            return "product"
    return ""


def _goes_on(node: Node) -> bool:
    """Whether it is laid out as a chain, whose further lines begin where its first does."""
    if isinstance(node, Tree) and node.data in _COMPARISONS:
        return bool(_level(node.children[0]))
    return bool(_level(node))


def _split_at_commas(nodes: Sequence[Node]) -> list[list[Node]]:
    """The nodes between commas that stand in no brackets; a comma ends its item."""
    items: list[list[Node]] = [[]]
    depth = 0
    for node in nodes:
        depth += (node in ("(", "{")) - (node in (")", "}"))
        items[-1].append(node)
        if node == "," and not depth:
            items.append([])
    return items


def _closing(nodes: Sequence[Node], opening: int) -> int:
    depth = 0
    for i in range(opening, len(nodes)):
        depth += (nodes[i] in ("(", "{")) - (nodes[i] in (")", "}"))
        if not depth:
            return i
    raise AssertionError("the grammar closes what it opens")
