"""What a caller asks for, as plain values: the request with its key, and one of four commands."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, Protocol

from payment_service import clock
from payment_service.domain.keys import fingerprint, gateway_key, hash_key
from payment_service.domain.lifecycle import Move
from payment_service.domain.operations import NO_TERMS, Kind, Terms
from payment_service.domain.principals import ChangeSource, Principal


@dataclass(frozen=True)
class KeyScope:
    """Whose key it is, and its hash. A request without a client's key has a hash that names it, or is drawn."""

    channel: str
    subject: str
    key_hash: str
    is_client_key: bool

    @classmethod
    def implied(cls, channel: str, subject: str, text: str) -> "KeyScope":
        """The scope of a key that no client sent. A NUL sets it apart: no client's key may contain one."""
        return cls(channel, subject, hash_key("\x00" + text), is_client_key=False)

    def gateway_key(self, kind: Kind) -> str:
        """The key under which the gateway gets this key's operation of `kind`."""
        return gateway_key(self.channel, self.subject, self.key_hash, kind)


@dataclass(frozen=True)
class Request:
    """Who asks, under which key, and in which format the response goes out.

    `key` is the client's own, None where it sent none; `implied_key` then names the operation itself, where it can
    happen only once (`process:7`), or is None for a request that is new each time. `route` is method and path with its
    ids (`POST:/payments/7/refunds`); `fields` is the validated, normalised body. `response_format` is the channel's
    name for the shape of the response. `never_asks_again`: the caller takes an undecided answer for a failure, so what
    is approved later is reversed. `terms` go to the gateway with a charge; they distinguish no request from another.
    """

    channel: str
    principal: Principal
    route: str
    fields: Mapping[str, Any]
    response_format: str
    key: str | None = None
    implied_key: str | None = None
    never_asks_again: bool = False
    terms: Terms = NO_TERMS
    request_id: str | None = None
    traceparent: str | None = None

    @property
    def origin(self) -> ChangeSource:
        """Where what this request changes comes from."""
        return ChangeSource(self.principal.subject, self.request_id, self.traceparent)

    @property
    def is_repeatable(self) -> bool:
        """Whether a repeat is recognised as one: by the client's key, or because the operation is its own key."""
        return self.key is not None or self.implied_key is not None

    @cached_property
    def owner(self) -> str:
        """The name under which this request claims keys."""
        return clock.new_id().hex

    @cached_property
    def scope(self) -> KeyScope:
        """The scope of the request's key, drawn where it has none."""
        alias_of = self.principal.alias_of
        subject = self.principal.subject if alias_of is None else alias_of
        if self.key is None:
            return KeyScope.implied(self.channel, subject, self.implied_key or clock.new_hex(32))
        return KeyScope(self.channel, subject, hash_key(self.key), is_client_key=True)

    @cached_property
    def fingerprint(self) -> str:
        """What distinguishes this request from every other one under the same key."""
        return fingerprint(self.route, self.fields)


@dataclass(frozen=True)
class PaymentReferences:
    """The ids a payment is born with."""

    reference: str
    transaction_id: str | None = None


class PriceSource(Protocol):
    """Where an amount comes from that the caller does not send: another service is asked for it."""

    def resolve(self) -> Decimal:
        """The amount in major units. May raise what the caller is answered; the key then stays free."""


@dataclass(frozen=True)
class NewPayment:
    """A payment to be made; `amount` is in major units of `currency`, or is asked for when the key is new.

    `references` are tried one after the other where another payment has the same unique id already.
    """

    payable_id: str
    amount: Decimal | PriceSource
    currency: str
    method: str
    references: tuple[PaymentReferences, ...]
    customer_id: str | None = None
    metadata: Mapping[str, Any] | None = None
    payable_is_unique: bool = False
    reference_is_unique: bool = False

    def references_for(self, clashes: int) -> PaymentReferences:
        """The references to try after so many clashes with other payments."""
        return self.references[min(clashes, len(self.references) - 1)]


@dataclass(frozen=True)
class CreatePayment:
    """Make a payment that waits: nothing is charged until its caller asks for that."""

    payment: NewPayment


@dataclass(frozen=True)
class ChargePayment:
    """Make a payment and take its money at once, or hold it (`kind` AUTHORIZE). Zero asks nothing of the gateway."""

    payment: NewPayment
    kind: Kind = Kind.CHARGE


@dataclass(frozen=True)
class StartOperation:
    """Charge, capture, void or refund an existing payment.

    `amount` None means all there is: what is held, or what is left to refund. `reason` is the caller's own text: why
    it refunds, or the gateway response that callers shall read once a charge is approved. `caller_reference` is an id
    of the caller's for this change.
    """

    payment_id: int
    kind: Kind
    amount: Decimal | None = None
    reason: str | None = None
    caller_reference: str | None = None


@dataclass(frozen=True)
class ChangeStatus:
    """Cancel a payment before money moved, or fail one that waits (`move`). Cancelling twice changes nothing."""

    payment_id: int
    move: Move
    reason: str | None = None
    caller_reference: str | None = None


Command = CreatePayment | ChargePayment | StartOperation | ChangeStatus
