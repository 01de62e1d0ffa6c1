"""Disputes: a customer's bank questions a charge, and may take its money back."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class DisputeStatus(StrEnum):
    """The state of a dispute. None of them is its end: a lost dispute can be reopened and won."""

    OPEN = "OPEN"
    WON = "WON"
    LOST = "LOST"


@dataclass(frozen=True)
class PaymentDispute:
    """One dispute as its row stands; `amount` is in major units of `currency`.

    `gateway_status` is the gateway's own status, which is finer than ours. At `evidence_due_at` the gateway stops
    taking evidence.
    """

    gateway: str
    reference: str
    payment_id: int
    amount: Decimal
    currency: str
    reason: str | None
    status: DisputeStatus
    gateway_status: str
    evidence_due_at: datetime | None
    created_at: datetime
    updated_at: datetime
