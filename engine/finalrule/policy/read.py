"""A year file as a tree of texts with places, its shape checked by grammar/year.schema.json."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from finalrule.places import grammar_root
from finalrule.policy.positioned import load, read_source
from finalrule.policy.tree import Mapping


@cache
def schema(name: str) -> dict[str, Any]:
    """The JSON Schema `grammar/NAME.schema.json`."""
    text = (grammar_root() / f"{name}.schema.json").read_text(encoding="utf-8")
    read: dict[str, Any] = json.loads(text)
    return read


def read_year_file(path: Path, known_as: str | None = None) -> Mapping:
    """The tree of a year file. Raises Failure with everything that YAML, this reader or the schema
    refuses. Afterwards every value has the kind that the schema gives it."""
    tree = load(read_source(path, known_as), schema("year"), keep=True)
    assert isinstance(tree, Mapping)  # the schema's `type: object`
    return tree
