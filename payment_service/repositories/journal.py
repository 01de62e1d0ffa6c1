"""The journal, read as the audit trail of one payment."""

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select

from payment_service.connection import Connection
from payment_service.domain.lifecycle import Move, Status
from payment_service.domain.records import AuditEntry, Payment
from payment_service.models import transactions

REFUNDED = (Move.PARTLY_REFUNDED, Move.FULLY_REFUNDED)
"""The moves for which callers read the reason of the refund as the description."""

_TRAIL = (
    select(*(transactions.c[name] for name in AuditEntry.__dataclass_fields__), transactions.c.caller_note)
    .where(transactions.c.payment_id == bindparam("payment_id"), transactions.c.version <= bindparam("version"))
    .order_by(transactions.c.version)
)
_LAST = select(transactions.c.created_at).order_by(transactions.c.transaction_log_id.desc()).limit(1)


def trail_of(connection: Connection, payment: Payment) -> list[AuditEntry]:
    """Return a payment's audit trail, oldest first, up to the version that the caller has read."""
    rows = connection.execute(_TRAIL, {"payment_id": payment.payment_id, "version": payment.version}).mappings()
    return [_entry(dict(row)) for row in rows]


def last_moment(connection: Connection) -> datetime | None:
    """Return when the newest row of the journal was written, or None."""
    return connection.execute(_LAST).scalar()


def _entry(row: dict[str, Any]) -> AuditEntry:
    move, note = Move(row["move"]), row.pop("caller_note")
    description = f"Refund: {note}" if note is not None and move in REFUNDED else row["description"]
    return AuditEntry(**{**row, "move": move, "status": Status(row["status"]), "description": description})
