"""A gateway for tests: its ledger lives in this process, its next answers can be scripted."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from payment_service import clock
from payment_service.domain.operations import Kind
from payment_service.gateways.base import (
    Approved,
    Capabilities,
    GatewayRequest,
    GatewayResult,
    NotFound,
    SendResult,
    Unknown,
)
from payment_service.gateways.listed import Entry
from tests.support.listed import ListedLedger


def entry_of(asked: GatewayRequest) -> Entry:
    return Entry(asked.gateway_key, asked.kind, asked.amount, asked.currency, parent_key=asked.parent_key)


class LedgerGateway:
    """Approves everything once per gateway key, remembers it, and refuses to be called inside a transaction."""

    def __init__(self, latency: float = 0.0) -> None:
        self.capabilities = Capabilities(
            idempotent_by_key=True, lookup_consistent=True, max_in_flight=1.0, key_retention=86400, lists=True
        )
        self.latency = latency
        self.ledger = ListedLedger(entry_of)
        self.sent: list[GatewayRequest] = []
        self.lookups: list[GatewayRequest] = []
        self.script: deque[SendResult | Callable[[GatewayRequest], SendResult]] = deque()
        self.found: deque[GatewayResult] = deque()
        self.in_transaction: Callable[[], bool] = lambda: False
        self._lock = threading.Lock()

    def send(self, instruction: GatewayRequest) -> SendResult:
        """Answer from the script; without one, approve."""
        assert not self.in_transaction(), "the gateway was called with a transaction open"
        clock.sleep(self.latency)
        with self._lock:
            self.sent.append(instruction)
            answer = self.script.popleft() if self.script else self.approve
        return answer(instruction) if callable(answer) else answer

    def approve(self, instruction: GatewayRequest) -> Approved:
        """Take the operation into the ledger, once."""
        self.ledger.setdefault(instruction.gateway_key, instruction)
        return Approved(instruction.amount, instruction.currency, reference=f"LG-{instruction.gateway_key[-8:]}")

    def lose_answer(self, instruction: GatewayRequest) -> Unknown:
        """For the script: execute the request, but lose the answer on its way."""
        self.approve(instruction)
        return Unknown("the answer was lost")

    def lookup(self, instruction: GatewayRequest) -> GatewayResult:
        """Return the result scripted in `found`, or the ledger's."""
        assert not self.in_transaction(), "the gateway was asked with a transaction open"
        self.lookups.append(instruction)
        if self.found:
            return self.found.popleft()
        known = self.ledger.get(instruction.gateway_key)
        return self.approve(known) if known else NotFound()

    def count(self, kind: Kind) -> int:
        """Return how many entries of a kind the ledger holds."""
        return sum(instruction.kind is kind for instruction in self.ledger.values())


@contextmanager
def held_at_the_gateway(gateway: LedgerGateway) -> Iterator[threading.Event]:
    """Hold the gateway's answer to the next request until the block ends; the event says that it is there."""
    arrived, answer = threading.Event(), threading.Event()

    def wait(instruction: GatewayRequest) -> SendResult:
        arrived.set()
        assert answer.wait(20)
        return gateway.approve(instruction)

    gateway.script.append(wait)
    try:
        yield arrived
    finally:
        answer.set()
