"""Fixtures of a service before the simulator in Stripe's language; a module that uses them names them in `__all__`."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from payment_service.gateways.stripe import StripeGateway
from tests.conftest import MakeApp
from tests.support.instructions import PATIENT
from tests.support.stripe_bank import StripeBank, stripe_bank


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[StripeBank]:
    """Yield a bank of the test's own."""
    with stripe_bank(tmp_path) as bank:
        yield bank


@pytest.fixture
def shop(make_app: MakeApp, bank: StripeBank) -> Iterator[Flask]:
    """Yield the service with its account at the bank."""
    patient: dict[str, Any] = {"connect_timeout": PATIENT, "read_timeout": PATIENT}
    with closing(StripeGateway("sk_test_simulator", base=bank.simulator.url, **patient)) as gateway:
        yield make_app(gateway=gateway)
