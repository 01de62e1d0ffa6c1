"""The service behind a proxy that sees every statement."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask

from payment_service import create_app
from payment_service.config import Settings
from tests.conftest import dependencies_of
from tests.crash.proxy import CommitProxy
from tests.support.gateways import LedgerGateway
from tests.support.tokens import SECRET


@contextmanager
def app_through(proxy: CommitProxy) -> Iterator[Flask]:
    """Yield an app with one connection, through the proxy."""
    settings = Settings(database_url=proxy.url_through, log_level="ERROR", jwt_secret_key=SECRET, db_pool_size=1)
    app = create_app(settings, gateway=LedgerGateway())
    yield app
    dependencies_of(app).database.engine.dispose()
