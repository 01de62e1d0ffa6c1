"""The databases of release 1.0.0 contain every kind of row that it writes, so that an upgrade is tested with each."""

import gzip
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.release_1_0_0 import DATABASES, expected

STATUSES = {
    "trips": "PROCESSING CAPTURED PARTIALLY_REFUNDED REFUNDED FAILED",
    "bills": "PROCESSING CAPTURED FAILED",
    "bookings": "PENDING PROCESSING CAPTURED REFUNDED FAILED CANCELLED",
    "orders": "PENDING PROCESSING CAPTURED PARTIALLY_REFUNDED REFUNDED FAILED CANCELLED",
    "checkout": "PROCESSING AUTHORIZED CAPTURED PARTIALLY_REFUNDED REFUNDED FAILED CANCELLED",
}
"""The statuses that payments of a channel can have."""

SINKS = {"order", "inventory", "notification", "trip_notification", "rabbitmq", "kafka"}
KINDS = {"charge", "authorize", "capture", "void", "refund"}
KEYS = (
    "response_status IS NULL",
    "response_status IS NULL AND fence > 1",
    "response_status = 400 AND payment_id IS NULL",
    "response_status IS NOT NULL AND expires_at < '2026-01-01'",
    "response_status IS NOT NULL AND expires_at >= '2100-01-01'",
    "response_status IS NULL AND rendering LIKE '%.camel'",
    "subject <> ''",
)
PURGED = "SELECT o.kind FROM operations o LEFT JOIN idempotency_keys k USING (operation_id) WHERE k.key_id IS NULL"


@pytest.fixture
def file(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Open the SQLite file with the tables of release 1.0.0."""
    path = tmp_path / "payments.db"
    path.write_bytes(gzip.decompress(DATABASES["sqlite"].read_bytes()))
    with closing(sqlite3.connect(path)) as connection:
        yield connection


def count(file: sqlite3.Connection, rows: str) -> int:
    """Count rows: a table, perhaps with a condition."""
    return int(file.execute(f"SELECT count(*) FROM {rows}").fetchone()[0])  # noqa: S608 - only this file calls it


def test_schema_is_the_newest_of_release_1_0_0(file: sqlite3.Connection) -> None:
    assert file.execute("SELECT version_num FROM alembic_version").fetchall() == [("0006",)]


def test_payments_of_every_channel_have_every_status(file: sqlite3.Connection) -> None:
    found = set(file.execute("SELECT channel, status FROM payments"))
    assert found == {(channel, status) for channel, statuses in STATUSES.items() for status in statuses.split()}
    assert count(file, "payments WHERE amount = 0") > 0
    assert {"INR", "JPY", "KWD"} <= {currency for (currency,) in file.execute("SELECT currency FROM payments")}


def test_operations_of_every_kind_have_every_status(file: sqlite3.Connection) -> None:
    found = set(file.execute("SELECT kind, status FROM operations"))
    assert found == {(kind, status) for kind in KINDS for status in ("PENDING", "SUCCEEDED", "FAILED")}
    assert {kind for (kind,) in file.execute(PURGED)} == KINDS
    reasons = {str(reason).split(" ", 1)[0] for (reason,) in file.execute("SELECT review_reason FROM operations")}
    assert reasons == {"None", "maria:", "not", "the"}


def test_refunds_and_deliveries_have_every_status(file: sqlite3.Connection) -> None:
    assert {status for (status,) in file.execute("SELECT status FROM payment_refunds")} == {
        *("PENDING", "REFUNDED", "FAILED")
    }
    found = set(file.execute("SELECT sink, status FROM outbox_deliveries"))
    assert found == {(sink, status) for sink in SINKS for status in ("PENDING", "DELIVERED", "DEAD")}
    assert count(file, "outbox_deliveries WHERE status = 'PENDING' AND leased_until IS NOT NULL") > 5


def test_keys_have_every_state_and_no_lease_is_alive(file: sqlite3.Connection) -> None:
    assert {condition: count(file, f"idempotency_keys WHERE {condition}") > 0 for condition in KEYS} == dict.fromkeys(
        KEYS, True
    )
    ((leased_until, recover_at),) = file.execute("SELECT max(leased_until), max(recover_at) FROM idempotency_keys")
    assert max(leased_until, recover_at) < "2026"
    states = Counter(expected("sqlite")["repeats"]["states"].values())
    assert {state for state, times in states.items() if times > 5} == {
        *("stored", "expired", "undecided", "no row", "no key")
    }


def test_rows_of_1_0_0_have_folded_and_open_marks(file: sqlite3.Connection) -> None:
    tables = ("tallies", "hourly_tallies", "tally_marks", "users", "operator_actions")
    assert {table: count(file, table) > 1 for table in tables} == dict.fromkeys(tables, True)
    assert count(file, "tallies WHERE move = 'failed_attempt'") > 0
    assert count(file, "tally_marks WHERE move = 'failed_attempt'") > 0


def test_dump_has_as_many_rows_as_the_file(file: sqlite3.Connection) -> None:
    dump = gzip.decompress(DATABASES["postgresql"].read_bytes()).decode()
    dumped = Counter(re.findall(r"^INSERT INTO public\.(\w+) ", dump, re.MULTILINE))
    tables = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    assert {table: count(file, table) for table in tables} == dumped
