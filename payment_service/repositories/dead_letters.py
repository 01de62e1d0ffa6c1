"""What needs an operator's eyes: keys that are not finished, and deliveries that were given up."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, Select, bindparam, func, insert, null, select

from payment_service.connection import Connection
from payment_service.models import idempotency_keys as keys
from payment_service.models import operator_actions, payments, timers
from payment_service.models import outbox_deliveries as deliveries
from payment_service.repositories import outbox
from payment_service.repositories.recovery import UNFINISHED_KEYS
from payment_service.repositories.search import KEY_COLUMNS

_UNFINISHED = (
    select(
        *KEY_COLUMNS,
        func.coalesce(timers.c.due_at, keys.c.leased_until).label("recover_at"),
        keys.c.operation_id,
        keys.c.kind,
        keys.c.review_reason,
    )
    .join_from(keys, timers, (timers.c.kind == "recover") & (timers.c.what == keys.c.key_id), isouter=True)
    .where(keys.c.key_id.in_(UNFINISHED_KEYS), keys.c.response_status.is_(null()))
    .order_by(func.coalesce(timers.c.due_at, keys.c.leased_until), keys.c.key_id)
    .limit(bindparam("at_most"))
)


def unfinished_keys(connection: Connection, limit: int) -> Sequence[RowMapping]:
    """Keys without a final response, the next one to be looked up first, each with what it asks the gateway."""
    return connection.execute(_UNFINISHED, {"at_most": limit}).mappings().all()


def _next_sink(status: str) -> Select[Any]:
    found = select(deliveries.c.sink).where(deliveries.c.status == status, deliveries.c.sink > bindparam("after"))
    return found.order_by(deliveries.c.sink).limit(1)


_NEXT_SINK = {status: _next_sink(status) for status in ("PENDING", "DEAD")}


def sinks_with(connection: Connection, status: str) -> list[str]:
    """The sinks that have PENDING or DEAD deliveries, also those that are switched off; one search for each."""
    found = [""]
    while (name := connection.execute(_NEXT_SINK[status], {"after": found[-1]}).scalar()) is not None:
        found.append(name)
    return found[1:]


def sinks_with_any(connection: Connection) -> frozenset[str]:
    """The sinks that have deliveries which are not done, also those that are switched off."""
    return frozenset(name for status in _NEXT_SINK for name in sinks_with(connection, status))


_DELIVERY = ("delivery_id", "event_id", "sink", "attempts", "last_error", "due_at", "created_at")
_EVENT = ("event_type", "payment_id", "version")
_DEAD = (
    select(*(deliveries.c[name] for name in (*_DELIVERY, *_EVENT)), payments.c.channel)
    .join_from(deliveries, payments, payments.c.payment_id == deliveries.c.payment_id)
    .where(
        deliveries.c.sink == bindparam("of_sink"),
        deliveries.c.status == "DEAD",
        deliveries.c.delivery_id < bindparam("before"),
    )
    .order_by(deliveries.c.delivery_id.desc())
    .limit(bindparam("at_most"))
)


def dead_deliveries(connection: Connection, sink: str, before: int, limit: int) -> Sequence[RowMapping]:
    """A sink's newest dead deliveries below the number `before`, each with its event."""
    return connection.execute(_DEAD, {"of_sink": sink, "before": before, "at_most": limit}).mappings().all()


_LOCK_DEAD = (
    select(deliveries.c.delivery_id, deliveries.c.sink, deliveries.c.payment_id, deliveries.c.event_type)
    .where(deliveries.c.delivery_id == bindparam("delivery_id"), deliveries.c.status == "DEAD")
    .with_for_update()
)
_RECORD = insert(operator_actions)


def replay_dead(
    connection: Connection, delivery_id: int, *, actor: str, request_id: str | None, at: datetime
) -> RowMapping | None:
    """Make a dead delivery due again and write down who did it; None where it is not dead (any more)."""
    found = connection.execute(_LOCK_DEAD, {"delivery_id": delivery_id}).mappings().one_or_none()
    if found is not None:
        outbox.replay(connection, [delivery_id])
        action = {"action": "REPLAY", "actor": actor, "request_id": request_id, "created_at": at}
        connection.execute(_RECORD, action | {"delivery_id": delivery_id, "payment_id": found["payment_id"]})
    return found
