"""Events on their way out, as values: the webhook requests of a change, and one delivery of one event."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class WebhookRequest:
    """One downstream service's HTTP request about a change: `sink` names the service, `body` is JSON."""

    sink: str
    method: str
    path: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Delivery:
    """One event on its way to one sink. Everything here was frozen when the event happened.

    `method` and `path` are an HTTP sink's request; a broker divides its messages by `message_key`.
    """

    delivery_id: int
    sink: str
    attempts: int
    event_id: UUID
    event_type: str
    version: int
    occurred_at: datetime
    body: str
    message_key: str | None = None
    method: str | None = None
    path: str | None = None
    request_id: str | None = None
    traceparent: str | None = None


@dataclass(frozen=True)
class Event:
    """The event of a change: its type (`payment.completed`) and its data, frozen when it happened.

    `data` is for brokers, which get every event; `webhooks` are for single downstream services. `payment_ref` is the id
    by which the channel's callers know the payment, if that is not its number. Events of one `ordering_key` reach a
    sink in their order; if the channel names none, each payment has its own.
    """

    type: str
    data: Mapping[str, Any]
    webhooks: tuple[WebhookRequest, ...] = ()
    payment_ref: str | None = None
    ordering_key: str | None = None
