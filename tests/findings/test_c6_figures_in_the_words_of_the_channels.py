"""C6: `payments_by_status` and `payments_by_method` speak the words of the payment's channel."""

from flask import Flask
from flask.testing import FlaskClient

from payment_service.services import business_metrics
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp, dependencies_of
from tests.support import checkouts, orders
from tests.support.bookers import Booker
from tests.support.callers import pay_bill, pay_trip, refund_trip, trip_id_of
from tests.support.parking import CHANNEL as PARKING
from tests.support.scraped import Scraped, scraped


def told(client: FlaskClient, name: str, label: str) -> dict[tuple[str, str], float]:
    """Return every series of a name that is not zero, by channel and the other label."""
    found: Scraped = scraped(client)
    series = ((dict(labels), value) for (each, labels), value in found.series.items() if each == name)
    return {(labels["channel"], labels[label]): value for labels, value in series if value}


def use_all(app: Flask) -> None:
    """Use every kind of operation, in all five channels."""
    client = app.test_client()
    pay_trip(client, idempotency_key="paid")
    number = trip_id_of(pay_trip(client, idempotency_key="in-part", method="UPI"))
    refund_trip(client, number, idempotency_key="back", amount=1)
    pay_bill(client, "bill")
    ada = Booker(app, "ada")
    ada.paid()
    ada.made()
    orders.charge_order(client, "first", order_id=1)
    second = orders.paid(orders.charge_order(client, "second", order_id=2))["payment_id"]
    orders.refund_order(client, second)
    orders.create_order(client, "third", order_id=3)
    checkouts.held(client)
    checkouts.paid(client)


STANDING = {
    ("trips", "SUCCESS"): 2,
    ("bills", "CAPTURED"): 1,
    ("bookings", "COMPLETED"): 1,
    ("bookings", "PENDING"): 1,
    ("orders", "COMPLETED"): 1,
    ("orders", "REFUNDED"): 1,
    ("orders", "PENDING"): 1,
    ("checkout", "AUTHORIZED"): 1,
    ("checkout", "CAPTURED"): 1,
}


def test_c6_payments_are_counted_under_the_statuses_of_their_channel(app: Flask, deps: Dependencies) -> None:
    """Release 1.0.0 had no `payments_by_status{status="COMPLETED"}`, which the orders document lists."""
    use_all(app)
    assert told(app.test_client(), "payments_by_status", "status") == STANDING
    assert business_metrics.aggregate(deps) > 0
    assert told(app.test_client(), "payments_by_status", "status") == STANDING
    assert scraped(app.test_client())("payments_by_status", status="COMPLETED") == 2


def test_c6_methods_are_counted_by_channel(app: Flask) -> None:
    """Release 1.0.0 added trips by CARD to all other payments by CARD."""
    use_all(app)
    found = told(app.test_client(), "payments_by_method", "method")
    assert (found["trips", "CARD"], found["trips", "UPI"], found["orders", "CREDIT_CARD"]) == (1, 1, 3)
    assert sum(found.values()) == sum(STANDING.values())


def test_c6_sums_stay_as_documented(app: Flask) -> None:
    """`total_amount_processed` has no label, and the figures by currency stand beside it."""
    use_all(app)
    found = scraped(app.test_client())
    (alone,) = [labels for name, labels in found.series if name == "total_amount_processed"]
    assert not alone
    assert found("total_amount_processed") == found("amount_processed_total")


def test_c6_channel_without_own_statuses_uses_the_canonical_ones(make_app: MakeApp) -> None:
    """For example a channel that is added later, or was removed while it has payments."""
    from payment_service.channels import CHANNELS

    with_sixth = make_app(channels=(*CHANNELS, PARKING), auth_open_channels=frozenset({"parking", "trips"}))
    paid = with_sixth.test_client().post(
        "/parking/payments", json={"parking_id": 7, "amount": 2.5}, headers={"Idempotency-Key": "ticket"}
    )
    assert paid.status_code == 201, paid.text
    assert told(with_sixth.test_client(), "payments_by_status", "status") == {("parking", "CAPTURED"): 1}
    without = make_app(gateway=dependencies_of(with_sixth).gateways.named(None), api_prefix="/v2")
    assert told(without.test_client(), "payments_by_status", "status") == {("parking", "CAPTURED"): 1}
