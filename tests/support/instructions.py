"""Requests to a gateway, with what matters given and the rest ordinary, and a gateway to send them to."""

import secrets
from decimal import Decimal
from typing import Any

from payment_service.domain.operations import Kind
from payment_service.gateways.base import GatewayRequest
from payment_service.gateways.remote import RemoteGateway

PATIENT = 10.0
"""Seconds for answers that come at once, even from a machine that is busy with other tests."""


def instruct(kind: Kind = Kind.CHARGE, amount: str = "150.00", **changes: Any) -> GatewayRequest:
    """Return a gateway request with a new key; any field can be given."""
    fields: dict[str, Any] = {
        "gateway_key": f"v1-{secrets.token_hex(24)}",
        "kind": kind,
        "channel": "orders",
        "amount": Decimal(amount),
        "currency": "USD",
        "method": "CARD",
        "parent_key": None,
    }
    return GatewayRequest(**(fields | changes))


def gateway_at(url: str, **changes: Any) -> RemoteGateway:
    """Return a gateway over HTTP; patient, unless `connect_timeout` or `read_timeout` say otherwise."""
    return RemoteGateway(url, **({"connect_timeout": PATIENT, "read_timeout": PATIENT} | changes))
