"""Callers of bookings, as the tests of their channel know them."""

import pytest
from flask import Flask

from tests.support.bookers import Booker


@pytest.fixture
def ada(app: Flask) -> Booker:
    """Return a traveller."""
    return Booker(app, "ada", email="ada@example.com", is_verified=True)


@pytest.fixture
def bob(app: Flask) -> Booker:
    """Return another traveller."""
    return Booker(app, "bob")


@pytest.fixture
def desk(app: Flask) -> Booker:
    """Return a service that acts for all."""
    return Booker(app, "booking-service", scope="payments:service")
