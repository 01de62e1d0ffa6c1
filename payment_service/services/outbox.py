"""Looking after deliveries: what operators see of the outbox, and sending things again."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from payment_service.connection import TransactionLost
from payment_service.repositories import outbox
from payment_service.services.dependencies import Dependencies

BATCH = 500
"""Deliveries made due again in one transaction."""


def listed(
    deps: Dependencies, limit: int, *, sink: str | None, status: str | None, since: datetime | None
) -> list[dict[str, Any]]:
    """The newest deliveries, narrowed by sink, status and the moment since which they exist."""
    with deps.database.reading() as connection:
        return [dict(row) for row in outbox.listed(connection, limit, sink=sink, status=status, since=since)]


def show(deps: Dependencies, delivery_id: int) -> Mapping[str, Any] | None:
    """One delivery with its event, None where there is none."""
    with deps.database.reading() as connection:
        row = outbox.show(connection, delivery_id)
    return None if row is None else {**row, "payload": row["body"]}


def replayable(deps: Dependencies, *, sink: str | None, dead: bool, since: datetime | None) -> Sequence[int]:
    """The ids of settled deliveries that match, oldest first; `dead` leaves out what was delivered."""
    with deps.database.reading() as connection:
        return outbox.replayable(connection, sink=sink, status="DEAD" if dead else None, since=since)


def replay(deps: Dependencies, ids: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Make these due again, batch by batch; yields how many were asked for and how many were not due already."""
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        yield len(batch), _replay(deps, batch)


def _replay(deps: Dependencies, ids: Sequence[int]) -> int:
    for attempt in deps.database.attempts():
        with attempt, deps.database.atomic("replay") as connection:
            return outbox.replay(connection, ids)
    raise TransactionLost
