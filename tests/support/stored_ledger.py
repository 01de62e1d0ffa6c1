"""A gateway whose ledger can be stored with a database and loaded again, as a real gateway's outlives our processes."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from payment_service.domain.operations import Kind
from payment_service.gateways.base import (
    Approved,
    Capabilities,
    Declined,
    GatewayRequest,
    GatewayResult,
    GatewayTransaction,
    NotFound,
    Pending,
    SendResult,
)

CAPABLE = Capabilities(
    idempotent_by_key=True, lookup_consistent=True, max_in_flight=1.0, key_retention=10**9, lists_effects=True
)
DECLINED = Declined("CARD_DECLINED", "Card was declined by issuer")


class StoredLedgerGateway:
    """Answers from the `script`, and else approves; approved movements are in the `ledger` by gateway key.

    While `is_pending` is set it decides nothing: every movement and every look-up is pending. It declines movements
    whose gateway keys are in `declines`.
    """

    def __init__(self, ledger: Iterable[Mapping[str, Any]] = (), *, declines: Iterable[str] = ()) -> None:
        self.capabilities = CAPABLE
        self.ledger = {row["gateway_key"]: _effect(row) for row in ledger}
        self.declines = frozenset(declines)
        self.script: deque[SendResult | Callable[[GatewayRequest], SendResult]] = deque()
        self.is_pending = False

    def send(self, instruction: GatewayRequest) -> SendResult:
        """Answer the next movement."""
        if self.is_pending:
            return Pending()
        answer = self.script.popleft() if self.script else self.decide
        return answer(instruction) if callable(answer) else answer

    def decide(self, instruction: GatewayRequest) -> SendResult:
        """Decline what is listed in `declines`, approve the rest."""
        return DECLINED if instruction.gateway_key in self.declines else self.approve(instruction)

    def approve(self, instruction: GatewayRequest) -> Approved:
        """Add the movement to the ledger, once per gateway key."""
        key = instruction.gateway_key
        effect = GatewayTransaction(key, instruction.kind, instruction.amount, instruction.currency)
        return _approval(self.ledger.setdefault(key, effect))

    def lookup(self, instruction: GatewayRequest) -> GatewayResult:
        """Return the movement of the ledger."""
        if self.is_pending:
            return Pending()
        effect = self.ledger.get(instruction.gateway_key)
        return NotFound() if effect is None else _approval(effect)

    def effects(self) -> Iterator[GatewayTransaction]:
        """Return the ledger."""
        return iter(tuple(self.ledger.values()))

    def stored(self) -> list[dict[str, str]]:
        """Return the ledger as JSON takes it."""
        return [{name: str(value) for name, value in asdict(effect).items()} for effect in self.ledger.values()]


def _effect(row: Mapping[str, Any]) -> GatewayTransaction:
    return GatewayTransaction(row["gateway_key"], Kind(row["kind"]), Decimal(row["amount"]), row["currency"])


def _approval(effect: GatewayTransaction) -> Approved:
    key = effect.gateway_key
    return Approved(effect.amount, effect.currency, reference=f"GW-{key[-8:]}", authorization_code=key[-6:].upper())
