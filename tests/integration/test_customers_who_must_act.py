"""Customers who must authenticate a payment: the service asks, gives up in time, and only the gateway ends it."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payment_service.models import transactions
from payment_service.services import business_metrics
from payment_service.services.dependencies import Dependencies
from payment_service.services.recovery import recover
from payment_service.services.verification import verify
from tests.conftest import MakeApp, dependencies_of
from tests.support.database import recover_all, rows
from tests.support.paying_by_token import BACK, ask_to_cancel, hold, key_row, pay, status
from tests.support.registering import RegisteringGateway, lost


@pytest.fixture
def bank() -> RegisteringGateway:
    return RegisteringGateway()


@pytest.fixture
def app(make_app: MakeApp, bank: RegisteringGateway) -> Flask:
    return make_app(gateway=bank)


def test_hold_that_is_to_be_cancelled_is_never_answered_as_held(
    client: FlaskClient, deps: Dependencies, bank: RegisteringGateway
) -> None:
    """Rule 1: a cancel in progress would kill a hold that the caller already knows."""
    assert hold(client, card="tok_3ds", return_url=BACK).status_code == 202
    (intent,) = bank.intents.values()
    ask_to_cancel(deps)
    bank.act(intent.reference)
    bank.before_cancel.append(lost)
    recover_all(deps)
    assert status(deps) == "REQUIRES_ACTION"
    recover_all(deps)
    assert (status(deps), intent.state) == ("CANCELLED", "cancelled")


def test_customer_who_must_act_is_charged_once_after_acting(
    client: FlaskClient, deps: Dependencies, bank: RegisteringGateway
) -> None:
    first = pay(client, card="tok_3ds", return_url=BACK)
    assert first.status_code == 202
    assert first.json["status"] == "PENDING"
    action = first.json["next_action"]
    assert (action["type"], action["url"]) == ("redirect", "https://bank.example.com/pi_1")
    assert status(deps) == "REQUIRES_ACTION"
    assert business_metrics.current(deps).keys.undecided == 0, "no outcome is unknown: the customer takes his time"
    again = pay(client, card="tok_3ds", return_url=BACK)
    assert again.json["next_action"] == action
    bank.act("pi_1")
    done = pay(client, card="tok_3ds", return_url=BACK)
    assert (done.status_code, done.json["status"]) == (200, "SUCCESS")
    moves = [row["move"] for row in rows(deps, transactions) if row["version"]]
    assert moves == ["charge", "action_required", "charged"]
    assert list(verify(deps)) == []


def test_customer_who_fails_is_declined_after_a_cancel(
    client: FlaskClient, deps: Dependencies, bank: RegisteringGateway
) -> None:
    pay(client, card="tok_3ds", return_url=BACK)
    bank.act("pi_1", successfully=False)
    recover_all(deps)
    assert (status(deps), bank.intents["pi_1"].state) == ("FAILED", "cancelled")


def test_charge_of_a_customer_who_never_acts_is_cancelled(make_app: MakeApp, bank: RegisteringGateway) -> None:
    app = make_app(gateway=bank, gateway_action_ttl=-1.0)
    deps = dependencies_of(app)
    pay(app.test_client(), card="tok_3ds", return_url=BACK)
    bank.before_cancel.append(lost)
    recover_all(deps)
    assert (status(deps), key_row(deps)["cancel_asked"]) == ("REQUIRES_ACTION", "expired")
    recover_all(deps)
    assert (status(deps), bank.intents["pi_1"].state) == ("FAILED", "cancelled")


def test_cancellation_while_the_customer_acts_cancels_at_the_gateway_first(
    client: FlaskClient, deps: Dependencies, bank: RegisteringGateway
) -> None:
    body = {"order_id": 3001, "user_id": 601, "amount": 99.0, "payment_method": "CREDIT_CARD"}
    terms = {"payment_token": "tok_3ds", "return_url": BACK}
    made: Any = client.post("/v1/payments/charge", json=body | terms, headers={"Idempotency-Key": "o1"})
    assert (made.status_code, made.json["status"]) == (202, "PENDING")
    number = made.json["payment_id"]
    assert client.delete(f"/v1/payments/{number}").status_code == 202
    assert status(deps) == "REQUIRES_ACTION"
    recover(deps)
    assert (status(deps), bank.intents["pi_1"].state) == ("CANCELLED", "cancelled")
    assert client.get(f"/v1/payments/{number}").get_json()["status"] == "CANCELLED"
    assert list(verify(deps)) == []


def test_cancellation_fails_when_the_customer_has_paid(
    client: FlaskClient, deps: Dependencies, bank: RegisteringGateway
) -> None:
    pay(client, card="tok_3ds", return_url=BACK)
    bank.act("pi_1")
    ask_to_cancel(deps)
    recover_all(deps)
    assert status(deps) == "CAPTURED"


@pytest.mark.parametrize(
    "url",
    ["https://evil.example.com/", "https://shop.example.com.evil.example.com/", "javascript:alert(1)", "/paid",
     "https://ada@shop.example.com/", "https://shop.example.com\\@evil.example.com/"],
)  # fmt: skip
def test_return_url_of_another_origin_is_refused(make_app: MakeApp, bank: RegisteringGateway, url: str) -> None:
    client = make_app(gateway=bank, payment_return_origins=("https://shop.example.com",)).test_client()
    refused = pay(client, card="tok_3ds", return_url=url)
    assert (refused.status_code, refused.json["code"], bank.intents) == (400, "validation_error", {})
    assert pay(client, card="tok_3ds", return_url=BACK).status_code == 202
