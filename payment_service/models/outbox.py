"""Deliveries: one journal row on its way to one sink, with the bytes to send as they were when it happened."""

from sqlalchemy import Column, Integer, String, Table, Text, UniqueConstraint, Uuid

from payment_service.db import metadata
from payment_service.models.columns import moment, one_of, partial
from payment_service.sqltypes import Identity64

DELIVERY_STATUSES = ("PENDING", "DELIVERED", "DEAD", "UNROUTED")
GIVEN_UP = ("DEAD", "UNROUTED")
"""Refused for good or too often; without a queue at the broker. Both wait for an operator, and block no other
delivery."""

outbox_deliveries = Table(
    "outbox_deliveries",
    metadata,
    Column("delivery_id", Identity64, primary_key=True),
    Column("payment_id", Identity64, nullable=False, index=True),
    Column("event_id", Uuid, nullable=False),
    Column("event_type", String(60), nullable=False),
    Column("version", Integer, nullable=False),
    Column("sink", String(30), nullable=False),
    # Within a stream a sink gets one event after the other; streams do not wait for each other.
    Column("stream", String(300), nullable=False),
    # A broker divides its messages by this: the id that the channel's callers know the payment by.
    Column("message_key", String(64)),
    Column("method", String(10)),
    Column("path", String(500)),
    Column("body", Text),
    Column("request_id", String(64)),
    Column("traceparent", String(55)),
    Column("status", String(20), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Text),
    Column("owner", String(32)),
    moment("due_at"),
    moment("leased_until", nullable=True),
    moment("delivered_at", nullable=True),
    moment("created_at"),
    UniqueConstraint("event_id", "sink"),
    one_of("status", DELIVERY_STATUSES),
    partial("ix_outbox_deliveries_heads", "sink", "stream", "delivery_id", where="status = 'PENDING'"),
    partial("ix_outbox_deliveries_due", "sink", "due_at", "delivery_id", where="status = 'PENDING'"),
    partial("ix_outbox_deliveries_oldest", "sink", "created_at", where="status = 'PENDING'"),
    partial("ix_outbox_deliveries_dead", "sink", "delivery_id", where="status = 'DEAD'"),
    partial("ix_outbox_deliveries_unrouted", "sink", "delivery_id", where="status = 'UNROUTED'"),
)
