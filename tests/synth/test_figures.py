"""The published figures, and what is refused of a file of them."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import pytest

from finalrule.diagnostics import Failure
from finalrule.places import policies_root
from finalrule.policy.sources import load_sources
from finalrule.synth.figures import SIZES, published, read_nation


def test_sums_are_those_that_the_table_prints() -> None:
    """Table 113 prints 818,391 eligible, 665,769 not eligible, 1,484,160 in all, and $68,002 and
    $87,004 million; Table 114 prints 800,437 submitting and 17,954 not."""
    found = published(2020)
    rows = found.tables["eligibility"]
    eligible = ("required_participating", "required_not_participating", "group_eligible",
                "opted_in")  # fmt: skip
    assert sum(rows[name]["clinicians"] for name in eligible) == 818_391
    assert sum(rows[name]["clinicians"] for name in rows if name not in eligible) == 665_769
    assert found.clinicians() == 1_484_160
    assert sum(rows[name]["allowed_charges"] for name in eligible) == 68_002
    assert sum(row["allowed_charges"] for row in rows.values()) == 87_004
    submitting, not_submitting = found.tables["submitting"], found.tables["not_submitting"]
    assert sum(row["clinicians"] for row in submitting.values()) == 800_437
    assert sum(row["clinicians"] for row in not_submitting.values()) == 17_954
    assert submitting["100+"]["exceptional"] == Fraction(624, 1000)
    # Nobody is both, and everybody is one of the two.
    assert {row["positive_or_neutral"] + row["negative"] for row in submitting.values()} == {1}


def test_every_table_cites_a_named_source() -> None:
    cites = published(2020).cites
    assert {cite.split()[0] for cite in cites.values()} <= set(load_sources(policies_root()))


def test_profiles_are_shares_of_everybody() -> None:
    profiles = read_nation(2020).calibrated["profiles"]
    assert tuple(profiles) == SIZES
    assert {sum(row.values()) for row in profiles.values()} == {1}


def copied(folder: Path) -> Path:
    """A copy of the file of 2020 in a policies folder of its own."""
    target = folder / "population" / "2020.yaml"
    target.parent.mkdir()
    shutil.copy(policies_root() / "population" / "2020.yaml", target)
    return target


def test_a_year_without_figures(tmp_path: Path) -> None:
    copied(tmp_path)
    with pytest.raises(Failure) as raised:
        published(2031, tmp_path)
    assert "no figures of the nation are kept for performance year 2031" in str(raised.value)
    assert "there are figures for 2020" in str(raised.value)


def test_cells_that_do_not_add_up(tmp_path: Path) -> None:
    """One clinician of the cells too many: row 100+ group_eligible is in three sums."""
    file = copied(tmp_path)
    text = file.read_text(encoding="utf-8")
    assert text.count("group_eligible: 340164") == 1
    file.write_text(text.replace("group_eligible: 340164", "group_eligible: 340165"), "utf-8")
    with pytest.raises(Failure) as raised:
        read_nation(2020, tmp_path)
    said = str(raised.value)
    assert "566165 clinicians that are group_eligible; 566164 are published" in said
    assert "practices of 100+ have 422687 clinicians submitting; 422686 are published" in said
    assert len(raised.value.diagnostics) == 2


def test_shape(tmp_path: Path) -> None:
    file = copied(tmp_path)
    file.write_text(file.read_text("utf-8").replace("mean: 76.14%", "mean: many"), "utf-8")
    with pytest.raises(Failure) as raised:
        read_nation(2020, tmp_path)
    assert "a number or a percentage" in str(raised.value)


@pytest.mark.parametrize(
    "code", ["no-population", "cells-do-not-add-up", "population-size", "folder-not-empty"]
)
def test_error_pages(code: str) -> None:
    page = Path(__file__).parents[2] / "docs" / "errors" / f"{code}.md"
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {code}\n") and f"[{code}]: " in text
