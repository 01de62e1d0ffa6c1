"""The cluster of these tests: TEST_DATABASE_URL names its coordinator."""

import pytest

from tests.support.citus import CitusPostgres
from tests.support.postgres import Postgres


@pytest.fixture
def cluster(postgres: Postgres) -> CitusPostgres:
    """Return the cluster. Without one the tests fail: only `make test-citus` runs them."""
    assert isinstance(postgres, CitusPostgres), "TEST_DATABASE_URL must name the coordinator of a Citus cluster"
    return postgres
