"""The bytes that sinks get, rendered when the event happens: the same at every try."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from payment_service.clock import naive_text
from payment_service.domain.deliveries import Event
from payment_service.domain.records import Payment


def call_body(body: Any) -> str:
    """Return the JSON body of a call to an HTTP service."""
    return json.dumps(body, separators=(",", ":"))


def rabbitmq_message(event: Event, payment: Payment, event_id: UUID) -> str:
    """Return the three fields of the bookings document, then those that tell repeats and order."""
    return _json(
        {
            "event_type": event.type,
            "timestamp": naive_text(payment.updated_at),
            "data": _with_text_ids(event.data),
            "event_id": str(event_id),
            "channel": payment.channel,
            "version": payment.version,
        }
    )


def kafka_message(event: Event, payment: Payment, event_id: UUID) -> str:
    """Return the six fields of the checkout document, then those that tell order and origin."""
    return _json(
        {
            "event_type": event.type,
            "event_id": str(event_id),
            "payment_id": event.payment_ref or str(payment.payment_id),
            "order_id": payment.payable_id,
            "timestamp": naive_text(payment.updated_at),
            "data": _with_text_ids(event.data),
            "channel": payment.channel,
            "version": payment.version,
        }
    )


def _with_text_ids(data: Mapping[str, Any]) -> dict[str, Any]:
    """Make `payment_id` and `order_id` texts: consumers of several channels read one type."""
    return {**data, **{name: str(data[name]) for name in ("payment_id", "order_id") if name in data}}


def _json(message: dict[str, Any]) -> str:
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False)
