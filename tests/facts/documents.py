"""Files of 2019 as data, to be changed and written, and what reading them gives.

Every TIN begins with 000 (CMS's test TINs) unless the test is about that. The NPIs' check digits
are right: by Luhn's method 80840 1234567893 sums to 70 and 80840 1003000126 to 40.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from finalrule.diagnostics import Diagnostic, Pointer
from finalrule.facts.case import Case

TIN = "000456789"
NPI = "1234567893"
OTHER_NPI = "1003000126"

Json = Any


def single(met: int, not_met: int, eligible: int, exclusion: int = 0, exception: int = 0) -> Json:
    """The value of a measurement with one performance rate."""
    return {
        "isEndToEndReported": False,
        "performanceMet": met,
        "performanceNotMet": not_met,
        "eligiblePopulation": eligible,
        "eligiblePopulationExclusion": exclusion,
        "eligiblePopulationException": exception,
    }


def measured(measure_id: str, value: Json) -> Json:
    return {"measureId": measure_id, "value": value}


def a_set(category: str, method: str, *measurements: Json, **changes: Json) -> Json:
    """A measurement set of 2019."""
    made = {
        "category": category,
        "submissionMethod": method,
        "performanceStart": "2019-01-01",
        "performanceEnd": "2019-12-31",
        "measurements": list(measurements),
    }
    return made | changes


def submission(*sets: Json, **changes: Json) -> Json:
    """An individual's submission of 2019."""
    made = {
        "entityType": "individual",
        "taxpayerIdentificationNumber": TIN,
        "nationalProviderIdentifier": NPI,
        "performanceYear": 2019,
        "measurementSets": list(sets),
    }
    return made | changes


def group(*sets: Json, **changes: Json) -> Json:
    """A group's submission of 2019."""
    made = submission(*sets)
    del made["nationalProviderIdentifier"]
    return made | {"entityType": "group"} | changes


def without(document: Json, *names: str) -> Json:
    """A copy of an object without some of its keys."""
    return {name: value for name, value in document.items() if name not in names}


def changed(document: Json, pointer: str, value: Json) -> Json:
    """A deep copy with the value at a JSON pointer replaced (or added)."""
    made = copy.deepcopy(document)
    *path, last = pointer.strip("/").split("/")
    place = made
    for token in path:
        place = place[int(token)] if isinstance(place, list) else place[token]
    place[int(last) if isinstance(place, list) else last] = value
    return made


class Outcome:
    """Cases, or the errors that stood in their way; warnings in either case."""

    def __init__(self, cases: list[Case], findings: Sequence[Diagnostic]) -> None:
        self.cases = cases
        self.errors = [found for found in findings if found.severity == "error"]
        self.warnings = [found for found in findings if found.severity == "warning"]

    @property
    def case(self) -> Case:
        assert not self.errors, "\n".join(error.render() for error in self.errors)
        assert len(self.cases) == 1
        return self.cases[0]

    def records(self, entity: str) -> list[dict[str, Any]]:
        """The facts of all records of an entity, by name."""
        return [
            {name: given.value for name, given in record.facts.items()}
            for record in self.case.root.walk()
            if record.entity == entity
        ]

    def record(self, entity: str) -> dict[str, Any]:
        records = self.records(entity)
        assert len(records) == 1
        return records[0]

    def origin(self, entity: str, name: str) -> str:
        found = [r for r in self.case.root.walk() if r.entity == entity and name in r.facts]
        return found[0].facts[name].origin

    @property
    def error(self) -> Diagnostic:
        """The only error."""
        assert len(self.errors) == 1, [error.render() for error in self.errors]
        return self.errors[0]

    @property
    def warning(self) -> Diagnostic:
        """The only warning."""
        assert len(self.warnings) == 1, [warning.render() for warning in self.warnings]
        return self.warnings[0]


def pointer(finding: Diagnostic) -> str:
    """The JSON pointer at which a finding is reported."""
    at = finding.labels[0].at
    assert isinstance(at, Pointer)
    return at.pointer


Read = Callable[..., Outcome]
