"""The choice of the gateway for an operation, and the check that the request brings what that gateway needs."""

from decimal import Decimal

from payment_service.domain.errors import FieldError, GatewayUnavailable, PaymentTokenRequired, ReturnUrlRequired
from payment_service.domain.operations import Kind
from payment_service.domain.records import Payment
from payment_service.services.commands import Request
from payment_service.services.dependencies import Dependencies


def gateway_for_charge(deps: Dependencies, request: Request, method: str, amount: Decimal) -> str:
    """Return the name of the gateway for a new charge. A free charge needs no token or return URL.

    Raises PaymentTokenRequired, ReturnUrlRequired; the key then stays free.
    """
    name = deps.gateways.name_for(method)
    gateway = deps.gateways.named(name) if amount else None
    if gateway is not None and gateway.capabilities.needs_token and request.terms.token is None:
        raise PaymentTokenRequired([FieldError(("body", "payment_token"), "payment_token is required", "missing")])
    if gateway is not None and gateway.capabilities.needs_return_url and request.terms.return_url is None:
        raise ReturnUrlRequired([FieldError(("body", "return_url"), "return_url is required", "missing")])
    return name


def gateway_of(deps: Dependencies, request: Request, payment: Payment, kind: Kind) -> str:
    """Return the gateway's name for an operation on a payment: that of its charge, whichever is configured today.

    Raises GatewayUnavailable if that gateway is not configured any more.
    """
    if kind in (Kind.CHARGE, Kind.AUTHORIZE) or payment.gateway is None:
        return gateway_for_charge(deps, request, payment.method, payment.amount)
    if deps.gateways.named(payment.gateway) is None:
        raise GatewayUnavailable(f"The payment belongs to the gateway {payment.gateway}, which is not configured")
    return payment.gateway
