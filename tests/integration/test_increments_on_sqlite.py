"""On SQLite the rows a transaction has read stay true until it writes: it takes the write lock at its beginning."""

import time
from pathlib import Path

import pytest
from sqlalchemy import text

from payment_service import create_app
from payment_service.config import Settings
from payment_service.db import Database
from tests.conftest import dependencies_of
from tests.support.workers import all_at_once

THREADS, TIMES = 6, 5


@pytest.fixture
def database(tmp_path: Path) -> Database:
    app = create_app(Settings(database_url=f"sqlite:///{tmp_path}/counter.db", log_level="ERROR"))
    database = dependencies_of(app).database
    with database.atomic("test") as connection:
        connection.execute(text("CREATE TABLE counter (number INTEGER)"))
        connection.execute(text("INSERT INTO counter VALUES (0)"))
    return database


def increment(database: Database) -> None:
    with database.atomic("test") as connection:
        number = connection.execute(text("SELECT number FROM counter")).scalar_one()
        time.sleep(0.005)  # another writer's turn, if there were no lock
        connection.execute(text("UPDATE counter SET number = :number"), {"number": number + 1})


def test_increments_at_once_are_all_counted(database: Database) -> None:
    def many(_: int) -> None:
        for _ in range(TIMES):
            increment(database)

    all_at_once(THREADS, many)

    with database.reading() as connection:
        assert connection.execute(text("SELECT number FROM counter")).scalar_one() == THREADS * TIMES
    database.engine.dispose()
