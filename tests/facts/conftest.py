"""Declarations of the real rules, measures of the real catalogues, and reading of files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import pytest

from facts.documents import Json, Outcome, Read
from finalrule.catalogue.layout import LAYOUTS
from finalrule.catalogue.read import Catalogue, read_rows
from finalrule.core import ir
from finalrule.core.declare import declare
from finalrule.diagnostics import Failure, Report
from finalrule.facts.assemble import read_cases
from finalrule.language.parse import parse
from finalrule.places import policies_root
from finalrule.source import Source

_FILES = {
    "quality_measure": "quality_measures.csv",
    "measure_collection_type": "measure_collection_types.csv",
    "improvement_activity": "improvement_activities.csv",
    "pi_measure": "pi_measures.csv",
    "cost_measure": "cost_measures.csv",
}


def catalogues_of(year: int) -> dict[str, Catalogue]:
    """The year's catalogues by the names that rules give them."""
    folder = policies_root() / "measures" / str(year)
    return {name: read_rows(folder / file, LAYOUTS[file].key) for name, file in _FILES.items()}


def declared_program(year: int) -> ir.Program:
    """A program with the entities and facts that the rules files declare, and no rules."""
    report = Report()
    files = sorted((policies_root() / "rules").rglob("*.rules"))
    sources = [Source.read(file, file.name) for file in files]
    modules = [(source, module) for source in sources if (module := parse(source, report))]
    known = declare(modules, report)
    report.stop_if_errors()
    return ir.Program(
        f"{year}-final", "", year, year + 2, "final", ("mips",), "", "",
        tuple(known.entities.values()), tuple(known.facts.values()), (), (), (), (), (),
    )  # fmt: skip


@pytest.fixture(scope="session")
def program_2019() -> ir.Program:
    return declared_program(2019)


@pytest.fixture(scope="session")
def program_2020() -> ir.Program:
    return declared_program(2020)


@pytest.fixture(scope="session")
def catalogues_2019() -> dict[str, Catalogue]:
    return catalogues_of(2019)


@pytest.fixture(scope="session")
def catalogues_2020() -> dict[str, Catalogue]:
    return catalogues_of(2020)


@pytest.fixture
def read(
    tmp_path: Path,
    program_2019: ir.Program,
    catalogues_2019: Mapping[str, Catalogue],
    program_2020: ir.Program,
    catalogues_2020: Mapping[str, Catalogue],
) -> Read:
    """Write documents to files and read them: submissions, then `facts`, `cost` (JSON, or text for
    CSV) and `given`, under the policy of `year`."""

    def run(
        *submissions: Json,
        facts: Sequence[Json] = (),
        cost: Sequence[Json] = (),
        given: Mapping[str, Fraction] | None = None,
        year: int = 2019,
        as_year: bool = False,
    ) -> Outcome:
        def write(kind: str, documents: Sequence[Json]) -> list[Path]:
            paths = []
            for number, document in enumerate(documents):
                path = (
                    tmp_path / f"{kind}{number}{'.csv' if isinstance(document, str) else '.json'}"
                )
                text = document if isinstance(document, str) else json.dumps(document)
                path.write_text(text, encoding="utf-8")
                paths.append(path)
            return paths

        try:
            cases, warnings = read_cases(
                program_2019 if year == 2019 else program_2020,
                catalogues_2019 if year == 2019 else catalogues_2020,
                write("submission", submissions),
                write("facts", facts),
                write("cost", cost),
                given or {},
                as_year,
            )
        except Failure as failure:
            return Outcome([], failure.diagnostics)
        return Outcome(cases, warnings)

    return run
