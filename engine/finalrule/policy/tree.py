"""A YAML document as a tree of texts, each with its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from finalrule.source import Span


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text as written, its quotation marks taken away."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Listing:
    items: tuple[Node, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Entry:
    """A key and its value."""

    key: str
    key_span: Span
    value: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    """Entries by key, in the order of the file."""

    entries: dict[str, Entry]
    span: Span


Node = Scalar | Listing | Mapping


def plain(node: Node) -> Any:
    """The tree as text, lists and dicts."""
    if isinstance(node, Scalar):
        return node.text
    if isinstance(node, Listing):
        return [plain(item) for item in node.items]
    return {key: plain(entry.value) for key, entry in node.entries.items()}
