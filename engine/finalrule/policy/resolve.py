"""A year file's tree resolved to a `Policy`: figures typed, citations parsed, catalogues found."""

from __future__ import annotations

import datetime
import hashlib
import re
from collections.abc import Callable, Collection
from pathlib import Path, PurePosixPath
from typing import TypeVar, cast

from finalrule.citations import Citation
from finalrule.diagnostics import Label, Report, suggest
from finalrule.policy.figures import read_citation, read_value, value_text
from finalrule.policy.model import (
    CatalogueFile,
    CellText,
    Figure,
    FigureUnit,
    InForce,
    Policy,
    Published,
    RoundingFigure,
    RowCells,
    TableRows,
)
from finalrule.policy.positioned import sort_by_place
from finalrule.policy.read import read_year_file
from finalrule.policy.shape import is_full
from finalrule.policy.sources import load_sources
from finalrule.policy.tree import Entry, Listing, Mapping, Node, Scalar
from finalrule.values import Mode, Unit

T = TypeVar("T")

_FILE_NAME = re.compile(r"^(proposed|final)(@20\d\d-(0[1-9]|1[0-2]))?$")
_BESIDE_CELLS = ("cite", "unverified", "note")


def find_policies(policies_root: Path) -> dict[str, Path]:
    """The year files by policy id, oldest year first, proposed before final. The id is the file's
    place: policies/2020/final.yaml is `2020-final` (and says so: `load_policy` checks it).

    Raises Failure when a year's folder holds a YAML file whose name is no policy's.
    """
    report = Report()
    found = []
    try:
        folders = [at for at in policies_root.iterdir() if re.fullmatch(r"20\d\d", at.name)]
        files = [file for folder in folders for file in folder.iterdir()]
    except OSError as problem:
        report.error(
            "cannot-read-file", f"cannot read {problem.filename}: {problem.strerror or problem}"
        )
        files = []
    for file in sorted(files):
        if file.suffix not in (".yaml", ".yml") or file.name.startswith("."):
            continue
        if file.suffix == ".yaml" and _FILE_NAME.match(file.stem):
            stage, _, version = file.stem.partition("@")
            found.append(((file.parent.name, stage == "final", version), file))
        else:
            report.error(
                "misplaced-policy",
                f"{file} is not named as a year file is",
                help="name it `proposed.yaml`, `final.yaml` or `final@2020-04.yaml`, or move it",
            )
    report.stop_if_errors()
    return {_id_of(file): file for _, file in sorted(found)}


def load_policy(path: Path, policies_root: Path) -> Policy:
    """Read and resolve one year file.

    Raises Failure with everything found, up to 100 findings: what reading refuses, or, when the
    shape is sound, every unreadable value, wrong unit, citation that does not parse, missing
    catalogue and wrong id.
    """
    sources = load_sources(policies_root)
    tree = read_year_file(path, _known_as(path, policies_root))
    report = Report()
    policy = _Resolver(path, policies_root, sources, report).policy(tree)
    sort_by_place(report)
    report.stop_if_errors()
    assert policy is not None  # what could not be resolved is an error
    return policy


def _known_as(path: Path, policies_root: Path) -> str:
    """A file of the policies folder is named from there, so that what is written down (traces,
    results) is the same on every machine."""
    if path.is_relative_to(policies_root):
        return f"policies/{path.relative_to(policies_root).as_posix()}"
    return str(path)


def _id_of(path: Path) -> str:
    return f"{path.absolute().parent.name}-{path.stem}"


class _Resolver:
    """Resolves one file. A block that is not sound is reported and left out."""

    def __init__(
        self, path: Path, policies_root: Path, sources: Collection[str], report: Report
    ) -> None:
        self.path = path
        self.root = policies_root
        self.sources = sources
        self.report = report

    def policy(self, tree: Mapping) -> Policy | None:
        self._check_id(tree)
        published = self._published(tree)
        parameters = self._blocks(tree, "parameters", self._figure)
        roundings = self._blocks(tree, "rounding", self._rounding)
        tables = self._blocks(tree, "tables", self._table)
        rules = self._blocks(tree, "rules", self._in_force)
        catalogues = self._blocks(tree, "catalogues", self._catalogue)
        assumed = self._blocks(tree, "assumed", self._figure)
        if published is None:
            return None
        identity = _scalar(tree, "policy")
        tracks = tree.entries["tracks"].value
        assert isinstance(tracks, Listing)
        return Policy(
            id=identity.text,
            title=_text(tree, "title"),
            performance_year=int(_text(tree, "performance_year")),
            payment_year=int(_text(tree, "payment_year")),
            stage=_text(tree, "stage"),
            tracks=tuple(item.text for item in tracks.items if isinstance(item, Scalar)),
            published=published,
            parameters=parameters,
            roundings=roundings,
            tables=tables,
            rules=rules,
            catalogues=catalogues,
            assumed=assumed,
            span=identity.span,
            base=identity.text,
        )

    def _check_id(self, tree: Mapping) -> None:
        identity, year = _scalar(tree, "policy"), _scalar(tree, "performance_year")
        paid, stage = _scalar(tree, "payment_year"), _scalar(tree, "stage")
        by_place = _id_of(self.path)
        if identity.text != by_place:
            folder, _, name = identity.text.partition("-")
            self.report.error(
                "misplaced-policy",
                f"the policy `{identity.text}` stands in the place of `{by_place}`",
                identity.span,
                help=f"move the file to {folder}/{name}.yaml, or correct the id",
            )
        if not identity.text.startswith(f"{year.text}-{stage.text}"):
            self.report.error(
                "wrong-policy-id",
                f"the id `{identity.text}` is not that of the {stage.text} policy of {year.text}",
                identity.span,
                Label(year.span, "the performance year"),
                Label(stage.span, "the stage"),
                help=f"the id begins with `{year.text}-{stage.text}`",
            )
        if int(paid.text) != int(year.text) + 2:
            self.report.error(
                "wrong-payment-year",
                f"the payment year of performance year {year.text} is not {paid.text}",
                paid.span,
                Label(year.span, "the performance year"),
                help=f"it is two years later, {int(year.text) + 2} (42 CFR 414.1305, 414.1320)",
            )

    def _published(self, tree: Mapping) -> Published | None:
        block = tree.entries["published"].value
        assert isinstance(block, Mapping)
        cite = self._cite(block)
        stands = _scalar(block, "date")
        declared = Label(block.entries["date"].key_span)
        date, _ = read_value(stands, "date", declared, self.report)
        if cite is None or not isinstance(date, datetime.date):
            return None
        return Published(_text(block, "title"), date, cite)

    def _blocks(
        self, tree: Mapping, name: str, resolve: Callable[[Entry, Mapping], T | None]
    ) -> dict[str, T]:
        if name not in tree.entries:
            return {}
        blocks = tree.entries[name].value
        assert isinstance(blocks, Mapping)
        found = {}
        for key, entry in blocks.entries.items():
            if is_full(self.report):
                break
            assert isinstance(entry.value, Mapping)
            resolved = resolve(entry, entry.value)
            if resolved is not None:
                found[key] = resolved
        return found

    def _figure(self, entry: Entry, block: Mapping) -> Figure | None:
        unit = cast(FigureUnit, _text(block, "unit"))
        node = block.entries["value"].value
        declared = Label(_scalar(block, "unit").span, f"the unit of `{entry.key}`")
        value, status = read_value(node, unit, declared, self.report)
        cite = self._cite(block)
        if cite is None or (value is None and not status):
            return None
        return Figure(
            name=entry.key,
            unit=unit,
            value=value,
            status=status,
            text=value_text(node),
            cite=cite,
            unverified=_flag(block, "unverified"),
            carried_from=_text(block, "carried_from"),
            note=_text(block, "note"),
            span=entry.key_span,
            value_span=node.span,
            cite_span=_scalar(block, "cite").span,
        )

    def _rounding(self, entry: Entry, block: Mapping) -> RoundingFigure | None:
        cite = self._cite(block)
        if cite is None:
            return None
        return RoundingFigure(
            name=entry.key,
            unit=cast(Unit, _text(block, "unit")),
            places=int(_text(block, "places")),
            mode=cast(Mode, _text(block, "mode")),
            cite=cite,
            unverified=_flag(block, "unverified"),
            note=_text(block, "note"),
            span=entry.key_span,
        )

    def _table(self, entry: Entry, block: Mapping) -> TableRows | None:
        cite = self._cite(block)
        unverified = _flag(block, "unverified")
        lines = block.entries["rows"].value
        assert isinstance(lines, Mapping)
        rows = {}
        for name, line in lines.entries.items():
            assert isinstance(line.value, Mapping)
            own = self._cite(line.value) if "cite" in line.value.entries else cite
            if is_full(self.report):
                break
            if own is None:
                continue
            rows[name] = RowCells(
                name=name,
                cells={
                    column: CellText(value_text(cell.value), cell.value.span)
                    for column, cell in line.value.entries.items()
                    if column not in _BESIDE_CELLS
                },
                cite=own,
                unverified=unverified or _flag(line.value, "unverified"),
                note=_text(line.value, "note"),
                span=line.key_span,
            )
        if cite is None:
            return None
        return TableRows(entry.key, cite, rows, _text(block, "note"), entry.key_span)

    def _in_force(self, entry: Entry, block: Mapping) -> InForce | None:
        cite = self._cite(block)
        said = [block.entries[key] for key in ("variant", "not_in_force") if key in block.entries]
        if len(said) != 1:
            labels = [Label(each.key_span) for each in said] or [Label(entry.key_span)]
            has = "both" if said else "neither"
            self.report.error(
                "variant-or-not-in-force",
                f"`{entry.key}` has {has} of `variant` and `not_in_force`",
                *labels,
                help="write either `variant: NAME` or `not_in_force: true`;"
                " a rule without variants that is in force needs no entry",
            )
            return None
        if cite is None:
            return None
        return InForce(
            name=entry.key,
            variant=_text(block, "variant"),
            not_in_force=_flag(block, "not_in_force"),
            cite=cite,
            unverified=_flag(block, "unverified"),
            note=_text(block, "note"),
            span=entry.key_span,
            variant_span=said[0].value.span,
        )

    def _catalogue(self, entry: Entry, block: Mapping) -> CatalogueFile | None:
        cite = self._cite(block)
        path = _scalar(block, "path")
        file = self._catalogue_file(path)
        if cite is None or file is None:
            return None
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        return CatalogueFile(
            name=entry.key,
            path=path.text,
            file=file,
            digest=digest,
            cite=cite,
            unverified=_flag(block, "unverified"),
            note=_text(block, "note"),
            span=entry.key_span,
            path_span=path.span,
        )

    def _catalogue_file(self, path: Scalar) -> Path | None:
        parts = PurePosixPath(path.text)
        file = self.root / parts
        inside = not parts.is_absolute() and ".." not in parts.parts and "\\" not in path.text
        if not inside or not file.resolve().is_relative_to(self.root.resolve()):
            self.report.error(
                "catalogue-outside",
                f"`{path.text}` is not a path inside policies/",
                path.span,
                help="write the path from policies/ on, e.g. `measures/2020/benchmarks.csv`",
            )
            return None
        try:
            with file.open("rb"):
                return file
        except OSError as problem:
            beside = file.parent.iterdir() if file.parent.is_dir() else ()
            near = suggest(file.name, [other.name for other in beside if other.is_file()])
            self.report.error(
                "catalogue-not-found",
                f"cannot read `{path.text}` in policies/: {problem.strerror or problem}",
                path.span,
                help=near or "correct the path, or add the file",
            )
            return None

    def _cite(self, block: Mapping) -> Citation | None:
        cite = _scalar(block, "cite")
        return read_citation(cite.text, cite.span, self.sources, self.report)


def _scalar(block: Mapping, key: str) -> Scalar:
    node: Node = block.entries[key].value
    assert isinstance(node, Scalar)  # the schema's type
    return node


def _text(block: Mapping, key: str) -> str:
    """The text of a key that may be left out, on one line."""
    return value_text(block.entries[key].value) if key in block.entries else ""


def _flag(block: Mapping, key: str) -> bool:
    return key in block.entries  # the schema lets it be `true` alone
