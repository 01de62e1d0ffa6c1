"""Claiming a key that nobody holds, or finding the answer of one that is finished: the way every charge begins."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, String, bindparam, exists, func, literal, null, select, true
from sqlalchemy.dialects import postgresql, sqlite

from payment_service.domain.operations import Kind
from payment_service.models import idempotency_keys as keys
from payment_service.models import operations, payments
from payment_service.repositories.payments import bound_to
from payment_service.repositories.prepared import Prepared
from payment_service.sqltypes import database_later, database_now, next_number, seconds


@dataclass(frozen=True)
class Finished:
    """The answer of a finished key as it stands for ever, or until it is purged; `expired`: it has ended."""

    key_id: int
    fingerprint: str
    payment_id: int | None
    owner: str
    response_status: int
    response_data: str
    expired: bool


_FINISHED = [
    *(keys.c[name] for name in Finished.__dataclass_fields__ if name in keys.c),
    func.coalesce(keys.c.expires_at < database_now(), False).label("expired"),
]

_BOUND = {
    column.name: bindparam(f"key_{column.name}", type_=column.type)
    for column in keys.columns
    if column.name not in ("key_id", "leased_until", "recover_at", "response_status", "response_data", "expires_at")
}
LEASED = {"leased_until": database_later(seconds("lease")), "recover_at": database_later(seconds("lease"))}
_FOR_NEW_PAYMENT = {"payment_id": next_number(payments.c.payment_id)}
_KEY_SCOPE = {name: bindparam(f"key_{name}", type_=keys.c[name].type) for name in ("channel", "subject", "key_hash")}
OF_SCOPE = [keys.c[name] == bind for name, bind in _KEY_SCOPE.items()]
_FIND_FINISHED = select(*_FINISHED).where(*OF_SCOPE, keys.c.response_status.is_not(null()))

_MADE_BY_KEY = [bindparam(f"made_{kind}", type_=operations.c.gateway_key.type) for kind in Kind]
# One by one and not IN: for five keys at once PostgreSQL reads the whole table while it believes it small.
_NOTHING_MADE = (
    *(~exists().where(operations.c.gateway_key == made) for made in _MADE_BY_KEY),
    ~exists().where(bound_to(_KEY_SCOPE["channel"], _KEY_SCOPE["subject"], bindparam("made_hash", type_=String))),
)


def _insert(dialect: Any, *conditions: Any, drawn: bool) -> Any:
    """The INSERT of a key that nobody holds and nothing was made by; a payment's number is `drawn` for it or given."""
    values = _BOUND | LEASED | (_FOR_NEW_PAYMENT if drawn else {})
    source = select(*values.values()).where(*conditions, *_NOTHING_MADE)
    statement = dialect.insert(keys).from_select(list(values), source).on_conflict_do_nothing()
    return statement.returning(keys.c.key_id, keys.c.payment_id)


def _insert_or_find(*, drawn: bool) -> Prepared:
    """On PostgreSQL both in one round trip: of two rows that may be missing always one row."""
    found = _FIND_FINISHED.cte("found")
    made = _insert(postgresql, ~exists(select(found.c.key_id)), drawn=drawn).cte("made")
    either = select(literal(1).label("one")).subquery().outerjoin(made, true()).outerjoin(found, true())
    return Prepared(select(*made.c, *found.c).select_from(either))


_INSERT_OR_FIND = {drawn: _insert_or_find(drawn=drawn) for drawn in (True, False)}
_FINISHED_BY_SCOPE = Prepared(_FIND_FINISHED)
_INSERT = {drawn: Prepared(_insert(sqlite, drawn=drawn)) for drawn in (True, False)}


def insert_key(
    connection: Connection, lease: float, values: dict[str, Any], gateway_keys: Mapping[Kind, str]
) -> tuple[int, int] | Finished | None:
    """Claim a key nobody holds: its id and its payment's id. The answer of one that is finished, which needs no lock.

    None where the key's row is not finished, or not to be seen yet, or was purged and what it made is still there.
    `values` are the row's columns; without a `payment_id` the next one is drawn, for the payment about to be made.
    `gateway_keys` are those under which the key may have moved money before its row was purged; empty for a key that
    binds nothing.
    """
    drawn = values.get("payment_id") is None
    parameters = {f"key_{name}": value for name, value in values.items() if not (drawn and name == "payment_id")}
    parameters |= {f"made_{kind}": gateway_keys.get(kind) for kind in Kind}
    parameters |= {"lease": lease, "made_hash": values["key_hash"] if gateway_keys else None}
    if connection.dialect.name == "postgresql":
        key_id, payment_id, *found = _INSERT_OR_FIND[drawn].rows(connection, parameters)[0]
        made = None if key_id is None else (key_id, payment_id)
        return made or (None if found[0] is None else Finished(*found))
    known = _FINISHED_BY_SCOPE.one_or_none(connection, parameters)
    if known is not None:
        return Finished(*known)
    row = _INSERT[drawn].one_or_none(connection, parameters)
    return None if row is None else (row[0], row[1])
