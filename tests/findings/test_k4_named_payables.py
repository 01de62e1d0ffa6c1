"""A refund by number may name its trip or order. Release 1.0.0 had only the number, by then another trip's."""

from flask.testing import FlaskClient

from payment_service.domain.operations import Kind
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.gateways import LedgerGateway
from tests.support.orders import charge_order, paid, refund_order


def test_k4_refund_that_names_another_trip_is_refused(client: FlaskClient, gateway: LedgerGateway) -> None:
    """Its caller holds a number that is another trip's payment."""
    number = trip_id_of(pay_trip(client))
    trip = client.get(f"/payments/{number}").get_json()["trip_id"]
    refused = refund_trip(client, number, trip_id=trip + 1)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "payable_mismatch")
    assert refused.get_json()["retry"]["safe"] is False
    assert gateway.count(Kind.REFUND) == 0
    assert refund_trip(client, number, trip_id=trip).status_code == 200, "the key is free"
    assert refund_trip(client, number).headers["Idempotent-Replayed"] == "true", "with and without, it is one refund"
    assert refund_trip(client, number, trip_id=trip + 1).status_code == 409


def test_k4_refund_that_names_another_order_is_refused(client: FlaskClient, gateway: LedgerGateway) -> None:
    payment = paid(charge_order(client))
    refused = refund_order(client, payment["payment_id"], order_id=payment["order_id"] + 1)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "payable_mismatch")
    assert gateway.count(Kind.REFUND) == 0
    paid(refund_order(client, payment["payment_id"], order_id=payment["order_id"]), 200)
