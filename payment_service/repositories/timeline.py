"""Everything that is written down about one payment, each kind by an index that begins with the payment."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, bindparam, select, union_all

from payment_service.models import idempotency_keys as keys
from payment_service.models import (
    operations,
    operator_actions,
    outbox_deliveries,
    outbox_events,
    payment_refunds,
    payments,
    transactions,
)
from payment_service.repositories.search import KEY_COLUMNS

MOST = 200
"""Rows of each kind, the oldest: no payment of a person has more, and one of a runaway program is not read whole."""

_ID: Any = bindparam("payment_id")


def _scopes(table: Any) -> Select[Any]:
    return select(table.c.channel, table.c.subject, table.c.idempotency_hash).where(
        table.c.payment_id == _ID, table.c.idempotency_hash.is_not(None)
    )


_OWN = union_all(_scopes(payments), _scopes(payment_refunds)).subquery()
_OF: dict[str, Select[Any]] = {
    "change": select(transactions).where(transactions.c.payment_id == _ID).order_by(transactions.c.version),
    "operation": select(operations).where(operations.c.payment_id == _ID).order_by(operations.c.created_at),
    "refund": select(payment_refunds).where(payment_refunds.c.payment_id == _ID).order_by(payment_refunds.c.refund_id),
    "event": select(outbox_events).where(outbox_events.c.payment_id == _ID).order_by(outbox_events.c.version),
    "delivery": select(outbox_deliveries, outbox_events.c.event_type, outbox_events.c.version)
    .join_from(outbox_events, outbox_deliveries, outbox_deliveries.c.event_id == outbox_events.c.event_id)
    .where(outbox_events.c.payment_id == _ID)
    .order_by(outbox_events.c.version, outbox_deliveries.c.delivery_id),
    "action": select(operator_actions)
    .where(operator_actions.c.payment_id == _ID)
    .order_by(operator_actions.c.action_id),
    # Of moves that are neither payment nor refund (capture, void, ...) no row names the key.
    "key": select(*KEY_COLUMNS).join_from(
        _OWN,
        keys,
        (keys.c.channel == _OWN.c.channel)
        & (keys.c.subject == _OWN.c.subject)
        & (keys.c.key_hash == _OWN.c.idempotency_hash),
    ),
}
KINDS = tuple(_OF)
"""change (of the audit trail), operation, refund, event, delivery, action (of an operator), key."""

_STATEMENTS = {kind: statement.limit(MOST + 1) for kind, statement in _OF.items()}


def of_payment(connection: Connection, payment_id: int) -> dict[str, Sequence[RowMapping]]:
    """The payment's rows of each kind, one more than MOST where there are more."""
    return {
        kind: connection.execute(statement, {"payment_id": payment_id}).mappings().all()
        for kind, statement in _STATEMENTS.items()
    }


_PAYMENT = select(payments).where(payments.c.payment_id == _ID)


def payment(connection: Connection, payment_id: int) -> RowMapping | None:
    """The payment's row, None where there is none."""
    return connection.execute(_PAYMENT, {"payment_id": payment_id}).mappings().one_or_none()
