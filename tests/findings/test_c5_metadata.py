"""A repeat with other `metadata`. Release 1.0.0 took it for another request."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from payment_service.models import idempotency_keys, payment_refunds, payments
from payment_service.services.dependencies import Dependencies
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.database import rows
from tests.support.gateways import LedgerGateway

NOTES: tuple[Any, ...] = ({"note": "local test"}, {}, {"note": "another"}, None, "text")


def test_c5_documented_bodies_with_other_metadata_charge_once(client: FlaskClient, gateway: LedgerGateway) -> None:
    """The trips document sends `demo-client-1` with and without metadata; release 1.0.0 answered 422 to the second."""
    bare = {"idempotency_key": "demo-client-1", "trip_id": 101, "method": "CARD", "amount": 150.00}
    answer = client.post("/payments", json=bare)
    repeat = client.post("/payments", json=bare | {"metadata": {"note": "local test"}})
    assert (repeat.status_code, repeat.data) == (200, answer.data)
    assert repeat.headers["Idempotent-Replayed"] == "true"
    assert len(gateway.sent) == 1


@pytest.mark.parametrize("note", NOTES)
def test_c5_metadata_of_a_repeat_is_not_compared(client: FlaskClient, deps: Dependencies, note: Any) -> None:
    """Release 1.0.0 answered 422; the first request's metadata is kept, and the first refund's reason."""
    number = trip_id_of(pay_trip(client, metadata={"note": "first"}))
    assert trip_id_of(pay_trip(client, metadata=note)) == number
    first = refund_trip(client, number, amount=1, metadata={"reason": "first"})
    assert refund_trip(client, number, amount=1, metadata=note).data == first.data

    (payment,), (refund,) = rows(deps, payments), rows(deps, payment_refunds)
    assert (payment["metadata"], refund["reason"]) == ('{"note":"first"}', "first")


def test_c5_metadata_in_a_stored_fingerprint_is_not_compared(client: FlaskClient, deps: Dependencies) -> None:
    """The fingerprints that release 1.0.0 stored have a digest of `metadata`."""
    number = trip_id_of(pay_trip(client))
    with deps.database.atomic("test") as connection:
        stored = idempotency_keys.c.fingerprint + " metadata:0123456789abcdef"
        connection.execute(update(idempotency_keys).values(fingerprint=stored))

    assert trip_id_of(pay_trip(client)) == trip_id_of(pay_trip(client, metadata={"note": "y"})) == number
    answer = pay_trip(client, amount=151, metadata={"note": "x"})
    assert (answer.status_code, answer.get_json()["fields"]) == (422, ["amount"])
