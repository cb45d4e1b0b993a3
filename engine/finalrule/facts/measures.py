"""What the readers of submissions and cost results need to know of a year's measures, gathered from
the rows of its catalogues (policies/measures/<year>/)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from finalrule.catalogue.read import Catalogue

# Submission methods of CMS's interface and the collection types of 42 CFR 414.1305. A registry also
# sends QCDR measures, which are a collection type of their own.
COLLECTION_TYPES = {
    "registry": "mips_cqm",
    "electronicHealthRecord": "ecqm",
    "claims": "part_b_claims",
    "cmsWebInterface": "web_interface",
    "certifiedSurveyVendor": "cahps",
    "administrativeClaims": "administrative_claims",
}


@dataclass(frozen=True, slots=True)
class QualityMeasure:
    """`strata` in the catalogue's order; `algorithm` says how several rates become one."""

    measure_id: str
    is_qcdr: bool
    metric_type: str
    algorithm: str
    strata: tuple[str, ...]
    collection_types: frozenset[str]

    def collection_type(self, submission_method: str) -> str:
        """The collection type of this measure's data when they come by a submission method."""
        if self.is_qcdr and submission_method == "registry":
            return "qcdr"
        return COLLECTION_TYPES[submission_method]


@dataclass(frozen=True, slots=True)
class PiMeasure:
    """`exclusions` may not be claimed together with the measure."""

    measure_id: str
    is_proportion: bool
    exclusions: frozenset[str]


@dataclass(frozen=True, slots=True)
class Measures:
    """A performance year's measures, each kind by its identifier."""

    quality: Mapping[str, QualityMeasure]
    activities: frozenset[str]
    pi: Mapping[str, PiMeasure]
    cost: frozenset[str]


def measures_of(catalogues: Mapping[str, Catalogue]) -> Measures:
    """From the catalogues quality_measure, measure_collection_type, improvement_activity,
    pi_measure and cost_measure. Raises KeyError when one is not given."""
    return Measures(
        _quality(catalogues["quality_measure"], catalogues["measure_collection_type"]),
        frozenset(key[0] for key in catalogues["improvement_activity"].rows),
        _pi(catalogues["pi_measure"]),
        frozenset(key[0] for key in catalogues["cost_measure"].rows),
    )


def _quality(measures: Catalogue, ways: Catalogue) -> dict[str, QualityMeasure]:
    collected: dict[str, set[str]] = {}
    for measure_id, collection_type in ways.rows:
        collected.setdefault(measure_id, set()).add(collection_type)
    found: dict[str, QualityMeasure] = {}
    for (measure_id,), row in measures.rows.items():
        strata = measures.cell(row, "strata")
        found[measure_id] = QualityMeasure(
            measure_id,
            measures.cell(row, "is_qcdr") == "yes",
            measures.cell(row, "metric_type"),
            measures.cell(row, "overall_algorithm"),
            tuple(strata.split(";")) if strata else (),
            frozenset(collected.get(measure_id, ())),
        )
    return found


def _pi(measures: Catalogue) -> dict[str, PiMeasure]:
    excluded: dict[str, set[str]] = {}
    for (measure_id,), row in measures.rows.items():
        if of := measures.cell(row, "exclusion_of"):
            excluded.setdefault(of, set()).add(measure_id)
        if exclusion := measures.cell(row, "exclusion"):
            excluded.setdefault(measure_id, set()).add(exclusion)
    return {
        measure_id: PiMeasure(
            measure_id,
            measures.cell(row, "metric_type") == "proportion",
            frozenset(excluded.get(measure_id, ())),
        )
        for (measure_id,), row in measures.rows.items()
    }
