"""All rows about one payment, each kind by an index that begins with the payment."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping, Select, bindparam, func, select

from payment_service.connection import Connection
from payment_service.models import (
    disputes,
    operator_actions,
    outbox_deliveries,
    payment_refunds,
    payments,
    transactions,
)
from payment_service.models import idempotency_keys as keys
from payment_service.sqltypes import database_now

MOST = 200
"""Rows of each kind, the oldest: no person's payment has more, and a runaway program's is not read whole."""

_ID: Any = bindparam("payment_id")


_OF: dict[str, Select[Any]] = {
    "change": select(transactions).where(transactions.c.payment_id == _ID).order_by(transactions.c.transaction_log_id),
    "key": select(
        keys,
        func.coalesce(keys.c.leased_until > database_now(), False).label("is_leased"),
        keys.c.operation_status.label("status"),
    )
    .where(keys.c.payment_id == _ID)
    .order_by(keys.c.key_id),
    "refund": select(payment_refunds).where(payment_refunds.c.payment_id == _ID).order_by(payment_refunds.c.refund_id),
    "delivery": select(outbox_deliveries)
    .where(outbox_deliveries.c.payment_id == _ID)
    .order_by(outbox_deliveries.c.version, outbox_deliveries.c.delivery_id),
    "action": select(operator_actions)
    .where(operator_actions.c.payment_id == _ID)
    .order_by(operator_actions.c.action_id),
}
_DISPUTES = select(disputes).where(disputes.c.payment_id == _ID).order_by(disputes.c.dispute_id).limit(MOST)
KINDS = tuple(_OF)
"""change (of the journal), key (with its operation), refund, delivery, action (of an operator)."""

_STATEMENTS = {kind: statement.limit(MOST + 1) for kind, statement in _OF.items()}


def of_payment(connection: Connection, payment_id: int) -> dict[str, Sequence[RowMapping]]:
    """Return the payment's rows of each kind, and one more than MOST if there are more."""
    return {
        kind: connection.execute(statement, {"payment_id": payment_id}).mappings().all()
        for kind, statement in _STATEMENTS.items()
    }


def disputes_of(connection: Connection, payment_id: int) -> Sequence[RowMapping]:
    """Return the payment's disputes, oldest first."""
    return connection.execute(_DISPUTES, {"payment_id": payment_id}).mappings().all()


_PAYMENT = select(payments).where(payments.c.payment_id == _ID)


def payment(connection: Connection, payment_id: int) -> RowMapping | None:
    """Return the payment's row, or None."""
    return connection.execute(_PAYMENT, {"payment_id": payment_id}).mappings().one_or_none()
