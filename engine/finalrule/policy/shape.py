"""The shape of a file, checked by its JSON Schema and reported at the line.

A schema's `description` completes the sentence "... must be ..."; it is what a person reads.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from finalrule.diagnostics import Report, suggest
from finalrule.policy.tree import Mapping, Node, Scalar, plain
from finalrule.source import Span
from finalrule.values import one_of

if TYPE_CHECKING:
    from jsonschema import ValidationError

MAXIMUM_FINDINGS = 100

_CITE_HELP = (
    "add `cite:` with the paragraph of law or the source that says so,"
    " e.g. `cite: 42 CFR 414.1405(b)(7)`"
)


def check_shape(tree: Node, schema: dict[str, Any], report: Report) -> None:
    """Report all that the schema refuses."""
    from jsonschema import Draft202012Validator  # slow to import, and not needed for a kept policy

    for error in Draft202012Validator(schema).iter_errors(plain(tree)):
        if is_full(report):
            return
        _report(_at(tree, list(error.absolute_path)), error, schema, report)


def is_full(report: Report) -> bool:
    """Whether a file has so many findings that more would help nobody."""
    return len(report.diagnostics) >= MAXIMUM_FINDINGS


@dataclass(frozen=True, slots=True)
class _At:
    """A node, what it is called, and what to underline when something is missing from it."""

    node: Node
    name: str
    key_span: Span


def _at(tree: Node, path: Sequence[str | int]) -> _At:
    node, name, span = tree, "the file", _first(tree)
    for step in path:
        if isinstance(node, Mapping):
            entry = node.entries[str(step)]
            node, name, span = entry.value, f"`{entry.key}`", entry.key_span
        elif not isinstance(node, Scalar):
            node = node.items[int(step)]
            name, span = f"item {int(step) + 1} of {name}", _first(node)
    return _At(node, name, span)


def _first(node: Node) -> Span:
    """What to underline for a node without a key of its own: a block's first key."""
    if isinstance(node, Mapping) and node.entries:
        return next(iter(node.entries.values())).key_span
    return node.span


def _report(at: _At, error: ValidationError, root: dict[str, Any], report: Report) -> None:
    rule, schema = error.validator, error.schema
    value: Any = error.validator_value
    wanted = _description(schema, root)
    if "propertyNames" in error.absolute_schema_path and isinstance(at.node, Mapping):
        key = str(error.instance)
        report.error(
            "bad-name",
            f"`{key}` cannot be a name in {at.name}",
            at.node.entries[key].key_span,
            help=f"write {wanted}" if wanted else "",
        )
    elif rule == "required":
        _report_missing(at, error, root, report)
    elif rule == "additionalProperties" and isinstance(at.node, Mapping):
        _report_unknown(at.node, at.name, schema, report)
    elif rule == "enum":
        words = [word for word in value if isinstance(word, str)]
        report.error(
            "not-one-of",
            f"{at.name} is {_said(at.node)}, and must be {one_of(words)}",
            at.node.span,
            help=suggest(str(error.instance), words)
            or (f"write `{words[0]}`, or leave the key out" if len(words) == 1 else ""),
        )
    else:
        span = at.node.span if isinstance(at.node, Scalar) and at.node.text else at.key_span
        report.error(
            "wrong-shape",
            f"{at.name} must be {wanted or value}",
            span,
            help=f"it is {_said(at.node)} here",
        )


def _description(schema: Any, root: dict[str, Any]) -> str:
    """A schema's own description, or that of the definition that it refers to."""
    if not isinstance(schema, dict):
        return ""
    if "description" not in schema and "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    return str(schema.get("description", ""))


def _report_missing(at: _At, error: ValidationError, root: dict[str, Any], report: Report) -> None:
    # One finding of the schema for each key; those already reported are dropped by the report.
    known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
    required: Any = error.validator_value
    instance: Any = error.instance
    for key in required:
        if key in instance:
            continue
        if key == "cite":
            report.error(
                "missing-citation", f"{at.name} has no `cite`", at.key_span, help=_CITE_HELP
            )
            continue
        wanted = _description(known.get(key, {}), root)
        said = f"add `{key}:` with {wanted}" if wanted else f"add `{key}:`"
        report.error("missing-key", f"{at.name} has no `{key}`", at.key_span, help=said)


def _report_unknown(node: Mapping, name: str, schema: Any, report: Report) -> None:
    known = list(schema.get("properties", {}))
    patterns = list(schema.get("patternProperties", {}))
    for key, entry in node.entries.items():
        if key in known or any(re.search(pattern, key) for pattern in patterns):
            continue
        if is_full(report):
            return
        report.error(
            "unknown-key",
            f"{name} cannot have a key `{key}`",
            entry.key_span,
            help=suggest(key, known) or f"the keys here are {', '.join(known)}",
        )


def _said(node: Node) -> str:
    if plain(node) in ("", [], {}):
        return "empty"
    if isinstance(node, Scalar):
        return f"`{node.text}`"
    return "a block of keys" if isinstance(node, Mapping) else "a list"
