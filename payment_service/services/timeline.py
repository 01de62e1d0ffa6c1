"""One payment's timeline: all that is stored about it, in order of time."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from payment_service.domain.errors import PaymentNotFound
from payment_service.repositories import timeline, users
from payment_service.services.dependencies import Dependencies

Row = Mapping[str, Any]

_IN_ORDER = (
    *(("key", False), ("operation", False), ("refund", False)),
    *(("operation", True), ("change", False), ("refund", True), ("event", False)),
    *(("delivery", True), ("action", False), ("key", True)),
)
"""The order of entries with the same time: the cause before its effect."""


@dataclass(frozen=True)
class TimelineEntry:
    """A row of one kind at its moment. An event has its `deliveries`, and stands where it begins.

    Operations and refunds that have ended are two entries, the second with `is_end`.
    """

    at: datetime
    kind: str
    row: Row
    is_end: bool = False
    deliveries: Sequence[Row] = ()


@dataclass(frozen=True)
class Timeline:
    """A payment's row, its owner's email if known, all entries, and its disputes.

    If a kind has too many rows, `cut` is how many of each kind are shown, the oldest; None if all are.
    """

    payment: Row
    email: str | None
    entries: Sequence[TimelineEntry]
    cut: int | None
    disputes: Sequence[Row]


def of_payment(deps: Dependencies, payment_id: int) -> Timeline:
    """Return the payment's timeline, oldest first, at one moment of the database. Raises PaymentNotFound."""
    with deps.database.snapshot() as connection:
        payment = timeline.payment(connection, payment_id)
        if payment is None:
            raise PaymentNotFound
        rows = timeline.of_payment(connection, payment_id)
        disputes = [dict(row) for row in timeline.disputes_of(connection, payment_id)]
        user = users.find(connection, payment["subject"]) if payment["subject"] else None
    is_cut = any(len(found) > timeline.MOST for found in rows.values())
    entries = sorted(_entries(rows), key=lambda entry: (entry.at, _IN_ORDER.index((entry.kind, entry.is_end))))
    return Timeline(dict(payment), user[0] if user else None, entries, timeline.MOST if is_cut else None, disputes)


def _entries(rows: Mapping[str, Sequence[Any]]) -> Iterator[TimelineEntry]:
    of_event: dict[Any, list[Row]] = defaultdict(list)
    for delivery in rows["delivery"][: timeline.MOST]:
        of_event[delivery["event_id"]].append(dict(delivery))
    for kind in timeline.KINDS:
        for row in map(dict, rows[kind][: timeline.MOST]):
            yield from _ENTRIES[kind](row, of_event)


def _change(row: Row, of_event: Mapping[Any, Sequence[Row]]) -> Iterator[TimelineEntry]:
    yield TimelineEntry(row["created_at"], "change", row)
    if row["event_id"] is not None:
        yield TimelineEntry(row["created_at"], "event", row, deliveries=of_event.get(row["event_id"], ()))


def _key(row: Row, _: Any) -> Iterator[TimelineEntry]:
    yield TimelineEntry(row["created_at"], "key", row)
    if row["kind"] is not None:
        yield TimelineEntry(row["created_at"], "operation", row)
    if row["response_status"] is not None:
        if row["kind"] is not None and row["status"] != "PENDING":
            yield TimelineEntry(row["updated_at"], "operation", row, is_end=True)
        yield TimelineEntry(row["updated_at"], "key", row, is_end=True)


def _refund(row: Row, _: Any) -> Iterator[TimelineEntry]:
    yield TimelineEntry(row["created_at"], "refund", row)
    if row["status"] != "PENDING":
        yield TimelineEntry(row["updated_at"], "refund", row, is_end=True)


def _delivery(row: Row, _: Any) -> Iterator[TimelineEntry]:
    """Add an entry for its arrival: its event shows the delivery before that."""
    if row["delivered_at"] is not None:
        yield TimelineEntry(row["delivered_at"], "delivery", row, is_end=True)


def _action(row: Row, _: Any) -> Iterator[TimelineEntry]:
    yield TimelineEntry(row["created_at"], "action", row)


_ENTRIES = {"change": _change, "key": _key, "refund": _refund, "delivery": _delivery, "action": _action}
