"""A Spark session for the tests that ask for one; without Spark or Java they are skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from finalrule.population.spark import session, unavailable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="session")
def spark() -> SparkSession:
    if why := unavailable():
        pytest.skip(f"NOT TESTED ON SPARK: {why}")
    return session(memory="1g")
