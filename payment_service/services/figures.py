"""The figures of the business: read at any moment, exact, at a cost that does not grow with the tables."""

from payment_service.domain.figures import Figures, Totals
from payment_service.repositories import figures, tallies
from payment_service.services.runtime import Runtime

BATCH = 2000
"""Marks folded in one transaction, and the most that a reader leaves to the worker."""


def current(runtime: Runtime) -> Figures:
    """What the database tells of the business now. Raises DatabaseUnavailable.

    Where nobody folds, whoever reads does: else the next reading would cost more and more.
    """
    with runtime.database.reading() as connection:
        told, marks = tallies.read(connection)
        found = Figures(Totals(told), figures.of_sinks(connection, sorted(runtime.sinks)), figures.of_keys(connection))
    if marks > BATCH:
        fold(runtime)
    return found


def fold(runtime: Runtime) -> int:
    """Fold one batch of marks into the tallies; how many there were."""
    return runtime.database.retrying(lambda: _fold(runtime))


def _fold(runtime: Runtime) -> int:
    with runtime.database.atomic("fold") as connection:
        return tallies.fold(connection, BATCH)
