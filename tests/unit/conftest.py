"""These tests need no database: `make test-unit` takes seconds, and a test that opens a database fails."""

import sqlite3
from collections.abc import Iterator
from typing import Any, NoReturn

import psycopg2
import pytest
from flask import Flask

from payment_service import create_app
from payment_service.config import Settings
from tests.support.postgres import ThrowawayPostgres


class DatabaseOpenedError(AssertionError):
    """A test of this folder opened a database: it belongs in another folder."""


def refuse(*_: Any, **__: Any) -> NoReturn:
    raise DatabaseOpenedError(DatabaseOpenedError.__doc__)


@pytest.fixture(autouse=True, scope="module")
def no_database() -> Iterator[None]:
    """Fail each attempt to connect to a database or to start one."""
    with pytest.MonkeyPatch.context() as patch:
        for driver in (psycopg2, sqlite3, sqlite3.dbapi2):
            patch.setattr(driver, "connect", refuse)
        patch.setattr(ThrowawayPostgres, "__init__", refuse)
        yield


@pytest.fixture(scope="session")
def postgres() -> NoReturn:
    """Start no server for tests of this folder."""
    refuse()


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """Return an app that never asks its database."""
    return create_app(Settings(database_url=f"sqlite:///{tmp_path_factory.mktemp('none')}/none.db", log_level="ERROR"))
