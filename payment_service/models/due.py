"""Timers."""

from sqlalchemy import Column, Index, Integer, String, Table

from payment_service.db import metadata
from payment_service.models.columns import moment, one_of
from payment_service.sqltypes import Identity64

TIMER_KINDS = ("recover", "hold", "pending")

# The worker's timers: an undecided key's next look-up at the gateway (`what` is its key_id), a hold's end (payment_id),
# the end of a payment that its caller has not charged (payment_id).
timers = Table(
    "timers",
    metadata,
    Column("kind", String(20), primary_key=True),
    Column("what", Identity64, primary_key=True, autoincrement=False),
    Column("attempts", Integer, nullable=False),
    moment("due_at"),
    one_of("kind", TIMER_KINDS),
    Index("ix_timers_due", "kind", "attempts", "due_at"),
)
