"""The example of docs/tables.md: its files are read, and become what the text says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from finalrule.tables.rejected import REASONS
from tables.conftest import Tables

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "2020" / "tables"


def test_the_example(tables: Tables) -> None:
    for path in EXAMPLE.glob("*.csv"):
        shutil.copy(path, tables.directory)
    read = tables.read()
    assert read.rows == {"practices": 2, "clinicians": 3, "measure_results": 3}
    assert read.rejected == {"measure_results": {"measure_unknown": 1}}
    assert tables.rejected('"table", "row", tin, npi, "key", reason') == [
        ("measure_results", 3, "000000022", "1234567893",
         "measure_id=9999 collection_type=ecqm", "measure_unknown")
    ]  # fmt: skip
    units = tables.rows("unit_names", "entity_type, tin, npi", "id")
    assert units == [
        ("group", "000000011", None),
        ("individual", "000000011", "1234567802"),
        ("individual", "000000011", "1234567810"),
        ("group", "000000022", None),
        ("individual", "000000022", "1234567893"),
    ]
    # 4500/60 of unit 0 (the group) and 75/1 of unit 4 are the same 75 %.
    columns = "scoring_unit_id, performance_rate__n, performance_rate__d, reporting_rate__n"
    assert tables.rows("measure_result", columns) == [
        (0, 4500, 60, 85 * 10**7), (4, 75, 1, 100 * 10**7)
    ]  # fmt: skip
    # Who may be paid by what: three by their own scores, two by the group's.
    scores = tables.rows("available_score", "tin_npi_id, kind, source")
    assert [row[:2] for row in scores] == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]
    assert tables.rows("tin_npi_names", "label_specialty", "id")[2] == ("family medicine",)


def test_the_reasons_of_the_document_are_those_of_the_reader() -> None:
    text = (ROOT / "docs" / "tables.md").read_text("utf-8")
    listed = re.findall(r"^\| `([a-z_]+)` \| (.+) \|$", text, re.M)
    assert {reason: said for reason, said in listed if reason in REASONS} == REASONS
