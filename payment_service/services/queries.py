"""Looking: payments and refunds as their callers may see them. Nothing here changes anything."""

from collections.abc import Sequence
from typing import Any

from payment_service.domain.callers import Caller
from payment_service.domain.errors import PaymentNotFound, ServiceError
from payment_service.domain.records import Facts, Payment, Refund
from payment_service.models import payments as table
from payment_service.repositories import journal, payments
from payment_service.services.runtime import Runtime


def payment(
    runtime: Runtime,
    caller: Caller,
    channel: str,
    by: str,
    value: object,
    otherwise: ServiceError | None = None,
    theirs: ServiceError | None = None,
) -> Payment:
    """The channel's payment whose `by` (payment_id, public_id, transaction_id) is `value`, if `caller` may see it.

    Raises PaymentNotFound (or `otherwise`), also for somebody else's payment: nothing tells the two apart, unless the
    channel's document wants it told (`theirs`).
    """
    with runtime.database.reading() as connection:
        found = payments.find_in_channel(connection, channel, by, value)
    if found is None:
        raise otherwise or PaymentNotFound()
    if not may_see(caller, found):
        raise theirs or otherwise or PaymentNotFound()
    return found


def channel_of(runtime: Runtime, caller: Caller, payment_id: int) -> str | None:
    """The channel of the payment of this number, None where there is none that `caller` may see."""
    with runtime.database.reading() as connection:
        found = payments.find(connection, payment_id)
    return found.channel if found and may_see(caller, found) else None


def refunds(runtime: Runtime, payment_id: int) -> Sequence[Refund]:
    """A payment's refunds, oldest first."""
    with runtime.database.reading() as connection:
        return payments.refunds_for(connection, payment_id)


def newest(runtime: Runtime, caller: Caller, channel: str, limit: int, filters: dict[str, Any]) -> Sequence[Payment]:
    """At most `limit` of the channel's payments that `caller` may see, newest first; `filters` narrow them."""
    statement = payments.select_payments(channel, visible_to(caller), filters).order_by(table.c.payment_id.desc())
    with runtime.database.reading() as connection:
        return payments.fetch(connection, statement, limit)


def oldest(
    runtime: Runtime, caller: Caller, channel: str, limit: int, offset: int, filters: dict[str, Any]
) -> Sequence[Payment]:
    """The same, oldest first, from the `offset`th on."""
    statement = payments.select_payments(channel, visible_to(caller), filters).order_by(table.c.payment_id)
    with runtime.database.reading() as connection:
        return payments.fetch(connection, statement, limit, offset)


def page(
    runtime: Runtime, caller: Caller, channel: str, number: int, size: int, filters: dict[str, Any]
) -> tuple[Sequence[Payment], int]:
    """The `number`th page (from 1) of `size` payments, newest first, and how many there are on all pages."""
    statement = payments.select_payments(channel, visible_to(caller), filters)
    with runtime.database.reading() as connection:
        total = payments.count(connection, statement)
        ordered = statement.order_by(table.c.payment_id.desc())
        return payments.fetch(connection, ordered, size, (number - 1) * size), total


def with_trail(runtime: Runtime, found: Payment) -> Facts:
    """A payment with its audit trail, oldest first."""
    with runtime.database.reading() as connection:
        return Facts(found, trail=journal.trail_of(connection, found))


def visible_to(caller: Caller) -> str | None:
    """Whose payments a caller may see: its own, or everybody's (None) for a service."""
    return None if caller.is_service else caller.subject


def may_see(caller: Caller, found: Payment) -> bool:
    """Whether a payment is the caller's to see and to move."""
    return caller.is_service or found.subject == caller.subject
