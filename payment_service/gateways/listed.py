"""The contents of a gateway's lists: the movements in its ledger, and the disputes of customers' banks."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from payment_service.domain.disputes import DisputeStatus
from payment_service.domain.operations import Kind


class Unasked(StrEnum):
    """Movements that this service did not request: a refund that came back, money that the customer's bank disputes."""

    REFUND_FAILED = "refund_failed"
    DISPUTE = "dispute"


@dataclass(frozen=True)
class Entry:
    """One movement in the gateway's own ledger, in the currency that the customer sees. None: not stated.

    `gateway_key` is that of our operation, `parent_key` that of the charge or authorization it belongs to; `reference`
    is the gateway's own id. `fee` and `net` are in `settlement_currency`, in which `payout` pays them out.
    """

    gateway_key: str | None
    kind: Kind | Unasked
    amount: Decimal
    currency: str
    reference: str | None = None
    created_at: datetime | None = None
    parent_key: str | None = None
    fee: Decimal | None = None
    net: Decimal | None = None
    settlement_currency: str | None = None
    payout: str | None = None


@dataclass(frozen=True)
class Dispute:
    """A dispute as the gateway shows it now, never as an event states it.

    `reference` is the gateway's own id of it, `charge_reference` that of the disputed charge, and `gateway_key` our key
    of that charge, None if the gateway shows none. `amount` is in major units of `currency`, the charge's currency.
    `gateway_status` is the gateway's own status, `status` its meaning here. `withdrawn`: the money has already left the
    account.
    """

    reference: str
    gateway_key: str | None
    charge_reference: str | None
    amount: Decimal
    currency: str
    status: DisputeStatus
    gateway_status: str
    reason: str | None = None
    evidence_due_at: datetime | None = None
    withdrawn: bool = False
