"""The dependencies of the engine: database, gateways, the channels' renderers and the time limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from threading import BoundedSemaphore
from typing import Protocol

from payment_service.db import Database
from payment_service.domain.chain import JournalKeys
from payment_service.domain.deliveries import Event
from payment_service.domain.errors import ServiceError
from payment_service.domain.lifecycle import Move, Status
from payment_service.domain.operations import Kind
from payment_service.domain.records import PaymentContext, StoredResponse
from payment_service.gateways.routing import Gateways
from payment_service.services.deferred import Deferred


@dataclass(frozen=True)
class ChannelReferences:
    """The ids a channel gives to money that moved; None where its callers know no such id."""

    transaction_id: str | None = None
    payment_intent_id: str | None = None


class ChannelRenderer(Protocol):
    """Renders responses, errors and events in one channel's format. Pure functions of the context.

    If `shows_trail`, the context of every response has the payment's audit trail. `event_types` names the events that
    this channel calls differently, by move. If `gives_references`, money that moved gets ids of the channel's.
    `status_names` are the channel's words for the statuses; a missing one keeps its canonical name.
    """

    shows_trail: bool
    gives_references: bool
    event_types: Mapping[Move, str]
    status_names: Mapping[Status, str]

    def answer(self, response_format: str, context: PaymentContext) -> StoredResponse:
        """Return the response to a request that asked for `response_format`."""

    def refusal(self, error: ServiceError) -> StoredResponse:
        """Return the response to a request that ended in `error`."""

    def event(self, move: Move, context: PaymentContext) -> Event:
        """Return the event of a `move` that led to this context."""

    def references(self, gateway_key: str, kind: Kind) -> ChannelReferences:
        """Return the ids for a gateway key, always the same; if they are taken, the caller tries another key."""


@dataclass(frozen=True)
class Limits:
    """Seconds: of a lease, of waiting for a key in use, of a cached answer, and of all sends of one gateway call.

    `keyless_answer`: how long an undecided charge is looked up for a caller that never asks again, which is answered
    `answer_within` seconds after its claim at the latest. `duplicate_refund`: how long a refund without a key is taken
    for a repeat of an equal one; 0 for never. `action_ttl`: how long a customer may take to act. `pending_ttl`:
    how long a payment waits to be charged, by channel; 0 for as long as its caller likes.
    """

    lease: float
    wait: float
    ttl: int
    gateway_budget: float
    keyless_answer: float = 8.0
    answer_within: float = 18.0
    duplicate_refund: float = 30.0
    action_ttl: float = 3600.0
    pending_ttl: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def time_to_send(self) -> float:
        """Seconds after a claim in which the gateway may still be called under its lease."""
        return self.lease - self.gateway_budget


@dataclass(frozen=True)
class Dependencies:
    """The dependencies that the composition root makes once and every caller hands to each operation.

    `sinks` are the names of those that get events; a sink that is missing costs nothing. `broker_channels` are the
    channels that each broker carries; a broker that is missing carries all. `waiting` limits the threads in which a
    caller waits for an undecided charge. `journal` signs and verifies the rows' hashes. `deferred` retries the writes
    that the database did not take.
    """

    database: Database
    gateways: Gateways
    renderers: Mapping[str, ChannelRenderer]
    limits: Limits
    sinks: frozenset[str] = frozenset()
    waiting: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(4))
    broker_channels: Mapping[str, frozenset[str]] = field(default_factory=dict)
    journal: JournalKeys = field(default_factory=JournalKeys)
    deferred: Deferred = field(default_factory=Deferred)

    def carries(self, broker: str, channel: str) -> bool:
        """Return whether a broker is switched on and carries the events of a channel."""
        return broker in self.sinks and channel in self.broker_channels.get(broker, (channel,))
