"""The import of a small export: what it makes, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from finalrule.catalogue.importer import Imported, read_export
from finalrule.catalogue.layout import LAYOUTS
from finalrule.diagnostics import Diagnostic, Failure

Tables = dict[str, list[dict[str, str]]]
Change = Callable[[Tables], object]


class Importing:
    """The small export, changed, and imported."""

    def __init__(
        self, folder: Path, tables: Tables, write: Callable[[Path, Tables], None], header: str
    ) -> None:
        self.folder, self.tables, self.write, self.header = folder, tables, write, header

    def run(self) -> Imported:
        self.write(self.folder, self.tables)
        (self.folder / "header.yaml").write_text(self.header, encoding="utf-8")
        return read_export(self.folder, 2020, self.folder / "header.yaml")

    def refused(self) -> tuple[Diagnostic, ...]:
        with pytest.raises(Failure) as failure:
            self.run()
        return failure.value.diagnostics

    def set(self, file: str, row: int, **cells: str) -> None:
        self.tables[file][row].update(cells)

    def defect(self, text: str) -> None:
        more = "\n".join("    " + line for line in text.strip().splitlines())
        entry = f"known_defects:\n  - what: a test\n    source: none\n    reason: none\n{more}"
        self.header = self.header.replace("known_defects: []", entry)


@pytest.fixture
def importing(
    tmp_path: Path,
    small_tables: Callable[[], Tables],
    write_export: Callable[[Path, Tables], None],
    header_text: str,
) -> Importing:
    return Importing(tmp_path, small_tables(), write_export, header_text)


def _records(imported: Imported, file: str) -> list[str]:
    return [",".join(cells) for cells in imported.files[file].values()]


def test_every_table_in_our_words(importing: Importing) -> None:
    imported = importing.run()
    assert list(imported.files) == list(LAYOUTS)
    assert _records(imported, "quality_measures.csv") == [
        # id, qcdr, type, metric, outcome, experience, high priority, inverse, risk adjusted, sets,
        # strata, algorithm
        "001,no,intermediate_outcome,single_performance_rate,yes,no,yes,yes,no,cardiology;nephrology,,none",
        "226,no,process,multi_performance_rate,no,no,no,no,no,,A;overall,overall_stratum_only",
        "458,no,outcome,cost_score,yes,no,yes,yes,no,,,none",
        "CAHPS_1,no,patient_engagement_experience,cahps,no,yes,yes,no,no,,,none",
        "QCDR1,yes,outcome,non_proportion,yes,no,yes,yes,no,,,none",
    ]
    assert _records(imported, "measure_collection_types.csv") == [
        "001,ecqm,no,no",
        "001,mips_cqm,no,no",
        "001,part_b_claims,yes,no",  # guideline changed for claims alone
        "226,mips_cqm,no,yes",  # ICD-10 impact without a list: all collection types
        "226,web_interface,no,yes",
        "458,administrative_claims,no,no",
        "CAHPS_1,cahps,no,no",
        "QCDR1,qcdr,no,no",
    ]
    assert _records(imported, "benchmarks.csv") == [
        "001,part_b_claims,2018,single_performance_rate,yes,yes,yes,,100,79.99,70,60,50,40,30,10,10",
        "226,mips_cqm,2018,multi_performance_rate,no,no,no,,0,1.88,10.46,25.49,65.7,97.67,100,100,100",
        "CAHPS_1,cahps,2018,cahps,no,no,no,,0,81,82,83,84,85,86,87,88",
        "QCDR1,qcdr,2020,non_proportion,yes,no,no,0.5,0.1,0.02,-0.06,-0.1,-0.2,-0.3,-0.4,-0.5,-1.04",
        "TPCC_1,administrative_claims,2018,cost_score,yes,no,no,104063,33854.2,23767,19952.7,16160.6,"
        "13768.2,11548.2,9125.29,7437.42,4575.59",
    ]
    assert _records(imported, "improvement_activities.csv") == [
        "IA_AHE_1,high,achieving_health_equity",
        "IA_PCMH,none,none",
    ]
    assert _records(imported, "pi_measures.csv") == [
        "PI_EP_1,electronic_prescribing,proportion,required,yes,no,10,PI_LVPP_1,",
        "PI_LVPP_1,electronic_prescribing,boolean,exclusion,no,no,0,,PI_EP_1",
        "PI_ONCACB_1,attestation,boolean,none,no,no,,,",
        "PI_PHCDRR_1,public_health_and_clinical_data_exchange,boolean,required,no,no,,,",
        "PI_PHCDRR_1_EX_1,public_health_and_clinical_data_exchange,boolean,exclusion,no,no,,,PI_PHCDRR_1",
    ]
    assert _records(imported, "cost_measures.csv") == [
        "COST_LGH_1,acute_inpatient,yes,HPA-2019 Table 37",
        "TPCC_1,tpcc,no,42 CFR 414.1350(c)(1)",
    ]
    assert _records(imported, "measure_clusters.csv") == [
        "mips_cqm,cluster,diabetic_care,001;226",
        "part_b_claims,specialty,urgent_care,001",
    ]


def test_rows_are_sorted_by_key_whatever_the_order_of_the_export(importing: Importing) -> None:
    expected = importing.run().files
    for rows in importing.tables.values():
        rows.reverse()
    assert importing.run().files == expected


QUALITY, BENCHMARKS = "quality_measures.csv", "benchmarks.csv"


@pytest.mark.parametrize(
    ("file", "row", "column", "text", "code"),
    [
        (QUALITY, 0, "measureType", "outcomes", "measures-value"),
        (QUALITY, 0, "metricType", "rate", "measures-value"),
        (QUALITY, 0, "isInverse", "yes", "measures-value"),
        (QUALITY, 0, "isHighPriority", "", "measures-value"),
        (QUALITY, 0, "measureId", "1a", "measures-value"),
        (QUALITY, 0, "submissionMethods", "claims;fax", "measures-value"),
        (QUALITY, 0, "measureSets", "cardiology;;nephrology", "measures-value"),
        (QUALITY, 0, "measureSets", "cardiology;cardiology", "measures-value"),
        (QUALITY, 0, "measureSets", "cardiologist", "measures-value"),
        (QUALITY, 0, "clinicalGuidelineChanged", "cmsWebInterface", "measures-reference"),
        (QUALITY, 1, "clinicalGuidelineChanged", "registry", "measures-contradiction"),
        (QUALITY, 1, "nStrata", "3", "measures-contradiction"),
        (QUALITY, 1, "overallAlgorithm", "", "measures-contradiction"),
        (QUALITY, 3, "isHighPriority", "0", "measures-contradiction"),
        (QUALITY, 0, "sevenPointCapRemoved", "claims", "measures-not-carried"),
        (BENCHMARKS, 0, "d3", "79,99", "measures-value"),
        (BENCHMARKS, 0, "d3", "7.9e1", "measures-value"),
        (BENCHMARKS, 0, "d3", "nan", "measures-value"),
        (BENCHMARKS, 0, "d3", " 79.99", "measures-value"),
        (BENCHMARKS, 0, "d3", "", "measures-bounds"),
        (BENCHMARKS, 0, "d3", "69.99", "measures-bounds"),  # inverse: better than d4 = 70
        (BENCHMARKS, 1, "d3", "10.47", "measures-bounds"),  # direct: better than d4 = 10.46
        (BENCHMARKS, 1, "d10", "100.01", "measures-bounds"),
        (BENCHMARKS, 1, "d2", "-0.01", "measures-bounds"),
        (BENCHMARKS, 4, "d1", "", "measures-bounds"),  # a cost measure needs decile 1
        (BENCHMARKS, 4, "d10", "-1", "measures-bounds"),
        (BENCHMARKS, 0, "benchmarkYear", "2019", "measures-value"),
        (BENCHMARKS, 0, "measureId", "002", "measures-reference"),
        (BENCHMARKS, 0, "submissionMethod", "cmsWebInterface", "measures-reference"),
        (BENCHMARKS, 1, "isInverse", "1", "measures-contradiction"),
        (BENCHMARKS, 1, "isHighPriority", "1", "measures-contradiction"),
        (BENCHMARKS, 1, "isHighPriority", "", "measures-value"),
        (BENCHMARKS, 1, "isToppedOutByProgram", "1", "measures-contradiction"),
        (BENCHMARKS, 0, "isToppedOutByProgram", "", "measures-value"),  # topped out: must be told
        (BENCHMARKS, 1, "averagePerformanceRate", "50", "measures-not-carried"),
        ("improvement_activities.csv", 0, "weight", "low", "measures-value"),
        ("improvement_activities.csv", 0, "cehrtEligible", "1", "measures-not-carried"),
        ("pi_measures.csv", 0, "exclusion", "PI_ONCACB_1", "measures-reference"),
        ("pi_measures.csv", 2, "exclusion", "PI_LVPP_1", "measures-contradiction"),
        ("cost_measures.csv", 0, "measureId", "COST_NEW_1", "measures-reference"),
        ("cost_measures.csv", 0, "measureId", "001", "catalogue-key"),
        ("clinical_clusters.csv", 0, "measureIds", "226;458", "measures-reference"),
        ("clinical_clusters.csv", 0, "nMeasures", "3", "measures-contradiction"),
        ("clinical_clusters.csv", 1, "name", "urgency", "measures-value"),
        ("clinical_clusters.csv", 0, "name", "Diabetic_care", "measures-value"),
    ],
)
def test_a_wrong_cell_is_refused_where_it_stands(
    importing: Importing, file: str, row: int, column: str, text: str, code: str
) -> None:
    importing.set(file, row, **{column: text})
    found = importing.refused()
    assert code in [d.code for d in found]
    shown = "\n".join(d.render() for d in found)
    assert f"{file}:{row + 2}:" in shown  # the header is line 1
    assert "^" in shown
    assert all(d.help for d in found)


def test_an_exclusion_of_no_measure_is_refused(importing: Importing) -> None:
    importing.set("pi_measures.csv", 0, exclusion="")
    (found,) = importing.refused()
    assert found.message == "it is not known which measure PI_LVPP_1 excludes"


def test_the_web_interface_has_no_seven_point_cap(importing: Importing) -> None:
    # 42 CFR 414.1380(b)(1)(iv)(B): "except for measures in the CMS Web Interface"
    importing.set(BENCHMARKS, 1, submissionMethod="cmsWebInterface", isToppedOut="1")
    imported = importing.run()
    assert imported.files[BENCHMARKS][("226", "web_interface")][6] == "no"
    importing.set(BENCHMARKS, 1, isToppedOutByProgram="1")
    assert [d.code for d in importing.refused()] == ["measures-contradiction"]


def test_all_errors_are_told_with_the_stretch_underlined(importing: Importing) -> None:
    importing.set(QUALITY, 0, measureType="outcom")
    importing.set(BENCHMARKS, 1, d3="1,88")
    importing.set("pi_measures.csv", 0, objective="eprescribing")
    first, second, third = importing.refused()
    assert "did you mean `outcome`?" in first.render()
    assert '"1,88"' in second.render()  # quoted in the file, since it holds a comma
    assert "pi_measures.csv:2:9" in third.render()


def test_unknown_and_missing_columns_are_told_together(importing: Importing) -> None:
    importing.run()
    path = importing.folder / "cost_measures.csv"
    path.write_text(path.read_text().replace("metricType", "metrictype"))
    with pytest.raises(Failure) as failure:
        read_export(importing.folder, 2020, importing.folder / "header.yaml")
    unknown, missing = failure.value.diagnostics
    assert unknown.message == "unknown column `metrictype`"
    assert unknown.help == "did you mean `metricType`?"
    assert missing.message == "the column `metricType` is missing"


def test_a_missing_file_is_told(importing: Importing) -> None:
    importing.run()
    (importing.folder / "pi_measures.csv").unlink()
    with pytest.raises(Failure, match=r"pi_measures\.csv"):
        read_export(importing.folder, 2020, importing.folder / "header.yaml")


def test_a_known_defect_is_kept(importing: Importing) -> None:
    importing.set(BENCHMARKS, 0, submissionMethod="cmsWebInterface", isToppedOutByProgram="0")
    importing.defect(
        "file: benchmarks.csv\nkey: ['001', cmsWebInterface]\naction: keep\n"
        "column: submissionMethod"
    )
    assert ("001", "web_interface") in importing.run().files[BENCHMARKS]


def test_a_known_defect_keeps_one_cell_alone(importing: Importing) -> None:
    importing.set(
        BENCHMARKS, 0, submissionMethod="cmsWebInterface", isToppedOutByProgram="0", d2="101"
    )
    importing.defect(
        "file: benchmarks.csv\nkey: ['001', cmsWebInterface]\naction: keep\n"
        "column: submissionMethod"
    )
    assert [d.code for d in importing.refused()] == ["measures-bounds"]


def test_a_known_defect_is_dropped(importing: Importing) -> None:
    importing.set(BENCHMARKS, 0, measureId="002")
    importing.defect("file: benchmarks.csv\nkey: ['002', claims]\naction: drop")
    assert [key[0] for key in importing.run().files[BENCHMARKS]] == [
        "226", "CAHPS_1", "QCDR1", "TPCC_1",
    ]  # fmt: skip


def test_a_known_defect_is_corrected(importing: Importing) -> None:
    importing.set(BENCHMARKS, 0, d2="79")
    importing.defect(
        "file: benchmarks.csv\nkey: ['001', claims]\naction: correct\ncolumn: d2\nwas: 79\nnow: 100"
    )
    assert importing.run().files[BENCHMARKS][("001", "part_b_claims")][8] == "100"


@pytest.mark.parametrize(
    "entry",
    [
        "file: benchmarks.csv\nkey: ['001', claims]\naction: keep\ncolumn: d2",
        "file: benchmarks.csv\nkey: ['001', fax]\naction: drop",
        "file: benchmarks.csv\nkey: ['001', claims]\naction: correct\ncolumn: d2\nwas: 9\nnow: 100",
    ],
)
def test_a_defect_that_is_gone_is_told(importing: Importing, entry: str) -> None:
    importing.defect(entry)
    (found,) = importing.refused()
    assert found.code == "measures-defect-gone"
    assert "header.yaml:6:5" in found.render()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("title: measures of a test\n", ""), "`title` is missing"),
        (("title:", "titel:"), "unknown name `titel`"),
        (("performance_year: 2020", "performance_year: 2019"), "this header is for 2019, not 2020"),
        (("known_defects: []", "known_defects: {}"), "here must stand a list"),
        (("issuer: nobody", "issuer: nobody\nissuer: me"), "`issuer` stands twice"),
        (("issuer: nobody", "issuer: [nobody]"), "here must stand one value"),
        (("issuer: nobody", "issuer: 'nobody"), "this is not YAML"),
        (("known_defects: []", "files: {}\nknown_defects: []"), "must come last"),
    ],
)
def test_a_wrong_header_is_refused(
    importing: Importing, change: tuple[str, str], says: str
) -> None:
    importing.header = importing.header.replace(*change)
    found = importing.refused()
    assert all(d.code == "measures-header" and d.help for d in found)
    assert says in "\n".join(d.message for d in found)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("file: benchmark.csv\nkey: [a, b]\naction: drop", "no file of CMS's export"),
        ("file: benchmarks.csv\nkey: [a]\naction: drop", "a key of benchmarks.csv has 2 parts"),
        ("file: benchmarks.csv\nkey: [a, b]\naction: ignore", "`ignore` is no action"),
        ("file: benchmarks.csv\nkey: [a, b]\naction: keep", "`keep` needs `column`"),
        ("file: benchmarks.csv\nkey: [a, b]\naction: drop\nnow: 1", "`drop` has no `now`"),
        ("file: benchmarks.csv\nkey: [a, b]\naction: keep\ncolumn: d11", "no column of CMS's"),
        (
            "file: benchmarks.csv\nkey: [a, b]\naction: correct\ncolumn: measureId\nwas: a\nnow: b",
            "part of the key",
        ),
    ],
)
def test_a_wrong_defect_entry_is_refused(importing: Importing, entry: str, says: str) -> None:
    importing.defect(entry)
    assert says in "\n".join(d.message for d in importing.refused())


def test_a_missing_header_is_told(importing: Importing) -> None:
    importing.run()
    with pytest.raises(Failure, match="need a header"):
        read_export(importing.folder, 2020, importing.folder / "none.yaml")
