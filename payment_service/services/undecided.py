"""Undecided operations: the time of the next look-up, and the reasons for a person to look."""

from datetime import timedelta

from payment_service import clock
from payment_service.domain.records import Operation
from payment_service.gateways.base import (
    ActionRequired,
    Approved,
    Contradiction,
    Declined,
    GatewayResult,
    NotSent,
    Pending,
    Unknown,
)
from payment_service.services.gateway_calls import NotAgain

SHORTEST_DELAY, LONGEST_DELAY = 1.0, 300.0
"""Seconds before the recovery worker looks an undecided operation up again: doubling, then every five minutes."""

PATIENCE, LONG_PATIENCE, REVIEW_DELAY = timedelta(hours=24), timedelta(days=14), 3600.0
"""After this time a person must ask about an undecided operation; the worker still looks it up, once an hour. The
longer time is for operations that the gateway works on, such as a bank's refund."""

REJECTS_US = "the gateway does not accept this service's credentials"
"""The beginning of the review reason of an operation that waits for credentials."""


def review_reason(operation: Operation, result: GatewayResult) -> str | None:
    """Return why a person must look: an approval not believed, a send never safe again, a day of waiting; or None."""
    if rejects_us(result):
        return f"{REJECTS_US}: {getattr(result, 'reason', '')}"
    if isinstance(result, Contradiction) or (isinstance(result, NotAgain) and result.for_good):
        return result.reason
    if not isinstance(result, Approved):
        return None if isinstance(result, Declined) else _overdue(operation, result)
    if (result.amount, result.currency) == (operation.amount, operation.currency):
        return None
    return f"asked for {operation.amount} {operation.currency}, gateway says {result.amount} {result.currency}"


def rejects_us(result: GatewayResult) -> bool:
    """Return whether the gateway rejects this service's credentials."""
    return isinstance(result, NotSent | Unknown) and result.rejects_us


def _overdue(operation: Operation, result: GatewayResult) -> str | None:
    is_on_its_way = isinstance(result, Pending | ActionRequired)
    if clock.now() - operation.created_at < (LONG_PATIENCE if is_on_its_way else PATIENCE):
        return None
    why = f": {result.reason}" if isinstance(result, Pending) and result.reason else ""
    return f"the gateway has not decided for more than a day{why}"


def delay(attempts: int, *, is_reviewed: bool) -> float:
    """Return the seconds until the recovery worker looks an operation up again, after so many attempts."""
    longest = REVIEW_DELAY if is_reviewed else LONGEST_DELAY
    return min(longest, SHORTEST_DELAY * 2.0 ** min(attempts - 1, 12))
