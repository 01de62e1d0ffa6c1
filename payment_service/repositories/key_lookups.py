"""Keys that are found by their number, payment, operation or gateway key.

A database that is spread asks all its machines for such a key, and locks no row on the way. So each lock is two
statements: the first finds the hash, and the second locks the row by it. Only `adopt` changes a hash; a lock that comes
too late for that finds no row.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, null, select

from payment_service.connection import Connection
from payment_service.domain.records import IdempotencyKey
from payment_service.models import idempotency_keys as keys
from payment_service.repositories.keys import find, lock, one_key
from payment_service.sqltypes import database_now

_BY_GATEWAY_KEY = select(keys.c.channel, keys.c.subject, keys.c.key_hash).where(
    keys.c.gateway_key == bindparam("gateway_key")
)
_OF_PAYMENT = (
    select(keys.c.key_id, keys.c.key_hash).where(keys.c.payment_id == bindparam("of_payment")).order_by(keys.c.key_id)
)
_LOCK = select(keys.c.key_id).where(keys.c.key_id == bindparam("number"), keys.c.key_hash == bindparam("hash"))
_UNOWNED = (
    select(keys.c.key_id)
    .where(
        keys.c.key_hash == bindparam("hash"),
        keys.c.gateway_key == bindparam("gateway_key"),
        keys.c.response_status.is_(null()),
        keys.c.leased_until <= database_now(),
    )
    .with_for_update(skip_locked=True)
)


def find_by_gateway_key(connection: Connection, gateway_key: str) -> IdempotencyKey | None:
    """Return the key of the operation that the gateway knows by this key, as it stands."""
    scope = connection.execute(_BY_GATEWAY_KEY, {"gateway_key": gateway_key}).mappings().one_or_none()
    return None if scope is None else find(connection, dict(scope))


def adopt(connection: Connection, scope: Mapping[str, Any], gateway_key: str) -> IdempotencyKey | None:
    """Give its own hash to a key that a migration knew only by its `gateway_key`. Return it, its row locked."""
    if connection.execute(_BY_GATEWAY_KEY, {"gateway_key": gateway_key}).first() is None:
        return None
    connection.write("adopt_key", {**scope, "gateway_key": gateway_key})
    return lock(connection, scope)


def lock_by_id(connection: Connection, key_id: int) -> IdempotencyKey | None:
    """Return a key, its row locked; None if another transaction has locked it."""
    found = connection.row("find_hash_by_id", {"key_id": key_id})
    return found and one_key(connection, "lock_key_by_id", {"key_id": key_id, "key_hash": found[0]})


def lock_of_operation(connection: Connection, operation_id: Any) -> IdempotencyKey | None:
    """Return the unfinished key of an operation, its row locked; None if it is finished or does not exist."""
    values = {"operation_id": operation_id}
    found = connection.row("find_hash_of_operation", values)
    return found and one_key(connection, "lock_key_of_operation", {**values, "key_hash": found[0]})


def lock_of_payment(connection: Connection, payment_id: int) -> None:
    """Lock a payment's keys. Lock the payment only after this, in the order of every request."""
    for key_id, key_hash in connection.execute(_OF_PAYMENT, {"of_payment": payment_id}).all():
        connection.execute(_LOCK.with_for_update(), {"number": key_id, "hash": key_hash}).all()


def lock_unowned(connection: Connection, gateway_key: str) -> int | None:
    """Return the number of the unfinished key of a gateway key, its row locked; None if an owner works on it."""
    scope = connection.execute(_BY_GATEWAY_KEY, {"gateway_key": gateway_key}).one_or_none()
    if scope is None:
        return None
    return connection.execute(_UNOWNED, {"gateway_key": gateway_key, "hash": scope.key_hash}).scalar()
