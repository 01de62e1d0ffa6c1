"""The tests of this folder run without a database, so that they take seconds."""

import pytest
from sqlalchemy import create_engine

from tests.support.postgres import start_postgres
from tests.unit.conftest import DatabaseOpenedError


def test_no_postgresql_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_DATABASE_URL", raising=False)
    with pytest.raises(DatabaseOpenedError):
        start_postgres()


@pytest.mark.parametrize("url", ["postgresql+psycopg2://nobody@127.0.0.1:9/none", "sqlite://"])
def test_no_connection_is_opened(url: str) -> None:
    with pytest.raises(DatabaseOpenedError):
        create_engine(url).connect()
