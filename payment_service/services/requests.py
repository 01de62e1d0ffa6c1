"""What a caller asks for, as plain values: the same for every channel."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from payment_service.domain.callers import Caller, Origin
from payment_service.domain.fingerprints import fingerprint
from payment_service.domain.lifecycle import Move
from payment_service.domain.operations import Kind


def hash_key(key: str) -> str:
    """SHA-256 hex of exactly the bytes of the (trimmed) key."""
    return hashlib.sha256(key.encode()).hexdigest()


@dataclass(frozen=True)
class Request:
    """Who asks, under which key, and how the answer is to be worded.

    `key` is the client's own, None where it sent none; `implied_key` then names the operation itself, where it can
    happen only once (`process:7`), or is None for a request that is new each time. `route` is method and path with its
    ids (`POST:/payments/7/refunds`); `fields` is the validated, normalised body without the key. `rendering` names the
    channel's wording of the answer.
    """

    channel: str
    caller: Caller
    route: str
    fields: Mapping[str, Any]
    rendering: str
    key: str | None = None
    implied_key: str | None = None
    request_id: str | None = None
    traceparent: str | None = None

    @property
    def origin(self) -> Origin:
        """Where what this request changes comes from."""
        return Origin(self.caller.subject, self.request_id, self.traceparent)

    @property
    def is_repeatable(self) -> bool:
        """Whether a repeat is recognised as one: by the client's key, or because the operation is its own key."""
        return self.key is not None or self.implied_key is not None

    @cached_property
    def fingerprint(self) -> str:
        """What distinguishes this request from every other one under the same key."""
        return fingerprint(self.route, self.fields)


@dataclass(frozen=True)
class Labels:
    """The ids a payment is born with; another attempt gets others, should one be taken."""

    reference: str
    transaction_id: str | None = None


@dataclass(frozen=True)
class NewPayment:
    """A payment to be made: `amount` in major units of `currency`, None where `price` tells it.

    `price` asks whoever knows whether the payable may be paid and for how much; it is called only for a key that is
    new, and may raise. `labels(key_hash, attempt)` gives the payment's ids.
    """

    payable_id: str
    amount: Decimal | None
    currency: str
    method: str
    labels: Callable[[str, int], Labels]
    customer_id: str | None = None
    metadata: Mapping[str, Any] | None = None
    price: Callable[[], Decimal] | None = None
    payable_is_unique: bool = False
    reference_is_unique: bool = False


@dataclass(frozen=True)
class Movement:
    """Money to be moved: for a new payment, or for the existing one numbered `payment_id`.

    `kind` None moves none: a new payment is made, or the existing one does `move` (cancel, fail). `amount` None means
    all there is (of what is held, or of what is left to refund). `reason` is the caller's own words: why a refund, or
    what the gateway said to a charge.
    """

    kind: Kind | None
    move: Move = Move.CREATE
    new: NewPayment | None = None
    payment_id: int | None = None
    amount: Decimal | None = None
    reason: str | None = None
