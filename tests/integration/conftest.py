"""Fixtures for tests of deliveries (downstream services, brokers) and of tokens (an auth service)."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from payment_service import clock
from payment_service.db import Database
from payment_service.delivery import notifications
from payment_service.services.dependencies import Dependencies
from tests.support.broker import Broker, Ear, broker_of_the_machine
from tests.support.issuer import Publisher, jwk
from tests.support.published_keys import EC, RSA
from tests.support.receiver import Receiver
from tests.support.tcp_proxy import TcpProxy


@pytest.fixture
def database(deps: Dependencies) -> Database:
    """Return the clean database behind the app."""
    return deps.database


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    """Yield an auth service that publishes two keys."""
    with Publisher(jwk(RSA, "one"), jwk(EC, "two")) as publisher:
        yield publisher


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Yield a downstream service that accepts every event until a test changes that."""
    with closing(Receiver()) as receiver:
        yield receiver


@pytest.fixture
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make relays poll as often as without a notification listener: tests of many retries take a fraction."""
    monkeypatch.setattr(notifications, "POLL_NOTIFIED", notifications.POLL_BLIND)


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """Yield a broker of our own. A test that stops it starts it again."""
    with closing(Broker()) as broker:
        broker.start()
        yield broker


@pytest.fixture(scope="session")
def broker_port(request: pytest.FixtureRequest) -> int:
    """Return the port of the machine's broker, or of our own."""
    found = broker_of_the_machine()
    if found is not None:
        return found
    own: Broker = request.getfixturevalue("broker")
    return own.port


@pytest.fixture
def ear(broker_port: int) -> Iterator[Ear]:
    """Yield a queue at the broker, bound to nothing yet."""
    with closing(Ear(broker_port, f"test-{clock.new_hex(12)}")) as ear:
        yield ear


@pytest.fixture
def proxy(broker_port: int) -> Iterator[TcpProxy]:
    """Yield a way to the broker on which things get lost."""
    with closing(TcpProxy(broker_port)) as proxy:
        yield proxy
