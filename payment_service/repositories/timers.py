"""Timers of the worker: one row for each payment and kind of reason."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy import bindparam, delete, select, update

from payment_service.connection import Connection
from payment_service.models import timers
from payment_service.sqltypes import database_later, database_now, seconds

TimerKind = Literal["hold", "pending"]
"""`hold`: a hold should have ended. `pending`: the caller should have charged the payment."""

_DUE = (
    select(timers.c.what)
    .where(timers.c.kind == bindparam("of_kind"), timers.c.due_at <= database_now())
    .order_by(timers.c.attempts, timers.c.due_at)
    .limit(bindparam("at_most"))
)
_THIS = (timers.c.kind == bindparam("of_kind"), timers.c.what == bindparam("payment_id"))
_LATER = database_later(seconds("delay"))
_POSTPONE_ALL = (
    update(timers).where(timers.c.kind == bindparam("of_kind"), timers.c.due_at < _LATER).values(due_at=_LATER)
)
_POSTPONE = update(timers).where(*_THIS).values(attempts=timers.c.attempts + 1, due_at=_LATER)


def set_in(connection: Connection, kind: TimerKind, payment_id: int, delay: float) -> None:
    """Let the worker look at a payment in `delay` seconds, by the database's clock."""
    connection.write("set_timer", {"kind": kind, "what": payment_id, "attempts": 0, "delay": delay})


def set_at(connection: Connection, kind: TimerKind, payment_id: int, due_at: datetime) -> None:
    """Let the worker look at a payment once `due_at` has come."""
    connection.write("set_payment_timer", {"kind": kind, "payment_id": payment_id, "due_at": due_at})


def due(connection: Connection, kind: TimerKind, limit: int) -> Sequence[int]:
    """Return due payments, at most `limit`: first those that the worker has not looked at yet."""
    return connection.execute(_DUE, {"of_kind": kind, "at_most": limit}).scalars().all()


def postpone(connection: Connection, kind: TimerKind, payment_id: int, delay: float) -> None:
    """Look again in `delay` seconds."""
    connection.execute(_POSTPONE, {"of_kind": kind, "payment_id": payment_id, "delay": delay})


def postpone_all(connection: Connection, kind: TimerKind, delay: float) -> None:
    """Look at no payment before `delay` seconds have passed."""
    connection.execute(_POSTPONE_ALL, {"of_kind": kind, "delay": delay})


def end(connection: Connection, kind: TimerKind, payment_id: int) -> None:
    """Look no more."""
    connection.execute(delete(timers).where(*_THIS), {"of_kind": kind, "payment_id": payment_id})
