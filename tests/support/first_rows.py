"""Rows for every table, at any revision: a migration that passes with empty tables may fail with rows."""

from collections.abc import Container, Mapping
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, column, func, insert, inspect, select, table

from payment_service.domain.keys import gateway_key
from payment_service.domain.operations import Kind

AT = "2025-11-03 09:00:00.000000"
KEY_HASH, REFUND_HASH = (sha256(key.encode()).hexdigest() for key in ("paid", "refunded"))
CHARGE, REFUND, CREATED, CAPTURED, REFUNDED = (UUID(int=number).hex for number in range(1, 6))
CHARGE_KEY = gateway_key("trips", "", KEY_HASH, Kind.CHARGE)
REFUND_KEY = gateway_key("trips", "", REFUND_HASH, Kind.REFUND)
EVENTS = (
    {"version": 1, "event_id": CREATED, "operation_id": CHARGE, "move": "charge", "status": "PROCESSING"},
    {
        "version": 2,
        "event_id": CAPTURED,
        "operation_id": CHARGE,
        "move": "charged",
        "from_status": "PROCESSING",
        "status": "CAPTURED",
    },
    {
        "version": 3,
        "event_id": REFUNDED,
        "operation_id": REFUND,
        "move": "refund",
        "from_status": "CAPTURED",
        "status": "CAPTURED",
    },
)
PAYLOAD = '{"data":{"payment_id":1},"payment_ref":1,"payable_id":"7"}'

COMMON: dict[str, Any] = {
    "payment_id": 1,
    "public_id": UUID(int=9).hex,
    "channel": "trips",
    "subject": "",
    "payable_id": "7",
    "amount": 150,
    "currency": "INR",
    "method": "CARD",
    "version": 3,
    "authorized_amount": 150,
    "captured_amount": 150,
    "refunded_amount": 0,
    "refund_pending_amount": 0,
    "reference": "R1",
    "reference_is_unique": True,
    "payable_is_unique": False,
    "idempotency_hash": KEY_HASH,
    "fingerprint": "-",
    "key_hash": KEY_HASH,
    "request_path": "POST:/payments",
    "rendering": "charge",
    "owner": "",
    "fence": 1,
    "attempts": 1,
    "leased_until": AT,
    "recover_at": AT,
    "description": "-",
    "actor": "-",
    "transaction_type": "PAYMENT",
    "event_type": "payment.completed",
    "payload": PAYLOAD,
    "stream": "payment:1",
    "due_at": AT,
    "times": 1,
    "hour": "2025-11-03 09:00:00.000000",
    "happened_at": AT,
    "action": "REPLAY",
    "delivery_id": 1,
    "auth_user_id": "ann",
    "is_verified": True,
    "created_at": AT,
    "updated_at": AT,
    "gateway": "legacy",
}
"""Values of columns by their names, in every table; amounts in major units. Every other column is NULL."""

ROWS: dict[str, tuple[dict[str, Any], ...]] = {
    "payments": ({"status": "CAPTURED", "refund_pending_amount": 20},),
    "users": ({},),
    "operations": (
        {"operation_id": CHARGE, "kind": "charge", "status": "SUCCEEDED", "gateway_key": CHARGE_KEY},
        {"operation_id": REFUND, "kind": "refund", "status": "PENDING", "gateway_key": REFUND_KEY, "amount": 20},
    ),
    "idempotency_keys": (
        {"operation_id": CHARGE, "response_status": 200, "response_data": "{}", "expires_at": AT},
        {"operation_id": REFUND, "key_hash": REFUND_HASH, "rendering": "refund"},
    ),
    "payment_refunds": (
        {
            "operation_id": REFUND,
            "idempotency_hash": REFUND_HASH,
            "amount": 20,
            "status": "PENDING",
            "public_reference": "re_1",
        },
    ),
    "transactions": EVENTS,
    "outbox_events": EVENTS,
    "outbox_deliveries": (
        {"event_id": CAPTURED, "sink": "rabbitmq", "status": "PENDING"},
        {"event_id": CAPTURED, "sink": "kafka", "status": "DEAD", "delivery_id": 2},
        {"event_id": CAPTURED, "sink": "order", "status": "DELIVERED", "delivery_id": 3, "body": "{}"},
    ),
    "tallies": ({"move": "charge", "from_status": "", "status": "PROCESSING"},),
    "tally_marks": (
        {"move": "charged", "from_status": "PROCESSING", "status": "CAPTURED"},
        {"move": "refund", "from_status": "CAPTURED", "status": "CAPTURED"},
    ),
    "hourly_tallies": ({"move": "charge", "from_status": "", "status": "PROCESSING"},),
    "operator_actions": ({},),
    "operator_sessions": ({"session_hash": "0" * 64, "way": "TOKEN", "issued_at": AT, "began_at": AT, "ends_at": AT},),
    "operator_revocations": ({"actor": "chief", "revoked_at": AT},),
    "gateway_notices": ({"event_id": "evt_1", "type": "charge.succeeded", "received_at": AT},),
    "disputes": ({"status": "OPEN", "gateway_status": "needs_response"},),
    "reconciliations": (
        {"since": AT, "until": AT, "movements": 1, "differences": 0, "is_complete": True, "finished_at": AT},
    ),
    "lost_movements": ({"gateway_key": "v1-lost", "kind": "CHARGE"},),
    "journal_seals": ({"sealed_until": AT, "content": "{}", "row_hash": "-"},),
}
"""The rows of each table, those first that others refer to."""


def fill(engine: Engine) -> None:
    """Insert these rows into every table that has none."""
    with engine.begin() as connection:
        empty = empty_tables(connection)
        for name in (name for name in ROWS if name in empty):
            columns = {each["name"] for each in inspect(connection).get_columns(name)}
            rows = [_row(columns, values, connection.dialect.name) for values in ROWS[name]]
            given = {name for row in rows for name in row}
            connection.execute(insert(table(name, *map(column, given))), [dict.fromkeys(given) | row for row in rows])


def empty_tables(connection: Connection) -> set[str]:
    """Return the names of the tables without a row."""
    names = inspect(connection).get_table_names()
    return {name for name in names if not connection.execute(select(func.count()).select_from(table(name))).scalar()}


def _row(columns: Container[str], values: Mapping[str, Any], database: str) -> dict[str, Any]:
    row = {name: value for name, value in {**COMMON, **values}.items() if name in columns}
    thousandths = database == "sqlite"
    return {name: value * 1000 if thousandths and "amount" in name else value for name, value in row.items()}
