"""Whatever is done to good files, the reader says what is wrong with them or makes cases."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facts.documents import NPI, TIN, Json
from facts.test_clinician import BLOCK, answer
from facts.test_submission_errors import VALID
from finalrule.catalogue.read import Catalogue
from finalrule.core import ir
from finalrule.diagnostics import Failure
from finalrule.facts.assemble import read_cases

FACTS = answer({"ruralClinician": True, "extremeHardship": False}, {}, **BLOCK)
COST = [{"tin": TIN, "npi": NPI, "measure_id": "TPCC_1", "case_count": 25, "cost": 12.5}]

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(10**12), max_value=10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["quality", "ia", "pi", "registry", "claims", "110", "046", "IA_PM_2",
                       "PI_EP_1", "first", "individual", "group", "2019-06-01", TIN, NPI]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner,
                                                                max_size=3),
    max_leaves=5,
)  # fmt: skip


def places(document: Json, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values below the top."""
    found = [path] if path else []
    members: list[tuple[Any, Any]] = []
    if isinstance(document, dict):
        members = list(document.items())
    elif isinstance(document, list):
        members = list(enumerate(document))
    for name, value in members:
        found.extend(places(value, (*path, name)))
    return found


@st.composite
def corrupted(draw: st.DrawFn, document: Json) -> Json:
    """The document with a few values replaced, removed, doubled, or a key renamed."""
    made = copy.deepcopy(document)
    for _ in range(draw(st.integers(min_value=0, max_value=3))):
        paths = places(made)
        if not paths:
            break
        *above, last = draw(st.sampled_from(paths))
        owner = made
        for token in above:
            owner = owner[token]
        match draw(st.sampled_from(["replace", "remove", "double", "rename"])):
            case "replace":
                owner[last] = draw(anything)
            case "remove":
                del owner[last]
            case "double" if isinstance(owner, list):
                owner.append(copy.deepcopy(owner[last]))
            case "rename" if isinstance(owner, dict):
                owner[draw(st.text(max_size=6))] = owner.pop(last)
    return made


def read(
    program: ir.Program, catalogues: Mapping[str, Catalogue], *texts: bytes
) -> Failure | list[Any]:
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.json" for number in range(3)]
        for path, text in zip(paths, texts, strict=True):
            path.write_bytes(text)
        try:
            cases, _ = read_cases(program, catalogues, paths[:1], paths[1:2], paths[2:], {}, False)
        except Failure as failure:
            return failure
    return cases


def fits(program: ir.Program, cases: list[Any]) -> bool:
    """Whether every record has its required facts."""
    return all(
        fact.name in record.facts
        for case in cases
        for record in case.root.walk()
        for fact in program.facts
        if fact.entity == record.entity and fact.presence == "required"
    )


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(submission=corrupted(VALID), facts=corrupted(FACTS), cost=corrupted(COST))
def test_changed_values(
    program_2019: ir.Program,
    catalogues_2019: Mapping[str, Catalogue],
    submission: Json,
    facts: Json,
    cost: Json,
) -> None:
    texts = [json.dumps(document).encode() for document in (submission, facts, cost)]
    found = read(program_2019, catalogues_2019, *texts)
    if isinstance(found, Failure):
        assert any(finding.severity == "error" for finding in found.diagnostics)
        for finding in found.diagnostics:
            assert finding.help and finding.labels, finding.code
            assert finding.render().replace("\n", "").isprintable()
            assert NPI not in finding.render() and TIN not in finding.render()
    else:
        assert fits(program_2019, found)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_changed_bytes(
    program_2019: ir.Program, catalogues_2019: Mapping[str, Catalogue], data: st.DataObject
) -> None:
    texts = []
    for document in (VALID, FACTS, COST):
        text = bytearray(json.dumps(document).encode())
        for _ in range(data.draw(st.integers(min_value=0, max_value=2))):
            at = data.draw(st.integers(min_value=0, max_value=len(text) - 1))
            text[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        texts.append(bytes(text))
    found = read(program_2019, catalogues_2019, *texts)
    if not isinstance(found, Failure):
        assert fits(program_2019, found)


@settings(max_examples=100, deadline=None)
@given(text=st.binary(max_size=200))
def test_any_bytes(
    program_2019: ir.Program, catalogues_2019: Mapping[str, Catalogue], text: bytes
) -> None:
    good = json.dumps(VALID).encode()
    found = read(program_2019, catalogues_2019, good, text, b"[]")
    assert isinstance(found, Failure)
