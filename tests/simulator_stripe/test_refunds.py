"""Refunds: no more than was taken, found again by their intent, and revised by the simulator days later."""

from typing import Any

import pytest

from tests.simulator_stripe.test_intents import refused
from tests.support.stripe_bank import StripeBank, new_key
from tests.support.waiting import wait_until


def test_refund_above_the_captured_amount_is_refused(bank: StripeBank) -> None:
    intent, key = bank.paid(), new_key()
    first = bank.refunded(intent, 5_000, metadata={"gateway_key": key}, reason="duplicate")
    assert (first.status, first.reason, bank.moved(key)) == ("succeeded", "duplicate", [("refund", "50.00")])
    too_much = refused(bank.refunded, intent, 10_001)
    assert (too_much.http_status, too_much.error and too_much.error.param) == (400, "amount")
    rest = bank.refunds.create({"payment_intent": intent.id})
    assert rest.amount == 10_000
    assert refused(bank.refunded, intent, 1).code == "charge_already_refunded"

    charge = bank.v1.charges.retrieve(intent.latest_charge)
    assert (charge.refunded, charge.amount_refunded) == (True, 15_000)
    assert [each.id for each in bank.refunds.list({"payment_intent": intent.id})] == [rest.id, first.id]
    assert bank.events(intent.latest_charge)[-2:] == ["charge.refunded", "charge.refunded"]
    assert bank.events(first.id) == ["refund.created", "refund.updated"]


def test_refund_by_charge_is_a_refund_of_its_intent(bank: StripeBank) -> None:
    intent = bank.paid()
    refund = bank.refunds.create({"charge": intent.latest_charge, "amount": 100})
    assert [each.id for each in bank.refunds.list({"payment_intent": intent.id})] == [refund.id]
    assert [each.id for each in bank.refunds.list({"charge": intent.latest_charge})] == [refund.id]


def test_two_requests_without_a_key_refund_twice(bank: StripeBank) -> None:
    intent, key = bank.paid(), new_key()
    for _ in range(2):
        bank.refunded(intent, 5_000, metadata={"gateway_key": key})
    assert bank.moved(key) == [("refund", "50.00")] * 2


@pytest.mark.parametrize(
    "wrong", [{"amount": 0}, {"amount": -5}, {"colour": "red"}, {"reason": "anger"}, {"amount": "x"}]
)
def test_invalid_refund_moves_no_money(bank: StripeBank, wrong: dict[str, Any]) -> None:
    intent = bank.paid()
    assert refused(lambda: bank.refunds.create({"payment_intent": intent.id} | wrong)).http_status == 400
    assert bank.refunds.list({"payment_intent": intent.id}).data == []


def test_refund_of_a_charge_without_captured_money_is_refused(bank: StripeBank) -> None:
    codes = [refused(bank.refunded, intent, 100).code for intent in (bank.made(), bank.held())]
    assert codes == ["payment_intent_unexpected_state"] * 2
    assert refused(lambda: bank.refunds.create({"payment_intent": "pi_of_nobody"})).code == "resource_missing"
    assert refused(lambda: bank.refunds.create({"amount": 5})).code == "parameter_missing"


def test_succeeded_refund_may_fail_later(bank: StripeBank) -> None:
    intent = bank.paid(card="pm_card_refundFail")
    refund = bank.refunded(intent, 5_000)
    assert refund.status == "succeeded"
    wait_until(lambda: bank.refunds.retrieve(refund.id).status == "failed")

    failed = bank.refunds.retrieve(refund.id, {"expand": ["failure_balance_transaction"]})
    assert failed.failure_reason == "expired_or_canceled_card"
    back = failed.failure_balance_transaction
    assert (back.type, back.amount, back.source) == ("refund_failure", 5_000, refund.id)
    assert bank.v1.charges.retrieve(intent.latest_charge).amount_refunded == 0
    assert bank.events(refund.id)[-2:] == ["refund.updated", "refund.failed"]
    assert bank.refunded(intent, 15_000).status == "succeeded"


def test_pending_refund_holds_its_amount_and_succeeds_later(bank: StripeBank) -> None:
    intent = bank.paid(card="pm_card_pendingRefund")
    refund = bank.refunded(intent, 10_000)
    assert (refund.status, refund.balance_transaction) == ("pending", None)
    assert refused(bank.refunded, intent, 5_001).http_status == 400
    wait_until(lambda: bank.refunds.retrieve(refund.id).status == "succeeded")
    assert bank.refunds.retrieve(refund.id).balance_transaction


def test_refund_fails_at_the_word_of_a_test(bank: StripeBank) -> None:
    refund = bank.refunded(bank.paid(), 5_000)
    assert bank.admin(f"refunds/{refund.id}/fail", failure_reason="lost_or_stolen_card")["status"] == "failed"
    assert bank.refunds.retrieve(refund.id).failure_reason == "lost_or_stolen_card"


def test_refund_of_a_disputed_charge_is_refused(bank: StripeBank) -> None:
    intent = bank.paid()
    dispute = bank.admin("disputes", payment_intent=intent.id)
    assert refused(bank.refunded, intent, 100).code == "charge_disputed"
    bank.admin(f"disputes/{dispute['id']}", status="won")
    assert bank.refunded(intent, 100).status == "succeeded"


def test_released_rest_of_a_capture_may_be_shown_as_a_refund(bank: StripeBank) -> None:
    bank.admin("settings", release_as_refund=True)
    hold = bank.held(10_000)
    bank.intents.capture(hold.id, {"amount_to_capture": 4_000})
    gone = bank.held(10_000)
    bank.intents.cancel(gone.id)
    bank.admin("settings", release_as_refund=False)

    assert [(each.amount, each.balance_transaction) for each in bank.refunds.list({"payment_intent": gone.id})] == [
        (10_000, None)
    ]
    (released,) = bank.refunds.list({"payment_intent": hold.id})
    assert (released.amount, released.status, released.metadata.to_dict()) == (6_000, "succeeded", {})
    assert bank.v1.charges.retrieve(hold.latest_charge).amount_refunded == 6_000
    assert refused(bank.refunded, hold, 4_001).http_status == 400
    assert bank.refunded(hold, 4_000).status == "succeeded"
    assert bank.v1.charges.retrieve(hold.latest_charge).refunded
