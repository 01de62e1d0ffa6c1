"""A checkout caller without a key reads only `success`: one that reads false has paid nothing."""

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from tests.neighbours.conftest import Start
from tests.neighbours.processes import Processes
from tests.support.waiting import wait_until

PAYMENTS = "/api/v1/payments"
ORDER = {"order_id": "ORD-1", "amount": 100.0, "currency": "USD", "payment_method": "credit_card"}
TAKEN = {"charge": 1, "authorize": 1, "refund": -1, "void": -1}


def kept(service: Processes) -> Decimal:
    """Return the money that the gateway holds, and has not given back."""
    moved = [Decimal(each["amount"]) * TAKEN[each["kind"]] for each in service.bank.effects()]
    return sum(moved, Decimal(0))


def status(service: Processes, payment_id: Any) -> Any:
    return service.ask("GET", f"{PAYMENTS}/payment/{payment_id}")["status"]


@pytest.mark.parametrize(
    ("capture", "kinds"), [(True, ["charge", "refund"]), (False, ["authorize", "void"])], ids=["charge", "hold"]
)
def test_caller_with_a_negative_answer_has_paid_nothing_after_a_late_approval(
    start: Start, capture: bool, kinds: list[str]
) -> None:
    service = start(KEYLESS_ANSWER_SECONDS="0.5")
    service.bank.arm("pending", kind=kinds[0], times=1, lookups=3)  # the caller's wait covers two look-ups
    answer = service.ask("POST", f"{PAYMENTS}/process", {**ORDER, "capture": capture}, 202)
    assert answer["success"] is False
    assert service.bank.effects() == []

    worker = service.start_worker()
    wait_until(lambda: status(service, answer["payment_id"]) == "failed", worker.last_words, patience=60)
    assert Counter(each["kind"] for each in service.bank.effects()) == Counter(kinds)
    assert kept(service) == 0
    service.verify()

    # After the reported failure the caller pays again: this time the answer is true, and only this money stays.
    assert service.ask("POST", f"{PAYMENTS}/process", {**ORDER, "capture": capture})["success"] is True
    assert kept(service) == 100
    assert worker.stop() == 0, worker.last_words()
    service.verify()
