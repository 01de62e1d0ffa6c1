"""The gateway port: one send for every kind of operation, one look-up, and the results there are.

A *definitive* answer (`Approved`, `Declined`) decides an operation. `ActionRequired` says that the customer must act
first, `Pending` that the gateway will decide later, `Refused` that it refused and might still change its mind.
`NotSent` is certain that nothing was executed. Everything else is `Unknown`: the money may or may not have moved, and
only a look-up may decide.
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
    """What the gateway is asked to do.

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
        """The key of a registration: fresh for each owner, for a stored failure would block it and it moves nothing."""
        return f"{self.gateway_key}/r{self.attempt}"

    @property
    def send_key(self) -> str:
        """The key of the request that moves money: the gateway key, or after spent ones the next in its row."""
        return f"{self.gateway_key}/{self.resend}" if self.resend else self.gateway_key

    @property
    def cancel_key(self) -> str:
        """The key of a cancel: never the one that moves money."""
        return f"{self.gateway_key}/x{self.attempt}"


@dataclass(frozen=True)
class Registered:
    """The gateway has an object of its own for the operation, by this id, and no money has moved."""

    reference: str


@dataclass(frozen=True)
class Approved:
    """The money moved: `amount` is what the gateway says it moved, which the engine compares with what it asked.

    `capture_before` is when a hold ends by itself, where the gateway says so (aware UTC).
    """

    amount: Decimal
    currency: str
    reference: str | None = None
    authorization_code: str | None = None
    capture_before: datetime | None = None


@dataclass(frozen=True)
class Declined:
    """The gateway said no, for good: `code` for machines (`INSUFFICIENT_FUNDS`), `message` for people."""

    code: str
    message: str
    reference: str | None = None


@dataclass(frozen=True)
class Refused:
    """The gateway said no, and may still say yes: it is a decline once the gateway has confirmed a cancel."""

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
    """The gateway has the request and will decide later; `reason` is its word for why, where it has one."""

    reference: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class NotSent:
    """Nothing was executed (connection refused, turned away at the door): the same request may be sent again.

    `rejects_us`: the gateway does not accept this service's credentials, which only an operator can mend.
    """

    reason: str
    rejects_us: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class Unknown:
    """The gateway may or may not have done it (time-out, 5xx, unreadable answer).

    `rejects_us`: it could not be asked, for it does not accept this service's credentials.
    """

    reason: str
    rejects_us: bool = field(default=False, kw_only=True)

    @classmethod
    def after(cls, look: NotSent) -> "Unknown":
        """What is known of an operation that was sent before, when the request that asks about it was not."""
        return cls(look.reason, rejects_us=look.rejects_us)


@dataclass(frozen=True)
class Spent(Unknown):
    """The gateway replays a failure of its own under this `send_key`, and its object is untouched: the next key may."""


@dataclass(frozen=True)
class Contradiction(Unknown):
    """The gateway knows the key or the object otherwise than this service does: a person must look."""


@dataclass(frozen=True)
class NotFound:
    """A look-up's answer: the gateway has done nothing under this key, or with this object."""


RegisterResult = Registered | Declined | NotSent | Unknown
SendResult = Approved | Declined | Refused | ActionRequired | Pending | NotSent | Unknown
GatewayResult = SendResult | NotFound


@dataclass(frozen=True)
class Capabilities:
    """What an adapter promises; recovery chooses its course by these alone.

    `idempotent_by_key`: a resend under the same key has no second effect; without it there is no second send.
    `lookup_consistent`: "not found" means the gateway will not do it later either, once `max_in_flight` seconds have
    passed since the last send.
    `key_retention`: seconds the gateway remembers a key. `lists`: `ledger()` walks all that the gateway moved.
    `remembers`: a look-up tells what was done, not what the same request would lead to under today's settings.
    `registers`: the kinds that `register` makes an object for before anything can move; such an operation is looked up
    by that object's id, and without an id nothing of it can have happened. `cancels`: `cancel` ends what it registered.
    `needs_token`: charges and authorizations need a token of the customer's payment method. `needs_return_url`: they
    need a page that the customer comes back to, for the customer always acts.
    `shows_reference`: the gateway's id of a charge is what callers know as the payment intent.
    `lists_disputes`: `dispute` and `disputes` tell of disputes.
    `notifies`: it sends notices (`gateways.notices`). `lists_events`: it lists what it told so. `found_by_notice`: it
    cannot be asked; they are kept whole. `hints_at_payments`: a notice says that a payment has changed, and not what:
    its refunds are looked at as well.
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
    """What the engine needs of a gateway. Implementations never raise but in `ledger`: trouble is an answer."""

    capabilities: Capabilities

    def send(self, gateway_request: GatewayRequest) -> SendResult:
        """Move money as `gateway_request.kind` says."""

    def lookup(self, gateway_request: GatewayRequest) -> GatewayResult:
        """What became of the operation. Moves nothing."""

    def ledger(self, since: datetime | None, until: datetime | None) -> Iterator[Entry]:
        """Every successful movement of [`since`, `until`), each None for no bound, where `capabilities.lists`.

        The one place that raises (GatewayUnavailable, while iterating): a list cut short must not pass for whole.
        """


class RegisteringGateway(Gateway, Protocol):
    """What `capabilities.registers` and `capabilities.cancels` add."""

    def register(self, gateway_request: GatewayRequest) -> RegisterResult:
        """Make the gateway's own object for an operation. Moves nothing, under `register_key`."""

    def cancel(self, gateway_request: GatewayRequest) -> GatewayResult:
        """End a registered operation that is not decided, under `cancel_key`.

        Declined once the gateway says that it is cancelled; otherwise what became of the operation instead.
        """


class AuthenticatedGateway(Gateway, Protocol):
    """What a gateway adds to which this service shows credentials."""

    accepts_us: bool
    """Whether it accepted them when this process asked it last; true before that."""


def has_credentials(gateway: Gateway) -> TypeGuard[AuthenticatedGateway]:
    """Whether a gateway knows this service by credentials."""
    return hasattr(gateway, "accepts_us")


class DisputableGateway(Gateway, Protocol):
    """What `capabilities.lists_disputes` adds."""

    def dispute(self, reference: str) -> Dispute | NotFound | NotSent | Unknown:
        """One dispute as it stands now, by the gateway's own id of it."""

    def disputes(self, since: datetime) -> Iterator[Dispute]:
        """Every dispute opened since then, as it stands now. Raises GatewayUnavailable where the list is cut short."""
