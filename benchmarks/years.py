"""Years of payments for a PostgreSQL: for each one its key, its operation, two audit rows and a delivered event."""

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

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


def execute(server: Postgres, database: str, statements: str) -> None:
    """Run statements in a database of the server's."""
    with closing(server.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute(statements)


def fill(server: Postgres, database: str, payments: int, after: int = 0) -> None:
    """Add the payments with the numbers from `after` + 1 to `payments`, and say how far that is."""

    def add(first: int) -> None:
        execute(server, database, _PAYMENTS.format(first=first, last=min(first + _BATCH - 1, payments)))
        print(f"\r{first + _BATCH - 1:,} payments", end="", file=sys.stderr)

    with ThreadPoolExecutor(_SIDE_BY_SIDE) as threads:
        for added in [threads.submit(add, first) for first in range(after + 1, payments + 1, _BATCH)]:
            added.result()
    execute(server, database, _NUMBERS.format(last=payments))
    execute(server, database, "VACUUM ANALYZE")
    print(file=sys.stderr)
