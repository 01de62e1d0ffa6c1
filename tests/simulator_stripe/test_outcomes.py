"""The simulator decides by token, by magic amount, by drawn odds, at once, late, or without an answer."""

from contextlib import suppress
from pathlib import Path

import pytest
import stripe

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Declined
from payment_service.gateways.simulated import SuccessRates, decide
from tests.simulator_stripe.test_intents import intent_in, refused
from tests.support.instructions import instruct
from tests.support.stripe_bank import StripeBank, new_key, stripe_bank
from tests.support.waiting import wait_until

TOKENS = {
    "pm_card_chargeDeclined": ("card_declined", "generic_decline"),
    "pm_card_chargeDeclinedInsufficientFunds": ("card_declined", "insufficient_funds"),
    "pm_card_chargeDeclinedLostCard": ("card_declined", "lost_card"),
    "pm_card_chargeDeclinedExpiredCard": ("expired_card", "expired_card"),
    "pm_card_chargeDeclinedIncorrectCvc": ("incorrect_cvc", "incorrect_cvc"),
    "pm_card_chargeDeclinedProcessingError": ("processing_error", "processing_error"),
}
MAGIC = {
    40_201: ("card_declined", "insufficient_funds", "Insufficient funds in account"),
    40_202: ("card_declined", "generic_decline", "Card was declined by issuer"),
    40_203: ("expired_card", "expired_card", "Card has expired"),
    40_204: ("processing_error", "processing_error", "Failed to capture payment"),
}


@pytest.mark.parametrize("token", TOKENS)
def test_declined_intent_accepts_another_card(bank: StripeBank, token: str) -> None:
    key = new_key()
    intent = bank.made(card=token, key=key)
    error = refused(bank.intents.confirm, intent.id)
    assert isinstance(error, stripe.CardError)
    assert (error.http_status, error.code, error.error and error.error.decline_code) == (402, *TOKENS[token])
    assert intent_in(error).id == intent.id

    declined = bank.intents.retrieve(intent.id, {"expand": ["latest_charge"]})
    assert (declined.status, declined.payment_method) == ("requires_payment_method", None)
    assert (declined.last_payment_error.code, declined.last_payment_error.decline_code) == TOKENS[token]
    assert (declined.latest_charge.status, declined.latest_charge.failure_code) == ("failed", TOKENS[token][0])
    assert bank.moved(key) == []
    assert bank.events(intent.id)[-1] == "payment_intent.payment_failed"

    again = bank.intents.confirm(intent.id, {"payment_method": "pm_card_mastercard"})
    assert (again.status, bank.moved(key)) == ("succeeded", [("charge", "150.00")])


@pytest.mark.parametrize("capture_method", ["automatic", "manual"])
@pytest.mark.parametrize("amount", MAGIC)
def test_magic_amounts_decline_the_ordinary_card(bank: StripeBank, amount: int, capture_method: str) -> None:
    error = refused(lambda: bank.paid(amount, capture_method=capture_method))
    assert error.error is not None
    assert (error.code, error.error.decline_code, error.user_message) == MAGIC[amount]


def test_magic_amount_has_no_effect_on_another_card(bank: StripeBank) -> None:
    assert bank.paid(40_201, "pm_card_mastercard").status == "succeeded"


def test_magic_amounts_decline_refunds_and_captures(bank: StripeBank) -> None:
    refund = bank.refunded(bank.paid(100_000), 40_201)
    assert (refund.status, refund.failure_reason) == ("failed", "insufficient_funds")
    hold = bank.held(100_000)
    error = refused(bank.intents.capture, hold.id, {"amount_to_capture": 40_203})
    assert (error.http_status, error.code) == (402, "expired_card")
    assert bank.intents.retrieve(hold.id).status == "requires_capture"
    assert bank.intents.capture(hold.id).status == "succeeded"


@pytest.mark.parametrize(("amount", "ends"), [(20_201, "succeeded"), (20_202, "requires_payment_method")])
def test_intent_may_be_decided_without_an_answer(bank: StripeBank, amount: int, ends: str) -> None:
    key = new_key()
    intent = bank.made(amount, key=key)
    with pytest.raises(stripe.APIConnectionError):
        bank.intents.confirm(intent.id, {}, {"idempotency_key": key})
    assert bank.intents.retrieve(intent.id).status == ends
    assert len(bank.moved(key)) == (1 if ends == "succeeded" else 0)


@pytest.mark.parametrize(("amount", "ends"), [(20_203, "succeeded"), (20_204, "requires_payment_method")])
def test_processing_intent_is_decided_by_a_read(bank: StripeBank, amount: int, ends: str) -> None:
    key = new_key()
    intent = bank.paid(amount, key=key)
    assert (intent.status, bank.moved(key)) == ("processing", [])
    assert refused(bank.intents.cancel, intent.id).code == "payment_intent_unexpected_state"
    assert bank.intents.retrieve(intent.id).status == ends
    assert len(bank.moved(key)) == (1 if ends == "succeeded" else 0)
    assert bank.events(intent.id)[1] == "payment_intent.processing"


def test_processing_intent_can_be_decided_by_a_test(bank: StripeBank) -> None:
    intent = bank.paid(20_203)
    assert bank.admin(f"payment_intents/{intent.id}/settle")["status"] == "succeeded"
    assert bank.events(intent.id)[-1] == "payment_intent.succeeded"


def test_hold_capture_and_refund_may_be_late(bank: StripeBank) -> None:
    hold = bank.held(20_203)
    assert (hold.status, bank.intents.retrieve(hold.id).status) == ("processing", "requires_capture")
    taking = bank.intents.capture(hold.id)
    assert (taking.status, bank.intents.retrieve(hold.id).status) == ("processing", "succeeded")
    refund = bank.refunded(hold, 20_203)
    assert (refund.status, refund.pending_reason) == ("pending", "processing")
    assert [each.status for each in bank.refunds.list({"payment_intent": hold.id})] == ["succeeded"]


def test_outcome_is_drawn_by_gateway_key_and_channel(tmp_path: Path) -> None:
    found, expected = [], []
    with stripe_bank(tmp_path, success_rate=0.5, checkout_success_rate=0) as bank:
        for channel in ("orders",) * 15 + ("checkout",) * 15:
            key = new_key()
            request = instruct(Kind.CHARGE, gateway_key=key, channel=channel)
            decided = decide(request, SuccessRates(0.5, {"checkout": 0.0})).actual_outcome
            charged = (None, [("charge", "150.00")])
            expected.append((decided.message, []) if isinstance(decided, Declined) else charged)
            intent = bank.made(metadata={"gateway_key": key, "channel": channel})
            with suppress(stripe.CardError):
                bank.intents.confirm(intent.id)
            error = bank.intents.retrieve(intent.id).last_payment_error
            found.append((error and error.message, bank.moved(key)))
    assert found == expected


def test_intent_may_be_decided_after_a_time(bank: StripeBank) -> None:
    bank.admin("settings", settle_after=0.3)
    bank.simulator.arm("pending", lookups=1_000_000, times=3)
    intent, hold = bank.paid(), bank.held()
    assert (intent.status, hold.status) == ("processing", "processing")
    wait_until(lambda: bank.intents.retrieve(intent.id).status == "succeeded")
    wait_until(lambda: bank.intents.retrieve(hold.id).status == "requires_capture")
    refund = bank.refunded(intent, 100)
    wait_until(lambda: bank.refunds.retrieve(refund.id).status == "succeeded")
    bank.admin("settings", settle_after=None)
