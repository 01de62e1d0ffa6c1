"""Lessons of other services, asked of whole services before banks; numbered as in docs/reference/gateway-lessons.md."""

import secrets
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from payment_service import clock
from payment_service.domain.operations import Kind
from payment_service.gateways.base import Declined, Pending
from payment_service.models import idempotency_keys, payments, transactions
from payment_service.services.dependencies import Dependencies
from payment_service.services.later import look_again
from payment_service.services.notices import handle_due
from payment_service.services.seen import Seen
from payment_service.services.verification import verify
from tests.conftest import MakeApp, dependencies_of
from tests.support import checkouts
from tests.support.at_mollie import begun, service_at
from tests.support.at_stripe import bank, shop
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.changing import ChangingGateway
from tests.support.database import expire_leases, recover_all, rows
from tests.support.gateways import LedgerGateway
from tests.support.mollie_bank import mollie_bank
from tests.support.orders import charge_order
from tests.support.paying_by_token import BACK, key_row, pay, status
from tests.support.registering import RegisteringGateway
from tests.support.stripe_bank import StripeBank

__all__ = ["bank", "shop"]

CARD = "pm_card_mastercard"


@pytest.fixture
def at_stripe(shop: Flask) -> FlaskClient:
    return shop.test_client()


def moves(deps: Dependencies) -> list[str]:
    return [row["move"] for row in rows(deps, transactions) if row["version"]]


def test_point_3_refund_that_stripe_has_forgotten_is_not_sent_again(at_stripe: FlaskClient, bank: StripeBank) -> None:
    """The refund may be lost or still on its way: after 23 hours a person decides."""
    deps = dependencies_of(at_stripe.application)
    number = trip_id_of(pay_trip(at_stripe, payment_token=CARD))
    bank.simulator.arm("drop_before_effect", on="send", times=1)
    assert refund_trip(at_stripe, number).status_code == 202
    with deps.database.atomic("test") as connection:
        connection.execute(update(idempotency_keys).values(created_at=clock.now() - timedelta(hours=24)))
    recover_all(deps)
    key = key_row(deps)
    assert key["review_reason"] == "not found at the gateway, and a second send could have a second effect"
    assert bank.moved(key["gateway_key"]) == []


def test_point_4_second_send_repeats_the_stored_request_after_a_change_of_settings(
    make_app: MakeApp, bank: StripeBank
) -> None:
    """Token, return URL and descriptor of a resend are those of the claim: Stripe takes it for the same request."""
    apps = [
        make_app(
            gateway=None,
            gateway_routes=(("*", "stripe"),),
            stripe_api_key="sk_test_simulator",
            stripe_api_base=bank.simulator.url,
            stripe_descriptor_suffix=descriptor,
            lease_seconds=60.0,
        )
        for descriptor in ("ORDER ONE", "ORDER TWO")
    ]
    deps, key = dependencies_of(apps[1]), secrets.token_hex(8)
    bank.simulator.arm("drop_before_effect", on="send", times=1)
    assert pay(apps[0].test_client(), key, CARD).status_code == 202
    expire_leases(deps)
    again = pay(apps[1].test_client(), key, "pm_card_visa")
    assert (again.status_code, again.json["status"]) == (200, "SUCCESS")
    intent = bank.intents.retrieve(rows(deps, payments)[0]["charge_reference"], {"expand": ["payment_method"]})
    assert (intent.statement_descriptor_suffix, intent.payment_method.card.brand) == ("ORDER ONE", "mastercard")
    assert bank.moved(key_row(deps)["gateway_key"]) == [("charge", "150.00")]


def test_point_34_refund_of_a_disputed_charge_is_declined_with_the_reason(
    at_stripe: FlaskClient, bank: StripeBank
) -> None:
    deps = dependencies_of(at_stripe.application)
    number = trip_id_of(pay_trip(at_stripe, payment_token=CARD))
    bank.admin("disputes", payment_intent=rows(deps, payments)[0]["charge_reference"], amount=15_000)
    refused = refund_trip(at_stripe, number)
    assert (refused.status_code, refused.get_json()["code"]) == (400, "refund_declined")
    key = key_row(deps)
    assert "charged back" in key["failure_message"] or "disputed" in key["failure_message"], key["failure_message"]
    assert (rows(deps, payments)[0]["refund_pending_amount"], bank.moved(key["gateway_key"])) == (0, [])


def test_lesson_16_end_of_an_abandoned_attempt_does_not_decide_the_next_one(make_app: MakeApp) -> None:
    """An order's first payment is abandoned and expires at Mollie after its second one was paid."""
    with mollie_bank() as bank, service_at(bank, make_app) as app:
        client, deps = app.test_client(), dependencies_of(app)
        assert charge_order(client, "first", return_url=BACK).status_code == 202
        (abandoned,) = bank.payments
        bank.act(abandoned, "failed")
        recover_all(deps)
        assert charge_order(client, "second", return_url=BACK).status_code == 202
        _, paid = bank.payments
        bank.act(paid)
        recover_all(deps)
        bank.act(abandoned, "expired")
        address = bank.payments[abandoned]["webhookUrl"].removeprefix("http://127.0.0.1")
        assert client.post(address, data={"id": abandoned}).status_code == 200
        handle_due(deps)
        recover_all(deps)
        assert [row["status"] for row in rows(deps, payments)] == ["FAILED", "CAPTURED"]
        assert list(verify(deps)) == []


def test_lesson_18_received_capture_is_not_yet_captured(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    transaction = checkouts.held(client)
    gateway.script.append(Pending("received"))
    answer = checkouts.post(client, "capture", "c1", transaction_id=transaction)
    assert answer.status_code == 202
    assert (rows(deps, payments)[0]["captured_amount"], moves(deps)[-1]) == (0, "capture")
    gateway.found.append(Declined("CAPTURE_FAILED", "The capture failed"))
    recover_all(deps)
    assert (status(deps), moves(deps)[-1]) == ("AUTHORIZED", "capture_declined")


def test_lesson_18_capture_that_fails_after_its_answer_needs_a_person(make_app: MakeApp) -> None:
    """The goods may have left: only a person can correct that, and the payment keeps its reported status."""
    gateway = ChangingGateway()
    app = make_app(gateway=gateway)
    client, deps = app.test_client(), dependencies_of(app)
    transaction = checkouts.held(client)
    assert checkouts.post(client, "capture", "c1", transaction_id=transaction).status_code == 200
    (key,) = gateway.keys(Kind.CAPTURE)
    gateway.taken_back[key] = Declined("CAPTURE_FAILED", "The capture failed")
    assert look_again(deps, deps.gateways.default, gateway_key=key) is Seen.REVIEW
    assert key_row(deps)["review_reason"] == "SUCCEEDED here, and later declined at the gateway"
    assert status(deps) == "CAPTURED"


def test_lesson_22_worker_finishes_an_authenticated_charge_without_a_repeat(make_app: MakeApp) -> None:
    bank = RegisteringGateway()
    app = make_app(gateway=bank)
    deps = dependencies_of(app)
    assert pay(app.test_client(), card="tok_3ds", return_url=BACK).status_code == 202
    bank.act("pi_1")
    recover_all(deps)
    assert (status(deps), len(bank.taken())) == ("CAPTURED", 1)


@pytest.mark.parametrize("outcome", ["failed", "open"])
def test_lesson_21_and_25_return_of_the_customer_proves_nothing_and_each_repeat_asks(
    make_app: MakeApp, outcome: str
) -> None:
    """The customer is back at the shop: each repeat asks the gateway, and only its word says what that means."""
    with mollie_bank() as bank, service_at(bank, make_app) as app:
        client, deps = app.test_client(), dependencies_of(app)
        body, reference = begun(client, bank)
        if outcome != "open":
            bank.act(reference, outcome)
        bank.log.clear()
        read = client.get(f"/payments/{body['payment_id']}").get_json()["status"]
        assert (read, bank.log) == ("PENDING", []), "a read asks nobody: the worker and a repeat do"
        repeated = pay(client, "k1", card=None, return_url=BACK).json
        assert len(bank.log) == 1
        assert repeated["status"] == {"failed": "FAILED", "open": "PENDING"}[outcome]
        assert status(deps) == {"failed": "FAILED", "open": "REQUIRES_ACTION"}[outcome]


def test_lesson_32_refund_above_the_balance_is_pending_with_its_reason(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    gateway.script.append(gateway.approve)
    number = trip_id_of(pay_trip(client))
    gateway.script.append(Pending("re_1", "insufficient_funds"))
    gateway.found.extend([Pending("re_1", "insufficient_funds")] * 2)
    assert refund_trip(client, number).status_code == 202
    recover_all(deps)
    assert (key_row(deps)["review_reason"], rows(deps, payments)[0]["refund_pending_amount"]) == (None, 150)
    with deps.database.atomic("test") as connection:
        connection.execute(update(idempotency_keys).values(created_at=clock.now() - timedelta(days=15)))
    recover_all(deps)
    reason = "the gateway has not decided for more than a day: insufficient_funds"
    assert (key_row(deps)["review_reason"], key_row(deps)["operation_status"]) == (reason, "PENDING")
