"""At the end of a walk every row, and every entry of the bank's ledger, is as the model has it."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tests.model.facts import Payment, Use
from tests.model.model import Model
from tests.model.system import System
from tests.model.wire import Names, payable_of

REFUNDS = {"approved": "REFUNDED", "declined": "FAILED"}
KINDS = {"process": "charge", "hold": "authorize"}
"""The bank's words for actions, where they differ from ours."""


def judge(system: System, model: Model, names: Mapping[Payment, Names], users: list[str], before: int) -> None:
    """Raise AssertionError unless the payments of `users` fit the bank's actions after its first `before` decisions."""
    numbers = {payment: names[payment].number for payment in model.payments}
    expected = {numbers[payment]: _row(payment) for payment in model.payments}
    there = {number: _row_there(row) for number, row in system.rows(users).items()}
    missing, strange = expected.items() - there.items(), there.items() - expected.items()
    assert there == expected, f"missing: {missing}, strange: {strange}"

    versions = {numbers[payment]: (payment.version, payment.version) for payment in model.payments}
    assert system.versions(sorted(there)) == versions, "the journal has one row for each version"

    refunds = [use for use in model.movements if use.asked.action == "refund" and use.payment]
    made = [(numbers[use.payment], _refund_status(use), use.amount) for use in refunds if use.payment]
    assert system.refunds(users) == Counter(made)

    assert system.decided(before) == Counter(
        (KINDS.get(use.asked.action, use.asked.action), use.amount, use.truth)
        for use in model.movements
        if use.truth is not None  # otherwise it was never sent, and its caller knows
    )


def _refund_status(use: Use) -> str:
    return REFUNDS["declined" if use.undone else use.truth or ""]


def _row(payment: Payment) -> tuple[Any, ...]:
    money = (payment.authorized, payment.captured, payment.refunded, payment.reserved)
    return payment.channel, payment.subject, payable_of(payment), payment.status, payment.version, payment.amount, money


def _row_there(row: Mapping[str, Any]) -> tuple[Any, ...]:
    names = ("authorized_amount", "captured_amount", "refunded_amount", "refund_pending_amount")
    money = tuple(int(row[name] * 100) for name in names)
    texts = row["channel"], row["subject"], row["payable_id"], str(row["status"]), row["version"]
    return (*texts, int(row["amount"] * 100), money)
