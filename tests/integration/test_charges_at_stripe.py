"""The whole service at Stripe: from a caller's request to the bank's ledger, through Stripe's own library."""

import json
import secrets
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient

from payment_service.models import payments
from payment_service.services.dependencies import Dependencies
from payment_service.services.verification import verify
from tests.conftest import MakeApp, dependencies_of
from tests.support.at_remote import bank, simulator
from tests.support.checkouts import body_of, post, refund
from tests.support.database import expire_leases, recover_all, rows
from tests.support.paying_by_token import hold, key_row, pay, status
from tests.support.simulator import PATIENCE, Simulator

__all__ = ["bank", "simulator"]

BACK = "http://127.0.0.1/shop"
CHALLENGED, DECLINED = "pm_card_threeDSecure2Required", "pm_card_chargeDeclinedInsufficientFunds"


@dataclass(frozen=True)
class Bank:
    """The simulator of this file, and the number of its ledger entries before this test."""

    simulator: Simulator
    before: int

    def moved(self) -> list[tuple[str, str]]:
        """Return the kind and amount of each gateway transaction of this test, oldest first."""
        return [(each["kind"], each["amount"]) for each in self.simulator.effects()[self.before :]]


@pytest.fixture
def stripe(simulator: Simulator) -> Bank:
    return Bank(simulator, len(simulator.effects()))


@pytest.fixture
def key() -> str:
    """Return a unique key: equal requests of two tests would have equal gateway keys, and Stripe remembers them."""
    return secrets.token_hex(8)


def violations(deps: Dependencies) -> list[str]:
    """Return the violations that verification finds, without those of other tests at the same gateway."""
    return [str(each) for each in verify(deps) if each.invariant != "S2"]


@pytest.fixture
def client(make_app: MakeApp, stripe: Bank) -> FlaskClient:
    app = make_app(
        gateway=None,
        gateway_routes=(("cash", "offline"), ("*", "stripe")),
        stripe_api_key="sk_test_simulator",
        stripe_api_base=stripe.simulator.url,
        lease_seconds=60.0,
    )
    return app.test_client()


@pytest.fixture
def deps(client: FlaskClient) -> Dependencies:
    return dependencies_of(client.application)


def paying(client: FlaskClient, key: str, card: str | None = "pm_card_visa", **fields: Any) -> Any:
    return pay(client, key, card, **fields)


def test_charge_is_made_once_and_stored_with_the_id_of_stripe(
    client: FlaskClient, deps: Dependencies, stripe: Bank, key: str
) -> None:
    first, again = paying(client, key), paying(client, key)
    assert (first.status_code, first.json["status"]) == (200, "SUCCESS")
    assert again.data == first.data
    (payment,) = rows(deps, payments)
    assert payment["gateway"] == "stripe/test"
    assert payment["charge_reference"].startswith("pi_")
    assert stripe.moved() == [("charge", "150.00")]
    assert violations(deps) == []


def test_decline_is_answered_after_stripe_has_cancelled_the_intent(
    client: FlaskClient, deps: Dependencies, stripe: Bank, key: str
) -> None:
    answer = paying(client, key, DECLINED)
    assert (answer.status_code, answer.json["status"]) == (200, "FAILED"), answer.json
    assert rows(deps, payments)[0]["failure_code"] == "INSUFFICIENT_FUNDS"
    shown = requests.get(
        f"{stripe.simulator.url}/v1/payment_intents/{key_row(deps)['gateway_reference']}",
        headers={"Authorization": "Bearer sk_test_simulator"},
        timeout=PATIENCE,
    ).json()
    assert shown["status"] == "canceled"
    assert stripe.moved() == []


def test_lost_answer_of_a_confirmation_is_finished_by_recovery(
    client: FlaskClient, deps: Dependencies, stripe: Bank, key: str
) -> None:
    stripe.simulator.arm("drop_after_effect", on="send", times=1)
    assert paying(client, key).status_code == 202
    expire_leases(deps)
    recover_all(deps)
    assert status(deps) == "CAPTURED"
    assert paying(client, key).json["status"] == "SUCCESS"
    assert stripe.moved() == [("charge", "150.00")]


def test_customer_who_must_authenticate_is_redirected_and_charged_once(
    client: FlaskClient, deps: Dependencies, stripe: Bank, key: str
) -> None:
    first = paying(client, key, CHALLENGED, return_url=BACK)
    assert first.status_code == 202
    assert first.json["next_action"]["type"] == "redirect"
    reference = key_row(deps)["gateway_reference"]
    path = f"{stripe.simulator.url}/_simulator/stripe/payment_intents/{reference}/authenticate"
    assert requests.post(path, json={"success": True}, timeout=PATIENCE).status_code == 200
    done = paying(client, key, CHALLENGED, return_url=BACK)
    assert (done.status_code, done.json["status"]) == (200, "SUCCESS")
    assert stripe.moved() == [("charge", "150.00")]
    assert violations(deps) == []


def test_hold_is_captured_and_refunded_by_the_id_of_its_charge(
    client: FlaskClient, deps: Dependencies, stripe: Bank, key: str
) -> None:
    transaction = body_of(hold(client, key, "pm_card_visa"))["transaction_id"]
    body_of(post(client, "capture", transaction_id=transaction, amount=60))
    body_of(refund(client, transaction, 25))
    assert stripe.moved() == [("authorize", "100.00"), ("capture", "60.00"), ("refund", "25.00")]
    assert violations(deps) == []


def test_cash_payment_needs_no_token_and_sends_nothing_to_stripe(
    client: FlaskClient, deps: Dependencies, stripe: Bank, key: str
) -> None:
    answer = paying(client, key, None, method="CASH")
    assert (answer.status_code, answer.json["status"]) == (200, "SUCCESS")
    assert rows(deps, payments)[0]["gateway"] == "offline"
    assert stripe.moved() == []


def test_token_is_neither_stored_nor_sent_in_an_event(client: FlaskClient, deps: Dependencies, key: str) -> None:
    answers = [paying(client, key), paying(client, f"{key}2", DECLINED), paying(client, f"{key}3", "pm_card_of_nobody")]
    assert [answer.json["status"] for answer in answers] == ["SUCCESS", "FAILED", "FAILED"]
    told = json.dumps([answer.json for answer in answers])
    stored = repr([dict(row) for row in (*rows(deps, payments), key_row(deps))])
    assert "pm_card" not in told + stored
