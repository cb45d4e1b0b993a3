"""CMS's export of a year's measures into our own format (policies/measures/README.md).

`read_export` checks everything and reports all that is wrong; nothing is guessed. What is wrong in
CMS's own files stands in the header's known defects, each with source and reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from finalrule.catalogue import cms
from finalrule.catalogue.cells import Cells, Table
from finalrule.catalogue.header import Defect, Header, read_header
from finalrule.catalogue.layout import DECILES, LAYOUTS, Records
from finalrule.diagnostics import Label, Report
from finalrule.values import decimal_text

YEARS = (2019, 2020)

_CLUSTER_NAME = re.compile(r"[a-z][A-Za-z0-9]*")


@dataclass(frozen=True, slots=True)
class Imported:
    """A year's measures in our format: rows by file of the layout, and their header."""

    header: Header
    files: dict[str, Records]

    @property
    def defects(self) -> tuple[Defect, ...]:
        return self.header.defects


def read_export(folder: Path, year: int, header_path: Path) -> Imported:
    """Read CMS's export. Raises Failure with everything found when there is an error that no known
    defect explains."""
    report = Report()
    header = read_header(header_path, year, report)
    defects = header.defects if header else ()
    tables = {file: Table.read(folder, file, defects, report) for file in cms.EXPORTS}
    report.stop_if_errors()
    assert header is not None
    reading = _Reading(year, report, {file: t for file, t in tables.items() if t is not None})
    files = reading.all()
    for table in reading.tables.values():
        table.check_defects_met()
    report.stop_if_errors()
    return Imported(header, {file: dict(sorted(files[file].items())) for file in LAYOUTS})


@dataclass(frozen=True, slots=True)
class _Measure:
    """What other files are held against: a listed measure and our words for its columns."""

    cells: Cells
    metric_type: str
    inverse: str
    high_priority: str  # empty for a cost measure: it has none
    collection_types: frozenset[str]
    cost: bool


class _Reading:
    def __init__(self, year: int, report: Report, tables: dict[str, Table]) -> None:
        self.year = year
        self.report = report
        self.tables = tables
        self.measures: dict[str, _Measure] = {}
        self.qcdr: set[str] = set()
        self.files: dict[str, Records] = {file: {} for file in LAYOUTS}

    def all(self) -> dict[str, Records]:
        for cells in self.tables["quality_measures.csv"].rows():
            self.quality_measure(cells)
        for cells in self.tables["cost_measures.csv"].rows():
            self.cost_measure(cells)
        for cells in self.tables["benchmarks.csv"].rows():
            self.benchmark(cells)
        for cells in self.tables["improvement_activities.csv"].rows():
            self.activity(cells)
        self.pi_measures([*self.tables["pi_measures.csv"].rows()])
        for cells in self.tables["clinical_clusters.csv"].rows():
            self.cluster(cells)
        return self.files

    def add(self, file: str, *cells: str) -> None:
        self.files[file][cells[: LAYOUTS[file].keys]] = cells

    def quality_measure(self, cells: Cells) -> None:
        cells.check_empty()
        measure_id = cells.identifier("measureId")
        is_qcdr = cells.flag("isQcdr")
        if is_qcdr == "yes":
            self.qcdr.add(measure_id)
        measure_type = cells.word("measureType", cms.MEASURE_TYPES)
        metric_type = cells.word("metricType", cms.QUALITY_METRICS)
        high_priority = cells.flag("isHighPriority")
        inverse = cells.flag("isInverse")
        if measure_type in cms.ALWAYS_HIGH_PRIORITY and high_priority == "no":
            cells.error(
                "measures-contradiction",
                f"{measure_id} is of type {measure_type}, but not high priority",
                "isHighPriority",
                Label(cells.span("measureType"), "this type always is"),
                help="42 CFR 414.1305 (high priority measure); if CMS's file is wrong, add a known"
                " defect to header.yaml",
            )
        types = self.collection_types(cells, measure_id)
        if not types:
            cells.error(
                "measures-value",
                f"{measure_id} has no submission method",
                "submissionMethods",
                help="name at least one",
            )
        for collection_type in types:
            self.add(
                "measure_collection_types.csv",
                measure_id,
                collection_type,
                self.marked(
                    cells,
                    "isClinicalGuidelineChanged",
                    "clinicalGuidelineChanged",
                    measure_id,
                    collection_type,
                ),
                self.marked(cells, "isIcdImpacted", "icdImpacted", measure_id, collection_type),
            )
        self.add(
            "quality_measures.csv",
            measure_id,
            is_qcdr,
            measure_type,
            metric_type,
            _yes(measure_type in cms.OUTCOMES),
            _yes(measure_type == cms.PATIENT_EXPERIENCE),
            high_priority,
            inverse,
            # MD's schema of 2019 has false for a measure without the property (the CAHPS items).
            cells.flag("isRiskAdjusted", empty="no"),
            ";".join(cells.words("measureSets", cms.SPECIALTY_SETS)),
            ";".join(self.strata(cells, metric_type)),
            cells.word("overallAlgorithm", cms.OVERALL_ALGORITHMS, empty="none"),
        )
        self.measures[measure_id] = _Measure(
            cells, metric_type, inverse, high_priority, frozenset(types), cost=False
        )

    def collection_types(
        self, cells: Cells, measure_id: str, column: str = "submissionMethods"
    ) -> tuple[str, ...]:
        """CMS's submission methods as collection types."""
        words = cms.COLLECTION_TYPES
        if measure_id in self.qcdr:
            words = {"registry": "qcdr"}
        return cells.words(column, words)

    def marked(
        self, cells: Cells, flag: str, listed: str, measure_id: str, collection_type: str
    ) -> str:
        """Whether a flag applies to a collection type: to those listed, or, as in 2019 where MD has
        the flag alone, to all of the measure."""
        is_set = cells.flag(flag, empty="no")
        only = self.collection_types(cells, measure_id, listed)
        own = self.collection_types(cells, measure_id)
        if only and is_set == "no":
            cells.error(
                "measures-contradiction",
                f"`{listed}` is filled, but `{flag}` is not set",
                listed,
                Label(cells.span(flag), "not set"),
                help="set the flag, or empty the list",
            )
        if not set(only) <= set(own):
            cells.error(
                "measures-reference",
                f"{measure_id} is not submitted in this way",
                listed,
                Label(cells.span("submissionMethods"), "its submission methods"),
                help="name methods of the measure alone",
            )
        return _yes(is_set == "yes" and (not only or collection_type in only))

    def strata(self, cells: Cells, metric_type: str) -> tuple[str, ...]:
        """The names of the strata, sorted. A single stratum without a name is written `None`."""
        names = cells.texts("strataNames")
        count = cells.number("nStrata")
        if count != (len(names) or None):
            cells.error(
                "measures-contradiction",
                f"there are {len(names)} strata, `nStrata` says otherwise",
                "nStrata",
                Label(cells.span("strataNames"), "the strata"),
                help="correct the number or the names",
            )
        multiple = metric_type in cms.MULTIPLE_RATES
        has_algorithm = bool(cells.raw("overallAlgorithm"))
        if metric_type and (multiple != has_algorithm or (multiple and not names)):
            # MD's schema of 2019 demands both of a measure with several rates.
            cells.error(
                "measures-contradiction",
                "strata and an overall algorithm belong to measures with several rates, and"
                " an algorithm to no other",
                "metricType",
                Label(cells.span("overallAlgorithm"), "the algorithm"),
                help="correct the metric type, the strata or the algorithm",
            )
        return () if names == ("None",) else tuple(sorted(names))

    def cost_measure(self, cells: Cells) -> None:
        cells.check_empty()
        measure_id = cells.identifier("measureId")
        metric_type = cells.word("metricType", {"costScore": "cost_score"})
        inverse = cells.word("isInverse", {"1": "yes"})
        types = cells.words("submissionMethods", {"administrativeClaims": "administrative_claims"})
        known = cms.COST_MEASURES.get(measure_id)
        if known is None:
            cells.error(
                "measures-reference",
                f"the type of cost measure {measure_id} is not known",
                "measureId",
                help="its case minimum (42 CFR 414.1350(c)) depends on it: add"
                " it to COST_MEASURES with its source",
            )
        else:
            self.add(
                "cost_measures.csv",
                measure_id,
                known.case_minimum_type,
                _yes(known.group_only),
                known.cite,
            )
        if measure_id in self.measures:
            cells.error(
                "catalogue-key",
                f"{measure_id} is a quality measure too",
                "measureId",
                Label(self.measures[measure_id].cells.span("measureId"), "here"),
                help="an identifier names one measure",
            )
        self.measures[measure_id] = _Measure(
            cells, metric_type, inverse, "", frozenset(types), cost=True
        )

    def benchmark(self, cells: Cells) -> None:
        cells.check_empty()
        measure_id = cells.identifier("measureId")
        measure = self.measures.get(measure_id)
        if measure is None:
            cells.error(
                "measures-reference",
                f"{measure_id} is no measure of {self.year}",
                "measureId",
                help="list the measure; if CMS's file is wrong, add a known defect to header.yaml",
            )
        words = {"registry": "qcdr"} if measure_id in self.qcdr else cms.COLLECTION_TYPES
        collection_type = cells.word("submissionMethod", words)
        metric_type = cells.word("metricType", cms.QUALITY_METRICS)
        inverse = cells.flag("isInverse")
        topped_out = cells.flag("isToppedOut")
        # MD's schema of 2019: true means at most seven points; a row without it has no cap.
        capped = cells.flag("isToppedOutByProgram", empty="no" if topped_out == "no" else None)
        if measure is not None:
            self.agrees(cells, measure, metric_type, inverse, collection_type)
        if capped == "yes" and (topped_out == "no" or collection_type == "web_interface"):
            cells.error(
                "measures-contradiction",
                "the seven-point cap is for topped out benchmarks outside the Web Interface",
                "isToppedOutByProgram",
                cells.span("isToppedOut"),
                help="42 CFR 414.1380(b)(1)(iv)(B)",
            )
        year = cells.raw("benchmarkYear")
        if year not in (str(self.year), str(self.year - 2)):
            cells.error(
                "measures-value",
                f"`{year}` is no benchmark year of {self.year}",
                "benchmarkYear",
                help=f"benchmarks are of the performance year {self.year}"
                f" or of {self.year - 2} (42 CFR 414.1380(b)(1)(ii))",
            )
        bounds = self.bounds(cells, metric_type, inverse, measure is not None and measure.cost)
        self.add(
            "benchmarks.csv",
            measure_id,
            collection_type,
            year,
            metric_type,
            inverse,
            topped_out,
            capped,
            *bounds,
        )

    def agrees(
        self, cells: Cells, measure: _Measure, metric_type: str, inverse: str, collection_type: str
    ) -> None:
        """A benchmark says what its measure says."""
        high_priority = cells.flag("isHighPriority", empty="" if measure.cost else None)
        for column, mine, theirs in (
            ("metricType", metric_type, measure.metric_type),
            ("isInverse", inverse, measure.inverse),
            ("isHighPriority", high_priority, measure.high_priority),
        ):
            if mine and theirs and mine != theirs:
                cells.error(
                    "measures-contradiction",
                    f"`{column}` is not what the measure has",
                    column,
                    Label(measure.cells.span(column), "the measure"),
                    help="correct one of the two; if CMS's file is wrong, add a known"
                    " defect to header.yaml",
                )
        if collection_type and collection_type not in measure.collection_types:
            cells.error(
                "measures-reference",
                f"{cells.raw('measureId')} is not submitted in this way",
                "submissionMethod",
                Label(measure.cells.span("submissionMethods"), "its submission methods"),
                help="if CMS's file is wrong, add a known defect to header.yaml",
            )

    def bounds(self, cells: Cells, metric_type: str, inverse: str, cost: bool) -> list[str]:
        """The lower bounds of deciles 1 to 10, worst to best. Decile 1 may have none, except of a
        cost measure, whose points begin at decile 1."""
        before: tuple[str, Fraction] | None = None
        for column in DECILES:
            bound = cells.number(column)
            if bound is None:
                if (column != "d1" or cost) and not cells.raw(column):
                    cells.error(
                        "measures-bounds",
                        f"the bound of {column} is missing",
                        column,
                        help="nine bounds, d2 to d10, or ten; a cost measure has ten",
                    )
                continue
            if (metric_type in cms.PERCENT_METRICS and not 0 <= bound <= 100) or (
                metric_type == "cost_score" and bound < 0
            ):
                cells.error(
                    "measures-bounds",
                    f"{decimal_text(bound)} is out of range",
                    column,
                    help="rates are 0 to 100, costs not below 0",
                )
            if before is not None and (
                before[1] < bound if inverse == "yes" else before[1] > bound
            ):
                order = "descending, as lower is better" if inverse == "yes" else "ascending"
                cells.error(
                    "measures-bounds",
                    f"{column} is worse than {before[0]}",
                    column,
                    Label(cells.span(before[0]), "better, though of a lower decile"),
                    help=f"bounds run from worst to best: {order}",
                )
            before = (column, bound)
        return [cells.decimal(column) for column in DECILES]

    def activity(self, cells: Cells) -> None:
        cells.check_empty()
        self.add(
            "improvement_activities.csv",
            cells.identifier("measureId"),
            cells.word("weight", cms.ACTIVITY_WEIGHTS, empty="none"),
            cells.word("subcategoryId", cms.SUBCATEGORIES, empty="none"),
        )

    def pi_measures(self, rows: list[Cells]) -> None:
        listed = {cells.key[0]: cells for cells in rows}
        named: dict[str, Cells] = {}  # the measure of each exclusion that a measure names
        for cells in rows:
            exclusion = cells.raw("exclusion")
            if exclusion in named:
                cells.error(
                    "measures-contradiction",
                    f"{exclusion} is named by two measures",
                    "exclusion",
                    Label(named[exclusion].span("exclusion"), "first here"),
                    help="an exclusion is for one measure",
                )
            if exclusion:
                named.setdefault(exclusion, cells)
        for cells in rows:
            cells.check_empty()
            measure_id = cells.identifier("measureId")
            category = cells.word("reportingCategory", cms.PI_CATEGORIES, empty="none")
            exclusion = cells.raw("exclusion")
            if exclusion and (
                exclusion not in listed or listed[exclusion].raw("reportingCategory") != "exclusion"
            ):
                cells.error(
                    "measures-reference",
                    f"`{exclusion}` is no listed exclusion",
                    "exclusion",
                    help="name a row of category exclusion",
                )
            excluded = ""
            if category == "exclusion":
                excluded = (
                    named[measure_id].key[0]
                    if measure_id in named
                    else cms.excluded_measure(measure_id)
                )
                if excluded not in listed:
                    cells.error(
                        "measures-reference",
                        f"it is not known which measure {measure_id} excludes",
                        "measureId",
                        help="name it in the `exclusion` of its measure",
                    )
            self.add(
                "pi_measures.csv",
                measure_id,
                cells.word("objective", cms.PI_OBJECTIVES),
                cells.word("metricType", cms.PI_METRICS),
                category,
                cells.flag("isRequired"),
                cells.flag("isBonus"),
                cells.decimal("weight"),
                exclusion,
                excluded,
            )

    def cluster(self, cells: Cells) -> None:
        cells.check_empty()
        collection_type = cells.word("submissionMethod", cms.COLLECTION_TYPES)
        kind = cells.word("kind", cms.CLUSTER_KINDS)
        name = cells.raw("name")
        if not _CLUSTER_NAME.fullmatch(name):
            cells.error(
                "measures-value",
                f"`{name}` is no cluster's name",
                "name",
                help="names are written likeThis",
            )
        if kind == "specialty":
            cells.word("name", cms.SPECIALTY_SETS)
        ids = cells.texts("measureIds")
        if cells.number("nMeasures") != len(ids):
            cells.error(
                "measures-contradiction",
                f"there are {len(ids)} measures, `nMeasures` says otherwise",
                "nMeasures",
                Label(cells.span("measureIds"), "the measures"),
                help="correct the number or the list",
            )
        for measure_id in ids:
            measure = self.measures.get(measure_id)
            if measure is None or collection_type not in measure.collection_types:
                cells.error(
                    "measures-reference",
                    f"{measure_id} is no measure of {self.year} submitted in this way",
                    "measureIds",
                    help="list measures that can be submitted together",
                )
        self.add(
            "measure_clusters.csv", collection_type, kind, cms.snake(name), ";".join(sorted(ids))
        )


def _yes(value: bool) -> str:
    return "yes" if value else "no"
