"""Looking after deliveries: what operators see of the outbox, and sending things again in their name."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import RowMapping

from payment_service import clock
from payment_service.domain.errors import DO_NOT_RETRY, ServiceError
from payment_service.repositories import deliveries
from payment_service.services.dependencies import Dependencies

log = structlog.get_logger(__name__)

BATCH = 500
"""Deliveries made due again in one transaction."""

PAGE = 25


class NotDeadLettered(ServiceError):
    """This delivery is not dead: it has been sent again already, or there is none of this number"""

    status = 409
    code = "delivery_not_dead"
    retry = DO_NOT_RETRY


@dataclass(frozen=True)
class DeadDeliveries:
    """Dead deliveries, newest first; `sinks` have any, `before` is where the next page begins, None on the last."""

    deliveries: Sequence[Mapping[str, Any]]
    sinks: Sequence[str]
    before: int | None


def listed(
    deps: Dependencies, limit: int, *, sink: str | None, status: str | None, since: datetime | None
) -> list[dict[str, Any]]:
    """The newest deliveries, narrowed by sink, status and the moment since which they exist."""
    with deps.database.reading() as connection:
        rows = deliveries.listed(connection, limit, sink=sink, status=status, since=since)
    return [{name: row[name] for name in deliveries.SHORT} for row in rows]


def dead(deps: Dependencies, *, sink: str | None = None, before: int | None = None) -> DeadDeliveries:
    """A page of dead deliveries, of one sink or of all, each with its event."""
    with deps.database.reading() as connection:
        sinks = deliveries.sinks_with(connection, "DEAD")
        found: list[Any] = []
        for name in sinks:  # one by one, by the index of the dead
            if sink in (None, name):
                found += deliveries.listed(connection, PAGE + 1, sink=name, status="DEAD", before=before)
    newest = sorted(map(dict, found), key=lambda row: row["delivery_id"], reverse=True)
    return DeadDeliveries(newest[:PAGE], sinks, newest[PAGE - 1]["delivery_id"] if newest[PAGE:] else None)


def show(deps: Dependencies, delivery_id: int) -> Mapping[str, Any] | None:
    """One delivery with its event, None where there is none."""
    with deps.database.reading() as connection:
        row = deliveries.show(connection, delivery_id)
    return None if row is None else {**row, "payload": row["body"]}


def replayable(deps: Dependencies, *, sink: str | None, dead: bool, since: datetime | None) -> Sequence[int]:
    """The ids of settled deliveries that match, oldest first; `dead` leaves out what was delivered."""
    with deps.database.reading() as connection:
        return deliveries.replayable(connection, sink=sink, status="DEAD" if dead else None, since=since)


def replay(deps: Dependencies, ids: Sequence[int], actor: str) -> Iterator[tuple[int, int]]:
    """Make these due again, batch by batch; yields how many were asked for and how many were not due already."""
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        yield len(batch), len(_replay(deps, batch, actor, None, only_dead=False))


def replay_dead(deps: Dependencies, delivery_id: int, actor: str, request_id: str | None) -> int:
    """Make a dead delivery due again; the number of its payment. Raises NotDeadLettered."""
    found = _replay(deps, [delivery_id], actor, request_id, only_dead=True)
    if not found:
        raise NotDeadLettered
    return int(found[0]["payment_id"])


def _replay(
    deps: Dependencies, ids: Sequence[int], actor: str, request_id: str | None, *, only_dead: bool
) -> Sequence[RowMapping]:
    """Who did it is kept beside the payment, and logged."""
    at = clock.now()
    found = deps.database.run(
        "replay", deliveries.replay, ids, actor=actor, request_id=request_id, at=at, only_dead=only_dead
    )
    for row in found:
        log.info("delivery.replayed", actor=actor, **row)
    return found
