"""The journal, read as the audit trail of one payment."""

from sqlalchemy import bindparam, select

from payment_service.connection import Connection
from payment_service.domain.lifecycle import Move, Status
from payment_service.domain.records import AuditEntry, Payment
from payment_service.models import transactions

_TRAIL = (
    select(*(transactions.c[name] for name in AuditEntry.__dataclass_fields__))
    .where(transactions.c.payment_id == bindparam("payment_id"), transactions.c.version <= bindparam("version"))
    .order_by(transactions.c.version)
)


def trail_of(connection: Connection, payment: Payment) -> list[AuditEntry]:
    """How a payment came to stand as it does, oldest first; what happened since it was read is left out."""
    rows = connection.execute(_TRAIL, {"payment_id": payment.payment_id, "version": payment.version}).mappings()
    return [AuditEntry(**{**row, "move": Move(row["move"]), "status": Status(row["status"])}) for row in rows]
