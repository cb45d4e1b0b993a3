"""A comparison shown: the same names in every form, lines of 100 columns, nothing but the names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from finalrule.compare.data import LISTED, as_data
from finalrule.compare.diff import compare, compile_both
from finalrule.compare.model import Comparison
from finalrule.compare.render import markdown, summary, text

GOLDEN = Path(__file__).parent / "small.txt"
SHAPE = Path(__file__).parents[2] / "docs" / "compare.md"
_NAME = r"[a-z0-9_]+(?:\.[A-Za-z0-9_]+)*"


def names_in_data(data: dict[str, Any]) -> list[str]:
    listed = [each for catalogue in data["catalogues"] for each in catalogue["differences"]]
    groups = [data["differences"], listed, data["same_but_cited_otherwise"]]
    return [each["name"] for group in groups for each in group]


def names_in_text(shown: str, catalogues: set[str]) -> Iterator[str]:
    """Names stand at two columns, those of a catalogue's records after a sign at four."""
    for line in shown.splitlines():
        if match := re.match(rf"^  (?:rule |rounding |table )?({_NAME})( \(\w+\))?(: .*)?$", line):
            if line.strip() not in catalogues:
                yield match[1]
        elif match := re.match(rf"^    [-+~]  ({_NAME}) ", line):
            yield match[1]


def names_in_markdown(shown: str) -> list[str]:
    return re.findall(rf"^\| (?:rule |rounding |table )?`({_NAME})`", shown, re.MULTILINE)


@pytest.fixture(
    scope="module", params=[("2019-final", "2020-final"), ("2020-proposed", "2020-final")]
)
def real(request: pytest.FixtureRequest) -> Comparison:
    return compare(*compile_both(*request.param))


@pytest.mark.parametrize("all_records", [False, True])
def test_every_form_lists_the_same_names(small: Comparison, all_records: bool) -> None:
    names = names_in_data(as_data(small, all_records))
    assert len(names) == 13 + 5 + 2
    assert list(names_in_text(text(small, all_records), {"benchmark"})) == names
    assert names_in_markdown(markdown(small, all_records)) == names


def test_every_form_lists_the_same_names_of_real_policies(real: Comparison) -> None:
    names = names_in_data(as_data(real, all_records=False))
    catalogues = {catalogue.name for catalogue in real.catalogues}
    assert list(names_in_text(text(real, all_records=False), catalogues)) == names
    assert names_in_markdown(markdown(real, all_records=False)) == names


def test_text(small: Comparison) -> None:
    shown = re.sub("digest [0-9a-f]{12}$", "digest ...", text(small, False), flags=re.MULTILINE)
    assert shown == GOLDEN.read_text(encoding="utf-8").rstrip("\n")


def test_lines_have_at_most_100_columns(small: Comparison) -> None:
    assert max(map(len, text(small, all_records=True).splitlines())) <= 100


def test_a_catalogue_with_many_differences_is_counted(real: Comparison) -> None:
    shown, whole = as_data(real, all_records=False), as_data(real, all_records=True)
    for short, full in zip(shown["catalogues"], whole["catalogues"], strict=True):
        assert full["listed"]
        assert len(full["differences"]) == short["only_a"] + short["only_b"] + short["cells"]
        assert short["listed"] == (len(full["differences"]) <= LISTED)
        assert len(short["differences"]) == (len(full["differences"]) if short["listed"] else 0)
    assert shown["counts"] == whole["counts"]


def test_counts(small: Comparison) -> None:
    counts = as_data(small, all_records=False)["counts"]
    assert counts == {
        "parameter": 6,
        "rounding": 1,
        "table": 0,
        "table_row": 2,
        "table_cell": 1,
        "variant": 2,
        "catalogue": 5,
        "assumed": 1,
        "same_but_cited_otherwise": 2,
    }
    assert sum(counts.values()) == 18 + 2
    assert summary(small).startswith("18 differences: 6 parameters, 1 rounding rule, ")


def test_no_difference(small: Comparison) -> None:
    same = compare(small.a, small.a)
    assert summary(same) == "No difference."
    assert text(same, all_records=False).endswith("\n\nNo difference.")
    assert names_in_data(as_data(same, all_records=False)) == []


def test_markdown_escapes_what_would_be_formatting(small: Comparison) -> None:
    shown = markdown(small, all_records=False)
    assert "**one\\_clinician**" in shown
    assert "**patients \\> 15 -\\> points 1 point**" in shown
    rows = [line for line in shown.splitlines() if line.startswith("| `") or " `" in line[:12]]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {4}


def fields(value: Any, path: str = "") -> Iterator[str]:
    """Every key of the data, with what stands above it; lists as `[]`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{path}{key}"
            yield from fields(inner, f"{path}{key}.")
    elif isinstance(value, list):
        for inner in value:
            yield from fields(inner, f"{path[:-1]}[].")


def test_every_field_of_the_data_is_documented(small: Comparison) -> None:
    """docs/compare.md has one line for each field, `` `a.policy` ``; `b` is as `a`."""
    page = SHAPE.read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `([a-z_.\[\]]+)` \|", page, re.MULTILINE))
    found = set()
    for field in fields(as_data(small, all_records=True)):
        short = re.sub(r"^(catalogues\[\]\.)?differences\[\]|^same_but_cited_otherwise\[\]",
                       "difference", field)  # fmt: skip
        short = re.sub(r"^(difference\.|catalogues\[\]\.)[ab]\.", "side.", short)
        found.add(re.sub(r"^b\.", "a.", short))
    assert found == documented
