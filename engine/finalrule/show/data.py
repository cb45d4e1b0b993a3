"""What a policy says of a name, as JSON-ready data: the shape `show.v1` (docs/show.md)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from finalrule.catalogue.read import Catalogue, read_rows
from finalrule.compare.model import Side
from finalrule.compare.stated import Stated, Statements, part_of
from finalrule.core import ir
from finalrule.core.bind import rules_in_force
from finalrule.core.compile import Compiled
from finalrule.core.expressions import constant_value
from finalrule.core.readers import Read, Sort, read_by, readers
from finalrule.core.text import Names, expression_text, names_in
from finalrule.diagnostics import Diagnostic, Failure, Report, suggest
from finalrule.policy.resolve import find_policies, load_policy
from finalrule.show.source import block_text
from finalrule.source import Place
from finalrule.values import DEFAULT_SCALE, Enumeration, Number, Type, show, type_name

FORMAT = "show.v1"
Data = dict[str, Any]


class Shown:
    """One compiled policy as data."""

    def __init__(self, compiled: Compiled, root: Path) -> None:
        self.compiled, self.root = compiled, root
        self.work, self.program = compiled.work, compiled.program
        self.policy, self.known = compiled.work.policy, compiled.work.known
        self.statements = Statements(compiled)
        self.readers = readers(self.work.ordered)
        self.lowered = {one.rule.name: one for one in self.work.ordered}

    # --- the policy ------------------------------------------------------------------------------

    def head(self) -> Data:
        """The policy's id, title, years and publication."""
        policy = self.policy
        return {
            "policy": policy.id,
            "title": policy.title,
            "performance_year": policy.performance_year,
            "payment_year": policy.payment_year,
            "stage": policy.stage,
            "tracks": list(policy.tracks),
            "published": {
                "title": policy.published.title,
                "date": policy.published.date.isoformat(),
                "cite": policy.published.cite.text,
            },
            "path": policy.span.place.path,
            "digest": self.program.digest,
        }

    def whole(self) -> Data:
        """The policy with everything that its year file states; parameters by part."""
        stated = self.statements
        parts: dict[str, list[Data]] = {}
        for name, parameter in stated.parameters.items():
            parts.setdefault(part_of(parameter.paragraph), []).append(_stated(name, parameter))
        return {
            **self.head(),
            "kind": "policy",
            "parameters": [
                {"part": part, "parameters": parts[part]} for part in in_order(parts)
            ],
            "roundings": [_stated(name, each) for name, each in stated.roundings.items()],
            "tables": [_stated(name, each.stated) for name, each in stated.tables.items()],
            "rules": [
                _stated(name, stated.variants[name])
                for name in self.known.rules
                if name in self.policy.rules
            ],
            "rules_in_force": len(self.program.rules),
            "catalogues": [
                {**_stated(name, each), "digest": self.policy.catalogues[name].digest}
                for name, each in stated.catalogues.items()
            ],
            "assumed": [_stated(name, each) for name, each in stated.assumed.items()],
        }
