"""Calls that tests make of each client, and an answer that fits one."""

from dataclasses import replace
from typing import Any

from tests.clients.under_test import Call, Canned, Client, Outcome, answer

PAYMENT = {
    "payment_id": 1,
    "trip_id": 101,
    "amount": 150.0,
    "method": "CARD",
    "status": "SUCCESS",
    "reference": "PAY-20261120-dd961ae0",
    "created_at": "2026-11-20T11:16:22.445088",
    "refunded_amount": 0.0,
}
PAID = answer(PAYMENT)

PAY = Call("trips.pay", {"trip_id": 101, "method": "CARD", "amount": "150", "key": "a-key"})
COMPLETE = Call("orders.change_status", {"payment_id": 1, "status": "COMPLETED"})
READ = Call("trips.get", {"payment_id": 1})


def made(client: Client, call: Call, *answers: Canned | str, **options: Any) -> Outcome:
    """Make a call that gets these answers, the last one again and again."""
    return client(replace(call, answers=answers, **options))
