"""Stripe's later changes reach our rows: the real adapter before the simulator."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payment_service import clock
from payment_service.gateways.base import Declined
from payment_service.gateways.stripe import StripeGateway
from payment_service.models import disputes as dispute_table
from payment_service.models import idempotency_keys, payment_refunds, payments, transactions
from payment_service.services import disputes, holds
from payment_service.services.dependencies import Dependencies
from payment_service.services.differences import Line
from payment_service.services.later import look_again
from payment_service.services.reconciliation import reconcile
from payment_service.services.seen import Seen
from payment_service.services.verification import verify
from tests.conftest import dependencies_of
from tests.support import checkouts
from tests.support.at_stripe import bank, shop
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.database import expire_leases, recover_all, rows
from tests.support.stripe_bank import StripeBank
from tests.support.waiting import wait_until

__all__ = ["bank", "shop"]

CARD = "pm_card_mastercard"


@pytest.fixture
def app(shop: Flask) -> Flask:
    return shop


@pytest.fixture
def deps(app: Flask) -> Dependencies:
    return dependencies_of(app)


def last(deps: Dependencies) -> dict[str, Any]:
    return rows(deps, payments)[-1]


def again(deps: Dependencies, **about: Any) -> Seen:
    return look_again(deps, deps.gateways.default, **about)


def faults(deps: Dependencies) -> list[str]:
    return [str(each) for each in verify(deps)]


def pay(client: FlaskClient, **fields: Any) -> int:
    return trip_id_of(pay_trip(client, payment_token=CARD, **fields))


def test_refund_that_fails_at_stripe_is_reversed(client: FlaskClient, deps: Dependencies, bank: StripeBank) -> None:
    number = pay(client)
    told = refund_trip(client, number)
    key = rows(deps, idempotency_keys)[-1]
    assert again(deps, gateway_key=key["gateway_key"]) is Seen.UNCHANGED

    bank.admin(f"refunds/{key['gateway_reference']}/fail", failure_reason="lost_or_stolen_card")

    assert again(deps, gateway_key=key["gateway_key"]) is Seen.REVISED
    assert (last(deps)["status"], last(deps)["refunded_amount"]) == ("CAPTURED", 0)
    assert [row["status"] for row in rows(deps, payment_refunds)] == ["FAILED"]
    assert refund_trip(client, number).data == told.data
    assert faults(deps) == []


def test_lesson_30_refund_that_fails_by_its_card_is_found_later(
    client: FlaskClient, deps: Dependencies, bank: StripeBank
) -> None:
    number = trip_id_of(pay_trip(client, payment_token="pm_card_refundFail"))
    assert refund_trip(client, number).status_code == 200
    key = rows(deps, idempotency_keys)[-1]

    wait_until(lambda: bank.refunds.retrieve(key["gateway_reference"]).status == "failed")

    assert again(deps, gateway_key=key["gateway_key"]) is Seen.REVISED
    assert last(deps)["status"] == "CAPTURED"


def test_hold_that_ends_at_stripe_is_cancelled(client: FlaskClient, deps: Dependencies, bank: StripeBank) -> None:
    details = {"payment_method_details": {"payment_token": CARD}}
    held = checkouts.held(client, **details)
    payment = last(deps)
    assert payment["hold_expires_at"] > clock.now() + timedelta(days=1)
    expire_leases(deps)
    assert holds.look_after(deps) == 1
    assert last(deps)["status"] == "AUTHORIZED"

    bank.admin(f"payment_intents/{payment['charge_reference']}/expire")
    expire_leases(deps)
    assert holds.look_after(deps) == 1

    assert checkouts.shown(client, held)["status"] == "cancelled"
    assert faults(deps) == []


def test_hold_that_ended_before_it_was_known_is_no_difference(
    client: FlaskClient, deps: Dependencies, bank: StripeBank
) -> None:
    """Before this was mended, `verify` and `reconcile` accused a payment of which nothing is held."""
    bank.simulator.arm("drop_after_effect", kind="authorize", times=1)
    details = {"payment_method_details": {"payment_token": CARD}, "capture": False}
    answer = checkouts.process(client, "lost", **details)
    assert answer.status_code == 202, answer.text
    bank.admin(f"payment_intents/{rows(deps, idempotency_keys)[-1]['gateway_reference']}/expire")
    recover_all(deps)
    assert last(deps)["status"] == "FAILED"

    told: list[Line] = []
    since = clock.now() - timedelta(hours=1)
    result = reconcile(deps, None, since, clock.now() + timedelta(minutes=1), told.append)

    assert (result.found.differences, [line.difference for line in told]) == (0, [None] * len(told))
    assert faults(deps) == []


def test_dispute_at_stripe_is_followed_from_its_opening_to_its_end(
    client: FlaskClient, deps: Dependencies, bank: StripeBank
) -> None:
    pay(client)
    dispute = bank.admin("disputes", payment_intent=last(deps)["charge_reference"], amount=6_000)
    assert again(deps, reference=dispute["id"]) is Seen.REVISED
    (row,) = rows(deps, dispute_table)
    assert (row["amount"], row["currency"], row["reason"], row["gateway_status"]) == (
        *(60, "INR", "fraudulent"),
        "needs_response",
    )
    assert (last(deps)["disputed_amount"], last(deps)["charged_back_amount"]) == (60, 0)

    def sums_after(status: str) -> tuple[object, object]:
        bank.admin(f"disputes/{dispute['id']}", status=status)
        disputes.sweep(deps)
        return last(deps)["disputed_amount"], last(deps)["charged_back_amount"]

    sums = [sums_after(status) for status in ("under_review", "lost", "won", "lost")]
    assert sums == [(60, 0), (0, 60), (0, 0), (0, 60)]
    assert faults(deps) == []


def test_closed_inquiry_takes_no_money(client: FlaskClient, deps: Dependencies, bank: StripeBank) -> None:
    pay(client)
    reference = last(deps)["charge_reference"]
    inquiry = bank.admin("disputes", payment_intent=reference, status="warning_needs_response")
    assert again(deps, reference=inquiry["id"]) is Seen.REVISED

    bank.admin(f"disputes/{inquiry['id']}", status="warning_closed")

    assert again(deps, reference=inquiry["id"]) is Seen.REVISED
    assert (last(deps)["disputed_amount"], last(deps)["charged_back_amount"]) == (0, 0)


def test_intent_that_succeeds_after_its_decline_is_reversed(
    client: FlaskClient, deps: Dependencies, bank: StripeBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cancel did not take effect; a holder of the client's secret confirmed the intent once more."""
    monkeypatch.setattr(StripeGateway, "cancel", lambda self, asked: Declined("CANCELED", "said so", asked.reference))
    answer = pay_trip(client, payment_token="pm_card_chargeDeclined")
    assert answer.get_json()["status"] == "FAILED"
    key = rows(deps, idempotency_keys)[-1]

    bank.intents.confirm(key["gateway_reference"], {"payment_method": CARD})

    assert again(deps, gateway_key=key["gateway_key"]) is Seen.REVISED
    recover_all(deps)
    assert (last(deps)["status"], last(deps)["refunded_amount"]) == ("FAILED", last(deps)["captured_amount"])
    assert [row["move"] for row in rows(deps, transactions)][-2:] == ["charged_late", "reversed"]
    assert pay_trip(client, payment_token="pm_card_chargeDeclined").data == answer.data
    assert faults(deps) == []


def test_id_of_another_kind_is_not_fetched_as_a_dispute(deps: Dependencies) -> None:
    assert again(deps, reference="pi_1") is Seen.UNKNOWN
    assert again(deps, reference="dp_nobody") is Seen.UNKNOWN
