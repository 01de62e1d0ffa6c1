"""Compare the events that receivers got with those that the tables owe them: S12, S13, and nothing lost."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from tests.crash.tables import Row, Tables
from tests.support.receiver import Taken

DECIDED = {"charged", "charge_declined", "partly_refunded", "fully_refunded"}
"""Transitions that the receivers of trips and orders must hear of: the oracle's own opinion."""

TOLD = {"trips": ("trip_notification",), "orders": ("order", "notification")}


def judge_arrivals(tables: Tables, taken: Mapping[str, Sequence[Taken]]) -> list[str]:
    """Return every violation in what each sink has taken, beginning with the name of the invariant."""
    deliveries = tables.rows("outbox_deliveries", "delivery_id")
    found = [text for sink, arrived in taken.items() for text in _of_sink(sink, deliveries, arrived)]
    return found + list(_told(tables, deliveries))


def _of_sink(sink: str, deliveries: Sequence[Row], arrived: Sequence[Taken]) -> Iterator[str]:
    rows = {_id(row["event_id"]): row for row in deliveries if row["sink"] == sink}
    stream: defaultdict[Any, list[int]] = defaultdict(list)
    seen = set()
    for request in arrived:
        event = _id(request.headers["Webhook-Id"])
        row = rows.get(event)
        if row is None:
            yield f"S11 {sink}: heard of {event}, which nobody wrote down"
            continue
        if (request.method, request.path, request.body.decode()) != (row["method"], row["path"], row["body"]):
            yield f"S12 {sink}: {event} came as {request.body!r}, written down is {row['body']}"
        if event not in seen:
            seen.add(event)
            stream[row["stream"]].append(row["delivery_id"])
    for event, row in rows.items():
        if event not in seen:
            yield f"S13 {sink}: {event} is {row['status']} and was never received"
        elif row["status"] != "DELIVERED":
            yield f"L5 {sink}: {event} was received and is {row['status']}"
    for name, numbers in stream.items():
        if numbers != sorted(numbers):
            yield f"S12 {sink}: first deliveries of {name} came as {numbers}"


def _told(tables: Tables, deliveries: Sequence[Row]) -> Iterator[str]:
    """S11: every decision about money has its event, and each receiver concerned a delivery of it."""
    meant = {(_id(row["event_id"]), row["sink"]) for row in deliveries}
    channels = {row["payment_id"]: row["channel"] for row in tables.rows("payments", "payment_id")}
    for row in tables.rows("transactions", "transaction_log_id"):
        for sink in TOLD.get(channels[row["payment_id"]], ()) if row["move"] in DECIDED else ():
            if row["event_id"] is None or (_id(row["event_id"]), sink) not in meant:
                yield f"S11 {sink}: is not told of {row['move']} of payment {row['payment_id']}"


def _id(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(str(value))
