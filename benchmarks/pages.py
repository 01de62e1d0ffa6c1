"""How long the operations pages take on a database with millions of payments.

    .venv/bin/python -m benchmarks.pages --payments 5000000

The database of `benchmarks.scrape`, with what is worst for each page on top: a reference that a hundred thousand bills
share, a payable that they share, twenty thousand dead deliveries with their events, and a day's hours.
"""

import argparse
import statistics
import sys
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import jwt
from flask.testing import FlaskClient
from flask_migrate import upgrade

from benchmarks.years import execute, fill
from payment_service import create_app
from payment_service.config import Settings
from tests.support.postgres import ThrowawayPostgres

SECRET = "a-secret-of-this-benchmark-and-no-other"
DATABASE = "pages"
BILLS = 100_000
TROUBLE = """
SET session_replication_role = replica;
INSERT INTO payments (public_id, channel, subject, payable_id, amount, currency, method, status, version,
    authorized_amount, captured_amount, refunded_amount, refund_pending_amount, reference, reference_is_unique,
    payable_is_unique, created_at, updated_at)
    SELECT gen_random_uuid(), 'bills', '', '4711', 1, 'INR', 'UPI', 'CAPTURED', 2, 0, 1, 0, 0, 'SHARED', false, false,
    now(), now() FROM generate_series(1, {bills}) AS n;
INSERT INTO outbox_events (event_id, payment_id, version, channel, event_type, payload, created_at)
    SELECT gen_random_uuid(), payment_id, 2, 'bills', 'payment.completed', '{{}}', now()
    FROM payments WHERE channel = 'bills';
INSERT INTO outbox_deliveries (event_id, sink, stream, status, attempts, due_at, created_at)
    SELECT event_id, 'rabbitmq', 'payment:' || payment_id, CASE WHEN payment_id % 5 = 0 THEN 'DEAD' ELSE 'PENDING' END,
    1, now(), now() FROM outbox_events WHERE channel = 'bills';
INSERT INTO idempotency_keys (channel, subject, key_hash, request_path, rendering, fingerprint, payment_id, owner,
    fence, attempts, leased_until, recover_at, created_at, updated_at)
    SELECT 'bills', '', md5('u' || n) || md5('u' || n), 'POST:/v1/payments', 'charge', 'route:0123456789abcdef', n, '',
    1, 1, now(), now(), now(), now() FROM generate_series(1, 5000) AS n;
INSERT INTO hourly_tallies SELECT date_trunc('hour', now()) - make_interval(hours => n % 8760), 'move' || n / 8760, '',
    'PROCESSING', n FROM generate_series(1, 20 * 8760) AS n;
INSERT INTO tally_marks (channel, method, currency, move, from_status, status, amount, happened_at)
    SELECT 'trips', 'CARD', 'INR', 'charge', '', 'PROCESSING', 1, now() FROM generate_series(1, 2000);
"""
PAGES = {
    "overview": "/ops",
    "one payment": "/ops/payments/{middle}",
    "search: number": "/ops/search?q={middle}",
    "search: unique reference": "/ops/search?q=PAY-{middle}",
    "search: reference of 100,000": "/ops/search?q=SHARED",
    "search: payable of 100,000": "/ops/search?q=4711",
    "search: the same, far behind": "/ops/search?q=4711&before={behind}",
    "search: hash of a key": "/ops/search?q={hash}",
    "search: nothing": "/ops/search?q=nothing-of-this-name",
    "dead deliveries": "/ops/deliveries",
}


def main() -> None:
    """Fill, open every page, tell."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--payments", type=int, default=5_000_000)
    parser.add_argument("--times", type=int, default=20)
    options = parser.parse_args()
    with closing(ThrowawayPostgres(durable=True)) as server:
        settings = Settings(database_url=server.create_database(DATABASE), log_level="ERROR", jwt_secret_key=SECRET)
        app = create_app(replace(settings, rabbitmq_enabled=True))
        with app.app_context():
            upgrade()
        fill(server, DATABASE, options.payments)
        execute(server, DATABASE, TROUBLE.format(bills=BILLS))
        execute(server, DATABASE, "VACUUM ANALYZE")
        print(f"{'page':<32}{'first':>8}{'median':>8}{'slowest':>8}  ms", file=sys.stderr)
        for name, path in PAGES.items():
            _report(name, _signed_in(app.test_client()), path.format(**_known(server, options.payments)), options.times)


def _known(server: ThrowawayPostgres, payments: int) -> dict[str, object]:
    """Ids of payments in the middle of the table."""
    middle = payments // 2
    with closing(server.connect(DATABASE)) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT idempotency_hash FROM payments WHERE payment_id = {middle}")
        (row,) = cursor.fetchall()
    return {"middle": middle, "behind": payments + BILLS // 2, "hash": row[0]}


def _signed_in(client: FlaskClient) -> FlaskClient:
    ends = datetime.now(UTC) + timedelta(hours=1)
    token = jwt.encode({"sub": "maria", "scope": "payments:service", "exp": ends}, SECRET, algorithm="HS256")
    client.set_cookie("ops_token", token, path="/ops")
    return client


def _report(name: str, client: FlaskClient, path: str, times: int) -> None:
    taken = []
    for _ in range(times):
        began = time.monotonic()
        status = client.get(path).status_code
        taken.append((time.monotonic() - began) * 1000)
        if status >= 400:
            raise SystemExit(f"{path} answered {status}")
    print(f"{name:<32}{taken[0]:>8.1f}{statistics.median(taken):>8.1f}{max(taken):>8.1f}")


if __name__ == "__main__":
    main()
