"""Business metrics: exact at any moment, at a cost that does not grow with the tables."""

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from payment_service import clock
from payment_service.connection import Connection
from payment_service.domain.business_metrics import Figures, LaterFigures, Reconciliation, ReconciliationFigures, Totals
from payment_service.domain.errors import DatabaseUnavailable
from payment_service.models.outbox import GIVEN_UP
from payment_service.repositories import (
    deliveries,
    disputes,
    figures,
    holds,
    notices,
    reconciliation,
    recovery,
    tallies,
)
from payment_service.services.dependencies import Dependencies
from payment_service.services.notices import PATIENCE
from payment_service.services.recovery import advance_watermark

log = structlog.get_logger(__name__)

BATCH = 2000
"""Changes aggregated in one transaction, and the most that a reader leaves to the worker."""

DIFFERENCES_SHOWN = timedelta(days=30)
"""How long the differences of a period are reported, unless a later run over the period finds none."""


def current(deps: Dependencies, *, folding: bool = True) -> Figures:
    """Read the business metrics from the database. Raises DatabaseUnavailable.

    With `folding`, a reader that finds too many changes aggregates them, so that reading stays cheap without a worker.
    Without it the call writes nothing.
    """
    with deps.database.reading() as connection:
        totals, behind = tallies.read(connection)
        waiting = (name for status in ("PENDING", *GIVEN_UP) for name in deliveries.sinks_with(connection, status))
        off = frozenset(waiting) - deps.sinks
        sinks = figures.of_sinks(connection, sorted(deps.sinks | off))
        later = LaterFigures(*disputes.figures(connection), holds.expiring(connection))
        told = notices.figures(connection, PATIENCE)
        reconciled = _reconciled(deps, reconciliation.standing(connection, clock.now() - DIFFERENCES_SHOWN))
        found = Figures(Totals(totals), sinks, recovery.figures(connection), told, later, off, reconciled)
    if folding:
        _try_to_catch_up(deps, behind)
    return found


def _reconciled(deps: Dependencies, standing: Mapping[str, Sequence[Reconciliation]]) -> list[ReconciliationFigures]:
    """Return the figures of each gateway that has a list, or that was reconciled before."""
    now, found = clock.now(), []
    for name, gateway in deps.gateways:
        periods = standing.get(name, ())
        if periods or gateway.capabilities.lists:
            age = max(0.0, (now - periods[0].until).total_seconds()) if periods else math.inf
            found.append(ReconciliationFigures(name, age, periods))
    return found


def if_told(deps: Dependencies) -> Figures | None:
    """Return `current`, or None if the database does not answer: for callers that also report other things."""
    try:
        return current(deps)
    except DatabaseUnavailable:
        log.warning("metrics.without_figures")
    except SQLAlchemyError:  # the database answers, but not this query
        log.exception("metrics.without_figures")
    return None


def _try_to_catch_up(deps: Dependencies, behind: int) -> None:
    """Do the worker's part: aggregate the journal, and move the watermark behind which no key is unfinished."""
    try:
        if behind > BATCH:
            aggregate(deps)
        advance_watermark(deps)
    except DatabaseUnavailable:
        log.warning("figures.not_folded")
    except Exception:  # the metrics read before are right and must reach the caller
        log.exception("figures.not_folded")


def aggregate(deps: Dependencies) -> int:
    """Take the next look at the journal. Return how many changes it added to the tallies, 0 if none is decided."""
    # Two transactions: within one, PostgreSQL shows the same sessions again.
    deps.database.run("aggregate", _look_first)
    return deps.database.run("aggregate", _aggregate)


def _look_first(connection: Connection) -> None:
    watermark = tallies.begin(connection)
    if watermark is not None and watermark.look is None and not tallies.has_hidden_writers(connection):
        tallies.first_look(connection)


def _aggregate(connection: Connection) -> int:
    watermark = tallies.begin(connection)
    if watermark is None or watermark.look is None or not tallies.is_decided(connection, watermark):
        return 0
    return tallies.aggregate(connection, watermark, BATCH)
