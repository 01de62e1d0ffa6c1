"""Disputes, and the account's own list of what moved: with fees, in the currency it is settled in."""

from pathlib import Path
from typing import Any

from tests.support.stripe_bank import StripeBank, stripe_bank
from tests.support.waiting import wait_until


def booked(bank: StripeBank, source: str) -> list[tuple[str, int, int]]:
    found = bank.v1.balance_transactions.list({"source": source, "limit": 100})
    return [(each.type, each.amount, each.fee) for each in found]


def dispute_of(bank: StripeBank, intent: Any) -> Any:
    found = bank.v1.disputes.list({"payment_intent": intent.id}).data
    return found[0] if found else None


def test_token_opens_a_dispute_and_moves_its_money(bank: StripeBank) -> None:
    intent = bank.paid(card="pm_card_createDispute")
    wait_until(lambda: dispute_of(bank, intent))
    dispute = dispute_of(bank, intent)
    assert (dispute.status, dispute.amount, dispute.reason) == ("needs_response", 15_000, "fraudulent")
    assert (dispute.is_charge_refundable, dispute.charge) == (False, intent.latest_charge)
    assert bank.v1.charges.retrieve(intent.latest_charge).disputed
    assert booked(bank, dispute.id) == [("adjustment", -15_000, 1_500)]

    for status in ("under_review", "lost", "won", "lost"):
        bank.admin(f"disputes/{dispute.id}", status=status)
    assert bank.v1.disputes.retrieve(dispute.id).status == "lost"
    assert [amount for _, amount, _ in booked(bank, dispute.id)] == [-15_000, 15_000, -15_000]
    assert bank.events(dispute.id) == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.closed",
        "charge.dispute.funds_reinstated",
        "charge.dispute.closed",
        "charge.dispute.funds_withdrawn",
    ]


def test_inquiry_takes_no_money_and_leaves_the_charge_refundable(bank: StripeBank) -> None:
    intent = bank.paid()
    dispute = bank.admin("disputes", payment_intent=intent.id, status="warning_needs_response", amount=1_000)
    assert (dispute["is_charge_refundable"], booked(bank, dispute["id"])) == (True, [])
    assert bank.refunded(intent, 100).status == "succeeded"


def test_several_disputes_of_one_charge_are_listed(bank: StripeBank) -> None:
    intent = bank.paid()
    made = [bank.admin("disputes", charge=intent.latest_charge, amount=amount)["id"] for amount in (1_000, 2_000)]
    assert [each.id for each in bank.v1.disputes.list({"charge": intent.latest_charge})] == made[::-1]


def test_every_movement_of_money_is_booked_with_its_source(tmp_path: Path) -> None:
    with stripe_bank(tmp_path) as bank:
        intent = bank.paid()
        hold = bank.held()
        bank.intents.capture(hold.id, {"amount_to_capture": 4_000})
        refund = bank.refunded(intent, 5_000)
        bank.admin(f"refunds/{refund.id}/fail")
        bank.paid(40_201, "pm_card_mastercard")
        bank.intents.cancel(bank.held().id)

        expanded = bank.v1.balance_transactions.list({"limit": 2, "expand": ["data.source"]})
        found = [(each.type, each.amount, each.net, each.source.id) for each in expanded.auto_paging_iter()][::-1]
        first, second = (bank.intents.retrieve(each.id).latest_charge for each in (intent, hold))
        assert found[:4] == [
            ("charge", 15_000, 14_535, first),
            ("charge", 4_000, 3_854, second),
            ("refund", -5_000, -5_000, refund.id),
            ("refund_failure", 5_000, 5_000, refund.id),
        ]
        assert [each[:2] for each in found[4:]] == [("charge", 40_201)]
        assert [each.amount for each in bank.v1.balance_transactions.list({"type": "refund"})] == [-5_000]


def test_payout_lists_its_movements(tmp_path: Path) -> None:
    with stripe_bank(tmp_path) as bank:
        for _ in range(2):
            bank.paid()
        payout = bank.admin("payouts")
        assert (payout["amount"], payout["status"]) == (2 * 14_535, "paid")
        listed = bank.v1.balance_transactions.list({"payout": payout["id"]})
        assert [(each.type, each.amount, each.status) for each in listed] == [
            ("payout", -2 * 14_535, "available"),
            ("charge", 15_000, "available"),
            ("charge", 15_000, "available"),
        ]
        assert [each.id for each in bank.v1.payouts.list()] == [payout["id"]]
        assert bank.v1.payouts.retrieve(payout["id"]).balance_transaction == listed.data[0].id
        bank.paid()
        assert bank.admin("payouts")["amount"] == 14_535
        assert bank.admin("payouts") == {}


def test_balances_are_settled_in_the_accounts_currency(tmp_path: Path) -> None:
    with stripe_bank(tmp_path) as bank:
        bank.admin("settings", settlement_currency="usd", exchange_rate="0.0065")
        intent = bank.paid(1_000, "pm_card_mastercard", currency="jpy", expand=["latest_charge.balance_transaction"])
        booking = intent.latest_charge.balance_transaction
        assert (intent.latest_charge.amount, intent.latest_charge.currency) == (1_000, "jpy")
        assert (booking.amount, booking.currency, booking.exchange_rate) == (650, "usd", 0.0065)
        assert (booking.fee, booking.net) == (49, 601)


def test_balance_transaction_of_a_charge_may_be_missing_at_first(tmp_path: Path) -> None:
    with stripe_bank(tmp_path) as bank:
        bank.admin("settings", balance_after=2.0)
        charge = bank.paid().latest_charge
        assert bank.v1.charges.retrieve(charge).balance_transaction is None
        wait_until(lambda: bank.v1.charges.retrieve(charge).balance_transaction)
        assert bank.v1.charges.retrieve(bank.paid(capture_method="automatic").latest_charge).balance_transaction
