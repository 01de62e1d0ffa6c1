"""A service at a gateway that registers charges and sends signed notices about them."""

import pytest
from flask import Flask

from tests.conftest import MakeApp
from tests.support.notifying import NotifyingGateway


@pytest.fixture
def bank() -> NotifyingGateway:
    """Return the gateway, with objects and lists that a test can change."""
    return NotifyingGateway()


@pytest.fixture
def app(make_app: MakeApp, bank: NotifyingGateway) -> Flask:
    """Return a service that charges at the gateway."""
    return make_app(gateway=bank)
