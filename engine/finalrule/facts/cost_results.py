"""Results of the cost measures that CMS calculated from claims, in a format of our own: a table of

    tin,npi,measure_id,case_count,cost

as comma-separated text with this header line, or as a JSON list of objects with these names. `npi`
is empty for a group; `cost` is the average cost of a case in dollars.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from finalrule.diagnostics import Pointer, Report, suggest
from finalrule.facts.declared import Declared, read_fact
from finalrule.facts.identifiers import read_npi, read_tin
from finalrule.facts.json_item import Item, Json
from finalrule.facts.json_text import decode, parse_json, read_bytes
from finalrule.facts.measures import Measures
from finalrule.facts.parts import Found, Part
from finalrule.values import one_of

COLUMNS = ("tin", "npi", "measure_id", "case_count", "cost")


@dataclass(frozen=True, slots=True)
class CostResult:
    """One measure's result of one TIN, or TIN and NPI (empty for a group)."""

    tin: str
    npi: str
    part: Part


def read_cost_results(
    path: Path, measures: Measures, declared: Declared, report: Report
) -> list[CostResult]:
    """The results in a file whose name ends with .json or, in any other case, a CSV file."""
    data = read_bytes(path, str(path), report)
    if data is None:
        return []
    if path.suffix.lower() == ".json":
        document = parse_json(data, str(path), report)
        items = (document.items() or []) if document else []
    else:
        text = decode(data, str(path), report)
        items = [] if text is None else list(_rows(text, str(path), report))
    found = [_result(item, measures, declared) for item in items]
    return [result for result in found if result]


def _rows(text: str, path: str, report: Report) -> Iterator[Item]:
    """Each line of the table as an object; an empty cell is not given."""
    reader = csv.reader(text.splitlines(), strict=True)
    header: list[str] | None = None
    try:
        for cells in reader:
            line = reader.line_num
            if not cells:
                continue
            at = Item(None, path, f"/{line}", report)
            if header is None:
                header = cells
                if sorted(header) != sorted(COLUMNS):
                    at.fail(
                        "cost-columns", f"the header line is not {','.join(COLUMNS)}",
                        help="begin the file with this line",
                    )  # fmt: skip
                    return
            elif len(cells) != len(header):
                at.fail(
                    "cost-columns", f"line {line} has {len(cells)} cells, not {len(header)}",
                    help="write one cell for each column, empty ones too",
                )  # fmt: skip
            else:
                row: dict[str, Json] = {
                    name: cell.strip() or None for name, cell in zip(header, cells, strict=True)
                }
                yield Item(row, path, f"/{line}", report)
    except csv.Error as error:
        at = Item(None, path, f"/{reader.line_num}", report)
        at.fail(
            "cost-columns", f"line {reader.line_num} is not comma-separated text: {error}",
            help='write a cell with a comma "in quotes"',
        )  # fmt: skip
        return
    if header is None:
        report.error(
            "cost-columns", "the file is empty", Pointer(path, ""),
            help=f"begin it with the line {','.join(COLUMNS)}",
        )  # fmt: skip


def _result(item: Item, measures: Measures, declared: Declared) -> CostResult | None:
    members = item.members(COLUMNS)
    if members is None:
        return None
    has_tin = members.need("tin", "whose result it is")
    tin = read_tin(has_tin) if has_tin else None
    has_npi = members.get("npi")
    npi = read_npi(has_npi, tin) if has_npi else ""
    facts: dict[str, Found] = {}
    for name in ("measure_id", "case_count", "cost"):
        member = members.need(name, declared.facts["cost_result"][name].describe)
        value = read_fact(member, declared.facts["cost_result"][name]) if member else None
        if member and value is not None:
            facts[name] = Found(value, member.at)
    measure = facts.get("measure_id")
    if measure and measure.value not in measures.cost:
        item.below("measure_id", None).fail(
            "measure-unknown", "this is not a cost measure of the year",
            help=suggest(str(measure.value), measures.cost)
            or f"the year's cost measures are {one_of(sorted(measures.cost))}",
        )  # fmt: skip
        return None
    if tin is None or npi is None or len(facts) < 3:
        return None
    return CostResult(tin, npi, Part("cost_result", item.at, facts))
