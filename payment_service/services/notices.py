"""Gateways' notices: the service stores each once, and it brings the next look-up forward. No notice decides anything.

A notice about an open operation lets recovery look it up now. The worker looks into all other notices, never the
request that brought one.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import structlog

from payment_service import metrics
from payment_service.connection import Connection
from payment_service.domain.errors import DatabaseUnavailable, NotFound, ServiceError
from payment_service.domain.records import IdempotencyKey
from payment_service.gateways.notices import Forged, Notice, NotifyingGateway, sends_notices
from payment_service.repositories import notices
from payment_service.repositories.notices import StoredNotice
from payment_service.services.dependencies import Dependencies
from payment_service.services.later import look_again
from payment_service.services.seen import Seen

log = structlog.get_logger(__name__)

BATCH = 50
"""Notices that one transaction looks at."""

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 3600.0
"""Seconds before the worker tries a notice again that fits nothing yet: doubling, then every hour."""

PATIENCE = 3 * 86400.0
"""Seconds for which the worker tries it; then it stays for a person to see."""

SETTLED = (Seen.UNCHANGED, Seen.REVISED)

KEPT = timedelta(days=30)
"""How long a notice is kept: a gateway lists its own events for no longer."""


class NoticeForged(ServiceError):
    """The gateway has not signed this, or not with a secret that is configured here, or not just now"""

    code = "notice_not_genuine"


def sender(deps: Dependencies, word: str) -> tuple[str, NotifyingGateway]:
    """Return the gateway that `word` names in a path (`stripe`) and its full name (`stripe/live`). Raises NotFound."""
    for name, gateway in deps.gateways:
        if name.partition("/")[0] == word and sends_notices(gateway):
            return name, gateway
    raise NotFound(f"No gateway {word} is configured that sends notices")


def receive(deps: Dependencies, word: str, headers: Mapping[str, str], body: bytes, query: Mapping[str, str]) -> None:
    """Store the notices of a request to a gateway's webhook; the names of the headers are in lower case.

    Raises NotFound, NoticeForged, DatabaseUnavailable.
    """
    name, gateway = sender(deps, word)
    received = gateway.read_notice(headers, body, query)
    if isinstance(received, Forged):
        metrics.notice_received(name, "forged")
        log.warning("notice.forged", gateway=name, why=received.reason)
        raise NoticeForged
    store(deps, name, received)


def store(deps: Dependencies, gateway_name: str, received: Sequence[Notice]) -> int:
    """Store the new ones of a gateway's notices. Return how many. Raises DatabaseUnavailable.

    In the same transaction each of them wakes the open operation that it is about.
    """
    gateway = deps.gateways.named(gateway_name)
    whole = gateway is not None and gateway.capabilities.found_by_notice
    stored = deps.database.run("notice", _store, gateway_name, received, whole)
    for number in range(len(received)):
        metrics.notice_received(gateway_name, "stored" if number < stored else "duplicate")
    return stored


def _store(connection: Connection, gateway_name: str, received: Sequence[Notice], whole: bool) -> int:
    stored = 0
    for notice in sorted(received, key=lambda each: each.event_id):  # one order in all processes
        if notice.is_hint:
            ours = notices.known_keys(connection, notice.gateway_keys)
            stored += _take_hint(connection, gateway_name, notice, ours)
            continue
        known = {key: notices.is_open(connection, key) for key in notice.gateway_keys}
        gateway_key = _chosen(known)
        notice_id = notices.store(connection, gateway_name, notice, gateway_key, whole=whole)
        stored += notice_id is not None
        if notice_id is not None and gateway_key and known[gateway_key] and notices.wake(connection, gateway_key):
            notices.mark_handled(connection, notice_id)
    return stored


def _take_hint(connection: Connection, gateway_name: str, hint: Notice, known: Mapping[str, IdempotencyKey]) -> bool:
    """Store a hint about a payment of ours. Return whether it is new.

    It wakes all open operations of the payment, since refunds have no address of their own. If an owner works on one of
    them, it may have looked too early: then the hint stays due, even one that was handled a moment before.
    """
    gateway_key = hint.gateway_keys[0]
    operation = known[gateway_key].operation if gateway_key in known else None
    if operation is None or operation.gateway_reference != hint.reference:
        return False
    still_open = notices.open_keys(connection, operation.payment_id)
    woken = [notices.wake(connection, key) for key in still_open]
    notice_id = notices.store(connection, gateway_name, hint, gateway_key, whole=False)
    if not all(woken):
        notices.let_be_due(connection, gateway_name, hint.event_id)
    elif notice_id is not None and gateway_key in still_open:
        notices.mark_handled(connection, notice_id)
    return notice_id is not None


def _chosen(known: Mapping[str, bool | None]) -> str | None:
    """Choose the key to file a notice under: an open operation's, or the latest known one, or the latest."""
    return max(known, key=lambda key: (known[key] is True, known[key] is not None), default=None)


def _is_woken(connection: Connection, key: IdempotencyKey) -> bool:
    return key.response_status is None and notices.wake(connection, str(key.gateway_key))


def handle_due(deps: Dependencies, is_stopping: Callable[[], bool] = lambda: False) -> Counter[str]:
    """Look at due notices, at most BATCH. Raises DatabaseUnavailable.

    Returns how many `woke` an operation, were `known`, were `revised`, or must be tried `again`.
    """
    outcomes, to_revise = deps.database.run("notice", _sort_out, deps)
    for notice in to_revise:
        if is_stopping():
            break
        try:
            is_done = revise(deps, notice)
        except DatabaseUnavailable:
            raise
        except Exception:  # a notice that fails must not stop the others
            log.exception("notice.failed", notice_id=notice.notice_id, event_id=notice.event_id)
            is_done = False
        if is_done:
            deps.database.run("notice", notices.mark_handled, notice.notice_id)
        outcomes["revised" if is_done else "again"] += 1
    return outcomes


def _sort_out(connection: Connection, deps: Dependencies) -> tuple[Counter[str], list[StoredNotice]]:
    """Wake open operations, end notices without news, postpone the rest. Return the counts and the rest to look up."""
    outcomes: Counter[str] = Counter()
    due, to_revise = notices.lock_due(connection, BATCH), []
    for notice in due:
        try:
            key = _key_of(connection, notice)
        except (LookupError, TypeError, ValueError):  # words of a newer release must not stop the other notices
            log.exception("notice.unreadable", notice_id=notice.notice_id)
            notices.postpone(connection, notice.notice_id, _pause(notice))
            continue
        if key is not None and _is_woken(connection, key):
            outcome = "woke"
        elif key is not None and _tells_nothing_new(deps, notice, key):
            outcome = "known"
        else:
            notices.postpone(connection, notice.notice_id, _pause(notice))
            if key is None or key.response_status is not None:
                to_revise.append(notice)
            else:
                outcomes["again"] += 1  # an owner works on it
            continue
        notices.mark_handled(connection, notice.notice_id)
        outcomes[outcome] += 1
    return outcomes, to_revise


def _key_of(connection: Connection, notice: StoredNotice) -> IdempotencyKey | None:
    if notice.gateway_key is None:
        return None
    return notices.known_keys(connection, [notice.gateway_key]).get(notice.gateway_key)


def _pause(notice: StoredNotice) -> float:
    if notice.age > PATIENCE:
        return KEPT.total_seconds()
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(notice.attempts, 12))


def _tells_nothing_new(deps: Dependencies, notice: StoredNotice, key: IdempotencyKey) -> bool:
    """Return whether a finished operation has the outcome of the notice already, as is nearly always so."""
    gateway = deps.gateways.named(notice.gateway)
    told = gateway.told_by(notice.type) if sends_notices(gateway) else None
    return key.response_status is not None and told is not None and told is key.operation_status


def revise(deps: Dependencies, notice: StoredNotice) -> bool:
    """Look again at the finished operation or the dispute that a notice is about, and write down its change.

    Returns False if it must be tried again. A notice that needs a person stays, and so does the alert.
    """
    seen = [look_again(deps, notice.gateway, gateway_key=notice.gateway_key, reference=notice.reference)]
    seen += [look_again(deps, notice.gateway, gateway_key=each) for each in _refunds_hinted_at(deps, notice)]
    for each in seen:
        if each not in SETTLED:
            told = {"gateway": notice.gateway, "event_id": notice.event_id, "type": notice.type}
            log.warning("notice.not_settled", **told, seen=each)
    return all(each in SETTLED for each in seen)


def _refunds_hinted_at(deps: Dependencies, notice: StoredNotice) -> Sequence[str]:
    """Return the gateway keys of the finished refunds that a notice about their payment may be about."""
    gateway = deps.gateways.named(notice.gateway)
    if gateway is None or not gateway.capabilities.hints_at_payments or notice.gateway_key is None:
        return ()
    with deps.database.reading() as connection:
        return notices.refunds_beside(connection, notice.gateway_key)
