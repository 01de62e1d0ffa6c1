"""Deliveries for operators: list them, show one, and send some again in an operator's name."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, Select, and_, bindparam, func, null, or_, select, update

from payment_service.connection import Connection
from payment_service.domain.chain import JournalKeys
from payment_service.models import outbox_deliveries as deliveries
from payment_service.models import payments
from payment_service.models.outbox import GIVEN_UP
from payment_service.repositories.operator_actions import record
from payment_service.sqltypes import database_now

SHORT = (
    *("delivery_id", "sink", "status", "attempts", "last_error", "due_at", "created_at", "delivered_at"),
    *("event_id", "event_type", "payment_id", "version"),
)
_PAYMENTS = deliveries.join(payments, payments.c.payment_id == deliveries.c.payment_id)
_LISTED = select(*(deliveries.c[name] for name in SHORT), payments.c.channel).select_from(_PAYMENTS)
_ONE = select(deliveries, payments.c.channel).select_from(_PAYMENTS)


def listed(
    connection: Connection,
    limit: int,
    *,
    sink: str | None = None,
    status: str | None = None,
    since: datetime | None = None,
    before: int | None = None,
) -> Sequence[RowMapping]:
    """Return the newest deliveries, narrowed by sink, status, earliest creation, and a number that they precede."""
    statement = _LISTED.where(*_narrowed(sink, status, since))
    if before is not None:
        statement = statement.where(deliveries.c.delivery_id < before)
    return connection.execute(statement.order_by(deliveries.c.delivery_id.desc()).limit(limit)).mappings().all()


def _narrowed(sink: str | None, status: str | None, since: datetime | None) -> list[Any]:
    given = ((deliveries.c.sink, sink), (deliveries.c.status, status))
    conditions = [column == value for column, value in given if value is not None]
    return [*conditions, deliveries.c.created_at >= since] if since is not None else conditions


def show(connection: Connection, delivery_id: int) -> RowMapping | None:
    """Return one whole delivery, or None."""
    return connection.execute(_ONE.where(deliveries.c.delivery_id == delivery_id)).mappings().one_or_none()


_IS_SETTLED = (deliveries.c.status != "PENDING") & deliveries.c.body.is_not(null())
"""Before release 1.1 the outbox did not keep a broker's bytes: those deliveries cannot be sent again."""


def replayable(
    connection: Connection, *, sink: str | None, status: str | None, since: datetime | None
) -> Sequence[int]:
    """Return the ids, oldest first, of ended deliveries (dead, or delivered) that match."""
    statement = select(deliveries.c.delivery_id).where(_IS_SETTLED, *_narrowed(sink, status, since))
    return connection.execute(statement.order_by(deliveries.c.delivery_id)).scalars().all()


_later = deliveries.alias("later")
_IDS: Any = bindparam("ids", expanding=True)
_NAMES = select(payments.c.channel, payments.c.payable_id).where(
    payments.c.payment_id.in_(bindparam("payment_ids", expanding=True))
)
_OF_PAYABLES = select(payments.c.payment_id).where(
    payments.c.channel == bindparam("channel"), payments.c.payable_id.in_(bindparam("payable_ids", expanding=True))
)
_PAYMENTS_OF = select(deliveries.c.payment_id).where(deliveries.c.delivery_id.in_(_IDS))
_HAS_GONE = and_(
    _later.c.payment_id.in_(bindparam("same", expanding=True)),
    or_(_later.c.status == "DELIVERED", and_(_later.c.status == "PENDING", _later.c.attempts > 0)),
)
"""`_later` was delivered, or is under way.

`same` are the payments of the same payables: they give the query an index, streams have none.
"""

_NEWER = (
    select(_later.c.delivery_id, _later.c.event_type, _later.c.payment_id, _later.c.version, _later.c.delivered_at)
    .select_from(deliveries)
    .join(
        _later,
        and_(
            _HAS_GONE,
            _later.c.sink == deliveries.c.sink,
            _later.c.stream == deliveries.c.stream,
            _later.c.delivery_id > deliveries.c.delivery_id,
        ),
    )
    .where(deliveries.c.delivery_id == bindparam("delivery_id"))
    .order_by(_later.c.delivery_id)
)

_given = deliveries.alias("given")
_last = (
    select(_later.c.sink, _later.c.stream, func.max(_later.c.delivery_id).label("delivery_id"))
    .where(_HAS_GONE, _later.c.delivery_id.not_in(_IDS))
    .group_by(_later.c.sink, _later.c.stream)
    .cte("last")
    # Once for all deliveries, with any statistics: for each one anew it would walk through the payments of the others.
    .prefix_with("MATERIALIZED", dialect="postgresql")
)
_OVERTAKEN = (
    select(_given.c.delivery_id)
    .join(
        _last,
        and_(
            _last.c.sink == _given.c.sink,
            _last.c.stream == _given.c.stream,
            _last.c.delivery_id > _given.c.delivery_id,
        ),
    )
    .where(_given.c.delivery_id.in_(_IDS))
)


def _of_same_payable(connection: Connection, ids: Sequence[int]) -> list[int]:
    """Return all payments of the payables that these deliveries are about.

    Each statement is about one table: a spread database has payments on many machines, and deliveries on one.
    """
    payment_ids = set(connection.execute(_PAYMENTS_OF, {"ids": ids}).scalars())
    named: dict[str, set[str]] = {}
    for channel, payable_id in connection.execute(_NAMES, {"payment_ids": payment_ids}):
        named.setdefault(channel, set()).add(payable_id)
    return [
        payment_id
        for channel, payable_ids in named.items()
        for payment_id in connection.execute(_OF_PAYABLES, {"channel": channel, "payable_ids": payable_ids}).scalars()
    ]


def newer(connection: Connection, delivery_id: int) -> Sequence[RowMapping]:
    """Return the later deliveries of the same sink and stream that have overtaken this one."""
    values = {"delivery_id": delivery_id, "same": _of_same_payable(connection, [delivery_id])}
    return connection.execute(_NEWER, values).mappings().all()


_REPLAY = (
    update(deliveries)
    .where(deliveries.c.delivery_id.in_(_IDS), _IS_SETTLED)
    .values(status="PENDING", attempts=0, due_at=database_now(), last_error=null(), delivered_at=null())
    .returning(deliveries.c.delivery_id, deliveries.c.payment_id, deliveries.c.sink, deliveries.c.event_type)
)
_REPLAY_GIVEN_UP = _REPLAY.where(deliveries.c.status.in_(GIVEN_UP))


def replay(
    connection: Connection,
    ids: Sequence[int],
    *,
    actor: str,
    request_id: str | None,
    at: datetime,
    only_given_up: bool,
    even_if_newer: bool,
    journal: JournalKeys,
) -> Sequence[RowMapping]:
    """Make ended deliveries due again, with their old ids and bytes, and record the actor. Return those made due.

    A delivery that others of its stream have overtaken, which are not replayed with it, stays as it is, unless
    `even_if_newer`.
    """
    if not even_if_newer:
        same = _of_same_payable(connection, ids)
        overtaken = set(connection.execute(_OVERTAKEN, {"ids": ids, "same": same}).scalars())
        ids = [each for each in ids if each not in overtaken]
    found = connection.execute(_REPLAY_GIVEN_UP if only_given_up else _REPLAY, {"ids": ids}).mappings().all()
    action = {"action": "REPLAY", "actor": actor, "request_id": request_id, "created_at": at}
    if found:
        about = [{"delivery_id": row["delivery_id"], "payment_id": row["payment_id"]} for row in found]
        record(connection, journal, [action | each for each in about])
    return found


def _next_sink(status: str) -> Select[Any]:
    found = select(deliveries.c.sink).where(deliveries.c.status == status, deliveries.c.sink > bindparam("after"))
    return found.order_by(deliveries.c.sink).limit(1)


_NEXT_SINK = {status: _next_sink(status) for status in ("PENDING", *GIVEN_UP)}


def sinks_with(connection: Connection, status: str) -> list[str]:
    """Return the sinks with deliveries in a status other than DELIVERED, also those that are switched off."""
    found = [""]
    while (name := connection.execute(_NEXT_SINK[status], {"after": found[-1]}).scalar()) is not None:
        found.append(name)
    return found[1:]
