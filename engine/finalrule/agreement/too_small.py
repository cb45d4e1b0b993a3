"""What generated cases are too small for."""

from __future__ import annotations

from collections.abc import Mapping

# By rule and winner, with the reason.
TOO_SMALL: Mapping[tuple[str, str], str] = {
    ("additional_scaling_factor", "funds"): (
        "it takes more than 50 TIN/NPIs with $100,000,000 each, and a case has a few"
    ),
}
