"""What `finalrule show --sql` prints of a rule makes, of a run's facts, what the run stored."""

from __future__ import annotations

import duckdb
import pytest

from finalrule.evaluate.scalar import Evaluator
from finalrule.population import index
from finalrule.population.dimensions import catalogue_rows
from finalrule.population.duckdb import load_catalogues
from finalrule.show.sql import sql_data, sql_text
from runs.conftest import Whole


@pytest.mark.parametrize("rule", ["complex_patient_bonus", "measure_points"])
def test_it_is_what_is_run(whole: Whole, evaluator: Evaluator, rule: str) -> None:
    data = sql_data(evaluator, (), rule, "duckdb")
    plan = index.read(evaluator.program, (whole.path / "plan.json").read_bytes())
    shape = plan.shapes[rule, ""]
    assert not shape.divisor
    with duckdb.connect() as connection:
        load_catalogues(connection, catalogue_rows(evaluator.catalogues))
        for table in data["reads"]:
            if not table.startswith("catalogue_"):
                files = f"{whole.path}/facts/{table}/*.parquet"
                connection.execute(f"CREATE VIEW {table} AS FROM '{files}'")
        connection.execute(sql_text(data))
        made = data["queries"][-1]["makes"]
        rows, different = connection.execute(
            f"SELECT count(*), "
            f"count(*) FILTER (made.{rule} IS DISTINCT FROM stored.{shape.column}) "
            f"FROM {made} made FULL JOIN "
            f"'{whole.path}/outcomes/{plan.tables[rule]}/*.parquet' stored USING (id)"
        ).fetchall()[0]
    assert rows > 2_000 and different == 0
