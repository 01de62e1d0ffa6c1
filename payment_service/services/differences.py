"""The differences between the gateway's list and our operations, with a plain sentence for each. Reads nothing."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from payment_service import clock
from payment_service.domain.errors import GatewayUnavailable
from payment_service.domain.operations import Kind, OperationStatus
from payment_service.gateways.base import (
    Approved,
    Contradiction,
    Declined,
    GatewayResult,
    NotFound,
    NotSent,
    Refused,
    Unknown,
)
from payment_service.gateways.listed import Entry, Unasked
from payment_service.repositories.reconciliation import OurOperation

UNDECIDED_FOR = timedelta(hours=1)
"""After this time, an operation that the gateway has done and we have not decided counts as a difference."""


class DifferenceKind(StrEnum):
    """The kinds of difference, as reports word them."""

    NOT_HERE = "not_here"
    NOT_THERE = "not_there"
    TWICE = "twice"
    AMOUNT = "amount"
    STATE = "state"
    AFTER_DECLINE = "after_decline"
    ELSEWHERE = "elsewhere"
    DISPUTE = "dispute"


@dataclass(frozen=True)
class Difference:
    """One difference; `what` is for people."""

    kind: DifferenceKind
    what: str


@dataclass(frozen=True)
class Line:
    """A movement as the gateway lists it, as we have it, or both; of a stranger, `payment_id` may still be known."""

    entry: Entry | None
    ours: OurOperation | None
    difference: Difference | None = None
    payment_id: int | None = None


UNKNOWN_DISPUTE = Difference(DifferenceKind.DISPUTE, "dispute that is not known here")
_TWICE = Difference(DifferenceKind.TWICE, "the gateway moved it more than once")
_CAME_BACK = Difference(DifferenceKind.STATE, "done here, and it came back at the gateway")


def stranger(entry: Entry, payment_id: int | None) -> Line:
    """Return the line of an entry that no operation of ours asked for."""
    moved = f"{_word(entry.kind)} of {entry.amount} {entry.currency}"
    if payment_id is None:
        what = f"{moved} at the gateway that no operation asked for"
        return Line(entry, None, Difference(DifferenceKind.NOT_HERE, what))
    what = f"{moved} on payment {payment_id} that was made elsewhere"
    return Line(entry, None, Difference(DifferenceKind.ELSEWHERE, what), payment_id)


def judged(entry: Entry, ours: OurOperation, *, is_seen: bool) -> Line:
    """Return the line of an entry of our operation; `is_seen`: the list had one of it before."""
    if entry.kind is Unasked.REFUND_FAILED:
        difference = _CAME_BACK if ours.operation_status is OperationStatus.SUCCEEDED else None
    else:
        difference = _TWICE if is_seen else _compared(entry, ours)
    return Line(entry, ours, difference, ours.payment_id)


def found_otherwise(result: GatewayResult, ours: OurOperation) -> Difference | None:
    """Compare a look-up with an operation that succeeded here. Raises GatewayUnavailable."""
    match result:
        case Approved():
            return _amounts(result, ours)
        case NotFound() | Contradiction():
            return Difference(DifferenceKind.NOT_THERE, "done here, unknown to the gateway")
        case Declined() | Refused():
            return Difference(DifferenceKind.STATE, f"done here, declined at the gateway: {result.code}")
        case NotSent(reason) | Unknown(reason):
            raise GatewayUnavailable(f"the gateway cannot be asked: {reason}")
        case _:
            return Difference(DifferenceKind.STATE, "done here, undecided at the gateway")


def _compared(entry: Entry, ours: OurOperation) -> Difference | None:
    if entry.kind != ours.kind:
        return Difference(DifferenceKind.STATE, f"{ours.kind} here, {_word(entry.kind)} at the gateway")
    if ours.operation_status is OperationStatus.FAILED:
        if ours.kind in (Kind.CHARGE, Kind.AUTHORIZE):
            return Difference(
                DifferenceKind.AFTER_DECLINE, "done at the gateway, and its caller was told that it failed"
            )
        return Difference(DifferenceKind.STATE, "failed here, done at the gateway")
    if (difference := _amounts(entry, ours)) is not None:
        return difference
    is_pending = ours.operation_status is OperationStatus.PENDING
    if is_pending and ours.created_at < clock.now() - UNDECIDED_FOR:
        return Difference(DifferenceKind.STATE, "undecided here, done at the gateway")
    return None


def _amounts(theirs: Entry | Approved, ours: OurOperation) -> Difference | None:
    if (theirs.amount, theirs.currency) == (ours.amount, ours.currency):
        return None
    what = f"{ours.amount} {ours.currency} here, {theirs.amount} {theirs.currency} at the gateway"
    return Difference(DifferenceKind.AMOUNT, what)


def _word(kind: Kind | Unasked) -> str:
    return kind.replace("_", " ")
