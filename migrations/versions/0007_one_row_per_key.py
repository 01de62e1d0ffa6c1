"""One row for each key with its operation, one journal for audit and events, reservations for what must be unique.

Revision: 0007, after 0006. Everything that release 1.0.0 has written is carried over. The service must be stopped.
"""

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from flask import current_app

from payment_service.sqltypes import Identity64, Money, UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BATCH = 1000
PURGED_STATUS = 0
"""The status of a response that was purged before this migration is not known."""

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
NOW = {"postgresql": "clock_timestamp()", "sqlite": "strftime('%Y-%m-%d %H:%M:%f000', 'now')"}
HOUR = {
    "postgresql": "date_trunc('hour', happened_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'",
    "sqlite": "strftime('%Y-%m-%d %H:00:00.000000', happened_at)",
}
TALLY = "channel, method, currency, move, from_status, status"


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
                f"{found} rows of {table} are being worked on: stop the service and its worker, wait a minute, try again"
            )


def _create_tables() -> None:
    op.create_table(
        "reservations",
        sa.Column("channel", sa.String(20), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("value", sa.String(255), nullable=False),
        sa.Column("payment_id", Identity64, nullable=False),
        sa.CheckConstraint("kind IN ('reference', 'payable', 'transaction')", name=op.f("ck_reservations_kind_known")),
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
    op.execute("UPDATE idempotency_keys SET is_client_key = (1 = 1)")
    _mark_implied_keys()
    # Only a client's key has a response to repeat.
    op.execute("UPDATE idempotency_keys SET response_data = NULL WHERE NOT is_client_key")
    ttl = int(current_app.config["IDEMPOTENCY_KEY_TTL"])
    later = {
        "postgresql": f"clock_timestamp() + make_interval(secs => {ttl})",
        "sqlite": f"strftime('%Y-%m-%d %H:%M:%f000', 'now', '{ttl} seconds')",
    }[_database()]
    op.execute(f"UPDATE idempotency_keys SET expires_at = {later} WHERE expires_at IS NULL")
    op.execute(
        "INSERT INTO timers (kind, what, attempts, due_at)"
        " SELECT 'recover', key_id, attempts, recover_at FROM idempotency_keys WHERE response_status IS NULL"
    )
    _insert_purged_keys()
    with op.batch_alter_table("idempotency_keys", table_kwargs={"sqlite_autoincrement": True}) as keys:
        keys.alter_column("is_client_key", existing_type=sa.Boolean(), nullable=False)
        keys.alter_column("expires_at", existing_type=UtcDateTime(), nullable=False)
        keys.drop_column("recover_at")
        keys.drop_constraint(op.f("uq_idempotency_keys_channel_subject_key_hash"), type_="unique")
        keys.create_unique_constraint(
            op.f("uq_idempotency_keys_key_hash_channel_subject"), ["key_hash", "channel", "subject"]
        )
        keys.create_unique_constraint(op.f("uq_idempotency_keys_gateway_key"), ["gateway_key"])
        for name, condition in (
            ("kind_known", "kind IN ('charge', 'authorize', 'capture', 'void', 'refund')"),
            ("operation_status_known", "operation_status IN ('PENDING', 'SUCCEEDED', 'FAILED')"),
            (
                "operation_whole",
                "(kind IS NULL) = (gateway_key IS NULL) AND (kind IS NULL) = (operation_id IS NULL)"
                " AND (kind IS NULL) = (operation_status IS NULL)",
            ),
            ("response_whole", "response_data IS NULL OR response_status IS NOT NULL"),
        ):
            keys.create_check_constraint(op.f(f"ck_idempotency_keys_{name}"), condition)
    op.create_index("ix_idempotency_keys_payment_id", "idempotency_keys", ["payment_id"])
    op.create_index("ix_idempotency_keys_operation_id", "idempotency_keys", ["operation_id"])
    if _database() == "postgresql":
        op.execute("ALTER TABLE idempotency_keys SET (fillfactor = 50)")
    op.execute(
        "INSERT INTO watermarks (name, value)"
        " SELECT 'recovery', coalesce(max(key_id), 0) FROM idempotency_keys UNION ALL SELECT 'purge', 0"
    )


def _mark_implied_keys() -> None:
    """Refunds without a client's key say so. A payment processed without one has a key that its public id names."""
    op.execute(
        """
        UPDATE idempotency_keys SET is_client_key = (1 = 0)
        FROM payment_refunds AS r
        WHERE r.operation_id = idempotency_keys.operation_id AND r.idempotency_hash IS NULL
        """
    )
    keys = sa.table(
        "idempotency_keys", *(sa.column(n) for n in ("key_id", "key_hash", "kind", "payment_id", "is_client_key"))
    )
    payments = sa.table(
        "payments", sa.column("payment_id"), sa.column("public_id", sa.Uuid()), sa.column("idempotency_hash")
    )
    processed = (
        sa.select(keys.c.key_id, keys.c.key_hash, payments.c.public_id)
        .join_from(keys, payments, payments.c.payment_id == keys.c.payment_id)
        .where(keys.c.kind == "charge", payments.c.idempotency_hash.is_distinct_from(keys.c.key_hash))
        .order_by(keys.c.key_id)
    )
    for rows in _batches(processed):
        implied = [row.key_id for row in rows if row.key_hash == _implied_hash(row.public_id)]
        if implied:
            op.get_bind().execute(keys.update().where(keys.c.key_id.in_(implied)).values(is_client_key=sa.false()))


def _insert_purged_keys() -> None:
    """A row again for each key whose row was purged: the binding of key to operation or payment now lives there."""
    columns = (
        "key_id",
        "channel",
        "subject",
        "key_hash",
        "is_client_key",
        "request_path",
        "response_format",
        "fingerprint",
        "payment_id",
    )
    more = (
        "kind",
        "currency",
        "operation_status",
        "gateway_key",
        "parent_key",
        "gateway_reference",
        "failure_message",
        "review_reason",
    )
    rest = ("owner", "fence", "attempts", "response_status")
    times = ("leased_until", "expires_at", "created_at", "updated_at", "recover_at")
    table = sa.table(
        "idempotency_keys",
        *(sa.column(name) for name in (*columns, *more, *rest)),
        *(sa.column(name, UtcDateTime()) for name in times),
        sa.column("operation_id", sa.Uuid()),
        sa.column("amount", Money()),
    )
    for purged in (_purged_operations, _purged_creations):
        for rows in purged():
            op.get_bind().execute(sa.insert(table), rows)


def _purged_operations() -> Iterator[list[dict[str, Any]]]:
    o = sa.table(
        "operations",
        *(sa.column(name) for name in ("payment_id", "kind", "currency", "status", "gateway_key", "parent_key")),
        *(sa.column(name) for name in ("fingerprint", "gateway_reference", "failure_message", "review_reason")),
        sa.column("operation_id", sa.Uuid()),
        sa.column("amount", Money()),
        sa.column("created_at", UtcDateTime()),
        sa.column("updated_at", UtcDateTime()),
    )
    k = sa.table("idempotency_keys", sa.column("operation_id", sa.Uuid()))
    p = _payments()
    r = sa.table(
        "payment_refunds", sa.column("operation_id", sa.Uuid()), sa.column("subject"), sa.column("idempotency_hash")
    )
    # Who began an operation: for a payment of a customer that may be a service.
    t = sa.table("transactions", sa.column("operation_id", sa.Uuid()), sa.column("move"), sa.column("actor"))
    found = (
        sa.select(
            o,
            p.c.channel,
            p.c.public_id,
            p.c.subject,
            p.c.idempotency_hash,
            p.c.created_at.label("made_at"),
            r.c.subject.label("refund_subject"),
            r.c.idempotency_hash.label("refund_hash"),
            t.c.actor,
        )
        .join_from(o, p, p.c.payment_id == o.c.payment_id)
        .join(r, r.c.operation_id == o.c.operation_id, isouter=True)
        .join(t, (t.c.operation_id == o.c.operation_id) & (t.c.move == o.c.kind), isouter=True)
        .where(~sa.exists().where(k.c.operation_id == o.c.operation_id))
        .order_by(o.c.gateway_key)
    )
    for rows in _batches(found):
        yield [_purged_operation(row) for row in rows]


def _purged_operation(row: Any) -> dict[str, Any]:
    subject, key_hash, is_client_key = _scope_of(row)
    made_at = row.made_at if key_hash == row.idempotency_hash else row.created_at
    return _purged_row(row.channel, subject, key_hash, row.fingerprint, row.payment_id, made_at, row.updated_at) | {
        "is_client_key": is_client_key,
        "operation_id": row.operation_id,
        "kind": row.kind,
        "amount": row.amount,
        "currency": row.currency,
        "operation_status": row.status,
        "gateway_key": row.gateway_key,
        "parent_key": row.parent_key,
        "gateway_reference": row.gateway_reference,
        "failure_message": row.failure_message,
        "review_reason": row.review_reason,
    }


def _scope_of(row: Any) -> tuple[str, str, bool]:
    """Whose key asked for an operation. Where only its gateway key is known the hash is a placeholder.

    A repeat of such a key conflicts on the gateway key, which the caller's key gives again.
    """
    if row.kind == "refund":
        known = row.refund_hash is not None
        return row.refund_subject, row.refund_hash if known else _placeholder(row.gateway_key), known
    actor = "" if row.actor in (None, "anonymous") else row.actor
    for key_hash, is_client_key in ((row.idempotency_hash, True), (_implied_hash(row.public_id), False)):
        for subject in (row.subject, actor):
            if key_hash and _gateway_key(row.channel, subject, key_hash, row.kind) == row.gateway_key:
                return subject, key_hash, is_client_key
    return actor, _placeholder(row.gateway_key), True


def _purged_creations() -> Iterator[list[dict[str, Any]]]:
    """Keys that made a payment and moved no money."""
    p = _payments()
    k = sa.table("idempotency_keys", sa.column("channel"), sa.column("subject"), sa.column("key_hash"))
    found = (
        sa.select(p)
        .where(
            p.c.idempotency_hash.is_not(None),
            ~sa.exists().where(
                k.c.key_hash == p.c.idempotency_hash, k.c.channel == p.c.channel, k.c.subject == p.c.subject
            ),
        )
        .order_by(p.c.payment_id)
    )
    for rows in _batches(found):
        yield [
            _purged_row(
                row.channel,
                row.subject,
                row.idempotency_hash,
                row.fingerprint or "",
                row.payment_id,
                row.created_at,
                row.created_at,
            )
            for row in rows
        ]


def _payments() -> Any:
    return sa.table(
        "payments",
        *(sa.column(name) for name in ("payment_id", "channel", "subject", "idempotency_hash", "fingerprint")),
        sa.column("public_id", sa.Uuid()),
        sa.column("created_at", UtcDateTime()),
    )


def _purged_row(
    channel: str, subject: str, key_hash: str, fingerprint: str, payment_id: int, made: datetime, changed: datetime
) -> dict[str, Any]:
    return {
        "channel": channel,
        "subject": subject,
        "key_hash": key_hash,
        "is_client_key": True,
        "request_path": "",
        "response_format": "",
        "fingerprint": fingerprint,
        "payment_id": payment_id,
        "owner": "",
        "fence": 1,
        "attempts": 1,
        "response_status": PURGED_STATUS,
        "leased_until": made,
        "recover_at": made,
        "expires_at": made,
        "created_at": made,
        "updated_at": changed,
    }


def _batches(statement: Any) -> Iterator[list[Any]]:
    """The rows of a statement, read whole before any is changed: a cursor does not survive the writes between."""
    rows = op.get_bind().execute(statement).all()
    for start in range(0, len(rows), BATCH):
        yield list(rows[start : start + BATCH])


def _implied_hash(public_id: Any) -> str:
    return hashlib.sha256(f"\x00process:{public_id}".encode()).hexdigest()


def _placeholder(gateway_key: str) -> str:
    return f"purged:{gateway_key}"


def _gateway_key(channel: str, subject: str, key_hash: str, kind: str) -> str:
    text = f"{len(channel)}:{channel}|{len(subject)}:{subject}|{len(key_hash)}:{key_hash}|{len(kind)}:{kind}"
    return "v1-" + hashlib.sha256(text.encode()).hexdigest()[:48]


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
        op.execute("ALTER TABLE payments SET (fillfactor = 60)")


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
    if parts != ["transactions"]:
        for part in parts:
            op.execute(f"ALTER TABLE {part} ADD UNIQUE (event_id)")


def _carry_deliveries() -> None:
    parts = _parts("outbox_deliveries")
    divided = parts != ["outbox_deliveries"]
    op.drop_index("ix_outbox_deliveries_event_id", "outbox_deliveries", if_exists=divided)
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


def _forget_events_by_month() -> None:
    """The function that makes months to come names the table of events."""
    source = "SELECT pg_get_functiondef('history_month(date)'::regprocedure)"
    text = str(op.get_bind().exec_driver_sql(source).scalar_one())
    op.execute(sa.text(text.replace("'outbox_events', ", "").replace(":", r"\:")))


def _render_messages() -> None:
    """The bytes that brokers have not got yet, as release 1.0.0 would have rendered them at the next try."""
    d = sa.table(
        "outbox_deliveries",
        *(sa.column(name) for name in ("delivery_id", "sink", "status", "body", "message_key")),
        sa.column("event_id", sa.Uuid()),
    )
    e = sa.table(
        "outbox_events",
        *(sa.column(name) for name in ("event_type", "channel", "version", "payload")),
        sa.column("event_id", sa.Uuid()),
        sa.column("created_at", UtcDateTime()),
    )
    waiting = (
        sa.select(d.c.delivery_id, d.c.sink, e)
        .join_from(d, e, e.c.event_id == d.c.event_id)
        .where(d.c.sink.in_(("rabbitmq", "kafka")), d.c.status != "DELIVERED")
        .order_by(d.c.delivery_id)
    )
    write = (
        d.update()
        .where(d.c.delivery_id == sa.bindparam("of"))
        .values(body=sa.bindparam("b"), message_key=sa.bindparam("k"))
    )
    for rows in _batches(waiting):
        op.get_bind().execute(write, [_message(row) for row in rows])


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
    return {"of": row.delivery_id, "b": body, "k": str(payload["payment_ref"])}


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
