"""docs/run.md: the columns of a run's clinicians are those that there are, and what it shows in SQL
and Python works. With FINALRULE_WRITE_DOCS set the columns are written anew instead of being
compared."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from finalrule.evaluate.outcomes import output_types
from finalrule.load import load_evaluator
from finalrule.runs import results
from finalrule.runs.run import run
from finalrule.synth.make import make_nation
from finalrule.values import Number

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "run.md"
POLICY = "2020-proposed"
WHOSE = {
    "": "the TIN/NPI",
    results.TIN_NPI: "the TIN/NPI",
    results.INDIVIDUAL: "the individual's unit",
    results.PRACTICE: "the practice's unit",
    results.USED: "the unit whose score is used",
    results.OWN: "the clinician in the individual's unit",
    results.GROUPED: "the clinician in the unit of a practice that reports as a group",
}
UNITS = {"points": "points", "percent": "percent", "usd": "dollars"}
# Columns that are no rule's outcome.
OTHERS = {
    "tin": "TIN",
    "npi": "NPI",
    "practice_size": "How many TIN/NPIs the TIN has",
    "reports_as_group": "Whether the practice reports as a group",
    "score_used": "Whose final score is used, where an adjustment applies",
    "covered_charges": "What payment adjustments multiply, in dollars",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the document's run is."""
    made = tmp_path_factory.mktemp("run")
    evaluator = load_evaluator(POLICY)
    make_nation(evaluator.program, 2_000, 1, made / "facts", threads=2)
    run(evaluator, made / "facts", made / "runs" / POLICY)
    return made


def columns(path: Path) -> Iterator[str]:
    rules = {rule.name: rule for rule in load_evaluator(POLICY).program.rules}
    types = {name: kind for name, kind, *_ in
             duckdb.execute(f"DESCRIBE FROM '{path}'").fetchall()}  # fmt: skip
    assert [column.name for column in results.COLUMNS] == list(types)
    yield "| column | type | of | what it is | rule |"
    yield "|---|---|---|---|---|"
    for column in results.COLUMNS:
        said, rule = OTHERS.get(column.name, ""), ""
        if column.rule:
            said, rule = rules[column.rule].title, f"`{column.rule}`"
            type_ = output_types(rules[column.rule])[""]
            said += f", in {UNITS[type_.unit]}" if isinstance(type_, Number) else ""
        kind = types[column.name]
        yield f"| `{column.name}` | {kind} | {WHOSE[column.of]} | {said} | {rule} |"


def test_columns(folder: Path) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    stretch = re.compile(r"(<!-- begin: (columns of \S+) -->\n)(.*?)(<!-- end: \2 -->)", re.S)
    (found,) = stretch.finditer(text)
    made = "\n".join(columns(folder / "runs" / POLICY / "clinicians.parquet")) + "\n"
    if os.environ.get("FINALRULE_WRITE_DOCS"):
        text = f"{text[: found.end(1)]}{made}{text[found.start(4) :]}"
        DOCUMENT.write_text(text, encoding="utf-8")
    else:
        assert found[3] == made


def blocks(language: str) -> list[str]:
    text = DOCUMENT.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def test_sql(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run says of where an outcome is, read as the document says, is what a run prints."""
    monkeypatch.chdir(folder)
    (query,) = blocks("sql")
    ((table, *found),) = duckdb.execute(query).fetchall()
    decided, shape = (json.loads(one) for one in found)
    assert shape["divisor"] == ""
    number = f"(o.{decided['column']} >> {decided['shift']}) & ((1 << {decided['bits']}) - 1)"
    run = f"runs/{POLICY}"
    ((rows, different),) = duckdb.execute(
        f"SELECT count(*), count(*) FILTER (c.final_score IS DISTINCT FROM "
        f"CASE WHEN {number} > 0 THEN o.{shape['column']} / {shape['unit']} END) "
        f"FROM '{run}/outcomes/{table}/*.parquet' o "
        f"JOIN '{run}/facts/unit_names/*.parquet' u ON u.id = o.id "
        f"JOIN '{run}/clinicians.parquet' c ON c.tin = u.tin AND c.npi = u.npi "
        "WHERE c.score_used = 'individual'"
    ).fetchall()
    assert rows > 100 and different == 0


def test_python(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    first, second = blocks("python")
    exec(first, names)
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 3 and all(re.fullmatch(r"\w+ [\d/]+", line) for line in shown)
    exec(second, names)
    assert "avg(final_score)" in capsys.readouterr().out
    assert len(names["found"].rules) == 25


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", DOCUMENT.read_text(encoding="utf-8"))
    assert links
    for link in links:
        assert (DOCUMENT.parent / link).exists(), link
