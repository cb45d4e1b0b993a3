"""What counts as a difference, and how it is named, on two small policies."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from finalrule.compare.diff import compare, compile_both, is_within
from finalrule.compare.model import Comparison, Difference
from finalrule.diagnostics import Failure

Change = Callable[..., Comparison]


def named(comparison: Comparison) -> dict[str, Difference]:
    return {f"{each.kind} {each.name}": each for each in comparison.differences}


def said(difference: Difference) -> tuple[str, str]:
    return tuple(side.text if side else "-" for side in (difference.a, difference.b))  # type: ignore[return-value]


def test_every_kind_of_difference(small: Comparison) -> None:
    """Read off the two year files by hand."""
    assert {name: said(each) for name, each in named(small).items()} == {
        "parameter places": ("19, 21", "19, 21, 22"),
        "parameter first_day": ("2019-01-01", "2020-01-01"),
        "parameter completeness": ("60%", "70%"),
        "rounding shares": ("4 places of percent, half_up", "2 places of percent, half_up"),
        "parameter minimum_days": ("not in force", "90 days"),
        "variant group_requirement": ("one_clinician", "half"),
        "variant study": ("in force", "not in force"),
        "parameter multiplier": ("1", "2"),
        "table_row bonus.most": ("-", "patients > 15 -> points 1 point"),
        "table_row bonus.many": ("patients > 15 -> points 0 points", "-"),
        "table_cell bonus.few.points": ("3 points", "6 points"),
        "parameter threshold": ("30 points", "45 points"),
        "assumed program.factor": ("0.007", "0.005"),
    }


def test_both_sides_have_citation_place_and_note(small: Comparison) -> None:
    multiplier = named(small)["parameter multiplier"]
    assert multiplier.a and multiplier.b
    assert (multiplier.a.cite, multiplier.a.place) == (
        "HPA-2019 III.K.3.d(2)(a)",
        "policies/2019/final.yaml:26",
    )
    assert (multiplier.b.value, multiplier.unit) == ("2", "ratio")
    assert multiplier.b.note == "amended by 85 FR 85031"
    places = named(small)["parameter places"]
    assert places.a and places.b
    assert (places.a.unverified, places.b.unverified) == (False, True)


def test_the_part_is_that_of_the_regulation_where_either_side_cites_it(small: Comparison) -> None:
    found = named(small)
    assert found["parameter multiplier"].paragraph == "42 CFR 414.1380(c)(3)(iv)"
    # Neither side of these cites the regulation: the rules that read them do.
    assert found["rounding shares"].part == "42 CFR 414.1340"
    assert found["assumed program.factor"].part == "42 CFR 414.1405"


def test_parts_stand_in_the_order_of_the_regulation_and_assumed_values_last(
    small: Comparison,
) -> None:
    parts = [each.part for each in small.differences if each.kind != "assumed"]
    sections = [float(part.removeprefix("42 CFR ")) for part in parts]
    assert sections == sorted(sections)
    assert [each.kind for each in small.differences].index("assumed") == len(parts)


def test_the_same_under_another_citation_is_told_apart(small: Comparison) -> None:
    assert [each.name for each in small.citations] == ["low_volume.patients", "final_score"]
    patients, rounding = small.citations
    assert patients.a and patients.b and rounding.a and rounding.b
    assert (patients.a.text, patients.b.text, patients.b.cite) == ("200", "200", "HPA-2019 III.K.1")
    assert (rounding.a.cite, rounding.b.cite) == ("CMS-MEASURES scores", "CMS-MEASURES scores")
    assert (rounding.a.unverified, rounding.b.unverified) == (True, False)


def test_catalogues_are_compared_by_key_and_cell(small: Comparison) -> None:
    (benchmark,) = small.catalogues
    assert [said(each) for each in benchmark.differences[2:]] == [
        ("10", "7"),
        ("registry", "claims"),
        ("90", "95"),
    ]
    # `weight` 10 and 10.0 of 001 are one number; `source` is a column that no rule reads.
    assert [each.name for each in benchmark.differences] == [
        "benchmark.317",
        "benchmark.476",
        "benchmark.236.weight",
        "benchmark.236.source",
        "benchmark.236.d10",
    ]
    assert (benchmark.only_a, benchmark.only_b) == (1, 1)
    assert (benchmark.cells, benchmark.read_cells) == (3, 2)
    gone = benchmark.differences[0].a
    assert gone and gone.place == "policies/measures/2019/benchmarks.csv:4"
    assert gone.value.startswith("inverse no, source claims, d2 10")
    assert gone.text.startswith("inverse no, d2 10")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("value: 70%", "value: 70.0%"),
        ("value: $90,000", "value: '$90000.00'"),
        ("value: 45 points", "value: 45"),
        ("value: [21, 19, 22]", "value: ['22', '21', '19']"),
        ("patients: '> 15'", "patients: '>   15'"),
        ("note: amended by 85 FR 85031", "note: amended"),
        ("    carried_from: 2019-final\n  low_volume.patients", "  low_volume.patients"),
    ],
)
def test_another_way_to_write_the_same(change: Change, old: str, new: str) -> None:
    same = change((old, new))
    assert not same
    assert same.citations == ()


def test_a_cell_that_may_be_left_out_is_any(change: Change) -> None:
    comparison = change(
        ("few: {patients: <= 15, points: 6 points, cite: HPA-2019 Table 47}",
         "few: {patients: any, points: 6 points, cite: HPA-2019 Table 47}"),
        ("      most: {patients: '> 15', points: 1 point}\n", ""),
    )  # fmt: skip
    assert {name: said(each) for name, each in named(comparison).items()} == {
        "table_cell bonus.few.patients": ("<= 15", "any"),
        "table_row bonus.most": ("patients > 15 -> points 1 point", "-"),
    }


def test_a_status_against_another_status(change: Change) -> None:
    figures = change(("value: 90 days", "value: to_be_announced"),
                     ("{variant: half,", "{variant: all_clinicians,"))  # fmt: skip
    assert {name: said(each) for name, each in named(figures).items()} == {
        "parameter minimum_days": ("90 days", "to be announced"),
        "variant group_requirement": ("half", "all_clinicians"),
    }


def test_a_rounding_mode(change: Change) -> None:
    comparison = change(("shares: {places: 2, mode: half_up", "shares: {places: 2, mode: down"))
    assert {name: said(each) for name, each in named(comparison).items()} == {
        "rounding shares": ("2 places of percent, half_up", "2 places of percent, down"),
    }


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("10.0,claims,,90,80", "10,claims,,90.0,80", []),
        ("10.0,claims,,90,80", "x,claims,,90,80", ["benchmark.001.weight"]),
        ("10.0,claims,,90,80", ",claims,,90,80", ["benchmark.001.weight"]),
        ("10.0,claims,,90,80", "10.0,claims,,,80", ["benchmark.001.d2"]),
        ("10.0,claims,,90,80", "10.0,Claims,,90,80", ["benchmark.001.source"]),
    ],
)
def test_cells_are_compared_by_their_type(
    change: Change, root: Path, old: str, new: str, names: list[str]
) -> None:
    path = root / "measures" / "2020" / "benchmarks.csv"
    path.write_text(path.read_text().replace(old, new))
    found = [each.name for one in change().catalogues for each in one.differences]
    assert found == names


def test_a_table_that_one_policy_does_not_have(root: Path) -> None:
    path = root / "2020" / "final.yaml"
    text = path.read_text()
    begin, end = text.index("  bonus:"), text.index("\nrules:")
    path.write_text(
        f"{text[:begin]}{text[end:]}".replace(
            "rules:\n", "rules:\n  bonus: {not_in_force: true, cite: 42 CFR 414.1380(c)(3)}\n"
        )
    )
    comparison = compare(*compile_both("2019-final", "2020-final", root))
    found = named(comparison)
    assert said(found["table bonus"]) == ("2 rows", "-")
    assert said(found["variant bonus"]) == ("in force", "not in force")
    assert not [name for name in found if "bonus." in name]


def test_the_same_file_or_the_same_records_are_no_difference(change: Change, root: Path) -> None:
    """Rows and columns in another order, and a column that was empty left out."""
    file = root / "measures" / "2020" / "benchmarks.csv"
    lines = [line.split(",") for line in file.read_text().splitlines()]
    order = [i for i in reversed(range(len(lines[0]))) if lines[0][i] != "d1"]
    head, *rows = ([line[i] for i in order] for line in lines)
    file.write_text("\n".join(",".join(line) for line in [head, *reversed(rows)]) + "\n")
    text = file.read_text()
    # Every bound column must be there for rules to read it: d1 again, empty, at the end.
    file.write_text("\n".join(
        f"{line},{'d1' if i == 0 else ''}" for i, line in enumerate(text.splitlines())) + "\n"
    )  # fmt: skip
    comparison = change()
    assert comparison.catalogues == ()
    assert not comparison


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("42 CFR 414.1340", {"completeness", "shares"}),
        ("42 CFR 414.1340(a)(3)", {"completeness"}),
        ("42 CFR 414.1380(c)", {"multiplier", "bonus.most", "bonus.many", "bonus.few.points"}),
        ("42 CFR 414.1380(c)(3)(iv)", {"multiplier"}),
        ("42 CFR 414.1320", {"first_day"}),
    ],
)
def test_one_part(part: str, names: set[str]) -> None:
    small = Path(__file__).parent / "small"
    comparison = compare(*compile_both("2019-final", "2020-final", small), part=part)
    assert {each.name for each in comparison.differences} == names
    assert comparison.catalogues == ()
    assert comparison.only_part == part


def test_a_paragraph_is_not_within_its_sibling() -> None:
    assert is_within("42 CFR 414.1380(c)(2)", "42 CFR 414.1380")
    assert is_within("42 CFR 414.1305 (small practice)(3)", "42 CFR 414.1305")
    assert not is_within("42 CFR 414.13801", "42 CFR 414.1380")
    assert not is_within("42 CFR 414.1380(c)(2)(ii)", "42 CFR 414.1380(c)(2)(i)")
    assert not is_within("42 CFR 414.1380", "42 CFR 414.1380(c)")


def test_a_part_of_which_nothing_is_stated(small: Comparison) -> None:
    with pytest.raises(Failure) as failure:
        compare(small.a, small.b, part="42 CFR 414.1381")
    assert str(failure.value) == (
        "error[unknown-part]: neither policy states anything of `42 CFR 414.1381`\n"
        "  help: did you mean `42 CFR 414.1380`?"
    )


def test_the_errors_of_both_policies_are_shown(tmp_path: Path, small: Comparison) -> None:
    root = Path(shutil.copytree(Path(__file__).parent / "small", tmp_path / "policies"))
    for year in ("2019", "2020"):
        path = root / year / "final.yaml"
        path.write_text(path.read_text().replace("quality: 85%", "quality: 80%"))
    with pytest.raises(Failure) as failure:
        compile_both("2019-final", "2020-final", root)
    places = [str(found.labels[0].at.place) for found in failure.value.diagnostics]  # type: ignore[union-attr]
    assert places == ["policies/2019/final.yaml:59:7", "policies/2020/final.yaml:63:7"]
    assert {found.code for found in failure.value.diagnostics} == {"table-check"}
