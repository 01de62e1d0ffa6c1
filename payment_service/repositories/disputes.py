"""Disputes as rows: those of a payment, and the payment of a dispute."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, literal, select, update

from payment_service.connection import Connection
from payment_service.domain.disputes import DisputeStatus, PaymentDispute
from payment_service.models import disputes, idempotency_keys, payments

MOST = 10_000
"""The most that is counted: beyond it no operator needs an exact number to act."""

_COLUMNS = [disputes.c[name] for name in PaymentDispute.__dataclass_fields__]
_OF_PAYMENTS = (
    select(*_COLUMNS).where(disputes.c.payment_id.in_(bindparam("ids", expanding=True))).order_by(disputes.c.dispute_id)
)
_KNOWN = select(disputes.c.payment_id).where(
    disputes.c.gateway == bindparam("gateway"), disputes.c.reference == bindparam("reference")
)
_CHARGED_UNDER = select(idempotency_keys.c.payment_id).where(idempotency_keys.c.gateway_key == bindparam("gateway_key"))
_UPDATE = update(disputes).where(
    disputes.c.gateway == bindparam("of_gateway"), disputes.c.reference == bindparam("of_reference")
)
_OPEN = disputes.c.status == DisputeStatus.OPEN
_ALL_OPEN = select(literal(1)).where(_OPEN).limit(MOST)
# The limit makes the planner take the few open disputes first, with any statistics.
_FEW = select(disputes.c.payment_id, disputes.c.currency).where(_OPEN).limit(MOST).subquery("few")
_OTHER_CURRENCY = (
    select(literal(1))
    .select_from(_FEW.join(payments, payments.c.payment_id == _FEW.c.payment_id))
    .where(_FEW.c.currency != payments.c.currency)
)
_FIRST_OPEN = select(func.min(disputes.c.created_at)).where(_OPEN)


def find_payment(connection: Connection, gateway: str, reference: str, gateway_key: str | None) -> int | None:
    """Return the payment that a dispute is about: by the dispute's own row, or by the key of the charge."""
    found = connection.execute(_KNOWN, {"gateway": gateway, "reference": reference}).scalar()
    if found is None and gateway_key is not None:
        found = connection.execute(_CHARGED_UNDER, {"gateway_key": gateway_key}).scalar()
    return found


def of_payments(connection: Connection, payment_ids: Sequence[int]) -> list[PaymentDispute]:
    """Return the disputes of these payments, oldest first."""
    return [
        PaymentDispute(**{**row, "status": DisputeStatus(row["status"])})
        for row in connection.execute(_OF_PAYMENTS, {"ids": list(payment_ids)}).mappings()
    ]


def insert_dispute(connection: Connection, dispute: PaymentDispute, row_hash: str) -> None:
    """Insert a new dispute. The payment is locked."""
    connection.execute(insert(disputes), {**vars(dispute), "row_hash": row_hash})


def update_dispute(connection: Connection, dispute: PaymentDispute, row_hash: str) -> None:
    """Write a known dispute's present state. The payment is locked."""
    values: dict[str, Any] = {
        name: value
        for name, value in vars(dispute).items()
        if name not in {"gateway", "reference", "payment_id", "created_at"}
    }
    values["row_hash"] = row_hash
    connection.execute(_UPDATE.values(**values), {"of_gateway": dispute.gateway, "of_reference": dispute.reference})


def first_open(connection: Connection) -> datetime | None:
    """Return when the oldest open dispute became known, None if none is open."""
    found: datetime | None = connection.execute(_FIRST_OPEN).scalar()
    return found


def figures(connection: Connection) -> tuple[int, int]:
    """Count the open disputes, and those of them in another currency than their payment's."""
    all_open, unfit = (
        connection.execute(select(func.count()).select_from(rows.subquery())).scalar_one()
        for rows in (_ALL_OPEN, _OTHER_CURRENCY)
    )
    return int(all_open), int(unfit)
