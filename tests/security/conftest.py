"""Fixtures for tests of several routes at once."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from payment_service import create_app
from payment_service.config import Settings
from payment_service.db import db
from tests.conftest import empty
from tests.support.gateways import LedgerGateway
from tests.support.tokens import SECRET


@pytest.fixture(scope="module")
def both(migrated: Callable[[str], str]) -> Iterator[list[Flask]]:
    """Return the service above each database."""
    apps = []
    for name in ("postgresql", "sqlite"):
        settings = Settings(database_url=migrated(name), log_level="CRITICAL", jwt_secret_key=SECRET)
        apps.append(create_app(settings, gateway=LedgerGateway()))
        empty(apps[-1].extensions["payment_service"].database)
    yield apps
    for app in apps:
        with app.app_context():
            db.engine.dispose()
