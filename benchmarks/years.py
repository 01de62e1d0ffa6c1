"""Years of payments for a PostgreSQL: for each one its key, reservation, two journal rows and a delivered event."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

from tests.support.postgres import Postgres

_BATCH = 100_000
_SIDE_BY_SIDE = 2
_PAYMENTS = """
SET session_replication_role = replica;
INSERT INTO payments (payment_id, public_id, channel, subject, payable_id, amount, currency, method, status, version,
    authorized_amount, captured_amount, refunded_amount, refund_pending_amount, reference, idempotency_hash, charge_key,
    created_at, updated_at)
    SELECT n, gen_random_uuid(), 'trips', '', n, 150.10, 'INR', (ARRAY['CARD', 'UPI', 'CASH'])[n % 3 + 1],
    CASE WHEN n % 20 = 0 THEN 'FAILED' ELSE 'CAPTURED' END, 2, 150.10, CASE WHEN n % 20 = 0 THEN 0 ELSE 150.10 END,
    0, 0, 'PAY-' || n, md5(n::text) || md5(n::text), 'v1-' || md5(n::text), now(), now()
    FROM generate_series({first}, {last}) AS n;
INSERT INTO reservations (channel, kind, value, payment_id)
    SELECT 'trips', 'reference', 'PAY-' || n, n FROM generate_series({first}, {last}) AS n;
INSERT INTO idempotency_keys (channel, subject, key_hash, is_client_key, request_path, response_format, fingerprint,
    payment_id, operation_id, kind, amount, currency, operation_status, gateway_key, gateway_reference, owner, fence,
    attempts, leased_until, response_status, response_data, expires_at, created_at, updated_at)
    SELECT 'trips', '', md5(n::text) || md5(n::text), true, 'POST:/payments', 'charge',
    'amount:0123456789abcdef route:0123456789abcdef trip_id:0123456789abcdef', n, gen_random_uuid(), 'charge', 150.10,
    'INR', CASE WHEN n % 20 = 0 THEN 'FAILED' ELSE 'SUCCEEDED' END, 'v1-' || md5(n::text), 'sim_' || n, '', 1, 1,
    now() - interval '1 hour', 200, repeat('x', 200), now() + interval '1 day', now(), now()
    FROM generate_series({first}, {last}) AS n;
INSERT INTO transactions (payment_id, version, transaction_type, move, status, amount, captured_amount,
    refunded_amount, description, actor, event_id, event_type, created_at)
    SELECT n, 1, 'PAYMENT', 'charge', 'PROCESSING', 150.10, 0, 0, 'Payment processing started', 'anonymous',
    gen_random_uuid(), 'payment.created', now() FROM generate_series({first}, {last}) AS n;
WITH ended AS (
    INSERT INTO transactions (payment_id, version, transaction_type, move, from_status, status, amount, captured_amount,
        refunded_amount, description, actor, event_id, event_type, created_at)
    SELECT n, 2, 'PAYMENT', CASE WHEN n % 20 = 0 THEN 'charge_declined' ELSE 'charged' END, 'PROCESSING',
        CASE WHEN n % 20 = 0 THEN 'FAILED' ELSE 'CAPTURED' END, 150.10, 150.10, 0, 'Charge approved by the gateway',
        'anonymous', gen_random_uuid(), 'payment.completed', now() FROM generate_series({first}, {last}) AS n
    RETURNING payment_id, event_id, event_type
)
INSERT INTO outbox_deliveries (payment_id, event_id, event_type, version, sink, stream, message_key, body, status,
    attempts, due_at, created_at, delivered_at)
    SELECT payment_id, event_id, event_type, 2, 'rabbitmq', 'payment:' || payment_id, payment_id, repeat('x', 400),
    'DELIVERED', 1, now(), now(), now() FROM ended;
"""
_NUMBERS = """
SELECT setval('payments_payment_id_seq', {last});
INSERT INTO watermarks (name, value) SELECT 'recovery', max(key_id) FROM idempotency_keys
    ON CONFLICT (name) DO UPDATE SET value = excluded.value;
"""
_TABLES = "'payments', 'reservations', 'idempotency_keys', 'transactions', 'outbox_deliveries'"
# Referenced tables come first.
_CONSTRAINTS = f"""SELECT conrelid::regclass::text, conname, pg_get_constraintdef(pg_constraint.oid) FROM pg_constraint
    JOIN pg_class AS meant ON meant.oid = coalesce(nullif(confrelid, 0), conrelid)
    WHERE contype IN ('p', 'u', 'f') AND meant.relname IN ({_TABLES})
    ORDER BY array_position(ARRAY['p', 'u', 'f']::"char"[], contype), conname"""
_INDEXES = f"SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename IN ({_TABLES})"


def execute(server: Postgres, database: str, statements: str) -> None:
    """Run statements in a database of the server."""
    with closing(server.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute(statements)


def fill(server: Postgres, database: str, payments: int, after: int = 0) -> None:
    """Add the payments with the numbers from `after` + 1 to `payments`, and print the progress."""

    def add(first: int) -> None:
        execute(server, database, _PAYMENTS.format(first=first, last=min(first + _BATCH - 1, payments)))
        print(f"\r{first + _BATCH - 1:,} payments", end="", file=sys.stderr)

    with _bare(server, database), ThreadPoolExecutor(_SIDE_BY_SIDE) as threads:
        for added in [threads.submit(add, first) for first in range(after + 1, payments + 1, _BATCH)]:
            added.result()
    execute(server, database, _NUMBERS.format(last=payments))
    execute(server, database, "VACUUM ANALYZE")
    print(file=sys.stderr)


@contextmanager
def _bare(server: Postgres, database: str) -> Iterator[None]:
    """Drop constraints and indexes of the tables, and create them again at the end: four times as fast."""
    constraints = _told(server, database, _CONSTRAINTS)
    for table, name, _ in reversed(constraints):
        execute(server, database, f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    indexes = _told(server, database, _INDEXES)
    for name, _ in indexes:
        execute(server, database, f'DROP INDEX "{name}"')
    yield
    made = [f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}' for table, name, definition in constraints]
    for statement in [*made, *(definition for _, definition in indexes)]:
        execute(server, database, statement)


def _told(server: Postgres, database: str, question: str) -> list[tuple[str, ...]]:
    with closing(server.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute(question)
        return cursor.fetchall()
