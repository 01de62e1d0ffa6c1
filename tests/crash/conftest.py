"""The worker slots of all trials: a fork server, two banks of each kind, and a real PostgreSQL beside SQLite."""

from collections.abc import Iterator

import pytest

from tests.crash.runner import SLOTS
from tests.crash.scenario import Environment, WorkerSlot, open_environment, worker_slots
from tests.support.postgres import Postgres


@pytest.fixture(scope="package")
def environment(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Environment]:
    with open_environment(tmp_path_factory.mktemp("crash"), postgres) as opened:
        yield opened


@pytest.fixture(scope="package")
def honest(environment: Environment) -> Iterator[list[WorkerSlot]]:
    with worker_slots(environment, SLOTS) as where:
        yield where


@pytest.fixture(scope="package")
def forgetful(environment: Environment) -> Iterator[list[WorkerSlot]]:
    """Yield keywords of banks that repeat every operation that they receive twice."""
    with worker_slots(environment, SLOTS, not_idempotent=True) as where:
        yield where
