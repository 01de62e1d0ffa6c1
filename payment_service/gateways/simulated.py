"""The gateway in process: no network, no memory, no money."""

import logging
from collections.abc import Iterator

from payment_service import clock
from payment_service.gateways.base import (
    Approved,
    Capabilities,
    Declined,
    GatewayRequest,
    GatewayTransaction,
    Pending,
    SendResult,
    Unknown,
)
from payment_service.gateways.outcomes import SuccessRates, decide, reference_of

log = logging.getLogger(__name__)


class SimulatedGateway:
    """Answers as `outcomes.decide` says, after `latency_ms` milliseconds.

    It keeps nothing: a look-up is the same pure function as a send, so every process and every restart agree, and a
    look-up of an operation that was never sent says what the send would have led to. For the same reason it cannot
    compare a refund with its charge; the simulator, which has a ledger, does.
    """

    capabilities = Capabilities(
        idempotent_by_key=True,
        lookup_consistent=True,
        max_in_flight=0.0,
        key_retention=float("inf"),
        lists_effects=False,
    )

    def __init__(self, rates: SuccessRates, *, latency_ms: int = 0) -> None:
        self._rates = rates
        self._latency = latency_ms / 1000
        log.warning("the payment gateway is simulated in this process: no money moves")

    def send(self, gateway_request: GatewayRequest) -> SendResult:
        """What `decide` says of the request, whatever its kind."""
        self._wait()
        outcome = decide(gateway_request, self._rates)
        match outcome.first_reply:
            case "no_answer":
                return Unknown("the simulated gateway did not answer")
            case "pending":
                return Pending(reference_of(gateway_request.gateway_key))
            case "actual":
                return outcome.actual_outcome

    def lookup(self, gateway_request: GatewayRequest) -> Approved | Declined:
        """The actual outcome, at once: every operation is decided by the time of its look-up."""
        self._wait()
        return decide(gateway_request, self._rates).actual_outcome

    def effects(self) -> Iterator[GatewayTransaction]:
        """Nothing: there is no ledger to list (`capabilities.lists_effects` is false)."""
        return iter(())

    def _wait(self) -> None:
        if self._latency:
            clock.sleep(self._latency)
