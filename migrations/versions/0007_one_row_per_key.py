"""One row for each key with its operation, one journal for audit and events, reservations for what must be unique.

Revision: 0007, after 0006. Everything that release 1.0.0 has written is carried over. The service must be stopped.
"""

import hashlib
import json
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from alembic import op
from flask import current_app

from payment_service.sqltypes import Identity64, Money, UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BATCH = 1000

OPERATION_COLUMNS = (
    ("kind", sa.String(20)),
    ("amount", Money()),
    ("currency", sa.String(3)),
    ("operation_status", sa.String(20)),
    ("gateway_key", sa.String(64)),
    ("parent_key", sa.String(64)),
    ("gateway_reference", sa.String(255)),
    ("failure_message", sa.Text()),
    ("review_reason", sa.Text()),
)
KEY_WHOLE = (
    "(kind IS NULL) = (gateway_key IS NULL) AND (kind IS NULL) = (operation_id IS NULL)"
    " AND (kind IS NULL) = (operation_status IS NULL)"
    " AND (response_data IS NULL OR response_status IS NOT NULL)"
)
MONEY_CONSERVED = (
    "amount >= 0 AND captured_amount >= 0 AND refunded_amount >= 0 AND refund_pending_amount >= 0"
    " AND refunded_amount + refund_pending_amount <= captured_amount"
    " AND captured_amount <= amount AND authorized_amount <= amount"
)
NOW = {"postgresql": "clock_timestamp()", "sqlite": "strftime('%Y-%m-%d %H:%M:%f000', 'now')"}
LATER = {
    "postgresql": "clock_timestamp() + make_interval(secs => {})",
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f000', 'now', '{} seconds')",
}
HOUR = {
    "postgresql": "date_trunc('hour', happened_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'",
    "sqlite": "strftime('%Y-%m-%d %H:00:00.000000', happened_at)",
}
TALLY = "channel, method, currency, move, from_status, status"

# The gateway key of a scope, a hash and a kind, and the hash of the key that a payment's public id implies, as release
# 1.0.0 derived them. SQLite asks the functions of these names below.
GATEWAY_KEY = {
    "postgresql": (
        "'v1-' || left(encode(sha256(convert_to(length({0}) || ':' || {0} || '|' || length({1}) || ':' || {1} || '|'"
        " || length({2}) || ':' || {2} || '|' || length({3}) || ':' || {3}, 'UTF8')), 'hex'), 48)"
    ),
    "sqlite": "gateway_key_of({0}, {1}, {2}, {3})",
}
IMPLIED_HASH = {
    "postgresql": r"encode(sha256('\x00'::bytea || convert_to('process:' || {0}, 'UTF8')), 'hex')",
    "sqlite": "implied_hash_of({0})",
}


def upgrade() -> None:
    """Apply."""
    _refuse_while_anybody_works()
    _create_tables()
    _carry_keys()
    _carry_payments()
    _carry_refunds()
    _carry_journal()
    _carry_deliveries()
    _carry_figures()
    for table in ("outbox_events", "operations", "tally_marks"):
        op.drop_table(table)


def downgrade() -> None:
    """Refuse: the old tables say less than the new ones."""
    raise RuntimeError("0007 cannot be taken back: restore the back-up that was made before the upgrade")


def _database() -> str:
    return op.get_bind().dialect.name


def _refuse_while_anybody_works() -> None:
    alive = f"leased_until > {NOW[_database()]}"
    for table, unfinished in (
        ("idempotency_keys", "response_status IS NULL"),
        ("outbox_deliveries", "status = 'PENDING'"),
    ):
        found = op.get_bind().exec_driver_sql(f"SELECT count(*) FROM {table} WHERE {unfinished} AND {alive}").scalar()
        if found:
            raise RuntimeError(
                f"{found} rows of {table} are in use: stop the service and its worker, wait a minute, and try again"
            )


def _create_tables() -> None:
    op.create_table(
        "reservations",
        sa.Column("channel", sa.String(20), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("value", sa.String(255), nullable=False),
        sa.Column("payment_id", Identity64, nullable=False),
        sa.PrimaryKeyConstraint("channel", "kind", "value", name=op.f("pk_reservations")),
    )
    op.create_table(
        "timers",
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("what", Identity64, nullable=False, autoincrement=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("kind IN ('recover')", name=op.f("ck_timers_kind_known")),
        sa.PrimaryKeyConstraint("kind", "what", name=op.f("pk_timers")),
    )
    op.create_index("ix_timers_due", "timers", ["kind", "attempts", "due_at"])
    op.create_table(
        "watermarks",
        sa.Column("name", sa.String(20), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("look", sa.BigInteger()),
        sa.Column("open_transactions", sa.Text()),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_watermarks")),
    )


# Keys ---------------------------------------------------------------------------------------------------------------


def _carry_keys() -> None:
    for index in ("ix_idempotency_keys_unfinished", "ix_idempotency_keys_expires_at", "ix_idempotency_keys_key_hash"):
        op.drop_index(index, "idempotency_keys")
    with op.batch_alter_table("idempotency_keys") as keys:
        keys.alter_column("rendering", new_column_name="response_format", existing_type=sa.String(40))
        keys.add_column(sa.Column("is_client_key", sa.Boolean()))
        for name, kind in OPERATION_COLUMNS:
            keys.add_column(sa.Column(name, kind))
        keys.drop_constraint(op.f("ck_idempotency_keys_response_whole"), type_="check")
    if _database() == "sqlite":
        driver = op.get_bind().connection.dbapi_connection
        driver.create_function("gateway_key_of", 4, _gateway_key_of, deterministic=True)
        driver.create_function("implied_hash_of", 1, _implied_hash_of, deterministic=True)
    _copy_operations()
    _mark_implied_keys()
    later = LATER[_database()].format(int(current_app.config["IDEMPOTENCY_KEY_TTL"]))
    op.execute(f"UPDATE idempotency_keys SET expires_at = {later} WHERE expires_at IS NULL")
    op.execute(
        "INSERT INTO timers (kind, what, attempts, due_at)"
        " SELECT 'recover', key_id, attempts, recover_at FROM idempotency_keys WHERE response_status IS NULL"
    )
    _insert_keys_of_operations()
    _insert_keys_of_payments()
    _constrain_keys()
    op.execute(
        "INSERT INTO watermarks (name, value)"
        " SELECT 'recovery', coalesce(max(key_id), 0) FROM idempotency_keys UNION ALL SELECT 'purge', 0"
    )


def _gateway_key_of(channel: str, subject: str, key_hash: str | None, kind: str) -> str | None:
    if key_hash is None:
        return None
    text = "|".join(f"{len(part)}:{part}" for part in (channel, subject, key_hash, kind))
    return "v1-" + hashlib.sha256(text.encode()).hexdigest()[:48]


def _implied_hash_of(public_id: str) -> str:
    return hashlib.sha256(f"\x00process:{UUID(public_id)}".encode()).hexdigest()


def _copy_operations() -> None:
    op.execute(
        """
        UPDATE idempotency_keys
        SET kind = o.kind, amount = o.amount, currency = o.currency, operation_status = o.status,
            gateway_key = o.gateway_key, parent_key = o.parent_key, gateway_reference = o.gateway_reference,
            failure_message = o.failure_message, review_reason = o.review_reason
        FROM operations AS o WHERE o.operation_id = idempotency_keys.operation_id
        """
    )
    # A claim drew an operation's id also where it then made none.
    op.execute("UPDATE idempotency_keys SET operation_id = NULL WHERE kind IS NULL")


def _mark_implied_keys() -> None:
    """Refunds without a client's key say so. A payment processed without one has a key that its public id names."""
    op.execute("UPDATE idempotency_keys SET is_client_key = (1 = 1)")
    op.execute(
        """
        UPDATE idempotency_keys SET is_client_key = (1 = 0)
        FROM payment_refunds AS r
        WHERE r.operation_id = idempotency_keys.operation_id AND r.idempotency_hash IS NULL
        """
    )
    op.execute(
        f"""
        UPDATE idempotency_keys SET is_client_key = (1 = 0)
        FROM payments AS p
        WHERE p.payment_id = idempotency_keys.payment_id AND idempotency_keys.kind = 'charge'
            AND idempotency_keys.key_hash = {IMPLIED_HASH[_database()].format("p.public_id")}
        """
    )
    # They are not replayed: the payment's status refuses a repeat.
    op.execute("UPDATE idempotency_keys SET response_data = NULL WHERE NOT is_client_key")


def _insert_keys_of_operations() -> None:
    """A row again for each purged key of an operation: the binding of key to operation now lives there.

    What its client got is not known any more: the status 0 says that it is finished. Where only the gateway key is
    known the hash is a placeholder. A repeat of such a key conflicts on the gateway key, which the key gives again.
    """
    implied = IMPLIED_HASH[_database()].format("p.public_id")
    # Who began the operation: for a customer's payment that may be a service.
    actor = "coalesce(nullif(t.actor, 'anonymous'), CASE WHEN t.actor IS NULL THEN p.subject ELSE '' END)"
    by_own = GATEWAY_KEY[_database()].format("p.channel", "p.subject", "p.idempotency_hash", "o.kind")
    by_implied = GATEWAY_KEY[_database()].format("p.channel", actor, implied, "o.kind")
    op.execute(
        f"""
        INSERT INTO idempotency_keys (
            channel, subject, key_hash, is_client_key, request_path, response_format, fingerprint, payment_id,
            operation_id, kind, amount, currency, operation_status, gateway_key, parent_key, gateway_reference,
            failure_message, review_reason, owner, fence, attempts, response_status, leased_until, recover_at,
            expires_at, created_at, updated_at
        )
        SELECT p.channel, coalesce(r.subject, CASE WHEN o.gateway_key = {by_own} THEN p.subject ELSE {actor} END),
            CASE
                WHEN r.idempotency_hash IS NOT NULL THEN r.idempotency_hash
                WHEN o.gateway_key = {by_own} THEN p.idempotency_hash
                WHEN o.gateway_key = {by_implied} THEN {implied}
                ELSE 'purged:' || o.gateway_key
            END,
            CASE WHEN o.kind = 'refund' THEN r.idempotency_hash IS NOT NULL ELSE o.gateway_key <> {by_implied} END,
            '', '', o.fingerprint, o.payment_id, o.operation_id, o.kind, o.amount, o.currency, o.status, o.gateway_key,
            o.parent_key, o.gateway_reference, o.failure_message, o.review_reason, '', 1, 1, 0, o.created_at,
            o.created_at, o.created_at,
            -- Release 1.0.0 says of a purged key that it is as old as the payment or refund that it made.
            CASE WHEN o.gateway_key = {by_own} THEN p.created_at ELSE coalesce(r.created_at, o.created_at) END,
            o.updated_at
        FROM operations AS o
        JOIN payments AS p ON p.payment_id = o.payment_id
        LEFT JOIN payment_refunds AS r ON r.operation_id = o.operation_id
        LEFT JOIN transactions AS t ON t.operation_id = o.operation_id AND t.move = o.kind
        WHERE NOT EXISTS (SELECT 1 FROM idempotency_keys AS k WHERE k.operation_id = o.operation_id)
        """
    )


def _insert_keys_of_payments() -> None:
    """The same for each purged key that made a payment and moved no money."""
    op.execute(
        """
        INSERT INTO idempotency_keys (
            channel, subject, key_hash, is_client_key, request_path, response_format, fingerprint, payment_id, owner,
            fence, attempts, response_status, leased_until, recover_at, expires_at, created_at, updated_at
        )
        SELECT channel, subject, idempotency_hash, (1 = 1), '', '', coalesce(fingerprint, ''), payment_id, '', 1, 1, 0,
            created_at, created_at, created_at, created_at, created_at
        FROM payments AS p
        WHERE idempotency_hash IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM idempotency_keys AS k
            WHERE k.channel = p.channel AND k.subject = p.subject AND k.key_hash = p.idempotency_hash
        )
        """
    )


def _constrain_keys() -> None:
    with op.batch_alter_table("idempotency_keys", table_kwargs={"sqlite_autoincrement": True}) as keys:
        keys.alter_column("is_client_key", existing_type=sa.Boolean(), nullable=False)
        keys.alter_column("expires_at", existing_type=UtcDateTime(), nullable=False)
        keys.drop_column("recover_at")
        keys.drop_constraint(op.f("uq_idempotency_keys_channel_subject_key_hash"), type_="unique")
        scope = ["key_hash", "channel", "subject"]
        keys.create_unique_constraint(op.f("uq_idempotency_keys_key_hash_channel_subject"), scope)
        keys.create_unique_constraint(op.f("uq_idempotency_keys_gateway_key"), ["gateway_key"])
        keys.create_check_constraint(op.f("ck_idempotency_keys_key_whole"), KEY_WHOLE)
    for column in ("payment_id", "operation_id"):
        op.create_index(f"ix_idempotency_keys_{column}", "idempotency_keys", [column])
    if _database() == "postgresql":
        # Room for the response on the same page: with 64 charges at a slow gateway 95 % of updates are in place (HOT).
        op.execute("ALTER TABLE idempotency_keys SET (fillfactor = 60)")


# Payments and refunds -----------------------------------------------------------------------------------------------


def _carry_payments() -> None:
    op.execute(
        """
        INSERT INTO reservations (channel, kind, value, payment_id)
        SELECT channel, 'reference', reference, payment_id FROM payments WHERE reference_is_unique
        UNION ALL
        SELECT channel, 'payable', payable_id, payment_id FROM payments
        WHERE payable_is_unique AND status NOT IN ('FAILED', 'CANCELLED')
        UNION ALL
        SELECT channel, 'transaction', transaction_id, payment_id FROM payments WHERE transaction_id IS NOT NULL
        """
    )
    for index in ("uq_payments_live_payable", "uq_payments_reference", "ix_payments_reference"):
        op.drop_index(index, "payments")
    with op.batch_alter_table("payments") as payments:
        payments.drop_constraint(op.f("uq_payments_idempotency_hash_channel_subject"), type_="unique")
        payments.drop_constraint(op.f("uq_payments_channel_transaction_id"), type_="unique")
        for name in ("amounts_not_negative", "money_conserved"):
            payments.drop_constraint(op.f(f"ck_payments_{name}"), type_="check")
        payments.create_check_constraint(op.f("ck_payments_money_conserved"), MONEY_CONSERVED)
        payments.add_column(sa.Column("charge_key", sa.String(64)))
        for column in ("reference_is_unique", "payable_is_unique", "fingerprint"):
            payments.drop_column(column)
    op.execute(
        """
        UPDATE payments SET charge_key = o.gateway_key FROM operations AS o
        WHERE o.payment_id = payments.payment_id AND o.kind IN ('charge', 'authorize')
        """
    )
    op.create_index("ix_payments_reference", "payments", ["reference", "payment_id"])
    if _database() == "postgresql":
        # A payment hardly grows: 99 % of updates are in place.
        op.execute("ALTER TABLE payments SET (fillfactor = 90)")


def _carry_refunds() -> None:
    op.drop_index("ix_payment_refunds_payment_id", "payment_refunds")
    with op.batch_alter_table("payment_refunds") as refunds:
        refunds.add_column(sa.Column("key_hash", sa.String(64)))
    op.execute(
        """
        UPDATE payment_refunds SET key_hash = k.key_hash FROM idempotency_keys AS k
        WHERE k.operation_id = payment_refunds.operation_id
        """
    )
    with op.batch_alter_table("payment_refunds") as refunds:
        refunds.alter_column("key_hash", existing_type=sa.String(64), nullable=False)
        refunds.drop_constraint(op.f("uq_payment_refunds_channel_subject_idempotency_hash"), type_="unique")
        refunds.drop_constraint(op.f("uq_payment_refunds_operation_id"), type_="unique")
        refunds.drop_constraint(op.f("fk_payment_refunds_operation_id"), type_="foreignkey")
        refunds.drop_column("operation_id")
        refunds.drop_column("idempotency_hash")
        refunds.create_unique_constraint(
            op.f("uq_payment_refunds_payment_id_key_hash_subject"), ["payment_id", "key_hash", "subject"]
        )


# Journal and deliveries ---------------------------------------------------------------------------------------------


def _parts(table: str) -> list[str]:
    """The tables that hold a table's rows: itself, or its months (deploy/postgresql/by_month.sql)."""
    if _database() != "postgresql":
        return [table]
    found = op.get_bind().exec_driver_sql(
        f"SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = '{table}'::regclass"
    )
    return list(found.scalars()) or [table]


def _carry_journal() -> None:
    with op.batch_alter_table("transactions") as transactions:
        transactions.add_column(sa.Column("event_id", sa.Uuid()))
        transactions.add_column(sa.Column("event_type", sa.String(60)))
        transactions.add_column(sa.Column("traceparent", sa.String(55)))
        transactions.alter_column("version", existing_type=sa.Integer(), nullable=True)
    op.execute(
        """
        UPDATE transactions SET event_id = e.event_id, event_type = e.event_type, traceparent = e.traceparent
        FROM outbox_events AS e
        WHERE e.payment_id = transactions.payment_id AND e.version = transactions.version
        """
    )
    whole = "(version IS NULL) = (event_id IS NULL) AND (event_id IS NULL) = (event_type IS NULL)"
    parts = _parts("transactions")
    with op.batch_alter_table("transactions") as transactions:
        transactions.create_check_constraint(op.f("ck_transactions_event_whole"), whole)
        if parts == ["transactions"]:
            transactions.create_unique_constraint(op.f("uq_transactions_event_id"), ["event_id"])
            transactions.drop_constraint(op.f("fk_transactions_payment_id"), type_="foreignkey")
            for name in ("status_known", "transaction_type_known"):
                transactions.drop_constraint(op.f(f"ck_transactions_{name}"), type_="check")
    if parts != ["transactions"]:
        op.execute("ALTER TABLE transactions DROP CONSTRAINT transactions_payment_id_fkey")
        for part in parts:
            op.execute(f"ALTER TABLE {part} ADD UNIQUE (event_id)")
            for name in (
                "fk_transactions_payment_id",
                "ck_transactions_status_known",
                "ck_transactions_transaction_type_known",
            ):
                op.execute(f"ALTER TABLE {part} DROP CONSTRAINT IF EXISTS {name}")


def _carry_deliveries() -> None:
    parts = _parts("outbox_deliveries")
    divided = parts != ["outbox_deliveries"]
    for index in _indexes_of_event_id(parts) if divided else ["ix_outbox_deliveries_event_id"]:
        op.drop_index(index)
    with op.batch_alter_table("outbox_deliveries") as deliveries:
        if not divided:
            deliveries.drop_constraint(op.f("fk_outbox_deliveries_event_id"), type_="foreignkey")
        deliveries.add_column(sa.Column("payment_id", Identity64))
        deliveries.add_column(sa.Column("event_type", sa.String(60)))
        deliveries.add_column(sa.Column("version", sa.Integer()))
        deliveries.add_column(sa.Column("message_key", sa.String(64)))
        deliveries.add_column(sa.Column("request_id", sa.String(64)))
        deliveries.add_column(sa.Column("traceparent", sa.String(55)))
    op.execute(
        """
        UPDATE outbox_deliveries
        SET payment_id = e.payment_id, event_type = e.event_type, version = e.version, request_id = e.request_id,
            traceparent = e.traceparent
        FROM outbox_events AS e WHERE e.event_id = outbox_deliveries.event_id
        """
    )
    _render_messages()
    with op.batch_alter_table("outbox_deliveries") as deliveries:
        for name, kind in (("payment_id", Identity64), ("event_type", sa.String(60)), ("version", sa.Integer())):
            deliveries.alter_column(name, existing_type=kind, nullable=False)
    op.create_index("ix_outbox_deliveries_payment_id", "outbox_deliveries", ["payment_id"])
    if divided:
        _forget_events_by_month()


def _indexes_of_event_id(parts: list[str]) -> list[str]:
    """PostgreSQL gave the index of each month a name of its own."""
    listed = ", ".join(f"'{part}'::regclass" for part in parts)
    found = op.get_bind().exec_driver_sql(
        f"SELECT relname FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indrelid IN ({listed})"
        " AND right(pg_get_indexdef(indexrelid), 10) = '(event_id)'"
    )
    return list(found.scalars())


def _forget_events_by_month() -> None:
    """The function that makes months to come names the table of events."""
    source = "SELECT pg_get_functiondef('history_month(date)'::regprocedure)"
    text = str(op.get_bind().exec_driver_sql(source).scalar_one())
    op.execute(sa.text(text.replace("'outbox_events', ", "").replace(":", r"\:")))


def _render_messages() -> None:
    """The bytes that brokers have not got yet, as release 1.0.0 would have rendered them at the next try."""
    columns = {"event_id": sa.Uuid(), "created_at": UtcDateTime()}
    waiting = sa.text(
        """
        SELECT d.delivery_id, d.sink, e.event_id, e.event_type, e.channel, e.version, e.payload, e.created_at
        FROM outbox_deliveries AS d JOIN outbox_events AS e ON e.event_id = d.event_id
        WHERE d.sink IN ('rabbitmq', 'kafka') AND d.status <> 'DELIVERED' AND d.delivery_id > :after
        ORDER BY d.delivery_id LIMIT :at_most
        """
    ).columns(**columns)
    write = sa.text("UPDATE outbox_deliveries SET body = :body, message_key = :key WHERE delivery_id = :of")
    bind, after = op.get_bind(), 0
    while rows := bind.execute(waiting, {"after": after, "at_most": BATCH}).all():
        bind.execute(write, [_message(row) for row in rows])
        after = rows[-1].delivery_id


def _message(row: Any) -> dict[str, Any]:
    payload = json.loads(row.payload)
    timestamp = row.created_at.replace(tzinfo=None).isoformat(timespec="microseconds")
    order = {"channel": row.channel, "version": row.version}
    if row.sink == "rabbitmq":
        message = {"event_type": row.event_type, "timestamp": timestamp, "data": payload["data"]}
        message |= {"event_id": str(row.event_id)} | order
    else:
        message = {"event_type": row.event_type, "event_id": str(row.event_id), "payment_id": payload["payment_ref"]}
        message |= {"order_id": payload["payable_id"], "timestamp": timestamp, "data": payload["data"]} | order
    body = json.dumps(message, separators=(",", ":"), ensure_ascii=False)
    return {"of": row.delivery_id, "body": body, "key": str(payload["payment_ref"])}


# Figures ------------------------------------------------------------------------------------------------------------


def _carry_figures() -> None:
    op.execute(
        f"""
        INSERT INTO tallies ({TALLY}, times, amount)
        SELECT {TALLY}, count(*), sum(amount) FROM tally_marks WHERE true GROUP BY {TALLY}
        ON CONFLICT ({TALLY}) DO UPDATE
        SET times = tallies.times + excluded.times, amount = tallies.amount + excluded.amount
        """
    )
    op.execute(
        f"""
        INSERT INTO hourly_tallies (hour, move, from_status, status, times)
        SELECT {HOUR[_database()]}, move, from_status, status, count(*)
        FROM tally_marks WHERE happened_at IS NOT NULL GROUP BY 1, 2, 3, 4
        ON CONFLICT (hour, move, from_status, status) DO UPDATE SET times = hourly_tallies.times + excluded.times
        """
    )
    op.execute(
        "INSERT INTO watermarks (name, value) SELECT 'journal', coalesce(max(transaction_log_id), 0) FROM transactions"
    )
