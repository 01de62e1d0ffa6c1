"""The gateway port: one send for every kind of operation, one look-up, and the results there are.

A *definitive* answer (`Approved`, `Declined`) decides an operation. `Pending` says the gateway will decide later.
`NotSent` is certain that nothing left this machine. Everything else is `Unknown`: the money may or may not have
moved, and only a look-up by the same gateway key may decide.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from payment_service.domain.operations import Kind


@dataclass(frozen=True)
class GatewayRequest:
    """What the gateway is asked to do.

    `gateway_key` is the same for every resend; `parent_key` is the gateway key of the charge or authorization that a
    capture, void or refund belongs to. `amount` is in major units of `currency` (ISO 4217).
    """

    gateway_key: str
    kind: Kind
    channel: str
    amount: Decimal
    currency: str
    method: str
    parent_key: str | None = None


@dataclass(frozen=True)
class Approved:
    """The money moved: `amount` is what the gateway says it moved, which the engine compares with what it asked."""

    amount: Decimal
    currency: str
    reference: str | None = None
    authorization_code: str | None = None


@dataclass(frozen=True)
class Declined:
    """The gateway said no, for good: `code` for machines (`INSUFFICIENT_FUNDS`), `message` for people."""

    code: str
    message: str
    reference: str | None = None


@dataclass(frozen=True)
class Pending:
    """The gateway has the request and will decide later."""

    reference: str | None = None


@dataclass(frozen=True)
class NotSent:
    """Nothing reached the gateway (connection refused): the same request may be sent again."""

    reason: str


@dataclass(frozen=True)
class Unknown:
    """The gateway may or may not have done it (time-out, 5xx, unreadable answer)."""

    reason: str


@dataclass(frozen=True)
class NotFound:
    """A look-up's answer: the gateway knows no operation by this key."""


SendResult = Approved | Declined | Pending | NotSent | Unknown
GatewayResult = Approved | Declined | Pending | NotFound | NotSent | Unknown


@dataclass(frozen=True)
class GatewayTransaction:
    """One money movement in the gateway's own ledger, for verification."""

    gateway_key: str
    kind: Kind
    amount: Decimal
    currency: str


@dataclass(frozen=True)
class Capabilities:
    """What an adapter promises; recovery chooses its course by these alone.

    `idempotent_by_key`: a resend under the same key has no second effect; without it there is no second send.
    `lookup_consistent`: "not found" means the gateway will not do it later either, once `max_in_flight` seconds have
    passed since the last send.
    `key_retention`: seconds the gateway remembers a key. `lists_effects`: `effects()` walks the whole ledger.
    `remembers`: a look-up tells what was done, not what the same request would lead to under today's settings.
    """

    idempotent_by_key: bool
    lookup_consistent: bool
    max_in_flight: float
    key_retention: float
    lists_effects: bool
    remembers: bool = True


class Gateway(Protocol):
    """What the engine needs of a gateway. Implementations never raise: trouble is an answer."""

    capabilities: Capabilities

    def send(self, gateway_request: GatewayRequest) -> SendResult:
        """Move money as `gateway_request.kind` says."""

    def lookup(self, gateway_request: GatewayRequest) -> GatewayResult:
        """What became of `gateway_request.gateway_key`."""

    def effects(self) -> Iterator[GatewayTransaction]:
        """Every successful movement of the gateway's ledger, where `capabilities.lists_effects`."""
