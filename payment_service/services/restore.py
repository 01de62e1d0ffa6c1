"""After a restored backup: new numbers, and the movements that the gateways know and the tables do not."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from payment_service import clock
from payment_service.domain.operations import Kind, OperationStatus
from payment_service.repositories import journal, numbers, restores, timers
from payment_service.services import reconciliation
from payment_service.services.dependencies import Dependencies
from payment_service.services.differences import Line
from payment_service.services.reconciliation import Result

IN_FLIGHT = timedelta(hours=1)
"""The backup's last journal row can be so much older than the backup's end, and its clock so wrong."""

TIME_TO_REPEAT = timedelta(days=1)
"""How long a payment that waits for its caller is safe from the worker: its charge may be among the lost ones."""

AFTERCARE = timedelta(days=7)
"""The backup holds the moment of an earlier restore; one that much older than its last row is not this restore's."""

OF_ENTRY = ("gateway_key", "kind", "amount", "currency", "reference")


class NothingToGoBy(Exception):
    """The journal is empty: only a person knows until when the backup reaches."""


@dataclass(frozen=True)
class Lost:
    """What the gateways know: a result for each that has a list, and the names of those that have none."""

    results: list[Result]
    unlisted: list[str]


def begin(deps: Dependencies, since: datetime | None, *, is_repeat: bool) -> datetime:
    """Return the moment from which movements may be lost: `since`, or that of the first run, or before the last row.

    The first run keeps it for later ones; `is_repeat`: this is certainly a later one. Lets payments wait longer for
    their callers. Raises NothingToGoBy, DatabaseUnavailable.
    """
    with deps.database.atomic("after-restore") as connection:
        restores.lost_reference(connection, "")  # older tables have no place for what is lost
        last, began = journal.last_moment(connection), restores.began(connection)
        is_known = began is not None and (is_repeat or last is None or last - began <= AFTERCARE)
        found = since or (began if is_known else last and last - IN_FLIGHT)
        if found is None:
            raise NothingToGoBy
        if not is_known or (since and not is_repeat):
            restores.begin(connection, found)
        timers.postpone_all(connection, "pending", TIME_TO_REPEAT.total_seconds())
    return found


def skip_numbers(deps: Dependencies, gap: int) -> Mapping[str, int]:
    """Leave out `gap` numbers of every counter. Return the last number left out, by table.

    The backup has lost rows, and callers hold their numbers. Raises DatabaseUnavailable.
    """
    with deps.database.atomic("after-restore") as connection:
        return numbers.skip(connection, gap)


def find_lost(deps: Dependencies, since: datetime, tell: Callable[[Line], None]) -> Lost:
    """Reconcile every gateway from `since` until now, and write lost movements down: repeats then adopt them.

    `tell` gets every line. Raises DatabaseUnavailable if it cannot write a result down.
    """

    def note(name: str, line: Line) -> None:
        entry, ours = line.entry, line.ours
        is_open = ours is None or ours.operation_status is OperationStatus.PENDING
        if entry is not None and entry.gateway_key is not None and isinstance(entry.kind, Kind) and is_open:
            movement = {column: getattr(entry, column) for column in OF_ENTRY}
            with deps.database.atomic("after-restore") as connection:
                restores.add_lost(connection, {**movement, "gateway": name, "created_at": clock.now()})
        tell(line)

    listing = [name for name, gateway in deps.gateways if gateway.capabilities.lists]
    results = [reconciliation.reconcile(deps, name, since, clock.now(), partial(note, name)) for name in listing]
    return Lost(results, [name for name, _ in deps.gateways if name not in listing])
