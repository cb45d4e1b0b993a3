"""The tables of docs/files.md are made of what the readers and the rules declare. With
FINALRULE_WRITE_DOCS set they are written anew instead of being compared."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from finalrule.core.ir import Program
from finalrule.facts.clinician import API_FACTS
from finalrule.facts.declared import Declared
from finalrule.facts.fact_sources import in_block
from finalrule.facts.template import fact_lines
from finalrule.load import load_program

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "files.md"
PLACES = {
    "data": "the clinician",
    "organization": "`organizations[]`",
    "own": "`individualScenario`",
    "group": "`groupScenario`",
    "unit": "the unit's scenario",
}
ONLY = {"": "", "group": " (groups)", "individual": " (individuals)"}


@pytest.fixture(scope="module")
def program() -> Program:
    return load_program("2020-final")


def fields() -> Iterator[str]:
    yield "| field | where | facts |"
    yield "|---|---|---|"
    found: dict[tuple[str, str], list[str]] = {}
    for row in API_FACTS:
        path = row.path.rpartition(" & ")[2]
        found.setdefault((path, PLACES[row.where]), []).append(f"`{row.fact}`{ONLY[row.only]}")
    places = list(PLACES.values())
    for (path, place), facts in sorted(found.items(), key=lambda one: places.index(one[0][1])):
        yield f"| `{path}` | {place} | {', '.join(facts)} |"


def block(program: Program) -> Iterator[str]:
    declared = Declared(program)
    entity = ""
    for line in fact_lines(program):
        if not in_block(line.entity, line.name):
            continue
        if line.entity != entity:
            entity = line.entity
            made = declared.entities[entity]
            keys = " and ".join(f"`{name}`" for name in declared.keys(entity))
            within = "" if made.parent in ("program", "scoring_unit") else f", in a `{made.parent}`"
            where = f"a list `{entity}`{within}; key {keys}" if keys else "in the block itself"
            yield f"\n**{entity}** ({where}). {made.describe}.\n"
            yield "| fact | type | without it | what it is |"
            yield "|---|---|---|---|"
        yield f"| `{line.name}` | {line.type} | {line.absent} | {line.describe} |"


def test_tables(program: Program) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for name, lines in (
        ("fields of CMS's answer", fields()),
        ("facts of the block", block(program)),
    ):
        stretch = re.compile(f"(<!-- begin: {name} -->\n)(.*?)(<!-- end: {name} -->)", re.S)
        (found,) = stretch.finditer(text)
        made = "\n".join(lines).strip("\n") + "\n"
        if os.environ.get("FINALRULE_WRITE_DOCS"):
            text = f"{text[: found.end(1)]}{made}{text[found.start(3) :]}"
            DOCUMENT.write_text(text, encoding="utf-8")
        else:
            assert found[2] == made


def test_every_policy_declares_the_same_facts(program: Program) -> None:
    for other in ("2019-final", "2020-proposed"):
        assert fact_lines(load_program(other)) == fact_lines(program)


def test_links_lead_somewhere() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    titles = {re.sub(r"\W+", "-", t.lower()) for t in re.findall(r"^#+ (.+)$", text, re.M)}
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    for link in links:
        if link.startswith("#"):
            assert link[1:] in titles, link
        else:
            assert (DOCUMENT.parent / link).exists(), link
