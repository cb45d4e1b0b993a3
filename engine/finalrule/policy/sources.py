"""The sources that citations name by key (policies/sources.yaml)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from finalrule.policy.positioned import load, read_source
from finalrule.policy.read import schema
from finalrule.policy.tree import Mapping, Scalar
from finalrule.source import Span


@dataclass(frozen=True, slots=True)
class NamedSource:
    """A source beside the law. `date` is as exact as is known (`2019`, `2019-11`, `2019-11-15`)
    or empty; `document` is the issuer's own number, or empty."""

    key: str
    title: str
    issuer: str
    date: str
    document: str
    note: str
    span: Span


def load_sources(policies_root: Path) -> dict[str, NamedSource]:
    """The sources by key. Raises Failure with all that is wrong in the file."""
    tree = load(read_source(policies_root / "sources.yaml"), schema("sources"), keep=True)
    assert isinstance(tree, Mapping)
    sources = {}
    for key, entry in tree.entries.items():
        assert isinstance(entry.value, Mapping)
        said = {name: each.value for name, each in entry.value.entries.items()}
        text = {name: node.text for name, node in said.items() if isinstance(node, Scalar)}
        sources[key] = NamedSource(
            key,
            text["title"],
            text["issuer"],
            text.get("date", ""),
            text.get("document", ""),
            text.get("note", ""),
            entry.key_span,
        )
    return sources
