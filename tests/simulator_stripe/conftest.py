"""One simulator for each file: its tests share the ledger, and look only at objects and keys of their own."""

from collections.abc import Iterator

import pytest

from tests.support.stripe_bank import StripeBank, stripe_bank


@pytest.fixture(scope="module")
def running_bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StripeBank]:
    with stripe_bank(tmp_path_factory.mktemp("stripe")) as bank:
        yield bank


@pytest.fixture
def bank(running_bank: StripeBank) -> Iterator[StripeBank]:
    yield running_bank
    running_bank.simulator.disarm()
