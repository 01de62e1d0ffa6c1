"""Calls of callers with customers who pay by token at a gateway that registers first, and reads of the tables."""

from typing import Any

from flask.testing import FlaskClient

from payment_service.domain.operations import CancelReason
from payment_service.models import idempotency_keys, payments
from payment_service.repositories import keys
from payment_service.services.dependencies import Dependencies
from tests.support.callers import ABSENT, pay_trip
from tests.support.checkouts import process
from tests.support.database import rows

BACK = "https://shop.example.com/back"


def pay(client: FlaskClient, key: str = "k1", card: str | None = "tok_visa", **fields: Any) -> Any:
    """Pay a trip by the token of a card."""
    return pay_trip(client, idempotency_key=key, payment_token=card or ABSENT, **fields)


def hold(
    client: FlaskClient, key: str | None = "h1", card: str = "tok_visa", *, capture: bool = False, **details: Any
) -> Any:
    """Hold money for a checkout by the token of a card, or charge it."""
    return process(client, key, capture=capture, payment_method_details={"payment_token": card, **details})


def key_row(deps: Dependencies) -> dict[str, Any]:
    return max(rows(deps, idempotency_keys), key=lambda row: row["key_id"])


def ask_to_cancel(deps: Dependencies) -> None:
    with deps.database.atomic("test") as connection:
        keys.ask_to_cancel_charge(connection, rows(deps, payments)[-1]["payment_id"], CancelReason.CALLER)


def status(deps: Dependencies) -> str:
    return str(rows(deps, payments)[-1]["status"])
