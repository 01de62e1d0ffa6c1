"""The messages of the brokers as their consumers know them: the same bytes at every try."""

import json
from typing import Any

from payment_service.domain.deliveries import Delivery
from payment_service.domain.moments import naive_text


def rabbitmq_message(delivery: Delivery) -> bytes:
    """`event_type`, `timestamp` and `data` as the bookings document has them, and what tells repeats and order."""
    return _json(
        {
            "event_type": delivery.event_type,
            "timestamp": naive_text(delivery.occurred_at),
            "data": delivery.data,
            "event_id": str(delivery.event_id),
            "channel": delivery.channel,
            "version": delivery.version,
        }
    )


def kafka_message(delivery: Delivery) -> bytes:
    """The six fields of the checkout document, then what tells order and origin."""
    return _json(
        {
            "event_type": delivery.event_type,
            "event_id": str(delivery.event_id),
            "payment_id": delivery.payment_ref,
            "order_id": delivery.payable_id,
            "timestamp": naive_text(delivery.occurred_at),
            "data": delivery.data,
            "channel": delivery.channel,
            "version": delivery.version,
        }
    )


def _json(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()
