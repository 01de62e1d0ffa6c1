"""The bank behind the service under the model: it keeps its own ledger, and answers by a plan."""

from collections.abc import Callable

from payment_service.failpoints import failpoint
from payment_service.gateways.base import (
    Approved,
    Capabilities,
    Declined,
    GatewayRequest,
    GatewayResult,
    NotFound,
    NotSent,
    Pending,
    SendResult,
    Unknown,
)
from payment_service.gateways.listed import Entry
from tests.model.facts import Plan
from tests.support.listed import ListedLedger


def _entry(decision: tuple[GatewayRequest, str]) -> Entry | None:
    asked, word = decision
    return Entry(asked.gateway_key, asked.kind, asked.amount, asked.currency) if word == "approved" else None


class Bank:
    """Decides each gateway key once, by the plan of the moment, and never again otherwise.

    `ledger` has the decisions in the order they were made; a send or a look-up with a transaction open is an error.
    """

    capabilities = Capabilities(
        idempotent_by_key=True, lookup_consistent=True, max_in_flight=1.0, key_retention=86400, lists=True
    )

    def __init__(self) -> None:
        self.plan = Plan()
        self.ledger = ListedLedger(_entry)
        self.in_transaction: Callable[[], bool] = lambda: False

    def send(self, instruction: GatewayRequest) -> SendResult:
        """Send as ordered, and answer by the plan."""
        assert not self.in_transaction(), "the bank was called with a transaction open"
        if self.plan.reply == "refuses":
            return NotSent("nobody listens")
        if self.plan.reply == "misses":
            return Unknown("nothing arrived, and nobody knows")
        known, word = self.ledger.setdefault(instruction.gateway_key, (instruction, self.plan.word))
        assert known == instruction, f"two movements under one key: {known} and {instruction}"
        failpoint("gateway.sent")
        return Pending() if self.plan.reply == "hesitates" else self._reply(instruction, word)

    def lookup(self, instruction: GatewayRequest) -> GatewayResult:
        """Return the decision, as far as the plan reveals it."""
        assert not self.in_transaction(), "the bank was asked with a transaction open"
        if self.plan.reply == "refuses":
            return NotSent("nobody listens")
        if self.plan.reply in {"misses", "loses"}:
            return Unknown("no answer")
        if instruction.gateway_key not in self.ledger:
            return NotFound()
        return self._reply(instruction, self.ledger[instruction.gateway_key][1])

    def _reply(self, instruction: GatewayRequest, word: str) -> Approved | Declined | Pending | Unknown:
        if self.plan.reply == "loses":
            return Unknown("the answer was lost")
        if self.plan.reply == "pends":
            return Pending()
        reference = f"BANK-{instruction.gateway_key[-8:]}"
        if word == "declined":
            return Declined("CARD_DECLINED", "Card was declined by issuer", reference)
        lie = 1 if self.plan.reply == "lies" else 0
        return Approved(instruction.amount + lie, instruction.currency, reference)
