"""Queries: payments and refunds as their callers may see them. Nothing here writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from payment_service.domain.errors import PaymentNotFound, ServiceError
from payment_service.domain.principals import Principal
from payment_service.domain.records import Payment, PaymentContext, Refund
from payment_service.domain.refusals import Reason, refused
from payment_service.models import payments as table
from payment_service.repositories import journal, payments
from payment_service.services.dependencies import Dependencies


class PayableMismatch(ServiceError):
    """The payment is for something else than what the request names: look its number up again"""

    status = 409
    code = "payable_mismatch"


def payment(
    deps: Dependencies,
    principal: Principal,
    channel: str,
    by: str,
    value: object,
    otherwise: ServiceError | None = None,
    theirs: ServiceError | None = None,
) -> Payment:
    """Return the channel's payment with this value of `by` (payment_id, public_id, transaction_id).

    Raises PaymentNotFound (or `otherwise`), also for a payment of another subject: the caller cannot tell the two
    apart, unless the channel's document has an error of its own for that (`theirs`).
    """
    with deps.database.reading() as connection:
        found = payments.find_by(connection, channel, by, value)
    missing = otherwise or PaymentNotFound()
    if found is None:
        raise missing
    if not may_see(principal, found):
        raise refused(theirs if theirs and found.channel == channel else missing, Reason.FOREIGN)
    if found.channel != channel:
        raise missing
    return found


def require_payable(found: Payment, payable_id: object | None) -> None:
    """Compare the payment with the payable that the caller names, if it names one. Raises PayableMismatch."""
    if payable_id is not None and str(payable_id) != found.payable_id:
        raise PayableMismatch


def channel_of(deps: Dependencies, principal: Principal, payment_id: int) -> str | None:
    """Return the channel of a payment number, None if `principal` may see no such payment."""
    with deps.database.reading() as connection:
        found = payments.find(connection, payment_id)
    return found.channel if found and may_see(principal, found) else None


def nothing_to_see(deps: Dependencies, channel: str, filters: dict[str, Any], missing: ServiceError) -> ServiceError:
    """Return the error `missing` for a caller that sees none of the channel's payments; note if another has one."""
    with deps.database.reading() as connection:
        others = payments.fetch(connection, payments.select_payments(channel, None, filters), 1)
    return refused(missing, Reason.FOREIGN) if others else missing


def refunds(deps: Dependencies, payment_id: int) -> Sequence[Refund]:
    """Return a payment's refunds, oldest first."""
    with deps.database.reading() as connection:
        return payments.refunds_for(connection, payment_id)


def newest(
    deps: Dependencies, principal: Principal, channel: str, limit: int, filters: dict[str, Any]
) -> Sequence[Payment]:
    """Return at most `limit` of the channel's payments that `principal` may see, newest first, by `filters`."""
    statement = payments.select_payments(channel, visible_to(principal, channel), filters).order_by(
        table.c.payment_id.desc()
    )
    with deps.database.reading() as connection:
        return payments.fetch(connection, statement, limit)


def oldest(
    deps: Dependencies, principal: Principal, channel: str, limit: int, offset: int, filters: dict[str, Any]
) -> Sequence[Payment]:
    """Return the payments as `newest` does, but oldest first, from the `offset`th on."""
    statement = payments.select_payments(channel, visible_to(principal, channel), filters).order_by(table.c.payment_id)
    with deps.database.reading() as connection:
        return payments.fetch(connection, statement, limit, offset)


@dataclass(frozen=True)
class Page:
    """A page of payments, the number of payments on all pages, and the number that all of them stay below."""

    payments: Sequence[Payment]
    total: int
    before: int | None


def page(
    deps: Dependencies, principal: Principal, channel: str, number: int, size: int, filters: dict[str, Any]
) -> Page:
    """Return the `number`th page (from 1) of `size` payments, newest first.

    `before` among the `filters` is that of an earlier page: payments that have arrived since do not shift this one.
    """
    subjects = visible_to(principal, channel)
    with deps.database.reading() as connection:
        total, newest = payments.count(connection, payments.select_payments(channel, subjects, filters))
        before = filters.get("before") or (newest and newest + 1)
        statement = payments.select_payments(channel, subjects, {**filters, "before": before})
        ordered = statement.order_by(table.c.payment_id.desc())
        return Page(payments.fetch(connection, ordered, size, (number - 1) * size), total, before)


def with_trail(deps: Dependencies, found: Payment) -> PaymentContext:
    """Return a payment with its audit trail, oldest first."""
    with deps.database.reading() as connection:
        return PaymentContext(found, trail=journal.trail_of(connection, found))


def visible_to(principal: Principal, channel: str) -> Sequence[str] | None:
    """Return the subjects to show a caller a channel's payments of: its own, or None for a service, which sees all."""
    return None if principal.acts_for_all(channel) else principal.subjects


def may_see(principal: Principal, found: Payment) -> bool:
    """Return whether a caller may see and change a payment."""
    return principal.acts_for_all(found.channel) or found.subject in principal.subjects
