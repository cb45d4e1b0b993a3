"""Citations of law and of named sources, parsed.

Forms: `42 CFR 414.1405(b)(7)` (a paragraph may be a definition, its term as the regulation has it
or in small letters: `42 CFR 414.1305 (MIPS determination period)(1)`), `84 FR 63031` or `84 FR
63031-63035`, `42 U.S.C. 1395w-4(q)(6)(A)`, and `KEY rest`, where KEY is a source named in
policies/sources.yaml, e.g. `HPA-2019 III.K.3.e(1)`.
"""

from __future__ import annotations

import re
from collections.abc import Collection

import msgspec

_CFR = re.compile(
    r"(?P<title>\d+) CFR (?P<section>\d+\.\d+)"
    # No term has less than four letters: `414.1405 (b)` is a paragraph written with a blank.
    r"(?P<term> \([A-Za-z][^()]{3,}\))?(?P<path>(\([A-Za-z0-9]+\))*)",
    re.ASCII,
)
_FR = re.compile(r"(?P<volume>\d+) FR (?P<page>\d+)(-(?P<last>\d+))?", re.ASCII)
_USC = re.compile(
    r"(?P<title>\d+) U\.S\.C\. (?P<section>\w+(-\w+)?)(?P<path>(\([A-Za-z0-9]+\))*)", re.ASCII
)
_NAMED = re.compile(r"(?P<key>[A-Z][A-Z0-9]*(-[A-Z0-9]+)*)( (?P<rest>\S.*))?", re.ASCII)


class Citation(msgspec.Struct, frozen=True, order=True):
    """A parsed citation. `kind` is cfr, fr, usc or source; `work` the section, volume or key;
    `path` the paragraph, page or place in the work; `text` the citation as written."""

    text: str
    kind: str
    work: str
    path: str

    def __str__(self) -> str:
        return self.text

    @property
    def part(self) -> str:
        """What to group by: the section of the regulation, else the work itself."""
        return f"42 CFR {self.work}" if self.kind == "cfr" else self.work


def parse_citation(text: str, sources: Collection[str] = ()) -> Citation | None:
    """Parse a citation; None when it has none of the forms or names an unknown source."""
    text = " ".join(text.split())
    if match := _CFR.fullmatch(text):
        path = (match["term"] or "").strip() + match["path"]
        return Citation(text, "cfr", match["section"], path)
    if match := _FR.fullmatch(text):
        if match["last"] and int(match["last"]) <= int(match["page"]):
            return None
        return Citation(text, "fr", f"{match['volume']} FR", match["page"])
    if match := _USC.fullmatch(text):
        return Citation(text, "usc", f"{match['title']} U.S.C. {match['section']}", match["path"])
    if (match := _NAMED.fullmatch(text)) and match["key"] in sources:
        return Citation(text, "source", match["key"], match["rest"] or "")
    return None
