"""The movements that gateways list and a restored back-up does not have, and until when the back-up reaches."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import bindparam, func, select, update

from payment_service.connection import Connection
from payment_service.models import lost_movements
from payment_service.models import watermarks as marks
from payment_service.repositories import watermarks

WATERMARK = "restored"
"""Holds the moment from which movements may be lost, as whole seconds since 1970."""

_REFERENCE = select(func.coalesce(lost_movements.c.reference, "")).where(
    lost_movements.c.gateway_key == bindparam("gateway_key")
)

_BEGIN = update(marks).where(marks.c.name == WATERMARK).values(value=bindparam("seconds"))


def lost_reference(connection: Connection, gateway_key: str) -> str | None:
    """Return the gateway's reference of a lost movement ("": it has none), or None where none is lost."""
    return connection.execute(_REFERENCE, {"gateway_key": gateway_key}).scalar()


def add_lost(connection: Connection, movement: Mapping[str, Any]) -> None:
    """Write a lost movement down, once; `movement` has the columns."""
    if lost_reference(connection, movement["gateway_key"]) is None:
        connection.execute(lost_movements.insert().values(**movement))


def begin(connection: Connection, since: datetime) -> None:
    """Remember from when on movements may be lost, in place of another moment."""
    watermarks.begin(connection, WATERMARK)
    connection.execute(_BEGIN, {"seconds": int(since.timestamp())})


def began(connection: Connection) -> datetime | None:
    """Return the moment that `begin` wrote down, or None."""
    seconds = watermarks.value(connection, WATERMARK)
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
