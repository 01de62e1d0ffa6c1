"""Compare a caller's answer with the rows, in one form."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from tests.crash.caller import Intent
from tests.crash.tables import Row


def word(intent: Intent, status: int, body: Any) -> str:
    """Return the answer's outcome, in the words of `Intent.ends`; "another amount" where the money differs."""
    if body.get("code") in {"payment_declined", "refund_declined"}:
        return "declined"
    if status not in {200, 201}:
        return f"status {status}"
    told = body.get("payment", body)
    status_told = str(told.get("status", "")).upper()
    if status_told == "FAILED" or (status_told == "CANCELLED" and intent.kind not in {"void", "cancel"}):
        return "declined" if status_told == "FAILED" else "cancelled"
    amount = amount_told(intent, told)
    return "done" if amount in {None, intent.amount} else "another amount"


def amount_told(intent: Intent, told: Any) -> Decimal | None:
    """Return the money of the wish in an answer; None where the channel speaks of the whole payment, or of no money."""
    if intent.kind == "refund":
        name = {"trips": "refund_amount", "checkout": "amount", "bookings": "amount"}.get(intent.channel)
    else:
        name = "amount" if intent.kind in {"charge", "create"} and intent.channel != "checkout" else None
    return None if name is None else Decimal(told[name])


def same_money(row: Row, effect: Row) -> bool:
    return all(row[name] == effect[name] for name in ("kind", "amount", "currency"))


def owner_of(gateway_key: str) -> str:
    """Return the operation's own gateway key, also where the bank knows a cancel of its hold by one of the cancel's."""
    return gateway_key.partition("/x")[0]


def name_of(payment: Row) -> str:
    return f"payment {payment['payment_id']}"


def grouped(rows: Sequence[Row]) -> defaultdict[int, list[Row]]:
    groups: defaultdict[int, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["payment_id"]].append(row)
    return groups
