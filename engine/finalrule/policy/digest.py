"""The digest of a policy: equal for equal policies, however their files are written."""

from __future__ import annotations

import datetime
import hashlib
import json
from fractions import Fraction

from finalrule.policy.model import Figure, Policy
from finalrule.values import Value


def policy_digest(policy: Policy) -> str:
    """SHA-256, in hexadecimal, of all that a result may depend on or show: the id, years, stage and
    tracks, and each figure, rounding, table row, variant and catalogue with its citation and
    whether it is verified. Notes, titles, `carried_from`, order, places and assumed values are not
    part of it."""
    text = json.dumps(_canonical(policy), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(policy: Policy) -> dict[str, object]:
    return {
        "policy": policy.id,
        "years": [policy.performance_year, policy.payment_year],
        "stage": policy.stage,
        "tracks": sorted(policy.tracks),
        "published": [policy.published.date.isoformat(), policy.published.cite.text],
        "parameters": {name: _figure(figure) for name, figure in policy.parameters.items()},
        "rounding": {
            name: [each.unit, each.places, each.mode, each.cite.text, each.unverified]
            for name, each in policy.roundings.items()
        },
        "tables": {
            name: {
                "cite": table.cite.text,
                "rows": {
                    row.name: {
                        "cells": {column: cell.text for column, cell in row.cells.items()},
                        "cite": [row.cite.text, row.unverified],
                    }
                    for row in table.rows.values()
                },
            }
            for name, table in policy.tables.items()
        },
        "rules": {
            name: [rule.variant, rule.not_in_force, rule.cite.text, rule.unverified]
            for name, rule in policy.rules.items()
        },
        "catalogues": {
            name: [each.digest, each.cite.text, each.unverified]
            for name, each in policy.catalogues.items()
        },
    }


def _figure(figure: Figure) -> list[object]:
    return [
        figure.unit,
        figure.status or _exact(figure.value),
        figure.cite.text,
        figure.unverified,
    ]


def _exact(value: Value | None) -> object:
    """A value as exact text: `9/20` for 45 %. Codes are a sorted list, and so unlike any text."""
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime.date):
        return value.isoformat()
    return str(value) if isinstance(value, Fraction) else value
