"""`finalrule show --sql`: what is printed is what a run computes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import duckdb
import pytest
import sqlglot
from click.testing import CliRunner, Result

from finalrule.cli.main import main
from finalrule.evaluate.scalar import Evaluator
from finalrule.load import load_evaluator
from finalrule.population.dimensions import catalogue_rows
from finalrule.population.duckdb import load_catalogues
from finalrule.tables.internal import Layout

POLICY = "2020-final"


@pytest.fixture(scope="module")
def evaluator() -> Evaluator:
    return load_evaluator(POLICY)


@pytest.fixture
def empty(evaluator: Evaluator) -> Iterator[duckdb.DuckDBPyConnection]:
    """The tables of facts without a record in them, and the catalogues."""
    layout = Layout(evaluator.program)
    with duckdb.connect() as connection:
        for entity in layout.declared.entities:
            columns = ", ".join(f'"{one.name}" {one.sql}' for one in layout.columns(entity))
            connection.execute(f"CREATE TABLE {entity} ({columns}, part_key INTEGER)")
        load_catalogues(connection, catalogue_rows(evaluator.catalogues))
        yield connection


def show(*arguments: str) -> Result:
    done = CliRunner().invoke(main, ["show", "--policy", POLICY, *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done


def test_all_rules_run(empty: duckdb.DuckDBPyConnection) -> None:
    script = show("--sql").stdout
    empty.execute(script)
    assert "-- 2020-final, all rules of a run, for duckdb\n" in script
    assert "--   low_volume_status: Low-volume threshold\n" in script
    assert empty.execute("SELECT count(*) FROM program_1").fetchall() == [(0,)]


def test_one_rule_runs(empty: duckdb.DuckDBPyConnection) -> None:
    """42 CFR 414.1305, low-volume threshold: more than $90,000, 200 patients and 200 services."""
    data = json.loads(show("--sql", "low_volume_status", "--format", "json").stdout)
    assert (data["rule"], data["dialect"]) == ("low_volume_status", "duckdb")
    assert data["reads"] == ["scoring_unit", "segment"]
    last = data["queries"][-1]
    assert last["entity"] == "scoring_unit"
    assert {"rule": "low_volume_status", "title": "Low-volume threshold"} in last["rules"]
    # Individuals: the first of the types of units.
    empty.execute("INSERT INTO scoring_unit (id, entity_type, established_in_second_segment) "
                  "VALUES (1, 0, false), (2, 0, false), (3, 0, false)")  # fmt: skip
    # Charges have two decimal places. In both segments the first unit exceeds all three, the
    # second one of them, the third none.
    figures = ((1, 9_000_001, 201, 201), (2, 9_000_000, 200, 201), (3, 9_000_000, 200, 200))
    for unit, *row in figures:
        for segment in (0, 1):
            empty.execute(
                "INSERT INTO segment (id, scoring_unit_id, segment, allowed_charges, patients, "
                "services) VALUES (?, ?, ?, ?, ?, ?)",
                [2 * unit + segment, unit, segment, *row],
            )
    empty.execute(show("--sql", "low_volume_status").stdout)
    found = empty.execute(f"SELECT id, low_volume_status FROM {last['makes']} ORDER BY id")
    members = ("included", "opt_in_eligible", "excluded")
    assert [(unit, members[place]) for unit, place in found.fetchall()] == [
        (1, "included"), (2, "opt_in_eligible"), (3, "excluded")
    ]  # fmt: skip


def test_what_a_rule_does_not_need_is_left_out() -> None:
    one = show("--sql", "low_volume_status").stdout
    assert "final_score" not in one and "measure_result" not in one
    assert len(one) < len(show("--sql").stdout) / 20


@pytest.mark.parametrize("rule", ["low_volume_status", "complex_patient_bonus"])
def test_spark(rule: str) -> None:
    script = show("--sql", rule, "--dialect", "spark").stdout
    statements = sqlglot.parse(script, dialect="spark")
    assert all(one is not None and one.key == "create" for one in statements if one)
    assert "CREATE OR REPLACE TABLE scoring_unit_1 USING PARQUET AS\n" in script
    assert "INT128" not in script and "HUGEINT" not in script


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--sql", "low_volume_statuses"), "did you mean `low_volume_status`?"),
        (("--sql", "performance_threshold"), "has no rule `performance_threshold` in force"),
    ],
)
def test_no_such_rule(arguments: tuple[str, ...], said: str) -> None:
    done = show(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "error[name-not-found]: " in done.stderr and said in done.stderr


def test_no_policy() -> None:
    done = CliRunner().invoke(main, ["show", "--sql"])
    assert done.exit_code == 2 and "--sql of which policy?" in done.stderr
