"""What is known of a key, for its owner: from its row, and after that from what it made."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, select

from payment_service.domain.records import KeyUse
from payment_service.models import idempotency_keys as keys
from payment_service.models import operations, payments
from payment_service.repositories.rows import PAYMENT, payment_of
from payment_service.sqltypes import database_now

_ANY_CHANNEL: Any = bindparam("channels", expanding=True)
_ROWS = (
    select(
        *(keys.c[name].label(f"keys_{name}") for name in ("channel", "created_at", "request_path", "response_status")),
        keys.c.expires_at.label("keys_expires_at"),
        (keys.c.expires_at < database_now()).label("keys_is_expired"),
        *PAYMENT,
    )
    .join_from(keys, payments, payments.c.payment_id == keys.c.payment_id, isouter=True)
    .where(
        keys.c.channel.in_(_ANY_CHANNEL),
        keys.c.subject == bindparam("subject"),
        keys.c.key_hash == bindparam("key_hash"),
    )
)


def of_key(connection: Connection, channels: Iterable[str], subject: str, key_hash: str) -> list[KeyUse]:
    """What the rows of a subject's key in these channels say."""
    parameters = {"channels": list(channels), "subject": subject, "key_hash": key_hash}
    return [_use(row) for row in connection.execute(_ROWS, parameters).mappings()]


def _use(row: RowMapping) -> KeyUse:
    return KeyUse(
        channel=row["keys_channel"],
        is_purged=False,
        is_expired=bool(row["keys_is_expired"]),
        created_at=row["keys_created_at"],
        request_path=row["keys_request_path"],
        response_status=row["keys_response_status"],
        expires_at=row["keys_expires_at"],
        payment=payment_of(row) if row["payments_payment_id"] else None,
    )


_MADE = select(*PAYMENT).where(
    payments.c.channel.in_(_ANY_CHANNEL),
    payments.c.subject == bindparam("subject"),
    payments.c.idempotency_hash == bindparam("key_hash"),
)
_MOVED = (
    select(*PAYMENT, operations.c.created_at.label("moved_at"))
    .join_from(operations, payments, payments.c.payment_id == operations.c.payment_id)
    .where(operations.c.gateway_key.in_(bindparam("gateway_keys", expanding=True)))
)


def bound_to(
    connection: Connection, channels: Iterable[str], subject: str, key_hash: str, gateway_keys: Sequence[str]
) -> list[KeyUse]:
    """What a key is bound to though its row was purged: payments it made, and those it moved money of."""
    parameters = {"channels": list(channels), "subject": subject, "key_hash": key_hash}
    made = [payment_of(row) for row in connection.execute(_MADE, parameters).mappings()]
    moved = connection.execute(_MOVED, {"gateway_keys": gateway_keys}).mappings().all()
    found = {payment.payment_id: (payment, payment.created_at) for payment in made}
    for row in moved:
        found.setdefault(row["payments_payment_id"], (payment_of(row), row["moved_at"]))
    return [
        KeyUse(channel=payment.channel, is_purged=True, is_expired=True, created_at=at, payment=payment)
        for payment, at in found.values()
    ]
