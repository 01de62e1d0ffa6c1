"""Fixtures of the gateway over HTTP before a simulator; a module that uses them names them in `__all__`."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from payment_service.gateways.remote import RemoteGateway
from tests.support.instructions import gateway_at
from tests.support.simulator import Simulator, running_simulator


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Yield the simulator of all tests of the module."""
    with running_simulator(tmp_path_factory.mktemp("bank")) as simulator:
        yield simulator


@pytest.fixture
def simulator(bank: Simulator) -> Iterator[Simulator]:
    """Yield it; afterwards it runs and behaves, although a test has killed it or made it misbehave."""
    yield bank
    if not bank.runs:
        bank.start()
    bank.disarm()


@pytest.fixture
def gateway(simulator: Simulator) -> Iterator[RemoteGateway]:
    """Yield the adapter before it."""
    with closing(gateway_at(simulator.url)) as gateway:
        yield gateway
