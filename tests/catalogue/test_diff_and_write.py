"""What an import would change, by row and cell, and the files that it writes."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from finalrule.catalogue.cms import EXPORTS
from finalrule.catalogue.diff import CellChange, FileDiff, compare
from finalrule.catalogue.importer import Imported, read_export
from finalrule.catalogue.layout import LAYOUTS
from finalrule.catalogue.read import read_rows
from finalrule.catalogue.write import outdated, rendered, write
from finalrule.diagnostics import Failure

Tables = dict[str, list[dict[str, str]]]


class Small:
    """The small export, imported and written to a folder once."""

    def __init__(self, root: Path, tables: Tables, write_export: Callable[[Path, Tables], None],
                 header: str) -> None:  # fmt: skip
        self.export, self.out, self.tables = root / "export", root / "out", tables
        self.write_export = write_export
        write_export(self.export, tables)
        self.out.mkdir()
        (self.out / "header.yaml").write_text(header, encoding="utf-8")
        self.imported = self.read()
        write(self.out, outdated(self.out, self.imported))

    def read(self) -> Imported:
        return read_export(self.export, 2020, self.out / "header.yaml")


@pytest.fixture(scope="module")
def small(
    tmp_path_factory: pytest.TempPathFactory,
    small_tables: Callable[[], Tables],
    write_export: Callable[[Path, Tables], None],
    header_text: str,
) -> Small:
    root = tmp_path_factory.mktemp("small")
    return Small(root, small_tables(), write_export, header_text)


def test_a_new_folder_gets_every_row(small: Small, tmp_path: Path) -> None:
    for found in compare(tmp_path, small.imported.files):
        assert found.added == tuple(small.imported.files[found.file])
        assert (found.removed, found.changed, found.columns_were) == ((), (), ())


def test_what_was_written_reads_back_the_same(small: Small) -> None:
    for file, records in small.imported.files.items():
        table = read_rows(small.out / file, LAYOUTS[file].key)
        assert table.header == LAYOUTS[file].columns
        assert {key: row.cells for key, row in table.rows.items()} == records


def test_importing_again_changes_nothing(small: Small) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in small.out.iterdir()}
    again = small.read()
    assert not any(compare(small.out, again.files))
    assert outdated(small.out, again) == {}
    write(small.out, outdated(small.out, again))
    assert {path.name: path.stat().st_mtime_ns for path in small.out.iterdir()} == before


def test_files_have_line_feeds_and_no_temporary_is_left(small: Small) -> None:
    names = sorted(path.name for path in small.out.iterdir())
    assert names == sorted([*LAYOUTS, "header.yaml"])
    for path in small.out.iterdir():
        data = path.read_bytes()
        assert b"\r" not in data
        assert data.endswith(b"\n")


def test_the_header_tells_rows_and_digests_and_keeps_what_people_wrote(
    small: Small, header_text: str
) -> None:
    text = (small.out / "header.yaml").read_text(encoding="utf-8")
    assert text.startswith(header_text)
    told = yaml.safe_load(text)["files"]
    assert list(told) == list(LAYOUTS)
    for file, facts in told.items():
        data = (small.out / file).read_bytes()
        assert facts == {
            "rows": data.count(b"\n") - 1,
            "sha256": hashlib.sha256(data).hexdigest(),
        }


def test_rows_and_cells_that_differ_are_told(small: Small, tmp_path: Path) -> None:
    for file, data in rendered(small.imported).items():
        (tmp_path / file).write_bytes(data)
    path = tmp_path / "benchmarks.csv"
    text = path.read_text().replace("0,1.88,10.46", "0,1.9,10.46")
    text = text.replace("CAHPS_1,cahps,", "CAHPS_2,cahps,")
    path.write_text(text)
    found = {diff.file: diff for diff in compare(tmp_path, small.imported.files) if diff}
    assert found == {
        "benchmarks.csv": FileDiff(
            "benchmarks.csv",
            5,
            added=(("CAHPS_1", "cahps"),),
            removed=(("CAHPS_2", "cahps"),),
            changed=(CellChange(("226", "mips_cqm"), "d3", "1.9", "1.88"),),
            columns_were=None,
        )
    }
    assert found["benchmarks.csv"].lines() == [
        "benchmarks.csv: 5 rows, 1 added, 1 removed, 1 cells changed",
        "  - CAHPS_2, cahps",
        "  + CAHPS_1, cahps",
        "  ~ 226, mips_cqm: d3 1.9 -> 1.88",
    ]


def test_another_header_line_is_told(small: Small, tmp_path: Path) -> None:
    for file, data in rendered(small.imported).items():
        (tmp_path / file).write_bytes(data)
    (tmp_path / "improvement_activities.csv").write_text(
        "activity_id,weight\nIA_AHE_1,high\nIA_PCMH,none\n"
    )
    (found,) = (diff for diff in compare(tmp_path, small.imported.files) if diff)
    assert found.columns_were == ("activity_id", "weight")
    assert found.changed == (
        CellChange(("IA_AHE_1",), "subcategory", "", "achieving_health_equity"),
        CellChange(("IA_PCMH",), "subcategory", "", "none"),
    )


def test_a_broken_file_in_the_folder_is_refused(small: Small, tmp_path: Path) -> None:
    (tmp_path / "cost_measures.csv").write_text("measure_id\nA\nA\n")
    (tmp_path / "benchmarks.csv").write_text("measure_id\nA\n")
    with pytest.raises(Failure) as failure:
        compare(tmp_path, small.imported.files)
    assert len(failure.value.diagnostics) == 2


# What a cell may be changed into: other words of CMS's and ours, numbers near the true ones, text.
_TEXTS = st.one_of(
    st.sampled_from(
        ["", "0", "1", "yes", "no", "none", "2018", "2020", "registry", "claims", "process",
         "outcome", "high", "medium", "001", "PI_EP_1", "boolean", "cluster", "urgentCare"]
    ),
    st.decimals(-10, 200, places=2).map(str),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_one_changed_cell_of_a_written_table_is_refused_or_is_one_difference(
    small: Small, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    file = data.draw(st.sampled_from(list(LAYOUTS)))
    rows = [list(cells) for cells in small.imported.files[file].values()]
    row = data.draw(st.integers(0, len(rows) - 1))
    column = data.draw(st.integers(0, len(LAYOUTS[file].columns) - 1))
    text = data.draw(_TEXTS)
    assume(text != rows[row][column])
    true_key = tuple(rows[row][: LAYOUTS[file].keys])
    true_text = rows[row][column]
    rows[row][column] = text
    folder = tmp_path_factory.getbasetemp() / "changed"
    folder.mkdir(exist_ok=True)
    with (folder / file).open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened, lineterminator="\n").writerows([LAYOUTS[file].columns, *rows])
    try:
        (found,) = compare(folder, {file: small.imported.files[file]})
    except Failure:
        assert column < LAYOUTS[file].keys  # an empty key, or one that is there already
        return
    key = tuple(rows[row][: LAYOUTS[file].keys])
    if column < LAYOUTS[file].keys:
        assert (found.added, found.removed, found.changed) == ((true_key,), (key,), ())
    else:
        change = CellChange(key, LAYOUTS[file].columns[column], text, true_text)
        assert (found.added, found.removed, found.changed) == ((), (), (change,))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_one_changed_cell_of_the_export_is_refused_or_changes_that_record_alone(
    small: Small, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    file = data.draw(st.sampled_from(list(EXPORTS)))
    row = data.draw(st.integers(0, len(small.tables[file]) - 1))
    column = data.draw(st.sampled_from(EXPORTS[file].columns))
    text = data.draw(_TEXTS)
    was = small.tables[file][row][column]
    assume(text != was)
    changed = {name: [dict(cells) for cells in rows] for name, rows in small.tables.items()}
    changed[file][row][column] = text
    folder = tmp_path_factory.getbasetemp() / "export"
    small.write_export(folder, changed)
    try:
        imported = read_export(folder, 2020, small.out / "header.yaml")
    except Failure:
        return
    assert column not in EXPORTS[file].empty
    differences = [diff for diff in compare(small.out, imported.files) if diff]
    if column in EXPORTS[file].unused:
        assert differences == []
        return
    # The record's own identifier, before and after, and for an exclusion the measure named.
    touched = {
        changed[file][row].get("measureId", ""),
        small.tables[file][row].get("measureId", ""),
    }
    if file == "pi_measures.csv":
        touched |= {text, was}
    for diff in differences:
        for key in (*diff.added, *diff.removed, *(change.key for change in diff.changed)):
            if file == "clinical_clusters.csv":
                assert diff.file == "measure_clusters.csv"
            else:
                assert key[0] in touched
