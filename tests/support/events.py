"""Events waiting to be delivered, without the payments' trouble of making them, and the judgement of what arrived."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, insert, select, text

from payment_service import clock
from payment_service.db import Database
from payment_service.models import outbox_deliveries, payments, transactions

TYPES = ("payment.created", "payment.completed", "payment.refunded", "payment.failed")


@dataclass(frozen=True)
class Arrival:
    """A received event: its id, the payment and version that its data names, and its bytes."""

    event_id: str
    payment_id: int
    version: int
    body: bytes


def on_brokers(data: Mapping[str, Any]) -> dict[str, Any]:
    """Data as brokers carry it: the ids of payment and order are text."""
    return {name: str(value) if name in {"payment_id", "order_id"} else value for name, value in data.items()}


def pile_up(database: Database, sinks: Sequence[str], count: int, versions: int = 1, first: int = 1) -> set[str]:
    """Events of `count` payments numbered from `first`, `versions` of each, due at every one of `sinks`; their ids.

    For HTTP sinks they are requests to `/v1/notifications`. Body and data are `{"payment_id": …, "version": …}`.
    """
    at = clock.now()
    numbers = range(first, first + count)
    changes = [_change(number, version, at) for version in range(1, versions + 1) for number in numbers]
    rows = [_delivery(change, sink, at) for change in changes for sink in sinks]
    with database.atomic("test") as connection:
        connection.execute(insert(payments), [_payment(number, at) for number in numbers])
        connection.execute(insert(transactions), changes)
        connection.execute(insert(outbox_deliveries), rows)
        if len(rows) > 100:
            connection.execute(text("ANALYZE"))  # which the database does alone, but not at once
    return {str(change["event_id"]) for change in changes}


def _payment(number: int, at: datetime) -> dict[str, Any]:
    amounts = ("amount", "authorized_amount", "captured_amount", "refunded_amount", "refund_pending_amount")
    return {
        "payment_id": number,
        "public_id": uuid4(),
        "channel": "trips",
        "subject": "",
        "payable_id": str(number),
        "currency": "INR",
        "method": "CARD",
        "status": "PENDING",
        "version": 1,
        "reference": f"R{number}",
        "created_at": at,
        "updated_at": at,
        **dict.fromkeys(amounts, Decimal(0)),
    }


def _change(number: int, version: int, at: datetime) -> dict[str, Any]:
    return {
        "payment_id": number,
        "version": version,
        "transaction_type": "PAYMENT",
        "move": "create",
        "status": "PENDING",
        "amount": Decimal(0),
        "captured_amount": Decimal(0),
        "refunded_amount": Decimal(0),
        "description": "piled up",
        "actor": "test",
        "event_id": uuid4(),
        "event_type": TYPES[min(version, len(TYPES)) - 1],
        "created_at": at,
    }


def _delivery(change: dict[str, Any], sink: str, at: datetime) -> dict[str, Any]:
    data = {"payment_id": change["payment_id"], "version": change["version"]}
    address: dict[str, str | None] = {"method": "POST", "path": "/v1/notifications"}
    if sink in {"rabbitmq", "kafka"}:
        address = dict.fromkeys(address)
        data = {"event_id": str(change["event_id"]), "version": change["version"], "data": data}
    return {
        "payment_id": change["payment_id"],
        "event_id": change["event_id"],
        "event_type": change["event_type"],
        "version": change["version"],
        "sink": sink,
        "stream": f"payment:{change['payment_id']}",
        "message_key": str(change["payment_id"]),
        "body": json.dumps(data),
        "status": "PENDING",
        "attempts": 0,
        "due_at": at,
        "created_at": at,
        **address,
    }


def statuses(database: Database, sink: str) -> dict[str, int]:
    """Return how many deliveries of a sink are in each status."""
    counted = select(outbox_deliveries.c.status, func.count().label("number")).where(outbox_deliveries.c.sink == sink)
    with database.reading() as connection:
        rows = connection.execute(counted.group_by(outbox_deliveries.c.status)).all()
    return {row.status: row.number for row in rows}


def delivery(database: Database, sink: str, number: int = 0) -> dict[str, Any]:
    """Return the row of a sink's delivery, counted from the oldest."""
    rows = select(outbox_deliveries).where(outbox_deliveries.c.sink == sink)
    with database.reading() as connection:
        found = connection.execute(rows.order_by(outbox_deliveries.c.delivery_id).offset(number).limit(1))
        return dict(found.mappings().one())


def judge(expected: set[str], arrivals: Iterable[Arrival]) -> dict[str, int]:
    """Return the faults: events lost, first deliveries out of their payment's order, repeats that are not the same."""
    bodies: dict[str, bytes] = {}
    heard: dict[int, int] = defaultdict(int)
    disordered = altered = repeats = 0
    for arrival in arrivals:
        if arrival.event_id in bodies:
            repeats += 1
            altered += bodies[arrival.event_id] != arrival.body
            continue
        bodies[arrival.event_id] = arrival.body
        disordered += arrival.version != heard[arrival.payment_id] + 1
        heard[arrival.payment_id] = arrival.version
    strangers = len(bodies.keys() - expected)
    lost = len(expected - bodies.keys())
    return {"lost": lost, "disordered": disordered, "altered": altered, "strangers": strangers, "repeats": repeats}


def flawless(expected: set[str], arrivals: Iterable[Arrival]) -> int:
    """Assert that nothing was lost, disordered or altered; how many repeats there were, which are legal."""
    found = judge(expected, arrivals)
    repeats = found.pop("repeats")
    assert found == {"lost": 0, "disordered": 0, "altered": 0, "strangers": 0}, found
    return repeats


def moment(text: str) -> datetime:
    """Return a naive timestamp of an envelope, which is in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def as_uuid(text: str) -> UUID:
    """Return the text, which must be a UUID in its usual form."""
    found = UUID(text)
    assert str(found) == text
    return found
