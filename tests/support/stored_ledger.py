"""A gateway with a ledger that can be stored with a database and loaded again: a real one's outlives our processes."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from payment_service.domain.operations import Kind
from payment_service.gateways.base import (
    Approved,
    Capabilities,
    Declined,
    GatewayRequest,
    GatewayResult,
    NotFound,
    Pending,
    SendResult,
)
from payment_service.gateways.listed import Entry
from tests.support.listed import ListedLedger

CAPABLE = Capabilities(
    idempotent_by_key=True, lookup_consistent=True, max_in_flight=1.0, key_retention=10**9, lists=True
)
_STORED = ("gateway_key", "kind", "amount", "currency")
DECLINED = Declined("CARD_DECLINED", "Card was declined by issuer")


class StoredLedgerGateway:
    """Answers from the `script`, or approves; approved operations are in the `ledger` by gateway key.

    While `is_pending` is set it decides nothing: every request and every look-up is pending. It declines operations
    with gateway keys in `declines`.
    """

    def __init__(self, ledger: Iterable[Mapping[str, Any]] = (), *, declines: Iterable[str] = ()) -> None:
        self.capabilities = CAPABLE
        self.ledger: ListedLedger[Entry] = ListedLedger(lambda entry: entry)
        self.ledger.update({row["gateway_key"]: _effect(row) for row in ledger})
        self.declines = frozenset(declines)
        self.script: deque[SendResult | Callable[[GatewayRequest], SendResult]] = deque()
        self.is_pending = False

    def send(self, instruction: GatewayRequest) -> SendResult:
        """Answer the next gateway request."""
        if self.is_pending:
            return Pending()
        answer = self.script.popleft() if self.script else self.decide
        return answer(instruction) if callable(answer) else answer

    def decide(self, instruction: GatewayRequest) -> SendResult:
        """Decline what is listed in `declines`, approve the rest."""
        return DECLINED if instruction.gateway_key in self.declines else self.approve(instruction)

    def approve(self, instruction: GatewayRequest) -> Approved:
        """Add the operation to the ledger, once per gateway key."""
        key = instruction.gateway_key
        effect = Entry(key, instruction.kind, instruction.amount, instruction.currency)
        return _approval(self.ledger.setdefault(key, effect))

    def lookup(self, instruction: GatewayRequest) -> GatewayResult:
        """Return the ledger's result."""
        if self.is_pending:
            return Pending()
        effect = self.ledger.get(instruction.gateway_key)
        return NotFound() if effect is None else _approval(effect)

    def stored(self) -> list[dict[str, str]]:
        """Return the ledger as JSON takes it."""
        return [{name: str(getattr(effect, name)) for name in _STORED} for effect in self.ledger.values()]


def _effect(row: Mapping[str, Any]) -> Entry:
    return Entry(row["gateway_key"], Kind(row["kind"]), Decimal(row["amount"]), row["currency"])


def _approval(effect: Entry) -> Approved:
    key = str(effect.gateway_key)
    return Approved(effect.amount, effect.currency, reference=f"GW-{key[-8:]}", authorization_code=key[-6:].upper())
