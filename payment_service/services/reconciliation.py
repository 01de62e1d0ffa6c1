"""Comparing a gateway's own list of a period with our operations, in both directions. Changes none of them.

It reads the gateway's list to its end, page by page, and compares each page by gateway key. Then it reads our completed
operations of the period, and looks up each that the list did not have: it may stand in the list of another day. An
entry without a key of ours waits for an operation with its reference, and is a stranger in the end. Memory holds the
numbers of the keys seen, and the strangers.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

import structlog

from payment_service import clock
from payment_service.domain.business_metrics import Reconciliation
from payment_service.domain.errors import GatewayUnavailable, Unavailable
from payment_service.domain.operations import Kind, OperationStatus
from payment_service.failpoints import failpoint
from payment_service.gateways.base import Declined, Gateway, NotSent, Unknown
from payment_service.gateways.listed import Entry, Unasked
from payment_service.gateways.notices import Notice
from payment_service.repositories import reconciliation as repository
from payment_service.repositories.reconciliation import OurOperation
from payment_service.services import differences, notices
from payment_service.services.dependencies import Dependencies
from payment_service.services.differences import DifferenceKind, Line
from payment_service.services.gateway_calls import gateway_request_for

log = structlog.get_logger(__name__)

NOTICE_TYPE = "reconcile"
LOOKED_INTO = frozenset({DifferenceKind.STATE, DifferenceKind.AFTER_DECLINE, DifferenceKind.DISPUTE})
"""Differences that the worker can put right by a look-up. All others are for a person."""

PAGE = 500
"""Entries compared at once."""

SETTLED_WITHIN = timedelta(days=2)
"""The longest time between the request and the completion of an operation that it looks for."""

OUT_OF_ORDER = timedelta(hours=1)
"""How far the numbers of keys and their moments may disagree."""


@dataclass(frozen=True)
class Result:
    """The result of a reconciliation; `cut_short` says why it is not complete."""

    found: Reconciliation
    cut_short: str | None


class CannotBeReconciled(Exception):
    """There is no such gateway, or it has no list."""


def reconcile(
    deps: Dependencies, name: str | None, since: datetime, until: datetime, tell: Callable[[Line], None]
) -> Result:
    """Compare [`since`, `until`) at the gateway `name`, `tell` each line at once, then write the result down.

    No name stands for the only gateway that has a list.

    Raises CannotBeReconciled before it asks anything, DatabaseUnavailable if it cannot write the result down.
    """
    name, gateway = _listing(deps, name)
    until = min(until, clock.now())
    movements = different = 0
    cut_short = None
    try:
        for line in _Comparison(deps, name, gateway, since, until).lines():
            movements += line.entry is not None
            different += line.difference is not None
            tell(line)
            if (notice := _to_look_into(line)) is not None:
                notices.store(deps, name, [notice])
    except Unavailable as error:
        cut_short = error.message
        log.warning("reconciliation.cut_short", gateway=name, why=cut_short)
    found = Reconciliation(name, since, until, movements, different, clock.now())
    with deps.database.atomic("reconcile") as connection:
        repository.record(connection, found, is_complete=cut_short is None)
    return Result(found, cut_short)


def _to_look_into(line: Line) -> Notice | None:
    """Return a notice for the worker, because the gateway's own may be lost: about a state or a dispute.

    A look-up decides, as always: the service returns money that came after a decline, and reverses a failed refund.
    """
    if line.difference is None or line.difference.kind not in LOOKED_INTO:
        return None
    at, reference = clock.now(), line.entry.reference if line.entry else None
    if line.ours is not None and line.ours.operation_status is OperationStatus.PENDING:
        return None  # the worker looks it up anyway
    if line.ours is not None:
        return Notice(f"reconcile/{line.ours.gateway_key}/{at:%Y-%m-%d}", NOTICE_TYPE, at, (line.ours.gateway_key,))
    return Notice(f"reconcile/{reference}/{at:%Y-%m-%d}", NOTICE_TYPE, at, reference=reference) if reference else None


def _listing(deps: Dependencies, name: str | None) -> tuple[str, Gateway]:
    known = dict(deps.gateways)
    listing = sorted(each for each, gateway in known.items() if gateway.capabilities.lists)
    if name is None and len(listing) == 1:
        name = listing[0]
    if name in listing:
        return name, known[name]
    told = f"these have a list of what they moved: {', '.join(listing)}" if listing else "none has a list"
    raise CannotBeReconciled(f"{name or 'the gateway'} cannot be reconciled; of the configured gateways, {told}")


class _Comparison:
    def __init__(self, deps: Dependencies, name: str, gateway: Gateway, since: datetime, until: datetime) -> None:
        self._deps = deps
        self._name = name
        self._gateway = gateway
        self._since = since
        self._until = until
        self._seen: set[int] = set()
        self._unnamed: dict[tuple[str, str], tuple[Entry, int | None]] = {}

    def lines(self) -> Iterator[Line]:
        """Yield every line of the report. Raises Unavailable."""
        for page in _paged(self._gateway.ledger(self._since, self._until)):
            yield from self._theirs(page)
            failpoint("reconcile.page")
        yield from self._ours()
        for entry, payment_id in self._unnamed.values():
            yield differences.stranger(entry, payment_id)

    def _theirs(self, page: list[Entry]) -> Iterator[Line]:
        keys = {key for entry in page for key in (entry.gateway_key, entry.parent_key) if key is not None}
        disputes = [entry.reference for entry in page if entry.kind is Unasked.DISPUTE and entry.reference]
        with self._deps.database.reading() as connection:
            ours = repository.by_gateway_keys(connection, keys) if keys else {}
            known = repository.known_disputes(connection, self._name, disputes) if disputes else frozenset()
        for entry in page:
            own, parent = ours.get(entry.gateway_key or ""), ours.get(entry.parent_key or "")
            payment_id = parent.payment_id if parent else None
            place = (entry.reference or "", str(entry.kind))
            if entry.kind is Unasked.DISPUTE:
                difference = None if entry.reference in known else differences.UNKNOWN_DISPUTE
                yield Line(entry, None, difference, payment_id)
            elif own is not None:
                yield self._judged(entry, own)
            elif entry.gateway_key is None and entry.reference and place not in self._unnamed:
                self._unnamed[place] = (entry, payment_id)
            else:
                yield differences.stranger(entry, payment_id)

    def _judged(self, entry: Entry, ours: OurOperation) -> Line:
        line = differences.judged(entry, ours, is_seen=ours.key_id in self._seen)
        if isinstance(entry.kind, Kind):
            self._seen.add(ours.key_id)
        return replace(line, difference=None) if self._is_over(line) else line

    def _is_over(self, line: Line) -> bool:
        """Return whether a hold that failed here existed and expired before we knew of it. Raises Unavailable."""
        is_late = line.difference is not None and line.difference.kind is DifferenceKind.AFTER_DECLINE
        if not is_late or line.ours is None or line.ours.kind is not Kind.AUTHORIZE:
            return False
        with self._deps.database.reading() as connection:
            ((operation, payment),) = repository.with_payments(connection, [line.ours.key_id])
        result = self._gateway.lookup(gateway_request_for(payment, operation))
        if isinstance(result, NotSent | Unknown):
            raise GatewayUnavailable(f"the gateway cannot be asked: {result.reason}")
        return isinstance(result, Declined)

    def _ours(self) -> Iterator[Line]:
        """Yield the lines of our operations that the list lacks, or lists without our key."""
        with self._deps.database.reading() as connection:
            number = repository.number_before(connection, self._since - SETTLED_WITHIN - OUT_OF_ORDER)
        while page := self._page_after(number):
            number = page[-1].key_id
            unseen = []
            for each in page:
                place = (each.gateway_reference or "", str(each.kind))
                if each.key_id in self._seen:
                    continue
                if place in self._unnamed:
                    yield self._judged(self._unnamed.pop(place)[0], each)
                elif self._is_settled_within(each):
                    unseen.append(each)
            yield from self._looked_up(unseen)
            if page[0].created_at >= self._until + OUT_OF_ORDER:
                return

    def _page_after(self, number: int) -> list[OurOperation]:
        with self._deps.database.reading() as connection:
            return list(repository.after(connection, number))

    def _is_settled_within(self, ours: OurOperation) -> bool:
        """Return whether it succeeded here, went to a gateway, and began or ended in the period."""
        is_success = ours.operation_status is OperationStatus.SUCCEEDED and (ours.amount > 0 or ours.kind is Kind.VOID)
        return is_success and self._since <= ours.updated_at and ours.created_at < self._until

    def _looked_up(self, unseen: list[OurOperation]) -> Iterator[Line]:
        """Look these up at the gateway, and yield a line for each that it does not know as we do."""
        if not unseen:
            return
        with self._deps.database.reading() as connection:
            pairs = repository.with_payments(connection, [each.key_id for each in unseen])
        by_id = {each.operation_id: each for each in unseen}
        for operation, payment in pairs:
            if self._deps.gateways.named(payment.gateway) is not self._gateway:
                continue
            ours = by_id[operation.operation_id]
            result = self._gateway.lookup(gateway_request_for(payment, operation))
            if (difference := differences.found_otherwise(result, ours)) is not None:
                yield Line(None, ours, difference, ours.payment_id)


def _paged(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    iterator = iter(entries)
    while page := list(islice(iterator, PAGE)):
        yield page
