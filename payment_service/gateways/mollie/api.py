"""Mollie's API v2 over the service's own transport: the requests that this service makes, each of one exchange.

https://docs.mollie.com/reference. The module `words` decides what a reply means.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import structlog

from payment_service.domain.operations import Kind
from payment_service.gateways.base import GatewayRequest, NotSent, Unknown
from payment_service.gateways.minor import as_text
from payment_service.gateways.protocol import Reply, UnreadableReplyError, json_object
from payment_service.gateways.transport import Transport

GATEWAY_KEY, VOID_KEY = "gateway_key", "void_key"
"""Names in an object's metadata: the key of the object's operation, and of the void that ends a hold."""

PAGE = 250
"""Objects on a page of a list, Mollie's maximum."""

BODY_LIMIT = 8 * 1024 * 1024
"""The limit of a reply in bytes: a page of payments may take one megabyte."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class MollieReply:
    """A reply of Mollie's that is a JSON object, or empty."""

    status: int
    body: Mapping[str, Any]

    @property
    def is_success(self) -> bool:
        """Status 2xx."""
        return 200 <= self.status < 300


Answer = MollieReply | NotSent | Unknown


class MollieApi:
    """The account of `api_key`. The requests raise nothing but UnfitAmount, for an amount that cannot be written.

    Mollie reports changed payments to `webhook_url`; None: it reports none.
    """

    def __init__(self, api_key: str, base: str, transport: Transport, webhook_url: str | None) -> None:
        self.accepts_us = True
        self._transport = transport
        self._root = base.rstrip("/") + "/v2"
        self._webhook_url = webhook_url
        self._headers = {
            "Accept": "application/hal+json",
            "Accept-Encoding": "identity",
            "Authorization": f"Bearer {api_key}",
            "User-Agent": "payment-service",
        }

    def create(self, request: GatewayRequest) -> Answer:
        """Create a payment that waits for its customer, which moves nothing. Raises UnfitAmount."""
        params = {
            "amount": _amount(request),
            "description": f"Payment {request.payment or request.gateway_key}",
            "redirectUrl": request.terms.return_url,
            "captureMode": "manual" if request.kind is Kind.AUTHORIZE else "automatic",
            "metadata": _metadata(request, request.gateway_key),
        }
        if self._webhook_url:
            # Mollie signs no hint. The key in its address names the payment, and third parties cannot guess it.
            params["webhookUrl"] = f"{self._webhook_url}?{urlencode({'key': request.gateway_key})}"
        return self._call("POST", "create", "/payments", params, request.register_key)

    def payment(self, reference: str) -> Answer:
        """Read a payment."""
        return self._call("GET", "payment", _path(reference))

    def mark_void(self, request: GatewayRequest, reference: str) -> Answer:
        """Write the key of the void that ends a hold to the payment, and read it. It may be repeated."""
        metadata = _metadata(request, request.parent_key or "") | {VOID_KEY: request.gateway_key}
        return self._call("PATCH", "mark", _path(reference), {"metadata": metadata})

    def release(self, reference: str, key: str) -> Answer:
        """Release a hold."""
        return self._call("POST", "release", f"{_path(reference)}/release-authorization", {}, key)

    def cancel(self, reference: str) -> Answer:
        """End a payment that its customer has not paid."""
        return self._call("DELETE", "cancel", _path(reference))

    def add(self, request: GatewayRequest, reference: str, name: str) -> Answer:
        """Capture a payment in part or whole, or refund it: `name` is `captures` or `refunds`. Raises UnfitAmount."""
        params = {
            "amount": _amount(request),
            "description": f"Payment {request.payment or request.gateway_key}",
            "metadata": _metadata(request, request.gateway_key),
        }
        return self._call("POST", name, f"{_path(reference)}/{name}", params, request.send_key)

    def page(self, path: str, after: str | None) -> Answer:
        """Return a page of a list (`/payments`, `/payments/tr_1/refunds`), newest first, that begins at an id."""
        query = {"limit": str(PAGE)} | ({"from": after} if after else {})
        return self._call("GET", "list", f"{path}?{urlencode(query)}")

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._transport.close()

    def _call(
        self, method: str, name: str, path: str, params: Mapping[str, Any] | None = None, key: str | None = None
    ) -> Answer:
        headers, body = self._headers, None
        if params is not None:
            headers = headers | {"Content-Type": "application/json"}
            body = json.dumps(params, separators=(",", ":")).encode()
        if key is not None:
            headers = headers | {"Idempotency-Key": key}
        reply = self._transport.exchange(method, self._root + path, headers, body, BODY_LIMIT)
        answer = _read(reply) if isinstance(reply, Reply) else reply
        if isinstance(answer, MollieReply):
            # Only an operator can correct a wrong or restricted API key.
            is_rejected = answer.status in (401, 403)
            if is_rejected or (answer.status < 500 and answer.status != 429):
                self.accepts_us = not is_rejected
            level = logging.ERROR if is_rejected else logging.INFO
            log.log(level, "mollie.replied", call=name, status=answer.status, why=answer.body.get("title"))
        else:
            log.warning("mollie.no_reply", call=name, why=answer.reason)
        return answer


def _read(reply: Reply) -> Answer:
    if reply.is_success and not reply.body:
        return MollieReply(reply.status, {})
    try:
        return MollieReply(reply.status, json_object(reply))
    except UnreadableReplyError as fault:
        return Unknown(str(fault))


def _amount(request: GatewayRequest) -> dict[str, str]:
    return {"currency": request.currency, "value": as_text(request.amount, request.currency)}


def _metadata(request: GatewayRequest, key: str) -> dict[str, str]:
    return {GATEWAY_KEY: key, "payment": request.payment or "", "channel": request.channel}


def _path(reference: str) -> str:
    return f"/payments/{quote(reference, safe='')}"
