"""The simulator's own rules: it declines to capture or refund more than there is, independently of the service."""

from dataclasses import dataclass
from decimal import Decimal

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Declined, GatewayRequest

PARENT_UNKNOWN = Declined("PARENT_UNKNOWN", "There is no approved payment by this parent key")
CURRENCY_MISMATCH = Declined("CURRENCY_MISMATCH", "The payment is in another currency")
ALREADY_VOIDED = Declined("ALREADY_VOIDED", "The authorization was voided")
ALREADY_CAPTURED = Declined("ALREADY_CAPTURED", "The authorization was captured")
EXCEEDS_AUTHORIZED = Declined("EXCEEDS_AUTHORIZED", "More than what is left of the authorized amount")
EXCEEDS_CAPTURED = Declined("EXCEEDS_CAPTURED", "More than what is left of the captured amount")


@dataclass(frozen=True)
class Parent:
    """An approved charge or authorization and its captures, refunds and void; amounts in major units of `currency`.

    `capturing`, `refunding` and `voided` count approved and pending movements: a pending one has reserved its amount.
    `captured` counts approved captures only.
    """

    kind: Kind
    amount: Decimal
    currency: str
    captured: Decimal
    capturing: Decimal
    refunding: Decimal
    voided: bool


def decline_reason(gateway_request: GatewayRequest, parent: Parent | None) -> Declined | None:
    """Return the decline, or None. Charges and authorizations have no parent: no rule applies to them."""
    if gateway_request.kind in {Kind.CHARGE, Kind.AUTHORIZE}:
        return None
    if parent is None:
        return PARENT_UNKNOWN
    if parent.currency != gateway_request.currency:
        return CURRENCY_MISMATCH
    if gateway_request.kind is Kind.REFUND:
        return _refund_decline(gateway_request.amount, parent)
    return _hold_decline(gateway_request, parent)


def _refund_decline(amount: Decimal, parent: Parent) -> Declined | None:
    taken = parent.amount if parent.kind is Kind.CHARGE else parent.captured
    return EXCEEDS_CAPTURED if parent.refunding + amount > taken else None


def _hold_decline(gateway_request: GatewayRequest, parent: Parent) -> Declined | None:
    if parent.kind is not Kind.AUTHORIZE:
        return PARENT_UNKNOWN
    if parent.voided:
        return ALREADY_VOIDED
    if gateway_request.kind is Kind.VOID:
        return ALREADY_CAPTURED if parent.capturing else None
    return EXCEEDS_AUTHORIZED if parent.capturing + gateway_request.amount > parent.amount else None
