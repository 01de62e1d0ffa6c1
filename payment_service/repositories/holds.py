"""Holds that end soon."""

from sqlalchemy import func, literal, select

from payment_service.connection import Connection
from payment_service.domain.lifecycle import Move, Status, allows
from payment_service.models import payments, timers
from payment_service.sqltypes import database_later, seconds

WARNED_BEFORE = 86400.0
"""Seconds before its end in which a hold counts as one that expires soon."""

MOST = 10_000
"""The most that is counted: beyond it no operator needs an exact number to act."""

_HELD = [status for status in Status if allows(status, Move.HOLD_EXPIRED)]
_EXPIRING = (
    select(literal(1))
    .select_from(timers.join(payments, payments.c.payment_id == timers.c.what))
    .where(
        timers.c.kind == "hold",
        payments.c.status.in_(_HELD),
        payments.c.hold_expires_at < database_later(seconds("soon")),
    )
    .limit(MOST)
)


def expiring(connection: Connection) -> int:
    """Count the holds without capture or void that end within a day, or should have ended."""
    statement = select(func.count()).select_from(_EXPIRING.subquery())
    return int(connection.execute(statement, {"soon": WARNED_BEFORE}).scalar_one())
