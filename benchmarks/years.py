"""Years of payments for a PostgreSQL: for each one its key, its operation, two audit rows and a delivered event."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

from tests.support.postgres import Postgres

_BATCH = 100_000
_SIDE_BY_SIDE = 2
_PAYMENTS = """
SET session_replication_role = replica;
INSERT INTO payments SELECT n, gen_random_uuid(), 'trips', '', n::text, NULL, 150.10, 'INR',
    (ARRAY['CARD', 'UPI', 'CASH'])[n % 3 + 1], CASE WHEN n % 20 = 0 THEN 'FAILED' ELSE 'CAPTURED' END, 2, 0,
    CASE WHEN n % 20 = 0 THEN 0 ELSE 150.10 END, 0, 0, 'PAY-' || n, true, false, NULL, NULL, NULL, NULL, NULL, NULL,
    md5(n::text) || md5(n::text), 'route:0123456789abcdef amount:0123456789abcdef', now(), now()
    FROM generate_series({first}, {last}) AS n;
INSERT INTO operations SELECT gen_random_uuid(), n, 'charge', 150.10, 'INR',
    CASE WHEN n % 20 = 0 THEN 'FAILED' ELSE 'SUCCEEDED' END, 'v1-' || md5(n::text), NULL, 'amount:0123456789abcdef',
    'sim_' || n, NULL, NULL, now(), now() FROM generate_series({first}, {last}) AS n;
INSERT INTO transactions SELECT 2 * n - 1, n, 1, 'PAYMENT', 'charge', NULL, 'PROCESSING', 150.10, 0, 0, NULL,
    'Payment processing started', 'anonymous', NULL, now() FROM generate_series({first}, {last}) AS n;
INSERT INTO transactions SELECT 2 * n, n, 2, 'PAYMENT', CASE WHEN n % 20 = 0 THEN 'charge_declined' ELSE 'charged' END,
    'PROCESSING', CASE WHEN n % 20 = 0 THEN 'FAILED' ELSE 'CAPTURED' END, 150.10, 150.10, 0, NULL,
    'Charge approved by the gateway', 'anonymous', NULL, now() FROM generate_series({first}, {last}) AS n;
INSERT INTO idempotency_keys (channel, subject, key_hash, request_path, rendering, fingerprint, payment_id, owner,
    fence, attempts, leased_until, recover_at, response_status, response_data, created_at, updated_at, expires_at)
    SELECT 'trips', '', md5(n::text) || md5(n::text), 'POST:/payments', 'charge', 'route:0123456789abcdef', n,
    '', 1, 1, now(), now(), 200, repeat('x', 200), now(), now(), now() + interval '1 day'
    FROM generate_series({first}, {last}) AS n;
WITH told AS (
    INSERT INTO outbox_events (event_id, payment_id, version, channel, event_type, payload, created_at)
    SELECT gen_random_uuid(), n, 2, 'trips', 'payment.completed', repeat('x', 400), now()
    FROM generate_series({first}, {last}) AS n RETURNING event_id, payment_id
)
INSERT INTO outbox_deliveries (event_id, sink, stream, status, attempts, due_at, created_at, delivered_at)
    SELECT event_id, 'rabbitmq', 'payment:' || payment_id, 'DELIVERED', 1, now(), now(), now() FROM told;
"""
_NUMBERS = "SELECT setval('payments_payment_id_seq', {last}), setval('transactions_transaction_log_id_seq', 2 * {last})"
_TABLES = "'payments', 'operations', 'transactions', 'idempotency_keys', 'outbox_events', 'outbox_deliveries'"
# What others refer to comes first.
_CONSTRAINTS = f"""SELECT conrelid::regclass::text, conname, pg_get_constraintdef(pg_constraint.oid) FROM pg_constraint
    JOIN pg_class AS meant ON meant.oid = coalesce(nullif(confrelid, 0), conrelid)
    WHERE contype IN ('p', 'u', 'f') AND meant.relname IN ({_TABLES})
    ORDER BY array_position(ARRAY['p', 'u', 'f']::"char"[], contype), conname"""
_INDEXES = f"SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename IN ({_TABLES})"


def execute(server: Postgres, database: str, statements: str) -> None:
    """Run statements in a database of the server's."""
    with closing(server.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute(statements)


def fill(server: Postgres, database: str, payments: int, after: int = 0) -> None:
    """Add the payments with the numbers from `after` + 1 to `payments`, and say how far that is."""

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
    """The tables without constraints and indexes, which are made in one go afterwards: four times as fast."""
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
