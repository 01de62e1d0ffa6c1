"""The adapter of the simulator's own protocol with registering switched on: an object first, then its confirmation."""

import json
from dataclasses import replace
from typing import Any

from payment_service.domain.operations import Kind
from payment_service.failpoints import failpoint
from payment_service.gateways import protocol
from payment_service.gateways.base import (
    Declined,
    GatewayRequest,
    GatewayResult,
    NotFound,
    NotSent,
    Refused,
    Registered,
    RegisterResult,
    SendResult,
    Unknown,
)
from payment_service.gateways.protocol import Reply
from payment_service.gateways.remote import RemoteGateway

CANCELLED = Declined("CANCELLED", "The registration was cancelled")


class RegisteringRemoteGateway(RemoteGateway):
    """Charges and authorizations go by `/registrations`; all other operations go as before."""

    def __init__(self, url: str, **keywords: Any) -> None:
        super().__init__(url, **keywords)
        registers = frozenset({Kind.CHARGE, Kind.AUTHORIZE})
        self.capabilities = replace(self.capabilities, registers=registers, cancels=True)

    def register(self, gateway_request: GatewayRequest) -> RegisterResult:
        """Make the simulator's object for an operation."""
        keys = {"register_key": gateway_request.register_key}
        reply = self._transport.post("/registrations", protocol.encode(gateway_request) | keys)
        if not isinstance(reply, Reply):
            return reply
        body = _body(reply)
        if reply.status == 201 and body.get("gateway_key") == gateway_request.gateway_key:
            return Registered(str(body["reference"]))
        return Unknown(f"HTTP {reply.status} instead of a registration")

    def send(self, gateway_request: GatewayRequest) -> SendResult:
        """Confirm a registered object; execute all other operations as before."""
        if gateway_request.kind not in self.capabilities.registers:
            return super().send(gateway_request)
        if gateway_request.reference is None:
            return NotSent("the payment is not registered")
        path = f"/registrations/{gateway_request.reference}/confirm"
        reply = self._transport.post(path, protocol.encode(gateway_request))
        failpoint("gateway.answered")
        found = _read(gateway_request, reply)
        return Unknown("the simulator shows that nothing was done") if isinstance(found, NotFound) else found

    def lookup(self, gateway_request: GatewayRequest) -> GatewayResult:
        """Return the object's outcome, or nothing without an object."""
        if gateway_request.kind not in self.capabilities.registers:
            return super().lookup(gateway_request)
        if gateway_request.reference is None:
            return NotFound()
        return _read(gateway_request, self._transport.get(f"/registrations/{gateway_request.reference}"))

    def cancel(self, gateway_request: GatewayRequest) -> GatewayResult:
        """End the object, unless money has moved."""
        if gateway_request.reference is None:
            return NotFound()
        path = f"/registrations/{gateway_request.reference}/cancel"
        return _read(gateway_request, self._transport.post(path, {"cancel_key": gateway_request.cancel_key}))


def _read(gateway_request: GatewayRequest, reply: Reply | NotSent | Unknown) -> GatewayResult:
    """Read an object. It is the object's id that finds it again, and a refusal ends it once it is cancelled."""
    if not isinstance(reply, Reply):
        return reply
    body, reference = _body(reply), gateway_request.reference or ""
    is_over = body.get("registration") == "cancelled"
    if body.get("gateway_key") == gateway_request.gateway_key and body.get("status") in {"registered", "cancelled"}:
        return replace(CANCELLED, reference=reference) if is_over else NotFound()
    found = protocol.read_answer(gateway_request, reply)
    if isinstance(found, Declined) and not is_over:
        return Refused(found.code, found.message, reference)
    return found if isinstance(found, NotSent | Unknown) else replace(found, reference=reference)


def _body(reply: Reply) -> dict[str, Any]:
    try:
        body = json.loads(reply.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
