"""S1: in production a token without a scope moves nothing of trips, bills, orders and checkout.

With release 1.0.0 any token charged, failed and cancelled any order.
"""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payment_service.config import ConfigurationError, Settings
from payment_service.models import outbox_deliveries
from payment_service.services.dependencies import Dependencies
from tests.conftest import Lines, MakeApp, dependencies_of
from tests.support.bookers import Booker
from tests.support.callers import pay_bill, pay_trip, refund_trip
from tests.support.checkouts import process
from tests.support.database import rows
from tests.support.gateways import LedgerGateway
from tests.support.orders import cancel_order, change_order, charge_order, create_order, paid, refund_order
from tests.support.refusals import rows as row_counts
from tests.support.tokens import bearer, service

PLAIN, ORDER_SERVICE = bearer("mallory"), service("order-service")
NEIGHBOURS = {
    "order_service_url": "http://127.0.0.1:9/orders",
    "inventory_service_url": "http://127.0.0.1:9/inventory",
    "notification_service_url": "http://127.0.0.1:9/notifications",
}
PRODUCTION: dict[str, Any] = {"environment": "production", "auth_open_channels": frozenset(), **NEIGHBOURS}


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """Return the service as production runs it, with downstream services."""
    return make_app(**PRODUCTION)


def refused(answer: Any, scope: str, channel: str = "orders") -> None:
    """Check that the answer names the scope that the token needs, and says that its key is still free."""
    assert answer.status_code == 403, answer.text
    body = answer.get_json()
    text = body.get("error") or body["detail"]
    assert (body["code"], body["retry"]) == ("scope_missing", {"safe": True, "key": "same", "after": None})
    assert text in (f"The token needs the scope {scope}", f"The token needs the scope {scope} or {scope}:{channel}")


def pay_checkout(client: FlaskClient, headers: dict[str, str]) -> Any:
    """Make an ordinary payment of checkout, under a key."""
    body = {"order_id": "ORD-1", "amount": 100.0, "payment_method": "credit_card"}
    return client.post("/api/v1/payments/process", json=body, headers={**headers, "Idempotency-Key": "checkout"})


def test_s1_token_without_scopes_cannot_charge_an_order(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    """Release 1.0.0 charged 0.01, sent COMPLETED to the order service, and released the inventory of others' orders."""
    before = row_counts(deps)
    refused(charge_order(client, "cheap", PLAIN, order_id=1, amount=0.01), "payments:charge")
    refused(create_order(client, headers=PLAIN, order_id=2), "payments:charge")
    for status in ("FAILED", "CANCELLED", "COMPLETED"):
        refused(change_order(client, 1, status, PLAIN), "payments:charge")
    refused(cancel_order(client, 1, PLAIN), "payments:charge")
    refused(refund_order(client, 1, "back", PLAIN), "payments:refund")
    refused(client.get("/v1/payments/1", headers=PLAIN), "payments:read", "bills")

    assert row_counts(deps) == before
    assert not gateway.sent


def test_s1_token_without_scopes_cannot_change_an_existing_order(client: FlaskClient, deps: Dependencies) -> None:
    """Release 1.0.0 looked for the payment first; a token without a scope learns nothing of it."""
    number = paid(create_order(client, headers=ORDER_SERVICE))["payment_id"]
    before = row_counts(deps)
    refused(change_order(client, number, "FAILED", PLAIN), "payments:charge")
    refused(cancel_order(client, number, PLAIN), "payments:charge")

    assert row_counts(deps) == before


def test_s2_token_without_scopes_cannot_reserve_an_order(client: FlaskClient, deps: Dependencies) -> None:
    """Release 1.0.0 kept a stranger's uncharged payment, and refused the order service."""
    refused(create_order(client, headers=PLAIN), "payments:charge")

    assert paid(charge_order(client, headers=ORDER_SERVICE))["status"] == "COMPLETED"


def test_s1_order_service_works_as_before_with_its_scope(client: FlaskClient, deps: Dependencies) -> None:
    """Release 1.0.0 required no scope; with one the service serves everything and sends all events."""
    first = paid(charge_order(client, headers=ORDER_SERVICE))
    assert (first["status"], first["order_id"]) == ("COMPLETED", 3001)
    assert {row["sink"] for row in rows(deps, outbox_deliveries)} >= {"order", "notification"}
    assert paid(refund_order(client, first["payment_id"], "back", ORDER_SERVICE), 200)["status"] == "REFUNDED"
    made = paid(create_order(client, headers=ORDER_SERVICE, order_id=2))["payment_id"]
    assert paid(change_order(client, made, "FAILED", ORDER_SERVICE), 200)["status"] == "FAILED"
    again = paid(create_order(client, headers=ORDER_SERVICE, order_id=2))["payment_id"]
    assert paid(cancel_order(client, again, ORDER_SERVICE), 200)["status"] == "CANCELLED"
    assert client.get("/v1/payments?page=1", headers=ORDER_SERVICE).get_json()["total"] == 3


@pytest.mark.parametrize(
    ("pay", "channel"),
    [
        (lambda client, headers: pay_trip(client, headers=headers), "trips"),
        (lambda client, headers: pay_bill(client, headers=headers), "bills"),
        (lambda client, headers: charge_order(client, headers=headers), "orders"),
        (pay_checkout, "checkout"),
    ],
    ids=["trips", "bills", "orders", "checkout"],
)
def test_s1_one_scope_of_one_channel_does_one_thing(
    client: FlaskClient, deps: Dependencies, pay: Callable[..., Any], channel: str
) -> None:
    """Release 1.0.0 knew one scope, and took every other token for all channels."""
    before = row_counts(deps)
    for scopes in ("", "payments:read", "payments:refund", "payments:operate", "payments:charge:bookings"):
        refused(pay(client, bearer("shop", scope=scopes)), "payments:charge", channel)
    assert row_counts(deps) == before
    assert pay(client, bearer("shop", scope=f"payments:charge:{channel}")).status_code in (200, 201)
    again = pay(client, bearer("shop", scope="payments:charge"))
    assert again.headers["Idempotent-Replayed"] == "true"


def test_s1_scope_covers_own_payments_and_service_covers_all(client: FlaskClient) -> None:
    """Release 1.0.0 had no scope between none and all."""
    own, other = (bearer(name, scope="payments:charge payments:read payments:refund") for name in ("own", "other"))
    trip = pay_trip(client, headers=own).get_json()["payment_id"]
    none = client.get("/payments/999999", headers=other)
    assert client.get(f"/payments/{trip}", headers=other).data == none.data
    assert refund_trip(client, trip, headers=other).status_code == 400
    bills = bearer("other", scope="payments:read payments:refund payments:service:bills")
    assert client.get(f"/payments/{trip}", headers=bills).data == none.data
    assert client.get("/payments", headers=bills).get_json()["payments"] == []
    assert refund_trip(client, trip, headers=bills).status_code == 400
    trips = bearer("other", scope="payments:service:trips")
    assert client.get(f"/payments/{trip}", headers=trips).status_code == 200
    assert refund_trip(client, trip, headers=trips).status_code == 200


@pytest.mark.parametrize("path", ["/v1/payments/{}", "/payments/{}"])
@pytest.mark.parametrize(
    "scope", ["payments:read:orders", "payments:read:bills", "payments:read:trips", "payments:read"]
)
def test_s1_payment_of_another_subject_answers_404_to_any_scope(client: FlaskClient, scope: str, path: str) -> None:
    """Release 1.0.0 had no scope for one channel. An error must not reveal that the payment exists."""
    order = paid(charge_order(client, headers=ORDER_SERVICE))["payment_id"]
    curious = bearer("curious", scope=scope)
    there, none = (client.get(path.format(number), headers=curious) for number in (order, 999_999))
    assert (there.status_code, none.status_code) == (404, 404)
    assert there.text.replace(f"Payment {order} ", "Payment 999999 ") == none.text


def test_s1_customer_of_bookings_needs_no_scope_for_own_payments(app: Flask) -> None:
    """Release 1.0.0 did the same; only a scope of this service restricts a customer's token."""
    ann, ben = Booker(app, "ann"), Booker(app, "ben")
    booking = ann.paid()
    assert ben.show(booking).get_json()["code"] == "forbidden"
    assert ann.refund(booking).status_code == 200
    reader = Booker(app, "ann", scope="payments:read")
    assert reader.show(booking).status_code == 200
    refused(reader.create(), "payments:charge", "bookings")
    refused(Booker(app, "ann", scope="payments:charge:orders").create(), "payments:charge", "bookings")
    refused(Booker(app, "ann", scope="payments:operate").show(booking), "payments:read", "bookings")


def test_s1_service_or_operator_is_not_stored_as_a_user(app: Flask) -> None:
    """Release 1.0.0 kept every subject. A refused token leaves no row."""
    before = row_counts(dependencies_of(app))
    stranger = Booker(app, "stranger", scope="payments:operate")
    refused(stranger.create(), "payments:charge", "bookings")
    assert stranger("OPTIONS", "").status_code == 200
    assert row_counts(dependencies_of(app)) == before


def test_s1_token_without_scopes_is_accepted_where_scopes_are_optional(make_app: MakeApp, lines: Lines) -> None:
    """Release 1.0.0 let them in everywhere. Each start of a process says so."""
    lines()
    app = make_app(**PRODUCTION, auth_scopes_optional=frozenset({"orders", "trips"}), log_level="WARNING")
    warnings = [line for line in lines() if line["event"] == "auth.scopes_optional"]
    assert [(line["level"], line["channels"]) for line in warnings] == [("warning", ["orders", "trips"])]
    client = app.test_client()
    assert paid(charge_order(client, headers=PLAIN))["status"] == "COMPLETED"
    refused(pay_bill(client, headers=PLAIN), "payments:charge", "bills")
    refused(charge_order(client, headers=bearer("mallory", scope="payments:read")), "payments:charge")
    assert charge_order(client).status_code == 401
    assert not [line for line in lines() if line["event"] == "auth.scopes_optional"]


def test_s1_refusal_advises_no_repeat_where_the_first_try_may_have_been_anonymous(make_app: MakeApp) -> None:
    """Release 1.0.0 charged again. Under a token the key of an anonymous charge is another key."""
    opened = make_app().test_client()
    assert pay_trip(opened).status_code == 200
    answer = pay_trip(make_app(**PRODUCTION).test_client(), headers=PLAIN)
    assert answer.status_code == 403
    assert answer.get_json()["retry"] == {"safe": False, "key": None, "after": None}


@pytest.mark.parametrize("headers", [None, bearer("shop")], ids=["no token", "a token"])
def test_s1_development_serves_trips_and_bills_with_and_without_a_token(
    make_app: MakeApp, headers: dict[str, str] | None
) -> None:
    """Release 1.0.0 did the same."""
    client = make_app().test_client()
    assert pay_trip(client, headers=headers).status_code == 200
    assert pay_bill(client, headers=headers).status_code == 201


def test_s1_development_serves_orders_and_checkout_without_a_token_and_refuses_a_lesser_scope(
    make_app: MakeApp,
) -> None:
    """Release 1.0.0 did the same."""
    client = make_app().test_client()
    assert charge_order(client).status_code == 201
    assert process(client).status_code in (200, 202)
    reader = pay_trip(client, headers=bearer("shop", scope="payments:read"))
    assert (reader.status_code, reader.get_json()["code"]) == (403, "scope_missing")


def test_s1_key_is_shown_only_to_tokens_that_may_read(client: FlaskClient) -> None:
    """Release 1.0.0 showed it to every token of the subject."""
    assert pay_trip(client, headers=bearer("shop", scope="payments:charge")).status_code == 200
    path = "/v1/idempotency-keys/demo-client-1"
    refused(client.get(path, headers=bearer("shop", scope="payments:charge")), "payments:read")
    scopes = ("payments:read", "payments:read:trips", "payments:service")
    shown = [client.get(path, headers=bearer("shop", scope=scope)).get_json() for scope in scopes]
    assert [key["channel"] for key in shown] == ["trips"] * 3
    assert client.get(path, headers=bearer("shop", scope="payments:read:bills")).status_code == 404
    refused(
        client.get(f"{path}?channel=trips", headers=bearer("shop", scope="payments:read:bills")),
        "payments:read",
        "trips",
    )


@pytest.mark.parametrize("value", ["bookings", "trips,parking", "*", "payments:charge"])
def test_s1_setting_accepts_only_channels_of_services(value: str) -> None:
    """Release 1.0.0 did not know the setting. Customers need no scope in any case."""
    with pytest.raises(ConfigurationError, match="AUTH_SCOPES_OPTIONAL: must be one of trips, bills, orders, checkout"):
        Settings.from_env({"AUTH_SCOPES_OPTIONAL": value})
    assert Settings.from_env({"AUTH_SCOPES_OPTIONAL": " Trips, orders,"}).auth_scopes_optional == {"trips", "orders"}
    assert Settings.from_env({"AUTH_SCOPES_OPTIONAL": ""}).auth_scopes_optional == frozenset()
