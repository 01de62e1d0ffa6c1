"""The simulated bank's decisions: a pure function of the request, in process and in the simulator alike.

Magic amounts choose the outcome of any movement, in every currency that can express them. None of them is a sum that
a caller's document uses as an example:

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

Any other charge or authorization is drawn by its gateway key against the channel's success rate; captures, voids and
refunds of other amounts are approved, because a card's issuer is asked only when money is first taken or held.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Approved, Declined, GatewayRequest

FirstReply = Literal["actual", "no_answer", "pending"]
"""The reply to the first send: the actual outcome, none at all, or "pending"."""

INSUFFICIENT_FUNDS = Declined("INSUFFICIENT_FUNDS", "Insufficient funds in account")
CARD_DECLINED = Declined("CARD_DECLINED", "Card was declined by issuer")
EXPIRED_CARD = Declined("EXPIRED_CARD", "Card has expired")
GATEWAY_ERROR = Declined("GATEWAY_ERROR", "Failed to capture payment")

REFUSALS = (INSUFFICIENT_FUNDS, CARD_DECLINED, EXPIRED_CARD, GATEWAY_ERROR)
"""The reasons the checkout document names; a drawn refusal is one of them."""

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

_CODE_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_ASKS_THE_ISSUER = frozenset({Kind.CHARGE, Kind.AUTHORIZE})


@dataclass(frozen=True)
class SuccessRates:
    """The shares (0 to 1) of ordinary charges and authorizations that are approved: `default`, or that of a channel."""

    default: float = 1.0
    by_channel: Mapping[str, float] = field(default_factory=dict)

    def of(self, channel: str) -> float:
        """The share for one channel."""
        return self.by_channel.get(channel, self.default)


@dataclass(frozen=True)
class Outcome:
    """The reply to the first send, and what the bank did."""

    first_reply: FirstReply
    actual_outcome: Approved | Declined


def decide(gateway_request: GatewayRequest, rates: SuccessRates) -> Outcome:
    """The outcome of a request: the same request has the same outcome, in any process, at any time."""
    first_reply, refusal = MAGIC_AMOUNTS.get(gateway_request.amount, ("actual", _drawn_refusal(gateway_request, rates)))
    if refusal is not None:
        return Outcome(first_reply, replace(refusal, reference=reference_of(gateway_request.gateway_key)))
    return Outcome(first_reply, approval_of(gateway_request))


def approval_of(gateway_request: GatewayRequest) -> Approved:
    """The approval of exactly what was asked."""
    key = gateway_request.gateway_key
    return Approved(gateway_request.amount, gateway_request.currency, reference_of(key), authorization_code_of(key))


def reference_of(gateway_key: str) -> str:
    """The bank's own reference of an operation: `SIM-` and 16 upper-case hexadecimal digits."""
    return "SIM-" + _digest("reference", gateway_key)[:8].hex().upper()


def authorization_code_of(gateway_key: str) -> str:
    """Six characters of A-Z and 0-9."""
    return "".join(_CODE_ALPHABET[byte % len(_CODE_ALPHABET)] for byte in _digest("code", gateway_key)[:6])


def _drawn_refusal(gateway_request: GatewayRequest, rates: SuccessRates) -> Declined | None:
    if gateway_request.kind not in _ASKS_THE_ISSUER:
        return None
    digest = _digest("outcome", gateway_request.gateway_key)
    # 48 bits: exact in a float and always below 1, so that a rate of 1.0 refuses nothing and 0.0 everything.
    drawn = int.from_bytes(digest[:6], "big") / 2**48
    return None if drawn < rates.of(gateway_request.channel) else REFUSALS[digest[6] % len(REFUSALS)]


def _digest(purpose: str, gateway_key: str) -> bytes:
    return hashlib.sha256(f"{purpose}:{gateway_key}".encode()).digest()
