"""A gateway that takes its word back: refunds fail late, holds end, customers dispute, declines turn out approved."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from payment_service import clock
from payment_service.domain.disputes import DisputeStatus
from payment_service.domain.operations import Kind
from payment_service.gateways.base import (
    Approved,
    Declined,
    GatewayRequest,
    GatewayResult,
    NotFound,
    SendResult,
    Unknown,
)
from payment_service.gateways.listed import Dispute, Entry
from tests.support.gateways import LedgerGateway, entry_of
from tests.support.listed import ListedLedger

EXPIRED = Declined("EXPIRED", "The hold has ended")
STATUSES = {
    "needs_response": DisputeStatus.OPEN,
    "under_review": DisputeStatus.OPEN,
    "won": DisputeStatus.WON,
    "lost": DisputeStatus.LOST,
}


class ChangingGateway(LedgerGateway):
    """A ledger gateway with decisions that can change afterwards, as a real one's do.

    Holds get `hold_lasts` to be captured. `listed` are the disputes it shows, by reference. While `is_silent`, no
    look-up is answered.
    """

    def __init__(self) -> None:
        super().__init__()
        self.capabilities = replace(self.capabilities, lists_disputes=True)
        self.ledger = ListedLedger(self._entry)
        self.hold_lasts = timedelta(days=7)
        self.taken_back: dict[str, Declined] = {}
        self.listed: dict[str, Dispute] = {}
        self.is_silent = False

    def approve(self, instruction: GatewayRequest) -> Approved:
        """Take the operation into the ledger; report a hold's end."""
        approved = super().approve(instruction)
        if instruction.kind is not Kind.AUTHORIZE:
            return approved
        return replace(approved, capture_before=clock.now() + self.hold_lasts)

    def send(self, instruction: GatewayRequest) -> SendResult:
        """Send as before, but nothing can be captured of a hold that has ended."""
        if instruction.parent_key in self.taken_back and instruction.kind is Kind.CAPTURE:
            return EXPIRED
        return super().send(instruction)

    def lookup(self, instruction: GatewayRequest) -> GatewayResult:
        """Return the operation's present outcome."""
        if self.is_silent:
            return Unknown("time-out")
        return self.taken_back.get(instruction.gateway_key) or super().lookup(instruction)

    def _entry(self, asked: GatewayRequest) -> Entry | None:
        """None for a refund that failed; a hold that ended was one all the same."""
        has_failed = asked.kind is Kind.REFUND and asked.gateway_key in self.taken_back
        return None if has_failed else entry_of(asked)

    def keys(self, kind: Kind) -> list[str]:
        """Return the gateway keys of all approved operations of a kind, oldest first."""
        return [key for key, request in self.ledger.items() if request.kind is kind]

    def fail_refund(self, number: int = -1) -> str:
        """Let a refund that succeeded fail now; its gateway key."""
        key = self.keys(Kind.REFUND)[number]
        self.taken_back[key] = Declined("REFUND_FAILED", "The refund failed: lost_or_stolen_card", f"LG-{key[-8:]}")
        return key

    def expire_hold(self) -> str:
        """Let the last hold end; its gateway key."""
        key = self.keys(Kind.AUTHORIZE)[-1]
        self.taken_back[key] = EXPIRED
        return key

    def approve_after_all(self) -> str:
        """Let the last request that was declined be approved; its gateway key."""
        self.approve(self.sent[-1])
        return self.sent[-1].gateway_key

    def show(self, reference: str, word: str = "needs_response", amount: str = "100", currency: str = "USD") -> str:
        """Open a dispute of the last charge, or show one in another status."""
        key = self.keys(Kind.CHARGE)[-1]
        known = self.listed.get(reference)
        self.listed[reference] = Dispute(
            reference=reference,
            gateway_key=known.gateway_key if known else key,
            charge_reference=f"LG-{key[-8:]}",
            amount=Decimal(amount),
            currency=currency,
            status=STATUSES[word],
            gateway_status=word,
            reason="fraudulent",
            evidence_due_at=datetime(2031, 1, 1, tzinfo=clock.now().tzinfo),
            withdrawn=word != "won",
        )
        return reference

    def dispute(self, reference: str) -> Dispute | NotFound | Unknown:
        """Return one dispute as it stands now."""
        assert not self.in_transaction(), "the gateway was asked with a transaction open"
        return Unknown("time-out") if self.is_silent else self.listed.get(reference, NotFound())

    def disputes(self, since: datetime) -> Iterator[Dispute]:
        """Yield all of them; when they were opened is the same moment for all."""
        assert since < clock.now()
        assert not self.in_transaction(), "the gateway was asked with a transaction open"
        yield from tuple(self.listed.values())
