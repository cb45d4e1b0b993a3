"""The files of a year's folder under policies/measures/: their columns, key columns first. What the
columns mean is told in policies/measures/README.md."""

from __future__ import annotations

from dataclasses import dataclass

# A file's rows by key: all cells, in the order of the layout's columns.
Records = dict[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Layout:
    """One file's columns; the first `keys` of them are the key."""

    keys: int
    columns: tuple[str, ...]

    @property
    def key(self) -> tuple[str, ...]:
        return self.columns[: self.keys]


def _layout(keys: int, columns: str) -> Layout:
    return Layout(keys, tuple(columns.split()))


DECILES = tuple(f"d{decile}" for decile in range(1, 11))

LAYOUTS: dict[str, Layout] = {
    "quality_measures.csv": _layout(
        1,
        "measure_id is_qcdr measure_type metric_type outcome patient_experience high_priority"
        " inverse risk_adjusted specialty_sets strata overall_algorithm",
    ),
    "measure_collection_types.csv": _layout(
        2, "measure_id collection_type guideline_changed icd10_impacted"
    ),
    "benchmarks.csv": _layout(
        2,
        "measure_id collection_type benchmark_year metric_type inverse topped_out topped_out_cap "
        + " ".join(DECILES),
    ),
    "improvement_activities.csv": _layout(1, "activity_id weight subcategory"),
    "pi_measures.csv": _layout(
        1,
        "measure_id objective metric_type category required bonus weight exclusion exclusion_of",
    ),
    "cost_measures.csv": _layout(1, "measure_id case_minimum_type group_only cite"),
    "measure_clusters.csv": _layout(3, "collection_type kind name measure_ids"),
}
