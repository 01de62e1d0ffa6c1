"""A gateway for tests that registers an object before money can move, as commercial ones do; its objects are here."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count

from payment_service.domain.operations import Action, Kind
from payment_service.gateways.base import (
    ActionRequired,
    Approved,
    Capabilities,
    Contradiction,
    Declined,
    GatewayRequest,
    GatewayResult,
    NotFound,
    Refused,
    Registered,
    RegisterResult,
    SendResult,
    Unknown,
)
from payment_service.gateways.listed import Entry

CAPABLE = Capabilities(
    idempotent_by_key=True,
    lookup_consistent=True,
    max_in_flight=1.0,
    key_retention=82800,
    lists=True,
    registers=frozenset({Kind.CHARGE, Kind.AUTHORIZE}),
    cancels=True,
    needs_token=True,
    shows_reference=True,
)

BY_TOKEN = {"tok_declined": "refused", "tok_3ds": "acts"}
"""The result of the first confirmation, by its token; any other token approves."""


@dataclass
class Intent:
    """An object of the gateway: `state` is registered, acts, refused, held, taken or cancelled."""

    reference: str
    request: GatewayRequest
    state: str = "registered"
    confirms: list[str] = field(default_factory=list)
    cancels: list[str] = field(default_factory=list)


class RegisteringGateway:
    """Confirms what it has registered, once; records every request, and no transaction may be open."""

    def __init__(self) -> None:
        self.capabilities = CAPABLE
        self.intents: dict[str, Intent] = {}
        self.moved: dict[str, GatewayRequest] = {}
        self.in_transaction: Callable[[], bool] = lambda: False
        self.before_register: deque[Callable[[GatewayRequest], None]] = deque()
        self.before_confirm: deque[Callable[[GatewayRequest], SendResult | None]] = deque()
        self.before_cancel: deque[Callable[[GatewayRequest], GatewayResult | None]] = deque()
        self._numbers, self._lock = count(1), threading.RLock()

    def register(self, gateway_request: GatewayRequest) -> RegisterResult:
        """Make an object, anew for each key of a registration."""
        assert not self.in_transaction(), "the gateway was called with a transaction open"
        if self.before_register:
            self.before_register.popleft()(gateway_request)
        with self._lock:
            reference = f"pi_{next(self._numbers)}"
            self.intents[reference] = Intent(reference, gateway_request)
        return Registered(reference)

    def send(self, gateway_request: GatewayRequest) -> SendResult:
        """Confirm an object; capture, cancel or refund what was confirmed."""
        assert not self.in_transaction(), "the gateway was called with a transaction open"
        if gateway_request.kind not in self.capabilities.registers:
            return self._move(gateway_request)
        if self.before_confirm and (answer := self.before_confirm.popleft()(gateway_request)) is not None:
            return answer
        return self.confirm(gateway_request)

    def confirm(self, gateway_request: GatewayRequest) -> SendResult:
        """Confirm, by the script if there is one."""
        with self._lock:
            intent = self._intent(gateway_request)
            intent.confirms.append(gateway_request.send_key)
            if intent.state == "registered":
                approved = "held" if gateway_request.kind is Kind.AUTHORIZE else "taken"
                intent.state = BY_TOKEN.get(gateway_request.terms.token or "", approved)
            found = self._state(intent)
        assert not isinstance(found, NotFound)
        return found

    def lookup(self, gateway_request: GatewayRequest) -> GatewayResult:
        """Return the outcome of an object, or of a gateway request."""
        assert not self.in_transaction(), "the gateway was asked with a transaction open"
        with self._lock:
            if gateway_request.kind in self.capabilities.registers:
                return self._state(self._intent(gateway_request))
            known = self.moved.get(gateway_request.gateway_key)
            return self._approved(known) if known else NotFound()

    def cancel(self, gateway_request: GatewayRequest) -> GatewayResult:
        """End an object that has taken no money."""
        assert not self.in_transaction(), "the gateway was called with a transaction open"
        if self.before_cancel and (answer := self.before_cancel.popleft()(gateway_request)) is not None:
            return answer
        with self._lock:
            intent = self._intent(gateway_request)
            assert gateway_request.cancel_key not in intent.confirms, "a cancel under a key that moves money"
            intent.cancels.append(gateway_request.cancel_key)
            if intent.state != "taken":
                intent.state = "cancelled"
            return self._state(intent)

    def act(self, reference: str, *, successfully: bool = True) -> None:
        """Let the customer authenticate, or fail to."""
        intent = self.intents[reference]
        approved = "held" if intent.request.kind is Kind.AUTHORIZE else "taken"
        intent.state = approved if successfully else "refused"

    def ledger(self, since: datetime | None, until: datetime | None) -> Iterator[Entry]:
        """Yield all that has moved money or holds it."""
        for intent in self.intents.values():
            if intent.state in ("held", "taken"):
                asked = intent.request
                yield Entry(asked.gateway_key, asked.kind, asked.amount, asked.currency)
        for asked in self.moved.values():
            yield Entry(asked.gateway_key, asked.kind, asked.amount, asked.currency)

    def taken(self) -> list[Intent]:
        """Return the objects that have taken money."""
        return [intent for intent in self.intents.values() if intent.state == "taken"]

    def _move(self, gateway_request: GatewayRequest) -> SendResult:
        with self._lock:
            parent = self.intents.get(gateway_request.parent_reference or "")
            if parent is None:
                return Contradiction(f"no object {gateway_request.parent_reference}")
            if gateway_request.kind is Kind.CAPTURE:
                parent.state = "taken"
            if gateway_request.kind is Kind.VOID:
                parent.state = "cancelled"
            return self._approved(self.moved.setdefault(gateway_request.gateway_key, gateway_request))

    def _intent(self, gateway_request: GatewayRequest) -> Intent:
        return self.intents[gateway_request.reference or ""]

    def _state(self, intent: Intent) -> GatewayResult:
        match intent.state:
            case "registered":
                return NotFound()
            case "acts":
                action = Action("redirect", url=f"https://bank.example.com/{intent.reference}")
                return ActionRequired(intent.reference, action)
            case "refused":
                return Refused("CARD_DECLINED", "Your card was declined", intent.reference)
            case "cancelled":
                return Declined("CANCELLED", "The payment was cancelled", intent.reference)
            case _:
                return replace(self._approved(intent.request), reference=intent.reference)

    def _approved(self, asked: GatewayRequest) -> Approved:
        return Approved(asked.amount, asked.currency, reference=f"mv_{asked.gateway_key[-8:]}")


def lost(_asked: GatewayRequest) -> Unknown:
    """For a script: lose the request before it arrives; its outcome is unknown."""
    return Unknown("the request was lost")
