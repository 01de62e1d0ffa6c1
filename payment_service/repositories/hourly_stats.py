"""The changes of payments hour by hour, aggregated: showing a day has a cost that does not grow."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import bindparam, func, select

from payment_service.connection import Connection
from payment_service.domain.hourly_stats import Change, hour_of
from payment_service.models import hourly_tallies, transactions, watermarks

MOST = 10_000
"""The most unaggregated changes that are read: with more, no worker aggregates, and the newest hour lags."""

_KEY = [column.name for column in hourly_tallies.primary_key]


def add(connection: Connection, changes: Iterable[Change]) -> None:
    """Count changes for the hours they happened in; in one order for all, as tallies are."""
    for change, times in sorted(Counter(changes).items()):
        connection.write("add_hourly_tally", {**vars(change), "times": times})


_FOLDED = select(*(hourly_tallies.c[name] for name in _KEY), hourly_tallies.c.times).where(
    hourly_tallies.c.hour >= bindparam("since")
)
_BEHIND = (
    select(
        transactions.c.created_at,
        transactions.c.move,
        func.coalesce(transactions.c.from_status, "").label("from_status"),
        transactions.c.status,
    )
    .where(
        transactions.c.transaction_log_id
        > select(func.coalesce(func.max(watermarks.c.value), 0)).where(watermarks.c.name == "journal").scalar_subquery()
    )
    .order_by(transactions.c.transaction_log_id)
    .limit(MOST)
)


def read(connection: Connection, since: datetime) -> Counter[Change]:
    """Return how often each change happened in each hour since then, aggregated or not. Needs a snapshot."""
    counted: Counter[Change] = Counter()
    for row in connection.execute(_FOLDED, {"since": since}):
        counted[Change(*row[: len(_KEY)])] += row.times
    for at, *words in connection.execute(_BEHIND):
        if at >= since:
            counted[Change(hour_of(at), *words)] += 1
    return counted
