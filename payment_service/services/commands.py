"""The commands of callers, as plain values: a request with its key, and one of four commands."""

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
    """The channel and subject of a key, and its hash. For a request without a client's key the hash is made."""

    channel: str
    subject: str
    key_hash: str
    is_client_key: bool

    @classmethod
    def implied(cls, channel: str, subject: str, text: str) -> "KeyScope":
        """Return the scope of a key that no client sent. A NUL sets it apart: no client's key may contain one."""
        return cls(channel, subject, hash_key("\x00" + text), is_client_key=False)

    def gateway_key(self, kind: Kind) -> str:
        """Return the gateway key of this key's operation of `kind`."""
        return gateway_key(self.channel, self.subject, self.key_hash, kind)


@dataclass(frozen=True)
class Request:
    """A caller's request: its principal, its key and the format of the response.

    `key` is the client's own, or None; then `implied_key` names the operation if it can happen only once (`process:7`),
    or is None for a request that is new each time. `route` is method and path with its ids
    (`POST:/payments/7/refunds`); `fields` is the validated, normalised body. `response_format` is the channel's name
    for the shape of the response. `never_asks_again`: the caller takes an undecided answer for a failure, so the
    service reverses a later approval. `terms` go to the gateway with a charge; they distinguish no request from
    another.
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
        """The source of every change that this request makes."""
        return ChangeSource(self.principal.subject, self.request_id, self.traceparent)

    @property
    def is_repeatable(self) -> bool:
        """True if the service recognises a repeat: by the client's key, or because the operation is its own key."""
        return self.key is not None or self.implied_key is not None

    @cached_property
    def owner(self) -> str:
        """The name under which this request claims keys."""
        return clock.new_id().hex

    @cached_property
    def scope(self) -> KeyScope:
        """The scope of the request's key; without a key and an implied key it is random."""
        alias_of = self.principal.alias_of
        subject = self.principal.subject if alias_of is None else alias_of
        if self.key is None:
            return KeyScope.implied(self.channel, subject, self.implied_key or clock.new_hex(32))
        return KeyScope(self.channel, subject, hash_key(self.key), is_client_key=True)

    @cached_property
    def fingerprint(self) -> str:
        """The digests of the fields that tell another request under the same key apart."""
        return fingerprint(self.route, self.fields)


@dataclass(frozen=True)
class PaymentReferences:
    """The ids that a payment gets when it is made."""

    reference: str
    transaction_id: str | None = None


class PriceSource(Protocol):
    """Asks another service for the amount if the caller does not send one."""

    def resolve(self) -> Decimal:
        """Return the amount in major units. May raise an error for the caller; the key then stays free."""


@dataclass(frozen=True)
class NewPayment:
    """A payment to be made; `amount` is in major units of `currency`, or its source, asked only if the key is new.

    `acquire` tries `references` one after the other while another payment has the same unique id.
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
        """Return the references to try after so many clashes with other payments."""
        return self.references[min(clashes, len(self.references) - 1)]


@dataclass(frozen=True)
class CreatePayment:
    """Make a payment that waits: the service charges nothing until the caller asks for it."""

    payment: NewPayment


@dataclass(frozen=True)
class ChargePayment:
    """Make a payment and charge it at once, or hold its money (`kind` AUTHORIZE). Zero needs no gateway."""

    payment: NewPayment
    kind: Kind = Kind.CHARGE


@dataclass(frozen=True)
class StartOperation:
    """Charge, capture, void or refund an existing payment.

    `amount` None means all there is: the whole hold, or all that is left to refund. `reason` is the caller's own text:
    the reason of a refund, or the gateway response that callers shall read once a charge is approved.
    `caller_reference` is the caller's own id for this change.
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
