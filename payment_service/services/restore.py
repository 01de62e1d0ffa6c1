"""After a restored backup: new numbers, and the payments that the gateways know and the tables do not."""

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
    """Leave out `gap` numbers of every counter. Return the last number left out, by table.

    The backup has lost rows, and callers hold their numbers. Raises DatabaseUnavailable.
    """
    with deps.database.atomic("after-restore") as connection:
        return numbers.skip(connection, gap)


def reaches_until(deps: Dependencies) -> datetime:
    """Return a moment before which the backup has everything. Raises NothingToGoBy, DatabaseUnavailable."""
    with deps.database.reading() as connection:
        last = journal.last_moment(connection)
    if last is None:
        raise NothingToGoBy
    return last - IN_FLIGHT


def lost(deps: Dependencies, since: datetime, tell: Callable[[Line], None]) -> tuple[list[Result], list[str]]:
    """Reconcile every gateway from `since` until now. Return the results, and the gateways that have no list.

    `tell` gets every line. Raises DatabaseUnavailable if it cannot write a result down.
    """
    results, unlisted = [], []
    for name, gateway in deps.gateways:
        if gateway.capabilities.lists:
            results.append(reconciliation.reconcile(deps, name, since, clock.now(), tell))
        elif gateway.capabilities.remembers:
            unlisted.append(name)
    return results, unlisted
