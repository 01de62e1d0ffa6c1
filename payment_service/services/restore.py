"""After a restored backup: numbers that nobody has seen, and what the gateways know beyond the tables."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from payment_service import clock
from payment_service.repositories import journal, numbers
from payment_service.services import reconciliation
from payment_service.services.dependencies import Dependencies
from payment_service.services.differences import Line
from payment_service.services.reconciliation import Result

IN_FLIGHT = timedelta(hours=1)
"""The backup's last journal row can be so much older than the backup's end, and its clock so wrong."""


class NothingToGoBy(Exception):
    """The journal is empty: only a person knows until when the backup reaches."""


def skip_numbers(deps: Dependencies, gap: int) -> Mapping[str, int]:
    """Leave out `gap` numbers of every counter: the number after which each goes on, by table.

    The backup has lost rows whose numbers callers hold. Raises DatabaseUnavailable.
    """
    with deps.database.atomic("after-restore") as connection:
        return numbers.skip(connection, gap)


def reaches_until(deps: Dependencies) -> datetime:
    """A moment before which the backup has everything. Raises NothingToGoBy, DatabaseUnavailable."""
    with deps.database.reading() as connection:
        last = journal.last_moment(connection)
    if last is None:
        raise NothingToGoBy
    return last - IN_FLIGHT


def lost(deps: Dependencies, since: datetime, tell: Callable[[Line], None]) -> tuple[list[Result], list[str]]:
    """Reconcile every gateway from `since` until now; the results, and the gateways that have no list.

    `tell` gets every line. Raises DatabaseUnavailable where a result cannot be written down.
    """
    results, unlisted = [], []
    for name, gateway in deps.gateways:
        if gateway.capabilities.lists:
            results.append(reconciliation.reconcile(deps, name, since, clock.now(), tell))
        elif gateway.capabilities.remembers:
            unlisted.append(name)
    return results, unlisted
