"""The status of a key, for its owner."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import RowMapping, and_, bindparam, or_, select

from payment_service.connection import Connection
from payment_service.domain.keys import gateway_key
from payment_service.domain.operations import Kind
from payment_service.domain.records import KeyStatus, Payment
from payment_service.models import idempotency_keys as keys
from payment_service.models import payments
from payment_service.repositories.rows import PAYMENT, payment_of
from payment_service.sqltypes import database_now

_ANY_CHANNEL: Any = bindparam("channels", expanding=True)
_ANY_GATEWAY_KEY: Any = bindparam("gateway_keys", expanding=True)
_FIELDS = ("channel", "created_at", "request_path", "response_status", "expires_at", "response_data")
_ROWS = select(
    *(keys.c[name].label(f"keys_{name}") for name in _FIELDS),
    (keys.c.expires_at < database_now()).label("keys_is_expired"),
    keys.c.payment_id,
).where(
    or_(
        and_(
            keys.c.key_hash == bindparam("key_hash"),
            keys.c.channel.in_(_ANY_CHANNEL),
            keys.c.subject == bindparam("subject"),
        ),
        # Release 1.0.0 purged some keys and left only the gateway key.
        keys.c.gateway_key.in_(_ANY_GATEWAY_KEY),
    )
)
_PAYMENTS = select(*PAYMENT).where(payments.c.payment_id.in_(bindparam("ids", expanding=True)))


def of_key(connection: Connection, channels: Iterable[str], subject: str, key_hash: str) -> list[KeyStatus]:
    """Return the status of a subject's key in each of these channels that has it."""
    channels = list(channels)
    gateway_keys = [gateway_key(channel, subject, key_hash, kind) for channel in channels for kind in Kind]
    parameters = {"channels": channels, "subject": subject, "key_hash": key_hash, "gateway_keys": gateway_keys}
    rows = connection.execute(_ROWS, parameters).mappings().all()
    # No join: in a spread database the two tables are divided by different columns.
    ids = {row["payment_id"] for row in rows} - {None}
    found = connection.execute(_PAYMENTS, {"ids": ids}).mappings() if ids else ()
    made = {payment.payment_id: payment for payment in map(payment_of, found)}
    return [_use(row, made.get(row["payment_id"])) for row in rows]


def _use(row: RowMapping, payment: Payment | None) -> KeyStatus:
    if row["keys_response_status"] is not None and row["keys_response_data"] is None and row["keys_is_expired"]:
        return KeyStatus(
            row["keys_channel"], is_purged=True, is_expired=True, created_at=row["keys_created_at"], payment=payment
        )
    return KeyStatus(
        channel=row["keys_channel"],
        is_purged=False,
        is_expired=bool(row["keys_is_expired"]),
        created_at=row["keys_created_at"],
        request_path=row["keys_request_path"],
        response_status=row["keys_response_status"],
        expires_at=row["keys_expires_at"] if row["keys_response_status"] is not None else None,
        payment=payment,
    )
