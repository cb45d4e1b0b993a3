"""What is published of a nation, and what a synthetic one assumes beside it
(policies/population/YEAR.yaml). Shares are parts of a million; money is millions of dollars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from finalrule import cache
from finalrule.diagnostics import Diagnostic, Failure, Report
from finalrule.places import policies_root
from finalrule.policy.positioned import load, read_source
from finalrule.policy.read import schema
from finalrule.policy.tree import Mapping as Block
from finalrule.policy.tree import Node, Scalar
from finalrule.synth.chance import MILLION

# Row -> column -> number; a share is a number from 0 to 1.
Table = Mapping[str, Mapping[str, Fraction]]

SIZES = ("1-15", "16-24", "25-99", "100+")
PROFILES = ("low", "middle", "high")


@dataclass(frozen=True, slots=True)
class Published:
    """What is published of the nation of one performance year: tables by name, and the citation of
    each. `eligibility` and `submitting` have `clinicians`; charges are millions of dollars."""

    performance_year: int
    policy: str
    tables: Mapping[str, Table]
    cites: Mapping[str, str]

    def clinicians(self) -> int:
        """All clinicians (TIN/NPI)."""
        return sum(int(row["clinicians"]) for row in self.tables["eligibility"].values())


@dataclass(frozen=True, slots=True)
class Nation:
    """The published figures of a year, with what is assumed and calibrated beside them."""

    published: Published
    cells: Table
    assumed: Mapping[str, Table]
    calibrated: Mapping[str, Table]


def published(performance_year: int, root: Path | None = None) -> Published:
    """The published figures of a performance year, kept from when they were last read. Raises
    Failure where there are none."""
    path = _path(performance_year, root)
    name = cache.key("published", path.read_bytes(), Path(__file__).read_bytes())
    kept: Published | None = cache.load("published", name, Published)
    if kept is None:
        kept = read_nation(performance_year, root).published
        cache.keep("published", name, kept)
    return kept


def read_nation(performance_year: int, root: Path | None = None) -> Nation:
    """Read policies/population/YEAR.yaml. Raises Failure when there is none, when its shape is
    wrong, and when the assumed cells do not add up to the published figures."""
    path = _path(performance_year, root)
    tree = load(
        read_source(path, f"policies/population/{path.name}"), schema("population"), keep=True
    )
    assert isinstance(tree, Block)
    said = {name: _block(entry.value) for name, entry in tree.entries.items()
            if isinstance(entry.value, Block)}  # fmt: skip
    tables = {name: _table(_block(node)["rows"]) for name, node in said["published"].items()}
    cites = {name: _text(_block(node)["cite"]) for name, node in said["published"].items()}
    year, policy = tree.entries["performance_year"].value, tree.entries["policy"].value
    nation = Nation(
        Published(int(_text(year)), _text(policy), tables, cites),
        _table(said["assumed"]["cells"]),
        {name: _table_or_row(node) for name, node in said["assumed"].items() if name != "cells"},
        {name: _table(node) for name, node in said["calibrated"].items()},
    )
    _check(nation, tree)
    return nation


def _path(performance_year: int, root: Path | None) -> Path:
    """The file of a year. Raises Failure when there is none."""
    folder = (root or policies_root()) / "population"
    path = folder / f"{performance_year}.yaml"
    if not path.is_file():
        years = ", ".join(sorted(each.stem for each in folder.glob("*.yaml"))) or "none"
        raise Failure(
            [
                Diagnostic(
                    "no-population",
                    f"no figures of the nation are kept for performance year {performance_year}",
                    help=f"there are figures for {years}",
                )
            ]
        )
    return path


def parts(share: Fraction) -> int:
    """A share as parts of a million, rounded down."""
    return int(share * MILLION)


def _check(nation: Nation, tree: Block) -> None:
    report = Report()
    tables, span = nation.published.tables, tree.entries["assumed"].key_span
    for name, row in tables["eligibility"].items():
        found = sum(cell.get(name, Fraction(0)) for cell in nation.cells.values())
        if found != row["clinicians"]:
            report.error(
                "cells-do-not-add-up",
                f"the cells have {found} clinicians that are {name}; {row['clinicians']} are "
                f"published ({nation.published.cites['eligibility']})",
                span, help="correct the cells: only how clinicians are spread over them is assumed",
            )  # fmt: skip
    submitting = ("required_participating", "group_eligible", "opted_in")
    for table, names in (("submitting", submitting),
                         ("not_submitting", ("required_not_participating",))):  # fmt: skip
        for size in SIZES:
            found = sum(cell.get(name, Fraction(0)) for key, cell in nation.cells.items()
                        for name in names if key.split()[0] == size)  # fmt: skip
            if found != tables[table][size]["clinicians"]:
                report.error(
                    "cells-do-not-add-up",
                    f"the cells of practices of {size} have {found} clinicians {table}; "
                    f"{tables[table][size]['clinicians']} are published "
                    f"({nation.published.cites[table]})",
                    span, help="correct the cells of this practice size",
                )  # fmt: skip
    report.stop_if_errors()


def _block(node: Node) -> dict[str, Node]:
    assert isinstance(node, Block)
    return {key: entry.value for key, entry in node.entries.items()}


def _text(node: Node) -> str:
    assert isinstance(node, Scalar)
    return node.text


def _number(node: Node) -> Fraction:
    text = _text(node)
    return Fraction(text[:-1]) / 100 if text.endswith("%") else Fraction(text)


def _table(node: Node) -> Table:
    return {name: {column: _number(cell) for column, cell in _block(row).items()}
            for name, row in _block(node).items()}  # fmt: skip


def _table_or_row(node: Node) -> Table:
    """A block of rows; a single row is the row `all`."""
    rows = _block(node)
    if any(isinstance(row, Scalar) for row in rows.values()):
        return {"all": {name: _number(cell) for name, cell in rows.items()}}
    return _table(node)
