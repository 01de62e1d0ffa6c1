"""The outbox: relays claim deliveries head by head, and save their results once the sink has answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Integer, bindparam, exists, null, or_, select, tuple_, update

from payment_service.connection import Connection
from payment_service.domain.deliveries import Delivery
from payment_service.models import outbox_deliveries as deliveries
from payment_service.sqltypes import database_later, database_now, seconds, statement_now

_earlier = deliveries.alias("earlier")
_HEADS = (
    select(deliveries.c.delivery_id)
    .where(
        deliveries.c.sink == bindparam("of_sink"),
        deliveries.c.status == "PENDING",
        deliveries.c.due_at <= statement_now(),
        or_(
            deliveries.c.leased_until.is_(null()),
            deliveries.c.leased_until < database_now(),
            deliveries.c.owner == bindparam("new_owner"),  # claimed before, only the answer to COMMIT was lost
        ),
        ~exists().where(
            _earlier.c.sink == deliveries.c.sink,
            _earlier.c.stream == deliveries.c.stream,
            _earlier.c.status == "PENDING",
            _earlier.c.delivery_id < deliveries.c.delivery_id,
        ),
    )
    .order_by(deliveries.c.due_at, deliveries.c.delivery_id)
    .limit(bindparam("at_most"))
    .with_for_update(skip_locked=True, of=deliveries)
    .cte("heads")  # not a subquery, which PostgreSQL may run more than once, each time with a limit of its own
)
_CLAIM = (
    update(deliveries)
    .where(deliveries.c.delivery_id.in_(select(_HEADS.c.delivery_id)))
    .values(
        owner=bindparam("new_owner"),
        attempts=deliveries.c.attempts + 1,
        leased_until=database_later(seconds("lease")),
    )
    .returning(deliveries.c.delivery_id)
)

_CLAIMED = (
    select(
        *(deliveries.c[name] for name in Delivery.__dataclass_fields__ if name in deliveries.c),
        deliveries.c.created_at.label("occurred_at"),
    )
    .where(deliveries.c.delivery_id.in_(bindparam("ids", expanding=True)))
    .order_by(deliveries.c.delivery_id)
)


def claim(connection: Connection, sink: str, owner: str, lease: float, limit: int) -> list[Delivery]:
    """Claim up to `limit` due deliveries of a sink for `lease` seconds: of each stream only its earliest undelivered.

    Skips those that another relay holds. One statement claims on both databases, a second one reads.
    """
    parameters = {"of_sink": sink, "new_owner": owner, "lease": lease, "at_most": limit}
    ids = connection.execute(_CLAIM, parameters).scalars().all()
    if not ids:
        return []
    return [Delivery(**row) for row in connection.execute(_CLAIMED, {"ids": ids}).mappings()]


@dataclass(frozen=True)
class DeliveryResult:
    """The result of one try: the delivery's new `status` and the error; PENDING is due again in `delay` s.

    It holds only if `owner` still holds the delivery. If it does not count, the delivery has one more try.
    """

    delivery_id: int
    owner: str
    status: str
    error: str | None = None
    delay: float = 0.0
    counts: bool = True


_IS_PENDING = deliveries.c.status == "PENDING"
_DELIVERED = (
    update(deliveries)
    .where(
        tuple_(deliveries.c.delivery_id, deliveries.c.owner).in_(bindparam("owned", expanding=True)),
        _IS_PENDING,
    )
    .values(status="DELIVERED", delivered_at=database_now(), leased_until=null(), last_error=null())
)
_NOT_DELIVERED = (
    update(deliveries)
    .where(
        deliveries.c.delivery_id == bindparam("of_delivery"),
        deliveries.c.owner == bindparam("by_owner"),
        _IS_PENDING,
    )
    .values(
        status=bindparam("new_status"),
        last_error=bindparam("error"),
        leased_until=null(),
        due_at=database_later(seconds("delay")),
        attempts=deliveries.c.attempts - bindparam("uncounted", type_=Integer()),
    )
)
_FOLLOWERS = (
    update(deliveries)
    .where(
        _earlier.c.delivery_id.in_(bindparam("heads", expanding=True)),
        deliveries.c.sink == _earlier.c.sink,
        deliveries.c.stream == _earlier.c.stream,
        deliveries.c.status == "PENDING",
        deliveries.c.due_at < _earlier.c.due_at,
    )
    .values(due_at=_earlier.c.due_at)
)
"""Deliveries behind a head that is not due are not due either, so that a claim's cost does not grow with the
backlog."""


def save_results(connection: Connection, results: Sequence[DeliveryResult]) -> None:
    """Write down the results of tries. A dead delivery lets its stream continue."""
    delivered = [(each.delivery_id, each.owner) for each in results if each.status == "DELIVERED"]
    if delivered:
        connection.execute(_DELIVERED, {"owned": delivered})
    failed = [each for each in results if each.status != "DELIVERED"]
    if failed:
        connection.execute(_NOT_DELIVERED, [_failure(each) for each in failed])
    if held_back := [each.delivery_id for each in failed if each.status == "PENDING" and each.counts]:
        connection.execute(_FOLLOWERS, {"heads": held_back})


def _failure(result: DeliveryResult) -> dict[str, Any]:
    return {
        "of_delivery": result.delivery_id,
        "by_owner": result.owner,
        "new_status": result.status,
        "error": result.error,
        "delay": result.delay,
        "uncounted": int(not result.counts),
    }
