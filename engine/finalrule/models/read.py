"""Files of payment models (policies/models/): how each is made, each fact with its source, and what
CMS found. grammar/models.schema.json describes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from finalrule.citations import Citation
from finalrule.diagnostics import Diagnostic, Failure, Label, Report, suggest
from finalrule.load import policy_ids
from finalrule.policy.figures import read_citation
from finalrule.policy.positioned import load, read_source
from finalrule.policy.read import schema
from finalrule.policy.sources import load_sources
from finalrule.policy.tree import Entry, Listing, Mapping, Node, Scalar
from finalrule.scenarios.suite import known_as
from finalrule.source import Span

FOLDER = "models"
OUTCOMES = ("advanced_apm", "mips_apm")


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact as written, and where it is from."""

    entry: Entry
    cite: Citation
    unverified: bool
    note: str

    @property
    def text(self) -> str:
        assert isinstance(self.entry.value, Scalar)
        return self.entry.value.text


@dataclass(frozen=True, slots=True)
class Finding:
    """What CMS found under a policy: `yes` or `no` by outcome."""

    policy: str
    outcomes: dict[str, str]
    cite: Citation


@dataclass(frozen=True, slots=True)
class Model:
    key: Scalar
    name: str
    facts: tuple[Fact, ...]
    found: tuple[Finding, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class ModelFile:
    path: Path
    about: str
    policies: tuple[str, ...]
    models: tuple[Model, ...]


def model_files(paths: Sequence[Path], policies: Sequence[str], root: Path) -> list[ModelFile]:
    """The files named; without any, those of ROOT/models that are for one of the policies. Raises
    Failure with everything that is wrong in them, and when there is none."""
    report = Report()
    found: list[ModelFile] = []
    for path in list(paths) or sorted((root / FOLDER).glob("*.yaml")):
        try:
            file = read_models(path, root)
        except Failure as failure:
            report.diagnostics.extend(failure.diagnostics)
            continue
        if paths or not set(policies).isdisjoint(file.policies):
            found.append(file)
    report.stop_if_errors()
    if not found:
        raise Failure(
            [
                Diagnostic(
                    "no-models",
                    f"no file of payment models is for {' or '.join(policies)}",
                    help=f"name one, such as policies/{FOLDER}/2017.yaml",
                )
            ]
        )
    return found


def read_models(path: Path, root: Path) -> ModelFile:
    """A file of payment models. Raises Failure with everything that is wrong in it but for the
    names and values of facts, which a policy's rules declare."""
    tree = load(read_source(path, known_as(path, root)), schema("models"))
    assert isinstance(tree, Mapping)
    reader = _Reader(set(load_sources(root)), policy_ids(root))
    parts = {key: entry.value for key, entry in tree.entries.items()}
    models = tuple(reader.model(item) for item in _items(parts["models"]))
    policies = reader.policies(parts["policies"])
    first: dict[str, Model] = {}
    for model in models:
        other = first.setdefault(model.key.text, model)
        if other is not model:
            reader.report.error(
                "duplicate-model",
                f"two models are named `{model.key.text}`",
                Label(model.key.span, "again here"),
                Label(other.key.span, "first here"),
                help="give each track and each design a name of its own",
            )
    reader.report.stop_if_errors()
    return ModelFile(path, _text(parts["about"]), policies, models)


def _items(node: Node) -> tuple[Node, ...]:
    assert isinstance(node, Listing)
    return node.items


def _text(node: Node) -> str:
    assert isinstance(node, Scalar)
    return " ".join(node.text.split())


class _Reader:
    """What a shape-checked tree says; what is wrong stands in `report`."""

    def __init__(self, sources: set[str], known: list[str]) -> None:
        self.sources, self.known, self.report = sources, known, Report()

    def policies(self, node: Node) -> tuple[str, ...]:
        for item in _items(node):
            assert isinstance(item, Scalar)
            if item.text not in self.known:
                self.report.error(
                    "unknown-policy",
                    f"there is no policy `{item.text}`",
                    item.span,
                    help=suggest(item.text, self.known)
                    or f"the policies are {', '.join(self.known)}",
                )
        return tuple(_text(item) for item in _items(node))

    def cite(self, node: Node) -> Citation:
        assert isinstance(node, Scalar)
        read = read_citation(node.text, node.span, self.sources, self.report)
        return read or Citation(node.text, "source", "", "")

    def model(self, node: Node) -> Model:
        assert isinstance(node, Mapping)
        parts = {key: entry.value for key, entry in node.entries.items()}
        key = parts["model"]
        assert isinstance(key, Scalar)
        facts: dict[str, Fact] = {}
        for block in _items(parts["facts"]):
            self._facts(block, facts)
        found = _items(parts["found"]) if "found" in parts else ()
        findings = [finding for item in found for finding in self._findings(item)]
        return Model(key, _text(parts["name"]), tuple(facts.values()), tuple(findings), node.span)

    def _facts(self, node: Node, facts: dict[str, Fact]) -> None:
        assert isinstance(node, Mapping)
        parts = {key: entry.value for key, entry in node.entries.items()}
        given, note = parts["given"], parts.get("note")
        assert isinstance(given, Mapping)
        cite = self.cite(parts["cite"])
        for name, entry in given.entries.items():
            fact = Fact(entry, cite, "unverified" in parts, _text(note) if note else "")
            other = facts.setdefault(name, fact)
            if other is not fact:
                self.report.error(
                    "duplicate-model-fact",
                    f"`{name}` is given twice for one model",
                    Label(entry.key_span, "again here"),
                    Label(other.entry.key_span, "first here"),
                    help="keep one of them, or make two models of it",
                )

    def _findings(self, node: Node) -> list[Finding]:
        assert isinstance(node, Mapping)
        parts = {key: entry.value for key, entry in node.entries.items()}
        outcomes = {name: _text(parts[name]) for name in OUTCOMES if name in parts}
        cite = self.cite(parts["cite"])
        return [Finding(policy, outcomes, cite) for policy in self.policies(parts["policies"])]
