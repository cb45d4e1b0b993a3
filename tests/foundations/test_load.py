"""Policies by their id; what is kept is what would be compiled."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from finalrule import cache, load, places
from finalrule.core import ir
from finalrule.diagnostics import Failure

RULES = """module mips.small
entity unit
fact unit.rate: rate[0..100] may be unknown
catalogue benchmark by (measure: code)
  field inverse: yes_no
  field kind: one of {outcome, process}
  bounds deciles: rate inverse by inverse
parameter limit: points[0..10]
rounding partial of points
deciles decile_points for unit: points[0..10]
  cites "42 CFR 414.1380"
  of rate
  in benchmark by ("1")
  rounding partial
  below gives 0 points
  none gives 0 points
rule points for unit: points[0..10]
  cites "42 CFR 414.1380"
  clause all: min(decile_points, params.limit) always
"""
YEAR = """policy: 2020-final
title: small
performance_year: 2020
payment_year: 2022
stage: final
tracks: [mips]
published: {title: small, date: 2019-11-15, cite: 84 FR 63194}
parameters:
  limit: {value: 7 points, unit: points, cite: 42 CFR 414.1380}
rounding:
  partial: {places: 1, mode: half_up, unit: points, cite: 42 CFR 414.1380}
catalogues:
  benchmark: {path: elsewhere/bench.csv, cite: 42 CFR 414.1380}
"""
HEADER = "measure,inverse,kind,d1,d2,d3,d4,d5,d6,d7,d8,d9,d10\n"
BENCHMARKS = HEADER + "1,no,outcome,,10,20,30,40,50,60,70,80,90\n"

Write = Callable[[str, str], None]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FINALRULE_CACHE", str(tmp_path / "kept"))
    folder = tmp_path / "policies"
    for name, text in {
        "2020/final.yaml": YEAR, "sources.yaml": "{}", "rules/small.rules": RULES,
        "elsewhere/bench.csv": BENCHMARKS,
    }.items():  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The policies that had to be compiled, in order."""
    names: list[str] = []
    before = load.compile_program

    def compile_program(policy: str, *rest: object) -> ir.Program:
        names.append(policy)
        return before(policy, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(load, "compile_program", compile_program)
    return names


def as_json(program: ir.Program) -> bytes:
    return msgspec.json.encode(program, enc_hook=cache.encode_hook)


def limit(program: ir.Program) -> str:
    value = program.parameters[0].value
    assert isinstance(value, ir.Num)
    return str(value.value)


def test_a_policy_that_is_not_there(root: Path) -> None:
    (root / "2020" / "proposed.yaml").write_text(YEAR)
    assert load.policy_ids(root) == ["2020-final", "2020-proposed"]
    for name, said in {
        "2020-fnal": "help: did you mean `2020-final`?",
        "proposed": "help: did you mean `2020-proposed`?",
        "1066": "help: the policies are 2020-final, 2020-proposed",
        "": "help: the policies are 2020-final, 2020-proposed",
        "2020": "help: ",
        "2020-": "help: ",
        "2020-../2020/final": "help: ",
        "../2020-final": "help: ",
        "2020-final.yaml": "help: ",
        "2020-\0": "help: ",
    }.items():
        with pytest.raises(Failure, match="there is no policy") as raised:
            load.load_program(name, (), root)
        assert said in str(raised.value)


def test_a_policy_is_compiled_once(root: Path, compiled: list[str]) -> None:
    first = load.load_program("2020-final", (), root)
    again = load.load_program("2020-final", (), root)
    assert compiled == ["2020-final"]
    assert first == again


@pytest.mark.parametrize("policy", ["2019-final", "2020-proposed", "2020-final"])
def test_what_is_kept_is_what_is_compiled(
    policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINALRULE_CACHE", str(tmp_path))
    fresh = load.compile_program(policy, (), places.policies_root())
    load.load_program(policy)
    monkeypatch.setattr(load, "compile_program", None)  # no more
    kept = load.load_program(policy)
    assert kept == fresh
    assert as_json(kept) == as_json(fresh)


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("2020/final.yaml", "7 points", "8 points"),
        ("sources.yaml", "{}", "OWN-2020: {title: t, issuer: i, date: 2020-01-01, about: a}"),
        ("rules/small.rules", "clause all", "clause each"),
        ("elsewhere/bench.csv", ",90", ",91"),
    ],
)
def test_a_change_of_any_input_is_seen(
    file: str, before: str, after: str, root: Path, compiled: list[str]
) -> None:
    load.load_evaluator("2020-final", (), root)
    path = root / file
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after, 1))
    try:
        load.load_evaluator("2020-final", (), root)
    except Failure as failure:  # of the sources file: its shape does not matter here
        assert file in str(failure)
    assert compiled == ["2020-final", "2020-final"]


def test_a_new_file_of_rules_is_seen(root: Path, compiled: list[str]) -> None:
    load.load_program("2020-final", (), root)
    (root / "rules" / "more").mkdir()
    (root / "rules" / "more" / "more.rules").write_text("module mips.more\nentity other\n")
    program = load.load_program("2020-final", (), root)
    assert {entity.name for entity in program.entities} == {"unit", "other"}
    assert len(compiled) == 2


@pytest.mark.parametrize("part", ["grammar", "engine"])
def test_a_change_of_the_compiler_is_seen(
    part: str, root: Path, tmp_path: Path, compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    load.load_program("2020-final", (), root)
    if part == "grammar":
        copy = tmp_path / "grammar"
        shutil.copytree(places.grammar_root(), copy)
        (copy / "terminals.yaml").open("a").write("# changed\n")
        monkeypatch.setattr(load, "grammar_root", lambda: copy)
    else:
        copy = tmp_path / "engine"
        shutil.copytree(load._ENGINE, copy)
        (copy / "core" / "lower.py").open("a").write("# changed\n")
        monkeypatch.setattr(load, "_ENGINE", copy)
    load.load_program("2020-final", (), root)
    assert len(compiled) == 2


def test_what_ifs_are_kept_apart(root: Path, compiled: list[str]) -> None:
    base = load.load_program("2020-final", (), root)
    other = load.load_program("2020-final", ("limit=5 points",), root)
    assert (limit(base), limit(other)) == ("7", "5")
    assert limit(load.load_program("2020-final", ("limit=5 points",), root)) == "5"
    assert limit(load.load_program("2020-final", (), root)) == "7"
    assert len(compiled) == 2
    assert base.digest != other.digest


def test_damage_of_what_is_kept_does_not_matter(
    root: Path, tmp_path: Path, compiled: list[str]
) -> None:
    fresh = load.load_program("2020-final", (), root)
    (path,) = (tmp_path / "kept" / "program").iterdir()
    text = path.read_text()
    assert '"7"' in text
    path.write_text(text.replace('"7"', '"9"'))
    assert load.load_program("2020-final", (), root) == fresh
    assert len(compiled) == 2


@pytest.mark.parametrize(
    ("row", "code", "under"),
    [
        ("1,maybe,outcome,,10,20,30,40,50,60,70,80,90", "wrong-cell", "maybe"),
        ("1,no,outcomes,,10,20,30,40,50,60,70,80,90", "wrong-cell", "outcomes"),
        ("1,no,outcome,,10,20,30,forty,50,60,70,80,90", "wrong-bounds", "forty"),
        # a hole: what holds between 30 and 50?
        ("1,no,outcome,,10,20,30,,50,60,70,80,90", "wrong-bounds", ""),
        ("1,no,outcome,5,10,20,30,40,50,60,70,80,", "wrong-bounds", ""),
        # from worst to best: up where more is better, down where less is
        ("1,no,outcome,,10,20,30,40,50,60,70,80,79", "wrong-bounds", "79"),
        ("1,yes,outcome,,10,20,30,40,50,60,70,80,90", "wrong-bounds", "20"),
    ],
)
def test_a_cell_that_is_no_value_is_an_error(row: str, code: str, under: str, root: Path) -> None:
    (root / "elsewhere" / "bench.csv").write_text(f"{HEADER}{row}\n")
    for _ in range(2):  # nothing is kept of a policy with errors
        with pytest.raises(Failure) as raised:
            load.load_program("2020-final", (), root)
        found = raised.value.diagnostics[0]
        assert found.code == code
        assert found.as_data()["labels"][0]["underlined"] == under  # type: ignore[index]


@pytest.mark.parametrize(
    "row",
    [
        "1,no,outcome,,,,,,,,,,",  # no benchmark
        "1,no,outcome,0,10,20,30,40,50,60,70,80,90",
        "1,no,outcome,,10,20,30,100,100,100,100,100,100",  # flat at the top
        "1,yes,outcome,,90,80,70,60,50,40,0,0,0",
        "1,no,outcome,,-10,-5,0,0.5,50,60,70,80,90.25",
    ],
)
def test_bounds_as_they_may_be(row: str, root: Path) -> None:
    (root / "elsewhere" / "bench.csv").write_text(f"{HEADER}{row}\n")
    load.load_evaluator("2020-final", (), root)


def test_places_are_beside_the_package() -> None:
    assert (places.policies_root() / "2020" / "final.yaml").is_file()
    assert (places.grammar_root() / "finalrule.lark").is_file()
