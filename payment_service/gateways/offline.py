"""Payments made elsewhere: in cash, or on delivery. The service trusts the caller that they were made."""

from collections.abc import Iterator
from datetime import datetime

import structlog

from payment_service.gateways.base import Approved, Capabilities, GatewayRequest
from payment_service.gateways.listed import Entry

REFERENCE = "offline"
AUTHORIZATION_CODE = "OFFLINE"

log = structlog.get_logger(__name__)


class OfflineGateway:
    """Approves every movement at once, as a pure function of the request. It contacts no other system.

    A refund means that a person gives the money back by hand.
    """

    capabilities = Capabilities(
        idempotent_by_key=True,
        lookup_consistent=True,
        max_in_flight=0.0,
        key_retention=float("inf"),
        lists=False,
        remembers=False,
    )

    def send(self, gateway_request: GatewayRequest) -> Approved:
        """Return the requested amount. The log line shows that no gateway was called."""
        log.info(
            "offline.approved",
            kind=gateway_request.kind,
            method=gateway_request.method,
            payment_id=gateway_request.payment,
            amount=str(gateway_request.amount),
            currency=gateway_request.currency,
        )
        return self.lookup(gateway_request)

    def lookup(self, gateway_request: GatewayRequest) -> Approved:
        """Return the same result as the send."""
        return Approved(gateway_request.amount, gateway_request.currency, REFERENCE, AUTHORIZATION_CODE)

    def ledger(self, since: datetime | None, until: datetime | None) -> Iterator[Entry]:
        """Return nothing: there is no ledger (`capabilities.lists` is false)."""
        return iter(())
