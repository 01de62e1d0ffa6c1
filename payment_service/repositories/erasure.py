"""Emptying the personal data of a subject's payments: texts, metadata, stored responses and sent events."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Executable, bindparam, exists, func, or_, select, union_all, update

from payment_service.connection import Connection
from payment_service.domain.records import Refund
from payment_service.models import (
    gateway_notices,
    idempotency_keys,
    outbox_deliveries,
    payment_refunds,
    payments,
    transactions,
    users,
)
from payment_service.repositories.rows import REFUND, record_from

_PAYMENT_ID: Any = bindparam("of_payment")
_SUBJECT: Any = bindparam("subject")

SPAN = 5000
"""Payments that one statement looks at: customers have no index."""

_SPAN = (
    select(payments.c.payment_id)
    .where(payments.c.payment_id > bindparam("after"))
    .order_by(payments.c.payment_id)
    .limit(SPAN)
    .subquery()
)
_LAST = select(func.max(_SPAN.c.payment_id))
_OF_SUBJECT = (
    select(payments.c.payment_id)
    .where(
        payments.c.payment_id > bindparam("after"),
        payments.c.payment_id <= bindparam("last"),
        or_(payments.c.subject == _SUBJECT, payments.c.customer_id == _SUBJECT),
    )
    .order_by(payments.c.payment_id)
)
_GATEWAY_KEYS = select(idempotency_keys.c.gateway_key).where(idempotency_keys.c.payment_id == _PAYMENT_ID)
_UNFINISHED = union_all(
    select(idempotency_keys.c.key_id).where(
        idempotency_keys.c.payment_id == _PAYMENT_ID, idempotency_keys.c.response_status.is_(None)
    ),
    select(outbox_deliveries.c.delivery_id).where(
        outbox_deliveries.c.payment_id == _PAYMENT_ID, outbox_deliveries.c.status != "DELIVERED"
    ),
    select(gateway_notices.c.notice_id).where(
        gateway_notices.c.gateway_key.in_(_GATEWAY_KEYS), gateway_notices.c.due_at.is_not(None)
    ),
)
_REFUNDS = select(*REFUND).where(payment_refunds.c.payment_id == _PAYMENT_ID, payment_refunds.c.reason.is_not(None))
_EMPTY_REFUND = (
    update(payment_refunds)
    .where(payment_refunds.c.refund_id == bindparam("number"))
    .values(reason=None, row_hash=bindparam("new_hash"))
)
_EMPTY_PAYMENT = (
    update(payments)
    .where(
        payments.c.payment_id == _PAYMENT_ID,
        or_(*(payments.c[name].is_not(None) for name in ("metadata", "gateway_response", "caller_reference"))),
    )
    .values(metadata=None, gateway_response=None, caller_reference=None)
)
_EMPTY_OTHERS = (
    update(transactions)
    .where(transactions.c.payment_id == _PAYMENT_ID, transactions.c.caller_note.is_not(None))
    .values(caller_note=None),
    # Without its hash, verification does not miss a response; a repeat gets the payment as it is now.
    update(idempotency_keys)
    .where(idempotency_keys.c.payment_id == _PAYMENT_ID, idempotency_keys.c.response_data.is_not(None))
    .values(response_data=None, response_hash=None),
    update(outbox_deliveries)
    .where(
        outbox_deliveries.c.payment_id == _PAYMENT_ID,
        or_(outbox_deliveries.c.body.is_not(None), outbox_deliveries.c.last_error.is_not(None)),
    )
    .values(body=None, last_error=None),
    update(gateway_notices)
    .where(gateway_notices.c.gateway_key.in_(_GATEWAY_KEYS), gateway_notices.c.content.is_not(None))
    .values(content=None),
)
_EMPTY_USER = update(users).where(users.c.auth_user_id == _SUBJECT, users.c.email.is_not(None)).values(email=None)


def payments_of(
    connection: Connection, subject: str, channel: str | None, after: int
) -> tuple[Sequence[int], int | None]:
    """Return those of the next `SPAN` payments after a number that have this subject or customer.

    Also returns the last number looked at, None if no payment follows.
    """
    last = connection.execute(_LAST, {"after": after}).scalar()
    if last is None:
        return (), None
    statement = _OF_SUBJECT if channel is None else _OF_SUBJECT.where(payments.c.channel == channel)
    found = connection.execute(statement, {"subject": subject, "after": after, "last": last}).scalars().all()
    return found, int(last)


def has_unfinished(connection: Connection, payment_id: int) -> bool:
    """Return whether the payment has an open operation, an undelivered event, or a waiting notice."""
    return bool(
        connection.execute(select(exists(_UNFINISHED.subquery().select())), {"of_payment": payment_id}).scalar()
    )


def refunds_with_reason(connection: Connection, payment_id: int) -> Sequence[Refund]:
    """Return the payment's refunds that have a caller's text."""
    return [record_from(Refund, row) for row in connection.execute(_REFUNDS, {"of_payment": payment_id})]


def empty_refund(connection: Connection, refund_id: int, row_hash: str) -> None:
    """Empty a refund's text; `row_hash` is the hash of the row without it."""
    connection.execute(_EMPTY_REFUND, {"number": refund_id, "new_hash": row_hash})


def empty_payment(connection: Connection, payment_id: int) -> int:
    """Empty all other personal data of a payment. Return how many rows held some."""
    return sum(_changed(connection, each, of_payment=payment_id) for each in (_EMPTY_PAYMENT, *_EMPTY_OTHERS))


def empty_user(connection: Connection, subject: str) -> bool:
    """Empty a user row's email. Return whether it had one."""
    return bool(_changed(connection, _EMPTY_USER, subject=subject))


def _changed(connection: Connection, statement: Executable, **values: Any) -> int:
    return int(connection.execute(statement, values).rowcount)
