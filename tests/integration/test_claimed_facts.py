"""The engine continues a claim with the claimed row's values: completing it reads no unchanged row again."""

from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from payment_service.domain.records import StoredResponse
from payment_service.gateways.base import GatewayResult
from payment_service.repositories import key_lookups
from payment_service.services import engine
from payment_service.services.claim import Claim, load_context
from payment_service.services.complete import complete
from payment_service.services.dependencies import Dependencies
from tests.support import orders
from tests.support.callers import pay_trip
from tests.support.operations import MOVEMENTS, Movement


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return every claim's facts from now on, once they were found to be word for word those of the database."""
    seen: list[str] = []

    def compare(deps: Dependencies, claim: Claim, result: GatewayResult) -> StoredResponse:
        with deps.database.atomic("compare") as connection:
            key = key_lookups.lock_by_id(connection, claim.key_id)
            assert key is not None
            stored = load_context(connection, key)
        # The head of the payment's chain comes with the lock of the last transaction.
        known, stored = (
            replace(context, payment=replace(context.payment, journal_hash=None)) for context in (claim.context, stored)
        )
        assert repr(known) == repr(stored)
        seen.append(repr(stored))
        return complete(deps, claim, result)

    monkeypatch.setattr(engine, "complete", compare)
    return seen


@pytest.mark.parametrize("movement", list(MOVEMENTS.values()), ids=list(MOVEMENTS))
def test_claim_has_its_facts_as_they_are_stored(client: FlaskClient, compared: list[str], movement: Movement) -> None:
    ask = movement.prepare(client, "claimed")
    compared.clear()

    assert ask().status_code == movement.done[0]
    assert len(compared) == 1


@pytest.mark.parametrize(
    ("currency", "amount"), [("KWD", 1), ("KWD", 1.5), ("KWD", 1.234), ("JPY", 100), ("INR", 99_999.99)]
)
def test_claim_has_its_facts_in_currencies_with_other_decimals(
    client: FlaskClient, compared: list[str], currency: str, amount: Any
) -> None:
    orders.paid(orders.charge_order(client, currency=currency, amount=amount))
    assert compared


def test_claim_has_its_facts_with_any_fields_of_a_caller(client: FlaskClient, compared: list[str]) -> None:
    metadata = {"number": 1.50, "list": [1, None, True], "deep": {"ü": "\t"}, "blank": ""}
    assert pay_trip(client, amount=0.5, metadata=metadata).status_code == 200
    assert pay_trip(client, idempotency_key="free", amount=0).status_code == 200
    assert len(compared) == 2
