"""The gateway port: one send for every kind of operation, one look-up, and their results.

A *definitive* result (`Approved`, `Declined`) decides an operation. `ActionRequired` means that the customer must act
first, `Pending` that the gateway will decide later, `Refused` that it refused and may still change its mind.
`NotSent` is certain that nothing was executed. Every other result is `Unknown`: the money may or may not have moved,
and only a look-up may decide.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Protocol, TypeGuard

from payment_service.domain.operations import NO_TERMS, Action, Kind, Terms
from payment_service.gateways.listed import Dispute, Entry


@dataclass(frozen=True)
class GatewayRequest:
    """A request to the gateway.

    `gateway_key` is the same for every resend; `parent_key` is the gateway key of the charge or authorization that a
    capture, void or refund belongs to. `amount` is in major units of `currency` (ISO 4217). `reference` is the
    gateway's own id of this operation and `parent_reference` that of its parent, each None until it is known. `payment`
    is the payment's public id. `attempt` numbers the owners of the key: registrations and cancels are keyed by it.
    `resend` counts the send keys that the gateway has spent on failures of its own.
    """

    gateway_key: str
    kind: Kind
    channel: str
    amount: Decimal
    currency: str
    method: str
    parent_key: str | None = None
    reference: str | None = None
    parent_reference: str | None = None
    payment: str | None = None
    terms: Terms = NO_TERMS
    attempt: int = field(default=1, compare=False)
    resend: int = 0

    @property
    def register_key(self) -> str:
        """The key of a registration: new for each owner, as a stored failure would block it and it moves nothing."""
        return f"{self.gateway_key}/r{self.attempt}"

    @property
    def send_key(self) -> str:
        """The key of the request that moves money: the gateway key, or the next one after spent keys."""
        return f"{self.gateway_key}/{self.resend}" if self.resend else self.gateway_key

    @property
    def cancel_key(self) -> str:
        """The key of a cancel: never the one that moves money."""
        return f"{self.gateway_key}/x{self.attempt}"


@dataclass(frozen=True)
class Registered:
    """The gateway has its own object for the operation, with this id, and no money has moved."""

    reference: str


@dataclass(frozen=True)
class Approved:
    """The money moved: `amount` is the gateway's amount, which the engine compares with the requested one.

    `capture_before` is when a hold ends without a capture, if the gateway states it (aware UTC).
    """

    amount: Decimal
    currency: str
    reference: str | None = None
    authorization_code: str | None = None
    capture_before: datetime | None = None


@dataclass(frozen=True)
class Declined:
    """The gateway declined for good: `code` for machines (`INSUFFICIENT_FUNDS`), `message` for people."""

    code: str
    message: str
    reference: str | None = None


@dataclass(frozen=True)
class Refused:
    """The gateway refused, and may still approve: it is a decline once the gateway has confirmed a cancel."""

    code: str
    message: str
    reference: str | None = None


@dataclass(frozen=True)
class ActionRequired:
    """The customer must act before the gateway decides."""

    reference: str
    action: Action


@dataclass(frozen=True)
class Pending:
    """The gateway has the request and will decide later; `reason` is the gateway's, if it gives one."""

    reference: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class NotSent:
    """Nothing was executed (connection refused, request rejected): the same request may be sent again.

    `rejects_us`: the gateway does not accept this service's credentials; only an operator can correct that.
    """

    reason: str
    rejects_us: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class Unknown:
    """The gateway may or may not have executed it (time-out, 5xx, unreadable reply).

    `rejects_us`: no look-up was possible, because the gateway does not accept this service's credentials.
    """

    reason: str
    rejects_us: bool = field(default=False, kw_only=True)

    @classmethod
    def after(cls, look: NotSent) -> "Unknown":
        """Return the result for an operation that was sent before, when its look-up could not be sent."""
        return cls(look.reason, rejects_us=look.rejects_us)


@dataclass(frozen=True)
class Spent(Unknown):
    """The gateway replays its own failure under this `send_key` and left its object untouched: try the next key."""


@dataclass(frozen=True)
class Contradiction(Unknown):
    """The gateway's data of the key or the object contradicts this service's: a person must check."""


@dataclass(frozen=True)
class NotFound:
    """A look-up's result: the gateway has done nothing under this key, or with this object."""


RegisterResult = Registered | Declined | NotSent | Unknown
SendResult = Approved | Declined | Refused | ActionRequired | Pending | NotSent | Unknown
GatewayResult = SendResult | NotFound


@dataclass(frozen=True)
class Capabilities:
    """The guarantees of an adapter; recovery depends on these alone.

    `idempotent_by_key`: a resend under the same key has no second effect; without it there is no second send.
    `lookup_consistent`: "not found" means the gateway will not execute it later either, once `max_in_flight` seconds
    have passed since the last send.
    `key_retention`: seconds the gateway remembers a key. `lists`: `ledger()` lists all that the gateway moved.
    `remembers`: a look-up returns what was done, not what the same request would lead to under today's settings.
    `registers`: the kinds that `register` makes an object for before money can move; a look-up of them needs that
    object's id, and without an id nothing can have happened. `cancels`: `cancel` ends a registered operation.
    `needs_token`: charges and authorizations need a token of the customer's payment method. `needs_return_url`: they
    need a page to which the customer comes back, because the customer always acts.
    `shows_reference`: callers know the gateway's id of a charge as the payment intent.
    `lists_disputes`: the adapter has `dispute` and `disputes`.
    `notifies`: it sends notices (`gateways.notices`). `lists_events`: it lists them, too. `found_by_notice`: it has no
    look-up, so notices are stored whole. `hints_at_payments`: a notice states that a payment has changed, not how: its
    refunds are looked up as well.
    """

    idempotent_by_key: bool
    lookup_consistent: bool
    max_in_flight: float
    key_retention: float
    lists: bool
    remembers: bool = True
    registers: frozenset[Kind] = frozenset()
    cancels: bool = False
    needs_token: bool = False
    needs_return_url: bool = False
    shows_reference: bool = False
    lists_disputes: bool = False
    notifies: bool = False
    lists_events: bool = False
    found_by_notice: bool = False
    hints_at_payments: bool = False


class Gateway(Protocol):
    """The engine's view of a gateway. Only lists (`ledger`, `disputes`, `events`) raise; other failures are results."""

    capabilities: Capabilities

    def send(self, gateway_request: GatewayRequest) -> SendResult:
        """Move money as `gateway_request.kind` requests."""

    def lookup(self, gateway_request: GatewayRequest) -> GatewayResult:
        """Return the state of the operation at the gateway. Moves nothing."""

    def ledger(self, since: datetime | None, until: datetime | None) -> Iterator[Entry]:
        """Yield every movement within [`since`, `until`), each None for no bound, if `capabilities.lists`.

        Raises GatewayUnavailable while iterating: a truncated list must not pass for a complete one.
        """


class RegisteringGateway(Gateway, Protocol):
    """The methods of a gateway with `capabilities.registers` and `capabilities.cancels`."""

    def register(self, gateway_request: GatewayRequest) -> RegisterResult:
        """Create the gateway's own object for an operation, under `register_key`. Moves nothing."""

    def cancel(self, gateway_request: GatewayRequest) -> GatewayResult:
        """End a registered operation that is not decided, under `cancel_key`.

        Declined once the gateway shows it as cancelled; otherwise the result that the operation has instead.
        """


class AuthenticatedGateway(Gateway, Protocol):
    """The attribute of a gateway to which this service sends credentials."""

    accepts_us: bool
    """False if the gateway rejected them on this process's last request; True before the first."""


def has_credentials(gateway: Gateway) -> TypeGuard[AuthenticatedGateway]:
    """Return True if this service sends credentials to the gateway."""
    return hasattr(gateway, "accepts_us")


class DisputableGateway(Gateway, Protocol):
    """The methods of a gateway with `capabilities.lists_disputes`."""

    def dispute(self, reference: str) -> Dispute | NotFound | NotSent | Unknown:
        """Return the present state of a dispute, by the gateway's own id of it."""

    def disputes(self, since: datetime) -> Iterator[Dispute]:
        """Yield the disputes opened since then, in their present state. Raises GatewayUnavailable if it breaks off."""
