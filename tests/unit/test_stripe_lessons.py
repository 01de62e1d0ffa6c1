"""Stripe's adapter heeds the lessons of other services, numbered as in docs/reference/gateway-lessons.md."""

import json
from typing import Any

import pytest

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Contradiction, Pending
from payment_service.gateways.notices import Forged
from payment_service.gateways.stripe import words
from payment_service.gateways.stripe.replies import StripeReply, undecided
from tests.support.stripe_replies import INTENT, REFUND, asked, card_error, error, refund
from tests.unit.test_stripe_notices import NOW, SECRET, about, body_of, by, judged

INTENT_OF_OURS = {"id": INTENT, "object": "payment_intent", "metadata": {"gateway_key": "v1-charge"}}


@pytest.mark.parametrize(
    "type_",
    ["payment_intent.processing", "payment_intent.partially_funded", "payment_intent.of_next_year", "charge.captured"],
)
def test_lesson_7_notice_of_any_type_is_read_by_its_object(type_: str) -> None:
    body = body_of(type=type_, data={"object": INTENT_OF_OURS})
    (notice,) = judged(by(SECRET, body=body), body)
    assert (notice.type, notice.gateway_keys, notice.reference) == (type_, ("v1-charge",), INTENT)


def test_lesson_10_notice_of_another_api_version_gives_only_its_ids() -> None:
    """An endpoint of 2017 shows other fields, with amounts that this service never reads."""
    old = {**INTENT_OF_OURS, "amount": "15000", "charges": {"data": [{"paid": True}]}, "status": "requires_source"}
    new = {**INTENT_OF_OURS, "amount": {"value": 15000}, "amount_details": None, "status": "of_next_year"}
    read_by = []
    for version, subject in (("2017-08-15", old), ("2031-01-01.fir", new)):
        body = body_of(api_version=version, data={"object": subject})
        (notice,) = judged(by(SECRET, body=body), body)
        read_by.append((notice.event_id, notice.type, notice.created_at, notice.gateway_keys, notice.reference))
    assert read_by == [("evt_1", "payment_intent.succeeded", NOW, ("v1-charge",), INTENT)] * 2


def test_lesson_12_signature_is_checked_over_the_received_bytes() -> None:
    """A body that was parsed and written anew is the same JSON, but not the bytes that Stripe signed."""
    event = json.loads(body_of())
    sent = json.dumps(event, indent=3, ensure_ascii=True).replace("evt_1", "evt_\\u0031").encode()
    assert json.loads(sent) == event
    (notice,) = judged(by(SECRET, body=sent), sent)
    assert notice.event_id == "evt_1"
    assert isinstance(judged(by(SECRET, body=sent), json.dumps(event).encode()), Forged)


@pytest.mark.parametrize("type_", ["refund.created", "refund.updated", "refund.failed", "charge.refund.updated"])
def test_lesson_15_notice_of_a_refund_has_the_key_of_the_refund(type_: str) -> None:
    """As recorded: the event of a refund shows the charge and the intent beside it, each with an id."""
    recorded = {
        "id": REFUND,
        "object": "refund",
        "amount": 1500,
        "charge": "ch_3OaBcDeFgHiJkLmN1",
        "payment_intent": INTENT,
        "metadata": {"gateway_key": "v1-refund", "payment": "pay_7", "channel": "trips"},
        "status": "failed",
        "failure_reason": "lost_or_stolen_card",
    }
    body = body_of(type=type_, data={"object": recorded})
    (notice,) = judged(by(SECRET, body=body), body)
    assert (notice.gateway_keys, notice.reference) == (("v1-refund",), REFUND)


def test_lesson_15_notice_of_the_charge_of_a_refund_is_ignored() -> None:
    of_the_charge = about(object="charge", id="ch_3OaBcDeFgHiJkLmN1", metadata={"gateway_key": "v1-charge"})
    assert judged(by(SECRET, body=of_the_charge), of_the_charge) == ()


@pytest.mark.parametrize("reason", ["insufficient_funds", "charge_pending", "processing"])
def test_lesson_32_pending_refund_is_pending_with_its_reason(reason: str) -> None:
    found = words.of_refund(asked(Kind.REFUND, "15.00"), refund("pending", pending_reason=reason))
    assert found == Pending(REFUND, reason)


@pytest.mark.parametrize(
    ("shown", "reason"),
    [(refund("pending"), None), (refund("pending", pending_reason=7), None), (refund("requires_action"), None)],
)
def test_pending_refund_without_a_readable_reason_is_pending(shown: dict[str, Any], reason: str | None) -> None:
    assert words.of_refund(asked(Kind.REFUND, "15.00"), shown) == Pending(REFUND, reason)


@pytest.mark.parametrize("message", ["", "Nothing of the kind", "Keys for idempotent requests", "Your card failed"])
def test_lesson_42_error_is_classified_by_its_code_and_not_its_text(message: str) -> None:
    other = error(None, "idempotency_error", message=message)
    in_use = error("idempotency_key_in_use", "idempotency_error", message=message)
    assert isinstance(undecided(StripeReply(400, other)), Contradiction)
    assert not isinstance(undecided(StripeReply(409, in_use)), Contradiction | None)
    assert undecided(StripeReply(402, card_error(message=message))) is None
