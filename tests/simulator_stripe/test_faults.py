"""Faults also strike requests in Stripe's language: the chosen requests, as often as armed."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import stripe

from tests.simulator_stripe.test_intents import refused
from tests.support.stripe_bank import StripeBank, new_key

LOST = {"drop_before_effect": 0, "drop_after_effect": 1, "down": 0, "truncated": 1}
"""Fault → the number of charges after the answer was lost."""


@pytest.mark.parametrize("fault", LOST)
def test_answer_is_lost_before_or_after_the_effect(bank: StripeBank, fault: str) -> None:
    key = new_key()
    intent = bank.made(key=key)
    bank.simulator.arm(fault, gateway_key=key, times=1)
    assert isinstance(refused(bank.intents.confirm, intent.id, {}, {"idempotency_key": key}), stripe.APIConnectionError)
    assert len(bank.moved(key)) == LOST[fault]
    again = bank.intents.confirm(intent.id, {}, {"idempotency_key": key})
    assert again.last_response.headers.get("Idempotent-Replayed") == ("true" if LOST[fault] else None)
    assert (again.status, len(bank.moved(key))) == ("succeeded", 1)


def test_fault_hits_its_amount(bank: StripeBank) -> None:
    """A request without a key is known only by its amount."""
    other, meant = bank.made(amount=2_000), bank.made(amount=2_005)
    bank.simulator.arm("decline", asked="20.05", kind="charge", times=1)
    assert bank.intents.confirm(other.id).status == "succeeded"
    assert isinstance(refused(bank.intents.confirm, meant.id), stripe.CardError)
    bank.simulator.arm("decline", asked="10.05", kind="refund", times=1)
    assert bank.refunded(other, 1_000).status == "succeeded"
    assert bank.refunded(bank.paid(), 1_005).status == "failed"


@pytest.mark.parametrize("fault", ["garbage", "empty"])
def test_fault_replaces_the_answer_by_an_unreadable_one(bank: StripeBank, fault: str) -> None:
    key = new_key()
    intent = bank.made(key=key)
    bank.simulator.arm(fault, gateway_key=key, times=1)
    assert type(refused(bank.intents.confirm, intent.id)) is stripe.APIError
    assert len(bank.moved(key)) == 1


@pytest.mark.parametrize("fault", ["duplicate", "drip", "sleep_then_answer"])
def test_late_or_doubled_answer_moves_money_once(bank: StripeBank, fault: str) -> None:
    key = new_key()
    intent = bank.made(key=key)
    bank.simulator.arm(fault, gateway_key=key, times=1)
    assert bank.intents.confirm(intent.id).status == "succeeded"
    assert len(bank.moved(key)) == 1


def test_fault_hits_a_registration_by_its_name(bank: StripeBank) -> None:
    key = new_key()
    bank.simulator.arm("drop_before_effect", gateway_key=key, on="send", times=1)
    intent = bank.made(key=key)
    bank.simulator.arm("drop_before_effect", gateway_key=key, on="register", times=1)
    assert isinstance(refused(lambda: bank.made(key=key)), stripe.APIConnectionError)
    assert isinstance(refused(bank.intents.confirm, intent.id), stripe.APIConnectionError)
    assert bank.intents.confirm(intent.id).status == "succeeded"


def when_free(request: Callable[[], Any]) -> Any:
    """Return the answer, once the simulator is done with the dropped request before under the same key."""
    for _ in range(200):
        try:
            return request()
        except stripe.APIError as error:
            if error.http_status != 409:
                raise
        time.sleep(0.02)
    raise AssertionError("the key is never free")


@pytest.mark.parametrize(
    ("kind", "object_"), [("capture", "payment_intent"), ("void", "payment_intent"), ("refund", "refund")]
)
def test_fault_hits_an_operation_by_its_kind_and_key(bank: StripeBank, kind: str, object_: str) -> None:
    hold, key = bank.held(), new_key()
    requests: dict[str, Callable[[], Any]] = {
        "capture": lambda: bank.intents.capture(hold.id, {}, {"idempotency_key": f"{key}/1"}),
        "void": lambda: bank.intents.cancel(hold.id, {}, {"idempotency_key": f"{key}/x1"}),
        "refund": lambda: bank.refunded(hold, 100, metadata={"gateway_key": key}),
    }
    if kind == "refund":
        bank.intents.capture(hold.id)
    bank.simulator.arm("drop_before_effect", kind=kind, gateway_key=key, times=1)
    assert isinstance(refused(requests[kind]), stripe.APIConnectionError)
    assert (when_free(requests[kind]).object, len(bank.moved(key))) == (object_, 1)
    assert bank.simulator.runs


def test_fault_makes_a_decline_or_a_wrong_amount(bank: StripeBank) -> None:
    key = new_key()
    bank.simulator.arm("decline", gateway_key=key, code="LOST_CARD", message="Gone", times=1)
    error = refused(lambda: bank.paid(key=key))
    assert (error.code, error.error and error.error.decline_code, error.user_message) == (
        "card_declined",
        "lost_card",
        "Gone",
    )
    bank.simulator.arm("wrong_amount", gateway_key=key, amount="7.00", times=1)
    assert (bank.paid(key=key).amount_received, bank.moved(key)) == (700, [("charge", "7.00")])
    bank.simulator.arm("pending", gateway_key=key, lookups=1, times=1)
    intent = bank.paid(key=key)
    assert [bank.intents.retrieve(intent.id).status for _ in range(2)] == ["processing", "succeeded"]


def test_fault_makes_a_look_up_deny_a_known_intent(bank: StripeBank) -> None:
    key = new_key()
    intent = bank.paid(key=key)
    refund = bank.refunded(intent, 100)
    bank.simulator.arm("not_found", on="lookup", times=2)
    assert refused(bank.intents.retrieve, intent.id).http_status == 404
    assert bank.refunds.list({"payment_intent": intent.id}).data == []
    assert [each.id for each in bank.refunds.list({"payment_intent": intent.id})] == [refund.id]


def test_fault_hits_a_look_up_by_any_key_of_its_intent(bank: StripeBank) -> None:
    hold, capture_key = bank.held(), new_key()
    bank.intents.capture(hold.id, {}, {"idempotency_key": capture_key})
    bank.simulator.arm("error_before_effect", on="lookup", gateway_key=capture_key, times=1)
    assert refused(bank.intents.retrieve, hold.id).http_status == 500
    assert bank.intents.retrieve(hold.id).status == "succeeded"


def test_rate_limit_answers_429(bank: StripeBank) -> None:
    bank.simulator.arm("error_before_effect", on="any", status=429, times=1)
    error = refused(bank.made)
    assert isinstance(error, stripe.RateLimitError)
    assert error.error
    assert error.error.code == "rate_limit"
