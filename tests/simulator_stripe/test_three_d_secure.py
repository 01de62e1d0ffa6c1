"""3-D Secure: the customer proves who they are on the issuer's page, by Stripe's own scripts, or not at all."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import stripe

from tests.simulator_stripe.test_intents import refused
from tests.support.chromium import Chromium, chromium_programs
from tests.support.receiver import Receiver
from tests.support.stripe_bank import StripeBank, new_key
from tests.support.waiting import wait_until

CARD = "pm_card_authenticationRequired"


@pytest.fixture
def shop() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    chromium_programs()
    chromium = Chromium()
    yield chromium
    chromium.close()


@pytest.mark.parametrize(
    ("button", "status", "ends"),
    [("complete", "succeeded", "succeeded"), ("fail", "failed", "requires_payment_method")],
)
def test_customer_authenticates_by_a_button_and_returns(
    bank: StripeBank, browser: Chromium, shop: Receiver, button: str, status: str, ends: str
) -> None:
    key = new_key()
    intent = bank.paid(card=CARD, key=key, return_url=f"{shop.url}/back?order=7")
    assert (intent.status, intent.next_action.type, bank.moved(key)) == ("requires_action", "redirect_to_url", [])
    assert bank.events(intent.id)[-1] == "payment_intent.requires_action"

    browser.open(intent.next_action.redirect_to_url.url)
    browser.run(f"document.getElementById('{button}').click()")
    wait_until(lambda: any(each.path.startswith("/back") for each in shop.seen))

    query = parse_qs(urlsplit(next(each.path for each in shop.seen if each.path.startswith("/back"))).query)
    assert query == {
        "order": ["7"],
        "payment_intent": [intent.id],
        "payment_intent_client_secret": [intent.client_secret],
        "redirect_status": [status],
    }
    now = bank.intents.retrieve(intent.id)
    assert (now.status, now.next_action) == (ends, None)
    assert len(bank.moved(key)) == (1 if button == "complete" else 0)
    browser.open(intent.next_action.redirect_to_url.url)
    assert browser.run("return document.getElementById('over') !== null")


def authenticate(bank: StripeBank, intent: Any, **form: Any) -> requests.Response:
    return requests.post(
        f"{bank.simulator.url}/v1/payment_intents/{intent.id}/_authenticate",
        data={"client_secret": intent.client_secret} | form,
        headers={"Authorization": "Bearer sk_test_x"},
        timeout=20,
    )


def test_authentication_without_a_return_url_uses_the_script(bank: StripeBank) -> None:
    key = new_key()
    intent = bank.held(card=CARD, key=key)
    assert (intent.status, intent.next_action.type) == ("requires_action", "use_stripe_sdk")
    assert authenticate(bank, intent, client_secret="of_somebody").status_code == 400
    assert authenticate(bank, intent).json()["status"] == "requires_capture"
    assert bank.moved(key) == [("authorize", "150.00")]
    assert authenticate(bank, intent).status_code == 400


def test_failed_authentication_can_be_tried_again(bank: StripeBank) -> None:
    intent = bank.paid(card=CARD)
    failed = authenticate(bank, intent, success="false").json()
    assert failed["status"] == "requires_payment_method"
    assert failed["last_payment_error"]["code"] == "payment_intent_authentication_failure"
    assert bank.intents.confirm(intent.id, {"payment_method": "pm_card_mastercard"}).status == "succeeded"


def test_authenticated_card_may_still_be_declined(bank: StripeBank) -> None:
    intent = bank.paid(card="pm_card_authenticationRequiredChargeDeclinedInsufficientFunds")
    answer = authenticate(bank, intent)
    assert (answer.status_code, answer.json()["error"]["decline_code"]) == (402, "insufficient_funds")


@pytest.mark.parametrize("absent", [{"off_session": True}, {"error_on_requires_action": True}])
def test_authentication_without_a_customer_is_a_decline(bank: StripeBank, absent: dict[str, Any]) -> None:
    error = refused(lambda: bank.paid(card=CARD, **absent))
    assert isinstance(error, stripe.CardError)
    assert (error.http_status, error.code) == (402, "authentication_required")


def test_intent_that_waits_for_the_customer_can_be_cancelled(bank: StripeBank) -> None:
    key = new_key()
    intent = bank.paid(card=CARD, key=key)
    assert bank.intents.cancel(intent.id).status == "canceled"
    assert authenticate(bank, intent).status_code == 400
    assert bank.moved(key) == []


def test_payment_succeeds_when_a_test_authenticates_for_the_customer(bank: StripeBank) -> None:
    intent = bank.paid(card=CARD)
    assert bank.admin(f"payment_intents/{intent.id}/authenticate", success=True)["status"] == "succeeded"
