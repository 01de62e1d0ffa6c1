"""The gateway in process, without network, memory or money. The simulator uses the same decisions.

A decision is a pure function of the request.

Magic amounts choose the outcome of any movement, in every currency that can express them. No caller's document uses one
of them as an example:

======  ===========================================  ==========================================================
amount  first reply                                  actual outcome, which every look-up returns
======  ===========================================  ==========================================================
402.01  declined                                     declined: INSUFFICIENT_FUNDS, Insufficient funds in account
402.02  declined                                     declined: CARD_DECLINED, Card was declined by issuer
402.03  declined                                     declined: EXPIRED_CARD, Card has expired
402.04  declined                                     declined: GATEWAY_ERROR, Failed to capture payment
202.01  none: the service does not know the outcome  approved
202.02  none: the service does not know the outcome  declined: GATEWAY_ERROR, Failed to capture payment
202.03  pending                                      approved
202.04  pending                                      declined: CARD_DECLINED, Card was declined by issuer
======  ===========================================  ==========================================================

For any other charge or authorization the gateway key and the channel's success rate decide. Captures, voids and refunds
of other amounts are approved, because a card's issuer decides only when money is first taken or held.
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Literal

from payment_service import clock
from payment_service.domain.operations import Kind
from payment_service.gateways.base import Approved, Capabilities, Declined, GatewayRequest, Pending, SendResult, Unknown
from payment_service.gateways.listed import Entry

log = logging.getLogger(__name__)

FirstReply = Literal["actual", "no_answer", "pending"]
"""The reply to the first send: the actual outcome, none at all, or "pending"."""

INSUFFICIENT_FUNDS = Declined("INSUFFICIENT_FUNDS", "Insufficient funds in account")
CARD_DECLINED = Declined("CARD_DECLINED", "Card was declined by issuer")
EXPIRED_CARD = Declined("EXPIRED_CARD", "Card has expired")
GATEWAY_ERROR = Declined("GATEWAY_ERROR", "Failed to capture payment")

REFUSALS = (INSUFFICIENT_FUNDS, CARD_DECLINED, EXPIRED_CARD, GATEWAY_ERROR)
"""The reasons in the checkout document; a drawn refusal has one of them."""

MAGIC_AMOUNTS: Mapping[Decimal, tuple[FirstReply, Declined | None]] = {
    Decimal("402.01"): ("actual", INSUFFICIENT_FUNDS),
    Decimal("402.02"): ("actual", CARD_DECLINED),
    Decimal("402.03"): ("actual", EXPIRED_CARD),
    Decimal("402.04"): ("actual", GATEWAY_ERROR),
    Decimal("202.01"): ("no_answer", None),
    Decimal("202.02"): ("no_answer", GATEWAY_ERROR),
    Decimal("202.03"): ("pending", None),
    Decimal("202.04"): ("pending", CARD_DECLINED),
}

_CODE_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_TO_CODE = bytes(_CODE_ALPHABET[byte % len(_CODE_ALPHABET)] for byte in range(256))
_ASKS_THE_ISSUER = frozenset({Kind.CHARGE, Kind.AUTHORIZE})


@dataclass(frozen=True)
class SuccessRates:
    """The shares (0 to 1) of ordinary charges and authorizations that are approved: `default`, or that of a channel."""

    default: float = 1.0
    by_channel: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """The reply to the first send, and the actual outcome."""

    first_reply: FirstReply
    actual_outcome: Approved | Declined


def decide(gateway_request: GatewayRequest, rates: SuccessRates) -> Outcome:
    """Return the outcome of a request: the same request has the same outcome, in any process, at any time."""
    first_reply, refusal = MAGIC_AMOUNTS.get(gateway_request.amount, ("actual", _drawn_refusal(gateway_request, rates)))
    key, reference = gateway_request.gateway_key, reference_of(gateway_request.gateway_key)
    if refusal is not None:
        return Outcome(first_reply, replace(refusal, reference=reference))
    approved = Approved(gateway_request.amount, gateway_request.currency, reference, authorization_code_of(key))
    return Outcome(first_reply, approved)


def reference_of(gateway_key: str) -> str:
    """Return the gateway's own reference of an operation: `SIM-` and 16 upper-case hexadecimal digits."""
    return "SIM-" + _digest("reference", gateway_key)[:8].hex().upper()


def authorization_code_of(gateway_key: str) -> str:
    """Return six characters of A-Z and 0-9."""
    return _digest("code", gateway_key)[:6].translate(_TO_CODE).decode()


def _drawn_refusal(gateway_request: GatewayRequest, rates: SuccessRates) -> Declined | None:
    if gateway_request.kind not in _ASKS_THE_ISSUER:
        return None
    digest = _digest("outcome", gateway_request.gateway_key)
    # 48 bits: exact in a float and always below 1, so that a rate of 1.0 refuses nothing and 0.0 everything.
    drawn = int.from_bytes(digest[:6], "big") / 2**48
    rate = rates.by_channel.get(gateway_request.channel, rates.default)
    return None if drawn < rate else REFUSALS[digest[6] % len(REFUSALS)]


def _digest(purpose: str, gateway_key: str) -> bytes:
    return hashlib.sha256(f"{purpose}:{gateway_key}".encode()).digest()


class SimulatedGateway:
    """Replies as `decide` decides, after `latency_ms` milliseconds.

    It stores nothing: a look-up is the same pure function as a send, so every process and every restart agree, and a
    look-up of an operation that was never sent returns the outcome that a send would have. For the same reason it
    cannot compare a refund with its charge; the simulator, which has a ledger, does.
    """

    capabilities = Capabilities(
        idempotent_by_key=True,
        lookup_consistent=True,
        max_in_flight=0.0,
        key_retention=float("inf"),
        lists=False,
        remembers=False,
    )

    def __init__(self, rates: SuccessRates, *, latency_ms: int = 0) -> None:
        self._rates = rates
        self._latency = latency_ms / 1000
        log.warning("the payment gateway is simulated in this process: no money moves")

    def send(self, gateway_request: GatewayRequest) -> SendResult:
        """Return the first reply of `decide`, for any kind."""
        if self._latency:
            clock.sleep(self._latency)
        outcome = decide(gateway_request, self._rates)
        match outcome.first_reply:
            case "no_answer":
                return Unknown("the simulated gateway did not answer")
            case "pending":
                return Pending(reference_of(gateway_request.gateway_key))
            case "actual":
                return outcome.actual_outcome

    def lookup(self, gateway_request: GatewayRequest) -> Approved | Declined:
        """Return the actual outcome at once: every operation is decided by the time of its look-up."""
        if self._latency:
            clock.sleep(self._latency)
        return decide(gateway_request, self._rates).actual_outcome

    def ledger(self, since: datetime | None, until: datetime | None) -> Iterator[Entry]:
        """Return nothing: there is no ledger to list (`capabilities.lists` is false)."""
        return iter(())
