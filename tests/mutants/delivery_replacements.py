"""The same for delivery, recovery and purge."""

import threading
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, func, or_, select, update

from payment_service import clock
from payment_service.db import Database
from payment_service.domain.deliveries import Delivery
from payment_service.models import idempotency_keys as keys
from payment_service.models import outbox_deliveries as deliveries
from payment_service.repositories import outbox

Function = Callable[..., Any]

FIELDS = Delivery.__dataclass_fields__


def adding_deliveries_later(original: Function) -> Function:
    """Of `Connection.write`: deliveries come after the commit, in a transaction of their own."""

    def write(connection: Any, name: str, values: Any) -> None:
        if name != "insert_delivery":
            original(connection, name, values)
            return
        database = Database(connection.core.engine)

        def late() -> None:
            clock.sleep(0.1)
            with database.atomic("late") as other:
                original(other, name, values)

        threading.Thread(target=late, daemon=True).start()

    return write


def marking_before_sending(original: Function) -> Function:
    """Of `outbox.claim`."""

    def claim(connection: Any, sink: str, owner: str, *others: Any) -> Any:
        claimed = original(connection, sink, owner, *others)
        results = [outbox.DeliveryResult(each.delivery_id, owner, "DELIVERED") for each in claimed]
        outbox.save_results(connection, results)
        return claimed

    return claim


def claiming_whatever_is_due(original: Function) -> Function:
    """Of `outbox.claim`: a delivery does not wait for the one before it under its ordering key."""
    table = deliveries.c
    columns = [table.created_at.label(name) if name == "occurred_at" else table[name] for name in FIELDS]

    def claim(connection: Any, sink: str, owner: str, lease: float, limit: int) -> list[Delivery]:
        is_free = or_(table.leased_until.is_(None), table.leased_until < clock.now())
        due = select(table.delivery_id).where(table.sink == sink, table.status == "PENDING", is_free).limit(limit)
        leased_until = clock.now() + timedelta(seconds=lease)
        mine = update(deliveries).where(table.delivery_id.in_(due))
        connection.execute(mine.values(owner=owner, attempts=table.attempts + 1, leased_until=leased_until))
        found = connection.execute(select(*columns).where(table.owner == owner).order_by(table.delivery_id))
        return [Delivery(**row) for row in found.mappings()]

    return claim


def reading_on_behind_the_last(original: Function) -> Function:
    """Of `outbox.claim`: it never looks at a smaller number than one claimed before."""
    last: defaultdict[str, int] = defaultdict(int)

    def claim(connection: Any, sink: str, *others: Any) -> Any:
        claimed = [each for each in original(connection, sink, *others) if each.delivery_id > last[sink]]
        last[sink] = max([last[sink], *(each.delivery_id for each in claimed)])
        return claimed

    return claim


def without_mandatory(original: Function) -> Function:
    """Of pika's `basic_publish`."""
    return lambda channel, *arguments, mandatory: original(channel, *arguments, mandatory=False)


def passing_everything(original: Function) -> Function:
    """Of `next_watermark`."""
    return lambda connection: connection.execute(select(func.max(keys.c.key_id))).scalar()


def deleting_unfinished_keys(original: Function) -> Function:
    """Of `retention.purge`."""
    return _deleting(original, keys.c.response_status.is_(None))


def deleting_bound_keys(original: Function) -> Function:
    """Of `retention.purge`."""
    return _deleting(original, keys.c.payment_id.is_not(None) & keys.c.response_status.is_not(None))


def _deleting(original: Function, which: Any) -> Function:
    def purge(connection: Any, key_ids: Any) -> int:
        deleted = connection.execute(delete(keys).where(keys.c.key_id.in_(key_ids), which)).rowcount
        return int(deleted + original(connection, key_ids))

    return purge
