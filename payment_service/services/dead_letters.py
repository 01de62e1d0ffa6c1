"""Deliveries that were given up: listed for operators, and sent again by them, which is written down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from payment_service import clock
from payment_service.domain.errors import DO_NOT_RETRY, ServiceError
from payment_service.repositories import dead_letters
from payment_service.repositories.search import LARGEST
from payment_service.services.dependencies import Dependencies

log = structlog.get_logger(__name__)

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


def dead_deliveries(deps: Dependencies, *, sink: str | None = None, before: int | None = None) -> DeadDeliveries:
    """A page of dead deliveries, of one sink or of all, each with its event."""
    with deps.database.reading() as connection:
        sinks = dead_letters.sinks_with(connection, "DEAD")
        wanted = [name for name in sinks if sink in (None, name)]
        below = LARGEST if before is None else before
        found = [row for name in wanted for row in dead_letters.dead_deliveries(connection, name, below, PAGE + 1)]
    newest = sorted(map(dict, found), key=lambda row: row["delivery_id"], reverse=True)
    return DeadDeliveries(newest[:PAGE], sinks, newest[PAGE - 1]["delivery_id"] if newest[PAGE:] else None)


def replay(deps: Dependencies, delivery_id: int, *, actor: str, request_id: str | None) -> int:
    """Make a dead delivery due again, in the name of `actor`; the number of its payment.

    Who did it is kept beside the payment and logged. Raises NotDead.
    """
    with deps.database.atomic("replay") as connection:
        at = clock.now()
        found = dead_letters.replay_dead(connection, delivery_id, actor=actor, request_id=request_id, at=at)
    if found is None:
        raise NotDeadLettered
    log.info("delivery.replayed", actor=actor, **found)
    return int(found["payment_id"])
