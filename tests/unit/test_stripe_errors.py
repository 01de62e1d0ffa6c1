"""The adapter reads Stripe's errors by status and code, never by class or message."""

from decimal import Decimal
from typing import Any

import pytest

from payment_service.domain.operations import Kind, Terms
from payment_service.gateways.base import Approved, Contradiction, Declined, NotSent, Registered, Unknown
from payment_service.gateways.stripe import words
from payment_service.gateways.stripe.replies import StripeReply, undecided
from tests.support.stripe_replies import (
    CLIENT_SECRET,
    INTENT,
    RETURN_URL,
    TOKEN,
    asked,
    card_error,
    charge,
    error,
    intent,
    refund,
)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (429, error("rate_limit"), NotSent),
        (429, error("lock_timeout"), NotSent),
        (401, error(None), NotSent),
        (403, error("secret_key_required"), NotSent),
        (409, error("idempotency_key_in_use", "idempotency_error"), Unknown),
        (404, error("resource_missing"), Contradiction),
        (400, error(None, "idempotency_error"), Contradiction),
        (500, error(None, "api_error"), Unknown),
        (503, {}, Unknown),
        (302, {}, Unknown),
        (403, {}, Unknown),
        (429, {"error": "rate_limited"}, Unknown),
    ],
)
def test_error_is_classified_by_its_status_and_code(status: int, body: dict[str, Any], expected: type) -> None:
    """The library's class and message mislead: 409 comes as a plain error, 400 as an idempotency error."""
    assert type(undecided(StripeReply(status, body))) is expected


@pytest.mark.parametrize(
    ("status", "body"), [(400, error("amount_too_small")), (402, card_error()), (200, intent("succeeded"))]
)
def test_refusal_and_object_are_passed_on(status: int, body: dict[str, Any]) -> None:
    assert undecided(StripeReply(status, body)) is None


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, error("amount_too_small", param="amount"), "AMOUNT_TOO_SMALL"),
        (400, error(None), "INVALID_REQUEST_ERROR"),
        (402, card_error("expired_card", "expired_card"), "EXPIRED_CARD"),
        (404, error("resource_missing", param="payment_method"), "RESOURCE_MISSING"),
    ],
)
def test_failed_registration_is_declined_with_the_code_of_stripe(status: int, body: dict[str, Any], code: str) -> None:
    """No money has moved or can move."""
    found = words.registered(asked(reference=None), StripeReply(status, body), live=False)
    assert isinstance(found, Declined)
    assert found.code == code


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, error(None, "idempotency_error"), Unknown),
        (409, error("idempotency_key_in_use"), Unknown),
        (429, error("rate_limit"), NotSent),
        (401, error(None), NotSent),
        (500, error(None, "api_error"), Unknown),
        (404, {}, Unknown),
        (200, intent(livemode=True), Unknown),
        (200, refund(), Unknown),
    ],
)
def test_uncertain_registration_is_no_decline(status: int, body: dict[str, Any], expected: type) -> None:
    found = words.registered(asked(reference=None), StripeReply(status, body), live=False)
    assert type(found) is expected


def test_registration_has_the_id_of_the_intent() -> None:
    assert words.registered(asked(), StripeReply(200, intent()), live=False) == Registered(INTENT)


def test_message_is_stored_without_what_it_quotes() -> None:
    said = f"No such PaymentMethod: '{TOKEN}'; pm_1OtherToken00 {CLIENT_SECRET} at {RETURN_URL}\nor https://x.test/?a=b"
    request = asked(terms=Terms(TOKEN, RETURN_URL))
    found = words.refusal(request, StripeReply(400, error("resource_missing", message=said)))
    assert found.message == "No such PaymentMethod: '…'; … … at … or …"


@pytest.mark.parametrize("message", [None, "", 7, "\x00\n"])
def test_decline_without_a_message_is_a_decline(message: Any) -> None:
    found = words.refusal(asked(), StripeReply(402, card_error(message=message)))
    assert found == Declined("CARD_DECLINED", "The payment was declined")


def test_code_that_is_no_word_is_not_stored() -> None:
    found = words.refusal(asked(), StripeReply(402, card_error("<script>")))
    assert found.code == "UNKNOWN"


@pytest.mark.parametrize(
    "changes",
    [
        {"livemode": True},
        {"livemode": None},
        {"id": "pi_another"},
        {"id": None},
        {"status": "brand_new"},
        {"status": None},
        {"amount_received": "15000"},
        {"amount_received": 150.0},
        {"amount_received": True},
        {"amount_received": -1},
        {"currency": None},
        {"currency": "dollars"},
    ],
)
def test_unreadable_answer_is_unknown(changes: dict[str, Any]) -> None:
    """Another project stored an answer without a reason as paid."""
    shown = intent("succeeded") | changes
    assert isinstance(words.of_intent(asked(), shown, live=False), Unknown)


@pytest.mark.parametrize("code", [7, "", "\n", None, {}])
def test_approval_with_an_unreadable_authorization_code_is_an_approval(code: Any) -> None:
    shown = intent("succeeded", latest_charge=charge() | {"authorization_code": code})
    found = words.of_intent(asked(), shown, live=False)
    assert found == Approved(Decimal("150.00"), "USD", INTENT)


def test_reply_without_an_intent_is_unknown() -> None:
    assert isinstance(words.of_intent(asked(), None, live=False), Unknown)
    assert StripeReply(200, refund()).intent is None
    assert StripeReply(400, error()).intent is None


@pytest.mark.parametrize("changes", [{"id": 7}, {"amount": None}, {"object": "charge"}, {"status": "brand_new"}])
def test_unreadable_refund_is_unknown(changes: dict[str, Any]) -> None:
    found = words.of_refund(asked(Kind.REFUND), refund() | changes)
    assert isinstance(found, Unknown)


def test_live_object_needs_a_live_key() -> None:
    found = words.of_intent(asked(), intent("succeeded", livemode=True), live=True)
    assert isinstance(found, Approved)
