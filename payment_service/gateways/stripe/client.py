"""Stripe's official library over the service's own HTTP transport: the only module that imports it.

The library writes parameters and headers; the type checker checks them against the API version that is pinned here.
Our transport does everything that separates `NotSent` from `Unknown`: one deadline for the whole reply, no redirects,
no proxy from the environment, no repeats. The library sends no telemetry, writes no file and logs nothing.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import stripe
import structlog

from payment_service.domain.operations import Kind
from payment_service.gateways.base import GatewayRequest, NotSent, Unknown
from payment_service.gateways.protocol import UnreadableReplyError, json_object
from payment_service.gateways.stripe.replies import CAPTURE_KEY, GATEWAY_KEY, REJECTED, VOID_KEY, StripeReply
from payment_service.gateways.transport import Transport

API_VERSION = "2026-10-28.endive"
"""The version of the objects that `words` reads. Change it together with the library and the recorded examples."""

PAGE = 100
"""Objects on a page of a list, Stripe's maximum."""

BODY_LIMIT = 8 * 1024 * 1024
"""The limit of a reply in bytes: a page of intents with their charges may take one megabyte."""

SENT = ("Authorization", "Content-Type", "Idempotency-Key", "Stripe-Version")
"""The library's headers that are sent: the others describe the machine and its environment."""

OWN_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "payment-service"}

Answer = StripeReply | NotSent | Unknown

log = structlog.get_logger(__name__)

stripe.enable_telemetry = False
# The library prints and logs whole requests, tokens and secrets included. No public setting overrides the environment's
# STRIPE_LOG; the version is held below 17.
stripe._util.STRIPE_LOG = None  # noqa: SLF001
logging.getLogger("stripe").setLevel(logging.WARNING)


class _NoReply(Exception):
    """There is no reply that the library could read."""

    def __init__(self, result: NotSent | Unknown) -> None:
        super().__init__()
        self.result = result


class _Wire(stripe.HTTPClient):
    """The library's HTTP client. Raises _NoReply, which is no error of the library and passes through it."""

    name = "payment-service"

    def __init__(self, transport: Transport) -> None:
        super().__init__()
        self._transport = transport

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_: Any
    ) -> tuple[str, int, Mapping[str, str]]:
        """Make one exchange. The library fails on replies that have not Stripe's shape, so it never gets one."""
        kept = OWN_HEADERS | {name: value for name, value in (headers or {}).items() if name in SENT}
        body = post_data.encode() if isinstance(post_data, str) else None
        reply = self._transport.exchange(method.upper(), url, kept, body, BODY_LIMIT)
        if isinstance(reply, NotSent | Unknown):
            raise _NoReply(reply)
        try:
            content = json_object(reply)
        except UnreadableReplyError as fault:
            raise _NoReply(Unknown(str(fault))) from fault
        if not reply.is_success and not isinstance(content.get("error"), dict):
            raise _NoReply(Unknown(f"HTTP {reply.status} without an error of Stripe's"))
        told = {name: reply.headers[name] for name in ("request-id", "idempotent-replayed") if name in reply.headers}
        return reply.body.decode(), reply.status, told

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._transport.close()


@dataclass(frozen=True)
class _Raw:
    """A reply without the library's objects, in the attribute where they keep theirs."""

    last_response: stripe.StripeResponse


class StripeApi:
    """The requests that this service makes, each of one exchange. None of them raises.

    `accepts_us`: False if Stripe rejected the key on the last request.
    """

    def __init__(self, api_key: str, base: str, transport: Transport) -> None:
        self.accepts_us = True
        self._wire = _Wire(transport)
        client = stripe.StripeClient(
            api_key,
            base_addresses={"api": base.rstrip("/")},
            http_client=self._wire,
            max_network_retries=0,
            stripe_version=API_VERSION,
        )
        self._client = client
        self._intents, self._refunds = client.v1.payment_intents, client.v1.refunds
        self._disputes = client.v1.disputes

    def create_intent(self, request: GatewayRequest, amount: int) -> Answer:
        """Create an unconfirmed intent of `amount` minor units, which moves nothing."""
        terms = request.terms
        params: stripe.params.PaymentIntentCreateParams = {
            "amount": amount,
            "currency": request.currency.lower(),
            "capture_method": "manual" if request.kind is Kind.AUTHORIZE else "automatic",
            # A method that redirects the customer needs a return URL.
            "automatic_payment_methods": {
                "enabled": True,
                "allow_redirects": "always" if terms.return_url else "never",
            },
            "metadata": _metadata(request),
        }
        if terms.token:
            params["payment_method"] = terms.token
        if terms.descriptor:
            params["statement_descriptor_suffix"] = terms.descriptor
        key = request.register_key
        return self._call("create", lambda: self._intents.create(params, {"idempotency_key": key}))

    def confirm(self, request: GatewayRequest, intent: str) -> Answer:
        """Confirm a registered intent, which moves its money."""
        params: stripe.params.PaymentIntentConfirmParams = {"expand": ["latest_charge"]}
        if request.terms.return_url:
            params["return_url"] = request.terms.return_url
        else:
            params["error_on_requires_action"] = True
        key = request.send_key
        return self._call("confirm", lambda: self._intents.confirm(intent, params, {"idempotency_key": key}))

    def capture(self, request: GatewayRequest, intent: str, amount: int) -> Answer:
        """Take `amount` minor units of a hold and release the rest."""
        params: stripe.params.PaymentIntentCaptureParams = {
            "amount_to_capture": amount,
            "metadata": {CAPTURE_KEY: request.gateway_key},
            "expand": ["latest_charge"],
        }
        key = request.send_key
        return self._call("capture", lambda: self._intents.capture(intent, params, {"idempotency_key": key}))

    def mark_void(self, request: GatewayRequest, intent: str) -> Answer:
        """Write the key of the void that ends a hold to the intent: a cancel has no metadata. It may be repeated."""
        params: stripe.params.PaymentIntentUpdateParams = {"metadata": {VOID_KEY: request.gateway_key}}
        return self._call("update", lambda: self._intents.update(intent, params))

    def cancel(self, intent: str, key: str) -> Answer:
        """End an intent that has not succeeded; its hold is released."""
        params: stripe.params.PaymentIntentCancelParams = {"cancellation_reason": "abandoned"}
        return self._call("cancel", lambda: self._intents.cancel(intent, params, {"idempotency_key": key}))

    def refund(self, request: GatewayRequest, intent: str, amount: int) -> Answer:
        """Give `amount` minor units back."""
        params: stripe.params.RefundCreateParams = {
            "payment_intent": intent,
            "amount": amount,
            "metadata": _metadata(request),
        }
        key = request.send_key
        return self._call("refund", lambda: self._refunds.create(params, {"idempotency_key": key}))

    def intent(self, intent: str) -> Answer:
        """Read an intent with its latest charge."""
        params: stripe.params.PaymentIntentRetrieveParams = {"expand": ["latest_charge"]}
        return self._call("retrieve", lambda: self._intents.retrieve(intent, params))

    def refunds(self, after: str | None, intent: str) -> Answer:
        """Return a page of the refunds of one intent, newest first, that begins after an id."""
        params: stripe.params.RefundListParams = {"limit": PAGE, "payment_intent": intent}
        if after is not None:
            params["starting_after"] = after
        return self._call("list_refunds", lambda: self._refunds.list(params))

    def dispute(self, dispute: str) -> Answer:
        """Read a dispute with the intent that it is about."""
        params: stripe.params.DisputeRetrieveParams = {"expand": ["payment_intent"]}
        return self._call("retrieve_dispute", lambda: self._disputes.retrieve(dispute, params))

    def page(self, listed: str, wanted: Mapping[str, Any], after: str | None) -> Answer:
        """Return a page of a list of the account, newest first, that begins after an id. `wanted` are its filters.

        As plain JSON: the library's objects take 100 ms of CPU a page.
        """
        params: Any = {**wanted, "limit": PAGE}
        if after is not None:
            params["starting_after"] = after
        return self._call(f"list_{listed}", lambda: _Raw(self._client.raw_request("get", f"/v1/{listed}", **params)))

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._wire.close()

    def _call(self, name: str, request: Callable[[], Any]) -> Answer:
        try:
            response = request().last_response
            status, body, headers = response.code, response.data, response.headers
        except _NoReply as missing:
            log.warning("stripe.no_reply", call=name, why=missing.result.reason)
            return missing.result
        except stripe.StripeError as error:
            status, body, headers = error.http_status, error.json_body, error.headers
        replayed = (headers or {}).get("idempotent-replayed") == "true"
        reply = StripeReply(status or 0, body or {}, replayed, (headers or {}).get("request-id"))
        if reply.status in REJECTED or reply.is_judged:
            self.accepts_us = reply.status not in REJECTED
        _log(name, reply)
        return reply


def _metadata(request: GatewayRequest) -> dict[str, str]:
    return {GATEWAY_KEY: request.gateway_key, "payment": request.payment or "", "channel": request.channel}


def _log(name: str, reply: StripeReply) -> None:
    """Log one line with Stripe's own id of the request. Only an operator can correct a wrong or restricted API key."""
    level = logging.ERROR if reply.status in REJECTED else logging.INFO
    code = reply.error.get("code") or reply.error.get("type")
    log.log(level, "stripe.replied", call=name, status=reply.status, request_id=reply.request_id, why=code)
