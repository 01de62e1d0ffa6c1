"""Operators' view of the outbox, and replays of deliveries in their name."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import RowMapping

from payment_service import clock
from payment_service.domain.errors import DO_NOT_RETRY, ServiceError
from payment_service.models.outbox import GIVEN_UP
from payment_service.repositories import deliveries
from payment_service.services.dependencies import Dependencies

log = structlog.get_logger(__name__)

BATCH = 500
"""Deliveries made due again in one transaction."""

PAGE = 25


class NotDeadLettered(ServiceError):
    """This delivery is not given up: it has been sent again already, or there is none of this number"""

    status = 409
    code = "delivery_not_dead"
    retry = DO_NOT_RETRY


@dataclass(frozen=True)
class GivenUp:
    """A page of dead letters, newest first; `sinks` have any, `before` starts the next page, None on the last."""

    deliveries: Sequence[Mapping[str, Any]]
    sinks: Sequence[str]
    before: int | None


def listed(
    deps: Dependencies, limit: int, *, sink: str | None, status: str | None, since: datetime | None
) -> list[dict[str, Any]]:
    """Return the newest deliveries, narrowed by sink, status and the moment since which they exist."""
    with deps.database.reading() as connection:
        rows = deliveries.listed(connection, limit, sink=sink, status=status, since=since)
    return [{name: row[name] for name in deliveries.SHORT} for row in rows]


def given_up(deps: Dependencies, *, sink: str | None = None, before: int | None = None) -> GivenUp:
    """Return a page of dead letters, of one sink or of all, each with its event."""
    found: list[Any] = []
    sinks: set[str] = set()
    with deps.database.reading() as connection:
        for status in GIVEN_UP:
            for name in deliveries.sinks_with(connection, status):  # one by one, by the index of dead letters
                sinks.add(name)
                if sink in (None, name):
                    found += deliveries.listed(connection, PAGE + 1, sink=name, status=status, before=before)
    newest = sorted(map(dict, found), key=lambda row: row["delivery_id"], reverse=True)
    return GivenUp(newest[:PAGE], sorted(sinks), newest[PAGE - 1]["delivery_id"] if newest[PAGE:] else None)


def show(deps: Dependencies, delivery_id: int) -> Mapping[str, Any] | None:
    """Return one delivery with its event, or None."""
    with deps.database.reading() as connection:
        row = deliveries.show(connection, delivery_id)
    return None if row is None else {**row, "payload": row["body"]}


def replayable(deps: Dependencies, *, sink: str | None, status: str | None, since: datetime | None) -> Sequence[int]:
    """Return the ids of matching ended deliveries, oldest first; without a `status` also of delivered ones."""
    with deps.database.reading() as connection:
        return deliveries.replayable(connection, sink=sink, status=status, since=since)


def newer(deps: Dependencies, delivery_id: int) -> Sequence[Mapping[str, Any]]:
    """Return the deliveries that have overtaken this one: after them the receiver would get an older event."""
    with deps.database.reading() as connection:
        return [dict(row) for row in deliveries.newer(connection, delivery_id)]


def replay(
    deps: Dependencies, ids: Sequence[int], actor: str, *, even_if_newer: bool = False
) -> Iterator[tuple[int, int]]:
    """Make these due again, batch by batch. Yield how many it was given and how many it made due.

    It leaves deliveries that are due already. Without `even_if_newer` it also leaves those that others, which are not
    replayed with them, have overtaken. So the newest batch comes first.
    """
    ids = sorted(ids)
    for start in reversed(range(0, len(ids), BATCH)):
        batch = ids[start : start + BATCH]
        yield len(batch), len(_replay(deps, batch, actor, None, only_given_up=False, even_if_newer=even_if_newer))


def replay_given_up(
    deps: Dependencies, delivery_id: int, actor: str, request_id: str | None, *, even_if_newer: bool
) -> int:
    """Make a dead letter due again. Return the number of its payment. Raises NotDeadLettered."""
    found = _replay(deps, [delivery_id], actor, request_id, only_given_up=True, even_if_newer=even_if_newer)
    if not found:
        raise NotDeadLettered
    return int(found[0]["payment_id"])


def _replay(
    deps: Dependencies,
    ids: Sequence[int],
    actor: str,
    request_id: str | None,
    *,
    only_given_up: bool,
    even_if_newer: bool,
) -> Sequence[RowMapping]:
    """Replay these, and keep the actor beside the payment and in the log."""
    found = deps.database.run(
        "replay",
        deliveries.replay,
        ids,
        actor=actor,
        request_id=request_id,
        at=clock.now(),
        only_given_up=only_given_up,
        even_if_newer=even_if_newer,
        journal=deps.journal,
    )
    for row in found:
        log.info("delivery.replayed", actor=actor, **row)
    return found
